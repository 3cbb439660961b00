"""COCA, non-gated chest scans: Stanford's data set with Agatston scores per vessel in a spreadsheet.

The folder is ``deidentified_nongated`` with ``<n>/<n>/IM-*.dcm`` and, in it or beside it, ``scores.xlsx``:
one sheet with the columns ``filename`` (``<n>A``; the published header has a space behind it), ``LCA``, ``LAD``,
``LCX``, ``RCA`` and ``total``. In the published file six totals differ from the sum of their vessels by more than
1, and four of these have a total of 0: their label depends on which of the two is believed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from benchmark.case import Anomaly, Case, ScanSource
from benchmark.cohorts.scan_files import FileScan, UnusableScan
from benchmark.cohorts.segmented import SegmentedCohort
from benchmark.errors import UserError
from benchmark.images.dicom_selection import ANY, SeriesChoice
from benchmark.plugins import Cohort
from benchmark.plugins.paths import StudyPath
from benchmark.table_file import Row, number, read_table

VESSELS = ("LCA", "LAD", "LCX", "RCA")
COLUMNS = ("filename", *VESSELS, "total")
PLACES = ("path", "scores", "segmentations")
TOLERANCE = 1.0
"""How far a total may be from the sum of the vessels: the file's scores are rounded."""


@dataclass(frozen=True)
class _Scored:
    """One scored scan."""

    name: str
    vessels: tuple[float, ...]
    total: float

    @property
    def disagree(self) -> bool:
        """Whether the total is not the sum of the vessels."""
        return abs(sum(self.vessels) - self.total) > TOLERANCE

    @property
    def folder(self) -> str:
        """The name of the scan's folder."""
        return self.name.removesuffix("A")


class CocaNongatedCohort(SegmentedCohort):
    """Non-gated chest scans of COCA with their Agatston scores; a segmentation may be called 12A or 12."""

    libraries: ClassVar[tuple[str, ...]] = ("SimpleITK", "pydicom", "openpyxl")

    path: StudyPath = Field(description="the folder deidentified_nongated")
    scores: StudyPath | None = Field(
        None, description="the spreadsheet; none: scores.xlsx in the folder or beside it"
    )
    disagreement: Literal["exclude", "total", "vessels"] = Field(
        "exclude",
        description="where total and vessels disagree: leave the case out, believe the total, or the vessels' sum",
    )
    series: SeriesChoice = Field(ANY, description="which series of a folder is meant, if it holds several")

    def parameters(self) -> dict[str, Any]:
        """Return the parameters without the paths: the cases carry digests of their files instead."""
        return {name: value for name, value in super().parameters().items() if name not in PLACES}

    def fingerprint(self) -> str:
        """Return the fingerprint, which does not depend on where the files are."""
        return Cohort.fingerprint(
            self.model_copy(update={"path": Path(), "scores": None, "segmentations": None})
        )

    def cases(self) -> list[Case]:
        """List the scored scans in the sheet's order, then those without a score, which are excluded.

        Raises `UserError` naming file, row and remedy.
        """
        if not self.path.is_dir():
            raise UserError(f"{self.path}: no such folder; give the folder deidentified_nongated as `path`")
        rows = list(_rows(self._sheet()))
        known = {row.folder for row in rows}
        others = sorted(path.name for path in self.path.iterdir() if path.is_dir() and path.name not in known)
        unscored = [
            Case(name, UnusableScan(f"folder {name} has no row in the spreadsheet"), group=name)
            for name in others
            if not name.startswith(".")
        ]
        return [*(self._case(row) for row in rows), *unscored]

    def _sheet(self) -> Path:
        places = (
            [self.scores] if self.scores else [self.path / "scores.xlsx", self.path.parent / "scores.xlsx"]
        )
        for place in places:
            if place.is_file():
                return place
        raise UserError(f"{places[0]}: no such file; give the spreadsheet of the scores as `scores`")

    def _case(self, row: _Scored) -> Case:
        by_sum = self.disagreement == "vessels" and row.disagree
        score = sum(row.vessels) if by_sum else row.total
        case = Case(
            case_id=row.name,
            source=self._source(row),
            label=int(score > 0),
            cac_score=score,
            group=row.folder,
            patient=row.folder,
            protocol="chest",
            contrast=False,
            anomalies=_anomalies(row),
        )
        return self._segmented(case)

    def _names(self, case: Case) -> tuple[str, str]:
        return case.case_id, case.group

    def _source(self, row: _Scored) -> ScanSource:
        if row.disagree and self.disagreement == "exclude":
            return UnusableScan(
                f"the total {row.total:g} is not the sum of the vessels, {sum(row.vessels):g}; "
                "choose by `disagreement: total` or `disagreement: vessels`"
            )
        folder = self.path / row.folder
        if not folder.is_dir():
            return UnusableScan(f"row {row.name} has no scan: no folder {row.folder}")
        inner = folder / row.folder
        return FileScan(inner if inner.is_dir() else folder, series=self.series)


def _anomalies(row: _Scored) -> tuple[Anomaly, ...]:
    if not row.disagree:
        return ()
    numbers = f"total {row.total:g}, sum of the vessels {sum(row.vessels):g}"
    flips = (row.total > 0) != (sum(row.vessels) > 0)
    found = (Anomaly("total is not the sum of the vessels", numbers),)
    return (*found, Anomaly("label depends on total or vessels", numbers)) if flips else found


def _rows(file: Path) -> Iterator[_Scored]:
    """Yield the rows of the first sheet. Raises `UserError`."""
    seen: set[str] = set()
    for row in read_table(file, "scores", COLUMNS).rows:
        scored = _scored(row)
        if scored.name in seen:
            raise UserError(f"{row.place}: {scored.name} is there twice; remove one")
        seen.add(scored.name)
        yield scored


def _scored(row: Row) -> _Scored:
    name = row.cells["filename"]
    if not name:
        raise UserError(f"{row.place}: no filename; give it one or remove the row")
    *vessels, total = (_score(row, column) for column in COLUMNS[1:])
    return _Scored(name, tuple(vessels), total)


def _score(row: Row, column: str) -> float:
    text = row.cells[column]
    score = number(text)
    if score is None or score < 0:
        shown = "empty" if not text else repr(text) if score is None else text
        raise UserError(f"{row.place}: {column} is {shown}, not a score from 0 up; correct it")
    return score
