"""Both backends give what the network as timm builds it gives, of real weights and of every kind of layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from benchmark.errors import UserError
from benchmark.networks import onnx_runtime
from feature_extractors.slices.backends import Backend, _folded, embed_by
from feature_extractors.slices.extractor import SlicesExtractor
from feature_extractors.slices.finetuning.extractor import FinetuneSlicesExtractor
from feature_extractors.slices.network import Loaded, embed, load
from feature_extractors.slices.presets import PRESETS
from tests.feature_extractors.slices.test_extractor import UNTRAINED, cosines, region, scan

IMAGE = scan((5, 60, 60))
ROI = region(IMAGE, (0, 0, 0), (60, 60, 5))
ARCHITECTURES = {
    "resnet": {"encoder": "test_resnet.r160_in1k"},
    "vit": {"encoder": "test_vit"},
    "vit, its class token": {"encoder": "test_vit", "pixels": "cls"},
    "convnext, maximum": {"encoder": "test_convnext.r160_in1k", "pixels": "max"},
    "mobile": {"encoder": "imagenet", "input_size": 96},
    "concatenating": {"encoder": "radimagenet_densenet121", "input_size": 64},
}


def encoder(**parameters: Any) -> Loaded:
    declared = SlicesExtractor(device="cpu", **parameters)
    return load(
        declared.encoder, declared.weights, declared.input_size, declared.pixels, "cpu", declared.precision
    )


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_trained_weights_give_the_embedding_of_the_network_as_built(
    installed: Path, backend: Backend
) -> None:
    loaded, planes = encoder(), torch.rand(3, 1, 224, 224, generator=torch.Generator().manual_seed(1))
    expected, found = embed(loaded, planes), embed_by(backend, loaded, planes, "own", 2)
    assert (cosines(found.numpy(), expected.numpy()) >= 0.999999).all()
    np.testing.assert_allclose(found, expected, atol=2e-4)


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
@pytest.mark.parametrize("parameters", ARCHITECTURES.values(), ids=ARCHITECTURES.keys())
def test_every_kind_of_encoder_gives_its_embedding_whatever_the_last_batch_holds(
    parameters: dict[str, Any], backend: Backend
) -> None:
    loaded, pixels = encoder(weights=UNTRAINED, **parameters), parameters.get("pixels", "own")
    planes = torch.rand(5, 1, loaded.side, loaded.side, generator=torch.Generator().manual_seed(2))
    expected, found = embed(loaded, planes, pixels), embed_by(backend, loaded, planes, pixels, 2)
    assert found.shape == expected.shape
    assert (cosines(found.numpy(), expected.numpy()) >= 0.999999).all()
    assert torch.equal(embed(loaded, planes, pixels), expected), (
        "the network that others use is left as it was"
    )


def norms(network: torch.nn.Module) -> int:
    return sum(isinstance(layer, torch.nn.BatchNorm2d) for layer in network.modules())


def test_all_batch_norms_that_follow_a_convolution_are_folded_and_the_network_is_left_as_built() -> None:
    for name, left in (("imagenet", 0), ("radimagenet_resnet50", 0), ("radimagenet_densenet121", 62)):
        loaded = encoder(encoder=name, weights=UNTRAINED, input_size=64)
        before = norms(loaded.network)
        assert (norms(_folded(loaded)), norms(loaded.network)) == (left, before)
        assert before > left


@pytest.mark.parametrize("other", [{"encoder": "test_resnet", "precision": "bf16"}, {"encoder": "test_vit"}])
def test_in_few_bits_and_without_batch_norms_nothing_is_folded(other: dict[str, str]) -> None:
    loaded = encoder(weights=UNTRAINED, **other)
    assert _folded(loaded) is loaded.network


def test_what_folding_would_change_is_left_as_built() -> None:
    """A convolution whose output is also taken beside its batch norm."""

    class Beside(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)
            self.norm.running_mean.fill_(0.5)

        def forward_features(self, shown: torch.Tensor) -> torch.Tensor:
            made = self.conv(shown)
            return made + self.norm(made)

        forward = forward_features

    network = Beside().eval().requires_grad_(False)
    loaded = Loaded(PRESETS["imagenet"], network, 32)
    assert _folded(loaded) is network


def test_the_names_are_those_of_torch_and_what_is_stored_is_kept_apart() -> None:
    torch_, onnx = (
        SlicesExtractor(encoder="test_vit", weights=UNTRAINED, device="cpu", backend=backend)
        for backend in ("torch", "onnxruntime")
    )
    assert list(torch_.extract(IMAGE, ROI).index) == list(onnx.extract(IMAGE, ROI).index)
    assert torch_.fingerprint() != onnx.fingerprint()
    assert {"onnxruntime", "onnx"} <= {*onnx.libraries_used()} - {*torch_.libraries_used()}


@pytest.mark.parametrize("other", [{"precision": "bf16"}, {"device": "cuda"}])
def test_a_gpu_or_another_precision_beside_it_is_refused(other: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="say `device: cpu, precision: fp32`, or leave it out"):
        SlicesExtractor(**{"device": "cpu", "backend": "onnxruntime", **other})


def test_what_is_trained_is_refused() -> None:
    with pytest.raises(ValidationError, match="leave it out, or use `slices`"):
        FinetuneSlicesExtractor(device="cpu", backend="onnxruntime")


def test_where_it_is_not_installed_the_command_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_runtime, "find_spec", lambda name: None if name == "onnxruntime" else name)
    declared = SlicesExtractor(encoder="test_vit", weights=UNTRAINED, device="cpu", backend="onnxruntime")
    assert declared.availability().reason == (
        "onnxruntime not installed: run `pip install 'cacbench[onnxruntime]'` in this environment"
    )
    assert SlicesExtractor(encoder="test_vit", weights=UNTRAINED, device="cpu").availability().ready


def test_a_network_that_has_no_graph_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_counterpart(*_: object, **__: object) -> None:
        raise torch.onnx.errors.UnsupportedOperatorError("aten::of_nobody", 17, None)

    monkeypatch.setattr(torch.onnx, "export", no_counterpart)
    declared = SlicesExtractor(encoder="test_vit2", weights=UNTRAINED, device="cpu", backend="onnxruntime")
    with pytest.raises(UserError, match=r"of_nobody.*leave out `backend: onnxruntime`"):
        declared.extract(IMAGE, ROI)
