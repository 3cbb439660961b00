"""Pictures of the hardest cases: what the methods were given, and where the calcium is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING

import pandas as pd

from benchmark.case import Case, Scan
from benchmark.errors import CaseError
from benchmark.execution.execution import Execution
from benchmark.execution.store import as_bytes
from benchmark.pipeline.regions import Regions
from benchmark.pipeline.results import StudyResult
from benchmark.plugins import Segmenter
from benchmark.plugins.fingerprint import code_digest, digest_of
from benchmark.report.cases.hard import hard_cases
from benchmark.report.cases.lesion_montage import OUTLINES, Look, lesion_montage
from benchmark.report.verdict.methods import methods_of

if TYPE_CHECKING:
    import SimpleITK as sitk

MOST = 6
LESIONS = "lesions"
DENSE_HU = 130
TRUE = Look("True lesions", "true calcium", most=3, field_mm=40, filled=False, columns=4)
DENSE = Look(
    f"Places of {DENSE_HU} HU and more in the first region",
    f"{DENSE_HU} HU and more",
    most=3,
    field_mm=40,
    filled=False,
    columns=4,
)
PNG = as_bytes("png")


@dataclass(frozen=True)
class PictureTask:
    """A case and the named segmenters whose regions are drawn in it."""

    case: Case
    scan: str
    """The scan's digest."""
    segmenters: Mapping[str, Segmenter]
    regions: Regions = field(default_factory=Regions)
    """What expensive segmenters found in it before."""

    def key(self) -> str:
        """Return the SHA-256 of all that decides the picture."""
        drawn = [[name, segmenter.fingerprint()] for name, segmenter in self.segmenters.items()]
        return digest_of([self.scan, drawn, code_digest(__name__), version("matplotlib")])


def pictures_of_hard_cases(result: StudyResult, execution: Execution) -> dict[str, bytes]:
    """Return a PNG by case id of the hardest cases, up to six; one that cannot be drawn is left out."""
    hard = [str(case_id) for case_id in hard_cases(result, methods_of(result))["case_id"][:MOST]]
    drawn = dict(list(segmenters_of(result).items())[: len(OUTLINES)])
    tasks = {
        name: PictureTask(*parts) for name, parts in parts_of_tasks(result, execution, hard, drawn).items()
    }
    pictures = execution.records("pictures", draw, tasks, PNG).records
    return {case_id: pictures[case_id] for case_id in hard if case_id in pictures}


def parts_of_tasks(
    result: StudyResult, execution: Execution, case_ids: Sequence[str], drawn: Mapping[str, Segmenter]
) -> dict[str, tuple[Case, str, Mapping[str, Segmenter], Regions]]:
    """Return by case id what a task to draw a case is made of: the fields of a `PictureTask`."""
    parts = {}
    for case in result.study.cohort.cases() if case_ids else ():
        if case.case_id in case_ids:
            scan = case.source.digest()
            parts[case.case_id] = case, scan, drawn, Regions.load(execution.store, scan, drawn.values())
    return parts


def captions(hard: pd.DataFrame, case_ids: Sequence[str], methods: Sequence[str]) -> list[str]:
    """Return of each of the cases what is true of it and what each method called it."""
    rows = hard.set_index("case_id")
    said = []
    for case_id in case_ids:
        row = rows.loc[case_id]
        score = "" if pd.isna(row.get("cac_score")) else f", Agatston score {row['cac_score']:.0f}"
        known = "".join(f", {row[name]}" for name in ("group", "protocol") if row.get(name))
        contrast = ", with contrast medium" if row.get("contrast") == "on" else ""
        called = "; ".join(f"{name}: {row[name]}" for name in methods)
        wrong = f"{row['wrong']} of {row['methods']} wrong"
        said.append(f"{case_id}: truly {row['truth']}{score}{known}{contrast}; {wrong}. {called}.")
    return said


def draw(task: PictureTask) -> bytes:
    """Return the picture of a case. Raises `CaseError`."""
    scan = task.case.source.load()
    task.regions.lend_to(scan)
    regions = {}
    for name, segmenter in task.segmenters.items():
        try:
            regions[name] = segmenter.segment(scan)
        except CaseError:  # another segmenter's region is shown all the same
            continue
    calcium, look = _calcium(scan, next(iter(regions.values()), None))
    return lesion_montage(scan.image, calcium, regions, task.case.case_id, look=look)


def _calcium(scan: Scan, region: sitk.Image | None) -> tuple[sitk.Image, Look]:
    """Return the true lesions; where there are none, what is dense in a region and may be taken for them."""
    import SimpleITK as sitk

    lesions = scan.masks.get(LESIONS)
    if lesions is not None and sitk.GetArrayViewFromImage(lesions).any():
        return lesions, TRUE
    dense = scan.image >= DENSE_HU
    return dense * 0 if region is None else dense & (region > 0), DENSE


def segmenters_of(result: StudyResult) -> dict[str, Segmenter]:
    """Return the segmenters of the extractors that have results, the yardsticks' region first."""
    study = result.study
    extractors = dict.fromkeys(run.extractor for run in result.all_runs())
    names = dict.fromkeys([study.region, *(study.extractors[name].segmenter for name in extractors)])
    return {name: study.segmenters[name] for name in names}
