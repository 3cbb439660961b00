"""Files of tensors: the weights that inference reads, and the checkpoint from which training goes on to the bit.

Both are safetensors: reading one runs no code. What a tensor file cannot say stands in its header as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from benchmark.errors import UserError
from benchmark.execution.store import write_atomically
from segmenters.denseraunet.domain.ranges import TrainingDomain
from segmenters.denseraunet.plan import BasicUNet, DenseRAUnet, Input, Network

if TYPE_CHECKING:
    import torch

_HEADER = "cacbench"
LESION_CHECK = "lesion_check."
"""What the names of the second look's tensors begin with."""
_NETWORK: TypeAdapter[DenseRAUnet | BasicUNet] = TypeAdapter(Network)

Tensors = Mapping[str, "torch.Tensor"]


@dataclass(frozen=True)
class WeightsFile:
    """What the header of a weights file says: the architecture, its operating point, and how it was trained."""

    network: DenseRAUnet | BasicUNet
    input: Input
    threshold: float
    training: Mapping[str, Any]
    keep: float | None = None
    """Probability of being calcium from which the second look keeps a lesion; none: the file holds no second look."""
    domain: TrainingDomain | None = None
    """What scans it learnt from; none: the file does not say."""

    def write(self, tensors: Tensors, path: Path) -> None:
        """Write the weights with this header."""
        header = {
            "network": self.network.model_dump(mode="json"),
            "input": self.input.model_dump(mode="json"),
            "threshold": self.threshold,
            "training": dict(self.training),
            "keep": self.keep,
            "domain": None if self.domain is None else asdict(self.domain),
        }
        write_tensors(tensors, header, path)


def read_header(path: Path) -> WeightsFile:
    """Read what a weights file says of itself. Raises `UserError` for any other file."""
    header = _header(path)
    try:
        return WeightsFile(
            _NETWORK.validate_python(header["network"]),
            Input.model_validate(header["input"]),
            float(header["threshold"]),
            header["training"],
            header.get("keep"),
            _domain(header.get("domain")),
        )
    except (KeyError, TypeError, ValueError, ValidationError):
        raise UserError(
            f"{path}: these are not weights of `denseraunet`: take a file that `cacbench train denseraunet` wrote"
        ) from None


def load_into(
    module: torch.nn.Module, path: Path, network: DenseRAUnet | BasicUNet, network_input: Input
) -> None:
    """Load a file's network into the module of that declaration. Raises `UserError` for another file's or network's."""
    from benchmark.networks.checkpoint import load_strictly

    refuse_other(path, network, network_input)
    load_strictly(module, path, classifier_head=(LESION_CHECK,))


def refuse_other(path: Path, network: DenseRAUnet | BasicUNet, network_input: Input) -> None:
    """Raise `UserError` if a file holds another network than declared, or one that sees something else."""
    header = read_header(path)
    for name, wanted, in_file in (
        ("network", network, header.network),
        ("input", network_input, header.input),
    ):
        if wanted != in_file:
            raise UserError(f"{path}: weights of another architecture: {_difference(name, wanted, in_file)}")


def _difference(name: str, wanted: object, in_file: object) -> str:
    """Return e.g. ``input.slices is 5 in the file and 3 in the study: …``."""
    ours, theirs = vars(wanted), vars(in_file)
    key = next(key for key in {**theirs, **ours} if ours.get(key) != theirs.get(key))
    return (
        f"{name}.{key} is {theirs.get(key)} in the file and {ours.get(key)} in the study: "
        f"declare the file's `{name}`, or train again"
    )


def _domain(found: Mapping[str, Any] | None) -> TrainingDomain | None:
    if found is None:
        return None
    ranges = {str(name): (float(low), float(high)) for name, (low, high) in found["ranges"].items()}
    return TrainingDomain(int(found["scans"]), ranges)


def write_tensors(tensors: Tensors, header: Mapping[str, Any], path: Path) -> None:
    """Write tensors and a JSON header, whole or not at all."""
    from safetensors.torch import save

    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, save(whole, {_HEADER: json.dumps(header, sort_keys=True)}))


def read_checkpoint(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read a training's tensors and header. Raises `UserError` for a damaged or other file."""
    from safetensors.torch import load_file

    header = _header(path)
    if "step" not in header:
        raise UserError(f"{path}: this is no checkpoint of a training: start again with --force")
    return load_file(path), header


def _header(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return dict(json.loads((file.metadata() or {}).get(_HEADER, "{}")))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file: name one that `cacbench train denseraunet` wrote") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(
            f"{path}: the file is cut short or damaged ({str(error).splitlines()[0][:100]}): "
            "train again with --force, or fetch it again"
        ) from None
