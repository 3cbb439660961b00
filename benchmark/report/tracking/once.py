"""A finished analysis is logged once: what broke off is made up, what is there already is only referred to."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.execution.environment import git_commit, versions
from benchmark.execution.store import write_atomically
from benchmark.plugins.fingerprint import digest_of
from benchmark.report.tracking.database import experiment_id, failures, first_line, open_tracking
from benchmark.report.tracking.destination import Destination, without_credentials
from benchmark.report.tracking.turns import turn

RESULT = "cacbench.result"
"""Tag of a parent run: the digest of the results it holds."""
REPEAT = "cacbench.repeat_of"
"""Tag of a run of the same results as another one: that run's id."""


@dataclass(frozen=True)
class Finished:
    """An analysis that is to be logged."""

    experiment: str
    name: str
    result: str
    """Digest of its results."""
    repeats: bool
    """Whether nothing was computed in this execution."""
    attempt: Path
    """A file that names the run while it is being written, so that the next start finds one that broke off."""
    began: float
    """When the analysis began, in seconds since 1970."""


@dataclass(frozen=True)
class Logged:
    """What people are told of the logging: where the run is, or why it is not there."""

    place: str = ""
    warning: str = ""


NOWHERE = Logged()
PATIENCE_S = 300
"""How long another process may log the same analysis, in seconds: models of a large study take a while."""


def log_once(where: Destination, finished: Finished, fill: Callable[[Any], None]) -> Logged:
    """Log an analysis as a parent run that `fill` fills, given the module mlflow.

    A repeat of results that are logged already gets a run that names the other one, and nothing else. So do the same
    results of another process that was at work at the same time and done before this one. A failure of MLflow is
    returned as a warning, for the results lie on disk; the next start removes what it left and logs again.
    """
    try:
        # Or of two that log the same at once each would take the other's run for one that broke off.
        with turn(finished.attempt.with_suffix(".lock"), "the logging of this analysis", PATIENCE_S):
            return _log(where, finished, fill)
    except failures() as error:
        return Logged(
            warning=f"MLflow: not logged to {where.place} ({first_line(error)}); the results are complete on disk, and "
            "the same command logs them when it is started again"
        )


def why_unusable(where: Destination) -> str:
    """Return why nothing can be logged to `where` now; empty where it can."""
    try:
        open_tracking(where)
    except failures() as error:
        return (
            f"MLflow: {where.place} cannot be used now ({first_line(error)}); the results are made and "
            "written all the same, and logging is tried again then"
        )
    return ""


def code_tags() -> dict[str, str]:
    """Return the tags of every parent run: versions and commit of the code."""
    commit = git_commit()
    tags = {f"version.{name}": value for name, value in versions().items()} | {"git_commit": commit}
    # MLflow's own name for it, which its page links; it looks for a checkout around the started script.
    return tags | ({"mlflow.source.git.commit": commit.removesuffix("-dirty")} if commit else {})


def _log(where: Destination, finished: Finished, fill: Callable[[Any], None]) -> Logged:
    mlflow = open_tracking(where)
    experiment = experiment_id(mlflow, where.experiment or finished.experiment, where)
    mlflow.set_experiment(experiment_id=experiment)
    _discard_broken(mlflow, experiment, finished.attempt, where)
    earlier = _logged_before(mlflow, experiment, finished)
    tags = {**code_tags(), RESULT: finished.result}
    name = f"{finished.name} (repeat)" if earlier else finished.name
    begun = _begin(mlflow, experiment, name, tags, finished.began)
    with mlflow.start_run(run_id=begun, nested=mlflow.active_run() is not None) as run:
        run_id = str(run.info.run_id)
        attempt = {"place": _place_digest(where), "run": run_id}
        write_atomically(finished.attempt, json.dumps(attempt).encode())
        if earlier:
            mlflow.set_tags({REPEAT: earlier, "mlflow.note.content": f"The same results as run {earlier}."})
        else:
            fill(mlflow)
    finished.attempt.unlink(missing_ok=True)
    said = f"a repeat of run {earlier}" if earlier else f"run {run_id}"
    named = where.experiment or finished.experiment
    return Logged(f"MLflow: {said} of experiment {named}, {where.seen_by(experiment, earlier or run_id)}")


def _begin(mlflow: Any, experiment: str, name: str, tags: Mapping[str, str], began: float) -> str:
    """Make a run whose duration is the analysis' and not the logging's; return its id."""
    from mlflow.tracking.context.registry import resolve_tags

    # Whoever calls this from Python may have a run of his own open.
    around = mlflow.active_run()
    parent = {"mlflow.parentRunId": around.info.run_id} if around is not None else {}
    run = mlflow.MlflowClient().create_run(
        experiment, start_time=int(1000 * began), tags=resolve_tags({**tags, **parent}), run_name=name
    )
    return str(run.info.run_id)


def _logged_before(mlflow: Any, experiment: str, finished: Finished) -> str:
    """Return the id of a run that holds the same results; empty if there is none.

    Where something was computed in this execution, runs that ended before it began do not count: it is logged again.
    """
    since_ms = 0.0 if finished.repeats else 1000 * finished.began
    query = f"tags.`{RESULT}` = '{finished.result}' AND attributes.status = 'FINISHED'"
    found = mlflow.MlflowClient().search_runs([experiment], query, order_by=["attributes.start_time"])
    held = (run for run in found if REPEAT not in run.data.tags and run.info.end_time >= since_ms)
    return next((str(run.info.run_id) for run in held), "")


def _discard_broken(mlflow: Any, experiment: str, attempt: Path, where: Destination) -> None:
    """Delete the run, with children and models, that an earlier start did not finish in the same place."""
    try:
        broken = json.loads(attempt.read_text())
    except (FileNotFoundError, ValueError):
        return
    if broken["place"] != _place_digest(where):
        return
    client = mlflow.MlflowClient()
    query = f"tags.`mlflow.parentRunId` = '{broken['run']}'"
    runs = [run.info.run_id for run in client.search_runs([experiment], query)]
    for run in runs:
        for model in client.search_logged_models([experiment], filter_string=f"source_run_id = '{run}'"):
            client.delete_logged_model(model.model_id)
    for run in [*runs, broken["run"]]:
        try:
            client.delete_run(run)
        except mlflow.MlflowException:
            continue  # somebody deleted it for good, or the experiment is another one now
    attempt.unlink()


def _place_digest(where: Destination) -> str:
    """Return what tells places apart; of the database beside the results nothing, for it moves with them."""
    return "" if where.embedded else digest_of(without_credentials(where.uri))
