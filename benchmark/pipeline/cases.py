"""A study's cases, identified by their bytes: which can be read, and what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from benchmark.case import Case
from benchmark.errors import CaseError, UserError
from benchmark.execution.execution import Execution
from benchmark.plugins import Cohort


@dataclass(frozen=True)
class IdentifiedCases:
    """All cases of a cohort, in its order, with the digest of each scan or why there is none."""

    cases: list[Case]
    scans: dict[str, str] = field(default_factory=dict)
    """By case id: the SHA-256 of the scan."""
    unread: dict[str, str] = field(default_factory=dict)
    """By case id: why the scan cannot be read."""

    @property
    def readable(self) -> list[Case]:
        """The cases whose scan can be read, as far as its files tell."""
        return [case for case in self.cases if case.case_id in self.scans]


def list_cases(cohort: Cohort) -> list[Case]:
    """List a cohort's cases. Raises `UserError` where a label says the opposite of the score, whatever the cohort."""
    cases = list(cohort.cases())
    for case in cases:
        if case.label is not None and case.cac_score is not None and case.label != int(case.cac_score > 0):
            raise UserError(
                f"{cohort.place}: case {case.case_id} has label {case.label} and cac_score {case.cac_score:g}, but a "
                "label is 1 where the score is above 0, and 0 where it is 0: correct one of them"
            )
    return cases


def refuse_unlabelled(cohort: Cohort, cases: pd.DataFrame, column: str) -> None:
    """Raise `UserError` where cases lack what is learnt of them; `column` is label or cac_score."""
    lacking = [str(case_id) for case_id in cases.index[cases[column].isna()]]
    if lacking:
        what = "neither `label` nor `cac_score`" if column == "label" else "no Agatston score (`cac_score`)"
        raise UserError(
            f"{cohort.place}: {len(lacking)} of {len(cases)} cases have {what}: {', '.join(lacking[:3])}"
            f"{' …' if len(lacking) > 3 else ''}; give it, or use `cacbench features`, which needs none"
        )


def identify_cases(cases: Sequence[Case], execution: Execution) -> IdentifiedCases:
    """Hash the scans of all cases; of real scans these are the files, which takes a while."""
    found = IdentifiedCases(list(cases))
    with execution.progress("cases", len(cases)) as advance:
        for case in cases:
            try:
                found.scans[case.case_id] = case.source.digest()
            except CaseError as error:
                found.unread[case.case_id] = str(error)
            advance()
    return found


def about_cases(cases: Sequence[Case]) -> pd.DataFrame:
    """Return what is known of the cases, see `Features.cases`."""
    labels = [case.label for case in cases]
    about = pd.DataFrame(
        {
            "label": pd.array(labels, dtype="Int64") if None in labels else labels,
            "cac_score": [case.cac_score for case in cases],
            "group": [case.group for case in cases],
            "protocol": [case.protocol for case in cases],
            "contrast": [{True: "on", False: "off", None: ""}[case.contrast] for case in cases],
            "patient": [case.patient or case.case_id for case in cases],
        },
        index=pd.Index([case.case_id for case in cases], name="case_id"),
    )
    for name in dict.fromkeys(name for case in cases for name in case.covariates):
        about[name] = [case.covariates.get(name, "") for case in cases]
    return about
