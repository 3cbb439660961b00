import importlib
import sys

import pytest

from benchmark.plugins.fingerprint import code_digest, digest_of

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
        name = f"fingerprinted_{next(count)}"
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        importlib.invalidate_caches()
        code_digest.cache_clear()
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
)  # fmt: skip
def test_whatever_may_change_a_result_changes_the_digest(digest, before, after):
    assert digest(SOURCE.replace(before, after)) != digest(SOURCE)


def test_a_function_of_a_docstring_alone_has_a_digest(digest):
    assert digest('def nothing():\n    """Do nothing."""\n') == digest('def nothing():\n    "No."\n')


def test_a_package_is_all_its_modules(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("package_a", "package_b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
        (tmp_path / name / "rule.py").write_text(SOURCE)
    assert code_digest("package_a") == code_digest("package_b")
    (tmp_path / "package_b" / "more.py").write_text("x = 1")
    code_digest.cache_clear()
    assert code_digest("package_a") != code_digest("package_b")


def test_a_compiled_module_has_the_digest_of_its_bytes_and_a_missing_one_none():
    compiled = next(name for name in ("_json", "_struct", "_bisect") if name not in sys.builtin_module_names)
    assert len(code_digest(compiled)) == 64
    assert code_digest("no_such_module_anywhere") == ""
