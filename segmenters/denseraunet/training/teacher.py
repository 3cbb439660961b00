"""The trained network that a slimmer one learns from."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from benchmark.errors import UserError
from benchmark.networks.inference import Device
from segmenters.denseraunet.network import build_network
from segmenters.denseraunet.training.study import TrainingPlan
from segmenters.denseraunet.weights_file import load_into, read_header


@dataclass(frozen=True)
class Taught:
    """A frozen teacher, how much its probabilities weigh, and its operating point, which the student takes over."""

    network: nn.Module
    weight: float
    threshold: float


def load_teacher(plan: TrainingPlan, device: Device) -> Taught | None:
    """Return the teacher that a plan declares. Raises `UserError` without its file, or if it sees other slices."""
    if plan.teacher is None:
        return None
    plan.teacher.weights.weights_digest()  # says what to do where there is no such file
    path = plan.teacher.weights.path
    header = read_header(path)
    if header.input != plan.input:
        raise UserError(
            f"{path}: the teacher does not see what `input` declares: declare its `input`, or take another teacher"
        )
    network = build_network(header.network, header.input)
    load_into(network, path, header.network, header.input)
    frozen = network.eval().requires_grad_(False).to(device)
    return Taught(frozen, plan.teacher.weight, header.threshold)
