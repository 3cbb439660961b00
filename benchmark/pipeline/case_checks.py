"""What is wrong with a study's cases, found before anything is computed: files, grids, and masks that are not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from benchmark.case import Case, Problem
from benchmark.errors import CaseError
from benchmark.execution.execution import Execution, Failure, reason_of
from benchmark.plugins import Segmenter
from benchmark.plugins.base import with_nested
from benchmark.plugins.reports import ReportExtractor
from benchmark.study.study import Study


@dataclass(frozen=True)
class CheckTask:
    """A case to check: which masks its scan must have, by the segmenter that wants each, and those it may have."""

    case: Case
    needed: Mapping[str, tuple[str, ...]]
    known: tuple[str, ...] | None
    """Names of the masks that every scan of the cohort has; None where only the source knows, or nobody."""
    reads_files: bool
    deep: bool


def check_cases(
    study: Study, cases: Sequence[Case], execution: Execution, *, deep: bool = False
) -> dict[str, list[Problem]]:
    """Return everything that would make `run` leave a case out, by case id, as far as headers tell; all others lack it.

    `deep` reads the voxels too, as `run` would, but neither segments nor extracts. A source without the method
    `problems` is asked only then, by `load`.
    """
    needed = _needed_masks(study)
    known, reads = study.cohort.mask_names, study.cohort.reads_files
    tasks = {case.case_id: CheckTask(replace(case, report=""), needed, known, reads, deep) for case in cases}
    found: dict[str, list[Problem]] = {}
    for case_id, problems in execution.do("checked", check_case, tasks):
        if isinstance(problems, Failure):
            problems = [Problem("", problems.reason)]
        if problems:
            found[case_id] = problems
    return {case_id: found[case_id] for case_id in tasks if case_id in found}


def check_case(task: CheckTask) -> list[Problem]:
    """Return what is wrong with one case. Pure: it reads files and writes nothing."""
    return [*(_of_source(task) if task.reads_files else ()), *_of_masks(task)]


def _of_source(task: CheckTask) -> Sequence[Problem]:
    source = task.case.source
    try:
        if (problems := getattr(source, "problems", None)) is not None:
            return list(problems(deep=task.deep))
        if task.deep:
            source.load()
        elif task.case.label is None:  # of a case that cannot be used the label is not known, either
            source.digest()
    except Exception as error:  # a plug-in's fault concerns this case alone, as it would in a run
        return [Problem("", str(error) if isinstance(error, CaseError) else reason_of(error))]
    return []


def _of_masks(task: CheckTask) -> list[Problem]:
    names = getattr(task.case.source, "mask_names", task.known)
    if names is None:
        return []
    has = ", ".join(sorted(names)) or "none"
    return [
        Problem("", f"segmenter {segmenter}: the case has no mask called {mask!r}; it has: {has}")
        for segmenter, masks in task.needed.items()
        for mask in masks
        if mask not in names
    ]


def _needed_masks(study: Study) -> dict[str, tuple[str, ...]]:
    """Return the masks that the segmenters of runs need, by segmenter; a run that cannot be made needs none."""
    extractors = dict.fromkeys(run.extractor for run in study.all_runs())
    used = [
        item.segmenter
        for name in extractors
        if not study.why_no_features(name)
        for item in study.with_beside(name).values()
        if not isinstance(item.extractor, ReportExtractor)
    ]
    return {name: _wanted(study.segmenters[name]) for name in dict.fromkeys(used)}


def _wanted(segmenter: Segmenter) -> tuple[str, ...]:
    parts = (part for part in with_nested(segmenter) if isinstance(part, Segmenter))
    return tuple(dict.fromkeys(mask for part in parts for mask in part.masks_needed))
