"""What every source of weights can say: where the file is, whether it can be had, and its digest."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Annotated

from pydantic import Field

from benchmark.networks.hub_download import Progress, sha256_of
from benchmark.plugins.base import Plugin

Sha256 = Annotated[
    str, Field(pattern="^[0-9a-f]{64}$", description="refuse the file if its SHA-256 is another")
]


class Weights(Plugin):
    """A source of weights. Its fingerprint is that of the weights, not of the place they lie at."""

    @abstractmethod
    def locate(self) -> Path | None:
        """Return the file if it is on this disk. Touches no network."""

    @abstractmethod
    def path(self) -> Path:
        """Return the verified file, fetched if need be. Raises `UserError` saying what to do."""

    def fetch(self, progress: Progress | None) -> Path:
        """Return the file, fetched if need be; `progress` hears of the bytes. Raises `UserError`."""
        return self.path()

    @abstractmethod
    def __str__(self) -> str:
        """Name the source for a person."""

    def weights_digest(self) -> str:
        """Return the SHA-256 of the file, which is fetched if need be. Raises `UserError`."""
        return sha256_of(self.path())

    def fingerprint(self) -> str:
        """Return the weights' digest: a copy of the file gives the same features as the hub's."""
        return self.weights_digest()
