"""The same patients under other conditions, against what can be said of them in closed form."""

from dataclasses import dataclass

import numpy as np
import pytest
import SimpleITK as sitk
from pydantic import Field
from scipy.stats import norm

from benchmark.analyses.robustness.run import measure_robustness
from benchmark.analyses.robustness.study import RobustnessStudy
from benchmark.analyses.robustness.transfer import stacked_task
from benchmark.case import Case, Scan
from benchmark.errors import CaseError, UserError
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.features import extract_features
from benchmark.pipeline.plan import plan_evaluation
from benchmark.pipeline.run import run_study
from benchmark.plugins import Cohort
from benchmark.plugins.fingerprint import digest_of
from benchmark.study.study import Study

DISTANCE = 2.0  # of the classes' means, in SDs of the patients


@dataclass(frozen=True)
class Measured:
    """A scan that is one number, eight times."""

    value: float

    def load(self):
        if np.isnan(self.value):
            raise CaseError("the scan is lost")
        return Scan(sitk.GetImageFromArray(np.full((2, 2, 2), self.value, np.float64)))

    def digest(self):
        return digest_of([repr(self.value)])


class Patients(Cohort):
    """Patients of either label whose value is normal, exactly so at their quantiles, and what a scan adds to it."""

    each: int = Field(200, description="patients per label")
    shift: float = Field(0.0, description="what the scanner adds to every patient")
    noise_sd: float = Field(0.0, description="what the scanner adds at random")
    rescan: int = Field(0, description="another draw of the noise")
    lost: tuple[int, ...] = Field((), description="patients whose scan cannot be read")
    swapped: bool = Field(False, description="labels the wrong way round")
    called: str = Field("p", description="what ids begin with")

    def cases(self):
        random = np.random.default_rng([self.rescan, round(1000 * self.noise_sd)])
        rank = np.random.default_rng(0).permutation(self.each)
        value = norm.ppf((np.concatenate([rank, rank]) + 0.5) / self.each)
        label = np.repeat([0, 1], self.each)
        value = value + DISTANCE * label + self.shift + self.noise_sd * random.normal(size=2 * self.each)
        value[list(self.lost)] = np.nan
        return [
            Case(f"{self.called}{i:04d}", Measured(float(v)), int(y) ^ self.swapped)
            for i, (v, y) in enumerate(zip(value, label, strict=True))
        ]


@pytest.fixture
def declare():
    """Make a robustness study of conditions, each a few parameters of `Patients`; the feature is the value."""

    def study(name, parameters, **more):
        content = {
            "segmenters": {"whole_image": {}},
            "extractors": {"value": {"use": "toy_moments", "segmenter": "whole_image"}},
            "classifiers": {"logistic_regression": {"grid": {"C": [1.0]}}},
            "protocol": {"folds": 4, "inner_folds": 2},
        }
        return Study(name=name, cohort=Patients(**parameters), **(content | more))

    def declare(conditions, base=None, **more):
        base = base or {}
        others = {name: study(f"toy.{name}", base | change, **more) for name, change in conditions.items()}
        return RobustnessStudy(study("toy", base, **more), others)

    return declare


@pytest.fixture
def measure(tmp_path):
    def go(study, jobs=1):
        with workers(jobs) as pool:
            return measure_robustness(study, Execution(Store(tmp_path / "store"), pool))

    return go


def performance(measured, condition, metric="accuracy", run="value/logistic_regression"):
    table = measured.performance.set_index(["run", "condition", "metric"])
    return table.loc[run, condition, metric]


def test_the_same_scans_again_have_icc_1_and_a_difference_of_exactly_0(declare, measure):
    measured = measure(declare({"same": {}}, base={"each": 30}))
    values = measured.reliability.set_index("feature")
    for kind in ("2_1", "3_1"):
        assert list(values.loc["mean", [f"icc_{kind}", f"low_{kind}", f"high_{kind}"]]) == [1, 1, 1]
    changes = measured.performance.query("condition == 'same'")
    assert len(changes) == 6
    assert (changes[["difference", "difference_low", "difference_high"]] == 0).all(axis=None)


