"""Runs learnt from nested parts of their training folds, tested on the same cases; and what they cost."""

import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmark.analyses.learning_curve.cost import spent
from benchmark.analyses.learning_curve.curve import ALL, curve_tasks, learn
from benchmark.analyses.learning_curve.energy import energy_meter
from benchmark.analyses.learning_curve.report import report_of
from benchmark.analyses.learning_curve.study_curve import learning_curve
from benchmark.analyses.learning_curve.subsets import default_sizes, first_patients, in_order
from benchmark.cli import app
from benchmark.errors import UserError
from benchmark.evaluation.fold import evaluate
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.run import plan_study, run_study
from benchmark.plugins.registry import plugin_class
from benchmark.report.tables import summary
from benchmark.statistics.comparison.paired import nadeau_bengio

COHORT = {"use": "toy_cohort", "zero": 40, "nonzero": 40}
SIZES = [20, 35]


@pytest.fixture(scope="module")
def execution(tmp_path_factory):
    with workers(1) as pool:
        yield Execution(Store(tmp_path_factory.mktemp("store")), pool)


# Subsets


def cohort(patients=50, positives=15, seed=0):
    """Labels of scans, one to three of each patient, and whose they are."""
    random = np.random.default_rng(seed)
    scans = random.integers(1, 4, patients)
    labels = np.repeat((np.arange(patients) < positives).astype(int), scans)
    names = np.repeat([f"p{k:02}" for k in random.permutation(patients)], scans)
    return labels, names


def test_parts_lie_within_each_other_keep_patients_whole_and_end_in_the_fold_as_it_was():
    labels, names = cohort()
    train = np.flatnonzero(np.char.find(names, "7") < 0)
    ordered = in_order(train, labels, names, seed=3)
    parts = [set(first_patients(ordered, size)) for size in (5, 12, 30, len(ordered))]
    assert all(smaller < larger for smaller, larger in pairwise(parts))
    assert first_patients(ordered, len(ordered)).tolist() == train.tolist()
    for part, size in zip(parts, (5, 12, 30), strict=False):
        inside = set(names[list(part)])
        assert len(inside) == size
        assert part == set(train[np.isin(names[train], list(inside))])


@pytest.mark.parametrize("seed", range(5))
def test_every_part_has_the_labels_shares_within_a_patient(seed):
    labels, names = cohort()
    train = np.arange(len(labels))
    ordered = in_order(train, labels, names, seed)
    of_patient = [labels[cases].max() for cases in ordered]
    for size in range(1, len(ordered) + 1):
        assert abs(sum(of_patient[:size]) - 0.3 * size) <= 1


def test_the_order_depends_on_names_and_the_seed_and_not_on_places():
    labels, names = cohort()
    train = np.arange(len(labels))
    moved = np.random.default_rng(1).permutation(len(labels))
    by_name = [[names[case] for case in cases] for cases in in_order(train, labels, names, 3)]
    again = in_order(train, labels[moved], names[moved], 3)
    assert [[names[moved][case] for case in cases] for cases in again] == by_name
    assert [[names[case] for case in cases] for cases in in_order(train, labels, names, 4)] != by_name


def test_default_sizes_are_shares_of_the_smallest_fold_and_large_enough():
    assert default_sizes(140, 12) == [28, 49, 70, 98]
    assert default_sizes(30, 12) == [12, 15, 21]
    assert default_sizes(10, 12) == []


# Curves


@pytest.mark.slow
def test_each_size_tests_the_same_cases_and_the_whole_fold_is_the_studys_own(execution, toy_study):
    study = toy_study(cohort=COHORT)
    result = run_study(study, execution)
    plan = plan_study(study, execution)
    tasks = curve_tasks(plan, plan.runs, SIZES)
    for (run, size, split), task in tasks.items():
        assert (task.test == split.test).all()
        assert len(task.train) == (size or len(split.train))
        assert set(task.train) <= set(split.train)
        assert not set(task.train) & set(task.test), (run, size)
    curves = learn(plan, tasks, execution, replicates=200)
    assert curves.computed == 2 * 2 * 3, "two runs, two sizes, three folds; the whole folds are found"
    table, own = curves.table, summary(result).set_index(["run", "metric"])
    whole = table[table["all"]].set_index(["run", "metric"])
    assert whole["value"].to_dict() == pytest.approx(own.loc[whole.index, "value"].to_dict())
    assert (whole["patients"] == 160 / 3).all()
    assert learn(plan, tasks, execution, replicates=200).computed == 0


