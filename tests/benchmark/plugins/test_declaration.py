from typing import Annotated, Any, Literal

import pytest
from pydantic import BeforeValidator, Discriminator, Field, ValidationError, model_validator

from benchmark.plugins.declaration import Declaration, Once, did_you_mean, mistake, plain_message


class Inner(Declaration):
    use: Literal["inner"] = "inner"
    threshold: float = Field(0.5, gt=0)
    name: str

    @model_validator(mode="after")
    def _named(self):
        if self.name == "nobody":
            raise ValueError("nobody is no name: choose another")
        return self


class Other(Declaration):
    use: Literal["other"] = "other"


class Outer(Declaration):
    sizes: dict[float, tuple[float, ...]] = Field({})
    names: Annotated[dict[int, str], Once] = Field({})
    anything: Any = None
    flag: bool = False
    one: Inner = Inner(name="a")
    several: tuple[Inner, ...] = ()
    either: Annotated[Inner | Other, Discriminator("use")] = Other()

    @model_validator(mode="after")
    def _few(self):
        if len(self.several) > 2:
            raise mistake("several", message="two at most")
        return self


def mistakes(**declared) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        Outer(**declared)
    return {".".join(map(str, item["loc"])): plain_message(item) for item in caught.value.errors()}


@pytest.mark.parametrize(
    ("declared", "place", "message"),
    [
        ({"onne": {}}, "onne", "unknown key; did you mean 'one'?"),
        ({"one": {"name": "a", "treshold": 1}}, "one.treshold", "unknown key; did you mean 'threshold'?"),
        (
            {"several": [{"name": "a"}, {"nam": "b", "name": "b"}]},
            "several.1.nam",
            "unknown key; did you mean 'name'?",
        ),
        (
            {"either": {"use": "inner", "name": "a", "zzz": 1}},
            "either.inner.zzz",
            "unknown key; there are: use, threshold, name",
        ),
        ({"one": {}}, "one.name", "is missing; add it"),
        ({"one": {"name": "nobody"}}, "one", "nobody is no name: choose another"),
        ({"several": [{"name": "a"}] * 3}, "several", "two at most"),
        ({"one": {"name": "a", "threshold": -1}}, "one.threshold", "Input should be greater than 0"),
        ({"one": {"name": "a", "threshold": float("nan")}}, "one.threshold", "must be a finite number"),
        ({"one": {"name": "a", "threshold": "inf"}}, "one.threshold", "must be a finite number"),
        ({"sizes": {1: [2, float("inf")]}}, "sizes.1.1", "must be a finite number"),
        ({"anything": {"deep": [float("nan")]}}, "anything.deep.0", "must be a finite number"),
        (
            {"sizes": {"1_0": [1]}},
            "sizes.1_0",
            "'1_0' is no number in plain digits: write it without quotes, as in 1000",
        ),
        (
            {"sizes": {1: ["1_0"]}},
            "sizes.1.0",
            "'1_0' is no number in plain digits: write it without quotes, as in 1000",
        ),
        (
            {"names": {1: "LM", 2: "LAD", 3: "LM"}},
            "names",
            "1 and 3 are both called 'LM': give each a name of its own",
        ),
        (
            {"one": {"name": "a", "threshold": True}},
            "one.threshold",
            "true is no number: write one, such as 1",
        ),
        ({"one": 3}, "one", "must be a mapping of keys to values"),
        ({"several": 3}, "several", "must be a list such as [a, b]"),
        ({"either": {"use": "iner"}}, "either", "there is no 'iner'; did you mean 'inner'?"),
    ],
)
def test_a_mistake_says_at_its_place_what_to_do(declared, place, message):
    assert mistakes(**declared) == {place: message}


def test_text_in_plain_digits_is_a_number_and_a_flag_is_no_number():
    read = Outer(sizes={"1": ["2.5", " 3e1 "]}, flag="yes", anything="1_000")
    assert (read.sizes, read.flag, read.anything) == ({1.0: (2.5, 30.0)}, True, "1_000")


def test_text_that_a_plugin_reads_in_its_own_way_is_its_own_affair():
    class Margin(Declaration):
        mm: Annotated[float, BeforeValidator(lambda text: {"2 mm": 2, True: 0.5}.get(text, text))] = 0

    assert (Margin(mm="2 mm").mm, Margin(mm=True).mm) == (2, 0.5)
    with pytest.raises(ValidationError, match="'1_0' is no number in plain digits"):
        Margin(mm="1_0")


def test_all_mistakes_are_told_at_once():
    assert set(mistakes(one={"treshold": 0.1, "threshold": 0}, two=2)) == {
        "one.treshold",
        "one.threshold",
        "one.name",
        "two",
    }


def test_kind_and_input_of_a_mistake_stay_what_pydantic_says_they_are():
    with pytest.raises(ValidationError, match="input_value=-1") as caught:
        Outer(one={"name": "a", "threshold": -1, "treshold": 1})
    assert {item["type"] for item in caught.value.errors()} == {"greater_than", "extra_forbidden"}


def test_a_message_with_braces_is_told_as_it_is():
    assert mistake("key", message="write `{use: NAME}`").errors()[0]["msg"] == "write `{use: NAME}`"


def test_what_is_declared_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Outer().one = Inner(name="b")


def test_a_hint_is_the_nearest_name_or_all_there_are():
    assert did_you_mean("redius", ["radius", "noise"]) == "did you mean 'radius'?"
    assert did_you_mean("xyz", ["radius", "noise"]) == "there are: radius, noise"
    assert did_you_mean("xyz", []) == "there are: none"
