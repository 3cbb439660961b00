"""How a frozen network runs: on which device, in which precision, with how many threads, how fast.

A shortcut taken here leaves the result what it is. Evaluated, a batch norm is an affine map per channel and
folds into the convolution before it; a ReLU of bfloat16 is the maximum of its bits, as an integer, and zero.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache, lru_cache, wraps
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast

from pydantic import AfterValidator, ValidationInfo

from benchmark.errors import UserError

if TYPE_CHECKING:
    import torch

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]

_ISA_WITHOUT_BFLOAT16 = {
    "SSE41",
    "AVX",
    "AVX2",
    "AVX2_VNNI",
    "AVX2_VNNI_2",
    "AVX512_CORE",
    "AVX512_CORE_VNNI",
}


def resolve_device(device: Device) -> Device:
    """Return ``cuda`` for ``auto`` where an NVIDIA GPU and a torch built for it are here, else ``cpu``."""
    if device != "auto":
        return device
    return "cuda" if _has_nvidia_gpu() and not version("torch").endswith("+cpu") else "cpu"


def resolve_precision(precision: Precision, device: Device) -> Precision:
    """Return ``bf16`` for ``auto`` where the hardware multiplies matrices of it, ``fp32`` elsewhere.

    On a processor these are the units that AMX or AVX512-BF16 name; without them bfloat16 is emulated and
    slower, as it is where ``ONEDNN_MAX_CPU_ISA`` forbids them to the library that would use them.
    """
    if precision != "auto":
        return precision
    return "bf16" if device == "cuda" or _has_bfloat16_units() else "fp32"


def _has_bfloat16_units() -> bool:
    forbidden = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in _ISA_WITHOUT_BFLOAT16
    return not forbidden and bool({"amx_bf16", "avx512_bf16"} & _processor_flags())


def _precision_on_device(precision: Precision, info: ValidationInfo) -> Precision:
    return resolve_precision(precision, info.data.get("device", "cpu"))


ResolvedDevice = Annotated[Device, AfterValidator(resolve_device)]
"""A plug-in's field: what `auto` means is decided when it is declared, so that the parameters on record say it."""
ResolvedPrecision = Annotated[Precision, AfterValidator(_precision_on_device)]
"""The same for the precision, on the device of the field before it."""


@cache
def _processor_flags() -> frozenset[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())


def _has_nvidia_gpu() -> bool:
    gpus = Path("/proc/driver/nvidia/gpus")
    return os.environ.get("CUDA_VISIBLE_DEVICES") != "" and gpus.is_dir() and any(gpus.iterdir())


def use_allotted_threads() -> None:
    """Let torch use as many threads as the parent process left to this worker in ``OMP_NUM_THREADS``."""
    import torch

    if (threads := os.environ.get("OMP_NUM_THREADS", "")).isdigit():
        torch.set_num_threads(max(1, int(threads)))


Load = TypeVar("Load", bound=Callable[..., Any])


def once_per_process(load: Load) -> Load:
    """Make `load` keep what it returned, or the `UserError` it raised, for each of its last arguments."""

    @lru_cache(maxsize=4)
    def outcome(*key: Any) -> Any:
        try:
            return load(*key)
        except UserError as error:
            # The error itself would keep the frames it came through, and the network that was half loaded there.
            return UserError(*error.args)

    @wraps(load)
    def loaded(*key: Any) -> Any:
        if isinstance(result := outcome(*key), UserError):
            raise UserError(*result.args)
        return result

    return cast(Load, loaded)


def prepare(network: torch.nn.Module, device: Device, precision: Precision) -> torch.nn.Module:
    """Return `network` frozen for inference: folded, on its device, in its precision, channels last.

    For networks whose layers are known to be registered in the order they are applied: see `fold_batch_norms`.
    """
    import torch

    from benchmark.networks.folding import fold_batch_norms

    fold_batch_norms(network.eval().requires_grad_(False))
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is torch.nn.ReLU:
                setattr(parent, name, _rectifier())
    return prepare_as_built(network, device, precision)


def prepare_as_built(network: torch.nn.Module, device: Device, precision: Precision) -> torch.nn.Module:
    """Return `network` frozen for inference, on its device, in its precision, channels last; no layer is changed."""
    import torch

    use_allotted_threads()
    if device == "cuda" and precision == "fp32":
        torch.backends.cudnn.allow_tf32 = False  # it would round to 10 bits of mantissa
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    for parameter in network.eval().requires_grad_(False).parameters():
        if parameter.ndim in formats:
            parameter.data = parameter.data.to(memory_format=formats[parameter.ndim])
    return network.to(device=device, dtype=torch_dtype(precision))


def torch_dtype(precision: Precision) -> torch.dtype:
    """Return torch's name of a resolved precision."""
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


def rectify_(x: torch.Tensor) -> torch.Tensor:
    """Apply ReLU in place; to bfloat16 on a processor as to integers: the same bits, 8 times faster.

    Both keep the sign in the highest bit. A NaN with that bit set would become 0, but bfloat16 has the range of
    float32, so none arises from finite weights and HU.
    """
    import torch

    if x.device.type == "cpu" and x.dtype == torch.bfloat16:
        x.view(torch.int16).clamp_(min=0)
        return x
    return x.relu_()


def _rectifier() -> torch.nn.Module:
    import torch

    class Rectifier(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return rectify_(x)

    return Rectifier()


def to_device(x: torch.Tensor, network: torch.nn.Module) -> torch.Tensor:
    """Return `x` on the device and in the precision of `network`, through pinned memory to a GPU."""
    like = next(network.parameters())
    if like.device.type == "cuda" and x.device.type == "cpu":  # what is there already cannot be pinned
        x = x.pin_memory()
    return x.to(device=like.device, dtype=like.dtype, non_blocking=True)
