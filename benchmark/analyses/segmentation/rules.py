"""Two rules on the same masks, Agatston's and AI-CAC's: what another rule does, apart from what wrong voxels do."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.calcium.risk import risk_band
from benchmark.report.report import with_interval
from benchmark.statistics.intervals.bootstrap import Resampling, percentile_interval, resampled_counts

REFERENCE = "(reference)"
Floats = NDArray[np.float64]
COLUMNS = ("cohort", "masks", "scans", "agatston", "ai_cac_rule", "difference", "low", "high", "other_band")


def rules(scans: pd.DataFrame, resampling: Resampling) -> pd.DataFrame:
    """Return one row per cohort and segmenter, and one for the reference: mean scores and their mean difference.

    `difference` is AI-CAC's rule less Agatston's on the same mask, with its interval over patients; `other_band` counts
    the scans whose risk band is another by it.
    """
    rows = []
    for (cohort, masks), part in _masks(scans):
        ours, theirs = (part[name].to_numpy(dtype=float) for name in ("agatston", "ai_cac_rule"))
        low, high = _interval(theirs - ours, part["reference_agatston"] > 0, resampling, part.get("patient"))
        other = sum(risk_band(a) != risk_band(b) for a, b in zip(ours, theirs, strict=True))
        mean = ours.mean(), theirs.mean(), (theirs - ours).mean()
        rows.append((cohort, masks, len(part), *mean, low, high, other))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def rules_shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of `rules` as text for people."""
    rows = []
    for row in table.to_dict("records"):
        method = "not estimable" if pd.isna(row["low"]) else "bca"
        difference = with_interval(
            row["difference"], row["low"], row["high"], digits=1, ends=1, sign="+", method=method
        )
        rows.append(
            {
                "cohort": row["cohort"],
                "masks": row["masks"],
                "Agatston, mean": f"{row['agatston']:.1f}",
                "AI-CAC's rule, mean": f"{row['ai_cac_rule']:.1f}",
                "difference": difference,
                "other band": f"{row['other_band']} of {row['scans']}",
            }
        )
    return pd.DataFrame(rows)


def _masks(scans: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """Yield the scans of every cohort scored in the reference, then in each segmenter's masks, ordered by case."""
    for cohort, part in scans.groupby("cohort", sort=False):
        once = part.drop_duplicates("case_id").dropna(subset="reference_ai_cac_rule")
        if len(once):
            scores = {name: once[f"reference_{name}"] for name in ("agatston", "ai_cac_rule")}
            yield (str(cohort), REFERENCE), once.assign(**scores).sort_values("case_id")
        for segmenter, called in part.groupby("segmenter", sort=False):
            yield (str(cohort), str(segmenter)), called.sort_values("case_id")


def _interval(
    difference: Floats, positive: pd.Series, resampling: Resampling, patient: pd.Series | None
) -> tuple[float, float]:
    """Return the percentile interval of the mean difference; none where all resamples give one value."""
    blocks = resampled_counts(positive.to_numpy().astype(np.intp), resampling, patient)
    replicates = np.concatenate([counts @ difference / counts.sum(axis=1) for counts in blocks])
    low, high = percentile_interval(replicates)
    return (low, high) if high - low > 1e-9 else (np.nan, np.nan)
