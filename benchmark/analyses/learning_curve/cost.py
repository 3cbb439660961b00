"""What a run costs on this machine: processor seconds for a scan and for a fit, and the energy if it is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from benchmark.analyses.learning_curve.energy import EnergyMeter
from benchmark.case import Case
from benchmark.errors import CaseError
from benchmark.evaluation.fold import FoldTask, evaluate
from benchmark.execution.environment import machine
from benchmark.execution.execution import Execution
from benchmark.execution.store import JSON
from benchmark.pipeline.plan import EvaluationPlan
from benchmark.plugins.fingerprint import code_digest, digest_of
from benchmark.plugins.reports import ReportExtractor
from benchmark.study.study import Run, Study

COST = ("run", "scan_cpu_s", "scan_joule", "scans", "fit_cpu_s", "fit_joule")


@dataclass(frozen=True)
class Spent:
    """Processor seconds of this process and its libraries' threads, and the machine's joules if it tells them."""

    seconds: float
    joules: float | None


def spent(work: Callable[[], object], meter: EnergyMeter) -> Spent:
    """Do the work here, and return what it took."""
    before, begin = meter.read(), time.process_time()
    work()
    return Spent(time.process_time() - begin, meter.joules_since(before))


def cost_of_runs(
    plan: EvaluationPlan, runs: Sequence[Run], cases: Sequence[Case], meter: EnergyMeter, execution: Execution
) -> pd.DataFrame:
    """Return a row per run, `COST`: means over the scans, read, segmented and extracted anew; one fit of a whole fold.

    The first scan is done twice and counted once: before it, libraries and weights are loaded. A fit chooses among the
    grid's points by the inner folds, as the study's do. Measured once for each kind of machine and kept in the store,
    in this process, one after the other: a counter of energy does not know whose work it counts.
    """
    extractions = list(dict.fromkeys(run.extractor for run in runs))
    by_extraction = {}
    with execution.progress("cost", len(extractions) + len(runs)) as advance:
        for name in extractions:
            key = _key([_made_of(plan.study, name), [case.source.digest() for case in cases]], meter)
            by_extraction[name] = _kept(execution, key, partial(_of_scans, plan.study, name, cases, meter))
            advance()
        rows = []
        for run in runs:
            task = plan.task(run, plan.splits[0])
            fit = _kept(execution, _key(task.key(), meter), partial(_of_fit, task, meter))
            rows.append({"run": run.name, **by_extraction[run.extractor], **fit})
            advance()
    numbers = dict.fromkeys((name for name in COST if name not in ("run", "scans")), "Float64")
    return pd.DataFrame(rows, columns=list(COST)).astype(numbers)


def _kept(execution: Execution, key: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    if (record := execution.store.get("cost", key, JSON)) is None:
        record = measure()
        execution.store.put("cost", key, record, JSON)
    return dict(record)


def _key(what: Any, meter: EnergyMeter) -> str:
    return digest_of([what, machine()["processor"], bool(meter.counters), code_digest(__name__)])


def _made_of(study: Study, name: str) -> list[list[str]]:
    return [
        [study.segmenters[item.segmenter].fingerprint(), item.extractor.fingerprint()]
        for item in study.with_beside(name).values()
    ]


def _of_fit(task: FoldTask, meter: EnergyMeter) -> dict[str, Any]:
    fit = spent(lambda: evaluate(task), meter)
    return {"fit_cpu_s": fit.seconds, "fit_joule": fit.joules}


def _of_scans(study: Study, name: str, cases: Sequence[Case], meter: EnergyMeter) -> dict[str, Any]:
    """Return the mean seconds and joules of a scan, and of how many; a case that drops out counts for none."""
    taken = []
    for place, case in enumerate([*cases[:1], *cases]):
        try:
            one = spent(partial(_extract, study, name, case), meter)
        except CaseError:
            continue
        taken += [one] if place else []
    joules = [one.joules for one in taken if one.joules is not None]
    return {
        "scan_cpu_s": float(np.mean([one.seconds for one in taken])) if taken else None,
        "scan_joule": float(np.mean(joules)) if joules else None,
        "scans": len(taken),
    }


def _extract(study: Study, name: str, case: Case) -> None:
    """Do for one case what an extraction needs, that of its neighbour `beside` included."""
    for extraction in study.with_beside(name).values():
        extractor = extraction.extractor
        if isinstance(extractor, ReportExtractor):
            extractor.read(case.report)
            continue
        scan = case.source.load()
        extractor.extract(scan.image, study.segmenters[extraction.segmenter].segment(scan))
