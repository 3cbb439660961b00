"""Which scans are of one patient, and that no split may put a patient on both of its sides."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.errors import UserError
from benchmark.evaluation.splits import Split


def patients_with_several(cases: pd.DataFrame | None) -> NDArray[np.intp] | None:
    """Return codes of the patients of cases, (cases,); None where no patient has several.

    `cases` may have a column ``patient``; without it every case is another patient's.
    """
    if cases is None or "patient" not in cases or cases["patient"].is_unique:
        return None
    return np.unique(cases["patient"].to_numpy(dtype=str), return_inverse=True)[1].astype(np.intp)


def refuse_in_two_groups(cases: pd.DataFrame, scheme: str) -> None:
    """Raise `UserError` for a patient whose scans are in several groups: folds of whole groups part them."""
    groups = cases.groupby("patient", sort=False)["group"].unique()
    torn = groups[groups.map(len) > 1]
    if len(torn):
        named = " and ".join(sorted(map(str, torn.iloc[0])))
        raise UserError(
            f"protocol: `split: {scheme}` keeps groups whole, but patient {torn.index[0]} has scans in {named} "
            f"({len(torn)} such patients): leave out the scans of one group, or take `split: stratified`, which keeps "
            "patients whole"
        )


def refuse_on_both_sides(split: Split, cases: pd.DataFrame, scheme: str) -> None:
    """Raise `UserError` for a patient who trains and is tested in the same fold."""
    patient = cases["patient"].to_numpy()
    both = sorted(set(patient[split.train]) & set(patient[split.test]))
    if both:
        raise UserError(
            f"protocol: fold {split.fold} of `split: {scheme}` trains on scans of patient {both[0]} and tests "
            f"others ({len(both)} such patients): keep each patient on one side"
        )


def permuted_labels(
    labels: NDArray[np.intp], patient: NDArray[np.intp] | None, random: np.random.Generator
) -> NDArray[np.intp]:
    """Return labels (cases,) that mean nothing, exchanged between whole patients with as many scans as each other.

    `patient` are codes as of `patients_with_several`. Scans of a patient keep each other's company: parted, what is
    found in them would look like a leak (exchangeable blocks, Winkler et al., NeuroImage 2014;92:381).
    """
    if patient is None:
        return random.permutation(labels)
    permuted = labels.copy()
    places = [np.flatnonzero(patient == code) for code in range(patient.max() + 1)]
    for scans in sorted({len(place) for place in places}):
        alike = np.array([place for place in places if len(place) == scans])
        permuted[alike] = labels[random.permutation(alike)]
    return permuted
