"""Which cases are scans of one patient: they are no independent evidence, so they are drawn and left out together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Labels = NDArray[np.intp]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Patients:
    """The patients behind the cases, and the strata that they are resampled within.

    `stratum` (patients,) is the label of a patient with one scan. Patients with several are drawn among those who have
    the same set of labels, so that every replicate has each label. `of_case` (cases,) says whose each case is, None
    where every case is another patient's.
    """

    stratum: Labels
    of_case: Labels | None = None

    def weights(self, counts: Floats) -> Floats:
        """Return how often each case counts, (replicates, cases), from the same of patients."""
        return counts if self.of_case is None else counts[:, self.of_case]

    def sums(self, values: Floats) -> Floats:
        """Return the sum of the cases' values, (cases,), of each patient."""
        return values if self.of_case is None else np.asarray(np.bincount(self.of_case, values), float)

    def number(self, chosen: NDArray[np.bool_]) -> int:
        """Return how many patients have a chosen case; `chosen` has shape (cases,)."""
        return int(chosen.sum()) if self.of_case is None else len(np.unique(self.of_case[chosen]))


def patients_of(label: ArrayLike, patient: ArrayLike | None = None) -> Patients:
    """Return the patients of cases with class codes `label` (cases,); `patient` (cases,) names whose each case is."""
    label = np.asarray(label, dtype=np.intp)
    of_case = codes_of(patient)
    if of_case is None:
        return Patients(label)
    has = np.zeros((of_case.max() + 1, label.max() + 1), dtype=bool)
    has[of_case, label] = True
    kinds = has @ 2 ** np.arange(has.shape[1])  # of one label in the labels' order
    return Patients(np.unique(kinds, return_inverse=True)[1], of_case)


def codes_of(patient: ArrayLike | None) -> Labels | None:
    """Return codes 0, 1, … of the patients of cases, (cases,); None where no patient has several."""
    if patient is None:
        return None
    names, codes = np.unique(np.asarray(patient), return_inverse=True)
    return None if len(names) == len(codes) else codes.astype(np.intp)
