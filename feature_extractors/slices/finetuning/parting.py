"""Parts an encoder of timm's before its last stage: in what stays frozen and what is trained."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from benchmark.errors import UserError
from benchmark.networks.inference import once_per_process, to_device
from feature_extractors.slices.network import Loaded, Pixels, embed, pooled

if TYPE_CHECKING:
    import torch


def embed_and_cut(
    loaded: Loaded, planes: torch.Tensor, pixels: Pixels, batch: int | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what `embed` returns, and what the last stage takes of each plane, (n, …). Raises `UserError`."""
    import torch

    taken: list[torch.Tensor] = []
    before = loaded.network.get_submodule(_last_frozen(loaded))
    hook = before.register_forward_hook(lambda _module, _given, result: taken.append(result))
    try:
        return embed(loaded, planes, pixels, batch), torch.cat(taken)
    finally:
        hook.remove()


@once_per_process
def last_stage(loaded: Loaded) -> Any:
    """Return what takes that which `embed_and_cut` cuts off and does the rest of the network; frozen, made once.

    All layers registered up to the cut are passed over; that the rest is still the network is tried on a plane, so
    `loaded` must be in float32. Raises `UserError` for an encoder that cannot be parted so.
    """
    import torch

    network = copy.deepcopy(loaded.network)
    parent: Any = network
    for name in (path := _last_frozen(loaded).split(".")):
        for earlier, _ in list(parent.named_children()):
            if earlier == name:
                break
            setattr(parent, earlier, torch.nn.Identity())
        above, parent = parent, getattr(parent, name)
    setattr(above, path[-1], torch.nn.Identity())
    for name in ("cls_token", "reg_token", "pos_embed"):  # what a transformer adds before the cut
        if hasattr(network, name):
            setattr(network, name, None)
    if not _is_the_rest(network, loaded):
        raise UserError(_no_stages(loaded))
    return network


def _is_the_rest(network: Any, loaded: Loaded) -> bool:
    import torch

    plane = torch.linspace(0, 1, loaded.side**2).reshape(1, 1, loaded.side, loaded.side)
    whole, cut = embed_and_cut(loaded, plane, "own")
    try:
        with torch.inference_mode():
            rest = pooled(network, network.forward_features(to_device(cut, network)), "own")
    except (RuntimeError, TypeError, ValueError, AttributeError, IndexError):
        return False
    return rest.shape == whole.shape and bool((rest - whole).abs().max() <= 1e-4 * whole.abs().max())


def _last_frozen(loaded: Loaded) -> str:
    """Return the layer that ends the last but one stage, as timm lists them."""
    stages = getattr(loaded.network, "feature_info", None) or ()
    names = [stage["module"] for stage in stages if isinstance(stage, dict) and "module" in stage]
    if len(names) < 2:
        raise UserError(_no_stages(loaded))
    return str(names[-2])


def _no_stages(loaded: Loaded) -> str:
    return (
        f"encoder {loaded.encoder.architecture!r} cannot be parted before its last stage: say `depth: full` or "
        "`depth: head`, or name another encoder"
    )
