"""Metrics of segmentation over scans, under any weights of the scans, so that a bootstrap is one matrix product.

ICC(2,1), two-way random, absolute agreement: Shrout and Fleiss, Psychol Bull 1979;86:420. Limits of agreement: Bland
and Altman, Lancet 1986;327:307. Kappa has quadratic weights.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.calcium.risk import RISK_BANDS, risk_band
from benchmark.statistics.agreement.categories import weighted_kappa

BANDS = tuple(RISK_BANDS)
METRICS = (
    "voxel_f1",
    "voxel_precision",
    "voxel_recall",
    "lesion_f1",
    "lesion_precision",
    "lesion_recall",
    "dice",
    "icc",
    "bias",
    "limit_low",
    "limit_high",
    "band_accuracy",
    "kappa",
    "true_band_accuracy",
)

COUNTS = (*("voxel_tp", "voxel_fp", "voxel_fn", "lesion_tp", "lesion_fp", "lesion_fn"), "unseen_lesions")
"""What a scan with a mask is counted in; missing where it has none."""

Floats = NDArray[np.float64]


def agreement(scans: pd.DataFrame, weights: Floats) -> Floats:
    """Return every metric of `METRICS` for every row of weights: (replicates, metrics).

    `scans` has one row per scan: counts voxel_* and lesion_* (tp, fp, fn; NaN: no mask to count against), agatston,
    reference_agatston and cac_score, the patient's true score (NaN: unknown). `weights` (replicates, scans) says how
    often each scan counts. Dice is the mean over scans with reference calcium. What is not defined is NaN.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = {**_overlap(scans, weights, "voxel"), **_overlap(scans, weights, "lesion")}
        columns["dice"] = _dice(scans, weights)
        a, b = (scans[name].to_numpy(dtype=float) for name in ("agatston", "reference_agatston"))
        columns |= {"icc": _icc(a, b, weights), **_limits(a - b, weights)}
        predicted, reference = _bands(a), _bands(b)
        columns["band_accuracy"] = weights @ (predicted == reference) / weights.sum(axis=1)
        columns["kappa"] = weighted_kappa(predicted, reference, len(BANDS), weights, power=2)
        columns["true_band_accuracy"] = _true_band_accuracy(scans, predicted, weights)
    return np.stack([columns[name] for name in METRICS], axis=1)


def _overlap(scans: pd.DataFrame, weights: Floats, unit: str) -> dict[str, Floats]:
    tp, fp, fn = (weights @ scans[f"{unit}_{name}"].to_numpy(dtype=float) for name in ("tp", "fp", "fn"))
    return {
        f"{unit}_f1": 2 * tp / (2 * tp + fp + fn),
        f"{unit}_precision": tp / (tp + fp),
        f"{unit}_recall": tp / (tp + fn),
    }


def _dice(scans: pd.DataFrame, weights: Floats) -> Floats:
    tp, fp, fn = (scans[f"voxel_{name}"].to_numpy(dtype=float) for name in ("tp", "fp", "fn"))
    present = tp + fn > 0
    each = np.where(present, 2 * tp / np.maximum(2 * tp + fp + fn, 1), 0)
    return np.asarray(weights @ each / (weights @ present.astype(float)))


def _icc(a: Floats, b: Floats, weights: Floats) -> Floats:
    n = weights.sum(axis=1)
    scan_mean = (a + b) / 2
    mean_a, mean_b = weights @ a / n, weights @ b / n
    mean = (mean_a + mean_b) / 2
    between = 2 * (weights @ scan_mean**2 - n * mean**2)
    raters = n * ((mean_a - mean) ** 2 + (mean_b - mean) ** 2)
    total = weights @ (a**2 + b**2) - 2 * n * mean**2
    scans_square, error = between / (n - 1), (total - between - raters) / (n - 1)
    return np.asarray((scans_square - error) / (scans_square + error + 2 * (raters - error) / n))


def _limits(difference: Floats, weights: Floats) -> dict[str, Floats]:
    n = weights.sum(axis=1)
    bias = weights @ difference / n
    spread = np.sqrt(np.maximum(weights @ difference**2 - n * bias**2, 0) / (n - 1))
    return {"bias": bias, "limit_low": bias - 1.96 * spread, "limit_high": bias + 1.96 * spread}


def _bands(agatston: Floats) -> NDArray[np.intp]:
    return np.array([BANDS.index(risk_band(value)) for value in agatston], dtype=np.intp)


def _true_band_accuracy(scans: pd.DataFrame, predicted: NDArray[np.intp], weights: Floats) -> Floats:
    true = scans["cac_score"].to_numpy(dtype=float)
    known = ~np.isnan(true)
    right = np.zeros(len(scans))
    right[known] = predicted[known] == _bands(true[known])
    return np.asarray(weights @ right / (weights @ known.astype(float)))
