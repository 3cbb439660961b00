"""Whether the folds allow ComBat: every batch that is tested must train, beside others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from benchmark.evaluation.splits import Split


def batch_codes(cases: pd.DataFrame, column: str) -> pd.Series:
    """Return a code for each case's batch, in the order of the batches' names."""
    return cases[column].astype("category").cat.codes.astype(float)


def why_not_harmonised(cases: pd.DataFrame, column: str, splits: Sequence[Split]) -> str:
    """Return why cases cannot be harmonised by `column` under these folds, and what to do; empty if they can."""
    batches = cases[column].tolist()
    if nameless := batches.count(""):
        return f"ComBat needs the {column} of every case, and {nameless} have none: say it in a column `{column}`"
    for split in splits:
        trained, fold = Counter(batches[place] for place in split.train), f"fold {split.fold}"
        unseen = sorted({batches[place] for place in split.test} - set(trained))
        small = sorted(name for name, count in trained.items() if count < 2)
        if len(trained) < 2:
            return (
                f"ComBat needs two batches or more, and {fold} trains on {column} {next(iter(trained))!r} alone: there "
                "is nothing to harmonise, take the classifier without it"
            )
        if small:
            return (
                f"ComBat needs two cases of every batch, and {fold} trains on one of {column} {small[0]!r}: leave its "
                "scans out"
            )
        if unseen:
            return (
                f"ComBat knows nothing of {column} {unseen[0]!r}, which {fold} tests and does not train on: take a "
                "split that leaves none out"
            )
    return ""
