"""What people see first of a study: its methods and rules, the most skilful first, and how to read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from benchmark.report.report import Section, with_interval

POOLED_APART = 0.01
"""From which difference on an AUC as the mean of folds is marked: pooled it is another."""
_SHORT = {
    "sensitivity": "sens.",
    "specificity": "spec.",
    "roc_auc": "AUC",
    "macro_f1": "macro F1",
    "quadratic_kappa": "kappa",
}


def first_section(facts: dict[str, Any], methods: pd.DataFrame, overview: pd.DataFrame) -> Section:
    """Return what people see first: the methods, how many cases, and how to read it."""
    tested = "" if facts["tested"] == facts["cases"] else f", {facts['tested']} of them tested"
    title = f"Methods: {facts['cases']} cases{tested}, {facts['protocol']}"
    return Section(title, overview, _note(str(methods["best_rule"].iloc[0]), facts))


def overview_of(methods: pd.DataFrame) -> pd.DataFrame:
    """Return one row per method and rule, most skilful first."""
    best = str(methods["best_rule"].iloc[0])
    rows = []
    for row in methods.to_dict("records"):
        shown = {"method": row["method"] if row["kind"] == "method" else f"({row['method']})"}
        shown |= {"skill": _skill(row)} if best else {}
        ends = {end: row[f"accuracy_{end}"] for end in ("low", "high", "method")}
        shown["accuracy"] = with_interval(row["accuracy"], **ends)
        shown |= {short: f"{row[key]:.2f}{_apart(row, key)}" for key, short in _SHORT.items() if key in row}
        ranks = "" if pd.isna(row["rank_low"]) else f"{row['rank_low']}–{row['rank_high']}"
        rows.append(shown | {"group": row["group"], "ranks": ranks})
    return pd.DataFrame(rows)


def _apart(row: Mapping[Any, Any], metric: str) -> str:
    """Return a star for an AUC that is another one where the folds are pooled."""
    return "*" if metric == "roc_auc" and abs(row[metric] - row["roc_auc_pooled"]) >= POOLED_APART else ""


def _skill(row: Mapping[Any, Any]) -> str:
    """Return points with their interval; none has no width, as of a rule that calls the same cases."""
    if row["method"] == row["best_rule"]:
        return "0, the best rule"
    shown, low, high = (f"{100 * row[name]:+.0f}" for name in ("skill", "skill_low", "skill_high"))
    return f"{shown} [{low}, {high}]" if row["skill_low"] < row["skill_high"] else f"{shown}, not estimable"


def _note(best: str, facts: dict[str, Any]) -> str:
    rule = (
        f"skill: points of accuracy above the best rule without learning ({best}); rules in brackets; "
        if best
        else ""
    )
    return (
        f"{rule}95 % intervals, patients resampled{other_methods(facts)}; a method takes in each fold the classifier "
        "with the best inner score; AUC: mean of the folds, * pooled it differs by a point or more, for ties or folds "
        "calibrated apart; methods share a letter where they were not told apart, and only there; "
        "ranks: 95 % interval; every run: tables/summary.csv"
    )


def other_methods(facts: dict[str, Any]) -> str:
    """Return what to say of intervals that are not the bootstrap's; nothing where there are none."""
    named = {found["method"] for metrics in facts["runs"].values() for found in metrics.values()} - {"bca"}
    return "; a method in brackets: every resample has the same value, docs/statistics.md" if named else ""
