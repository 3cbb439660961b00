"""How a study evaluates: which cases train and test together, and how hyperparameters are chosen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from benchmark.errors import UserError
from benchmark.seeds import derive_seed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Metric = Literal["accuracy", "sensitivity", "specificity", "f1", "roc_auc", "balanced_accuracy"]


@dataclass(frozen=True, eq=False)
class Split:
    """One fold: positions of its training and test cases in the study's case list."""

    repeat: int
    fold: int
    train: NDArray[np.intp]
    test: NDArray[np.intp]


class Protocol(BaseModel):
    """Stratified k-fold cross-validation, the same folds for every run of the study.

    ``nested`` chooses hyperparameters by an inner cross-validation of each training fold. ``flat`` is what
    arXiv 2510.25347 describes: the grid point that does best on the very folds it is reported on. It is
    optimistic, and offered to measure by how much.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    selection: Literal["nested", "flat"] = Field("nested", description="how hyperparameters are chosen")
    folds: int = Field(5, ge=2, description="outer folds")
    inner_folds: int = Field(5, ge=2, description="folds of the grid search inside a training fold")
    repeats: int = Field(1, ge=1, description="how often the outer split is drawn anew")
    scoring: Literal["accuracy", "balanced_accuracy", "f1", "roc_auc"] = Field(
        "accuracy", description="what the grid search maximises"
    )
    permute_labels: bool = Field(
        False, description="control: shuffle the labels, so that nothing can be learnt"
    )

    def splits(self, labels: NDArray[np.intp], seed: object) -> Iterator[Split]:
        """Yield the outer folds for `labels` (n,). Raises `UserError` when a class is too small to split."""
        from sklearn.model_selection import StratifiedKFold

        self.check(labels)
        for repeat in range(self.repeats):
            splitter = StratifiedKFold(
                self.folds, shuffle=True, random_state=derive_seed(seed, "outer", repeat)
            )
            for fold, (train, test) in enumerate(splitter.split(labels, labels)):
                yield Split(repeat, fold, train, test)

    def check(self, labels: NDArray[np.intp]) -> None:
        """Raise `UserError` unless every class of `labels` can be spread over all outer and inner folds."""
        import numpy as np

        classes, counts = np.unique(labels, return_counts=True)
        if len(classes) < 2:
            raise UserError(
                f"all {len(labels)} cases have label {classes[0] if len(classes) else 'none'}: "
                "a classifier needs cases of both labels, add the missing ones to the cohort"
            )
        smallest = int(counts.min())
        in_training = smallest - -(-smallest // self.folds)
        needed = self.folds if self.selection == "flat" else max(self.folds, self.inner_folds)
        if smallest < self.folds or (self.selection == "nested" and in_training < self.inner_folds):
            raise UserError(
                f"protocol: only {smallest} cases have label {classes[counts.argmin()]}, too few for "
                f"{needed} folds: lower `folds` or `inner_folds`, or add cases"
            )
