"""The report of a robustness study: stable features, accuracy by condition, ranks over the conditions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmark.analyses.robustness.figures import performance_figure, stability_figure
from benchmark.analyses.robustness.performance import rank_table
from benchmark.analyses.robustness.run import Robustness
from benchmark.analyses.robustness.stability import ALL, EXCELLENT, GOOD
from benchmark.analyses.robustness.study import BASE
from benchmark.report.report import Report, Section, with_interval
from benchmark.statistics.comparison.critical_difference import critical_difference_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def report_of(measured: Robustness) -> Report:
    """Return the report of what was measured."""
    base = measured.study.base
    tables = {
        "stability": measured.stability,
        "reliability": measured.reliability,
        "performance": measured.performance,
        "ranks": rank_table(measured.rankings),
        "predictions": measured.predictions,
        "exclusions": measured.exclusions,
    }
    printed = ("stability", "performance", "ranks")
    return Report(
        study=base.name,
        name="robustness",
        folder=Path(base.name) / "robustness",
        question="Which features, and what accuracy, last when the same patients are scanned or segmented again?",
        lead=f"{measured.patients} patients with all features under all conditions.",
        sections=[_stability(measured), _performance(measured), _ranks(measured)],
        tables=tables,
        facts={name: json.loads(tables[name].to_json(orient="records")) for name in printed},
        figures=_figures(measured),
        sentences=_mean_ranks(measured),
        warnings=_warnings(measured),
        parameters=_parameters(measured),
        metrics=_metrics(measured),
        tables_below="tables",
    )


def _figures(measured: Robustness) -> dict[str, Figure]:
    base = measured.study.base
    figures = {
        "stability": stability_figure(measured.stability, base.name),
        "performance": performance_figure(measured.performance, base.compared_metrics, base.name),
    }
    for metric, ranking in measured.rankings.items():
        title = f"{base.name}: {metric.replace('_', ' ')} over the conditions"
        figures[f"ranks_{metric}"] = critical_difference_figure(ranking, title, over="conditions")
    return figures


def _parameters(measured: Robustness) -> dict[str, Any]:
    base = measured.study.base
    conditions = {
        name: {
            "cohort": study.cohort.parameters(),
            "segmenters": {key: plugin.parameters() for key, plugin in study.segmenters.items()},
        }
        for name, study in {"base": base, **measured.study.conditions}.items()
    }
    return {
        "patients": measured.patients,
        "seed": base.seed,
        "protocol": base.protocol.model_dump(mode="json"),
        **conditions,
    }


def _metrics(measured: Robustness) -> dict[str, float]:
    performance = {
        f"{row['metric']}.{row['condition']}.{row['run']}": float(row["value"])
        for row in measured.performance.to_dict("records")
    }
    stable = {
        f"stable.{row['condition']}.{row['extractor']}.{row['family']}": float(row["share_excellent"])
        for row in measured.stability.dropna(subset="share_excellent").to_dict("records")
    }
    return performance | stable


def _stability(measured: Robustness) -> Section:
    rows = [
        {
            "condition": row["condition"],
            "extractor": row["extractor"],
            "features": f"{row['features']}"
            + (f" ({row['undefined']} constant)" if row["undefined"] else ""),
            "median ICC(2,1)": f"{row['median_icc']:.3f}",
            f"≥ {GOOD}": f"{row['share_good']:.2f}",
            f"≥ {EXCELLENT}": f"{row['share_excellent']:.2f}",
        }
        for row in measured.stability[measured.stability["family"] == ALL].to_dict("records")
    ]
    title = f"{measured.study.base.name}: {measured.patients} patients; features against the base scans"
    return Section(title, pd.DataFrame(rows), figures=["stability"])


def _performance(measured: Robustness) -> Section:
    metric = measured.study.base.compared_metrics[0]
    rows = []
    for row in measured.performance[measured.performance["metric"] == metric].to_dict("records"):
        base = row["condition"] == BASE
        change = (row["difference"], row["difference_low"], row["difference_high"])
        rows.append(
            {
                "run": row["run"] if base else "",
                "condition": row["condition"],
                metric: with_interval(row["value"], row["low"], row["high"], method=row["method"]),
                "difference": "" if base else with_interval(*change, sign="+"),
            }
        )
    note = "trained on the base scans alone; 95 % intervals: patients resampled"
    return Section(f"{metric} by condition", pd.DataFrame(rows), note, figures=["performance"])


def _ranks(measured: Robustness) -> Section:
    rank_figures = [f"ranks_{metric}" for metric in measured.rankings]
    return Section("Ranks over the conditions", figures=rank_figures, where="page")


def _mean_ranks(measured: Robustness) -> list[str]:
    return [
        f"mean rank by {metric}: "
        + ", ".join(
            f"{run} {rank:.2f}" for run, rank in ranking.mean_ranks.sort_values(kind="stable").items()
        )
        for metric, ranking in measured.rankings.items()
    ]


def _warnings(measured: Robustness) -> list[str]:
    said = [f"no result for {name}: {reason}" for name, reason in measured.failed.items()]
    if len(measured.exclusions):
        said.append(f"{len(measured.exclusions)} exclusions, see tables/exclusions.csv")
    return said
