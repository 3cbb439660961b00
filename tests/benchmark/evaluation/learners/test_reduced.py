"""Principal components in front of a classifier: which, learnt from whom, and what cannot be reduced."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import skops.io
from pydantic import ValidationError
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmark.evaluation.fold import FoldTask, evaluate, fit_final
from benchmark.evaluation.grid_search import best_point
from benchmark.evaluation.learners.reduced import PrincipalComponents, reduced
from benchmark.evaluation.protocol import Protocol
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.run import run_study
from benchmark.plugins.registry import build
from benchmark.report.study_report import report_of

GRIDS = {
    "random_forest": {"n_estimators": [5, 12], "min_samples_leaf": [1, 3]},
    "xgboost": {"n_estimators": [5, 12], "max_depth": [2, 4]},
    "lightgbm": {"n_estimators": [5, 12], "num_leaves": [4, 15]},
    "logistic_regression": {"C": [0.01, 1.0]},
}


@pytest.fixture(scope="module")
def wide():
    """90 cases of 300 features, among them three directions of which one tells the label."""
    random = np.random.default_rng(0)
    y = np.arange(90) % 2
    latent = np.column_stack([random.normal(size=(90, 2)), y + random.normal(0, 0.6, 90)])
    return 5 + 100 * (latent @ random.normal(size=(3, 300)) + random.normal(0, 0.5, (90, 300))), y


@pytest.fixture
def task(wide):
    classifier = reduced(build("classifier", {"use": "logistic_regression", "grid": {"C": [0.1, 1.0]}}), 3)
    names = tuple(f"f{place}" for place in range(300))
    return FoldTask(
        classifier, Protocol(inner_folds=3), names, *wide, np.arange(72), np.arange(72, 90), seed=5
    )


def test_components_are_the_singular_vectors_of_the_standardised_table(wide):
    X, _ = wide
    standard = (X - X.mean(axis=0)) / X.std(axis=0)
    left, singular, _ = np.linalg.svd(standard, full_matrices=False)
    found = PrincipalComponents(3).fit_transform(X)
    assert np.abs(found) == pytest.approx(np.abs(left * singular)[:, :3], rel=1e-9)


def test_a_feature_that_never_varies_adds_nothing(wide):
    X, _ = wide
    padded = np.c_[X, np.full(len(X), 7.0)]
    assert PrincipalComponents(3).fit_transform(padded) == pytest.approx(
        PrincipalComponents(3).fit_transform(X)
    )


@pytest.mark.parametrize(("cases", "features", "left"), [(90, 300, 64), (20, 300, 19), (90, 10, 10)])
def test_no_more_components_than_cases_or_features_allow(wide, cases, features, left):
    X, _ = wide
    assert PrincipalComponents(64).fit_transform(X[:cases, :features]).shape == (cases, left)


def test_a_fold_learns_its_components_from_its_training_cases(task):
    record = evaluate(task)
    before = make_pipeline(StandardScaler(), PCA(3, svd_solver="full")).fit(task.X[task.train])
    model = task.classifier.classifier.estimator(5).set_params(**record["parameters"])
    model.fit(before.transform(task.X[task.train]), task.y[task.train])
    expected = model.predict_proba(before.transform(task.X[task.test]))
    assert np.asarray(record["probabilities"]) == pytest.approx(expected, rel=1e-9)
    assert record["kept"] == [f"principalcomponents{place}" for place in range(3)]
    other = task.X.copy()
    other[task.test[1:]] *= -3
    assert evaluate(replace(task, X=other))["probabilities"][0] == record["probabilities"][0], (
        "whoever else is tested"
    )


@pytest.mark.parametrize("name", GRIDS)
def test_the_search_is_scikit_learns(wide, name):
    classifier = reduced(build("classifier", {"use": name, "grid": GRIDS[name]}), 5)
    folds = StratifiedKFold(3, shuffle=True, random_state=1)
    chosen = best_point(classifier, *wide, cv=folds, scoring="accuracy", seed=2)
    search = GridSearchCV(
        classifier.estimator(2), classifier.parameter_grid(), cv=folds, scoring="accuracy"
    ).fit(*wide)
    assert (chosen.point, chosen.score) == (search.best_params_, pytest.approx(search.best_score_, abs=1e-15))


def test_the_final_model_takes_the_features_by_name(task):
    content = bytes.fromhex(fit_final(task)["skops"])
    trusted = skops.io.get_untrusted_types(data=content)
    model = skops.io.load(io.BytesIO(content), trusted=trusted)
    assert list(model.feature_names_in_) == list(task.features)
    assert model.predict_proba(pd.DataFrame(task.X[:4], columns=task.features)).shape == (4, 2)


def test_a_study_reduces_one_extractor_and_extracts_it_once(tmp_path, toy_study):
    moments = {"use": "toy_moments", "segmenter": "toy_centre"}
    study = toy_study(
        extractors={"moments": moments, "two": {**moments, "components": 2}},
        classifiers={"logistic_regression": {"grid": {"C": [1.0]}}},
    )
    with workers(1) as pool:
        result = run_study(study, Execution(Store(tmp_path / "store"), pool))
    kept = result.choices.set_index("run")["kept"]
    assert set(kept["two/logistic_regression"]) == {'["principalcomponents0", "principalcomponents1"]'}
    assert "principalcomponents" not in "".join(kept["moments/logistic_regression"])
    assert result.features.tables["two"].equals(result.features.tables["moments"])
    assert report_of(result).facts["without_result"] == {}


@pytest.mark.parametrize("change", [{"components": 0}, {"components": "many"}, {"component": 3}])
def test_a_number_of_components_that_is_none_is_refused(toy_study, change):
    moments = {"use": "toy_moments", "segmenter": "toy_centre", **change}
    with pytest.raises(ValidationError, match=rf"extractors\.moments\.{next(iter(change))}\b"):
        toy_study(extractors={"moments": moments})


@pytest.mark.parametrize(
    ("classifier", "said"),
    [
        ({"use": "combat"}, "`components` mix the features, and this classifier must tell them apart"),
        ({"use": "late_fusion"}, "`components` mix the features"),
    ],
)
def test_a_classifier_that_must_tell_features_apart_is_refused(toy_study, classifier, said):
    moments = {"use": "toy_moments", "segmenter": "toy_centre", "components": 2}
    with pytest.raises(ValidationError, match=said):
        toy_study(extractors={"moments": moments}, classifiers={"apart": classifier})


def test_a_trained_network_is_refused(toy_study):
    frozen = {"use": "finetune_slices", "segmenter": "toy_centre", "encoder": "imagenet", "depth": "head"}
    with pytest.raises(ValidationError, match="a network that is trained has no table of features to reduce"):
        toy_study(extractors={"frozen": {**frozen, "components": 2}}, classifiers={"finetuned": {}})
