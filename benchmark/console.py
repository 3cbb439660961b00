"""What the commands print for people, with rich."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from rich.console import Console
from rich.table import Table

from benchmark.registry import Kind, names, plugin_class

if TYPE_CHECKING:
    import pandas as pd

    from benchmark.calcium import CalciumScore
    from benchmark.report.write import Finished

console = Console()


def print_study(finished: Finished) -> None:
    """Print the comparison table of a finished study, what was left out, and the paths of what was written."""
    from benchmark.report.page import headline_table

    facts, tables = finished.facts, finished.tables
    p = _adjusted_p(tables["comparisons"])
    table = Table(title=f"{facts['study']}: {facts['cases']} cases, {facts['protocol']}", title_justify="left")
    shown = headline_table(tables["summary"])[["run", "accuracy", "sensitivity", "specificity", "f1", "roc_auc"]]
    for name in (*shown.columns, "p"):
        table.add_column(name, no_wrap=True, justify="left" if name == "run" else "right")
    for row in shown.itertuples(index=False):
        table.add_row(*row, "reference" if row.run == facts["reference"] else p.get(row.run, "–"))
    console.print(table, soft_wrap=True)
    console.print(
        "value [95 % interval, patient-level bootstrap]; p: accuracy against the reference, "
        "Nadeau–Bengio corrected, Holm-adjusted",
        style="dim",
    )
    for name, reason in facts["without_result"].items():
        console.print(f"no result: {name}: {reason}", style="yellow", markup=False, soft_wrap=True)
    if facts["excluded"]:
        console.print(f"{facts['excluded']} cases excluded, see exclusions.csv", style="yellow")
    console.print(f"{finished.computed} features extracted and {finished.fitted} models fitted in this execution")
    for path in finished.paths:
        console.print(str(path), markup=False, soft_wrap=True, highlight=False)


def print_plan(study: str, cases: int, plan: dict[str, str]) -> None:
    """Print what a study would run."""
    table = Table("run", "state", title=f"{study}: {cases} cases, {len(plan)} runs", title_justify="left")
    for name, state in plan.items():
        table.add_row(name, state, style="" if state == "ready" else "yellow")
    console.print(table)


def describe_plugins() -> dict[str, Any]:
    """Return every plug-in by kind and name: what it is, its parameters, whether it can run here."""
    return {kind: {name: _describe(kind, name) for name in names(kind)} for kind in get_args(Kind)}


def print_plugins(described: dict[str, Any]) -> None:
    """Print what `describe_plugins` returned."""
    for kind, plugins in described.items():
        table = Table("name", "state", "parameters", title=kind.replace("_", " ") + "s", title_justify="left")
        for name, about in plugins.items():
            parameters = "\n".join(f"{key} = {value}" for key, value in about["parameters"].items())
            table.add_row(f"{name}\n[dim]{about['summary']}[/dim]", about["state"], parameters, end_section=True)
        console.print(table)


def print_score(score: CalciumScore) -> None:
    """Print a calcium score, one row per region and the total."""
    content = score.to_json()
    rows = [*content["regions"], {"label": "", "name": "total", **content["total"]}]
    table = Table(*rows[0].keys())
    for row in rows:
        table.add_row(*(f"{value:.2f}" if isinstance(value, float) else str(value) for value in row.values()))
    console.print(table)
    if note := content.get("note"):
        console.print(note, style="yellow", markup=False)


def print_check(table: pd.DataFrame, study: str) -> None:
    """Print what moved, or that nothing did."""
    moved = table[~table["ok"]]
    if moved.empty:
        console.print(f"{study}: all {len(table)} headline numbers hold")
        return
    shown = Table(*moved.columns[:-1], title=f"{study}: {len(moved)} of {len(table)} numbers moved", style="red")
    for row in moved.itertuples(index=False):
        shown.add_row(*(f"{value:.4f}" if isinstance(value, float) else str(value) for value in row[:-1]))
    console.print(shown)


def _adjusted_p(comparisons: pd.DataFrame) -> dict[str, str]:
    rows = comparisons[comparisons["metric"] == "accuracy"]
    return {
        row.run: "–" if row.p_nadeau_bengio_holm != row.p_nadeau_bengio_holm else f"{row.p_nadeau_bengio_holm:.3f}"
        for row in rows.itertuples()
    }


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
        "descriptions": {key: field.description or "" for key, field in cls.model_fields.items()},
    }


def _state(cls: type[Any]) -> str:
    if any(field.is_required() for field in cls.model_fields.values()):
        return "needs parameters"
    state = cls().availability()
    return "ready" if state.ready else f"unavailable: {state.reason}"
