"""How cases are dealt into folds: scikit-learn's cross-validators, chosen by name, and folds frozen in a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import UserError
from benchmark.table_file import Row, read_table, whole_number

if TYPE_CHECKING:
    import pandas as pd

Scheme = Literal["stratified", "grouped", "leave_one_group_out", "fixed", "frozen"]
GROUPED: tuple[Scheme, ...] = ("grouped", "leave_one_group_out")


@dataclass(frozen=True, eq=False)
class Split:
    """One fold: positions of its training and test cases in the study's case list."""

    repeat: int
    fold: int
    train: NDArray[np.intp]
    test: NDArray[np.intp]


def cross_validator(scheme: Scheme, folds: int, seed: int, *, whole: bool = False) -> Any:
    """Return the scikit-learn cross-validator of a scheme, for ``split(X, y, groups)``.

    ``stratified`` keeps the classes' shares in every fold; ``grouped`` does so as far as whole groups allow;
    ``leave_one_group_out`` tests each group once. The other schemes have no folds to draw: they are stratified
    where an inner cross-validation of their training cases is asked for. `whole`: what ``groups`` names (patients with
    several scans) is kept together under these, too.
    """
    from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold, StratifiedKFold

    if scheme == "leave_one_group_out":
        return LeaveOneGroupOut()
    if scheme == "grouped" or whole:
        return StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return StratifiedKFold(folds, shuffle=True, random_state=seed)


def frozen_folds(file: Path, case_ids: pd.Index) -> dict[int, NDArray[np.intp]]:
    """Return each repeat's fold of every case, (n,), as a file says: a CSV with case_id, fold and maybe repeat.

    A study's ``predictions.csv`` is such a file. Cases that only the file knows are ignored. Raises `UserError`
    for a file that cannot be read, a case without a fold, or one that is in two folds of a repeat.
    """
    by_repeat = {}
    for repeat, folds in sorted(_read(file).items()):
        missing = [case_id for case_id in case_ids if case_id not in folds]
        if missing:
            raise UserError(
                f"{file}: {len(missing)} of the {len(case_ids)} cases have no fold in repeat {repeat}, "
                f"{min(missing)} is the first: give them one, or leave them out of the cohort"
            )
        by_repeat[repeat] = np.array([folds[case_id] for case_id in case_ids], dtype=np.intp)
    return by_repeat


def _read(file: Path) -> dict[int, dict[str, int]]:
    """Return each repeat's fold of every case by its id."""
    folds: dict[int, dict[str, int]] = {}
    for row in read_table(file, "folds", ("case_id", "fold")).rows:
        case_id, repeat, fold = row.cells["case_id"], _whole(row, "repeat", "0"), _whole(row, "fold")
        if folds.setdefault(repeat, {}).setdefault(case_id, fold) != fold:
            raise UserError(f"{row.place}: case {case_id} is in two folds of repeat {repeat}: keep one")
    return folds


def _whole(row: Row, column: str, default: str = "") -> int:
    text = row.cells.get(column, default)
    if (value := whole_number(text)) is None:
        raise UserError(f"{row.place}: a {column} is not a whole number from 0 up but {text!r}: correct it")
    return value
