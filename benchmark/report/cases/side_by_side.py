"""Bands of the Agatston score side by side, a row per method, as people read them."""

from __future__ import annotations

import pandas as pd

from benchmark.report.report import with_interval


def bands_side_by_side(bands: pd.DataFrame) -> pd.DataFrame:
    """Return one row per method and a column per band, ``accuracy [low, high]``, how many cases in its head."""
    if bands.empty:
        return pd.DataFrame()
    cases = bands.drop_duplicates("band").set_index("band")["cases"]
    text = [with_interval(row["accuracy"], row["low"], row["high"], 2) for row in bands.to_dict("records")]
    wide = bands.assign(text=text).pivot(index="method", columns="band", values="text")
    wide = wide.loc[list(dict.fromkeys(bands["method"])), list(cases.index)]
    return wide.rename(columns={band: f"{band} (n = {count})" for band, count in cases.items()}).reset_index()
