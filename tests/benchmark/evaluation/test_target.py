"""What is predicted: calcium or none, and bands of the Agatston score, nominal or ordinal."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference
from sklearn.linear_model import LogisticRegression

from benchmark.calcium.risk import risk_band
from benchmark.errors import UserError
from benchmark.evaluation.fold import FoldTask, evaluate
from benchmark.evaluation.learners.ordinal import Ordinal
from benchmark.evaluation.protocol import Protocol
from benchmark.evaluation.target import AgatstonBands, Nonzero
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.run import run_study
from benchmark.plugins.registry import build
from benchmark.report.headline import facts_of
from benchmark.report.tables import all_tables
from benchmark.statistics.metrics.threshold import choose_threshold
from tests.plugin_package.toy_plugins import ToyCohort


class ScoredCohort(ToyCohort):
    """Cases whose spot is the brighter, the higher their score; every score of a band is the same."""

    def cases(self):
        scores = [0, 5, 50, 200, 900]
        return [
            replace(
                case,
                label=int(scores[number % 5] > 0),
                cac_score=scores[number % 5],
                source=replace(case.source, label=number % 5, contrast=150.0),
                group="ab"[number % 2],
            )
            for number, case in enumerate(super().cases())
        ]


def scored(scores):
    return pd.DataFrame({"cac_score": scores, "label": [int(score > 0) for score in scores]})


@given(st.lists(st.floats(0, 5000), min_size=1))
def test_the_bands_are_rumbergers_and_their_names_too(scores):
    target = AgatstonBands()
    assert target.classes == ("0", "1-10", "11-100", "101-400", ">400")
    names = [target.classes[code] for code in target.codes(scored(scores))]
    assert names == [risk_band(score) for score in scores]


def test_other_bands_have_names_of_their_own():
    target = AgatstonBands(upper=(0, 100))
    assert target.classes == ("0", "1-100", ">100")
    assert target.codes(scored([0, 0.5, 100, 100.5])).tolist() == [0, 1, 1, 2]


def test_the_default_target_is_the_cohorts_label():
    assert Nonzero().codes(scored([0, 3.0, 0])).tolist() == [0, 1, 0]


def test_only_an_ordinal_target_wraps_the_classifier():
    classifier = build("classifier", "random_forest")
    assert isinstance(AgatstonBands().learner(classifier), Ordinal)
    assert AgatstonBands(ordinal=False).learner(classifier) is classifier
    assert Nonzero().learner(classifier) is classifier


@pytest.fixture(scope="module", params=[True, False], ids=["ordinal", "nominal"])
def banded(request, tmp_path_factory):
    from benchmark.study.study import Study

    study = Study.model_validate(
        {
            "name": "toy",
            "cohort": ScoredCohort(zero=30, nonzero=30),
            "segmenters": {"toy_centre": {}},
            "extractors": {"moments": {"use": "toy_moments", "segmenter": "toy_centre"}},
            "classifiers": {
                "random_forest": {"grid": {"n_estimators": [5, 10]}},
                "xgboost": {"grid": {"n_estimators": [5, 10]}},
                "lightgbm": {"grid": {"n_estimators": [5, 10], "min_child_samples": [5]}},
                "logistic_regression": {"grid": {"C": [1.0]}},
                "toy_nearest": {},
            },
            "target": {"use": "bands", "ordinal": request.param},
            "protocol": {"folds": 3, "inner_folds": 2, "repeats": 2, "scoring": "quadratic_kappa"},
        }
    )
    with workers(2) as pool:
        return run_study(study, Execution(Store(tmp_path_factory.mktemp("store")), pool))


def test_every_classifier_learns_the_bands(banded):
    assert not banded.failed
    tables = all_tables(banded)
    kappa = tables["summary"].query("metric == 'quadratic_kappa'").set_index("run")["value"]
    assert len(kappa) == 5
    assert (kappa > 0.6).all(), kappa


def test_pooled_metrics_are_scikit_learns(banded):
    tables = all_tables(banded)
    mine = banded.predictions.query("run == 'moments/random_forest'")
    expected = {
        "accuracy": reference.accuracy_score,
        "balanced_accuracy": reference.balanced_accuracy_score,
        "macro_f1": lambda y, p: reference.f1_score(y, p, average="macro"),
        "quadratic_kappa": lambda y, p: reference.cohen_kappa_score(y, p, weights="quadratic"),
    }
    found = tables["summary"].query("run == 'moments/random_forest'").set_index("metric")["value"]
    assert set(found.index) == set(expected)
    for name, metric in expected.items():
        value = np.mean([metric(part["label"], part["predicted"]) for _, part in mine.groupby("repeat")])
        assert found[name] == pytest.approx(value)


def test_probabilities_of_a_case_sum_to_one_and_the_decision_is_the_largest(banded):
    columns = [f"probability_{name}" for name in AgatstonBands().classes]
    probabilities = banded.predictions[columns].to_numpy()
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert (probabilities.argmax(axis=1) == banded.predictions["predicted"]).all()


def test_confusions_and_classes_count_every_case_once(banded):
    tables = all_tables(banded)
    confusion = tables["confusion"].query("run == 'moments/random_forest'")
    assert confusion["cases"].sum() == 60
    diagonal = confusion[confusion["true"] == confusion["predicted"]].set_index("true")["cases"]
    classes = tables["classes"].query("run == 'moments/random_forest'").set_index("class")
    for name in AgatstonBands().classes:
        assert classes.loc[name, "sensitivity"] == pytest.approx(diagonal[name] / 12)
        assert classes.loc[name, "low"] <= classes.loc[name, "sensitivity"] <= classes.loc[name, "high"]


def test_the_facts_name_the_bands(banded):
    facts = facts_of(banded, all_tables(banded)["summary"])
    assert facts["labels"] == dict.fromkeys(AgatstonBands().classes, 12)


def test_the_groups_of_the_cohort_are_reported_by_themselves(banded):
    groups = all_tables(banded)["groups"].query("run == 'moments/random_forest'")
    assert groups["group"].tolist() == ["a", "b"]
    assert groups["cases"].sum() == 60


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"comparisons": {"metrics": ["roc_auc"]}}, "roc_auc is no metric of the target bands"),
        ({"protocol": {"scoring": "f1"}}, "f1 is no metric of the target bands"),
        ({"protocol": {"threshold": "youden"}}, "only a target of two labels has a threshold"),
        ({"target": {"use": "bands", "upper": [10, 5]}}, "must rise"),
        ({"target": "band"}, "'band' names no target; did you mean 'bands'"),
        (
            {"target": "nonzero", "comparisons": {"metrics": ["quadratic_kappa"]}},
            "no metric of the target nonzero",
        ),
    ],
)
def test_what_a_target_has_not_is_refused(toy_study, changes, message):
    with pytest.raises(ValueError, match=message):
        toy_study(**{"target": "bands", **changes})


def test_a_case_without_a_score_is_named(toy_study, tmp_path):
    message = r"ToyCohort: 40 of 40 cases have no Agatston score \(`cac_score`\): toy-000, toy-001"
    with workers(1) as pool, pytest.raises(UserError, match=message):
        run_study(toy_study(target="bands"), Execution(Store(tmp_path), pool))


def test_the_threshold_is_chosen_from_inner_out_of_fold_probabilities_of_training_cases():
    random = np.random.default_rng(1)
    y = (np.arange(150) % 5 == 0).astype(int)
    X = random.normal(size=(150, 3)) + 0.9 * y[:, None]
    classifier = build("classifier", {"use": "logistic_regression", "grid": {"C": [1.0]}})
    protocol = Protocol(threshold="youden", inner_folds=4)
    train, test = np.arange(120), np.arange(120, 150)
    task = FoldTask(classifier, protocol, ("a", "b", "c"), X, y, train, test, seed=5)
    record = evaluate(task)

    probabilities = np.empty(120)
    for learn, check in protocol.inner(5).split(X[train], y[train]):
        mean, sd = X[learn].mean(axis=0), X[learn].std(axis=0)
        model = LogisticRegression(max_iter=5000).fit((X[learn] - mean) / sd, y[learn])
        probabilities[check] = model.predict_proba((X[check] - mean) / sd)[:, 1]
    assert record["threshold"] == pytest.approx(choose_threshold(y[train], probabilities, rule="youden"))
    assert record["threshold"] < 0.5, "one case in five is positive"

    spoilt = X.copy()
    spoilt[test] = 0
    assert evaluate(replace(task, X=spoilt))["threshold"] == record["threshold"]


def test_a_chosen_threshold_decides_the_predictions(toy_study, tmp_path):
    protocol = {"folds": 3, "inner_folds": 3, "threshold": "sensitivity", "threshold_target": 1.0}
    with workers(1) as pool:
        result = run_study(toy_study(protocol=protocol), Execution(Store(tmp_path), pool))
    keys = ["run", "repeat", "fold"]
    table = result.predictions.merge(result.choices[[*keys, "threshold"]], on=keys)
    assert (table["predicted"] == (table["score"] > table["threshold"])).all()
    assert table["threshold"].nunique() > 1
