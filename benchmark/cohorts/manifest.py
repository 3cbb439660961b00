"""A cohort declared by a CSV file: one line per case, with its image and whatever is known of it."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from benchmark.case import Case
from benchmark.cohorts.scan_files import FileScan
from benchmark.errors import CaseError, UserError
from benchmark.images.dicom_selection import ANY, SeriesChoice
from benchmark.plugins import Cohort
from benchmark.plugins.declaration import did_you_mean
from benchmark.plugins.paths import StudyPath

REQUIRED = ("case_id", "image")
COLUMNS = (*REQUIRED, "cac_score", "label", "mask", "group", "protocol", "contrast")
MASK_PREFIX = "mask_"
CONTRAST = {"yes": True, "no": False, "1": True, "0": False, "true": True, "false": False, "": None}


class ManifestCohort(Cohort):
    """Cases listed in a CSV: ``case_id``, ``image`` and any of ``cac_score``, ``label``, ``mask``.

    Further columns are ``group`` (scanner, site or patient, which a study may keep together), ``protocol``,
    ``contrast`` (yes or no), and ``mask_<name>`` for other structures (``mask_lesions``, ``mask_heart``).
    Relative paths start from the CSV's folder. An image is a NIfTI, NRRD, MHD or MHA file or the folder of a
    DICOM series. Without a label it is derived from the score: 1 for a score above 0. An empty cell means
    unknown.
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

    def parameters(self) -> dict[str, Any]:
        """Return the parameters without the path: the cases carry digests of their files instead."""
        return {name: value for name, value in super().parameters().items() if name != "path"}

    def fingerprint(self) -> str:
        """Return the fingerprint, which does not depend on where the files are."""
        return Cohort.fingerprint(self.model_copy(update={"path": Path()}))

    def cases(self) -> list[Case]:
        """List the cases in the file's order. Raises `UserError` naming the file, the line and the remedy."""
        seen: dict[str, int] = {}
        cases = []
        for line, row in self._rows():
            case = self._case(line, row)
            if case.case_id in seen:
                raise self._error(
                    line, f"case_id {case.case_id!r} is already on line {seen[case.case_id]}; make it unique"
                )
            seen[case.case_id] = line
            cases.append(case)
        if not cases:
            raise UserError(f"{self.path}: lists no case; add one line per case below the header")
        return cases

    def _rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield line numbers and rows, stripped of blanks around the values; blank lines are passed over."""
        try:
            with self.path.open(newline="", encoding="utf-8-sig") as stream:
                reader = csv.DictReader(stream, strict=True, skipinitialspace=True)
                self._refuse_columns([name.strip() for name in reader.fieldnames or ()])
                for row in reader:
                    yield reader.line_num, self._stripped(reader.line_num, row)
        except FileNotFoundError as error:
            raise UserError(f"{self.path}: no such file; give the path of the manifest CSV") from error
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UserError(f"{self.path}: not a readable CSV file in UTF-8 ({error})") from error

    def _stripped(self, line: int, row: dict[Any, Any]) -> dict[str, str]:
        if None in row or None in row.values():
            raise self._error(
                line, "has more or fewer values than the header has columns; quote values with commas"
            )
        return {name.strip(): value.strip() for name, value in row.items()}

    def _refuse_columns(self, columns: list[str]) -> None:
        if not columns:
            raise UserError(f"{self.path}: is empty; start it with the header {','.join(REQUIRED)},…")
        for name in REQUIRED:
            if name not in columns:
                raise self._error(
                    1, f"no column {name!r}, only {', '.join(columns)}; separate columns with commas"
                )
        for name in columns:
            if name not in COLUMNS and (not name.startswith(MASK_PREFIX) or name == "mask_coronary"):
                raise self._error(
                    1, f"unknown column {name!r}; {did_you_mean(name, (*COLUMNS, 'mask_<name>'))}"
                )
            if columns.count(name) > 1:
                raise self._error(1, f"column {name!r} is there twice; remove one")

    def _case(self, line: int, row: dict[str, str]) -> Case:
        for name in REQUIRED:
            if not row[name]:
                raise self._error(line, f"{name} is empty; give it a value or remove the line")
        score = self._score(line, row.get("cac_score", ""))
        masks = {
            "coronary" if name == "mask" else name.removeprefix(MASK_PREFIX): self.path.parent / value
            for name, value in row.items()
            if value and (name == "mask" or name.startswith(MASK_PREFIX))
        }
        image = self.path.parent / row["image"]
        protocol, contrast = row.get("protocol", ""), self._contrast(line, row.get("contrast", ""))
        if self.read_tags and image.is_dir():
            said_protocol, said_contrast = self._tags(image)
            protocol, contrast = protocol or said_protocol, said_contrast if contrast is None else contrast
        return Case(
            case_id=row["case_id"],
            source=FileScan(image, masks, self.resample_mask, self.series),
            label=self._label(line, row.get("label", ""), score),
            cac_score=score,
            group=row.get("group", ""),
            protocol=protocol,
            contrast=contrast,
        )

    def _tags(self, folder: Path) -> tuple[str, bool | None]:
        """Return protocol and contrast as the series' headers say; unknown for a folder that cannot be read."""
        from benchmark.images.dicom_series import describe_series

        try:
            series = describe_series(folder, self.series)
        except CaseError:
            return "", None  # the case is excluded with the reason when its scan is read
        return series.protocol, series.contrast

    def _contrast(self, line: int, text: str) -> bool | None:
        if text.lower() not in CONTRAST:
            raise self._error(line, f"contrast {text!r} is not yes or no; correct it or leave it empty")
        return CONTRAST[text.lower()]

    def _score(self, line: int, text: str) -> float | None:
        if not text:
            return None
        try:
            score = float(text)
        except ValueError:
            score = math.nan
        if not 0 <= score < math.inf:
            raise self._error(
                line, f"cac_score {text!r} is not a number from 0 up; correct it or leave it empty"
            )
        return score

    def _label(self, line: int, text: str, score: float | None) -> int:
        if text in ("0", "1", "0.0", "1.0"):
            return int(float(text))
        if text:
            raise self._error(line, f"label {text!r} is not 0 or 1; write 1 for calcium and 0 for none")
        if score is None:
            raise self._error(line, "label and cac_score are both missing; give one of them")
        return int(score > 0)

    def _error(self, line: int, what: str) -> UserError:
        return UserError(f"{self.path}, line {line}: {what}")
