"""Commands about what can be declared: list, schema, weights."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import DEFAULT_STUDY, Json, StudyFile
from benchmark.errors import UserError

app = typer.Typer()


@app.command("list")
def list_plugins(as_json: Json = False) -> None:
    """Show every plug-in with its parameters, and whether it can run here."""
    from benchmark.execution.store import json_text
    from benchmark.report.console import describe_plugins, print_plugins

    described = describe_plugins()
    if as_json:
        print(json_text(described), end="")
    else:
        print_plugins(described)


@app.command()
def schema(
    out: Annotated[Path | None, typer.Option("--out", help="A file; default: standard output.")] = None,
) -> None:
    """Write the JSON Schema of study files, for editors."""
    from benchmark.execution.store import json_text
    from benchmark.study.schema import study_schema

    text = json_text(study_schema())
    if out is None:
        print(text, end="")
    else:
        out.write_text(text)


@app.command()
def weights(
    study: StudyFile = DEFAULT_STUDY,
    fetch: Annotated[bool, typer.Option("--fetch", help="Download what is not here yet.")] = False,
    as_json: Json = False,
) -> None:
    """Show the network weights a study needs and where they are; with --fetch, download them ahead."""
    from benchmark.execution.progress import downloads
    from benchmark.execution.store import json_text
    from benchmark.networks.required import fetch as fetch_weights
    from benchmark.networks.required import required_weights
    from benchmark.report.console import print_weights
    from benchmark.study.reading import read_study

    declared = read_study(study)
    extractors = {name: extraction.extractor for name, extraction in declared.extractors.items()}
    plugins = {**declared.segmenters, **extractors}
    if fetch:
        for row in required_weights(plugins):
            if row.state == "to fetch":
                with downloads(str(row.source)) as progress:
                    fetch_weights(row.source, progress)
    rows = required_weights(plugins)
    if as_json:
        found = [{**asdict(row), "source": str(row.source), "where": str(row.where or "")} for row in rows]
        print(json_text(found), end="")
    else:
        print_weights(rows)
    if fetch and any(row.state == "unavailable" for row in rows):
        raise UserError("; ".join(row.reason for row in rows if row.state == "unavailable"))
