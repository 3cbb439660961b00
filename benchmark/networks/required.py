"""Which weights the plug-ins of a study need, and where they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmark.networks.hub_download import Progress, sha256_of
from benchmark.networks.weights import UntrainedWeights, Weights
from benchmark.plugins.base import Plugin, with_nested

State = Literal["here", "to fetch", "unavailable", "no weights"]


@dataclass(frozen=True)
class RequiredWeights:
    """One row of `cacbench weights`: what a plug-in needs, and where it is."""

    plugin: str
    source: Weights
    where: Path | None
    size: int | None
    state: State
    sha256: str
    reason: str = ""


def required_weights(plugins: Mapping[str, Plugin]) -> list[RequiredWeights]:
    """Return a row for each of the named plug-ins that has weights, in their order. Downloads nothing.

    `size` is in bytes; it and `sha256` are known for files that are here.
    """
    return [_row(name, source) for name, plugin in plugins.items() for source in _sources(plugin)]


def _sources(plugin: Plugin) -> list[Weights]:
    """Return the sets of weights of a plug-in and of those within it."""
    sources: list[Weights] = []
    for each in with_nested(plugin):
        declared = getattr(each, "weights", ())
        several = declared if isinstance(declared, tuple) else (declared,)
        sources += [source for source in several if isinstance(source, Weights)]
    return sources


def _row(name: str, source: Weights) -> RequiredWeights:
    if isinstance(source, UntrainedWeights):
        return RequiredWeights(name, source, None, None, "no weights", source.weights_digest())
    if (where := source.locate()) is not None:
        return RequiredWeights(name, source, where, where.stat().st_size, "here", sha256_of(where))
    ready = source.availability()
    return RequiredWeights(
        name, source, None, None, "to fetch" if ready.ready else "unavailable", "", ready.reason
    )


def fetch(source: Weights, progress: Progress | None = None) -> Path:
    """Return the verified file of `source`, downloaded if need be. Raises `UserError` saying what to do.

    `progress` is called with the bytes that are here and the bytes there will be, from the first resumed byte
    on.
    """
    return source.fetch(progress)
