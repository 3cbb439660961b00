"""Counts of a fixed vocabulary in a radiology report, apart by what is denied and what is coronary."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import TYPE_CHECKING

from pydantic import Field

from benchmark.plugins.reports import GIVEN, OF_REPORT, ReportExtractor

if TYPE_CHECKING:
    import pandas as pd

ASSERTIONS = {"affirmed": "", "denied": "no ", "doubted": "perhaps "}
PLACES = {True: "coronary: ", False: ""}


class ReportBagOfWords(ReportExtractor):
    """Counts in a report of the terms of a fixed English vocabulary, and 1 for a report that there is.

    Each term counts by whether it is affirmed, denied or doubted (NegEx) and whether its sentence is about the coronary
    arteries: ``report: coronary: no calcification``. The vocabulary holds no names, so no count tells one. Document
    frequencies are not part of it: the classifiers `early_fusion` and `late_fusion` learn them in the training fold.
    """

    without_statements: bool = Field(
        False, description="leave out sentences that say outright that there is coronary calcium, or none"
    )

    @property
    def leaves_out_statements(self) -> bool:
        """As declared."""
        return self.without_statements

    def read(self, report: str) -> pd.Series:
        """Return the counts, the same names for every text."""
        import pandas as pd

        from feature_extractors.reports.sentences import sentences, stated

        counts: Counter[str] = Counter({GIVEN: int(bool(report.strip()))})
        for sentence in sentences(report):
            if not (self.without_statements and stated(sentence) is not None):
                counts.update(_counted(sentence))
        return pd.Series({name: float(counts[name]) for name in _names()})

    def stated(self, report: str) -> bool | None:
        """Return what sentences state outright: calcium if one does, none if one denies it and no other affirms it."""
        from feature_extractors.reports.sentences import sentences, stated

        said = {stated(sentence) for sentence in sentences(report)}
        return True if True in said else False if False in said else None


def _names() -> list[str]:
    from feature_extractors.reports.vocabulary import TERMS

    of_terms = product(PLACES.values(), ASSERTIONS.values(), TERMS)
    return [GIVEN, *(f"{OF_REPORT}{place}{how}{term}" for place, how, term in of_terms)]


def _counted(sentence: str) -> list[str]:
    from feature_extractors.reports.sentences import assertion, clauses, is_coronary
    from feature_extractors.reports.vocabulary import TERMS, pattern

    place = PLACES[is_coronary(sentence)]
    return [
        f"{OF_REPORT}{place}{ASSERTIONS[assertion(clause, found.start(), found.end())]}{term}"
        for clause in clauses(sentence)
        for term in TERMS
        for found in pattern(term).finditer(clause)
    ]
