"""The cases that most methods call wrongly: the first to be looked at."""

from __future__ import annotations

import pandas as pd

from benchmark.pipeline.results import StudyResult
from benchmark.report.verdict.methods import Methods

_ABOUT = ("cac_score", "group", "protocol", "contrast")


def hard_cases(result: StudyResult, methods: Methods) -> pd.DataFrame:
    """Return one row per case that at least half of the methods call wrongly, the hardest first.

    Columns case_id, truth, wrong (how many), methods (of how many), what is known of the cases, and what each
    method called it. Rules are not counted, and of repeats the first is looked at.
    """
    first = methods.predictions[methods.predictions["repeat"] == methods.predictions["repeat"].min()]
    mine = first[first["run"].isin(methods.names)]
    called = mine.pivot(index="case_id", columns="run", values="predicted")[methods.names]
    truth = mine.drop_duplicates("case_id").set_index("case_id")["label"].loc[called.index]
    wrong = called.ne(truth, axis=0).sum(axis=1)
    classes = dict(enumerate(result.study.target.classes))
    about = result.features.cases.loc[called.index]
    known = about[
        [name for name in _ABOUT if name in about and (about[name].notna() & (about[name] != "")).any()]
    ]
    table: pd.DataFrame = pd.concat(
        [
            truth.map(classes).rename("truth"),
            wrong.rename("wrong"),
            pd.Series(len(methods.names), called.index, name="methods"),
            known,
            called.apply(lambda column: column.map(classes)),
        ],
        axis=1,
    )
    hardest = table[2 * table["wrong"] >= table["methods"]].reset_index()
    return hardest.sort_values(["wrong", "case_id"], ascending=[False, True], ignore_index=True)
