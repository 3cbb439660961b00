"""What goes to MLflow: a parent run per execution of a study, a child run per row."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.evaluation.stored_models.skops_file import skops_io
from benchmark.execution.environment import all_packages
from benchmark.pipeline.results import StudyResult
from benchmark.plugins.base import WHOLE, with_nested
from benchmark.report.headline import cohort_hash
from benchmark.report.tracking.destination import Destination
from benchmark.report.tracking.once import code_tags
from benchmark.report.tracking.requirements import requirements_of
from benchmark.report.verdict.sentence import verdict
from benchmark.study.study import Run, Study
from benchmark.table_file import csv_of


def log_study(
    mlflow: Any,
    result: StudyResult,
    tables: dict[str, pd.DataFrame],
    written: Sequence[Path],
    folder: Path,
    where: Destination,
) -> None:
    """Log a finished study into the active run, its rows as children.

    `written` are the files below `folder` that the report wrote (tables, figures, page): the parent's artifacts.
    """
    tags = {**code_tags(), "cohort_hash": cohort_hash(result)}
    mlflow.set_tag("cohort_hash", tags["cohort_hash"])
    sentences = verdict(tables["claims"], tables["methods"], result.tested)
    mlflow.set_tag(
        "mlflow.note.content", "\n\n".join(sentences)
    )  # what MLflow shows as the run's description
    mlflow.log_params(_study_parameters(result))
    mlflow.log_metrics(_headline(tables["methods"]))
    mlflow.log_input(_cohort(mlflow, result, tags["cohort_hash"]), context="cohort")
    if changed := result.study.overrides:
        mlflow.set_tag("cacbench.overrides", changed[:5000])
    log_files(mlflow, written, folder)
    mlflow.log_text("\n".join(all_packages()), "environment/requirements.txt")
    _log_rows(mlflow, result, tables, tags, where.register)
    _log_rules(mlflow, result, tables["methods"], tags)
    for name, reason in result.failed.items():
        with _failed_run(mlflow, name, tags):
            mlflow.set_tag("reason", reason)


def log_parameters(mlflow: Any, parameters: Mapping[str, Any]) -> None:
    """Log parameters into the active run, those of a mapping as ``prefix.key``."""
    for name, value in parameters.items():
        mlflow.log_params(_flat(name, value) if isinstance(value, dict) else {name: str(value)[:500]})


def log_files(mlflow: Any, files: Sequence[Path], folder: Path) -> None:
    """Log `files` below `folder` into the active run: these alone, for another report may lie among them."""
    for file in files:
        place = file.parent.relative_to(folder).as_posix()
        mlflow.log_artifact(str(file), artifact_path=None if place == "." else place)


def _log_rows(
    mlflow: Any, result: StudyResult, tables: dict[str, pd.DataFrame], tags: dict[str, str], register: bool
) -> None:
    data: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # hints about integer columns and requirements, the same for every run
        for run in result.all_runs():
            if run.extractor not in data:
                data[run.extractor] = _data_set(mlflow, result, run.extractor)
            with mlflow.start_run(run_name=run.name, nested=True, tags=tags):
                _log_run(mlflow, result, run, tables, data[run.extractor], register)


def _log_rules(mlflow: Any, result: StudyResult, methods: pd.DataFrame, tags: dict[str, str]) -> None:
    """Log the rules without learning as rows of their own, with the metrics that a run has."""
    for row in methods[methods["kind"] == "rule"].to_dict("records"):
        values = {name: row[name] for name in (*result.study.target.metrics, "skill")}
        with mlflow.start_run(run_name=row["method"], nested=True, tags={**tags, "kind": "rule"}):
            mlflow.log_metrics({name: float(value) for name, value in values.items() if pd.notna(value)})


@contextmanager
def _failed_run(mlflow: Any, name: str, tags: dict[str, str]) -> Iterator[None]:
    mlflow.start_run(run_name=name, nested=True, tags=tags)
    yield
    mlflow.end_run(status="FAILED")


def _study_parameters(result: StudyResult) -> dict[str, Any]:
    study = result.study
    return {
        "seed": study.seed,
        "cases": len(result.case_ids),
        "excluded": len({item.case_id for item in result.features.exclusions}),
        "reference": result.reference_run,
        **_flat("target", study.target.model_dump()),
        **_flat("comparisons", study.comparisons.model_dump(mode="json")),
        **_flat("cohort", study.cohort.parameters()),
        **_flat("protocol", study.protocol.model_dump()),
    }


def _headline(methods: pd.DataFrame) -> dict[str, float]:
    """Return accuracy and skill of each method: MLflow charts what is before the stroke together."""
    learnt = methods[methods["kind"] == "method"].to_dict("records")
    values = {f"{name}/{row['method']}": row[name] for name in ("accuracy", "skill") for row in learnt}
    return {name: float(value) for name, value in values.items() if pd.notna(value)}


def _cohort(mlflow: Any, result: StudyResult, cohort: str) -> Any:
    """Return the compared cases' labels as an MLflow data set; of it MLflow keeps columns, counts and a digest."""
    cases = result.features.cases.loc[result.case_ids]
    codes = result.study.target.codes(cases).astype(float)  # of integers MLflow warns
    labels = pd.DataFrame({"label": codes}, index=cases.index)
    return mlflow.data.from_pandas(
        labels, targets="label", name=f"{result.study.name}.cases", digest=cohort[:8]
    )


