"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="The study, a YAML file.")]
Results = Annotated[
    Path, typer.Option("--results", help="Where results, the store and the MLflow database go.")
]
Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, help="Worker processes; default: one per core.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the results of another study of this name.")]
Dask = Annotated[
    str | None, typer.Option("--dask", metavar="ADDRESS", help="Work on this Dask scheduler instead.")
]

DEFAULT_STUDY = Path("runs.yaml")
DEFAULT_SEGMENTATION_STUDY = Path("studies/segmentation.yaml")
DEFAULT_RESULTS = Path("results")
