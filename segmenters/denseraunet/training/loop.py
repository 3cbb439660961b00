"""The training loop: one cycle of AdamW, early stopping by voxel F1 on patients kept aside, exact resumption.

A batch and a learning rate depend on the step alone, so a checkpoint is the network, the optimiser and the best
weights so far; a training resumed from it equals one that was never interrupted, to the last bit on a CPU with the
same number of threads.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import nn

from benchmark.errors import UserError
from benchmark.execution.seeds import derive_seed
from benchmark.networks.inference import Device, Precision, resolve_device, resolve_precision, torch_dtype
from benchmark.plugins.fingerprint import digest_of
from segmenters.denseraunet.box import MARGIN_MM
from segmenters.denseraunet.network import build_network
from segmenters.denseraunet.plan import BasicUNet, DenseRAUnet, Input
from segmenters.denseraunet.prediction import predict
from segmenters.denseraunet.training.loss import distillation_loss, segmentation_loss
from segmenters.denseraunet.training.sampling import PatchSampler, batches_from
from segmenters.denseraunet.training.scans import TrainingScan, TrainingSet
from segmenters.denseraunet.training.study import TrainingPlan
from segmenters.denseraunet.training.teacher import load_teacher
from segmenters.denseraunet.weights_file import WeightsFile, load_into, read_checkpoint, write_tensors

Report = Callable[[int, Mapping[str, float]], None]
THRESHOLDS = np.round(np.arange(0.05, 0.96, 0.05), 2)
WARM_UP = 0.1
"""Share of the steps over which the learning rate rises."""


@dataclass
class TrainingState:
    """How far a training has come."""

    step: int = 0
    best_f1: float = -1.0
    best_step: int = 0
    threshold: float = 0.5
    stale: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


class Training:
    """One network on its way. `run` goes on from wherever it stands."""

    def __init__(
        self,
        plan: TrainingPlan,
        name: str,
        data: TrainingSet,
        *,
        device: Device = "auto",
        precision: Precision = "auto",
        start: Path | None = None,
    ) -> None:
        """Begin with new weights, or with those of the file `start`. Raises `UserError` if they do not fit."""
        self.plan, self.data, self.start = plan, data, start
        self.architecture: DenseRAUnet | BasicUNet = plan.networks[name]
        self.device = resolve_device(device)
        self.precision = resolve_precision(precision, self.device)
        with torch.random.fork_rng(devices=[]):  # leaves the caller's random numbers as they were
            torch.manual_seed(derive_seed(plan.seed, "initialisation"))
            network = build_network(self.architecture, plan.input)
        if start is not None:
            load_into(network, start, self.architecture, plan.input)
        self.network: nn.Module = network.to(self.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._teacher = load_teacher(plan, self.device)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), weight_decay=plan.weight_decay)
        self.best = _copied(self.network)
        self.progress = TrainingState()
        self._sampler = PatchSampler(data.learning, plan)

    def run(self, checkpoint: Path | None = None, report: Report = lambda step, values: None) -> None:
        """Train to the last step or until it stops early; write `checkpoint` at every validation."""
        batches = batches_from(self._sampler, self.progress.step, self.plan.steps, self.plan.loaders)
        while not self.finished:
            loss = self._step(*next(batches))
            report(self.progress.step, {"loss": loss})
            if not math.isfinite(loss):
                raise UserError(
                    f"training: the loss is {loss} at step {self.progress.step}: lower `learning_rate`, now "
                    f"{self.plan.learning_rate:g}, or train in fp32"
                )
            if self.progress.step % self.plan.validate_every == 0 or self.progress.step == self.plan.steps:
                report(self.progress.step, self._validate())
                if checkpoint is not None:
                    self.save(checkpoint)

    @property
    def finished(self) -> bool:
        """Whether no step is left, or F1 has not improved for as long as the plan allows."""
        return self.progress.step >= self.plan.steps or self.progress.stale >= self.plan.patience

    def _step(self, images: torch.Tensor, targets: torch.Tensor) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.progress.step, self.plan)
        x = images.to(self.device, memory_format=torch.channels_last)
        target = targets.to(self.device)
        self.network.train()
        with self._mixed():
            logits = self.network(x)
        loss = segmentation_loss(logits.float(), target, self.plan.loss)
        if (teacher := self._teacher) is not None:
            with torch.no_grad(), self._mixed():
                taught = teacher.network(x)
            loss = loss + teacher.weight * distillation_loss(
                logits.float(), taught.float(), self.plan.loss.hardest
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.progress.step += 1
        return float(loss.detach())

    def _mixed(self) -> torch.autocast:
        return torch.autocast(self.device, torch_dtype(self.precision), enabled=self.precision != "fp32")

    def _validate(self) -> dict[str, float]:
        """Score the patients kept aside; keep the weights if they are the best so far."""
        f1, threshold = validation_f1(
            self.network, self.data.validation, self.plan, self.architecture, self.precision
        )
        now = self.progress
        now.stale += 1
        if f1 > now.best_f1:
            now.best_f1, now.best_step, now.threshold, now.stale = f1, now.step, threshold, 0
            self.best = _copied(self.network)
        values = {"validation_f1": f1, "threshold": threshold, "best_f1": now.best_f1}
        now.history.append({"step": now.step, **values})
        return values

    def result(self, trained: Mapping[str, Any]) -> tuple[WeightsFile, dict[str, torch.Tensor]]:
        """Return the best weights and their header; `trained` is added to what it says of the training."""
        now = self.progress
        about = {
            "validation_f1": round(now.best_f1, 4),
            "best_step": now.best_step,
            "steps": now.step,
            "validation_patients": len(self.data.validation),
            "patients": len(self.data.learning),
            "precision": self.precision,
            "device": self.device,
            **trained,
        }
        threshold = now.threshold if self._teacher is None else self._teacher.threshold
        return WeightsFile(self.architecture, self.plan.input, threshold, about), self.best

    def save(self, path: Path) -> None:
        """Write all that `restore` needs."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": tensor for name, tensor in state.items()}
        header = {"plan": self._digest(), **vars(self.progress)}
        write_tensors(tensors, header, path)

    def restore(self, path: Path) -> None:
        """Go back to where `save` was called. Raises `UserError` for another plan's or a damaged checkpoint."""
        tensors, header = read_checkpoint(path)
        if header.pop("plan") != self._digest():
            raise UserError(
                f"{path}: this checkpoint is of another training (cohort, network or parameters differ): "
                "restore the study, or start again with --force"
            )
        parts: dict[str, dict[str, torch.Tensor]] = {"network": {}, "best": {}, "optimiser": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        self.network.load_state_dict(parts["network"])
        self.best = {name: tensor.clone() for name, tensor in parts["best"].items()}
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in parts["optimiser"].items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = tensor
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": state})
        self.progress = TrainingState(**header)

    def _digest(self) -> str:
        """Return what a checkpoint must agree with: the plan, the network, the precision and the scans."""
        # The scans stand for the cohort, the architecture for the networks; the check is learnt afterwards.
        declared = self.plan.model_dump(
            mode="json",
            exclude={"cohort", "beside", "validation_cohort", "networks", "lesion_check", "teacher"},
        )
        if (teacher := self.plan.teacher) is not None:
            declared["teacher"] = [teacher.weights.weights_digest(), teacher.weight]
        scans = [
            [scan.case_id, int(scan.calcium.sum()), int(scan.hu.sum(dtype=np.int64))]
            for scan in (*self.data.learning, *self.data.validation)
        ]
        begun = None if self.start is None else hashlib.sha256(self.start.read_bytes()).hexdigest()
        return digest_of([declared, self.architecture.model_dump(mode="json"), self.precision, scans, begun])


def learning_rate(step: int, plan: TrainingPlan) -> float:
    """Return the rate of a step: up along a line, down along a cosine to 0 (Smith and Topin, arXiv 1708.07120)."""
    done = (step + 1) / plan.steps
    if done < WARM_UP:
        return plan.learning_rate * done / WARM_UP
    return plan.learning_rate * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2


def validation_f1(
    network: nn.Module,
    scans: tuple[TrainingScan, ...],
    plan: TrainingPlan,
    architecture: DenseRAUnet | BasicUNet,
    precision: Precision,
) -> tuple[float, float]:
    """Return the voxel F1 pooled over scans, and the threshold it is highest at.

    Of a scan the network sees the box around its region alone, and calls nothing outside, as the segmenter does.
    """
    network.eval()
    hit, positive = np.zeros(len(THRESHOLDS)), np.zeros(len(THRESHOLDS))
    for scan in scans:
        region = scan.region
        if (box := _box(region, plan.input)) is None:
            continue
        device, hu = next(network.parameters()).device.type, scan.hu[box]
        with torch.autocast(device, torch_dtype(precision), enabled=precision != "fp32"):
            probability = predict(network, hu, plan.input, divisor=architecture.divisor)
        candidate = (hu >= plan.reference.scoring.threshold_hu) & region[box]
        above = probability[candidate][None] >= THRESHOLDS[:, None]
        positive += above.sum(axis=1)
        hit += (above & scan.calcium[box][candidate]).sum(axis=1)
    f1 = 2 * hit / np.maximum(positive + sum(int(scan.calcium.sum()) for scan in scans), 1)
    best = int(f1.argmax())
    return float(f1[best]), float(THRESHOLDS[best])


def _box(region: NDArray[np.bool_], network_input: Input) -> tuple[slice, ...] | None:
    """Return the box of `box.around` on arrays (z, y, x); None if the region is empty."""
    margin = round(MARGIN_MM / network_input.pixel_mm)
    found = ndimage.find_objects(region.astype(np.uint8))
    if not found:
        return None
    wider = (network_input.slices // 2, margin, margin)
    return tuple(
        slice(max(part.start - m, 0), part.stop + m) for part, m in zip(found[0], wider, strict=True)
    )


def _copied(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