def _log_run(
    mlflow: Any, result: StudyResult, run: Run, tables: dict[str, pd.DataFrame], data: Any, register: bool
) -> None:
    """Log one row into the active run: everything small in one batch, then the data set, files and the model."""
    from mlflow.entities import Param, RunTag

    names, plugins = result.study.names_of(run), result.study.plugins_of(run)
    extraction = result.study.extractors[run.extractor]
    names |= {"permuted": "true"} if extraction.permuted else {}
    names |= {"components": str(extraction.components)} if extraction.components else {}
    parameters = {
        **names,
        "train_on": str(extraction.train_on),
        **_flat("protocol", result.study.protocol.model_dump()),
    }
    tags = {}
    for name, plugin in plugins.items():
        parameters |= _flat(name, plugin.parameters())
        tags[f"fingerprint.{name}"] = plugin.fingerprint()
        if weights := plugin.weights_digest():
            tags[f"weights.{name}"] = weights
    methods = _shown(tables, run)["method"]
    tags |= {f"interval.{metric}": str(method) for metric, method in methods.items() if method != "bca"}
    parameters |= _flat("chosen", result.models[run.name].parameters)
    mlflow.MlflowClient().log_batch(
        mlflow.active_run().info.run_id,
        params=[Param(key, value) for key, value in parameters.items()],
        tags=[RunTag(key, value) for key, value in tags.items()],
    )
    mlflow.log_input(data, context="cross-validation")
    for name in ("predictions", "choices"):
        mine = tables[name][tables[name]["run"] == run.name]
        mlflow.log_text(csv_of(mine), f"{name}.csv")
    model = _log_model(mlflow, result, run, register)
    values = {str(name): float(value) for name, value in _shown(tables, run)["value"].items()}
    mlflow.log_metrics(values, step=0, model_id=model, dataset=data)
    # After the values: MLflow compares runs by what was logged first.
    mlflow.MlflowClient().log_batch(mlflow.active_run().info.run_id, metrics=_metrics(result, run, tables))


