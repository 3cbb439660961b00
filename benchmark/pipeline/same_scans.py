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

    `cases` has the index case_id and a column ``group``; `digests` says, by case id, what identifies the scan: its
    files, or its voxels. Cases of one group stay on one side where the protocol splits by whole groups.
    """
    known = pd.Series(
        {case_id: digests[case_id] for case_id in cases.index if case_id in digests}, dtype=object
    )
    twins = [list(ids) for ids in known.groupby(known, sort=False).groups.values() if len(ids) > 1]
    apart = [ids for ids in twins if not (study.protocol.by_group and _one_group(cases.loc[ids, "group"]))]
    if apart:
        listed = _some([_some(list(map(str, ids)), " and ") for ids in apart], "; ")
        raise UserError(
            f"{study.name}: the same scan under several case ids: {listed}: folds could train on what they test; "
            "keep one of each, or give them one `group` and the protocol `split: grouped`"
        )


def _some(names: list[str], separator: str) -> str:
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    return separator.join([*names[:NAMED], *more])


def _one_group(groups: pd.Series) -> bool:
    return groups.nunique() == 1 and bool(groups.iloc[0])
