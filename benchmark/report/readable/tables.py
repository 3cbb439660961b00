"""Tables of a study as texts: ``value [low, high]``, a row per run, method or segmenter."""

from __future__ import annotations

import pandas as pd

from benchmark.report.report import with_interval


def headline_table(summary: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run with ``value [low, high]`` for each metric, best accuracy first."""
    text = summary.assign(text=_texts(summary))
    wide = text.pivot(index="run", columns="metric", values="text")[list(dict.fromkeys(summary["metric"]))]
    accuracy = summary[summary["metric"] == "accuracy"].set_index("run")["value"]
    return wide.loc[accuracy.sort_values(ascending=False, kind="stable").index].reset_index()


def with_p(runs: pd.DataFrame, comparisons: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Return the table of runs with p beside the accuracy; the reference is marked, and what is not compared empty."""
    chosen = (comparisons["metric"] == "accuracy") & (comparisons["test"] == "nadeau_bengio")
    compared = comparisons[chosen & (comparisons["reference"] == reference)].set_index("run")["p_holm"]
    told = [
        "reference"
        if name == reference
        else ""
        if pd.isna(p := compared.get(name, float("nan")))
        else f"{p:.3f}"
        for name in runs["run"]
    ]
    runs.insert(list(runs).index("accuracy") + 1, "p", told)
    return runs


def _texts(intervals: pd.DataFrame) -> list[str]:
    return [
        with_interval(row["value"], row["low"], row["high"], ends=3, method=row["method"])
        for row in intervals.to_dict("records")
    ]


def classes_of_runs(classes: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run and class: how many cases, how many called so, the share found with its interval."""
    sensitivities = [
        row["note"] or with_interval(row["sensitivity"], row["low"], row["high"], ends=3)
        for row in classes.to_dict("records")
    ]
    return classes[["run", "class", "cases", "predicted"]].assign(sensitivity=sensitivities)


def bands_side_by_side(bands: pd.DataFrame) -> pd.DataFrame:
    """Return one row per method and a column per band, ``accuracy [low, high]``, how many cases in its head."""
    if bands.empty:
        return pd.DataFrame()
    cases = bands.drop_duplicates("band").set_index("band")["cases"]
    text = [with_interval(row["accuracy"], row["low"], row["high"], 2) for row in bands.to_dict("records")]
    wide = bands.assign(text=text).pivot(index="method", columns="band", values="text")
    wide = wide.loc[list(dict.fromkeys(bands["method"])), list(cases.index)]
    return wide.rename(columns={band: f"{band} (n = {count})" for band, count in cases.items()}).reset_index()


def brier_scores(intervals: pd.DataFrame) -> pd.DataFrame | None:
    """Return one row per run with its Brier score, best first; None where the target has none."""
    brier_rows = intervals[intervals["metric"] == "brier"].sort_values("value", kind="stable")
    return brier_rows[["run"]].assign(**{"Brier score": _texts(brier_rows)}) if len(brier_rows) else None


def warnings_of_segmenters(anomalies: pd.DataFrame) -> pd.DataFrame:
    """Return one row per segmenter, severity and kind of warning, severe ones first."""
    warnings = anomalies[anomalies["segmenter"] != ""]
    grouped = warnings.groupby(["segmenter", "severity", "anomaly"], sort=False, as_index=False)
    table = grouped.agg(cases=("case_id", "nunique"), example=("detail", "first"))
    return table.sort_values(
        ["segmenter", "severity", "cases"], ascending=[True, False, False], kind="stable"
    )