def test_a_run_learns_the_same_patients_at_a_size_as_another(execution, toy_study):
    plan = plan_study(toy_study(cohort=COHORT), execution)
    tasks = curve_tasks(plan, plan.runs, SIZES)
    first, second = (run.name for run in plan.runs)
    for split in plan.splits:
        assert (tasks[first, 20, split].train == tasks[second, 20, split].train).all()
        assert set(tasks[first, 20, split].train) < set(tasks[first, 35, split].train)


@pytest.mark.slow
def test_a_hard_problem_is_learnt_better_from_more_patients_and_its_step_is_the_corrected_test(
    execution, toy_study
):
    hard = {**COHORT, "zero": 150, "nonzero": 150, "contrast": 6.0}
    study = toy_study(cohort=hard, classifiers={"logistic_regression": {"grid": {"C": [1.0]}}})
    plan = plan_study(study, execution)
    tasks = curve_tasks(plan, plan.runs, [20])
    curves = learn(plan, tasks, execution, replicates=200)
    (step,) = curves.steps.query("metric == 'accuracy'").to_dict("records")
    run = plan.runs[0].name
    scores = {
        size: [
            (
                np.argmax(evaluate(tasks[run, size, split])["probabilities"], axis=1)
                == plan.labels[split.test]
            ).mean()
            for split in plan.splits
        ]
        for size in (20, ALL)
    }
    expected = nadeau_bengio(scores[ALL], scores[20], 100 / 20)  # the larger n_test/n_train of the two
    assert step["difference"] == pytest.approx(expected.difference)
    assert (step["low"], step["high"]) == pytest.approx((expected.low, expected.high))
    assert (step["from"], step["to"]) == (20, 200)


def test_curves_of_permuted_labels_stay_at_chance(execution, toy_study):
    protocol = {"folds": 3, "inner_folds": 3, "repeats": 2, "permute_labels": True}
    plan = plan_study(toy_study(cohort=COHORT, protocol=protocol), execution)
    table = learn(plan, curve_tasks(plan, plan.runs, SIZES), execution, replicates=500).table
    accuracy = table.query("metric == 'accuracy'")
    assert ((accuracy["low"] < 0.5) | (accuracy["value"] < 0.55)).all()


class InPairs(plugin_class("cohort", "toy_cohort")):
    """Every two cases of a label are one patient's."""

    def cases(self):
        cases = sorted(super().cases(), key=lambda case: case.label)
        return [replace(case, patient=f"patient {place // 2}") for place, case in enumerate(cases)]


def test_sizes_are_of_patients_whose_scans_stay_together(execution, toy_study):
    plan = plan_study(toy_study(cohort=InPairs(zero=40, nonzero=40)), execution)
    tasks = curve_tasks(plan, plan.runs[:1], [20])
    patient = plan.cases["patient"].to_numpy()
    part = tasks[plan.runs[0].name, 20, plan.splits[0]].train
    assert len(part) == 40
    assert len(set(patient[part])) == 20
    table = learn(plan, tasks, execution, replicates=200).table
    assert set(table["patients"].round(1)) == {20, 26.7}


# What cannot be learnt


@pytest.mark.parametrize("sizes", [[3], [54], [20, 80]])
def test_a_size_that_cannot_be_learnt_from_is_refused_with_those_that_can(execution, toy_study, sizes):
    plan = plan_study(toy_study(cohort=COHORT), execution)
    with pytest.raises(
        UserError, match=rf"--sizes {sizes[-1]}: .* 53 patients or more, .*name sizes from 9 to 52"
    ):
        curve_tasks(plan, plan.runs, sizes)


def test_a_flat_protocol_and_an_unknown_run_are_refused(execution, toy_study):
    with pytest.raises(UserError, match="curve: `selection: flat` tunes on the tested folds"):
        learning_curve(toy_study(protocol={"selection": "flat", "folds": 3}), [], execution)
    with pytest.raises(UserError, match=r"--run moments/toy_nearst: toy has no such run; did you mean"):
        learning_curve(toy_study(), ["moments/toy_nearst"], execution)