@pytest.mark.parametrize("noise_sd", [0.3, 0.8, 1.5])
def test_noise_of_known_variance_gives_the_closed_forms_icc(declare, measure, noise_sd):
    """Both scans noisy: variance between patients over all variance. One of them: half the noise counts."""
    between = 1 + (DISTANCE / 2) ** 2
    both = declare({"rescan": {"rescan": 1}}, base={"noise_sd": noise_sd, "each": 100})
    one = declare({"noisy": {"noise_sd": noise_sd}}, base={"each": 100})
    for study, share in ((both, 1.0), (one, 0.5)):
        found = measure(study).reliability.set_index("feature").loc["mean"]
        expected = between / (between + share * noise_sd**2)
        for kind in ("2_1", "3_1"):
            assert found[f"low_{kind}"] < expected < found[f"high_{kind}"]
            assert found[f"icc_{kind}"] == pytest.approx(expected, abs=0.05)


def test_a_shift_lowers_agreement_as_the_closed_form_says_and_leaves_consistency(declare, measure):
    found = (
        measure(declare({"shifted": {"shift": 1.0}}, base={"each": 100}))
        .reliability.set_index("feature")
        .loc["mean"]
    )
    between = 1 + (DISTANCE / 2) ** 2
    assert found["icc_3_1"] == 1
    assert found["icc_2_1"] == pytest.approx(between / (between + 0.5), abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("shift", [1.0, -1.5])
def test_a_shifted_scanner_costs_the_accuracy_that_the_closed_form_says(declare, measure, shift):
    measured = measure(declare({"shifted": {"shift": shift}}))
    half = DISTANCE / 2
    before, after = norm.cdf(half), (norm.cdf(half - shift) + norm.cdf(half + shift)) / 2
    assert performance(measured, "base")["value"] == pytest.approx(before, abs=0.015)
    changed = performance(measured, "shifted")
    assert changed["value"] == pytest.approx(after, abs=0.015)
    assert changed["difference_low"] < after - before < changed["difference_high"]
    auc = performance(measured, "shifted", "roc_auc")
    assert auc["value"] == pytest.approx(norm.cdf(DISTANCE / np.sqrt(2)), abs=0.015)


def test_the_base_is_what_a_run_of_the_study_reports(declare, measure, tmp_path):
    study = declare({"noisy": {"noise_sd": 1.0}}, base={"each": 30})
    mine = measure(study).predictions.query("condition == 'base'").drop(columns="condition")
    with workers(1) as pool:
        theirs = run_study(study.base, Execution(Store(tmp_path / "other"), pool)).predictions
    keys = ["run", "case_id"]
    left, right = (table.sort_values(keys).reset_index(drop=True) for table in (mine, theirs))
    assert left.equals(right[left.columns])


def test_one_fit_for_all_conditions_predicts_as_a_fit_for_each(declare, measure):
    conditions = {"noisy": {"noise_sd": 1.0}, "shifted": {"shift": 0.7}}
    together = measure(declare(conditions, base={"each": 30})).predictions
    for name, change in conditions.items():
        alone = measure(declare({name: change}, base={"each": 30})).predictions
        pair = [table[table["condition"] == name].reset_index(drop=True) for table in (together, alone)]
        assert pair[0].equals(pair[1])


def test_no_patient_trains_and_is_tested_and_only_base_scans_train(declare, tmp_path):
    study = declare({"noisy": {"noise_sd": 1.0}, "rescan": {"rescan": 1}}, base={"each": 30})
    with workers(1) as pool:
        tables = [
            extract_features(part, Execution(Store(tmp_path / "store"), pool))
            for part in (study.base, *study.conditions.values())
        ]
    plan = plan_evaluation(study.base, tables[0])
    patients = len(plan.case_ids)
    tested = []
    for split in plan.splits:
        task = stacked_task(plan, plan.runs[0], split, [other.tables["value"] for other in tables[1:]])
        assert task.train.max() < patients
        assert not set(task.train % patients) & set(task.test % patients)
        assert (task.y[task.test] == plan.labels[task.test % patients]).all()
        for copy, features in enumerate(tables):
            block = task.X[copy * patients : (copy + 1) * patients]
            assert (block == features.tables["value"].loc[plan.case_ids].to_numpy()).all()
        tested.extend(task.test)
    assert sorted(tested) == list(range(3 * patients))


def test_constant_features_are_counted_and_have_no_icc(declare, measure):
    stability = measure(declare({"noisy": {"noise_sd": 0.1}}, base={"each": 30})).stability
    row = stability.set_index("family").loc["all"]
    assert (row["features"], row["undefined"]) == (5, 2)  # the SD and the number of voxels
    assert (row["share_good"], row["share_excellent"]) == (1, 1)


def test_runs_are_ranked_over_the_conditions_where_there_are_three(declare, measure):
    more = {"classifiers": {"logistic_regression": {"grid": {"C": [1.0]}}, "toy_nearest": {}}}
    study = declare({"noisy": {"noise_sd": 2.0}}, base={"each": 20}, **more)
    assert measure(study).rankings == {}
    third = {"again": {"use": "logistic_regression", "grid": {"C": [0.001]}}}
    ranked = measure(
        declare({"noisy": {"noise_sd": 2.0}}, base={"each": 20}, classifiers=more["classifiers"] | third)
    )
    ranking = ranked.rankings["accuracy"]
    values = ranked.performance.query("metric == 'accuracy'").pivot(
        index="condition", columns="run", values="value"
    )
    expected = values.astype(float).rank(axis=1, ascending=False).mean()
    assert ranking.mean_ranks.to_dict() == pytest.approx(expected.to_dict())


def test_only_patients_with_every_scan_are_compared_and_the_others_are_counted(declare, measure):
    measured = measure(
        declare({"a": {"lost": (3, 4)}, "b": {"lost": (4, 5), "rescan": 1}}, base={"each": 30})
    )
    assert measured.patients == 57
    assert measured.predictions.groupby("condition")["case_id"].nunique().to_dict() == {
        "base": 57,
        "a": 57,
        "b": 57,
    }
    assert list(measured.exclusions["condition"]) == ["a", "a", "b", "b"]
    assert set(measured.exclusions["reason"]) == {"the scan is lost"}


@pytest.mark.slow
def test_the_number_of_processes_changes_nothing(declare, measure, toy_declaration, tmp_path):
    def study(contrast):
        return Study.model_validate(toy_declaration | {"cohort": {"use": "toy_cohort", "contrast": contrast}})

    both = RobustnessStudy(study(200.0), {"dark": study(100.0)})
    tables = []
    for jobs in (1, 2):
        with workers(jobs) as pool:
            found = measure_robustness(both, Execution(Store(tmp_path / f"store{jobs}"), pool))
        tables.append([found.reliability, found.stability, found.predictions, found.performance])
    for one, two in zip(*tables, strict=True):
        assert one.to_csv() == two.to_csv()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"called": "other"}, "condition other: none of its cases is a case of the base scans"),
        ({"swapped": True}, "condition other: case p0000 has another label"),
        ({"lost": tuple(range(1, 60))}, "1 patients have all features under all conditions"),
    ],
)
def test_other_patients_are_refused(declare, measure, change, sentence):
    with pytest.raises(UserError, match=sentence):
        measure(declare({"other": change}, base={"each": 30}))


def test_a_condition_that_excludes_everybody_is_named(declare, measure):
    with pytest.raises(UserError, match=r"toy\.other: every one of the 60 cases was excluded"):
        measure(declare({"other": {"lost": tuple(range(60))}}, base={"each": 30}))
