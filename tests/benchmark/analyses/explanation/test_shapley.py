import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from benchmark.analyses.explanation import shapley
from benchmark.analyses.explanation.shapley import (
    ShapFold,
    explain_model,
    held_out_shap,
    require_shap,
    shap_summary,
    shap_table,
)
from benchmark.errors import UserError
from benchmark.evaluation.fold import evaluate
from benchmark.evaluation.refit import ChosenFold
from classifiers.lightgbm import LightGBM
from classifiers.logistic_regression import LogisticRegression
from classifiers.random_forest import RandomForest
from classifiers.xgboost import XGBoost

SMALL = {
    "logistic_regression": {"grid": {"C": [0.3]}},
    "random_forest": {"grid": {"n_estimators": [15]}},
    "xgboost": {"grid": {"n_estimators": [30]}},
    "lightgbm": {"grid": {"n_estimators": [30]}},
}
PROTOCOL = {"folds": 3, "inner_folds": 2}


def explained(plan, split):
    task = plan.task(plan.runs[0], split)
    record = evaluate(task)
    chosen = ChosenFold(task, record["parameters"], record["threshold"])
    return chosen, record, held_out_shap(ShapFold(chosen))


@pytest.mark.parametrize("name", SMALL)
def test_base_value_and_shap_values_add_up_to_the_probabilities_the_study_reports(planted, name):
    plan = planted(cases=90, classifiers={name: SMALL[name]}, protocol=PROTOCOL)
    _, record, found = explained(plan, plan.splits[0])
    total = found["base"][0] + np.asarray(found["values"][0]).sum(axis=1)
    assert total == pytest.approx(np.asarray(found["output"][0]), abs=1e-5)
    assert found["scale"] == ("probability" if name == "random_forest" else "log-odds")
    probability = total if found["scale"] == "probability" else expit(total)
    assert probability == pytest.approx(np.asarray(record["probabilities"])[:, 1], abs=1e-5)


def test_of_a_logistic_regression_they_are_slope_times_distance_from_the_training_mean(planted):
    plan = planted(cases=150, protocol=PROTOCOL)  # more than the 100 cases shap would sample by itself
    assert len(plan.splits[0].train) == 100
    chosen, _, found = explained(planted(cases=240, protocol=PROTOCOL), plan.splits[0])
    task = chosen.task
    pipeline = task.classifier.estimator(task.seed).set_params(**chosen.parameters)
    pipeline.fit(task.X[task.train], task.y[task.train])
    scaled = pipeline[:-1].transform(task.X)
    slope = pipeline[-1].coef_[0]
    expected = slope * (scaled[task.test] - scaled[task.train].mean(axis=0))
    assert np.asarray(found["values"][0]) == pytest.approx(expected, abs=1e-9)


def brute_force(output, background, case):
    """Shapley values by their definition: all subsets of known features, the others averaged over the background."""
    size = len(case)

    def worth(known):
        mixed = background.copy()
        mixed[:, list(known)] = case[list(known)]
        return output(mixed).mean()

    values = np.zeros(size)
    for feature in range(size):
        others = [other for other in range(size) if other != feature]
        for count in range(size):
            weight = math.factorial(count) * math.factorial(size - count - 1) / math.factorial(size)
            for known in combinations(others, count):
                values[feature] += weight * (worth((*known, feature)) - worth(known))
    return values


@pytest.mark.parametrize(
    "classifier",
    [RandomForest(grid={}), XGBoost(grid={}), LightGBM(grid={}), LogisticRegression(grid={})],
    ids=lambda plugin: type(plugin).__name__,
)
def test_they_are_the_shapley_values_of_the_definition(classifier):
    random = np.random.default_rng(4)
    X = random.normal(size=(130, 4)).astype(np.float32).astype(float)
    y = (X[:, 0] * X[:, 1] + X[:, 2] > 0).astype(int)
    model = classifier.model(0)
    if not isinstance(classifier, LogisticRegression):
        model.set_params(n_estimators=12)
    model.fit(X, y)
    outputs = {
        "RandomForest": lambda values: model.predict_proba(values)[:, 1],
        "XGBoost": lambda values: model.predict(values, output_margin=True),
        "LightGBM": lambda values: model.predict(values, raw_score=True),
        "LogisticRegression": lambda values: model.decision_function(values),
    }
    found = explain_model(model, X[:120], X[120:124])
    for place in range(4):
        expected = brute_force(outputs[type(classifier).__name__], X[:120], X[120 + place])
        assert found.values[0, place] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("ordinal", [True, False])
