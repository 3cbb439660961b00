"""Options that several commands share."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.table_file import number

if TYPE_CHECKING:
    from benchmark.plugins import Cohort


def real(low: float = -math.inf, high: float = math.inf) -> Callable[[Any], float]:
    """Return the reader of an option's finite number in plain digits, from `low` to `high`."""

    def read(given: Any) -> float:
        value = number(str(given).strip())
        if value is None:
            raise typer.BadParameter(f"{given!r} is not a finite number in plain digits, such as 1000 or 0.5")
        if not low <= value <= high:
            raise typer.BadParameter(f"{given} is not in the range from {low:g} to {high:g}")
        return value

    return read


def whole(low: float = -math.inf, high: float = math.inf) -> Callable[[Any], int]:
    """Return the reader of an option's whole number in plain digits, from `low` to `high`."""
    in_range = real(low, high)

    def read(given: Any) -> int:
        if (value := in_range(given)) != int(value):
            raise typer.BadParameter(f"{given} is not a whole number")
        return int(value)

    return read


def tell_notices(*cohorts: Cohort) -> None:
    """Print on standard error what people should know of the cohorts' declarations."""
    for cohort in cohorts:
        for notice in cohort.notices():
            print(f"note: {notice}", file=sys.stderr)


StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="The study, a YAML file.")]
Results = Annotated[
    Path,
    typer.Option(
        "--results", help="Where results, the store and, unless said otherwise, the MLflow database go."
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs", "-j", parser=whole(1), metavar="NUMBER", help="Worker processes; default: one per core."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the results of another study of this name.")]
Dask = Annotated[
    str | None, typer.Option("--dask", metavar="ADDRESS", help="Work on this Dask scheduler instead.")
]

Tracking = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        metavar="ADDRESS",
        help="Log to this MLflow server or database; default: MLFLOW_TRACKING_URI, else the results folder.",
    ),
]
Experiment = Annotated[
    str | None,
    typer.Option(
        "--experiment",
        metavar="NAME",
        help="Log to this experiment of MLflow; default: MLFLOW_EXPERIMENT_NAME, else the study's name.",
    ),
]

DEFAULT_STUDY = Path("runs.yaml")
DEFAULT_SEGMENTATION_STUDY = Path("studies/segmentation.yaml")
DEFAULT_RESULTS = Path("results")
