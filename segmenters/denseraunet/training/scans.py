"""The training set: every case's slices on the network's pixel, with its calcium and the confounders, kept on disk."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.calcium.truth import ReferenceRule, reference_calcium
from benchmark.case import Case, Scan
from benchmark.errors import CaseError, UserError
from benchmark.execution.execution import Execution
from benchmark.execution.seeds import derive_seed
from benchmark.execution.store import Codec
from benchmark.plugins import Cohort, Segmenter
from benchmark.plugins.fingerprint import code_digest, digest_of
from segmenters.denseraunet.plan import Input
from segmenters.denseraunet.training.study import TrainingPlan

KIND = "training_scans"
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class TrainingScan:
    """One case on the network's pixel: `hu` int16 (z, y, x); its masks a bit a voxel, as bytes (z, y, x / 8)."""

    case_id: str
    hu: NDArray[np.int16]
    calcium_bits: NDArray[np.uint8]
    confounder_bits: NDArray[np.uint8]
    elsewhere_bits: NDArray[np.uint8]
    region_bits: NDArray[np.uint8] | None = None
    """Where the segmenter may call calcium; none: anywhere."""

    @property
    def calcium(self) -> NDArray[np.bool_]:
        """Where calcium is, bool (z, y, x)."""
        return self._unpacked(self.calcium_bits)

    @property
    def region(self) -> NDArray[np.bool_]:
        """Where the segmenter may call calcium, bool (z, y, x)."""
        return np.ones(self.hu.shape, bool) if self.region_bits is None else self._unpacked(self.region_bits)

    def calcium_of(self, z: int) -> NDArray[np.bool_]:
        """Return the calcium of one slice, bool (y, x)."""
        return self._unpacked(self.calcium_bits[z])

    def confounder_of(self, z: int) -> NDArray[np.bool_]:
        """Return the other candidates of one slice, bool (y, x)."""
        return self._unpacked(self.confounder_bits[z])

    def elsewhere_of(self, z: int) -> NDArray[np.bool_]:
        """Return the candidates outside the heart of one slice, bool (y, x)."""
        return self._unpacked(self.elsewhere_bits[z])

    def _unpacked(self, bits: NDArray[np.uint8]) -> NDArray[np.bool_]:
        return np.unpackbits(bits, axis=-1, count=self.hu.shape[-1]).view(bool)


@dataclass(frozen=True)
class TrainingSet:
    """The scans that are learnt from and those kept for early stopping; no patient is in both."""

    learning: tuple[TrainingScan, ...]
    validation: tuple[TrainingScan, ...]
    excluded: dict[str, str]


def read_training_set(plan: TrainingPlan, execution: Execution) -> TrainingSet:
    """Read, or render, every case once; what the store has is not made again.

    Raises `UserError` where no case can be used, or none of those to learn from, or of the others, has calcium.
    """
    cases = _learnt_from(plan)
    others = {} if plan.validation_cohort is None else _others(plan.validation_cohort, cases)
    if len(cases) + len(others) < 2:
        raise UserError(
            "training: the cohort has fewer than 2 cases: patients to learn from, and others to stop by"
        )
    scans, excluded = _scans([*cases.values(), *others.values()], plan, execution)
    _refuse_same_scans(scans)
    kept = (
        others.keys() & scans.keys() if others else _validation_cases([cases[name] for name in scans], plan)
    )
    parts = [[scan for name, scan in scans.items() if (name in kept) == held] for held in (False, True)]
    for scans_of_part, purpose in zip(parts, ("to learn from", "to stop by"), strict=True):
        if not any((scan.calcium & scan.region).any() for scan in scans_of_part):
            first = "; ".join(f"{case}: {reason}" for case, reason in list(excluded.items())[:1])
            raise UserError(
                f"training: of the {len(scans_of_part)} cases {purpose} none has calcium at or above "
                f"{plan.reference.scoring.threshold_hu:g} HU inside its mask {plan.reference.mask!r}"
                f"{'' if plan.within is None else ' and in the region of `within`'}"
                f"{f' ({len(excluded)} cases were left out, the first is {first})' if excluded else ''}: "
                "add cases with lesions"
            )
    return TrainingSet(tuple(parts[0]), tuple(parts[1]), excluded)


def _learnt_from(plan: TrainingPlan) -> dict[str, Case]:
    """Return the cases to learn from by their ids. Raises `UserError` where two cohorts share one."""
    cases: dict[str, Case] = {}
    for cohort in plan.cohorts():
        of_cohort = {case.case_id: case for case in cohort.cases()}
        if shared := sorted(of_cohort.keys() & cases.keys()):
            raise UserError(
                f"training: {shared[0]} is in `cohort` and `beside` it, or twice there; name it once"
            )
        cases |= of_cohort
    return cases


