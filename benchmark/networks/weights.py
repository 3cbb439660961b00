"""Where the weights of a frozen network come from: the hub, an installed package, this disk, or a seed.

Everything a source says is decided without loading a network, and every set of weights has a digest: the
SHA-256 of its file, which enters the fingerprint of the extractor and the records of the run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator

from benchmark.errors import UserError
from benchmark.networks.hub import HubFile, why_unreachable
from benchmark.networks.hub_download import Progress, download, sha256_of
from benchmark.networks.package_weights import PackageWeights, ShardedWeights
from benchmark.networks.source import Sha256, Weights
from benchmark.plugins import Availability
from benchmark.plugins.fingerprint import digest_of

__all__ = [
    "HubWeights",
    "LocalWeights",
    "PackageWeights",
    "Published",
    "ShardedWeights",
    "UntrainedWeights",
    "Weights",
    "WeightsSource",
]


class HubWeights(Weights):
    """A file of a repository of the Hugging Face hub.

    A branch such as ``main`` moves; the commit it names when the file is fetched, and the file's SHA-256, are
    written beside the file in the hub's cache, and a file with another digest is refused from then on.
    """

    repo: str = Field(pattern=r"^[^/\s]+/[^/\s]+$", description="owner/name")
    filename: str = Field(min_length=1)
    revision: str = Field("main", description="commit, tag or branch; a commit pins the file for good")
    sha256: Sha256 | None = None

    @property
    def file(self) -> HubFile:
        """The file as the hub knows it."""
        return HubFile(self.repo, self.filename, self.revision)

    def __str__(self) -> str:
        """Name the file the way the hub's pages do."""
        return str(self.file)

    def availability(self) -> Availability:
        """Ready if the file is here or the hub would give it; decided once per process, within 10 s."""
        if self.locate() is not None or not (reason := why_unreachable(self.file)):
            return Availability()
        remedy = "run `cacbench weights --fetch` where there is a network, or give `weights: {file: …}`"
        return Availability(ready=False, reason=f"the weights {self} are not here and {reason}: {remedy}")

    def locate(self) -> Path | None:
        """Return the file in the hub's cache, if it is there."""
        return self.file.cached()

    def path(self) -> Path:
        """Return the file, fetched if need be and verified against its record."""
        return self.fetch(None)

    def fetch(self, progress: Progress | None) -> Path:
        """Return the file, fetched if need be; `progress` hears of the bytes. Raises `UserError`."""
        path = self.locate() or download(self.file, progress)
        digest, recorded = sha256_of(path), self._recorded()
        if self.sha256 not in (None, digest):
            raise _other_digest(path, digest, f"the study pins {self.sha256}", "mend the pin")
        if self.sha256 is None and recorded.get("sha256", digest) != digest:
            known = f"{recorded['sha256']} was recorded when it was first fetched"
            remedy = f"say `revision: {recorded.get('commit')}`, or delete {self._record_path} to accept the new one"
            raise _other_digest(path, digest, known, remedy)
        if not recorded:
            self._record({"commit": path.parent.name, "sha256": digest, "bytes": path.stat().st_size})
        return path

    @property
    def _record_path(self) -> Path:
        name = f"{self.filename}@{self.revision}".replace("/", "--")
        return self.file.folder / "cacbench" / f"{name}.json"

    def _recorded(self) -> dict[str, Any]:
        try:
            content = json.loads(self._record_path.read_text())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def _record(self, content: Mapping[str, Any]) -> None:
        try:
            self._record_path.parent.mkdir(parents=True, exist_ok=True)
            self._record_path.write_text(json.dumps(content, indent=1) + "\n")
        except OSError:
            pass  # a cache shared read-only keeps no record; the digest still enters the fingerprint


class LocalWeights(Weights):
    """A file on this disk. An extractor also takes ``folder``: the file of the published name in it."""

    file: Path = Field(description="the weights file; relative to the study's folder")
    sha256: Sha256 | None = None

    @field_validator("file", mode="after")
    @classmethod
    def _from_the_study(cls, file: Path, info: ValidationInfo) -> Path:
        return Path((info.context or {}).get("base", ".")) / file.expanduser()

    def __str__(self) -> str:
        """Name the file."""
        return str(self.file)

    def availability(self) -> Availability:
        """Ready if the file exists."""
        if self.file.is_file():
            return Availability()
        return Availability(
            ready=False, reason=f"{self.file}: no such weights file; mend `weights:` in the study"
        )

    def locate(self) -> Path | None:
        """Return the file, if it exists."""
        return self.file if self.file.is_file() else None

    def path(self) -> Path:
        """Return the file, verified against the pinned SHA-256."""
        if not self.file.is_file():
            raise UserError(self.availability().reason)
        if self.sha256 and (digest := sha256_of(self.file)) != self.sha256:
            raise _other_digest(self.file, digest, f"the study pins {self.sha256}", "mend the pin")
        return self.file


class UntrainedWeights(Weights):
    """A network left as its seed initialises it: a control, what the architecture alone is worth."""

    untrained: int = Field(ge=0, lt=2**32, description="the seed of the initialisation")

    def __str__(self) -> str:
        """Say that nothing was learnt."""
        return f"untrained, seed {self.untrained}"

    def locate(self) -> Path | None:
        """Return None: there is no file."""
        return None

    def path(self) -> Path:
        """Raise: there is no file."""
        raise UserError(f"{self}: has no file")

    def weights_digest(self) -> str:
        """Return a digest of the seed; the network's architecture is part of the extractor's fingerprint."""
        return digest_of({"untrained": self.untrained})


def _other_digest(path: Path, digest: str, known: str, remedy: str) -> UserError:
    return UserError(
        f"{path}: its SHA-256 is {digest}, but {known}: delete the file and fetch it again, or {remedy}"
    )


def _kind(spec: Any) -> str:
    """Return which source a declaration means, by the key that only this one has."""
    declared = type(spec).model_fields if isinstance(spec, Weights) else spec
    keys = set(declared) if isinstance(declared, Mapping) else set()
    return next((kind for key, kind in _TELLING.items() if key in keys), "hub")


_TELLING = {"untrained": "untrained", "file": "local", "package": "package", "packages": "shards"}


Published = HubWeights | PackageWeights | ShardedWeights
"""Where somebody else's weights may be published."""

WeightsSource = Annotated[
    Annotated[HubWeights, Tag("hub")]
    | Annotated[PackageWeights, Tag("package")]
    | Annotated[ShardedWeights, Tag("shards")]
    | Annotated[LocalWeights, Tag("local")]
    | Annotated[UntrainedWeights, Tag("untrained")],
    Discriminator(_kind),
]
"""What `weights:` may say: ``{repo, filename, revision}``, ``{package, version, filename, sha256}``, the same with
``packages``, ``{file}`` or ``{untrained: seed}``."""
