"""The default study against a plain script of the same libraries, in parts: its scans, and a fold of all its runs.

Whole, the script takes an hour and more of one core, and three pairs of both half a day. So five scans and three folds
are measured, each in both ways, and taken as often as the study has them. Folds need the features of all scans: the
study must have run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from benchmark.evaluation.fold import FoldTask, evaluate
from benchmark.execution.execution import open_execution
from benchmark.pipeline.cases import identify_cases, list_cases
from benchmark.pipeline.extraction import ExtractionTask, Wanted, extract
from benchmark.pipeline.plan import EvaluationPlan
from benchmark.pipeline.run import plan_study
from benchmark.pipeline.yardsticks import wanted_for_yardsticks
from benchmark.study.reading import read_study
from benchmark.study.study import Study
from tests.performance.pairs import Row, seconds
from tests.performance.plain_script import Values, features_of

SCANS, FOLDS = 5, 3


def rows(results: Path) -> Iterator[Row]:
    """Yield a row for a scan, one for a fold of all runs, and one for the study that is made of them."""
    study = read_study(Path("runs.yaml"))
    with open_execution(results, 1) as execution:
        beside = wanted_for_yardsticks(study, identify_cases(list_cases(study.cohort), execution))
        plan = plan_study(study, execution)
    yield (scan := _scans(study, plan, beside))
    yield (fold := _folds(plan))
    cases = len(study.cohort.cases())
    searches = len(plan.splits) + 1  # a model on all cases is taken as one more fold
    whole = (
        [cases * a + searches * b for a, b in zip(getattr(scan, side), getattr(fold, side), strict=False)]
        for side in ("ours", "theirs")
    )
    what = f"default study cold: {cases} such scans, {searches} such folds"
    yield Row(what, "the plain script", "≥ 4 ×", *whole, "as above")


def _scans(study: Study, plan: EvaluationPlan, beside: list[Wanted]) -> Row:
    wanted = tuple(
        Wanted(name, study.segmenter_of(name), study.extractors[name].extractor)
        for name in plan.features.tables
    )
    chosen = [case for case in study.cohort.cases() if case.case_id in plan.case_ids][: SCANS + 1]
    ours, theirs, apart = [], [], []
    for place, case in enumerate(chosen):
        found: dict[str, dict[str, Values]] = {}

        def here(case=case, found=found):
            made = extract(ExtractionTask(case, (*wanted, *beside))).outcomes
            found["ours"] = {name: _sorted(record["features"]) for name, record in made.items()}

        def scripted(case=case, found=found):
            scan = case.source.load()
            masks = (study.segmenters[name].segment(scan) for name in ("pseudo_label", "reference"))
            found["theirs"] = features_of(scan.image, *masks)

        times = seconds(here), seconds(scripted)
        if place:  # the first loads libraries and weights
            ours.append(times[0])
            theirs.append(times[1])
            apart.append(_apart(found["ours"], found["theirs"]))
    radiomics, angle = np.max(apart, axis=0)
    said = f"radiomics within {radiomics:.0e}, bottleneck's cosine from {1 - angle:.5f} on"
    return Row("all features of a scan of the default study", "the plain script", "–", ours, theirs, said)


def _sorted(features: dict[str, float]) -> Values:
    return np.array([features[name] for name in sorted(features)])


def _apart(ours: dict[str, Values], theirs: dict[str, Values]) -> tuple[float, float]:
    """Return how far radiomics lie apart at most, relatively, and one less the cosine of DenseRAUnet's features."""
    here, there = ours["radiomics"], theirs["radiomics"]
    a, b = ours["denseraunet_features"], theirs["denseraunet_features"]
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    return float((np.abs(here - there) / np.maximum(np.abs(here), 1e-12)).max()), float(1 - cosine)


def _folds(plan: EvaluationPlan) -> Row:
    tasks = plan.fold_tasks()
    ours, theirs, same = [], [], []
    for split in plan.splits[:FOLDS]:
        of_fold = [tasks[run.name, split] for run in plan.runs]
        found: dict[str, list[Values]] = {}

        def here(of_fold=of_fold, found=found):
            found["ours"] = [np.asarray(evaluate(task)["probabilities"]) for task in of_fold]

        def scripted(of_fold=of_fold, found=found):
            found["theirs"] = [_scripted(task) for task in of_fold]

        ours.append(seconds(here))
        theirs.append(seconds(scripted))
        same += [np.array_equal(a, b) for a, b in zip(found["ours"], found["theirs"], strict=True)]
    said = f"predictions equal in {sum(same)} of {len(same)}"
    return Row(f"a fold of all {len(plan.runs)} runs", "the plain script", "–", ours, theirs, said)


def _scripted(task: FoldTask) -> Values:
    """Return the tested cases' probabilities by scikit-learn's search, the same seeds and inner folds."""
    search = GridSearchCV(
        clone(task.classifier.estimator(task.seed)),
        task.classifier.parameter_grid(),
        scoring=task.protocol.scoring,
        cv=task.protocol.inner(task.seed),
    )
    return search.fit(task.X[task.train], task.y[task.train]).predict_proba(task.X[task.test])
