"""ComBat in the training fold: what it learns, from whom, and what it cannot harmonise."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression as Model
from sklearn.model_selection import cross_val_score

from benchmark.analyses.leakage.audit import audit_study
from benchmark.errors import CaseError, UserError
from benchmark.evaluation.fold import FoldTask, evaluate
from benchmark.evaluation.protocol import Protocol
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.run import run_study
from benchmark.plugins.registry import build
from benchmark.report.study_report import report_of
from benchmark.report.tables import summary
from benchmark.statistics.harmonisation.combat import fit_combat
from classifiers.combat.step import CombatStep

INNER = {"use": "logistic_regression", "grid": {"C": [0.1, 1.0]}}
SITES = {"use": "toy_cohort", "zero": 40, "nonzero": 40, "sites": [0.0, 900.0, -900.0]}
CLASSIFIERS = {"logistic_regression": {"grid": {"C": [0.1, 1.0]}}, "combat": {"classifier": INNER}}


@pytest.fixture
def run(tmp_path):
    def go(study, function=run_study):
        with workers(1) as pool:
            return function(study, Execution(Store(tmp_path / "store"), pool))

    return go


def scanners(n=90, features=6, seed=0):
    random = np.random.default_rng(seed)
    batch, y = np.arange(n) % 3, np.arange(n) // 3 % 2
    X = random.normal(size=(n, features)) + y[:, None] * 0.9 + np.array([0, 6, -6])[batch][:, None]
    return np.c_[X, batch], y


def test_a_fold_is_harmonised_by_what_its_training_cases_show():
    X, y = scanners()
    train, test = np.arange(60), np.arange(60, 90)
    names = (*(f"f{k}" for k in range(6)), "batch: group")
    classifier = build("classifier", {"use": "combat", "classifier": INNER})
    task = FoldTask(classifier, Protocol(inner_folds=3), names, X, y, train, test, seed=1)
    record = evaluate(task)
    fitted = fit_combat(X[train, :-1], X[train, -1])
    inside = [fitted.adjust(X[part, :-1], X[part, -1]) for part in (train, test)]
    plain = (
        build("classifier", INNER).estimator(1).set_params(**record["parameters"]).fit(inside[0], y[train])
    )
    assert np.asarray(record["probabilities"]) == pytest.approx(plain.predict_proba(inside[1]))
    assert record["kept"] == [f"f{k}" for k in range(6)]
    other = X.copy()
    other[test[1:], :-1] += 50
    again = evaluate(FoldTask(classifier, Protocol(inner_folds=3), names, other, y, train, test, seed=1))
    assert again["probabilities"][0] == record["probabilities"][0], "whoever else is tested"


def test_scanners_that_drown_the_disease_are_taken_out(run, toy_study):
    nearest = {"toy_nearest": {}, "combat": {"classifier": {"use": "toy_nearest"}}}
    many = {**SITES, "sites": [0, 60, -60, 120, -120, 180, -180, 240]}
    result = run(toy_study(cohort=many, classifiers=nearest))
    accuracy = summary(result).query("metric == 'accuracy'").set_index("run")["value"]
    assert accuracy["moments/combat"] > accuracy["moments/toy_nearest"] + 0.05
    assert report_of(result).facts["without_result"] == {}
    assert set(result.models) == {"moments/toy_nearest", "moments/combat"}


def test_bands_are_learnt_behind_combat_too():
    ordinal = build("classifier", {"use": "combat", "classifier": INNER})
    from benchmark.evaluation.learners.ordinal import Ordinal

    wrapped = Ordinal(classifier=ordinal)
    assert wrapped.batch_column == "group"
    assert wrapped.estimator(0).steps[0][0] == "combat"
    assert wrapped.unharmonised() == Ordinal(classifier=build("classifier", INNER))


@pytest.mark.parametrize(
    ("cohort", "protocol", "said"),
    [
        ({"sites": [0.0]}, {}, "ComBat needs two batches or more, and fold 0 trains on group 'site 0' alone"),
        ({"sites": []}, {}, "ComBat needs the group of every case, and 80 have none"),
        (
            {},
            {"split": "leave_one_group_out"},
            "ComBat knows nothing of group 'site 0', which fold 0 tests and does not",
        ),
        ({"sites": [0.0] * 40}, {}, "ComBat needs two cases of every batch, and fold"),
    ],
    ids=["one batch", "no batches", "an unseen batch", "a batch of one"],
)
def test_what_cannot_be_harmonised_costs_the_run_alone_and_says_why(run, toy_study, cohort, protocol, said):
    study = toy_study(
        cohort={**SITES, **cohort},
        classifiers=CLASSIFIERS,
        protocol={"folds": 3, "inner_folds": 3, **protocol},
    )
    result = run(study)
    assert said in result.failed["moments/combat"]
    assert [run.name for run in result.all_runs()] == ["moments/logistic_regression"]


def test_a_batch_that_only_an_inner_fold_lacks_is_a_sentence_too():
    X, _ = scanners()
    step = CombatStep().fit(X[X[:, -1] < 2])
    with pytest.raises(CaseError, match=r"ComBat knows nothing of batch 2: .*; lower `inner_folds`"):
        step.transform(X)
    with pytest.raises(CaseError, match="all cases are of one"):
        CombatStep().fit(X[X[:, -1] == 1])


def test_a_network_has_no_table_to_harmonise(toy_study):
    from feature_extractors.radiomics.extractor import RadiomicsExtractor

    finetuned = build("classifier", {"use": "combat", "classifier": {"use": "finetuned"}})
    with pytest.raises(ValueError, match="trains a network"):
        finetuned.learning_from(RadiomicsExtractor())


@pytest.mark.parametrize("analysis", ["explain", "robustness", "apply"])
def test_analyses_that_take_a_run_apart_refuse_it(toy_study, analysis):
    study = toy_study(cohort=SITES, classifiers=CLASSIFIERS)
    with pytest.raises(UserError, match=f"run moments/combat harmonises by ComBat, which {analysis} cannot"):
        study.refuse_harmonised(study.all_runs(), analysis)


def test_the_audit_shows_what_combat_before_cross_validation_adds(run, toy_study):
    study = toy_study(cohort=SITES, classifiers=CLASSIFIERS)
    audit = run(study, lambda study, execution: audit_study(study, ["moments/combat"], 4, execution))
    rows = audit.table.set_index("protocol")
    assert list(rows.index) == [
        "sound",
        "ComBat before",
        "ComBat before, labels kept",
        "tuned on the test folds",
    ]
    assert rows.loc["ComBat before", "against"] == "sound"
    assert rows.loc["sound", "verdict"] == "silent"
    assert np.isfinite(rows.loc["ComBat before", "optimism_points"])


def test_labels_kept_before_cross_validation_are_found_again_in_noise():
    """Nygaard, Rødland and Hovig, Biostatistics 2016;17:29: kept differences grow where batches are unbalanced."""
    inflated, plain = [], []
    for seed in range(10):
        random = np.random.default_rng(seed)
        X, batch = random.normal(size=(60, 60)), np.repeat([0, 1, 2, 3], 15)
        y = (random.random(60) < np.array([0.2, 0.4, 0.6, 0.8])[batch]).astype(int)
        kept = fit_combat(X, batch, y).adjust(X, batch, y)
        without = fit_combat(X, batch).adjust(X, batch)
        for found, values in ((inflated, kept), (plain, without)):
            found.append(cross_val_score(Model(C=0.1), values, y, cv=5, scoring="roc_auc").mean())
    assert np.mean(inflated) > np.mean(plain) + 0.1
    assert np.mean(inflated) > 0.55
