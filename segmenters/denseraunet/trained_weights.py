"""Where the segmenter's weights lie: in a file of the study's, or among those that ship with the package."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from benchmark.errors import UserError
from benchmark.plugins import Availability
from benchmark.plugins.base import Plugin

SHIPPED = Path(__file__).parent / "weights"


class TrainedWeights(Plugin):
    """A file that `cacbench train denseraunet` wrote. Its fingerprint is its content's, wherever it lies."""

    file: Path = Field(description="relative to the study's folder, or the name of a file that ships")

    @field_validator("file", mode="after")
    @classmethod
    def _from_the_study(cls, file: Path, info: ValidationInfo) -> Path:
        beside_study = Path((info.context or {}).get("base", ".")) / file.expanduser()
        return beside_study if beside_study.is_file() or file.parent != Path() else file

    @property
    def path(self) -> Path:
        """The file of the study, or the one of that name that ships; it need not exist."""
        return self.file if self.file.is_file() else SHIPPED / self.file

    def availability(self) -> Availability:
        """Ready if the file is here."""
        if self.path.is_file():
            return Availability()
        remedy = "make it with `cacbench train denseraunet STUDY --out FILE` or mend `weights:`"
        return Availability(ready=False, reason=f"{self.file}: no such weights file; {remedy}")

    def weights_digest(self) -> str:
        """Return the SHA-256 of the file. Raises `UserError` if there is none."""
        if not (state := self.availability()).ready:
            raise UserError(state.reason)
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def fingerprint(self) -> str:
        """Return the digest of the content alone."""
        return self.weights_digest()


def _as_file(spec: Any) -> Any:
    return {"file": spec} if isinstance(spec, (str, Path)) else spec


Weights = Annotated[TrainedWeights, BeforeValidator(_as_file), WithJsonSchema({"type": "string"})]
"""What `weights:` may say: a file's name."""
