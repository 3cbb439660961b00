import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from benchmark.plugins import Classifier, Cohort, FeatureExtractor, Segmenter
from benchmark.plugins.registry import BASES, BUILTINS, build, build_all, names, plugin_class


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in BUILTINS for name in BUILTINS[kind]])
def test_every_built_in_plugin_is_of_its_kind_frozen_and_described(kind, name):
    cls = plugin_class(kind, name)
    assert issubclass(cls, BASES[kind])
    assert cls.model_config["frozen"]
    assert cls.__doc__
    assert all(field.description for field in cls.model_fields.values()), "every parameter says what it is"


@pytest.mark.parametrize(
    ("kind", "name", "base"),
    [
        ("cohort", "toy_cohort", Cohort),
        ("segmenter", "toy_centre", Segmenter),
        ("feature_extractor", "toy_moments", FeatureExtractor),
        ("classifier", "toy_nearest", Classifier),
    ],
)
def test_another_package_adds_a_plugin_of_each_kind(kind, name, base):
    assert name in names(kind)
    assert isinstance(build(kind, name), base)


def test_an_unknown_plugin_is_refused_with_the_name_that_was_meant():
    with pytest.raises(
        ValueError, match="no classifier is called 'random_forrest'; did you mean 'random_forest'"
    ):
        build("classifier", "random_forrest")


def test_a_declaration_without_use_is_refused_with_the_choices():
    with pytest.raises(ValueError, match=r"names no cohort: add `use: NAME`, one of phantom, .*manifest"):
        build("cohort", {"zero": 3})


def test_an_entry_point_of_the_wrong_kind_is_refused(monkeypatch):
    monkeypatch.setitem(BUILTINS["segmenter"], "wrong", "toy_plugins:ToyCohort")
    with pytest.raises(ValueError, match="plug-in 'wrong' is not a Segmenter"):
        plugin_class("segmenter", "wrong")


BROKEN = """
[cacbench.segmenters]
gone = no_such_package:Segmenter
falls = falls_over:Segmenter
ends = ends_all:Segmenter
strange = strange_state:Strange
"""


def test_a_broken_plug_in_of_another_package_hides_no_other(tmp_path):
    folder = tmp_path / "broken-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(BROKEN)
    (tmp_path / "falls_over.py").write_text("1 / 0\n")
    (tmp_path / "ends_all.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "strange_state.py").write_text(
        "from benchmark.plugins import Segmenter\n"
        "class Strange(Segmenter):\n    def availability(self):\n        raise OSError('no disk')\n"
        "    def segment(self, scan):\n        return scan.image\n"
    )
    command = [sys.executable, "-c", "import cacbench; cacbench.main()"]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{Path.cwd()}"}
    listed = subprocess.run([*command, "list", "--json"], env=environment, capture_output=True, text=True)
    assert listed.returncode == 0, listed.stderr
    described = json.loads(listed.stdout)["segmenter"]
    assert described["whole_image"]["state"] == "ready"
    assert "'gone' of broken cannot be imported (ModuleNotFoundError" in described["gone"]["state"]
    assert "(ZeroDivisionError: division by zero); update or uninstall" in described["falls"]["state"]
    assert "'ends' of broken cannot be imported (SystemExit" in described["ends"]["state"]
    assert described["strange"]["state"] == "broken: OSError: no disk"
    scored = subprocess.run(
        [*command, "score", str(tmp_path / "x.nii"), "--segmenter", "falls"],
        env=environment, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert scored.returncode == 2, "whoever names it is told, in a sentence"
    assert "'falls' of broken cannot be imported" in scored.stderr
    assert "Traceback" not in scored.stderr


def test_a_name_alone_means_a_plugin_declared_earlier_before_a_registered_one():
    declared = build("segmenter", "toy_centre")
    assert build("segmenter", "toy_centre", {"named": {"toy_centre": declared}}) is declared


def test_a_plugin_that_is_made_already_is_taken_as_it_is():
    made = build("segmenter", "toy_centre")
    assert build("segmenter", made) is made
    assert build_all("segmenter", {"mine": made}) == {"mine": made}


def test_named_plugins_are_their_own_use_unless_they_say_otherwise_and_see_those_before_them():
    built = build_all(
        "segmenter", {"toy_centre": None, "dense": {"use": "threshold", "within": "toy_centre", "hu": 200}}
    )
    assert built["toy_centre"] == build("segmenter", "toy_centre")
    assert built["dense"].within is built["toy_centre"]


def test_every_mistake_in_named_plugins_is_placed_under_its_name():
    with pytest.raises(ValidationError) as caught:
        build_all(
            "segmenter",
            {
                "a": {"use": "threshold", "within": {"use": "reference", "mak": "heart"}},
                "b": {"use": "toy_centr"},
                "c": 5,
            },
        )
    told = {item["loc"]: item["msg"] for item in caught.value.errors()}
    assert told[("a", "within", "mak")] == "unknown key; did you mean 'mask'?"
    assert "did you mean 'toy_centre'" in told[("b",)]
    assert "names no segmenter: add `use: NAME`" in told[("c",)]


@pytest.mark.parametrize("specs", [{}, None, "threshold", ["threshold"]])
def test_what_names_no_plugins_is_refused(specs):
    with pytest.raises(ValueError, match="at least one plug-in"):
        build_all("segmenter", specs)
