"""Measures, with the trained network, what kind of scans it has learnt from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmark.case import Case
from benchmark.execution.execution import Execution
from benchmark.execution.seeds import derive_seed
from segmenters.denseraunet.domain.ranges import TrainingDomain, measure_result
from segmenters.denseraunet.segmenter import DenseRAUnetSegmenter
from segmenters.denseraunet.trained_weights import TrainedWeights
from segmenters.denseraunet.training.study import TrainingPlan
from segmenters.denseraunet.weights_file import WeightsFile
from segmenters.heart_region.segmenter import HeartRegionSegmenter

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class DomainTask:
    """A case, and the segmenter with the trained network."""

    case: Case
    segmenter: DenseRAUnetSegmenter


def with_domain(
    header: WeightsFile, tensors: Mapping[str, torch.Tensor], plan: TrainingPlan, execution: Execution
) -> WeightsFile:
    """Return the header with the ranges of `plan.domain_scans` scans of the training cohort, drawn by their ids.

    Of `cohort` alone: with a calibration phantom beside it, phantoms would pass for patients.
    Without domain if none of them can be measured: a training that took hours is worth more than its warnings.
    """
    cases = sorted(plan.cohort.cases(), key=lambda case: derive_seed(plan.seed, "domain", case.case_id))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "network.safetensors"
        header.write(tensors, file)
        segmenter = DenseRAUnetSegmenter(
            weights=TrainedWeights(file=file), network=header.network, input=header.input
        )
        tasks = {case.case_id: DomainTask(case, segmenter) for case in cases[: plan.domain_scans]}
        done = execution.results("domain", measure_case, tasks)
    return replace(header, domain=TrainingDomain.of(list(done.records.values())) if done.records else None)


def measure_case(task: DomainTask) -> dict[str, float]:
    """Return the figures of a case. Raises `CaseError`."""
    scan = task.case.source.load()
    region = HeartRegionSegmenter().segment(scan)
    found, called = task.segmenter.find(scan, region)
    return measure_result(scan.image, region, called, found)
