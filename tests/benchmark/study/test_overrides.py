"""What the command line changes of a study is validated like the file, and says itself where it is wrong."""

import pytest
import yaml

from benchmark.errors import UserError
from benchmark.study.overrides import Overrides
from benchmark.study.reading import read_study


@pytest.fixture
def read(tmp_path, toy_declaration):
    """Read the toy study with another extractor beside the first, changed."""
    toy_declaration["extractors"]["other"] = {"use": "toy_moments", "segmenter": "toy_centre"}
    toy_declaration["comparisons"] = {"reference": "other/toy_nearest", "question": "other against moments"}
    file = tmp_path / "toy.yaml"
    file.write_text(yaml.safe_dump(toy_declaration))

    def changed(*values, only=()):
        before = file.read_bytes()
        study = read_study(file, Overrides(values, tuple(only)))
        assert file.read_bytes() == before
        return study

    return changed


def test_a_value_takes_the_place_of_the_files_and_the_rest_stays(read):
    study = read("protocol.folds=4", "seed=later", "extractors.moments.fail_at=x", "protocol.selection=flat")
    assert (study.protocol.folds, study.protocol.inner_folds, study.seed) == (4, 3, "later")
    assert study.protocol.selection == "flat"
    assert study.extractors["moments"].extractor.fail_at == "x"
    assert study.overrides.startswith("--set protocol.folds=4 --set seed=later")
    assert read().overrides == ""


def test_a_key_that_the_file_lacks_is_added(read):
    assert read("target={use: bands}", "protocol.repeats=2").protocol.repeats == 2
    assert read("yardsticks=null").yardsticks is None


def test_runs_or_extractors_are_singled_out_and_nothing_else_is_extracted(read):
    assert read(only=["moments/toy_nearest"]).run_names() == ["moments/toy_nearest"]
    one = read(only=["other"])
    assert one.run_names() == ["other/logistic_regression", "other/toy_nearest"]
    assert list(one.extractors) == ["other"]
    assert one.reference_run == "other/toy_nearest"
    assert read(only=["moments"]).reference_run == "moments/logistic_regression"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["protocol.fods=3"], "did you mean 'folds'"),
        (["protocol.folds"], "--set protocol.folds: write KEY=VALUE"),
        (["=3"], "write KEY=VALUE"),
        (["protocol..folds=3"], "write KEY=VALUE"),
        (["protocol.folds=many"], r"toy\.yaml:\d+: protocol\.folds"),
        (["protocol.folds=[1"], "the value is not valid YAML"),
        (["name.x=3"], "name is no mapping in the study file; set it as a whole"),
    ],
)
def test_a_mistake_in_a_value_is_named(read, values, said):
    with pytest.raises(UserError, match=said):
        read(*values)


def test_a_run_that_is_not_there_is_named(read):
    with pytest.raises(UserError, match=r"--only momens: is no run of the study; did you mean 'moments'"):
        read(only=["momens"])