@pytest.mark.parametrize("sizes", ["20;40", "", "20,x"])
def test_sizes_that_are_no_numbers_are_refused_on_the_command_line(tmp_path, sizes):
    result = CliRunner().invoke(
        app, ["curve", "studies/first.yaml", "--sizes", sizes, "--results", str(tmp_path)]
    )
    assert isinstance(result.exception, UserError)
    assert "give whole numbers with commas" in str(result.exception)


# Cost and report


def test_the_cost_is_measured_once_for_scans_and_fits_and_found_again(execution, toy_study):
    found = learning_curve(toy_study(cohort=COHORT), [], execution, sizes=[20], costed=2, replicates=200)
    cost = found.cost.set_index("run")
    assert (cost["scans"] == 2).all()
    assert (cost[["scan_cpu_s", "fit_cpu_s"]] > 0).all(axis=None)
    assert cost["scan_cpu_s"].nunique() == 1, "both runs have the same features"
    again = learning_curve(toy_study(cohort=COHORT), [], execution, sizes=[20], costed=2, replicates=200)
    assert again.cost.equals(found.cost)
    without = learning_curve(toy_study(cohort=COHORT), [], execution, sizes=[20], costed=0, replicates=200)
    assert "cost" not in report_of(without).tables


def test_processor_time_is_that_of_the_work_and_not_of_waiting():
    meter = energy_meter()
    waited = spent(lambda: time.sleep(0.2), meter)
    worked = spent(lambda: [number**2 for number in range(2_000_000)], meter)
    assert worked.seconds > waited.seconds


def test_words_follow_from_the_intervals(execution, toy_study):
    found = learning_curve(toy_study(cohort=COHORT), [], execution, sizes=[20], costed=0, replicates=200)
    steps = found.curves.steps
    accuracy = steps["metric"] == "accuracy"
    changed = steps.assign(note="")
    for numbers, words in (
        ((0.1, 0.05, 0.15, 0.001), "it still rose, +10.0 points of accuracy [+5.0, +15.0]"),
        ((-0.1, -0.15, -0.05, 0.001), "it fell, -10.0 points of accuracy [-15.0, -5.0]"),
        ((0.02, -0.05, 0.09, 0.3), "undecided whether it still rises, +2.0 points"),
        ((0.02, 0.001, 0.039, 0.04), "undecided whether it still rises"),  # 0.08 after Holm over two runs
    ):
        changed.loc[accuracy, ["difference", "low", "high", "p"]] = numbers
        said = report_of(replace(found, curves=replace(found.curves, steps=changed))).sentences
        assert len(said) == 2
        assert all(words in sentence for sentence in said)


def test_no_interval_is_without_width(execution, toy_study):
    found = learning_curve(toy_study(cohort=COHORT), [], execution, sizes=[20, 35], costed=0, replicates=200)
    for table in (found.curves.table, found.curves.steps):
        ends = table[["low", "high"]].dropna().astype(float)
        assert (ends["high"] > ends["low"]).all()
        assert len(ends)


# Energy


def powercap(folder, **counters):
    """Write the kernel's files: two packages, a part of the first, and a platform counter that is none."""
    for zone, name in (("0", "package-0"), ("0:0", "core"), ("1", "package-1"), ("2", "psys")):
        place = folder / f"intel-rapl:{zone}"
        place.mkdir(parents=True, exist_ok=True)
        (place / "name").write_text(f"{name}\n")
        (place / "max_energy_range_uj").write_text("1000000000\n")
        (place / "energy_uj").write_text(f"{counters.get(name.replace('-', ''), 5)}\n")
    return folder


def test_the_packages_joules_are_added_and_a_counter_may_begin_anew(tmp_path):
    meter = energy_meter(powercap(tmp_path, package0=1_000_000, package1=999_000_000, core=7, psys=9))
    before = meter.read()
    assert [counter.name for counter in before] == ["intel-rapl:0", "intel-rapl:1"]
    powercap(tmp_path, package0=4_000_000, package1=1_000_000, core=10**8, psys=10**8)
    assert meter.joules_since(before) == pytest.approx(3 + 2)


def test_a_machine_that_does_not_tell_says_why(tmp_path):
    assert energy_meter(tmp_path / "none").absent == f"this machine has no {tmp_path / 'none'}"
    assert energy_meter(tmp_path).absent == f"{tmp_path} lists no processor package"
    powercap(tmp_path)
    (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    meter = energy_meter(tmp_path)
    assert "intel-rapl:0/energy_uj cannot be read (No such file" in meter.absent
    assert spent(lambda: None, meter).joules is None
