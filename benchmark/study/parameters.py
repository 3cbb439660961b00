"""Every parameter of a study by its place, defaults included: what one changed parameter is named by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from benchmark.plugins.base import Plugin
from benchmark.plugins.registry import name_of
from benchmark.study.study import Study

_PLAIN = (str, bool, int, float, type(None))


def parameters_of(study: Study) -> dict[str, Any]:
    """Return values as JSON has them by places such as ``protocol.folds``; of a file its name alone."""
    return dict(_leaves(study, ""))


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Plugin):
        yield _below(place, "use"), name_of(value)
    if isinstance(value, BaseModel):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, Sequence) and not isinstance(value, str):
        if all(isinstance(item, _PLAIN) for item in value):
            yield place, list(value)
            return
        value = dict(enumerate(value))
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, _below(place, str(key)))
    elif isinstance(value, _PLAIN):
        yield place, value
    else:
        yield place, value.name if isinstance(value, Path) else str(value)


def _below(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
