from functools import partial

import numpy as np
import pytest
from sklearn.inspection import permutation_importance
from sklearn.metrics import accuracy_score, roc_auc_score

from benchmark.analyses.explanation.importance import (
    HeldOut,
    _scores,
    held_out_importance,
    importance_table,
    permutation_losses,
)
from benchmark.analyses.feature_families import feature_families
from benchmark.evaluation.fold import evaluate
from benchmark.evaluation.refit import ChosenFold
from classifiers.lightgbm import LightGBM
from classifiers.logistic_regression import LogisticRegression
from classifiers.random_forest import RandomForest
from classifiers.xgboost import XGBoost

METRICS = ("accuracy", "roc_auc")


def held_out(plan, split, permutations=20, metrics=METRICS):
    run = plan.runs[0]
    task = plan.task(run, split)
    record = evaluate(task)
    chosen = ChosenFold(task, record["parameters"], record["threshold"])
    return HeldOut(chosen, feature_families(task.features), metrics, permutations, seed=split.fold), record


def table_of(plan, permutations=20, metrics=METRICS):
    names = plan.final_task(plan.runs[0]).features
    records = [held_out_importance(held_out(plan, split, permutations, metrics)[0]) for split in plan.splits]
    ratio = len(plan.splits[0].test) / len(plan.splits[0].train)
    table = importance_table(records, names, feature_families(names), metrics, ratio)
    return table.set_index(["kind", "name", "metric"])


@pytest.mark.parametrize(
    "classifier",
    [
        LogisticRegression(),
        RandomForest(grid={"n_estimators": (20,)}),
        XGBoost(grid={"n_estimators": (20,)}),
        LightGBM(grid={"n_estimators": (20,)}),
    ],
    ids=lambda plugin: type(plugin).__name__,
)
def test_importance_is_scikit_learns_on_the_same_permutations(classifier):
    random = np.random.default_rng(0)
    X = random.normal(size=(90, 6))
    y = (X[:, 0] + X[:, 1] * X[:, 2] + random.normal(size=90) > 0).astype(int)
    model = classifier.model(0).fit(X[:60], y[:60])
    X, y = X[60:], y[60:]

    def score(model, X, y):
        found = model.predict_proba(X)[:, 1]
        return {"accuracy": accuracy_score(y, found > 0.5), "roc_auc": roc_auc_score(y, found)}

    expected = permutation_importance(model, X, y, scoring=score, n_repeats=7, random_state=3)
    shuffled = np.random.RandomState(np.random.RandomState(3).randint(np.iinfo(np.int32).max + 1))
    order, column, orders = np.arange(len(y)), np.arange(len(y)), []
    for _ in range(
        7
    ):  # scikit-learn shuffles the order further each time, and the column that is shuffled already
        shuffled.shuffle(order)
        column = column[order]
        orders.append(column)
    found = permutation_losses(
        model.predict_proba,
        partial(_scores, METRICS, y, 0.5),
        X,
        {str(place): [place] for place in range(6)},
        np.stack(orders),
    )
    for place, metric in enumerate(METRICS):
        ours = np.stack([found[str(feature)][:, place] for feature in range(6)])
        assert ours == pytest.approx(expected[metric].importances, abs=1e-12)


def test_a_linear_model_loses_twice_the_variance_it_takes_from_a_feature_or_family():
    # y = X b without noise: over all cyclic shifts every pair of cases meets once, so that the mean squared error
    # grows by the mean of (b(x_i - x_j))² over all pairs = 2 var(b x), and for a group by 2 var of its sum
    random = np.random.default_rng(2)
    X = random.normal(size=(40, 4)) @ random.normal(size=(4, 4))
    slope = np.array([2.0, -1.0, 0.0, 0.5])
    shifts = (np.arange(40)[:, None] + np.arange(40)) % 40
    losses = permutation_losses(
        lambda values: values @ slope,
        lambda found: np.array([-np.mean((found - X @ slope) ** 2)]),
        X,
        {"first": [0], "second": [1], "idle": [2], "both": [0, 1], "all": [0, 1, 2, 3]},
        shifts,
    )
    parts = X * slope
    expected = {
        "first": parts[:, 0],
        "second": parts[:, 1],
        "idle": parts[:, 2],
        "both": parts[:, :2].sum(axis=1),
        "all": parts.sum(axis=1),
    }
    for name, part in expected.items():
        assert losses[name].mean() == pytest.approx(2 * part.var(), rel=1e-12, abs=1e-12)


