"""Commands about what can be declared: list, schema."""

import json
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import Json

app = typer.Typer()


@app.command("list")
def list_plugins(as_json: Json = False) -> None:
    """Show every plug-in with its parameters, and whether it can run here."""
    from benchmark.console import describe_plugins, print_plugins

    described = describe_plugins()
    if as_json:
        print(json.dumps(described, indent=1))
    else:
        print_plugins(described)


@app.command()
def schema(
    out: Annotated[Path | None, typer.Option("--out", help="A file; default: standard output.")] = None,
) -> None:
    """Write the JSON Schema of study files, for editors."""
    from benchmark.study_schema import study_schema

    text = json.dumps(study_schema(), indent=1) + "\n"
    if out is None:
        print(text, end="")
    else:
        out.write_text(text)
