"""Reads a weights file without running code from it, and loads it only when every tensor finds its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import UserError

if TYPE_CHECKING:
    import torch

_REMEDY = (
    "delete it and fetch it again (with `cacbench weights --fetch` if it is of the hub), or name another with "
    "`weights: {file: …}`"
)


def load_strictly(
    network: torch.nn.Module,
    path: Path,
    rename: Callable[[str], str] = str,
    classifier_head: tuple[str, ...] = (),
    entry: str | None = None,
) -> None:
    """Load the tensors of `path` into `network`, in place, and prove that each one arrived.

    `rename` maps a name in the file to the network's. Only tensors whose name in the file starts with one of
    `classifier_head` may be left over; ``num_batches_tracked``, which inference never reads, may be missing.
    `entry` is where in the file they must be, see `read_tensors`. Raises `UserError` for a file that cannot be read
    and for missing, extra, misshapen or non-finite tensors.
    """
    tensors = {
        rename(name): tensor
        for name, tensor in read_tensors(path, entry).items()
        if not name.startswith(classifier_head or "\0")
    }
    expected = network.state_dict()
    required = {name for name in expected if not name.endswith("num_batches_tracked")}
    missing, extra = sorted(required - set(tensors)), sorted(set(tensors) - set(expected))
    if missing or extra:
        raise UserError(
            f"{path}: these are not the weights of {type(network).__name__}: of {len(expected)} tensors "
            f"{_some(missing)} missing and {_some(extra)} unknown; {_REMEDY}"
        )
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            shapes = f"{tuple(tensor.shape)} instead of {tuple(expected[name].shape)}"
            raise UserError(f"{path}: tensor {name} has the shape {shapes}; {_REMEDY}")
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise UserError(f"{path}: tensor {name} holds values that are not finite; {_REMEDY}")
    network.load_state_dict({**expected, **tensors}, strict=True)


def read_tensors(path: Path, entry: str | None = None) -> Mapping[str, torch.Tensor]:
    """Read a safetensors file or a torch state dict. Raises `UserError` for anything else.

    A checkpoint may hold more than the tensors: they are what lies under the key `entry`, or if none is named, under
    ``state_dict`` where there is such a key.
    """
    try:
        with path.open("rb") as file:
            start = file.read(512).lstrip()
    except OSError as error:
        raise UserError(f"{path}: the weights cannot be read ({error.strerror}); {_REMEDY}") from None
    if not start:
        raise UserError(f"{path}: the weights file is empty; {_REMEDY}")
    if start[:1] == b"<":
        raise UserError(
            f"{path}: this is a web page, not weights: a portal or proxy answered for the hub; {_REMEDY}"
        )
    content = _safetensors(path) if path.suffix == ".safetensors" else _torch_file(path)
    if entry is not None and not (isinstance(content, Mapping) and entry in content):
        keys = list(map(str, content)) if isinstance(content, Mapping) else []
        raise UserError(f"{path}: holds no `{entry}` but {_some(keys)}: it is another checkpoint; {_REMEDY}")
    content = content.get(entry or "state_dict", content) if isinstance(content, Mapping) else content
    if not isinstance(content, Mapping) or not all(hasattr(tensor, "shape") for tensor in content.values()):
        raise UserError(f"{path}: holds no dictionary of tensors; {_REMEDY}")
    return content


def _safetensors(path: Path) -> Any:
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except Exception as error:  # of damaged bytes, as many kinds as there are ways to damage them
        raise _unreadable(path, error) from None


def _torch_file(path: Path) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises a dozen kinds on damaged bytes
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> UserError:
    reason = str(error).split("\n")[0].split(". ")[0][:120] or type(error).__name__
    return UserError(f"{path}: the weights file is damaged or of another format ({reason}); {_REMEDY}")


def _some(names: list[str]) -> str:
    """Return e.g. ``2 (conv1.weight, bn1.bias)``, at most three names."""
    return f"{len(names)} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})" if names else "none"
