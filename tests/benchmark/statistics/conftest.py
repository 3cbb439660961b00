import numpy as np
import pandas as pd
import pytest

from benchmark.statistics.metrics.scores import all_metrics, decide


def simulate_study(runs=("a", "b"), cases=80, folds=5, repeats=1, seed=0, decimals=3):
    """Fold and prediction tables of runs whose scores share half of their noise; later runs are better."""
    random = np.random.default_rng(seed)
    label = np.arange(cases) % 2
    shared = random.normal(size=cases)
    scores, predictions = [], []
    for place, run in enumerate(runs):
        for repeat in range(repeats):
            fold = np.random.default_rng([seed, repeat]).permutation(cases // 2).repeat(2) % folds
            signal = (0.8 + 0.2 * place) * label + 0.7 * shared + 0.7 * random.normal(size=cases)
            score = np.round(1 / (1 + np.exp(0.5 - signal)), decimals)
            predictions.append(
                pd.DataFrame(
                    {
                        "run": run,
                        "repeat": repeat,
                        "fold": fold,
                        "case_id": [f"case{i:04}" for i in range(cases)],
                        "label": label,
                        "score": score,
                        "predicted": decide(score),
                    }
                )
            )
            for number in range(folds):
                test = fold == number
                values = all_metrics(label[test], score[test])
                sizes = {"n_train": int((~test).sum()), "n_test": int(test.sum())}
                scores.append({"run": run, "repeat": repeat, "fold": number, **sizes, **values})
    return pd.DataFrame(scores), pd.concat(predictions, ignore_index=True)


@pytest.fixture
def study():
    return simulate_study


@pytest.fixture
def random_cases():
    """200 binary inputs: label, score and decision of one method, with ties, class imbalance and small samples."""

    def draw(count=200):
        for seed in range(count):
            random = np.random.default_rng(seed)
            n = int(random.choice([6, 20, 90, 181]))
            positives = max(2, int(n * random.choice([0.1, 0.3, 0.5, 0.9])))
            label = random.permutation(np.arange(n) < min(positives, n - 2)).astype(np.intp)
            decimals = int(random.choice([0, 1, 2, 12]))
            shared = random.uniform(-1, 1, n)
            scores = [
                np.round(
                    np.clip(
                        0.5
                        + random.uniform(-0.2, 0.4) * (label - 0.5)
                        + 0.2 * shared
                        + 0.2 * random.uniform(-1, 1, n),
                        0,
                        1,
                    ),
                    decimals,
                )
                for _ in range(2)
            ]
            if seed % 20 == 0:
                scores[1] = scores[0]
            yield label, scores[0], scores[1]

    return draw


@pytest.fixture
def random_folds():
    """200 pairs of fold scores of one shape: ties, zero variance, equal scores, constant differences."""

    def draw(shape=(5,), count=200):
        for seed in range(count):
            random = np.random.default_rng(seed)
            decimals = int(random.choice([1, 2, 12]))
            a, b = np.round(random.uniform(0.5, 1, (2, *shape)), decimals)
            if seed % 10 == 0:
                b = a.copy()
            elif seed % 10 == 1:
                b = a - 0.125
            yield a, b

    return draw
