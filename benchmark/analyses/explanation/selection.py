"""Which features the training folds kept, and how far they agree."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from benchmark.analyses.feature_families import family_of
from benchmark.statistics.stability.selection import Stability, selection_stability


def selection_table(kept: Sequence[Sequence[str]], features: Sequence[str]) -> pd.DataFrame:
    """Return one row per feature that a fold kept: feature, family, folds_kept, frequency; most frequent first.

    `kept` holds the names that each training fold kept.
    """
    counts = pd.Series(
        [sum(name in kept_in_fold for kept_in_fold in kept) for name in features], index=list(features)
    )
    counts = counts[counts > 0].sort_values(ascending=False, kind="stable")
    return pd.DataFrame(
        {
            "feature": counts.index,
            "family": [family_of(name) or "" for name in counts.index],
            "folds_kept": counts.to_numpy(),
            "frequency": counts.to_numpy() / len(kept),
        }
    )


def stability_table(kept: Sequence[Sequence[str]], features: Sequence[str]) -> pd.DataFrame:
    """Return one row: folds, features, mean_kept, Nogueira's stability with its interval (low, high), note."""
    stability = (
        selection_stability(kept, features)
        if len(kept) > 1
        else Stability(None, None, None, "one fold: stability compares at least two")
    )
    row = {
        "folds": len(kept),
        "features": len(features),
        "mean_kept": sum(map(len, kept)) / len(kept),
        "stability": stability.value,
        "low": stability.low,
        "high": stability.high,
        "note": stability.note,
    }
    return pd.DataFrame([row]).astype(dict.fromkeys(("stability", "low", "high"), "Float64"))
