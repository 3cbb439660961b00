"""Pairs of methods as people read them: what may be claimed of each, and all against all as a square."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd


def pairs_side_by_side(claims: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return row minus column in points of accuracy, and in brackets p adjusted over all pairs.

    `claims` is the table of that name; the diagonal is empty, as is p where it is not defined. No row for one method.
    """
    pairs = claims[claims["family"] == "all pairs"]
    if pairs.empty:
        return pd.DataFrame()
    square = pd.DataFrame("", index=pd.Index(names, name="method"), columns=names)
    for row in pairs.to_dict("records"):
        for one, other, sign in ((row["run"], row["reference"], 1), (row["reference"], row["run"], -1)):
            p = "" if pd.isna(row["p_holm"]) else f" ({row['p_holm']:.3f})"
            square.loc[one, other] = f"{100 * sign * row['difference']:+.0f}{p}"
    return square.reset_index()


def claims_in_words(claims: pd.DataFrame) -> pd.DataFrame:
    """Return one row per claim but those of all pairs: difference first, then its probabilities, then p and its family.

    `claims` is the table of that name. What is not defined is empty.
    """
    named = claims[claims["family"] != "all pairs"]
    sizes = named["family"].value_counts()
    return pd.DataFrame(
        [
            {
                "family": f"{row['family']}, Holm over {sizes[row['family']]}",
                "method": row["run"],
                "against": row["reference"],
                "points": _points(row),
                **{f"P({name})": _number(row[f"p_{name}"], 2) for name in ("better", "equal", "worse")},
                "p": _number(row["p_holm"], 3),
                "finding": row["finding"],
            }
            for row in named.to_dict("records")
        ]
    )


def _points(row: Mapping[Hashable, Any]) -> str:
    """Return a claim's difference in points with its interval, as far as they are defined."""
    if pd.isna(row["difference"]):
        return ""
    ends = "" if pd.isna(row["low"]) else f" [{100 * row['low']:+.0f}, {100 * row['high']:+.0f}]"
    return f"{100 * row['difference']:+.0f}{ends}"


def _number(value: float, digits: int) -> str:
    return "" if pd.isna(value) else f"{value:.{digits}f}"
