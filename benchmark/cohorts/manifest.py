"""A cohort declared by a CSV file: one line per case, with its image and whatever is known of it."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, ValidationInfo

from benchmark.case import Case, Scan
from benchmark.errors import UserError
from benchmark.plugins import Cohort, code_digest, digest_of
from benchmark.registry import did_you_mean

REQUIRED = ("case_id", "image")
COLUMNS = (*REQUIRED, "cac_score", "label", "mask", "group", "protocol")
MASK_PREFIX = "mask_"
READERS = ("benchmark.imaging", "benchmark.dicom_series", "benchmark.geometry")
"""Modules whose code decides what a file turns into."""


def _from_base(path: Any, info: ValidationInfo) -> Any:
    """Let a relative path start from the folder of the study file, if there is one."""
    base = (info.context or {}).get("base")
    return Path(base) / Path(path).expanduser() if base and isinstance(path, str | Path) else path


@dataclass(frozen=True)
class FileScan:
    """A scan kept in files: an image and masks by name."""

    image: Path
    masks: Mapping[str, Path] = field(default_factory=dict)
    resample_mask: bool = False

    def load(self) -> Scan:
        """Read image and masks. Raises `CaseError`; only the coronary mask must hold something."""
        from benchmark.imaging import read_image, read_mask

        image = read_image(self.image)
        masks = {
            name: read_mask(path, image, resample=self.resample_mask, empty=name != "coronary")
            for name, path in self.masks.items()
        }
        return Scan(image, masks)

    def digest(self) -> str:
        """Return the SHA-256 of the files' bytes. Raises `CaseError` if a file is missing."""
        from benchmark.imaging import file_digest

        return digest_of(
            {
                "image": file_digest(self.image),
                "masks": {name: file_digest(path) for name, path in self.masks.items()},
                "resample_mask": self.resample_mask,
                "code": [code_digest(module) for module in READERS],
            }
        )


class ManifestCohort(Cohort):
    """Cases listed in a CSV: ``case_id``, ``image`` and any of ``cac_score``, ``label``, ``mask``.

    Further columns are ``group`` (cases of one group, say a patient, stay in one fold), ``protocol``, and
    ``mask_<name>`` for other structures (``mask_lesions``, ``mask_heart``). Relative paths start from the
    CSV's folder. An image is a NIfTI, NRRD, MHD or MHA file or the folder of a DICOM series. Without a label
    it is derived from the score: 1 for a score above 0. An empty cell means unknown.
    """

    sources: ClassVar[tuple[str, ...]] = READERS
    libraries: ClassVar[tuple[str, ...]] = ("SimpleITK", "pydicom")

    path: Annotated[Path, BeforeValidator(_from_base)] = Field(
        description="the CSV file; a relative path starts from the study file's folder"
    )
    resample_mask: bool = Field(
        False, description="resample a mask that is on another grid than its image (nearest neighbour)"
    )

    def parameters(self) -> dict[str, Any]:
        """Return the parameters without the path: the cases carry digests of their files instead."""
        return {"resample_mask": self.resample_mask}

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
        return Case(
            case_id=row["case_id"],
            source=FileScan(self.path.parent / row["image"], masks, self.resample_mask),
            label=self._label(line, row.get("label", ""), score),
            cac_score=score,
            group=row.get("group", ""),
            protocol=row.get("protocol", ""),
        )

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
