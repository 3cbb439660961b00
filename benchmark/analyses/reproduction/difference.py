"""Two executions of a study held against each other: which numbers differ, and what they were made with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

NUMBERS = ("cases", "tested", "patients", "labels", "excluded", "anomalies", "runs", "methods")
"""Of a study's facts what came out."""
_MADE_WITH = {"parameters": "parameter", "versions": "version of", "weights": "weights of"}
"""Of a study's facts what it was made with, by what a sentence calls a part of it."""
_NOT_RECORDED = "not recorded"


def numbers_side_by_side(before: Mapping[str, Any], now: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row per number: number, before, now, same. None stands where one has no such number.

    Same means to the last bit.
    """
    first, second = (
        dict(_leaves({name: facts[name] for name in NUMBERS if name in facts})) for facts in (before, now)
    )
    rows = [
        (place, first.get(place), second.get(place), first.get(place) == second.get(place))
        for place in dict.fromkeys([*first, *second])
    ]
    return pd.DataFrame(rows, columns=["number", "before", "now", "same"]).astype(
        {"before": object, "now": object}
    )


def made_otherwise(before: Mapping[str, Any], now: Mapping[str, Any], commits: tuple[str, str]) -> list[str]:
    """Return what the executions were made with and does not agree, a sentence each."""
    said: list[str] = []
    for part, name in _MADE_WITH.items():
        if part not in before:
            said.append(f"{part}: {_NOT_RECORDED}")
            continue
        first, second = before[part], now[part]
        said += [
            f"{name} {place}: {_told(first, place)} before, {_told(second, place)} now"
            for place in sorted(first.keys() | second.keys())
            if first.get(place) != second.get(place)
        ]
    if before.get("processor") != now["processor"]:
        said.append(f"processor: {before.get('processor')} before, {now['processor']} now")
    if before.get("cohort_hash", now["cohort_hash"]) != now["cohort_hash"]:
        said.append("cohort: other cases, labels or groups")
    if all(commits) and commits[0] != commits[1]:
        said.append(f"commit: {commits[0]} before, {commits[1]} now")
    return [*said, *_plugins(before, now), *_without_result(before, now)]


def _plugins(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield the runs of which a plug-in is another one, by code, libraries, parameters or weights."""
    for run, kinds in before.get("made_of", {}).items():
        there = now["made_of"].get(run, {})
        other = [kind for kind, found in kinds.items() if kind in there and found != there[kind]]
        if other:
            yield f"plug-ins of {run}: another {' and '.join(other)}, by its fingerprint"


def _without_result(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for run, reason in now["without_result"].items():
        if run not in before.get("without_result", {}):
            yield f"{run}: no result now: {reason}"


def _told(values: Mapping[str, Any], place: str) -> Any:
    return values.get(place, "absent")


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{place}: {key}" if place else str(key))
    else:
        yield place, value
