"""Reads what a frozen run is applied to: a study file, of which the cohort alone counts, or a manifest."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field

from benchmark.errors import UserError
from benchmark.plugins import Cohort
from benchmark.plugins.declaration import Declaration
from benchmark.plugins.registry import declared
from benchmark.study.reading import read_declaration, validated

MANIFESTS = (".csv", ".xlsx")


class OtherCohort(Declaration):
    """A cohort and what it is called."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="names the folder of the report")
    cohort: Annotated[Cohort, declared("cohort")]


def read_other(path: Path) -> OtherCohort:
    """Return the cohort of a study file, or of a manifest (CSV, xlsx). Raises `UserError` with the remedy."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).lstrip("._-") or "other"
    if path.suffix.lower() in MANIFESTS:
        content = {"name": name, "cohort": {"use": "manifest", "path": path.name}}
        return OtherCohort.model_validate(content, context={"base": path.parent})
    text, whole = read_declaration(path, "`cohort: {use: manifest, path: scans.csv}`")
    if "cohort" not in whole:
        raise UserError(
            f"{path}: has no `cohort`; name a study file with one, or a manifest ({', '.join(MANIFESTS)})"
        )
    content = {"name": whole.get("name", name), "cohort": whole["cohort"]}
    return validated(OtherCohort, content, path, text)
