import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from benchmark.plugins.registry import build
from benchmark.study.strict_yaml import Loader, load_yaml

VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
DOCUMENTS = st.recursive(
    VALUES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


class Dumper(yaml.SafeDumper):
    """Writes version 1.2: it quotes what the loader would not read as text."""

    yaml_implicit_resolvers = Loader.yaml_implicit_resolvers


@given(DOCUMENTS)
def test_whatever_is_written_is_read_back_as_it_was(document):
    assert load_yaml(yaml.dump(document, Dumper=Dumper)) == document


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-3", -3),
        ("+3", 3),
        ("0", 0),
        ("0x1F", 31),
        ("0o17", 15),
        ("1e-3", 0.001),
        ("1E5", 1e5),
        ("1.5e5", 1.5e5),
        (".5", 0.5),
        ("+.5", 0.5),
        ("12.", 12.0),
        ("-.inf", float("-inf")),
        ("~", None),
        ("", None),
        ("Null", None),
        ("2026-01-01", "2026-01-01"),
        ("tRUE", "tRUE"),
        ("1.2.3", "1.2.3"),
        ("3D", "3D"),
        ("a_1", "a_1"),
        ("'010'", "010"),
        ('"1_000"', "1_000"),
        ("1:a", "1:a"),
    ],
)
def test_a_value_is_what_version_1_2_says(text, value):
    read = load_yaml(f"key: {text}")["key"]
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "text",
    ["1_000", "1_0.5", "010", "08", "-012", "1:30", "190:20:30.15", "0b101", "-0x1F", "0x_1F", "+1_0e+3"],
)
@pytest.mark.parametrize("place", ["a: 1\nkey: {}", "a: 1\n{}: key", "a:\n  - [2, {}]"])
def test_what_the_versions_read_differently_is_refused_with_line_and_remedy(text, place):
    with pytest.raises(yaml.MarkedYAMLError, match="write a number in plain decimal digits") as caught:
        load_yaml(place.format(text))
    assert caught.value.problem.startswith(f"{text} is one thing to YAML 1.1")
    assert caught.value.problem_mark.line + 1 == 2


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "Off", "NO"])
def test_on_off_yes_and_no_are_words(word):
    assert load_yaml(f"contrast: {word}") == {"contrast": word}


@pytest.mark.parametrize(("word", "value"), [("true", True), ("False", False), ("TRUE", True)])
def test_true_and_false_are_truth_values(word, value):
    assert load_yaml(f"flag: {word}") == {"flag": value}


def test_contrast_can_be_declared_as_the_documentation_writes_it():
    assert build("cohort", load_yaml("{use: phantom, contrast: on}")).contrast == "on"


@pytest.mark.parametrize(("text", "line"), [("a: 1\nb: 2\na: 3", 3), ("x:\n  - {b: 1,\n     b: 1}", 3)])
def test_a_key_that_is_there_twice_is_refused_with_its_line(text, line):
    with pytest.raises(yaml.MarkedYAMLError, match="is there already; remove one") as caught:
        load_yaml(text)
    assert caught.value.problem_mark.line + 1 == line


def test_what_overrides_a_merged_mapping_is_no_key_twice():
    assert load_yaml("a: &usual {folds: 3, repeats: 2}\nb:\n  <<: *usual\n  folds: 4") == {
        "a": {"folds": 3, "repeats": 2},
        "b": {"folds": 4, "repeats": 2},
    }


@pytest.mark.parametrize("text", ["path: {{folder}}", "? [a, b]\n: 1", "{[1]: 2, [1]: 3}"])
def test_a_key_that_is_no_word_is_a_mistake_in_the_yaml(text):
    with pytest.raises(yaml.MarkedYAMLError, match="unhashable"):
        load_yaml(text)


def test_no_python_object_is_made():
    with pytest.raises(yaml.YAMLError):
        load_yaml("!!python/object/apply:os.getcwd []")
