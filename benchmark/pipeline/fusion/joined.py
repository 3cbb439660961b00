"""Tables changed after extraction: permuted over the cases as a control, joined with those of another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from benchmark.errors import UserError
from benchmark.execution.seeds import derive_seed
from benchmark.study.study import Study


def joined(study: Study, tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the tables as the study declares them: permuted where it says so, then beside one another.

    A case that lacks one of two joined extractions is in neither's joint table. Raises `UserError` where both have a
    feature of the same name.
    """
    own = {name: _permuted(study, name, table) for name, table in tables.items()}
    return {name: _beside(study, name, own) for name in own}


def _permuted(study: Study, name: str, table: pd.DataFrame) -> pd.DataFrame:
    if not study.extractors[name].permuted:
        return table
    random = np.random.default_rng(derive_seed(study.seed, "permute features", name))
    # In the order of the ids, so that neither the cohort's order nor that of completion decides who gets whose.
    ordered = table.sort_index()
    shuffled = pd.DataFrame(
        ordered.to_numpy()[random.permutation(len(ordered))], index=ordered.index, columns=ordered.columns
    )
    return shuffled.loc[table.index]


def _beside(study: Study, name: str, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    other = study.extractors[name].beside
    if other is None or other not in tables:
        return tables[name]
    if twice := [column for column in tables[name] if column in tables[other]]:
        raise UserError(
            f"extractors.{name}.beside: {name} and {other} both have a feature called {twice[0]!r}: join extractors of "
            "different kinds"
        )
    return tables[name].join(tables[other], how="inner")
