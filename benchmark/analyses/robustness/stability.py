"""Whether a feature measures the same under another condition, and which families of features do."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from benchmark.analyses.feature_families import family_of
from benchmark.analyses.robustness.study import BASE
from benchmark.errors import UserError
from benchmark.statistics.stability.reliability import feature_reliability

GOOD, EXCELLENT = 0.75, 0.9
"""Limits of Koo and Li 2016, doi:10.1016/j.jcm.2016.02.012, table 4."""
ALL = "all"

Tables = Mapping[str, pd.DataFrame]


def reliability_table(base: Tables, conditions: Mapping[str, Tables]) -> pd.DataFrame:
    """Return ICC(2,1) and ICC(3,1) of every feature, each condition against the base scans.

    `base` and each condition map an extractor to its table, rows the same patients. Columns condition, extractor,
    family, and those of `feature_reliability`. Raises `UserError` where patients or features differ.
    """
    parts = []
    for condition, tables in conditions.items():
        for extractor_name, table in base.items():
            try:
                reliability = feature_reliability({BASE: table, condition: tables[extractor_name]})
            except ValueError as error:
                raise UserError(f"condition {condition}, extractor {extractor_name}: {error}") from None
            families = [family_of(feature) or "" for feature in reliability["feature"]]
            names = {"condition": condition, "extractor": extractor_name, "family": families}
            parts.append(pd.DataFrame(names, reliability.index).join(reliability))
    return pd.concat(parts, ignore_index=True)


def stability_summary(reliability: pd.DataFrame) -> pd.DataFrame:
    """Return how many features are stable, by condition, extractor and family, and in ``all`` families together.

    Columns condition, extractor, family, features, undefined (features without an ICC: they do not vary), median
    ICC(2,1), and the shares of the others whose ICC(2,1) is `GOOD` or `EXCELLENT`.
    """
    rows = []
    for (condition, extractor_name), rows_of_extractor in reliability.groupby(
        ["condition", "extractor"], sort=False
    ):
        families = [family for family in dict.fromkeys(rows_of_extractor["family"]) if family]
        groups = {ALL: rows_of_extractor} | {
            family: rows_of_extractor[rows_of_extractor["family"] == family] for family in families
        }
        for family, features in groups.items():
            icc = features["icc_2_1"].dropna()
            rows.append(
                {
                    "condition": condition,
                    "extractor": extractor_name,
                    "family": family,
                    "features": len(features),
                    "undefined": len(features) - len(icc),
                    "median_icc": icc.median(),
                    "share_good": (icc >= GOOD).mean(),
                    "share_excellent": (icc >= EXCELLENT).mean(),
                }
            )
    return pd.DataFrame(rows)
