"""Finds an encoder by its name: a preset, one of timm's, or a repository of the hub that timm can build."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.errors import UserError
from benchmark.networks.torchvision_repair import import_timm
from benchmark.networks.weights import HubWeights, LocalWeights, Published, Weights
from benchmark.plugins.base import Provenance
from feature_extractors.slices.presets import HUB, PRESETS, Encoder

_NOT_COMMERCIAL = re.compile(r"\bnc\b|non-?commercial|amlr|research", re.IGNORECASE)

_LOADING = {"pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir"}
"""What of `timm.create_model` is not architecture: a stranger's file must not make it read others."""


def published(name: str) -> Published | None:
    """Return where the weights of an encoder are published, or None. Imports timm for those that are no preset.

    Raises `ValueError` with the nearest names where timm knows none of that name.
    """
    if name.startswith(HUB):
        return HubWeights(repo=name.removeprefix(HUB), filename="model.safetensors")
    return (PRESETS[name] if name in PRESETS else known_to_timm(name)).weights


def find(name: str, weights: Weights) -> Encoder:
    """Return what is known of an encoder; of one of the hub, as its ``config.json`` says.

    Raises `UserError` where that file is not to be had or says nothing that timm can build.
    """
    if name.startswith(HUB):
        return _described_by(hub_config(name, weights))
    return PRESETS[name] if name in PRESETS else known_to_timm(name)


def known_to_timm(name: str) -> Encoder:
    """Return what timm knows of one of its models, ``architecture`` or ``architecture.tag``. Raises `ValueError`."""
    models = import_timm().models
    try:
        config = models.get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError:  # an unknown tag, or an unknown architecture
        config = None
    if config is None:
        known = [*PRESETS, *models.list_models(), *models.list_models(pretrained=True)]
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "`timm.list_models()` names them"
        raise ValueError(f"timm knows no encoder {name!r}; {hint}")
    return _encoder(name, config.to_dict(), {})


def hub_config(name: str, weights: Weights) -> Path:
    """Return the ``config.json`` of an encoder of the hub: beside the weights on disk, else of their revision.

    Raises `UserError` where it is not to be had.
    """
    if isinstance(weights, LocalWeights):
        beside = weights.file.parent / "config.json"
        if not beside.is_file():
            raise UserError(f"{beside}: no such file: put the repository's config.json beside its weights")
        return beside
    revision = weights.revision if isinstance(weights, HubWeights) else "main"
    return HubWeights(repo=name.removeprefix(HUB), filename="config.json", revision=revision).path()


def _described_by(file: Path) -> Encoder:
    """Read a repository's ``config.json``, as `timm.models.push_to_hf_hub` writes it."""
    try:
        content = json.loads(file.read_text())
        architecture = str(content["architecture"])
        config = {**content, **content.get("pretrained_cfg", {})}
        if not import_timm().is_model(architecture):
            raise ValueError(f"timm builds no {architecture!r}")
        channels, *_, side = config["input_size"]
        sized = {"img_size": int(side)} if config.get("fixed_input_size") else {}
        given = content.get("model_args") or {}
        if loading := _LOADING & set(given):
            raise ValueError(f"model_args may not say {sorted(loading)[0]}")
        arguments = {"in_chans": int(channels), **sized, **given}
        arguments.pop("num_classes", None)  # always built without a classifier
        return _encoder(architecture, config, arguments)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{file}: describes no encoder that timm can build ({error!r:.100}): "
            "name a repository whose library is timm"
        ) from None


def _encoder(architecture: str, config: Mapping[str, Any], arguments: Mapping[str, Any]) -> Encoder:
    repo, licence = config.get("hf_hub_id"), str(config.get("license") or "not stated")
    filename = config.get("hf_hub_filename") or "model.safetensors"
    classifier = config.get("classifier") or ()
    names = [classifier] if isinstance(classifier, str) else classifier
    return Encoder(
        architecture,
        HubWeights(repo=repo, filename=filename) if repo else None,
        Provenance(licence, commercial=not _NOT_COMMERCIAL.search(licence)),
        int(config["input_size"][-1]),
        tuple(map(float, config["mean"])),
        tuple(map(float, config["std"])),
        interpolation=str(config.get("interpolation", "bicubic")),
        arguments=tuple(arguments.items()),
        head=tuple(f"{name}." for name in names),
    )
