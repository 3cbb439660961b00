"""Counts of a fixed vocabulary in a radiology report, apart by what is denied and what is coronary."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import TYPE_CHECKING

from benchmark.plugins.reports import GIVEN, OF_REPORT
from feature_extractors.reports.english import EnglishReportExtractor

if TYPE_CHECKING:
    import pandas as pd

ASSERTIONS = {"affirmed": "", "denied": "no ", "doubted": "perhaps "}
PLACES = {True: "coronary: ", False: ""}


class ReportBagOfWords(EnglishReportExtractor):
    """Counts in a report of the terms of a fixed English vocabulary, and 1 for a report that there is.

    Each term counts by whether it is affirmed, denied or doubted (NegEx) and whether its sentence is about the coronary
    arteries: ``report: coronary: no calcification``. The vocabulary holds no names, so no count tells one. Document
    frequencies are not part of it: the classifiers `early_fusion` and `late_fusion` learn them in the training fold.
    """

    def read(self, report: str) -> pd.Series:
        """Return the counts, the same names for every text."""
        import pandas as pd

        counts: Counter[str] = Counter({GIVEN: int(bool(report.strip()))})
        for sentence in self.read_sentences(report):
            counts.update(_counted(sentence))
        return pd.Series({name: float(counts[name]) for name in _names()})


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
