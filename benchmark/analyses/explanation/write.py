"""Finishes an explanation: tables and figures under ``results/<study>/explain/<run>/``, logged to MLflow."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.analyses.explanation.explain import Explanation, importance_metrics
from benchmark.analyses.explanation.figures import ablation_figure, importance_figure, shap_figure
from benchmark.report.picture import write_figure
from benchmark.report.tables import write_tables
from benchmark.report.tracking import logged_run


@dataclass(frozen=True)
class Written:
    """Where an explanation is, and its facts for programs."""

    folder: Path
    facts: dict[str, Any]


def finish_explanation(found: Explanation, results: Path) -> Written:
    """Write and log tables and figures; return what the command line shows."""
    folder = results / found.study.name / "explain" / found.run.name.replace("/", "_")
    write_tables(found.tables, folder)
    _write_figures(found, folder)
    _log(found, folder, results)
    return Written(folder, _facts(found))


def _write_figures(found: Explanation, folder: Path) -> None:
    title = f"{found.study.name}, {found.run.name}"
    metric = importance_metrics(found.study)[-1]
    ablation, importance = found.tables["ablation"], found.tables["importance"]
    if len(ablation["kept"].unique()) > 1:
        write_figure(ablation_figure(ablation, "accuracy", title), folder, "ablation")
    write_figure(importance_figure(importance, metric, title), folder, "importance")
    if "shap" not in found.tables:
        return
    table, summary = found.tables["shap"], found.tables["shap_summary"]
    explained = list(dict.fromkeys(table["explained"]))
    for place, name in enumerate(explained):
        rows, largest = (part[part["explained"] == name] for part in (table, summary))
        figure = shap_figure(rows, largest, found.features, title)
        write_figure(figure, folder, "shap" if len(explained) == 1 else f"shap_{place}")


def _log(found: Explanation, folder: Path, results: Path) -> None:
    parameters = {
        "run": found.run.name,
        "seed": found.study.seed,
        "target": found.study.target.use,
        "protocol": found.study.protocol.model_dump(mode="json"),
    }
    with logged_run(results, found.study.name, f"explain {found.run.name}", parameters) as mlflow:
        mlflow.log_artifacts(str(folder))
        for row in found.tables["stability"].dropna(subset="stability").to_dict("records"):
            mlflow.log_metric("stability", row["stability"])
        for row in found.tables["ablation"].dropna(subset="value").to_dict("records"):
            name = ".".join(filter(None, ("ablation", row["family"], row["kept"], row["metric"])))
            mlflow.log_metric(name, row["value"])


def _facts(found: Explanation) -> dict[str, Any]:
    tables = {
        name: json.loads(table.to_json(orient="records", double_precision=15))
        for name, table in found.tables.items()
        if name != "shap"
    }
    return {"study": found.study.name, "run": found.run.name, "notes": found.notes, **tables}
