"""Learns the second look from what the trained network finds, rightly and wrongly, in patients it has not seen."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmark.calcium.truth import ReferenceRule, reference_calcium
from benchmark.case import Case
from benchmark.errors import UserError
from benchmark.execution.execution import Execution
from benchmark.execution.seeds import derive_seed
from segmenters.denseraunet.box import around
from segmenters.denseraunet.lesion_check import LesionCheck
from segmenters.denseraunet.lesion_features import FEATURES, describe
from segmenters.denseraunet.lesions import label_lesions
from segmenters.denseraunet.segmenter import DenseRAUnetSegmenter
from segmenters.denseraunet.trained_weights import TrainedWeights
from segmenters.denseraunet.training.study import LesionCheckPlan, TrainingPlan
from segmenters.denseraunet.weights_file import WeightsFile

if TYPE_CHECKING:
    import torch

ITERATIONS = 2000

ScanLesions = tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]
"""The lesions found in a scan, (lesion, feature), which of them are coronary calcium by most of their voxels, and how
much each counts: as much as its patient."""


@dataclass(frozen=True)
class LesionTask:
    """A case, the network it goes through, and what is calcium."""

    case: Case
    segmenter: DenseRAUnetSegmenter
    rule: ReferenceRule


def learn_lesion_check(
    header: WeightsFile,
    tensors: Mapping[str, torch.Tensor],
    plan: TrainingPlan,
    check: LesionCheckPlan,
    execution: Execution,
) -> tuple[WeightsFile, dict[str, torch.Tensor]]:
    """Return header and tensors with the second look.

    Raises `UserError` if the check's cohort has a patient of the training's, or the network finds only one kind of
    lesion in it.
    """
    if known := {case.case_id for cohort in plan.cohorts() for case in cohort.cases()} & {
        case.case_id for case in check.cohort.cases()
    }:
        raise UserError(
            f"training.lesion_check.cohort: {len(known)} of its patients are in training.cohort, too, {min(known)} for "
            "one: the second look must learn from patients the network has not seen"
        )
    header = replace(header, threshold=check.threshold)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "network.safetensors"
        header.write(tensors, file)
        segmenter = DenseRAUnetSegmenter(
            weights=TrainedWeights(file=file), network=header.network, input=header.input, within=plan.within
        )
        (features, calcium, weight), left_out = _lesions(segmenter, plan.reference, check, execution)
    if not 0 < calcium.sum() < len(calcium):
        raise UserError(
            f"training.lesion_check: of the {len(calcium)} lesions found in its cohort {calcium.sum()} are coronary "
            "calcium: name a cohort in which the network finds both, or leave `lesion_check` out"
        )
    fitted = fit_lesion_check(features, calcium, weight, check, plan.seed)
    about = {"cohort": check.cohort.parameters(), "lesions": len(calcium), "calcium": int(calcium.sum())}
    about["left_out"] = left_out
    header = replace(header, keep=check.keep, training={**header.training, "lesion_check": about})
    return header, {**tensors, **fitted.tensors()}


def _lesions(
    segmenter: DenseRAUnetSegmenter, rule: ReferenceRule, check: LesionCheckPlan, execution: Execution
) -> tuple[ScanLesions, dict[str, str]]:
    """Return the lesions of all cases in the cohort's order, and why cases were left out."""
    tasks = {case.case_id: LesionTask(case, segmenter, rule) for case in check.cohort.cases()}
    done = execution.results("lesions", find_lesions, tasks)
    left_out = done.left_out()
    if not done.records:
        first = next(iter(left_out.values()), "it lists none")
        raise UserError(f"training.lesion_check.cohort: none of its {len(tasks)} cases can be used: {first}")
    features, calcium, weight = (np.concatenate(parts) for parts in zip(*done.records.values(), strict=True))
    return (features, calcium, weight), left_out


def find_lesions(task: LesionTask) -> ScanLesions:
    """Return what the network finds in a case, where the segmenter calls. Raises `CaseError`."""
    import SimpleITK as sitk
    from scipy import ndimage

    scan, segmenter = task.case.source.load(), task.segmenter
    image, reference = scan.image, reference_calcium(scan, task.rule)
    region = None if segmenter.within is None else segmenter.within.segment(scan)
    if region is not None:
        box = around(region, segmenter.input.slices // 2)
        if box is None:
            return np.empty((0, len(FEATURES))), np.empty(0, bool), np.empty(0)
        image, reference, region = (box.cut(each) for each in (image, reference, region))
    probability = segmenter.probability(image)
    called = segmenter.predicted_mask(image, probability)
    labels = label_lesions(called if region is None else sitk.Mask(called, region))
    features = describe(image, probability, labels)
    truth = sitk.GetArrayViewFromImage(reference) > 0
    share = ndimage.mean(truth, sitk.GetArrayViewFromImage(labels), np.arange(1, len(features) + 1))
    return features, np.asarray(share).reshape(-1) > 0.5, np.full(len(features), task.case.weight)


def fit_lesion_check(
    features: NDArray[np.float64],
    calcium: NDArray[np.bool_],
    weight: NDArray[np.float64],
    check: LesionCheckPlan,
    seed: int | str,
) -> LesionCheck:
    """Learn from lesions, (lesion, feature), which of them are calcium, and how much each counts.

    Both kinds must be there.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(features)
    x = scaler.transform(features)
    with warnings.catch_warnings():
        # Weight decay, not the number of iterations, is what keeps a perceptron from learning by heart.
        warnings.simplefilter("ignore", ConvergenceWarning)
        members = [
            MLPClassifier(
                (check.width,),
                alpha=check.weight_decay,
                solver="lbfgs",
                max_iter=ITERATIONS,
                random_state=derive_seed(seed, "lesion check", k) % 2**32,
            ).fit(x, calcium, sample_weight=weight)
            for k in range(check.members)
        ]
    return LesionCheck(
        check.keep,
        {
            "mean": scaler.mean_,
            "scale": scaler.scale_,
            "hidden": np.stack([m.coefs_[0] for m in members]),
            "hidden_bias": np.stack([m.intercepts_[0] for m in members]),
            "output": np.stack([m.coefs_[1][:, 0] for m in members]),
            "output_bias": np.stack([m.intercepts_[1][0] for m in members]),
        },
    )
