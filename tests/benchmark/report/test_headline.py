"""The embedded phantoms through the whole pipeline, held against the guarded numbers."""

import json
from pathlib import Path

import pytest
import yaml

from benchmark.errors import UserError
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.run import run_study
from benchmark.report.headline import (
    compare_with_headline,
    facts_of,
    headline_of,
    made_elsewhere,
    update_headline,
)
from benchmark.report.tables import summary
from benchmark.study.study import Study

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
HEADLINE = ROOT / "results" / "headline.json"


def facts(tmp_path_factory, **changes):
    declaration = yaml.safe_load((ROOT / "tests" / "studies" / "small.yaml").read_text())
    study = Study.model_validate({**declaration, **changes})
    with workers(2) as pool:
        result = run_study(study, Execution(Store(tmp_path_factory.mktemp("store")), pool))
    return facts_of(result, summary(result))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return facts(tmp_path_factory)


def test_the_small_study_gives_the_guarded_numbers(small):
    table = compare_with_headline(small, HEADLINE)
    assert table["ok"].all(), table[~table["ok"]].to_string()


def test_masks_in_the_wrong_place_move_the_numbers(tmp_path_factory):
    broken = facts(tmp_path_factory, segmenters={"reference": {"use": "toy_misplaced"}})
    moved = compare_with_headline(broken, HEADLINE).query("not ok")
    assert "accuracy" in set(moved["metric"])


def test_a_lost_case_or_a_lost_run_is_seen(small):
    fewer = {**small, "cases": small["cases"] - 1}
    assert compare_with_headline(fewer, HEADLINE).query("not ok")["metric"].tolist() == ["cases"]
    lost = {**small, "runs": dict(list(small["runs"].items())[1:])}
    assert compare_with_headline(lost, HEADLINE).query("not ok")["run"].nunique() == 1


def test_the_tolerance_is_half_the_bootstrap_interval(small):
    name, metrics = next(iter(small["runs"].items()))
    entry = headline_of(small)["runs"][name]["accuracy"]
    expected = (metrics["accuracy"]["high"] - metrics["accuracy"]["low"]) / 2
    assert entry["tolerance"] == pytest.approx(expected, abs=1e-6)


def test_updating_one_study_keeps_the_others(small, tmp_path):
    file = tmp_path / "headline.json"
    update_headline({**small, "study": "other"}, file)
    update_headline(small, file)
    assert compare_with_headline({**small, "study": "other"}, file)["ok"].all()
    with pytest.raises(UserError, match="does not guard study third"):
        compare_with_headline({**small, "study": "third"}, file)


def test_the_check_says_what_else_differs_from_what_made_the_guarded_numbers(small, tmp_path):
    file = tmp_path / "headline.json"
    update_headline({**small, "processor": "AMD EPYC 7763"}, file)
    assert made_elsewhere({**small, "processor": "AMD EPYC 7763"}, file) == ""
    other = made_elsewhere({**small, "processor": "Intel Xeon"}, file)
    assert other == "another processor, Intel Xeon (guarded: AMD EPYC 7763)"
    newer = {**small, "processor": "AMD EPYC 7763", "versions": {**small["versions"], "numpy": "9.0"}}
    assert made_elsewhere(newer, file) == f"numpy 9.0 (guarded: {small['versions']['numpy']})"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("protocol.folds", 4, "other folds (`seed` or `protocol`)"),
        ("seed", "another", "other folds (`seed` or `protocol`)"),
        ("comparisons.rope", 0.5, ""),
    ],
)
def test_the_check_says_that_folds_are_others(small, tmp_path, name, value, said):
    file = tmp_path / "headline.json"
    update_headline(small, file)
    assert name in small["parameters"]
    assert made_elsewhere({**small, "parameters": {**small["parameters"], name: value}}, file) == said


def test_the_check_says_that_the_cohort_is_another_where_the_guard_knows_it(small, tmp_path):
    file = tmp_path / "headline.json"
    update_headline(small, file)
    other = {**small, "cohort_hash": "0" * 64}
    assert made_elsewhere(other, file) == "another cohort"
    guard = json.loads(file.read_text())
    del guard[small["study"]]["cohort_hash"]
    file.write_text(json.dumps(guard))
    assert made_elsewhere(other, file) == ""


@pytest.mark.parametrize(("content", "message"), [(None, "no headline file"), ("{", "not a headline file")])
def test_a_missing_or_damaged_headline_file_is_refused_with_the_remedy(small, tmp_path, content, message):
    file = tmp_path / "headline.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UserError, match=message):
        compare_with_headline(small, file)


def test_the_default_study_is_guarded_too():
    with pytest.raises(UserError) as missing:
        compare_with_headline({"study": "not this"}, HEADLINE)
    assert "does not guard" in str(missing.value)
    import json

    assert set(json.loads(HEADLINE.read_text())) >= {"phantoms", "controls", "small"}
