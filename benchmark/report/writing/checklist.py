"""A checklist of reporting, filled in with where a study's evidence stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

NOT_ANSWERED = "not answered by the software"
COMMANDS = "cacbench "
"""How a source begins that is another command and no evidence of this run."""


class Item(NamedTuple):
    """What a checklist asks for, in our own words, and which evidence answers it."""

    number: int
    topic: str
    asks: str
    source: str = ""
    """A key of the evidence, or the command that would give it; empty: people alone can answer."""


def filled(items: Sequence[Item], evidence: Mapping[str, str]) -> pd.DataFrame:
    """Return one row per item: item, topic, asks, evidence. Raises `KeyError` for evidence that nobody collects."""
    rows = [(item.number, item.topic, item.asks, _answer(item, evidence)) for item in items]
    return pd.DataFrame(rows, columns=["item", "topic", "asks", "evidence"])


def _answer(item: Item, evidence: Mapping[str, str]) -> str:
    if item.source.startswith(COMMANDS):
        return f"{NOT_ANSWERED} in this run: `{item.source}` does"
    return (evidence[item.source] if item.source else "") or NOT_ANSWERED