def test_what_the_selection_dropped_would_change_nothing_and_the_rest_counts_in_the_whole_pipeline(planted):
    plan = planted(cases=60)
    table = plan.features.tables["moments"]
    names = list(table)
    table["original_glcm_2"] = 2 * table["original_glcm_1"]  # perfectly correlated: the later one is dropped
    table["original_shape_0"] = 1.0
    task, _ = held_out(plan, plan.splits[0])
    found = held_out_importance(task)
    dropped = {"original_glcm_2", "original_shape_0"}
    assert set(found["features"]) == set(names) - dropped
    fold = task.fold.task
    pipeline = fold.classifier.estimator(fold.seed).set_params(**task.fold.parameters)
    pipeline.fit(fold.X[fold.train], fold.y[fold.train])
    random = np.random.default_rng(task.seed)
    orders = [random.permutation(len(fold.test)) for _ in range(task.permutations)]
    X, y = fold.X[fold.test], fold.y[fold.test]
    for column, name in enumerate(names):
        losses = []
        for order in orders:
            permuted = X.copy()
            permuted[:, column] = X[order, column]
            losses.append(pipeline.score(X, y) - pipeline.score(permuted, y))
        expected = found["features"][name][0] if name not in dropped else 0.0
        assert np.mean(losses) == pytest.approx(expected, abs=1e-12)


def test_the_refitted_fold_is_the_evaluated_one(planted):
    plan = planted(cases=60, protocol={"folds": 3, "inner_folds": 2, "threshold": "youden"})
    run = plan.runs[0]
    records = {}
    for split in plan.splits:
        task, record = held_out(plan, split)
        fitted = task.fold.fit()
        kept = task.fold.task.X[split.test][:, fitted.columns]
        assert fitted.probabilities(kept).tolist() == record["probabilities"]
        records[run.name, split] = record
    scores = plan.fold_scores(plan.predictions(records))
    for place, split in enumerate(plan.splits):
        value = held_out_importance(held_out(plan, split)[0])["value"]
        assert value == pytest.approx(scores.loc[place, list(METRICS)].tolist(), abs=1e-12)


def test_planted_features_stand_out_and_irrelevant_ones_are_zero_within_their_interval(planted):
    table = table_of(planted(cases=160, signal=1.2), permutations=30)
    for metric in METRICS:
        assert table.loc[("family", "firstorder", metric), "low"] > 0.1
        alone = [
            table.loc[("feature", f"original_firstorder_{place}", metric), "importance"] for place in range(3)
        ]
        assert min(alone) > 0
        assert table.loc[("family", "firstorder", metric), "importance"] > max(alone)
        for family in ("shape", "glcm", "ngtdm"):
            row = table.loc[("family", family, metric)]
            assert row["low"] <= 0 <= row["high"]
    assert table.loc["feature"].index.get_level_values("name")[0].startswith("original_firstorder")


def test_a_feature_no_fold_kept_has_exactly_no_importance(planted):
    row = table_of(planted(cases=60, constant="glcm")).loc[("feature", "original_glcm_0", "accuracy")]
    assert (row["importance"], row["low"], row["high"], row["folds_kept"]) == (0, 0, 0, 0)
    assert row["note"] == "dropped in every fold"


def test_the_interval_over_folds_is_the_corrected_resampled_t():
    records = [{"features": {"a": [loss]}, "families": {}} for loss in (0.1, 0.2, 0.3, 0.2, 0.1)]
    row = importance_table(records, ("a",), {}, ("accuracy",), 0.25).iloc[0]
    half = 2.776445105197793 * np.sqrt(np.var([0.1, 0.2, 0.3, 0.2, 0.1], ddof=1) * (1 / 5 + 1 / 4))
    assert [row["importance"], row["low"], row["high"]] == pytest.approx([0.18, 0.18 - half, 0.18 + half])
    single = importance_table(records[:1], ("a",), {}, ("accuracy",), 0.25).iloc[0]
    assert single[["low", "high"]].isna().all()
    assert single["note"] == "one fold: nothing to estimate a variance from"


def test_bands_lose_accuracy_and_kappa(planted):
    metrics = ("accuracy", "quadratic_kappa")
    plan = planted(
        cases=90, target={"use": "bands", "upper": [0, 20]}, protocol={"folds": 3, "inner_folds": 2}
    )
    table = table_of(plan, permutations=10, metrics=metrics)
    assert table.loc[("family", "firstorder", "quadratic_kappa"), "importance"] > 0.1


def test_the_same_names_give_the_same_losses(planted):
    plan = planted(cases=60)
    task, _ = held_out(plan, plan.splits[0])
    assert held_out_importance(task) == held_out_importance(task)
    other = HeldOut(task.fold, task.families, task.metrics, task.permutations, seed=99)
    assert held_out_importance(other) != held_out_importance(task)
    assert other.key() != task.key()
