"""What the commands print for people, with rich."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmark.plugins.registry import Kind, names, plugin_class

if TYPE_CHECKING:
    import pandas as pd

    from benchmark.calcium.scoring import CalciumScore
    from benchmark.networks.weights import RequiredWeights
    from benchmark.report.study_report import Finished

console = Console()
if not console.is_terminal:
    console = Console(width=110)  # a log file has room for whole tables


def print_study(finished: Finished) -> None:
    """Print the comparison table of a finished study, what was left out, and the paths of what was written."""
    facts = finished.facts
    console.print(_comparison_table(facts, finished.tables))
    console.print(
        "accuracy with its 95 % interval (patients resampled); p: accuracy against the reference,",
        style="dim",
    )
    console.print("Nadeau–Bengio corrected and Holm-adjusted", style="dim")
    for sentence in facts["diagnosis"]:
        console.print(f"diagnosis: {sentence}", style="yellow", markup=False, soft_wrap=True)
    for reason, runs in _by_reason(facts["without_result"]).items():
        console.print(
            f"no result for {', '.join(runs)}: {reason}", style="yellow", markup=False, soft_wrap=True
        )
    if facts["excluded"]:
        console.print(f"{facts['excluded']} cases excluded, see tables/exclusions.csv", style="yellow")
    if facts["anomalies"]:
        met = "; ".join(f"{count} × {kind}" for kind, count in facts["anomalies"].items())
        console.print(
            f"anomalies, left as they are (tables/anomalies.csv): {met}", style="yellow", markup=False
        )
    console.print(
        f"{finished.computed} features extracted and {finished.fitted} models fitted in this execution"
    )
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
            table.add_row(
                f"{name}\n[dim]{about['summary']}[/dim]", about["state"], parameters, end_section=True
            )
        console.print(table)


def print_weights(rows: list[RequiredWeights]) -> None:
    """Print which weights a study needs and where they are."""
    table = Table("plug-in", "source", "state", "size", "SHA-256", title_justify="left")
    for row in rows:
        size = f"{row.size / 1e6:.1f} MB" if row.size is not None else ""
        state = f"{row.state}: {row.reason}" if row.reason else str(row.where or row.state)
        table.add_row(row.plugin, str(row.source), state, size, row.sha256[:12])
    console.print(table if rows else "This study needs no weights.")


def print_score(score: CalciumScore) -> None:
    """Print a calcium score, one row per region and the total."""
    content = score.model_dump(mode="json")
    rows = [*content["regions"], {**content["total"], "label": "", "name": "total"}]
    table = Table(*rows[0].keys())
    for row in rows:
        table.add_row(*(f"{value:.2f}" if isinstance(value, float) else str(value) for value in row.values()))
    console.print(table)
    if score.note:
        console.print(score.note, style="yellow", markup=False)


def print_quality(exclusions: pd.DataFrame, agreement: pd.DataFrame, statistics: pd.DataFrame) -> None:
    """Print how often each segmenter found nothing, how far they agree, and which cases are outliers."""
    table = Table("segmenter", "cases", "excluded", "rate, 95 % interval", title="exclusions")
    for row in exclusions.to_dict("records"):
        warning = " too many" if row["too_many"] else ""
        rate = f"{row['rate']:.3f} [{row['low']:.3f}, {row['high']:.3f}]{warning}"
        style = "yellow" if row["too_many"] else ""
        table.add_row(row["segmenter"], str(row["cases"]), str(row["excluded"]), rate, style=style)
    console.print(table)
    measures = {
        "dice": "Dice",
        "surface_distance_95_mm": "95 % distance, mm",
        "volume_difference_mm3": "difference, mm³",
    }
    table = Table("first", "second", "cases", *measures.values(), title="agreement, median")
    for row in agreement.to_dict("records"):
        numbers = (f"{row[name]:.3g}" for name in measures)
        table.add_row(row["first"], row["second"], str(row["cases"]), *numbers)
    if len(agreement):
        console.print(table)
    for row in statistics.to_dict("records"):
        if row["outlier_in"]:
            sentence = f"outlier: {row['case_id']}, {row['segmenter']}: {row['outlier_in']}"
            console.print(sentence, style="yellow", markup=False)


def print_check(table: pd.DataFrame, study: str, elsewhere: str) -> None:
    """Print what moved, or that nothing did, and what else differs from what made the guarded numbers."""
    moved = table[~table["ok"]]
    if elsewhere:
        console.print(f"{study}: made with {elsewhere}", markup=False, highlight=False, soft_wrap=True)
    if moved.empty:
        console.print(f"{study}: all {len(table)} headline numbers hold")
        return
    shown = Table(
        *moved.columns[:-1], title=f"{study}: {len(moved)} of {len(table)} numbers moved", style="red"
    )
    for row in moved.itertuples(index=False):
        shown.add_row(*(f"{value:.4f}" if isinstance(value, float) else str(value) for value in row[:-1]))
    console.print(shown)


def _comparison_table(facts: dict[str, Any], tables: dict[str, pd.DataFrame]) -> Table:
    title = f"{facts['study']}: {facts['cases']} cases, {facts['protocol']}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    shown = {key: short for key, short in _SHORT.items() if key in next(iter(facts["runs"].values()))}
    for name in ("run", "accuracy", *shown.values(), "p"):
        table.add_column(name, no_wrap=True, overflow="fold", justify="left" if name == "run" else "right")
    tests = tables["comparisons"].query("metric == 'accuracy' and test == 'nadeau_bengio'")
    tests = tests[tests["reference"] == facts["reference"]]
    p_values = tests.set_index("run")["p_holm"].dropna()
    ranked = sorted(facts["runs"].items(), key=lambda item: -item[1]["accuracy"]["value"])
    for name, metrics in ranked:
        accuracy = metrics["accuracy"]
        others = [f"{metrics[key]['value']:.2f}" for key in shown]
        p = "ref." if name == facts["reference"] else f"{p_values[name]:.3f}" if name in p_values else "–"
        table.add_row(
            name, f"{accuracy['value']:.3f} [{accuracy['low']:.2f}, {accuracy['high']:.2f}]", *others, p
        )
    return table


_SHORT = {
    "sensitivity": "sens.",
    "specificity": "spec.",
    "f1": "F1",
    "roc_auc": "AUC",
    "macro_f1": "macro F1",
    "quadratic_kappa": "kappa",
}


def _by_reason(without_result: dict[str, str]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, reason in without_result.items():
        grouped.setdefault(reason, []).append(name)
    return grouped


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
