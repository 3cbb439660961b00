"""What was chosen inside the training folds, in words: hyperparameters, and the features that the filters left."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import pandas as pd

NAMED = 6
"""So many features a cell names."""


def chosen_of_runs(choices: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run: the hyperparameters chosen most often, how many features were kept, which in every fold.

    `choices` is the table of that name: columns run, parameters and kept (JSON), a row per fold.
    """
    rows = []
    for run, folds in choices.groupby("run", sort=False):
        kept = [json.loads(text) for text in folds["kept"]]
        always = set(kept[0]).intersection(*kept)
        chosen, times = Counter(folds["parameters"]).most_common(1)[0]
        rows.append(
            (
                run,
                _parameters(json.loads(chosen)),
                f"{times} of {len(folds)}",
                _range([len(names) for names in kept]),
                _named([name for name in kept[0] if name in always]),
            )
        )
    columns = ["run", "hyperparameters most often chosen", "in folds", "features kept", "kept in every fold"]
    return pd.DataFrame(rows, columns=columns)


def _parameters(chosen: dict[str, object]) -> str:
    return (
        ", ".join(f"{name.rpartition('__')[2]} {value}" for name, value in chosen.items()) or "none to choose"
    )


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(name.removeprefix("original_") for name in names[:NAMED])
    return f"{len(names)}: {shown}{', …' if len(names) > NAMED else ''}" if names else "none"
