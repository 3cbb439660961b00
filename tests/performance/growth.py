"""How a study grows with its cases: time and memory of planning, judging and reporting made-up records, in MB and s.

Each size runs in a process of its own, whose peak memory is its own: ``python -m tests.performance.growth CASES``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from benchmark.execution.environment import peak_memory_mb

SIZES = (100, 1_000, 10_000, 100_000)
STUDY = """
name: growth
cohort: {use: phantom, zero: 94, nonzero: 88}
segmenters: {reference: {}}
extractors:
  one: {use: radiomics, segmenter: reference}
  two: {use: radiomics, segmenter: reference, bin_width: 10}
classifiers: {logistic_regression: {}, lightgbm: {}}
"""


def measure(cases: int, columns: int = 100) -> dict[str, float]:
    """Return seconds and peak memory (MB) of each step for 4 runs on so many cases."""
    from benchmark.pipeline.plan import plan_evaluation
    from benchmark.pipeline.results import Features, StudyResult
    from benchmark.pipeline.run import _choices
    from benchmark.report.study_report import report_of
    from benchmark.study.reading import read_study

    with TemporaryDirectory() as folder:
        file = Path(folder, "growth.yaml")
        file.write_text(STUDY)
        study = read_study(file)
    random = np.random.default_rng(0)
    about = _cases(random, cases)
    names = [f"feature {place}" for place in range(columns)]
    tables = {
        name: pd.DataFrame(random.normal(size=(cases, columns)), about.index, names)
        for name in study.extractors
    }
    begin = time.perf_counter()
    plan = plan_evaluation(study, Features(about, tables, [], {}, dict.fromkeys(tables, 0.1)))
    tasks = plan.fold_tasks()
    planned = time.perf_counter()
    found = {"cases": cases, "tasks": len(tasks), "plan_s": planned - begin, "plan_mb": peak_memory_mb()}
    records = {place: _record(random, plan.labels[task.test]) for place, task in tasks.items()}
    begin = time.perf_counter()
    predictions = plan.predictions(records)
    folds = plan.fold_scores(predictions)
    result = StudyResult(study, plan.features, plan.case_ids, folds, predictions, _choices(records), {})
    report_of(result)
    return found | {"report_s": time.perf_counter() - begin, "report_mb": peak_memory_mb()}


def in_own_process(cases: int) -> dict[str, float]:
    """Return what `measure` does, measured in a new process."""
    command = [sys.executable, "-m", "tests.performance.growth", str(cases)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _cases(random: np.random.Generator, cases: int) -> pd.DataFrame:
    names = [f"case-{place:06d}" for place in range(cases)]
    label = random.integers(0, 2, cases)
    columns = {
        "label": label,
        "cac_score": label * random.gamma(1, 50, cases),
        "group": "",
        "protocol": "cardiac",
    }
    return pd.DataFrame(columns | {"contrast": "off", "patient": names}, pd.Index(names, name="case_id"))


def _record(random: np.random.Generator, label: np.ndarray) -> dict[str, object]:
    positive = 1 / (1 + np.exp(-(label - 0.5 + random.normal(size=len(label)))))
    probabilities = np.stack([1 - positive, positive], axis=1).tolist()
    return {
        "parameters": {},
        "inner_score": 0.7,
        "kept": [],
        "threshold": 0.5,
        "probabilities": probabilities,
    }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
