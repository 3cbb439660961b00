"""The command line. Every command imports what it needs when it runs, so that `--help` is instant."""

import sys
from typing import Annotated

import typer

from benchmark import __version__
from benchmark.cli import (
    audit,
    explain,
    plugins,
    power,
    quality,
    results,
    robustness,
    scans,
    segmentation,
    studies,
    train,
)
from benchmark.errors import CaseError, UserError

app = typer.Typer(
    name="cacbench",
    help="Compare ways of turning a CT scan into features for assessing coronary artery calcium.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
_GROUPS = (studies, results, audit, explain, quality, power, robustness, scans, plugins, segmentation, train)
for group in _GROUPS:
    app.add_typer(group.app)


def _version(show: bool) -> None:
    if show:
        print(f"cacbench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; exit code 2 and one sentence for the user's mistake."""
    try:
        app()
    except (UserError, CaseError) as error:
        print(f"cacbench: {error}", file=sys.stderr)
        sys.exit(2)
