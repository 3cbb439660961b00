"""A cohort declared by a CSV file: one line per case, with its image and whatever is known of it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from benchmark.case import Case
from benchmark.cohorts.reports import report_of
from benchmark.cohorts.scan_files import FileScan, nameless
from benchmark.cohorts.segmented import SegmentedCohort
from benchmark.errors import CaseError, UserError
from benchmark.images.dicom_selection import ANY, SeriesChoice
from benchmark.plugins import Cohort
from benchmark.plugins.declaration import Once, did_you_mean
from benchmark.plugins.paths import StudyPath
from benchmark.table_file import Row, Table, number, read_table

REQUIRED = ("case_id", "image")
COLUMNS = (
    *REQUIRED,
    "cac_score",
    "label",
    "mask",
    "segmentation",
    "patient",
    "group",
    "protocol",
    "contrast",
    "report",
    "report_file",
)
PLACES = ("path", "segmentations")
"""Parameters that say where files lie: the cases carry digests of the files instead."""
MASK_PREFIX = "mask_"
MISSPELT = {"score": "cac_score", "agatston": "cac_score", **{name: name for name in COLUMNS}}
"""What a column is probably called that is nearly one of these."""
NAMED_AT_MOST = 20
"""Columns that are not used, of those that are named."""
ALIKE = 0.8
"""How much of two names must agree (difflib) for one to be the other misspelt: `age` is 0.75 of `image`."""
CONTRAST = {"yes": True, "no": False, "1": True, "0": False, "true": True, "false": False, "": None}


class ManifestCohort(SegmentedCohort):
    """Cases listed in a CSV, or in an xlsx file: ``case_id``, ``image`` and any of ``cac_score``, ``label``, ``mask``.

    Further columns are ``patient`` (the same for several scans of one, whom no split and no resampling parts; filled in
    on every line or on none), ``group`` (scanner or site, which a study may keep together), ``protocol``, ``contrast``
    (yes or no), ``report`` (the radiologist's text) or ``report_file`` (a text file with it), ``mask_<name>`` for other
    structures (``mask_lesions``, ``mask_heart``), and ``segmentation``, the case's file if it is not called after the
    case in the folder `segmentations`. Any other column is carried beside the features if ``covariates`` names it, and
    else left, which is said. Relative paths start from the CSV's folder. An
    image is a NIfTI, NRRD, MHD or MHA file or the folder of a DICOM series. Without a label it is derived from the
    score: 1 for a score above 0. An empty cell means unknown; to extract features neither is needed.
    """

    libraries: ClassVar[tuple[str, ...]] = ("SimpleITK", "pydicom")

    path: StudyPath = Field(description="the CSV file; a relative path starts from the study file's folder")
    resample_mask: bool = Field(
        False, description="resample a mask that is on another grid than its image (nearest neighbour)"
    )
    series: SeriesChoice = Field(
        ANY, description="which series of a DICOM folder is meant, if it holds several"
    )
    read_tags: bool = Field(
        False, description="take protocol and contrast from the DICOM headers where the CSV leaves them empty"
    )
    covariates: Annotated[tuple[str, ...], Once] = Field(
        (),
        description="columns of one's own, such as [age, sex], to carry beside the features; not learnt from",
    )

    def parameters(self) -> dict[str, Any]:
        """Return the parameters without the path: the cases carry digests of their files instead."""
        return {name: value for name, value in super().parameters().items() if name not in PLACES}

    def fingerprint(self) -> str:
        """Return the fingerprint, which does not depend on where the files are."""
        return Cohort.fingerprint(self.model_copy(update={"path": Path(), "segmentations": None}))

    def cases(self) -> list[Case]:
        """List the cases in the file's order. Raises `UserError` naming the file, the line and the remedy."""
        table = self._table()
        seen: dict[str, int] = {}
        cases = []
        for row in table.rows:
            case = self._case(row)
            if case.case_id in seen:
                what = f"case_id {case.case_id!r} is already on line {seen[case.case_id]}; make it unique"
                raise _error(row, what)
            seen[case.case_id] = row.line
            cases.append(case)
        if not cases:
            raise UserError(f"{self.path}: lists no case; add one line per case below the header")
        nameless = [row for row, case in zip(table.rows, cases, strict=True) if not case.patient]
        if 0 < len(nameless) < len(cases):
            what = (
                "patient is empty, and given on other lines; write the case_id there if it is the only scan"
            )
            raise _error(nameless[0], what)
        return cases

    def notices(self) -> list[str]:
        """Name the columns that are left, once for all cases."""
        unused = [name for name in self._table().columns if not (_known(name) or name in self.covariates)]
        if not unused:
            return super().notices()
        named = ", ".join(unused[:NAMED_AT_MOST])
        rest = f" and {len(unused) - NAMED_AT_MOST} more" if len(unused) > NAMED_AT_MOST else ""
        said = (
            f"{self.path}: not used: {named}{rest}; `covariates: [{named}]` carries them beside the features"
        )
        return [said, *super().notices()]

    def _table(self) -> Table:
        table = read_table(self.path, "cases", REQUIRED)
        for name in self.covariates:
            if _known(name):
                raise UserError(f"{self.path}: covariates: {name!r} has a meaning of its own; leave it out")
            if name not in table.columns:
                hint = did_you_mean(name, [column for column in table.columns if not _known(column)])
                raise UserError(f"{self.path}: covariates: there is no column {name!r}; {hint}")
        columns, covariates = set(table.columns), set(self.covariates)
        absent = [meant for meant, column in MISSPELT.items() if column not in columns]
        for name in table.columns:
            if not _known(name) and name not in covariates:
                self._refuse_misspelt(name, table, absent)
        return table

    def _refuse_misspelt(self, name: str, table: Table, absent: Sequence[str]) -> None:
        meant = difflib.get_close_matches(name.lower(), absent, n=1, cutoff=ALIKE)
        if meant or name == "mask_coronary":
            hint = f"did you mean {MISSPELT[meant[0]] if meant else 'mask'!r}?"
            rest = f"If it is a column of your own, name it in `covariates: [{name}]`"
            raise UserError(f"{self.path}, line 1: unknown column {name!r}; {hint} {rest}")

    def _case(self, row: Row) -> Case:
        cells = row.cells
        for name in REQUIRED:
            if not cells[name]:
                raise _error(row, f"{name} is empty; give it a value or remove the line")
        score = _score(row)
        image = self.path.parent / cells["image"]
        protocol, contrast = cells.get("protocol", ""), _contrast(row)
        if self.read_tags:
            said_protocol, said_contrast = self._tags(image)
            protocol, contrast = protocol or said_protocol, said_contrast if contrast is None else contrast
        masks, file = self._masks(cells), cells.get("segmentation", "")
        if "lesions" in masks and (file or self.segmentations):
            raise _error(row, "both mask_lesions and a segmentation say where calcium is; keep one")
        case = Case(
            case_id=cells["case_id"],
            source=FileScan(image, masks, self.resample_mask, self.series),
            label=_label(row, score),
            cac_score=score,
            group=cells.get("group", ""),
            patient=cells.get("patient", ""),
            protocol=protocol,
            contrast=contrast,
            report=report_of(row, self.path.parent),
            covariates={name: cells[name] for name in self.covariates},
        )
        drawn = self.path.parent / file if file else None
        return self._segmented(case, drawn, self.resample_mask)

    def _masks(self, cells: Mapping[str, str]) -> dict[str, Path]:
        return {
            "coronary" if name == "mask" else name.removeprefix(MASK_PREFIX): self.path.parent / value
            for name, value in cells.items()
            if value and (name == "mask" or name.startswith(MASK_PREFIX))
        }

    def _tags(self, folder: Path) -> tuple[str, bool | None]:
        """Return protocol and contrast as the series' headers say; unknown for a folder that cannot be read."""
        from benchmark.images.dicom_series import describe_series

        try:
            with nameless("", folder):
                if not folder.is_dir():
                    return "", None
                series = describe_series(folder, self.series)
                return series.protocol, series.contrast
        except CaseError:
            return "", None  # the case is excluded with the reason when its scan is read


def _known(column: str) -> bool:
    named = column.startswith(MASK_PREFIX) and column not in (MASK_PREFIX, "mask_coronary")
    return column in COLUMNS or named


def _contrast(row: Row) -> bool | None:
    text = row.cells.get("contrast", "")
    if text.lower() not in CONTRAST:
        raise _error(row, f"contrast {text!r} is not yes or no; correct it or leave it empty")
    return CONTRAST[text.lower()]


def _score(row: Row) -> float | None:
    text = row.cells.get("cac_score", "")
    if not text:
        return None
    score = number(text)
    if score is None or score < 0:
        raise _error(row, f"cac_score {text!r} is not a number from 0 up; correct it or leave it empty")
    return score


def _label(row: Row, score: float | None) -> int | None:
    text = row.cells.get("label", "")
    if text in ("0", "1", "0.0", "1.0"):
        label = int(float(text))
        if score is not None and label != int(score > 0):
            what = f"label {text} is the opposite of cac_score {row.cells['cac_score']}"
            raise _error(
                row, f"{what}; a score above 0 is label 1, and 0 is label 0: correct one or empty it"
            )
        return label
    if text:
        raise _error(row, f"label {text!r} is not 0 or 1; write 1 for calcium and 0 for none")
    return None if score is None else int(score > 0)


def _error(row: Row, what: str) -> UserError:
    return UserError(f"{row.place}: {what}")
