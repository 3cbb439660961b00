"""A run that is filled while work goes on, and survives that MLflow cannot be reached."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from benchmark.execution.environment import machine
from benchmark.report.tracking.database import experiment_id, failures, first_line, open_tracking
from benchmark.report.tracking.destination import Destination
from benchmark.report.tracking.once import code_tags
from benchmark.report.tracking.runs import log_parameters

Log = Callable[[Callable[[Any], object]], None]
"""Does something with the module mlflow in the open run; nothing more after the first failure."""


@contextmanager
def live_run(
    where: Destination, experiment: str, run_name: str, parameters: Mapping[str, Any]
) -> Iterator[Log]:
    """Open a run with its parameters, code versions and machine; yield what logs into it.

    The first failure of MLflow is told on standard error; from then on nothing is logged, and the work goes on.
    """
    opened: list[Any] = []
    lost = False

    def attempt(work: Callable[[], object]) -> None:
        nonlocal lost
        try:
            if not lost:
                work()
        except failures() as error:
            lost = True
            told = f"MLflow: nothing is logged to {where.place} from now on ({first_line(error)})"
            print(told, file=sys.stderr)

    def begin() -> None:
        mlflow = open_tracking(where)
        home = experiment_id(mlflow, where.experiment or experiment, where)
        mlflow.set_experiment(experiment_id=home)
        mlflow.start_run(run_name=run_name, tags=code_tags(), nested=mlflow.active_run() is not None)
        opened.append(mlflow)
        log_parameters(mlflow, parameters)
        mlflow.log_dict(machine(), "environment/machine.json")

    attempt(begin)
    status = "FAILED"
    try:
        yield lambda work: attempt(lambda: work(opened[0]))
        status = "FINISHED"
    finally:
        if opened and lost:
            # It would stay MLflow's active run, and no other could be opened.
            with suppress(*failures()):
                opened[0].end_run("FAILED")
        elif opened:
            attempt(lambda: opened[0].end_run(status))
