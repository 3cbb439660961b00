"""Writes what was measured to ``results/<study>/robustness/`` and logs it to MLflow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmark.analyses.robustness.figures import performance_figure, stability_figure
from benchmark.analyses.robustness.performance import rank_table
from benchmark.analyses.robustness.run import Robustness
from benchmark.report.picture import write_figure
from benchmark.report.tables import write_tables
from benchmark.report.tracking import logged_run
from benchmark.statistics.comparison.critical_difference import critical_difference_figure


@dataclass(frozen=True)
class Written:
    """The tables by name, and where they and the figures are."""

    tables: dict[str, pd.DataFrame]
    folder: Path
    figures: list[Path]


def finish_robustness(measured: Robustness, results: Path, study_file: Path) -> Written:
    """Write tables and figures, log them, and return them."""
    base = measured.study.base
    folder = results / base.name / "robustness"
    tables = {
        "stability": measured.stability,
        "reliability": measured.reliability,
        "performance": measured.performance,
        "ranks": rank_table(measured.rankings),
        "predictions": measured.predictions,
        "exclusions": measured.exclusions,
    }
    write_tables(tables, folder / "tables")
    figures = {
        "stability": stability_figure(measured.stability, base.name),
        "performance": performance_figure(measured.performance, base.compared_metrics, base.name),
    }
    for metric, ranking in measured.rankings.items():
        title = f"{base.name}: {metric.replace('_', ' ')} over the conditions"
        figures[f"ranks_{metric}"] = critical_difference_figure(ranking, title, over="conditions")
    drawn = [path for name, figure in figures.items() for path in write_figure(figure, folder, name)]
    _log(measured, folder, results, study_file)
    return Written(tables, folder, drawn)


def _log(measured: Robustness, folder: Path, results: Path, study_file: Path) -> None:
    base = measured.study.base
    conditions = {
        name: {
            "cohort": study.cohort.parameters(),
            "segmenters": {key: plugin.parameters() for key, plugin in study.segmenters.items()},
        }
        for name, study in {"base": base, **measured.study.conditions}.items()
    }
    parameters = {
        "patients": measured.patients,
        "seed": base.seed,
        "protocol": base.protocol.model_dump(mode="json"),
    }
    with logged_run(results, base.name, "robustness", {**parameters, **conditions}) as mlflow:
        mlflow.log_artifact(str(study_file))
        mlflow.log_artifacts(str(folder))
        values = {
            f"{row['metric']}.{row['condition']}.{row['run']}": float(row["value"])
            for row in measured.performance.to_dict("records")
        }
        values |= {
            f"stable.{row['condition']}.{row['extractor']}.{row['family']}": float(row["share_excellent"])
            for row in measured.stability.dropna(subset="share_excellent").to_dict("records")
        }
        mlflow.log_metrics(values)
