"""A sentence encoder as Hugging Face's transformers builds it, loaded strictly from safetensors, and its pooling.

Reimers and Gurevych, *Sentence-BERT*, arXiv 1908.10084: the mean of the vectors of a text's tokens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchmark.errors import UserError
from benchmark.networks.checkpoint import load_strictly
from benchmark.networks.inference import once_per_process, prepare_as_built
from benchmark.networks.torchvision_repair import import_torchvision
from feature_extractors.reports.model_files import WEIGHTS, EncoderFiles

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Pooling = Literal["declared", "mean", "cls"]

_MODES = {"mean": "mean", "mean_tokens": "mean", "cls": "cls", "cls_token": "cls"}
_HEADS = ("cls.", "lm_head.", "pooler.", "classifier.", "vocab_")
"""What the weights may hold beside the encoder: what it was trained with, and the layer behind the first token."""


@dataclass(frozen=True)
class Encoder:
    """A tokenizer, a network in single precision, and how a text's tokens become one vector."""

    tokenizer: Any
    network: Any
    first_token: bool
    unit_length: bool

    @property
    def width(self) -> int:
        """How many numbers a text becomes."""
        return int(self.network.config.hidden_size)

    def embed(self, text: str) -> NDArray[np.float64]:
        """Return the vector of a text, (width,). A text longer than the tokenizer's limit is read in windows.

        Of several windows it is the mean over all of their tokens, or of their first ones.
        """
        import torch

        encoded = self.tokenizer.encode(text)
        pooled = []
        for window in (encoded, *encoded.overflowing):
            ids, mask = (torch.tensor([values]) for values in (window.ids, window.attention_mask))
            with torch.inference_mode():
                vectors = self.network(input_ids=ids, attention_mask=mask).last_hidden_state[0].double()
            pooled.append(vectors[:1] if self.first_token else vectors[mask[0] > 0])
        mean = torch.cat(pooled).mean(0)
        embedded: NDArray[np.float64] = (mean / mean.norm() if self.unit_length else mean).numpy()
        return embedded


def needed_files(source: EncoderFiles, pooling: Pooling) -> dict[str, Path]:
    """Return by name the files that decide a vector, fetched if need be. Raises `UserError` for one that is missing."""
    names = ["config.json", "tokenizer.json", WEIGHTS]
    if pooling != "declared":
        return {name: source.file(name).path() for name in names}
    try:
        modules = source.file("modules.json").path()
    except UserError as error:
        raise UserError(f"{error}; an encoder without it needs `pooling: mean` or `pooling: cls`") from None
    names += [f"{part}/config.json" for part in _modules(modules).get("Pooling", [])]
    return {name: source.file(name).path() for name in names} | {"modules.json": modules}


@once_per_process
def load(source: EncoderFiles, pooling: Pooling, max_tokens: int) -> Encoder:
    """Return the encoder, loaded once per process. Raises `UserError` for files that are missing, damaged or others."""
    files = needed_files(source, pooling)
    how, unit_length = _declared_pooling(files) if pooling == "declared" else (pooling, False)
    encoder = Encoder(
        _tokenizer(files["tokenizer.json"], max_tokens),
        _network(files["config.json"], files[WEIGHTS]),
        how == "cls",
        unit_length,
    )
    _refuse_too_long(encoder, files["config.json"], max_tokens)
    return encoder


def _network(config: Path, weights: Path) -> Any:
    import torch

    import_torchvision()  # transformers does, and must not fail at it
    from transformers import AutoConfig, AutoModel

    declared = {
        key: value for key, value in _mapping(config).items() if key != "auto_map"
    }  # code of the repository's
    try:
        with torch.random.fork_rng(devices=[]):
            network = AutoModel.from_config(AutoConfig.for_model(**declared), trust_remote_code=False)
    except Exception as error:  # of wrong settings, as many kinds as there are architectures
        reason = str(error).split("\n")[0][:120] or type(error).__name__
        raise UserError(
            f"{config}: no encoder can be built from it ({reason}): name another encoder"
        ) from None
    network.pooler = None
    prefix = f"{network.base_model_prefix}."
    left_over = tuple(start for head in _HEADS for start in (head, prefix + head))
    unread = ("embeddings.position_ids", f"{prefix}embeddings.position_ids")
    load_strictly(network, weights, lambda name: name.removeprefix(prefix), (*left_over, *unread))
    return prepare_as_built(network, "cpu", "fp32")


def _tokenizer(path: Path, max_tokens: int) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception:  # the library raises nothing narrower
        raise UserError(f"{path}: no tokenizer can be read from it: fetch the encoder again") from None
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


def _declared_pooling(files: Mapping[str, Path]) -> tuple[str, bool]:
    """Return how sentence-transformers pools this encoder's tokens, and whether to unit length."""
    modules = _modules(files["modules.json"])
    unknown = sorted(set(modules) - {"Transformer", "Pooling", "Normalize"})
    if unknown or len(modules.get("Pooling", [])) != 1:
        said = f"has a module {unknown[0]}, which is not known" if unknown else "has not one module Pooling"
        raise UserError(f"{files['modules.json']}: {said} here: name another encoder, or say `pooling: mean`")
    path = files[f"{modules['Pooling'][0]}/config.json"]
    content = _mapping(path)
    mode = content.get("pooling_mode")
    on = [mode] if mode else [
        key.removeprefix("pooling_mode_") for key, value in content.items() if key.startswith("pooling_mode_") and value
    ]  # fmt: skip
    if len(on) != 1 or str(on[0]) not in _MODES:
        raise UserError(
            f"{path}: pools by {on or 'nothing'}, and mean and cls alone are known here: name another encoder"
        )
    return _MODES[str(on[0])], "Normalize" in modules


def _modules(path: Path) -> dict[str, list[str]]:
    """Return the folders of an encoder's modules, by the last part of their type."""
    found: dict[str, list[str]] = {}
    content = _json(path)
    if not (isinstance(content, list) and all(isinstance(item, Mapping) for item in content)):
        raise UserError(f"{path}: lists no modules of a sentence encoder: fetch it again")
    for item in content:
        found.setdefault(str(item.get("type")).rpartition(".")[2], []).append(str(item.get("path")))
    return found


def _mapping(path: Path) -> dict[str, Any]:
    if not isinstance(content := _json(path), dict):
        raise UserError(f"{path}: holds no settings of an encoder: fetch it again")
    return content


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UserError(f"{path}: is no JSON that can be read: fetch the encoder again") from None


def _refuse_too_long(encoder: Encoder, config: Path, max_tokens: int) -> None:
    """Raise `UserError` where the network has no place for so many tokens, or the tokenizer is of another one."""
    import torch

    vocabulary, known = (
        encoder.tokenizer.get_vocab_size(),
        encoder.network.get_input_embeddings().num_embeddings,
    )
    if vocabulary > known:
        raise UserError(
            f"{config}: knows {known} tokens, its tokenizer.json {vocabulary}: they are not of one encoder"
        )
    try:
        with torch.inference_mode():
            encoder.network(torch.full((1, max_tokens), known - 1))
    except (IndexError, RuntimeError):
        raise UserError(f"{config}: reads no {max_tokens} tokens at once: lower `max_tokens`") from None
