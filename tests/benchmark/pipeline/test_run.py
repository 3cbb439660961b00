import shutil

import pandas as pd
import pytest

from benchmark.errors import UserError
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.features import extract_features
from benchmark.pipeline.run import run_study
from benchmark.report.tables import all_tables, summary, write_tables
from benchmark.statistics.intervals.proportions import wilson


@pytest.fixture
def run(tmp_path):
    def go(study, store=None, jobs=1):
        with workers(jobs) as pool:
            return run_study(study, Execution(Store(store or tmp_path / "store"), pool))

    return go


def test_a_study_learns_what_can_be_learnt(run, toy_study):
    result = run(toy_study())
    accuracy = summary(result).query("metric == 'accuracy'").set_index("run")
    assert accuracy.loc["moments/logistic_regression", "value"] > 0.75
    assert (accuracy["low"] < accuracy["value"]).all()
    assert set(result.models) == {"moments/logistic_regression", "moments/toy_nearest"}


def test_permuted_labels_leave_the_majority_rate_inside_the_interval(run, toy_study):
    result = run(
        toy_study(cohort={"use": "toy_cohort", "zero": 60, "nonzero": 50}, protocol={"permute_labels": True})
    )
    for name, rows in result.predictions.groupby("run"):
        low, high = wilson(int((rows["predicted"] == rows["label"]).sum()), len(rows))
        assert low <= 60 / 110 <= high, f"{name}: {low:.3f}–{high:.3f} does not hold the majority rate"


def test_every_run_is_scored_on_the_same_cases_and_folds(run, toy_study):
    result = run(toy_study())
    folds = {
        name: rows.set_index("case_id")["fold"].to_dict() for name, rows in result.predictions.groupby("run")
    }
    first, second = folds.values()
    assert first == second


@pytest.mark.slow
def test_a_second_run_computes_nothing_and_gives_the_same_tables(run, toy_study):
    first, second = run(toy_study()), run(toy_study())
    assert (first.features.computed, first.fitted) == (120, 8), "the yardsticks' features beside the study's"
    assert (second.features.computed, second.fitted) == (0, 0)
    for name, table in all_tables(first).items():
        pd.testing.assert_frame_equal(table, all_tables(second)[name])


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_processes(run, toy_study, tmp_path):
    for jobs in (1, 2):
        result = run(
            toy_study(cohort={"use": "toy_cohort", "broken": (3, 7)}), tmp_path / f"store{jobs}", jobs
        )
        write_tables(all_tables(result), tmp_path / f"tables{jobs}")
    files = sorted(file.name for file in (tmp_path / "tables1").iterdir())
    assert {"summary.csv", "comparisons.csv", "folds.csv", "predictions.csv", "exclusions.csv"} <= set(files)
    for name in files:
        assert (tmp_path / "tables1" / name).read_bytes() == (tmp_path / "tables2" / name).read_bytes(), name


def test_adding_a_classifier_changes_no_number_of_the_others(run, toy_study, toy_declaration):
    before = run(toy_study()).folds
    more = {**toy_declaration["classifiers"], "random_forest": {"grid": {"n_estimators": [5]}}}
    after = run(toy_study(classifiers=more))
    assert after.fitted == 4, "three folds and the final model of the new run, nothing of the old ones"
    kept = after.folds[after.folds["run"].isin(before["run"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, before)


def test_a_copied_store_serves_another_machine(run, toy_study, tmp_path):
    run(toy_study(), tmp_path / "here")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    again = run(toy_study(name="renamed"), tmp_path / "there")
    assert (again.features.computed, again.fitted) == (0, 0)


def test_a_case_that_fails_is_an_exclusion_with_stage_and_reason_and_is_tried_again(run, toy_study):
    study = toy_study(cohort={"use": "toy_cohort", "broken": (3,)})
    for _ in range(2):
        result = run(study)
        (exclusion,) = result.features.exclusions
        assert (exclusion.case_id, exclusion.stage) == ("toy-003", "read")
        assert exclusion.reason == "toy-003: the scanner was switched off"
        assert len(result.case_ids) == 39


def test_a_study_whose_every_case_is_excluded_fails_with_the_tally(run, toy_study):
    with pytest.raises(
        UserError, match=r"every one of the 40 cases was excluded: 1 × read: toy-000: the scanner"
    ):
        run(toy_study(cohort={"use": "toy_cohort", "broken": tuple(range(40))}))


def test_an_extractor_that_cannot_run_is_named_with_the_reason_and_the_others_go_on(
    run, toy_study, toy_declaration
):
    absent = {"use": "toy_moments", "segmenter": "toy_centre", "ready": False}
    result = run(toy_study(extractors={**toy_declaration["extractors"], "absent": absent}))
    assert result.failed == {
        f"absent/{name}": "unavailable: no weights: fetch them"
        for name in ("logistic_regression", "toy_nearest")
    }
    assert len(result.models) == 2


def test_a_classifier_that_fails_costs_its_own_run_alone(run, toy_study):
    result = run(
        toy_study(classifiers={"toy_nearest": {}, "random_forest": {"grid": {"max_features": [-3]}}})
    )
    assert list(result.failed) == ["moments/random_forest"]
    assert "max_features" in result.failed["moments/random_forest"]


@pytest.mark.parametrize(
    ("cohort", "message"),
    [
        ({"zero": 20, "nonzero": 0}, "all 20 cases have label 0"),
        ({"zero": 20, "nonzero": 2}, "only 2 cases have label 1, too few for 3 folds"),
        (
            {"zero": 20, "nonzero": 20, "contrast": 0.0, "broken": list(range(20))},
            "all 20 cases have label 1",
        ),
    ],
)
def test_labels_that_cannot_be_cross_validated_are_refused(run, toy_study, cohort, message):
    with pytest.raises(UserError, match=message):
        run(toy_study(cohort={"use": "toy_cohort", **cohort}))


@pytest.mark.parametrize(
    "change",
    [
        {"cohort": {"use": "toy_cohort", "zero": 20, "nonzero": 0}},
        {"protocol": {"split": "grouped", "folds": 50}},
    ],
)
def test_cases_that_cannot_be_split_are_refused_before_anything_is_extracted(
    run, toy_study, tmp_path, change
):
    with pytest.raises(UserError):
        run(toy_study(**change))
    assert not list((tmp_path / "store").rglob("features/**/*"))
    run(toy_study())
    assert list((tmp_path / "store").rglob("features/**/*"))


def test_flat_is_never_below_nested_on_its_own_folds_by_construction(run, toy_study):
    flat = run(toy_study(protocol={"selection": "flat", "folds": 3}))
    chosen = flat.choices.groupby("run")["parameters"].nunique()
    assert (chosen == 1).all(), "one grid point for all folds"
    assert len(flat.predictions) == 2 * 40


def test_repeats_draw_new_folds(run, toy_study):
    result = run(toy_study(protocol={"folds": 3, "inner_folds": 3, "repeats": 2}))
    per_case = result.predictions.query("run == 'moments/toy_nearest'").pivot_table(
        index="case_id", columns="repeat", values="fold"
    )
    assert per_case.shape == (40, 2)
    assert (per_case[0] != per_case[1]).any()


def test_features_need_no_labels(toy_study, tmp_path):
    with workers(1) as pool:
        features = extract_features(toy_study(), Execution(Store(tmp_path), pool))
    assert features.tables["moments"].shape == (40, 5)
