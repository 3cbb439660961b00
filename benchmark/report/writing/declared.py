"""The parameters that a study file sets of a plug-in, in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from benchmark.plugins.base import Plugin
from benchmark.plugins.registry import name_of


def declared_of(plugin: Plugin, leave_out: Collection[str] = ()) -> str:
    """Return ``(name value, …)`` of the parameters that the file sets, with a space before; nothing if there are none.

    Of a file its name is told and no place.
    """
    told = [f"{name} {_told(getattr(plugin, name))}" for name in _set(plugin) if name not in leave_out]
    return f" ({', '.join(told)})" if told else ""


def _set(model: BaseModel) -> list[str]:
    """Return the fields that were set, in the order of the class."""
    return [name for name in type(model).model_fields if name in model.model_fields_set]


def _told(value: Any) -> str:
    if isinstance(value, Plugin):
        return f"{name_of(value)}{declared_of(value)}"
    if isinstance(value, Path):
        return value.name
    if isinstance(value, BaseModel):
        return _told({name: getattr(value, name) for name in _set(value)})
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} {_told(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_told, value)) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)