def test_bands_have_an_output_per_limit_or_per_band(planted, name, ordinal):
    bands = {"use": "bands", "upper": [0, 20], "ordinal": ordinal}
    plan = planted(cases=90, classifiers={name: SMALL[name]}, protocol=PROTOCOL, target=bands)
    _, _, found = explained(plan, plan.splits[0])
    total = np.asarray(found["base"])[:, None] + np.asarray(found["values"]).sum(axis=2)
    assert total.shape[0] == (2 if ordinal else 3)
    assert total == pytest.approx(np.asarray(found["output"]), abs=1e-5)
    table = shap_table(plan, {plan.splits[0]: found}, plan.final_task(plan.runs[0]).features)
    scale = "probability" if name == "random_forest" else "log-odds" if ordinal else "margin"
    expected = (
        [f"{scale} of more than 0", f"{scale} of more than 1-20"]
        if ordinal
        else [f"{scale} of {band}" for band in ("0", "1-20", ">20")]
    )
    assert table["explained"].unique().tolist() == expected


def test_the_table_has_every_case_once_and_0_where_a_fold_dropped_the_feature(planted):
    plan = planted(cases=60, protocol=PROTOCOL)
    names = plan.final_task(plan.runs[0]).features
    records = {split: explained(plan, split)[2] for split in plan.splits}
    first = records[plan.splits[0]]
    gone = first["features"].index("original_shape_1")
    first["features"].pop(gone)
    first["values"] = np.delete(first["values"], gone, axis=2).tolist()
    table = shap_table(plan, records, names)
    assert sorted(table["case_id"]) == plan.case_ids
    assert (table.loc[table["fold"] == 0, "original_shape_1"] == 0).all()
    assert (table.loc[table["fold"] == 1, "original_shape_1"] != 0).any()
    total = table["base_value"] + table[list(names)].sum(axis=1)
    others = table["fold"] != 0
    assert total[others].to_numpy() == pytest.approx(table.loc[others, "model_output"].to_numpy(), abs=1e-9)


def test_the_summary_ranks_mean_absolute_values(planted):
    table = pd.DataFrame(
        {
            "repeat": 0,
            "fold": 0,
            "case_id": ["a", "b"],
            "explained": "x",
            "base_value": 0.0,
            "model_output": 0.0,
            "original_glcm_a": [1.0, -1.0],
            "volume": [3.0, 0.0],
        }
    )
    assert shap_summary(table).to_dict("records") == [
        {"explained": "x", "feature": "volume", "family": "", "mean_abs_shap": 1.5},
        {"explained": "x", "feature": "original_glcm_a", "family": "glcm", "mean_abs_shap": 1.0},
    ]


def test_neighbours_have_no_shap_values_here(planted):
    plan = planted(cases=60, classifiers={"toy_nearest": {}}, protocol=PROTOCOL)
    with pytest.raises(ValueError, match="explains trees and linear models, not KNeighborsClassifier"):
        explained(plan, plan.splits[0])


def test_values_that_do_not_add_up_are_refused(monkeypatch):
    random = np.random.default_rng(0)
    X = random.normal(size=(40, 3))
    model = LogisticRegression(grid={}).model(0).fit(X, X[:, 0] > 0)
    monkeypatch.setattr(
        shapley, "_outputs", lambda model, X: ("log-odds", model.decision_function(X)[None] ** 2)
    )
    with pytest.raises(ValueError, match="miss the model's output by"):
        explain_model(model, X, X)


def test_without_the_package_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(shapley.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'cacbench\[explain\]'"):
        require_shap()


def test_steps_that_mix_features_leave_none_a_value_of_its_own():
    from sklearn.decomposition import PCA
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    shapley._refuse_mixtures(Pipeline([("scaled", StandardScaler())]))
    with pytest.raises(ValueError, match="the step components before the model mixes features"):
        shapley._refuse_mixtures(Pipeline([("scaled", StandardScaler()), ("components", PCA())]))
