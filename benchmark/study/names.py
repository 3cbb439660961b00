"""What studies, segmenters, extractors and classifiers may be called: their names become those of files and folders."""

from __future__ import annotations

from collections.abc import Mapping
from re import fullmatch
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from benchmark.plugins.declaration import mistake

LONGEST = 80
RESERVED = ("store", "mlartifacts", "mlruns", "mlflow.db", "headline.json", "performance.json")
"""What lies beside the studies' folders under results/."""


def _free(name: str) -> str:
    if name in RESERVED:
        raise ValueError("names what cacbench itself keeps under results/: choose another")
    return name


StudyName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        max_length=LONGEST,
        description="names the folder under results/",
    ),
    AfterValidator(_free),
]


def refuse_names_of_no_file(section: Any) -> Any:
    """Return a section of a study file as it is. Raises a mistake for a key that cannot be part of a file's name."""
    for name in map(str, section) if isinstance(section, Mapping) else ():
        if not fullmatch(r"[^\W_][^/\\\x00-\x1f]*", name) or len(name) > LONGEST:
            rule = f"begin with a letter or digit, without slashes, at most {LONGEST} characters"
            raise mistake(name, message=f"is no name: {rule}")
    return section
