"""How cases are dealt into folds: scikit-learn's cross-validators, chosen by name, and folds frozen in a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import UserError

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


def cross_validator(scheme: Scheme, folds: int, seed: int) -> Any:
    """Return the scikit-learn cross-validator of a scheme, for ``split(X, y, groups)``.

    ``stratified`` keeps the classes' shares in every fold; ``grouped`` does so as far as whole groups allow;
    ``leave_one_group_out`` tests each group once. The other schemes have no folds to draw: they are stratified
    where an inner cross-validation of their training cases is asked for.
    """
    from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold, StratifiedKFold

    if scheme == "leave_one_group_out":
        return LeaveOneGroupOut()
    if scheme == "grouped":
        return StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return StratifiedKFold(folds, shuffle=True, random_state=seed)


def frozen_folds(file: Path, case_ids: pd.Index) -> dict[int, NDArray[np.intp]]:
    """Return each repeat's fold of every case, (n,), as a file says: a CSV with case_id, fold and maybe repeat.

    A study's ``predictions.csv`` is such a file. Cases that only the file knows are ignored. Raises `UserError`
    for a file that cannot be read, a case without a fold, or one that is in two folds of a repeat.
    """
    table = _read(file)
    by_repeat = {}
    for repeat in sorted(set(table["repeat"].tolist())):
        folds = table[table["repeat"] == repeat].set_index("case_id")["fold"]
        missing = case_ids.difference(folds.index)
        if len(missing):
            raise UserError(
                f"{file}: {len(missing)} of the {len(case_ids)} cases have no fold in repeat {repeat}, "
                f"{missing[0]} is the first: give them one, or leave them out of the cohort"
            )
        by_repeat[repeat] = folds.loc[case_ids].to_numpy(dtype=np.intp)
    return by_repeat


def _read(file: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        table = pd.read_csv(file, dtype={"case_id": str})
    except FileNotFoundError:
        raise UserError(f"{file}: no such file of folds; name a CSV with case_id and fold") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read as a CSV of folds ({error})") from None
    lacking = [name for name in ("case_id", "fold") if name not in table]
    if lacking:
        raise UserError(f"{file}: lacks the column {lacking[0]}: a row says case_id, fold and maybe repeat")
    table = table.assign(repeat=table.get("repeat", 0))
    table = table[["case_id", "repeat", "fold"]].drop_duplicates()
    for column in ("repeat", "fold"):
        if not pd.api.types.is_integer_dtype(table[column]) or (table[column] < 0).any():
            raise UserError(f"{file}: a {column} is not a whole number from 0 up: correct it")
    twice = table[table.duplicated(["case_id", "repeat"])]
    if len(twice):
        case, repeat, _ = twice.iloc[0]
        raise UserError(f"{file}: case {case} is in two folds of repeat {repeat}: keep one")
    return table
