"""Phantoms among whom stents are frequent: what a network must see often to learn that metal is no calcium."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import ClassVar, cast

from pydantic import Field

from benchmark.case import Case
from benchmark.cohorts.phantom import PhantomCohort
from benchmark.phantom.patient import Stent, draw_patient
from benchmark.phantom.source import PhantomSource
from benchmark.seeds import derive_seed


class StentedPhantomCohort(PhantomCohort):
    """The phantom cohort with stents in a share of the patients that is far above the population's 6 %.

    For training alone: scores and features of such a cohort are nobody's. Everything but the stents is as in the
    phantom cohort of the same parameters.
    """

    sources: ClassVar[tuple[str, ...]] = ("benchmark.phantom", "benchmark.cohorts.phantom")

    stented: float = Field(0.35, ge=0, le=1, description="share of patients who get stents if they have none")

    def cases(self) -> Sequence[Case]:
        """List the cases; nothing is rendered."""
        return [self._stented(case) for case in super().cases()]

    def _stented(self, case: Case) -> Case:
        source = cast(PhantomSource, case.source)
        drawn = derive_seed(self.seed, case.case_id, "stented") / 2**32
        if source.patient.stents or drawn >= self.stented:
            return case
        patient = source.patient.model_copy(update={"stents": self._stents(case.case_id)})
        return replace(case, source=source.model_copy(update={"patient": patient}))

    def _stents(self, case_id: str) -> tuple[Stent, ...]:
        """Return the stents of the first patient drawn who has any."""
        donors = (draw_patient(derive_seed(self.seed, case_id, "stents", k)) for k in count())
        return next(donor.stents for donor in donors if donor.stents)
