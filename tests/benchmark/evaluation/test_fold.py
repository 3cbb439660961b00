from dataclasses import replace

import numpy as np
import pytest
import skops.io

from benchmark.evaluation.fold import FoldTask, choose_flat, evaluate, fit_final
from benchmark.evaluation.protocol import Protocol
from benchmark.plugins.registry import build
from benchmark.statistics.metrics.scores import metric_value
from classifiers.preprocessing import CorrelationFilter


@pytest.fixture
def task():
    random = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = random.normal(size=(60, 8)) + 0.8 * y[:, None] * (np.arange(8) < 3)
    classifier = build("classifier", {"use": "logistic_regression", "grid": {"C": [0.1, 1.0]}})
    names = tuple(f"f{i}" for i in range(8))
    return FoldTask(classifier, Protocol(), names, X, y, np.arange(48), np.arange(48, 60), seed=5)


def test_test_cases_change_neither_the_choice_nor_the_kept_features(task):
    spoilt = task.X.copy()
    spoilt[task.test] = 1e6
    first, second = evaluate(task), evaluate(replace(task, X=spoilt))
    assert first["parameters"] == second["parameters"]
    assert first["kept"] == second["kept"]


def test_the_correlation_filter_sees_training_cases_alone(task, monkeypatch):
    seen = []
    original = CorrelationFilter.fit
    monkeypatch.setattr(
        CorrelationFilter, "fit", lambda self, X, y=None: seen.append(np.array(X)) or original(self, X)
    )
    evaluate(task)
    training = {row.tobytes() for row in task.X[task.train]}
    assert seen
    assert all(row.tobytes() in training for X in seen for row in X)
    assert sorted({len(X) for X in seen}) == [38, 39, 48], "five inner folds and the refit"


def test_a_feature_that_copies_another_is_not_kept(task):
    doubled = np.hstack([task.X, 3 * task.X[:, :1] + 2])
    record = evaluate(replace(task, X=doubled, features=(*task.features, "copy")))
    assert "f0" in record["kept"]
    assert "copy" not in record["kept"]


def test_the_key_follows_the_data_the_split_and_the_seed_alone(task):
    assert task.key() == replace(task).key()
    changes = [{"seed": 6}, {"X": task.X + 1}, {"train": task.train[:-1]}, {"y": 1 - task.y}]
    keys = {replace(task, **change).key() for change in changes}
    assert len(keys | {task.key()}) == 5
    unused = task.X.copy()
    smaller = replace(task, train=task.train[:-1])
    unused[task.train[-1]] = 0
    assert replace(smaller, X=unused).key() == smaller.key(), "a case of neither side does not matter"


def test_the_final_model_reads_back_without_executing_code(task):
    record = fit_final(replace(task, train=np.arange(60), test=np.arange(0)))
    content = bytes.fromhex(record["skops"])
    trusted = skops.io.get_untrusted_types(data=content)
    assert all(name.partition(".")[0] in {"classifiers", "sklearn", "numpy"} for name in trusted)
    pipeline = skops.io.loads(content, trusted=trusted)
    assert list(pipeline.feature_names_in_) == list(task.features)


def test_flat_takes_the_point_that_does_best_on_the_test_folds(task):
    flat = replace(task, protocol=Protocol(selection="flat"))
    folds = [np.arange(start, 60, 5) for start in range(5)]
    tasks = [replace(flat, train=np.setdiff1d(np.arange(60), test), test=test) for test in folds]
    records = [evaluate(item) for item in tasks]
    labels = [task.y[test] for test in folds]
    chosen = choose_flat(records, task.classifier, labels, "accuracy")

    def mean_accuracy(scores):
        return np.mean(
            [metric_value("accuracy", y, np.array(s)) for y, s in zip(labels, scores, strict=True)]
        )

    by_point = [
        mean_accuracy([np.array(record["points"][point])[:, 1] for record in records]) for point in range(2)
    ]
    assert mean_accuracy([np.array(record["probabilities"])[:, 1] for record in chosen]) == max(by_point)
