"""What McNemar's and DeLong's tests become where patients have several scans, which agree more than strangers' do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmark.statistics.comparison.paired import PairedTest, signed_sum_p

Booleans = NDArray[np.bool_]
Codes = NDArray[np.intp]


def mcnemar_of_patients(a: Booleans, b: Booleans, patient: Codes) -> PairedTest:
    """Test whether two methods are right equally often on the scans of patients, codes `patient` (cases,).

    The statistic, scans that `a` alone has right less those of `b`, is Obuchowski's (Stat Med 1998;17:1495); its
    distribution is the exact one over all exchanges of the methods within whole patients, which for one scan a patient
    is McNemar's. The interval is Wald's with the variance between patients, two of mean size added that each side alone
    has right: Bonett and Price's for one scan a patient. The effect is the odds ratio of discordant scans.
    """
    lead = np.bincount(patient, a.astype(float) - b).astype(float)
    scans = np.bincount(patient).astype(float)
    p = signed_sum_p(np.abs(lead), float(lead[lead > 0].sum()))
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    notes = [f"{len(a)} scans of {len(lead)} patients, the methods exchanged in whole patients"]
    effect: float | None = None
    if only_a + only_b:
        corrected = 0.5 * (min(only_a, only_b) == 0)
        effect = (only_a + corrected) / (only_b + corrected)
        notes += ["odds ratio with half a case added to each count, one being zero"] * bool(corrected)
    ends = _difference_interval(lead, scans)
    name = "" if effect is None else "odds_ratio"
    return PairedTest(
        float(only_a), None, p, "; ".join(notes), float(lead.sum() / len(a)), *ends, name, effect
    )


def _difference_interval(lead: NDArray[np.float64], scans: NDArray[np.float64]) -> tuple[float, float]:
    size = scans.mean()
    lead, scans = np.r_[lead, size, -size], np.r_[scans, size, size]
    centre = lead.sum() / scans.sum()
    half = stats.norm.ppf(0.975) * np.sqrt(((lead - scans * centre) ** 2).sum()) / scans.sum()
    return max(-1.0, float(centre - half)), min(1.0, float(centre + half))


def clustered_auc_variance(label: Codes, components: NDArray[np.float64], patient: Codes) -> float:
    """Return the variance of an AUC, or of a difference of AUCs, of patients with several scans.

    Obuchowski, Biometrics 1997;53:567. `label` in {0, 1}, the structural `components` (see `auc_components`) and the
    codes `patient` have shape (cases,). Equals DeLong's for one scan a patient. Raises `ValueError` for fewer than two
    patients of either label.
    """
    sums, shares = [], []
    for code in (1, 0):
        mine = label == code
        holders = len(np.unique(patient[mine]))
        if holders < 2:
            raise ValueError("DeLong's test needs at least two patients with a scan of each label")
        excess = components[mine] - components[mine].mean()
        sums.append(np.bincount(patient[mine], excess, minlength=patient.max() + 1) / mine.sum())
        shares.append(holders / (holders - 1))
    sick, well = sums
    patients = len(np.unique(patient))
    between = 2 * patients / (patients - 1) * (sick @ well)
    # Scans of both labels in one patient make the covariance negative, which rounding may leave below zero.
    return max(0.0, float(shares[0] * (sick @ sick) + shares[1] * (well @ well) + between))
