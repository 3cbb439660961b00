"""The verdict in sentences whose words follow from the numbers: what is better, equal, worse, or cannot be told."""

from __future__ import annotations

import pandas as pd

WORDS = {
    "better": "is better than",
    "worse": "is worse than",
    "equal": "is practically equal to",
    "undecided": "cannot be told from",
}
"""What a finding is called between the two methods of a question."""
_GROUPS = {"better": "better", "equal": "practically equal", "worse": "worse", "undecided": "undecided"}


def verdict(claims: pd.DataFrame, methods: pd.DataFrame, cases: int) -> list[str]:
    """Return the sentences: the answer to the question, what beats the best rule, and who differs from the reference.

    `claims` and `methods` are the tables of `standing_tables`; differences are of accuracy, in points (hundredths).
    """
    sentences = []
    for family in ("question", "best rule", "reference"):
        rows = claims[claims["family"] == family]
        if len(rows):
            sentences.append(
                _answer(rows.iloc[0], cases) if family == "question" else _grouped(family, rows, cases)
            )
    return [*sentences, *_tied(methods)]


def _answer(row: pd.Series, cases: int) -> str:
    if row["finding"] == "unanswered":
        return f"{row['run']} against {row['reference']}: not answered, for one of them has no result"
    p = "" if pd.isna(row["p"]) else f", {_p(row['p'])}"
    shown = f"{row['run']} {WORDS[row['finding']]} {row['reference']}"
    return (
        f"{row['run']} against {row['reference']}: {shown}, {_points(row)} of accuracy{p}{_could(row, cases)}"
    )


def _grouped(family: str, rows: pd.DataFrame, cases: int) -> str:
    reference = rows["reference"].iloc[0]
    parts = []
    for finding, name in _GROUPS.items():
        found = rows[rows["finding"] == finding].sort_values("difference", ascending=False, kind="stable")
        if len(found):
            parts.append(
                f"{name}: " + ", ".join(f"{row['run']} {_points(row)}" for _, row in found.iterrows())
            )
    lead = (
        f"against the best rule without learning ({reference})"
        if family == "best rule"
        else f"against {reference}"
    )
    detectable = rows["detectable"].median()
    could = _can_show(detectable, cases)
    adjusted = f"Holm over {len(rows)}" if len(rows) > 1 else "one comparison"
    return f"{lead}, {adjusted}: {'; '.join(parts)}{could}"


def _tied(methods: pd.DataFrame) -> list[str]:
    learnt = methods[methods["kind"] == "method"]
    best = learnt["group"].iloc[0]
    tied = [
        name for name, group in zip(learnt["method"], learnt["group"], strict=True) if set(group) & set(best)
    ]
    if len(learnt) < 2:
        return []
    if len(tied) == 1:
        return [f"{tied[0]} has the highest accuracy, and every other method is told apart from it"]
    return [f"not told apart at the top: {', '.join(tied)}"]


def _points(row: pd.Series) -> str:
    shown = f"{100 * row['difference']:+.0f} points"
    if pd.isna(row["low"]):
        return shown
    # Of few folds t intervals reach beyond what a difference of accuracies can be.
    low, high = max(row["low"], -1.0), min(row["high"], 1.0)
    return f"{shown} [{100 * low:+.0f}, {100 * high:+.0f}]"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _could(row: pd.Series, cases: int) -> str:
    return _can_show(row["detectable"], cases) if row["finding"] == "undecided" else ""


def _can_show(detectable: float, cases: int) -> str:
    if pd.isna(detectable):
        return ""
    if detectable >= 1:
        return f"; {cases} cases are too few to show any difference"
    return f"; {cases} cases can show about {100 * detectable:.0f} points"
