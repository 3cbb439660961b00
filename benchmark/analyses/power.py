"""How many scans a next study needs, from the predictions of a finished one: the plan, its figure and its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmark.errors import UserError
from benchmark.execution.seeds import derive_seed
from benchmark.plugins.declaration import did_you_mean
from benchmark.report.headline import read_facts
from benchmark.report.report import Report, Section
from benchmark.report.tables import typed
from benchmark.statistics.metrics.scores import decided_metric
from benchmark.statistics.planning.power import POWER_METRICS, power_curve, scans_needed
from benchmark.study.study import Study
from benchmark.table_file import number, read_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUMBERS = ("repeat", "fold", "label", "score", "predicted")
"""Columns of the predictions."""
SIZES = (50, 75, 100, 150, 200, 300, 400, 600, 800, 1200, 1600)


@dataclass(frozen=True)
class PowerPlan:
    """A power curve (see `power_curve`) and the number of scans at which it reaches the wanted power, or None."""

    run: str
    reference_run: str
    metric: str
    power: float
    observed: bool
    """Whether the difference is the observed one, not a given one."""
    curve: pd.DataFrame
    scans: int | None

    @property
    def difference(self) -> float:
        """The difference (run - reference_run) that is planned for."""
        return float(self.curve["difference"].iloc[0])

    @property
    def sentences(self) -> list[str]:
        """The answer; then what limits it."""
        points = f"{100 * self.difference:+.1f} points of {self.metric.replace('_', ' ')}"
        first, last = int(self.curve["scans"].min()), int(self.curve["scans"].max())
        enough = f"{self.scans} scans" + (" or fewer" if self.scans == first else "")
        if self.scans is None:
            enough = f"More than {last} scans, the largest size tried, would be needed to"
        verb = "separate" if self.scans is not None else "tell"
        conclusion = f"{enough} {verb} {self.run} from {self.reference_run} by {points} with a power of {self.power:g}."
        test = {"accuracy": "McNemar's exact", "roc_auc": "DeLong's"}[self.metric]
        limits = [f"That is {test} test at 0.05, of models as they were fitted here."]
        if self.observed:
            limits.append(
                "The difference is the observed one, which is itself uncertain: the band is the power at the ends of "
                "its 95 % interval. Plan for the smallest difference that would matter with --difference."
            )
        return [conclusion, *limits]


def plan_power(
    study: Study,
    predictions: pd.DataFrame,
    *,
    run: str | None = None,
    reference_run: str | None = None,
    metric: str = "accuracy",
    difference: float | None = None,
    power: float = 0.8,
    sizes: Sequence[int] = SIZES,
    default_reference: str | None = None,
) -> PowerPlan:
    """Return the power to tell `run` from `reference_run` in studies of other sizes.

    By default the reference is the study's, or `default_reference`, and the run the best other one by `metric`.
    Raises `UserError` for what cannot be planned.
    """
    names = list(dict.fromkeys(predictions["run"]))
    _check_metric(study, metric)
    if difference == 0:
        raise UserError(
            "--difference 0: no number of scans separates equal methods; name the difference that matters"
        )
    reference_run = _known("--reference", reference_run or default_reference or study.reference_run, names)
    run = _known(
        "--run", run or _best(predictions, metric, [name for name in names if name != reference_run]), names
    )
    if run == reference_run:
        raise UserError(f"{run} is both run and reference: name two runs of {', '.join(names)}")
    try:
        curve = power_curve(
            predictions,
            run,
            reference_run,
            metric,
            sorted(set(sizes)),
            difference=difference,
            seed=derive_seed(study.seed, "power"),
        )
    except ValueError as error:
        raise UserError(f"power: {error}") from None
    return PowerPlan(run, reference_run, metric, power, difference is None, curve, scans_needed(curve, power))


def read_predictions(folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return a finished study's predictions and facts. Raises `UserError` where it did not finish."""
    facts = read_facts(folder)
    file = folder / "tables" / "predictions.csv"
    if not file.exists():
        raise UserError(f"{file}: the study's predictions are missing; run `cacbench run` again")
    table = read_table(file, "predictions", ("run", "case_id", *NUMBERS))
    for row in table.rows:
        for column in NUMBERS:
            if number(row.cells[column]) is None:
                raise UserError(
                    f"{row.place}: {column} is {row.cells[column]!r}, not a number; run `cacbench run` again"
                )
    return typed(table), facts


