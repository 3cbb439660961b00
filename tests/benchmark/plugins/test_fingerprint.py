import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.plugins.fingerprint import CONTRACT, PROJECT, code_digest, code_of, digest_of

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
SOURCE = """
class Rule:
    def area(self, radius):
        return 3.14 * radius ** 2, "mm2"
"""


@pytest.fixture
def digest(tmp_path, monkeypatch):
    """Return the digest of a module with the given source, each time another module."""
    monkeypatch.syspath_prepend(tmp_path)
    count = iter(range(99))

    def digest(source):
        name = f"{tmp_path.name}_{next(count)}"
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        importlib.invalidate_caches()
        return code_digest(name)

    return digest


def test_a_digest_does_not_depend_on_the_order_of_keys():
    assert digest_of({"a": 1, "b": [1, 2]}) == digest_of({"b": [1, 2], "a": 1})
    assert digest_of({"a": [1, 2]}) != digest_of({"a": [2, 1]})


def test_comments_docstrings_and_layout_do_not_change_a_module(digest):
    told = '"""Rules of area, in mm²."""\n' + SOURCE.replace(
        "class Rule:\n", 'class Rule:  # a rule\n    """A rule."""\n\n    name = 1\n    """Its name."""\n\n'
    )
    assert digest(told) == digest(SOURCE.replace("class Rule:", "class Rule:\n    name = 1"))
    assert digest(SOURCE.replace("3.14 * radius ** 2", "(3.14\n            * radius**2)")) == digest(SOURCE)


@pytest.mark.parametrize(
    ("before", "after"), [("3.14", "3.141"), ("** 2", "** 3"), ('"mm2"', '"cm2"'), ("area", "surface")]
)
def test_whatever_may_change_a_result_changes_the_digest(digest, before, after):
    assert digest(SOURCE.replace(before, after)) != digest(SOURCE)


def test_a_function_of_a_docstring_alone_has_a_digest(digest):
    assert digest('def nothing():\n    """Do nothing."""\n') == digest('def nothing():\n    "No."\n')


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write a package of some modules and return its name, each time another."""
    monkeypatch.syspath_prepend(tmp_path)
    count = iter(range(99))

    def write(**modules):
        name = f"{tmp_path.name}_{next(count)}"
        (tmp_path / name).mkdir()
        for module, source in {"__init__": "", **modules}.items():
            (tmp_path / name / f"{module}.py").write_text(source.replace("PACKAGE", name), encoding="utf-8")
        importlib.invalidate_caches()
        return name

    return write


def names(package, module):
    return {name.removeprefix(package).removeprefix(".") for name in code_of(f"{package}.{module}")}


@pytest.mark.parametrize(
    "imports",
    [
        "import PACKAGE.rule",
        "from PACKAGE import rule",
        "from PACKAGE.rule import Rule",
        "from . import rule",
        "from .rule import Rule",
        "def work():\n    from PACKAGE.rule import Rule",
    ],
)
def test_what_a_module_imports_of_its_package_is_its_code_however_it_is_written(package, imports):
    name = package(main=imports, rule="from PACKAGE.deep import x", deep="x = 1", other="y = 2")
    assert names(name, "main") >= {"main", "rule", "deep"}
    assert "other" not in names(name, "main")


def test_a_change_two_imports_away_changes_the_digest(package, tmp_path):
    name = package(main="from .a import x", a="from .b import x", b="x = 1")
    before = code_digest(f"{name}.main")
    for source, same in (("x = 1  # one", True), ("x = 2", False)):
        (tmp_path / name / "b.py").write_text(source)
        code_digest.cache_clear()
        assert (code_digest(f"{name}.main") == before) == same


def test_other_libraries_type_checkers_and_circles_do_not_count(package):
    source = (
        "from __future__ import annotations\nfrom typing import TYPE_CHECKING\nimport numpy\n"
        "if TYPE_CHECKING:\n    from PACKAGE.types import T\nfrom PACKAGE import main\n"
    )
    name = package(main=source + "from PACKAGE.rule import x", rule=source, types="T = int")
    assert names(name, "main") - {""} == {"main", "rule"}


def test_nothing_is_imported_to_find_out(package):
    name = package(main="from PACKAGE.rule import x", rule="raise SystemExit('imported')")
    assert names(name, "main") >= {"main", "rule"}
    assert not any(module.startswith(name) for module in sys.modules)


def test_the_contract_moves_no_key_and_what_decides_numbers_does():
    threshold = code_of("segmenters.threshold")
    scoring = {"benchmark.calcium.scoring", "benchmark.calcium.risk"}
    assert threshold == {"segmenters.threshold", *scoring, "benchmark.images.geometry"}
    assert "benchmark.images.geometry" in code_of("segmenters.totalsegmentator.segmenter")
    assert "benchmark.networks.checkpoint" in code_of("feature_extractors.ct_fm.extractor")
    assert "benchmark.calcium.scoring" in code_of("benchmark.cohorts.phantom")
    assert not any("training" in name for name in code_of("segmenters.denseraunet.segmenter"))


@pytest.mark.parametrize("name", CONTRACT + PROJECT)
def test_every_name_that_is_listed_names_a_module(name):
    assert importlib.util.find_spec(name) is not None


def test_a_compiled_module_has_the_digest_of_its_bytes_and_a_missing_one_is_an_error():
    compiled = next(name for name in ("_json", "_struct", "_bisect") if name not in sys.builtin_module_names)
    assert len(code_digest(compiled)) == 64
    with pytest.raises(ModuleNotFoundError, match="no module 'no_such_module_anywhere'"):
        code_digest("no_such_module_anywhere")
    with pytest.raises(ModuleNotFoundError, match=r"no module 'benchmark\.no_such'"):
        code_digest("benchmark.no_such")


def test_a_script_counts_by_its_file_and_a_prompt_says_that_it_has_none(tmp_path):
    asked = "from benchmark.plugins.fingerprint import code_digest; print(code_digest('__main__'))"
    (tmp_path / "script.py").write_text(f"{asked}\n")
    (tmp_path / "other.py").write_text(f"number = 1\n{asked}\n")
    said = [
        subprocess.run([sys.executable, *told], cwd=ROOT, capture_output=True, text=True, env=ENVIRONMENT)
        for told in ((tmp_path / "script.py",), (tmp_path / "other.py",), ("-c", asked))
    ]
    one, other, prompt = said
    assert len(one.stdout.strip()) == len(other.stdout.strip()) == 64
    assert one.stdout != other.stdout
    assert "notebook or a prompt has no file to be hashed: write it into one" in prompt.stderr
