"""Parts of a training fold that hold each other: whole patients, each label in its share."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.intp]
SHARES = (0.2, 0.35, 0.5, 0.7)
"""Of the smallest training fold's patients, the default sizes below all of them."""
FEWEST = 10
"""Patients in a subset."""


def in_order(train: Labels, labels: Labels, patient: NDArray[np.str_], seed: int) -> list[Labels]:
    """Return the training cases patient by patient, in an order of which every beginning has the labels' shares.

    `train` are positions, `labels` and `patient` (cases,) of all cases. A patient counts by the highest label among the
    own scans. The order depends on the patients' names and the seed, not on where they stand.
    """
    names = np.unique(patient[train])
    cases = {name: train[patient[train] == name] for name in names}
    stratum = {name: labels[cases[name]].max() for name in names}
    random = np.random.default_rng(seed)
    place: dict[str, tuple[float, float]] = {}
    for label in sorted(set(stratum.values())):
        own = random.permutation([name for name in names if stratum[name] == label])
        offsets = random.random()
        place |= {name: ((rank + offsets) / len(own), label) for rank, name in enumerate(own)}
    return [cases[name] for name in sorted(names, key=lambda name: place[name])]


def first_patients(ordered: Sequence[Labels], patients: int) -> Labels:
    """Return the cases of the first patients, sorted; all of them are the training fold as it was."""
    return np.sort(np.concatenate(ordered[:patients]))


def default_sizes(patients: int, fewest: int) -> list[int]:
    """Return the numbers of patients to learn from, up to all `patients` of the smallest training fold."""
    sizes = {max(ceil(share * patients), fewest, FEWEST) for share in SHARES}
    return sorted(size for size in sizes if size < patients)