def _others(cohort: Cohort, learning: Mapping[str, Case]) -> dict[str, Case]:
    """Return the cases of a cohort to stop by. Raises `UserError` if one of them is learnt from."""
    others = {case.case_id: case for case in cohort.cases()}
    learnt = learning.keys() | {_patient(case) for case in learning.values()}
    if shared := sorted((others.keys() | {_patient(case) for case in others.values()}) & learnt):
        raise UserError(
            f"training: {shared[0]} is learnt from and in `validation_cohort`: "
            "stop by patients that are not learnt from"
        )
    return others


def _refuse_same_scans(scans: Mapping[str, TrainingScan]) -> None:
    """Raise `UserError` for one scan under two ids: the network would be stopped by what it learnt."""
    first: dict[str, str] = {}
    for name, scan in scans.items():
        other = first.setdefault(
            digest_of([scan.hu.shape, hashlib.sha256(scan.hu.tobytes()).hexdigest()]), name
        )
        if other != name:
            raise UserError(f"training: cases {other} and {name} are the same scan; keep one of them")


@dataclass(frozen=True)
class ScanTask:
    """One case to bring onto the network's pixel."""

    case: Case
    input: Input
    rule: ReferenceRule
    within: Segmenter | None = None

    def key(self) -> str:
        """Return what decides the prepared scan. Raises `CaseError`."""
        made_of = [self.input.pixel_mm, self.input.slices, self.rule.model_dump(), code_digest(__name__)]
        made_of.append(None if self.within is None else self.within.fingerprint())
        return digest_of([self.case.source.digest(), *made_of])


def _scans(
    cases: list[Case], plan: TrainingPlan, execution: Execution
) -> tuple[dict[str, TrainingScan], dict[str, str]]:
    """Return the scans by case id in the cohort's order, and why cases were left out."""
    tasks = {case.case_id: ScanTask(case, plan.input, plan.reference, plan.within) for case in cases}
    # Arrays, not bytes: a thousand scans are gigabytes, and must not be held packed and unpacked at once.
    done = execution.records(KIND, prepare, tasks, Codec("npz", _packed, _unpacked))
    scans = {name: TrainingScan(name, **done.records[name]) for name in tasks if name in done.records}
    return scans, done.left_out()


def prepare(task: ScanTask) -> Arrays:
    """Return the arrays of a `TrainingScan` by their names. Raises `CaseError`."""
    import SimpleITK as sitk

    from segmenters.denseraunet.slices import axial, on_network_pixels, refuse_too_few

    network_input, rule = task.input, task.rule
    scan = task.case.source.load()
    hu = sitk.GetArrayFromImage(on_network_pixels(axial(scan.image), network_input))
    refuse_too_few(len(hu), network_input)
    calcium = on_network_pixels(axial(reference_calcium(scan, rule)), network_input, label=True)
    candidate = hu >= rule.scoring.threshold_hu
    positive = (sitk.GetArrayFromImage(calcium) > 0) & candidate
    heart = scan.masks.get("heart")
    inside = (
        np.ones(hu.shape, bool)
        if heart is None
        else sitk.GetArrayFromImage(on_network_pixels(axial(heart), network_input, label=True)) > 0
    )
    region = {} if task.within is None else {"region_bits": _region_bits(task.within, scan, network_input)}
    return {
        "hu": np.rint(hu).astype(np.int16),
        "calcium_bits": np.packbits(positive, axis=-1),
        "confounder_bits": np.packbits(candidate & inside & ~positive, axis=-1),
        "elsewhere_bits": np.packbits(candidate & ~inside & ~positive, axis=-1),
        **region,
    }


def _region_bits(within: Segmenter, scan: Scan, network_input: Input) -> NDArray[np.uint8]:
    """Return the region on the network's pixel; empty where there is none, for the segmenter calls nothing there."""
    import SimpleITK as sitk

    from segmenters.denseraunet.slices import axial, on_network_pixels

    try:
        region = within.segment(scan)
    except CaseError:
        region = sitk.Image(scan.image.GetSize(), sitk.sitkUInt8)
        region.CopyInformation(scan.image)
    on_grid = on_network_pixels(axial(region), network_input, label=True)
    return np.packbits(sitk.GetArrayFromImage(on_grid) > 0, axis=-1)


def _packed(arrays: Arrays) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def _unpacked(content: bytes) -> Arrays:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return dict(file)


def _validation_cases(cases: Sequence[Case], plan: TrainingPlan) -> set[str]:
    """Return the cases of patients drawn by their names alone, so that another case in the cohort moves no other."""
    patients = {_patient(case) for case in cases}
    ranked = sorted(patients, key=lambda name: derive_seed(plan.seed, "validation", name))
    kept = ranked[: max(1, round(plan.validation * len(ranked)))]
    return {case.case_id for case in cases if _patient(case) in kept}


def _patient(case: Case) -> str:
    return case.patient or case.case_id
