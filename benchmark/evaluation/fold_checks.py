"""Whether folds allow anything to be learnt and measured, said before hours are spent on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import UserError
from benchmark.evaluation.splits import GROUPED, Scheme, Split


@dataclass(frozen=True)
class FoldChecks:
    """The checks of one study's folds; each raises `UserError` with what to change."""

    scheme: Scheme
    labels: NDArray[np.intp]
    """Class codes, (cases,)."""
    group: NDArray[Any] | None
    """What every case must stay together with: its group, where the scheme heeds it, or a patient of several scans."""
    outer: int
    """Folds that every class must be spread over; 1: none."""
    inner_folds: int
    """The same inside a training fold; 0: no grid search there."""

    def classes(self, may_train: NDArray[np.bool_], may_test: NDArray[np.bool_]) -> None:
        """Refuse one class alone, and a class too small for the folds, among those who may train or be tested."""
        for part, kept in (("train", may_train), ("test", may_test)):
            which = "" if kept.all() else f" that may {part}"
            classes, counts = np.unique(self.labels[kept], return_counts=True)
            what = "cases"
            if self._of_patients:
                what, counts = (
                    "patients",
                    np.array([self._patients(kept & (self.labels == c)) for c in classes]),
                )
            if len(classes) < 2:
                raise UserError(
                    f"all {kept.sum()} cases{which} have label {classes[0] if len(classes) else 'none'}: "
                    "a classifier needs cases of both labels, add the missing ones to the cohort"
                )
            few = f"protocol: only {counts.min()} {what}{which} have label {classes[counts.argmin()]}"
            self._enough(int(counts.min()), few, self.inner_folds if part == "train" else 0)

    @property
    def _of_patients(self) -> bool:
        """Whether what stays together is a patient's scans: then folds are dealt patients."""
        return self.group is not None and self.scheme not in GROUPED

    def _patients(self, chosen: NDArray[np.bool_]) -> int:
        return 0 if self.group is None else len(np.unique(self.group[chosen]))

    def _enough(self, smallest: int, few: str, inner: int) -> None:
        """Refuse a class of `smallest` cases that the outer folds, or the inner ones of a training fold, outnumber."""
        if smallest < self.outer:
            raise UserError(f"{few}, too few for {self.outer} folds: lower `folds`, or add cases")
        in_training = smallest - (-(-smallest // self.outer) if self.outer > 1 else 0)
        if in_training < inner:
            left = f", {in_training} of them in a training fold" if self.outer > 1 else ""
            raise UserError(
                f"{few}{left}, too few for {inner} inner folds: lower `inner_folds`, or add cases"
            )

    def groups(self) -> None:
        """Refuse cases without a group, and fewer groups than folds."""
        named = set() if self.group is None else set(self.group.tolist())
        if not named or "" in named:
            raise UserError(
                f"protocol: `split: {self.scheme}` needs the group of every case: give the cohort a column `group`"
            )
        # with two groups, one would be left to train on, and none to choose hyperparameters by
        needed = self.outer if self.scheme == "grouped" else 3 if self.inner_folds else 2
        if len(named) < needed:
            raise UserError(
                f"protocol: `split: {self.scheme}` needs {needed} groups, there are {len(named)} "
                f"({', '.join(sorted(named))}): lower `folds`, or add cases of other groups"
            )

    def fold(self, split: Split, may_train: NDArray[np.bool_]) -> None:
        """Refuse a fold that tests one class alone, or trains without one of the classes."""
        tested = np.unique(self.labels[split.test])
        if len(tested) < 2:
            raise UserError(
                f"{self._name(split)} tests {len(split.test)} cases, all of label {tested[0]}: sensitivity, "
                "specificity and AUC are undefined there; choose another split, or groups that have both labels"
            )
        missing = set(self.labels[may_train].tolist()) - set(self.labels[split.train].tolist())
        if missing:
            raise UserError(
                f"{self._name(split)} trains without a case of label {min(missing)}: choose another split, or add cases"
            )

    def inner(self, split: Split, cross_validator: Any) -> None:
        """Refuse inner folds of whole groups that lack a class."""
        if self.group is None:
            return
        labels, groups = self.labels[split.train], self.group[split.train]
        count, what = len(set(groups.tolist())), "patients" if self._of_patients else "groups"
        if self.scheme == "grouped" and count < self.inner_folds:
            raise UserError(
                f"{self._name(split)} trains on {count} groups, too few for {self.inner_folds} inner folds: lower "
                "`inner_folds`"
            )
        for parts in cross_validator.split(labels, labels, groups):
            if min(len(set(labels[part].tolist())) for part in parts) < 2:
                raise UserError(
                    f"{self._name(split)}: an inner fold of its training cases has one label alone: lower "
                    f"`inner_folds`, or add {what} that have both labels"
                )

    def _name(self, split: Split) -> str:
        name = f"protocol: fold {split.fold}"
        if self.scheme == "leave_one_group_out" and self.group is not None:
            name += f" (group {self.group[split.test][0]})"
        return name
