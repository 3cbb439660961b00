"""How layers and a head are trained together: AdamW on one thread, so that the same cases give the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.execution.seeds import derive_seed

if TYPE_CHECKING:
    import torch

_LEAST_DEVIATION = 1e-6
"""Below it a feature counts as constant and is left unscaled."""


@dataclass(frozen=True)
class Setting:
    """Where and how to train; see `FinetunedNetwork`."""

    device: str
    precision: str
    learning_rate: float
    head_learning_rate: float
    weight_decay: float
    batch_cases: int
    seed: int


def with_head(layers: torch.nn.Module, centre: torch.Tensor, scale: torch.Tensor, classes: int) -> Any:
    """Return `layers` and a linear head, its weights 0, on their features standardised by (features,) each."""
    import torch

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = layers
            self.register_buffer("centre", centre)
            self.register_buffer("scale", scale)
            self.head = torch.nn.Linear(len(centre), classes, device=centre.device)
            torch.nn.init.zeros_(self.head.weight)
            torch.nn.init.zeros_(self.head.bias)

        def forward(self, cases: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.head((self.layers(cases) - self.centre) / self.scale)
            return logits

    return Network()


def centre_and_scale(
    layers: torch.nn.Module, X: NDArray[Any], setting: Setting
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and deviation, (features,) each, of what untouched layers make of the cases X."""
    import torch

    features = _forward(layers, X, setting)
    deviation = features.std(0, correction=0)
    return features.mean(0), torch.where(deviation > _LEAST_DEVIATION, deviation, 1.0)


def epochs(network: Any, X: NDArray[Any], y: NDArray[np.intp], setting: Setting) -> Iterator[int]:
    """Train on cases X (cases, views, …) with class codes y, a pass at a time; yield how many passes were made.

    Batch norms keep their statistics: a batch of a few cases has none worth having. Classes weigh alike in the loss.
    """
    import torch

    groups = [
        {"params": list(network.layers.parameters()), "lr": setting.learning_rate},
        {"params": list(network.head.parameters()), "lr": setting.head_learning_rate},
    ]
    optimiser = torch.optim.AdamW(
        [group for group in groups if group["params"]], weight_decay=setting.weight_decay
    )
    weights = torch.tensor(len(y) / np.bincount(y), dtype=torch.float32, device=setting.device)
    done = 0
    network.eval()
    while True:
        random = np.random.default_rng(derive_seed(setting.seed, "epoch", done))
        order, views = random.permutation(len(y)), random.integers(X.shape[1], size=len(y))
        with _on_one_thread():
            for start in range(0, len(y), setting.batch_cases):
                part = order[start : start + setting.batch_cases]
                optimiser.zero_grad()
                with _multiplying_in(setting):
                    logits = network(_batch(X[part, views[part]], setting))
                target = torch.from_numpy(y[part]).to(setting.device)
                loss: Any = torch.nn.functional.cross_entropy(logits.float(), target, weights)
                loss.backward()
                optimiser.step()
        yield (done := done + 1)


def probabilities(network: Any, X: NDArray[Any], setting: Setting) -> NDArray[np.float64]:
    """Return (cases, classes) from the first view of each case."""
    chances: NDArray[np.float64] = _forward(network, X, setting).double().softmax(1).cpu().numpy()
    return chances


def _forward(network: Any, X: NDArray[Any], setting: Setting) -> torch.Tensor:
    import torch

    parts = range(0, len(X), setting.batch_cases)
    with torch.no_grad(), _on_one_thread(), _multiplying_in(setting):
        network.eval()
        return torch.cat(
            [network(_batch(X[at : at + setting.batch_cases, 0], setting)).float() for at in parts]
        )


def _batch(cases: NDArray[Any], setting: Setting) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(cases)).to(setting.device, torch.float32)


def _multiplying_in(setting: Setting) -> Any:
    import torch

    return torch.autocast(setting.device, torch.bfloat16, enabled=setting.precision == "bf16")


@contextmanager
def _on_one_thread() -> Iterator[None]:
    """Sum in one order, whatever the number of threads: folds run beside one another in processes of their own."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
