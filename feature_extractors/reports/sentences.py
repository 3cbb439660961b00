"""A report's sentences, and whether what they mention is affirmed, denied or doubted.

The rules are those of NegEx (Chapman et al., J Biomed Inform 2001;34:301): a trigger before or after a term, as far as
the clause reaches; some triggers deny nothing. English. A doubt outweighs a denial: "cannot be excluded".
"""

from __future__ import annotations

import re
from typing import Literal

from feature_extractors.reports.vocabulary import CORONARY, pattern

Assertion = Literal["affirmed", "denied", "doubted"]

_END = re.compile(r"(?<=[.!?])\s+|\n+")
_CLAUSE = re.compile(r";|\b(?:but|however|except|although|though|yet|whereas)\b")
_DENIES_AFTER = re.compile(
    r"\b(?:no|not|without|absence of|absent|free of|free from|negative for|lack of|neither|nor|non)\b"
)
_DENIES_BEFORE = re.compile(
    r"\b(?:(?:is|are|was|were) (?:absent|excluded|ruled out)"
    r"|not (?:seen|present|identified|found|detected|visible)|none)\b"
)
_DENIES_NOTHING = re.compile(
    r"\b(?:no (?:significant )?(?:change|increase|progression)|not only|not necessarily|no longer only)\b"
)
_DOUBTS = re.compile(
    r"\b(?:possible|possibly|probable|probably|questionable|equivocal|suspected|suspicious for|may|might|versus|unclear"
    r"|cannot be (?:excluded|assessed|ruled out)|not (?:be )?(?:well|fully|adequately|reliably) \w+)\b"
)
_SCORE_OF_ZERO = re.compile(r"\b(?:agatston|score)\b\D{0,25}\b0(?:\.0+)?\b(?!\.?\d)")


def sentences(report: str) -> list[str]:
    """Return the sentences in lower case; a line's end ends one."""
    return [part.strip() for part in _END.split(report.lower()) if part.strip()]


def clauses(sentence: str) -> list[str]:
    """Return the parts of a sentence that a denial does not reach beyond."""
    return [part for part in _CLAUSE.split(sentence) if part.strip()]


def assertion(clause: str, begin: int, end: int) -> Assertion:
    """Return how a clause speaks of what stands in it from `begin` to `end`."""
    if _DOUBTS.search(clause):
        return "doubted"
    plain = _DENIES_NOTHING.sub(lambda found: " " * len(found.group()), clause)
    before = any(found.end() <= begin for found in _DENIES_AFTER.finditer(plain))
    after = any(found.start() >= end for found in _DENIES_BEFORE.finditer(plain))
    return "denied" if before or after or _SCORE_OF_ZERO.search(plain) else "affirmed"


def is_coronary(sentence: str) -> bool:
    """Return whether a sentence is about the coronary arteries."""
    return any(pattern(term).search(sentence) for term in CORONARY)


def stated(sentence: str) -> bool | None:
    """Return whether a sentence says that there is coronary calcium, or that there is none; None: neither."""
    if not (is_coronary(sentence) or "agatston" in sentence):
        return None
    met = {
        assertion(clause, found.start(), found.end())
        for clause in clauses(sentence)
        for term in ("calcification", "score")
        for found in pattern(term).finditer(clause)
    }
    return True if "affirmed" in met else False if "denied" in met else None
