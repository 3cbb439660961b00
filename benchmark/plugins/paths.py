"""Paths in study files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo


def _from_base(path: Any, info: ValidationInfo) -> Any:
    base = (info.context or {}).get("base")
    return Path(base) / Path(path).expanduser() if base and isinstance(path, str | Path) else path


StudyPath = Annotated[Path, BeforeValidator(_from_base)]
"""A path in a study file; a relative one starts from the study file's folder."""
