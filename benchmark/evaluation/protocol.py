"""How a study evaluates: which cases train and test together, and how hyperparameters are chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from benchmark.errors import UserError
from benchmark.evaluation.case_filter import EVERY, CaseFilter
from benchmark.evaluation.fold_checks import FoldChecks
from benchmark.evaluation.patients import patients_with_several, refuse_in_two_groups, refuse_on_both_sides
from benchmark.evaluation.splits import GROUPED, Scheme, Split, cross_validator, frozen_folds
from benchmark.execution.seeds import derive_seed
from benchmark.plugins.declaration import Declaration
from benchmark.plugins.paths import StudyPath
from benchmark.statistics.metrics.threshold import Rule

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

Metric = Literal[
    "accuracy",
    "sensitivity",
    "specificity",
    "f1",
    "roc_auc",
    "balanced_accuracy",
    "macro_f1",
    "quadratic_kappa",
]


class Protocol(Declaration):
    """Cross-validation, the same folds for every run of the study.

    ``nested`` chooses hyperparameters by an inner cross-validation of each training fold. ``flat`` is what
    arXiv 2510.25347 describes: the grid point that does best on the very folds it is reported on. It is
    optimistic, and offered to measure by how much.
    """

    selection: Literal["nested", "flat"] = Field("nested", description="how hyperparameters are chosen")
    split: Scheme = Field(
        "stratified",
        description="how cases are dealt into folds, patients whole: by label; by label and whole groups (no scanner "
        "on both sides); each group tested once; `train_on` against `test_on`; as `folds_file` says",
    )
    folds_file: StudyPath | None = Field(
        None,
        description="of `split: frozen`: a CSV with case_id, fold and maybe repeat, as predictions.csv has",
    )
    folds: int = Field(5, ge=2, description="outer folds, where the split does not decide it")
    inner_folds: int = Field(5, ge=2, description="folds of the grid search inside a training fold")
    repeats: int = Field(1, ge=1, description="how often the outer split is drawn anew")
    scoring: Literal["accuracy", "balanced_accuracy", "f1", "roc_auc", "macro_f1", "quadratic_kappa"] = Field(
        "accuracy", description="what the grid search maximises"
    )
    threshold: Literal["half"] | Rule = Field(
        "half",
        description="the probability above which a case is called positive: 0.5, or chosen in the training fold "
        "by this rule from its inner out-of-fold probabilities",
    )
    threshold_target: float = Field(
        0.95, gt=0, le=1, description="what `threshold: sensitivity` or `specificity` must reach"
    )
    permute_labels: bool = Field(
        False, description="control: shuffle the labels, so that nothing can be learnt"
    )
    train_on: CaseFilter = Field(EVERY, description="the only cases that train; default: all")
    test_on: CaseFilter = Field(EVERY, description="the only cases that are tested; default: all")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.split == "frozen") != (self.folds_file is not None):
            raise ValueError("`split: frozen` and `folds_file` go together: give both or neither")
        if self.split == "fixed" and (self.train_on == EVERY or self.test_on == EVERY):
            raise ValueError(
                "`split: fixed` needs both `train_on` and `test_on`: say who trains and who is tested"
            )
        if self.split not in ("stratified", "grouped") and self.repeats > 1:
            raise ValueError(f"`split: {self.split}` has nothing to draw anew: leave `repeats` out")
        if self.selection == "flat" and self.threshold != "half":
            raise ValueError(
                "`selection: flat` has no inner folds to choose a threshold from: use `threshold: half` or nested"
            )
        return self

    def splits(
        self, labels: NDArray[np.intp], seed: object, cases: pd.DataFrame | None = None
    ) -> Iterator[Split]:
        """Yield the outer folds for `labels` (n,), class codes.

        `cases` (rows as `labels`, index case_id, columns group, protocol, contrast, maybe patient) is needed by every
        split but ``stratified`` without filters. Folds are drawn over all cases that may train or be tested, so that a
        patient is never in both parts, and stratified by who may be tested, too. Raises `UserError` when a class is too
        small, a group too few, a patient cannot be kept whole, or a fold lacks a class.
        """
        may_train, may_test = self.eligible(labels, cases)
        groups = self.kept_whole(cases)
        outer = self.folds if self.split in ("stratified", "grouped") else 1
        inner = self.inner_folds if self.selection == "nested" else 0
        checks = FoldChecks(self.split, labels, groups, outer, inner)
        checks.classes(may_train, may_test)
        if self.by_group:
            checks.groups()
        with_patients = None if patients_with_several(cases) is None else cases
        if with_patients is not None and self.by_group:
            refuse_in_two_groups(with_patients[may_train | may_test], self.split)
        splits = list(self._draw_splits(labels, seed, cases, may_train, may_test))
        for split in splits:
            checks.fold(split, may_train)
            if with_patients is not None:
                refuse_on_both_sides(split, with_patients, self.split)
        for split in splits if groups is not None and inner else ():
            checks.inner(split, self.inner(0, whole=True))
        yield from splits

    def refuse_few(
        self, where: str, labels: NDArray[np.intp], splits: Sequence[Split], allowed: NDArray[np.bool_]
    ) -> None:
        """Raise `UserError` where of a fold's training cases too few of a class are `allowed`, (n,), to learn from."""
        import numpy as np

        needed = self.inner_folds if self.selection == "nested" else 1
        for split in splits:
            counts = np.bincount(labels[split.train[allowed[split.train]]], minlength=int(labels.max()) + 1)
            if counts.min() < needed:
                raise UserError(
                    f"{where}: fold {split.fold} is left with {counts.min()} training cases of label "
                    f"{counts.argmin()} and needs {needed}: widen the filter, add cases, or lower `inner_folds`"
                )

    def inner(self, seed: int, *, whole: bool = False) -> Any:
        """Return the cross-validator of a training fold's grid search: it parts what the outer split parts.

        `whole`: it is given what `kept_whole` names.
        """
        return cross_validator(self.split, self.inner_folds, seed, whole=whole)

    def kept_whole(self, cases: pd.DataFrame | None) -> NDArray[Any] | None:
        """Return what no fold may part, (cases,): groups, or patients with several scans; None: cases alone."""
        if cases is None or not self.by_group:
            return patients_with_several(cases)
        return cases["group"].to_numpy()

    @property
    def by_group(self) -> bool:
        """Whether groups stay whole, in the inner folds too."""
        return self.split in GROUPED

    def eligible(
        self, labels: NDArray[np.intp], cases: pd.DataFrame | None
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return who may train and who may be tested, shape (n,) each. Raises `UserError`."""
        import numpy as np

        everybody = np.ones(len(labels), bool)
        if cases is None:
            return everybody, everybody
        may_train, may_test = self.train_on.keeps(cases), self.test_on.keeps(cases)
        if self.split == "fixed" and (may_train & may_test).any():
            both = cases.index[may_train & may_test]
            raise UserError(
                f"protocol: {len(both)} cases would train and be tested, {both[0]} among them: `split: fixed` needs "
                "filters that exclude each other"
            )
        return may_train, may_test

    def _draw_splits(
        self,
        labels: NDArray[np.intp],
        seed: object,
        cases: pd.DataFrame | None,
        may_train: NDArray[np.bool_],
        may_test: NDArray[np.bool_],
    ) -> Iterator[Split]:
        import numpy as np

        if self.split == "fixed":
            yield Split(0, 0, np.flatnonzero(may_train), np.flatnonzero(may_test))
            return
        taking_part = np.flatnonzero(may_train | may_test)
        strata = (labels + (labels.max() + 1) * may_test)[taking_part]
        candidates = None if cases is None else cases.iloc[taking_part]
        whole = self.kept_whole(cases)
        groups = None if whole is None or self.split == "frozen" else whole[taking_part]
        for repeat, validator in self._validators(seed, candidates, groups is not None):
            for fold, parts in enumerate(validator.split(strata, strata, groups)):
                train, test = (taking_part[part] for part in parts)
                if may_test[test].any():  # a left-out group may be one that only trains
                    yield Split(repeat, fold, train[may_train[train]], test[may_test[test]])

    def _validators(self, seed: object, cases: pd.DataFrame | None, whole: bool) -> Iterator[tuple[int, Any]]:
        """Yield the scikit-learn cross-validator of every repeat."""
        from sklearn.model_selection import PredefinedSplit

        if self.folds_file is None:
            for repeat in range(self.repeats):
                outer_seed = derive_seed(seed, "outer", repeat)
                yield repeat, cross_validator(self.split, self.folds, outer_seed, whole=whole)
        elif cases is not None:
            for repeat, folds in frozen_folds(self.folds_file, cases.index).items():
                yield repeat, PredefinedSplit(folds)
