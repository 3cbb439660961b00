"""Permutation importance on held-out folds, of single features and of whole families.

Breiman 2001, doi:10.1023/A:1010933404324, as `sklearn.inspection.permutation_importance` computes it. That function
permutes one column per prediction and no groups of columns; here a feature is a group of one, and all permutations
of a group are predicted at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmark.analyses.explanation.records import ImportanceRecord
from benchmark.analyses.feature_families import family_of
from benchmark.evaluation.refit import ChosenFold
from benchmark.plugins.fingerprint import code_digest, digest_of
from benchmark.statistics.comparison.paired import nadeau_bengio
from benchmark.statistics.metrics.scores import most_probable
from benchmark.statistics.metrics.weighted import weighted_metrics

Floats = NDArray[np.float64]
Groups = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class HeldOut:
    """What to permute in one fold's test cases, and the metrics whose loss counts."""

    fold: ChosenFold
    families: Mapping[str, tuple[int, ...]]
    metrics: tuple[str, ...]
    permutations: int
    seed: int

    def key(self) -> str:
        """Return the SHA-256 of all that decides the result."""
        code = code_digest(__name__)
        return digest_of([self.fold.key(), self.families, self.metrics, self.permutations, self.seed, code])


def held_out_importance(held_out: HeldOut) -> ImportanceRecord:
    """Refit the fold on one thread and permute what its selection kept.

    What the selection dropped cannot change a prediction: its loss is exactly 0 and not listed.
    """
    task = held_out.fold.task
    with threadpool_limits(limits=1):
        fitted = held_out.fold.fit()
        X, y = task.X[task.test][:, fitted.columns], task.y[task.test]
        random = np.random.default_rng(held_out.seed)
        orders = np.stack([random.permutation(len(y)) for _ in range(held_out.permutations)])
        score = partial(_scores, held_out.metrics, y, held_out.fold.threshold)
        losses = {
            kind: permutation_losses(fitted.probabilities, score, X, groups, orders)
            for kind, groups in _kept_groups(held_out, fitted.columns).items()
        }
        value = score(fitted.probabilities(X))
    means = {
        kind: {name: loss.mean(axis=0).tolist() for name, loss in loss_by_name.items()}
        for kind, loss_by_name in losses.items()
    }
    return {"value": value.tolist(), "features": means["features"], "families": means["families"]}


def _kept_groups(held_out: HeldOut, columns: NDArray[np.intp]) -> dict[str, dict[str, list[int]]]:
    """Return positions among the kept `columns` of each feature, and of each family of which something is kept."""
    place = {int(column): position for position, column in enumerate(columns)}
    features = {held_out.fold.task.features[column]: [position] for column, position in place.items()}
    families = {
        family: [place[column] for column in members if column in place]
        for family, members in held_out.families.items()
    }
    return {"features": features, "families": {name: kept for name, kept in families.items() if kept}}


def _scores(metrics: Sequence[str], y: NDArray[np.intp], threshold: float, probabilities: Floats) -> Floats:
    predicted, everyone = most_probable(probabilities, threshold), np.ones((1, len(y)))
    return np.asarray(weighted_metrics(metrics, y, predicted, probabilities[:, 1], everyone)[0])


def permutation_losses(
    predict: Callable[[Floats], Floats],
    score: Callable[[Floats], Floats],
    X: Floats,
    groups: Groups,
    orders: NDArray[np.intp],
) -> dict[str, Floats]:
    """Return by how much each permutation of each group of columns lowers the scores, (permutations, metrics).

    X has shape (cases, features), `orders` (permutations, cases); a group's columns are permuted together, all
    groups by the same orders. `predict` gives rows of probabilities, `score` the metrics (metrics,) of those.
    """
    value = score(predict(X))
    losses = {}
    for name, columns in groups.items():
        permuted = np.repeat(X[None], len(orders), axis=0)
        permuted[:, :, list(columns)] = X[orders][:, :, list(columns)]
        probabilities = predict(permuted.reshape(-1, X.shape[1]))
        losses[name] = value - np.stack([score(one) for one in np.split(probabilities, len(orders))])
    return losses


def importance_table(
    records: Sequence[ImportanceRecord],
    features: Sequence[str],
    families: Groups,
    metrics: Sequence[str],
    test_to_train: float,
) -> pd.DataFrame:
    """Return one row per feature or family and metric, most important first within each kind and metric.

    Columns kind (feature, family), name, family, metric, folds_kept, importance (mean loss over the folds), low and
    high (95 % interval over the folds, Nadeau and Bengio 2003: folds share training cases), note. The interval is
    missing where the folds have no variance to estimate it from.
    """
    rows = []
    for kind, names in (("feature", features), ("family", list(families))):
        losses_by_fold = [record["features" if kind == "feature" else "families"] for record in records]
        for name in names:
            kept = sum(name in losses for losses in losses_by_fold)
            family = name if kind == "family" else family_of(name) or ""
            for place, metric in enumerate(metrics):
                losses = [fold[name][place] if name in fold else 0.0 for fold in losses_by_fold]
                about = {"kind": kind, "name": name, "family": family, "metric": metric, "folds_kept": kept}
                rows.append({**about, **_over_folds(losses, kept, test_to_train)})
    order = {metric: place for place, metric in enumerate(metrics)}
    rows.sort(key=lambda row: (row["kind"] == "family", order[row["metric"]], -row["importance"]))
    return pd.DataFrame(rows).astype(dict.fromkeys(("importance", "low", "high"), "Float64"))


def _over_folds(losses: list[float], kept: int, test_to_train: float) -> dict[str, Any]:
    if kept == 0:
        return {"importance": 0.0, "low": 0.0, "high": 0.0, "note": "dropped in every fold"}
    if not any(losses):
        return {"importance": 0.0, "low": 0.0, "high": 0.0, "note": "no loss in any fold"}
    paired_test = nadeau_bengio(losses, np.zeros(len(losses)), test_to_train)
    return {
        "importance": paired_test.difference,
        "low": paired_test.low,
        "high": paired_test.high,
        "note": paired_test.note,
    }