def report_of(power_plan: PowerPlan, study: Study) -> Report:
    """Return the report: the answer, the curve and its figure."""
    named = {
        "run": power_plan.run,
        "reference": power_plan.reference_run,
        "metric": power_plan.metric,
        "power": power_plan.power,
        "difference": power_plan.difference,
        "observed": power_plan.observed,
    }
    curve = power_plan.curve.to_dict("records")
    return Report(
        study=study.name,
        name="power",
        folder=Path(study.name) / "power",
        question=f"How many scans would tell {power_plan.run} from {power_plan.reference_run}?",
        lead=f"{power_plan.run} against {power_plan.reference_run}, {power_plan.metric.replace('_', ' ')}.",
        sections=[
            Section("Power by number of scans", power_plan.curve.round(3), figures=["power"], where="page")
        ],
        tables={"power": power_plan.curve},
        facts={
            "study": study.name,
            **named,
            "scans": power_plan.scans,
            "sentences": power_plan.sentences,
            "curve": curve,
        },
        figures={"power": power_figure(power_plan)},
        sentences=power_plan.sentences,
        parameters=named,
        metrics={} if power_plan.scans is None else {"scans_needed": power_plan.scans},
        curves={"power": [(int(row["scans"]), float(row["power"])) for row in curve]},
    )


def power_figure(power_plan: PowerPlan) -> Figure:
    """Draw the curve with its band, the wanted power, and where the curve reaches it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axis = figure.subplots()
    curve = power_plan.curve
    band = (
        "95 % interval of the observed difference"
        if power_plan.observed
        else "95 % interval of the simulation"
    )
    axis.fill_between(
        curve["scans"], curve["low"], curve["high"], color="C0", alpha=0.2, linewidth=0, label=band
    )
    axis.plot(curve["scans"], curve["power"], "o-", color="C0", markersize=3)
    axis.axhline(power_plan.power, color="0.5", linewidth=0.8, linestyle="--")
    if power_plan.scans is not None:
        axis.axvline(power_plan.scans, color="C1", linewidth=1.2)
        axis.annotate(
            f"{power_plan.scans} scans",
            (power_plan.scans, 0.02),
            xytext=(4, 0),
            textcoords="offset points",
            color="C1",
        )
    axis.set(xlabel="scans", ylabel="power", ylim=(0, 1.02), xscale="log")
    axis.set_xticks(curve["scans"], [str(size) for size in curve["scans"]], rotation=45, minor=False)
    axis.minorticks_off()
    axis.grid(color="0.92")
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, fontsize=8, loc="outside lower center")
    axis.set_title(
        f"{power_plan.run} against {power_plan.reference_run}: {100 * power_plan.difference:+.1f} points of "
        f"{power_plan.metric.replace('_', ' ')}",
        fontsize=9,
    )
    return figure


def _check_metric(study: Study, metric: str) -> None:
    if metric not in POWER_METRICS:
        raise UserError(f"--metric {metric}: power is known for {' and '.join(POWER_METRICS)}")
    if metric not in study.target.metrics:
        raise UserError(f"--metric {metric}: undefined for a target of bands; use accuracy")


def _known(option: str, name: str, names: Sequence[str]) -> str:
    if name not in names:
        raise UserError(f"{option} {name}: has no predictions in this study; {did_you_mean(name, names)}")
    return name


def _best(predictions: pd.DataFrame, metric: str, names: Sequence[str]) -> str:
    """Return the run with the best pooled metric, the first of equals."""
    if not names:
        raise UserError("power: the study has predictions of one run alone; two are needed")
    runs = predictions.groupby("run")
    values = {
        name: decided_metric(metric, rows_of_run["label"], rows_of_run["predicted"], rows_of_run["score"])
        for name in names
        for rows_of_run in [runs.get_group(name)]
    }
    return max(names, key=lambda name: values[name])
