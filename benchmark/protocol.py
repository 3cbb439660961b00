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
    import pandas as pd
    from numpy.typing import NDArray

Metric = Literal["accuracy", "sensitivity", "specificity", "f1", "roc_auc", "balanced_accuracy"]


@dataclass(frozen=True, eq=False)
class Split:
    """One fold: positions of its training and test cases in the study's case list."""

    repeat: int
    fold: int
    train: NDArray[np.intp]
    test: NDArray[np.intp]


class CaseFilter(BaseModel):
    """Which cases may take part; what is not given does not matter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    contrast: bool | None = Field(None, description="on or off: with or without contrast medium")
    protocols: tuple[str, ...] | None = Field(
        None, min_length=1, description="names of acquisition protocols"
    )

    def __str__(self) -> str:
        """Say in words which cases pass."""
        parts = [] if self.contrast is None else [f"contrast {'on' if self.contrast else 'off'}"]
        parts += [] if self.protocols is None else [f"protocol {' or '.join(self.protocols)}"]
        return ", ".join(parts) or "all cases"

    def keeps(self, cases: pd.DataFrame) -> NDArray[np.bool_]:
        """Return which rows pass, shape (n,); `cases` has the columns contrast and protocol.

        Raises `UserError` where contrast matters and is not known of a case, or no case has a named protocol.
        """
        import numpy as np

        kept = np.ones(len(cases), bool)
        if self.contrast is not None:
            unknown = cases.index[~cases["contrast"].isin(["on", "off"])]
            if len(unknown):
                raise UserError(
                    f"protocol: whether contrast was given is not known of {len(unknown)} cases, {unknown[0]} among "
                    "them: say so in the manifest's column `contrast`, or take it from DICOM by `read_tags: true`"
                )
            kept &= (cases["contrast"] == ("on" if self.contrast else "off")).to_numpy()
        for name in self.protocols or ():
            if not (cases["protocol"] == name).any():
                known = ", ".join(sorted(set(cases["protocol"]))) or "none"
                raise UserError(f"protocol: no case has the protocol {name!r}; there are: {known}")
        if self.protocols is not None:
            kept &= cases["protocol"].isin(self.protocols).to_numpy()
        return kept


EVERY = CaseFilter()


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
    train_on: CaseFilter = Field(EVERY, description="the only cases that train; default: all")
    test_on: CaseFilter = Field(EVERY, description="the only cases that are tested; default: all")

    def splits(
        self, labels: NDArray[np.intp], seed: object, cases: pd.DataFrame | None = None
    ) -> Iterator[Split]:
        """Yield the outer folds for `labels` (n,). Raises `UserError` when a class is too small to split.

        Folds are drawn over all `cases` (their rows are those of `labels`; needed where there is a filter) that may
        train or be tested, so that a case is never in both parts, and stratified by who may be tested, too.
        """
        import numpy as np
        from sklearn.model_selection import StratifiedKFold

        may_train, may_test = self.eligible(labels, cases)
        self.check(labels, may_train, may_test)
        taking_part = np.flatnonzero(may_train | may_test)
        strata = (labels + 2 * may_test)[taking_part]
        for repeat in range(self.repeats):
            splitter = StratifiedKFold(
                self.folds, shuffle=True, random_state=derive_seed(seed, "outer", repeat)
            )
            for fold, (train, test) in enumerate(splitter.split(strata, strata)):
                train, test = taking_part[train], taking_part[test]
                yield Split(repeat, fold, train[may_train[train]], test[may_test[test]])

    def eligible(
        self, labels: NDArray[np.intp], cases: pd.DataFrame | None
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return who may train and who may be tested, shape (n,) each. Raises `UserError`."""
        import numpy as np

        everybody = np.ones(len(labels), bool)
        if cases is None:
            return everybody, everybody
        return self.train_on.keeps(cases), self.test_on.keeps(cases)

    def check(
        self,
        labels: NDArray[np.intp],
        may_train: NDArray[np.bool_] | None = None,
        may_test: NDArray[np.bool_] | None = None,
    ) -> None:
        """Raise `UserError` unless every class can be spread over all outer and inner folds.

        `may_train` and `may_test`, shape (n,), say who takes which part; default: all of them both.
        """
        import numpy as np

        for part, kept in (("train", may_train), ("test", may_test)):
            mine = labels if kept is None else labels[kept]
            classes, counts = np.unique(mine, return_counts=True)
            which = "" if kept is None or kept.all() else f" that may {part}"
            if len(classes) < 2:
                raise UserError(
                    f"all {len(mine)} cases{which} have label {classes[0] if len(classes) else 'none'}: "
                    "a classifier needs cases of both labels, add the missing ones to the cohort"
                )
            smallest = int(counts.min())
            in_training = smallest - -(-smallest // self.folds)
            inner = self.selection == "nested" and part == "train"
            if smallest < self.folds or (inner and in_training < self.inner_folds):
                needed = self.folds if self.selection == "flat" else max(self.folds, self.inner_folds)
                raise UserError(
                    f"protocol: only {smallest} cases{which} have label {classes[counts.argmin()]}, too few for "
                    f"{needed} folds: lower `folds` or `inner_folds`, or add cases"
                )