def _metrics(result: StudyResult, run: Run, tables: dict[str, pd.DataFrame]) -> list[Any]:
    """Return the ends of the intervals, the fold metrics as steps, and the cost of extraction.

    MLflow's charts show what is before a stroke as a part of their own, which can be closed.
    """
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    pooled = _shown(tables, run)
    values: dict[str, float] = {}
    for end in ("low", "high"):
        values |= {f"interval/{name}_{end}": number for name, number in pooled[end].dropna().items()}
    gained = tables["skill"].loc[tables["skill"]["run"] == run.name, "skill"]
    values |= dict(zip(["skill"], gained, strict=False))  # nothing without rules
    values["extraction_seconds_per_case"] = result.features.seconds[run.extractor]
    segmenter = result.study.extractors[run.extractor].segmenter
    for severity in ("severe", "notable"):
        values[f"cases_warned_{severity}"] = result.features.cases_warned(segmenter, severity)
    folds = result.folds.loc[result.folds["run"] == run.name, list(result.study.target.metrics)]
    steps = [
        Metric(f"fold_{name}", float(value), now, step)
        for step, scores in enumerate(folds.to_dict("records"))
        for name, value in scores.items()
    ]
    return [*(Metric(str(name), float(value), now, 0) for name, value in values.items()), *steps]


def _shown(tables: dict[str, pd.DataFrame], run: Run) -> pd.DataFrame:
    """Return the run's intervals that are shown, by metric."""
    table = tables["intervals"]
    return table[table["shown"] & (table["run"] == run.name)].set_index("metric")


def _data_set(mlflow: Any, result: StudyResult, extractor: str) -> Any:
    """Return the table that the extractor's runs learnt from, with its labels, as an MLflow data set."""
    table = result.features.tables[extractor].loc[result.case_ids]
    labelled = table.assign(label=result.study.target.codes(result.features.cases.loc[table.index]))
    return mlflow.data.from_pandas(labelled, targets="label", name=f"{result.study.name}.{extractor}")


def _log_model(mlflow: Any, result: StudyResult, run: Run, register: bool = False) -> str:
    """Log the run's pipeline, fitted on all cases, and return MLflow's id of the model.

    `mlflow models predict` on a features CSV gives probabilities.
    """
    from mlflow.models import infer_signature

    skops = skops_io()
    content = result.models[run.name].content
    trusted = _trusted_types(skops.get_untrusted_types(data=content), result.study, run)
    pipeline = skops.loads(content, trusted=trusted)
    # enough to know the columns, or the shape
    some = result.features.learnt_from(run.extractor, result.study.learner(run), result.case_ids[:5])
    if isinstance(some, pd.DataFrame) and WHOLE in getattr(pipeline, "feature_names_in_", ()):
        some = some.assign(**{WHOLE: 0.0})
    logged = mlflow.sklearn.log_model(
        pipeline,
        name="model",
        signature=infer_signature(some, pipeline.predict_proba(some)),
        pyfunc_predict_fn="predict_proba",
        serialization_format="skops",
        skops_trusted_types=trusted,
        metadata={"labels": pipeline.classes_.tolist()},
        registered_model_name=f"{result.study.name}.{run.extractor}.{run.classifier}" if register else None,
        pip_requirements=requirements_of(trusted),
    )
    return str(logged.model_id)


def _trusted_types(named: list[str], study: Study, run: Run) -> list[str]:
    """Return the types a model file names, if all come from the libraries this classifier is known to use."""
    own = {type(plugin).__module__.partition(".")[0] for plugin in with_nested(study.learner(run))}
    known = {"sklearn", "xgboost", "lightgbm", "numpy", "scipy", "collections", *own}
    strange = [name for name in named if name.partition(".")[0] not in known]
    if strange:
        raise ValueError(f"the stored model of {run.name} names unexpected types: {', '.join(strange)}")
    return named


def _flat(prefix: str, content: dict[str, Any]) -> dict[str, str]:
    """Return nested parameters as MLflow's flat ones: ``prefix.key`` to text of at most 500 characters."""
    return {
        f"{prefix}.{key}": (json.dumps(value) if isinstance(value, (dict, list)) else str(value))[:500]
        for key, value in content.items()
    }
