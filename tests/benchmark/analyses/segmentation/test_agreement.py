"""Every metric against closed forms, plain loops, scikit-learn, scipy or MONAI."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from benchmark.analyses.segmentation.agreement import BANDS, METRICS, agreement
from benchmark.calcium.risk import risk_band


def table(n=40, seed=0):
    rng = np.random.default_rng(seed)
    counts = {
        f"{unit}_{name}": rng.integers(0, 30, n)
        for unit in ("voxel", "lesion")
        for name in ("tp", "fp", "fn")
    }
    reference = np.where(rng.random(n) < 0.3, 0, rng.lognormal(4, 1.8, n))
    found = reference * rng.lognormal(0, 0.6, n) + np.where(rng.random(n) < 0.2, rng.exponential(30, n), 0)
    true = np.where(rng.random(n) < 0.2, np.nan, reference * 1.2)
    return pd.DataFrame({**counts, "agatston": found, "reference_agatston": reference, "cac_score": true})


def metrics(scans, weights=None):
    weights = np.ones((1, len(scans))) if weights is None else weights
    return dict(zip(METRICS, agreement(scans, weights)[0], strict=True))


def test_f1_precision_and_recall_are_of_the_pooled_counts():
    scans = pd.DataFrame(
        {
            "voxel_tp": [8, 0],
            "voxel_fp": [2, 3],
            "voxel_fn": [1, 0],
            "lesion_tp": [2, 0],
            "lesion_fp": [0, 1],
            "lesion_fn": [2, 0],
            "agatston": [9.0, 4.0],
            "reference_agatston": [8.0, 0.0],
            "cac_score": [8.0, 0.0],
        }
    )
    found = metrics(scans)
    assert found["voxel_f1"] == pytest.approx(16 / 22)
    assert (found["voxel_precision"], found["voxel_recall"]) == pytest.approx((8 / 13, 8 / 9))
    assert found["lesion_f1"] == pytest.approx(4 / 7)
    assert found["dice"] == pytest.approx(16 / 19), "the mean over scans with calcium"
    assert found["band_accuracy"] == 0.5
    assert found["true_band_accuracy"] == 0.5


def test_the_icc_is_that_of_shrout_and_fleiss_s_example():
    """Their table 2 (1979) has six targets; two of its four judges, worked out with the analysis of variance."""
    judges = np.array([[9, 2], [6, 1], [8, 4], [7, 1], [10, 5], [6, 2]], float)
    n, k = judges.shape
    mean = judges.mean()
    between = k * ((judges.mean(axis=1) - mean) ** 2).sum() / (n - 1)
    raters = n * ((judges.mean(axis=0) - mean) ** 2).sum() / (k - 1)
    residual = judges - judges.mean(axis=1, keepdims=True) - judges.mean(axis=0) + mean
    error = (residual**2).sum() / ((n - 1) * (k - 1))
    expected = (between - error) / (between + (k - 1) * error + k * (raters - error) / n)
    scans = table(6).assign(agatston=judges[:, 0], reference_agatston=judges[:, 1])
    assert metrics(scans)["icc"] == pytest.approx(expected)


def test_equal_scores_agree_perfectly():
    scans = table().assign(agatston=lambda t: t["reference_agatston"])
    found = metrics(scans)
    assert found["icc"] == pytest.approx(1)
    assert (found["bias"], found["limit_low"], found["limit_high"]) == pytest.approx((0, 0, 0))
    assert (found["band_accuracy"], found["kappa"]) == pytest.approx((1, 1))


def test_bias_and_limits_are_mean_and_1_96_standard_deviations():
    scans = table()
    difference = scans["agatston"] - scans["reference_agatston"]
    found = metrics(scans)
    assert found["bias"] == pytest.approx(difference.mean())
    assert found["limit_high"] == pytest.approx(difference.mean() + 1.96 * difference.std(ddof=1))
    assert found["limit_low"] == pytest.approx(difference.mean() - 1.96 * difference.std(ddof=1))


def test_kappa_and_band_accuracy_are_scikit_learn_s():
    scans = table()
    mine, reference = (
        [BANDS.index(risk_band(x)) for x in scans[c]] for c in ("agatston", "reference_agatston")
    )
    found = metrics(scans)
    assert found["kappa"] == pytest.approx(
        cohen_kappa_score(mine, reference, weights="quadratic", labels=range(5))
    )
    assert found["band_accuracy"] == pytest.approx(np.mean(np.array(mine) == reference))


def test_a_weight_of_two_is_the_scan_twice():
    scans = table(25)
    weights = np.random.default_rng(1).integers(0, 4, 25)
    repeated = scans.loc[scans.index.repeat(weights)].reset_index(drop=True)
    assert metrics(scans, weights[None].astype(float)) == pytest.approx(metrics(repeated), nan_ok=True)


def test_dice_is_monai_s_on_masks():
    import torch
    from monai.metrics import DiceMetric

    rng = np.random.default_rng(2)
    truth, found = rng.random((3, 1, 4, 6, 6)) > 0.7, rng.random((3, 1, 4, 6, 6)) > 0.6
    axes = (1, 2, 3, 4)
    scans = table(3).assign(
        voxel_tp=(truth & found).sum(axis=axes),
        voxel_fp=(found & ~truth).sum(axis=axes),
        voxel_fn=(truth & ~found).sum(axis=axes),
    )
    metric = DiceMetric()
    metric(torch.tensor(found, dtype=torch.float32), torch.tensor(truth, dtype=torch.float32))
    assert metrics(scans)["dice"] == pytest.approx(float(metric.aggregate()))


def test_what_is_not_defined_is_not_a_number():
    scans = table(4).assign(**{f"voxel_{name}": 0 for name in ("tp", "fp", "fn")}, cac_score=np.nan)
    found = metrics(scans)
    assert np.isnan([found["voxel_f1"], found["dice"], found["true_band_accuracy"]]).all()
