"""What the commands print for people, with rich."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, get_args

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmark.plugins.base import Provenance
from benchmark.plugins.registry import BUILTINS, Kind, names, plugin_class

if TYPE_CHECKING:
    import pandas as pd

    from benchmark.networks.required import RequiredWeights

# Names and reasons are printed as they are, `[…]` and `:key:` too.
console = Console(markup=False, emoji=False)
if not console.is_terminal:
    console = Console(width=110, markup=False, emoji=False)  # a log file has room for whole tables


def print_table(table: pd.DataFrame, title: str, styles: Sequence[str] = ()) -> None:
    """Print a DataFrame as it is, numbers to the right; a name in the first column is never cut."""
    shown = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(table.columns):
        right = place > 0 and _numeric(table[name])
        shown.add_column(str(name), no_wrap=place == 0, overflow="fold", justify="right" if right else "left")
    known = table.notna().to_numpy()
    for place, row in enumerate(table.itertuples(index=False, name=None)):
        cells = (str(value) if there else "" for value, there in zip(row, known[place], strict=True))
        shown.add_row(*cells, style=styles[place] if styles else "")
    console.print(shown)


def _numeric(column: pd.Series) -> bool:
    """Say whether every cell begins as a number does."""
    return all(str(value)[:1] in "0123456789+-.–" or value in ("", "ref.") for value in column.dropna())


def print_plan(
    study: str, cases: int, readiness: dict[str, str], problems: Sequence[dict[str, str]] = ()
) -> None:
    """Print what a study would run, and the `problems` of cases: mappings case_id, file, reason."""
    if problems:
        print_problems(problems, cases)
    table = Table(
        "run", "state", title=f"{study}: {cases} cases, {len(readiness)} runs", title_justify="left"
    )
    for name, state in readiness.items():
        table.add_row(name, state, style="" if state == "ready" else "yellow")
    console.print(table)


def print_forecast(found: Mapping[str, Any]) -> None:
    """Print what a study will take, see `benchmark.analyses.forecast`."""
    import pandas as pd

    from benchmark.execution.progress import duration

    steps = pd.DataFrame(found["steps"])
    left = [duration(each["left"] * each["seconds"]) for each in found["steps"]]
    unreadable = f", {found['unreadable']} of them unreadable" if found["unreadable"] else ""
    print_table(
        steps.round(2).assign(cpu=left).set_axis(["step", "tasks", "left", "CPU s each", "CPU left"], axis=1),
        f"{found['study']}: {found['cases']} cases{unreadable}",
    )
    print(
        f"left: {duration(3600 * found['cpu_hours_left'])} of CPU, {found['disk_mb']:.1f} MB of features; "
        f"a worker needs {found['memory_mb']:.0f} MB"
    )
    times = (
        f"{workers}: {duration(value)}" for workers, value in found["expected_seconds_on_workers"].items()
    )
    print(f"time by workers, each a core like this one: {', '.join(times)}")


def print_problems(problems: Sequence[dict[str, str]], cases: int) -> None:
    """Print one line per problem, whole however long it is, so that it can be searched and copied."""
    left_out = len({problem["case_id"] for problem in problems})
    console.print(f"{left_out} of {cases} cases would be left out:", highlight=False, soft_wrap=True)
    for problem in problems:
        line = ": ".join(filter(None, (problem["case_id"], problem["file"], problem["reason"])))
        console.print(f"  {line}", style="yellow", highlight=False, soft_wrap=True)


def describe_plugins() -> dict[str, Any]:
    """Return every plug-in by kind and name: what it is, its parameters, whether it can run here."""
    return {kind: {name: _described(kind, name) for name in names(kind)} for kind in get_args(Kind)}


def print_plugins(described: dict[str, Any]) -> None:
    """Print what `describe_plugins` returned."""
    for kind, plugins in described.items():
        table = Table("name", "state", "parameters", title=kind.replace("_", " ") + "s", title_justify="left")
        for name, about in plugins.items():
            parameters = "\n".join(f"{key} = {value}" for key, value in about["parameters"].items())
            named = Text.assemble(f"{name}\n", (about["summary"], "dim"))
            for what, told in about["provenance"].items():
                named.append(
                    f"\n{what}: {Provenance(**told).terms}", "dim" if told["commercial"] else "yellow"
                )
            table.add_row(named, about["state"], parameters, end_section=True)
        console.print(table)


def print_weights(rows: list[RequiredWeights]) -> None:
    """Print which weights a study needs and where they are."""
    table = Table("plug-in", "source", "state", "size", "SHA-256", title_justify="left")
    for row in rows:
        size = f"{row.size / 1e6:.1f} MB" if row.size is not None else ""
        state = f"{row.state}: {row.reason}" if row.reason else str(row.where or row.state)
        table.add_row(row.plugin, str(row.source), state, size, row.sha256[:12])
    console.print(table if rows else "This study needs no weights.")


def print_score(content: Mapping[str, Any]) -> None:
    """Print a calcium score as JSON values, one row per region and the total; below it warnings and files, if any."""
    rows = [*content["regions"], {**content["total"], "label": "", "name": "total"}]
    table = Table(*rows[0].keys())
    for row in rows:
        cells = ("–" if value is None else value for value in row.values())
        table.add_row(*(f"{value:.2f}" if isinstance(value, float) else str(value) for value in cells))
    console.print(table)
    if content.get("note"):
        console.print(content["note"], style="yellow")
    for warning in content.get("warnings", ()):
        style = {"severe": "red", "notable": "yellow"}.get(warning["severity"], "dim")
        line = f"{warning['severity']}: {warning['kind']}: {warning['detail']}"
        console.print(line, style=style, highlight=False, soft_wrap=True)
    for name, file in content.get("written", {}).items():
        console.print(f"{name}: {file}", highlight=False, soft_wrap=True)


def print_check(table: pd.DataFrame, study: str, elsewhere: str) -> None:
    """Print what moved, or that nothing did, and what else differs from what made the guarded numbers."""
    moved = table[~table["ok"]]
    if elsewhere:
        console.print(f"{study}: made with {elsewhere}", highlight=False, soft_wrap=True)
    if moved.empty:
        console.print(f"{study}: all {len(table)} headline numbers hold")
        return
    shown = Table(
        *moved.columns[:-1], title=f"{study}: {len(moved)} of {len(table)} numbers moved", style="red"
    )
    for row in moved.itertuples(index=False):
        shown.add_row(*(f"{value:.4f}" if isinstance(value, float) else str(value) for value in row[:-1]))
    console.print(shown)


def _described(kind: Kind, name: str) -> dict[str, Any]:
    """Describe a plug-in; one of another package that fails at that is broken, and hides none of the others."""
    try:
        return _describe(kind, name)
    except Exception as error:
        if name in BUILTINS[kind]:
            raise
        said = (
            f"broken: {error}"
            if isinstance(error, ValueError)
            else f"broken: {type(error).__name__}: {error}"
        )
        return {"summary": "", "state": said, "parameters": {}, "provenance": {}, "descriptions": {}}


def _describe(kind: Kind, name: str) -> dict[str, Any]:
    cls = plugin_class(kind, name)
    parameters = {
        key: "required" if field.is_required() else str(field.get_default(call_default_factory=True))
        for key, field in cls.model_fields.items()
    }
    return {
        "summary": (cls.__doc__ or "").strip().partition("\n")[0],
        "state": _state(cls),
        "parameters": parameters,
        "provenance": {what: asdict(told) for what, told in cls.provenance.items()},
        "descriptions": {key: field.description or "" for key, field in cls.model_fields.items()},
    }


def _state(cls: type[Any]) -> str:
    if any(field.is_required() for field in cls.model_fields.values()):
        return "needs parameters"
    state = cls().availability()
    return "ready" if state.ready else f"unavailable: {state.reason}"
