"""One scan under two case ids: a split could then train on what it tests, so it is refused."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from benchmark.errors import UserError
from benchmark.study.study import Study

NAMED = 5
"""How many scans a refusal lists, and how many ids of each."""


def refuse_same_scans(study: Study, cases: pd.DataFrame, digests: Mapping[str, str]) -> None:
    """Raise `UserError` that names the cases which are one scan, unless the folds keep them together.

    `cases` has the index case_id and the columns ``group`` and ``patient``; `digests` says, by case id, what identifies
    the scan: its files, or its voxels. Cases of one patient stay on one side, and those of one group where the protocol
    splits by whole groups.
    """
    known = pd.Series(
        {case_id: digests[case_id] for case_id in cases.index if case_id in digests}, dtype=object
    )
    twins = [list(ids) for ids in known.groupby(known, sort=False).groups.values() if len(ids) > 1]
    together = ["patient", *(["group"] if study.protocol.by_group else [])]
    apart = [ids for ids in twins if not any(_one(cases.loc[ids, column]) for column in together)]
    if apart:
        listed = _some([_some(list(map(str, ids)), " and ") for ids in apart], "; ")
        raise UserError(
            f"{study.name}: the same scan under several case ids: {listed}: folds could train on what they test; "
            "keep one of each, or give them one `patient`"
        )


def _some(names: list[str], separator: str) -> str:
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    return separator.join([*names[:NAMED], *more])


def _one(names: pd.Series) -> bool:
    return names.nunique() == 1 and bool(names.iloc[0])
