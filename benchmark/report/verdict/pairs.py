"""Every method against every other, as a square: the difference and the p-value of each pair."""

from __future__ import annotations

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
