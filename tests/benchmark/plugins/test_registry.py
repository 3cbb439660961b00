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
