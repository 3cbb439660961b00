"""`backend: onnxruntime` gives what torch gives, of real weights and of every kind of layer that presets have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from benchmark.errors import UserError
from benchmark.networks import onnx_runtime
from feature_extractors.slices.extractor import SlicesExtractor
from feature_extractors.slices.finetuning.extractor import FinetuneSlicesExtractor
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


def both(**parameters: object) -> tuple[np.ndarray, np.ndarray]:
    torch_, onnx = (
        SlicesExtractor(device="cpu", batch_slices=2, backend=backend, **parameters)
        for backend in ("torch", "onnxruntime")
    )
    return torch_.per_slice(IMAGE, ROI), onnx.per_slice(IMAGE, ROI)


def test_trained_weights_give_the_same_embedding(installed: Path) -> None:
    expected, found = both()
    assert (cosines(found, expected) >= 0.999999).all()
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("parameters", ARCHITECTURES.values(), ids=ARCHITECTURES.keys())
def test_every_kind_of_encoder_gives_the_same_embedding_whatever_the_last_batch_holds(
    parameters: dict[str, object],
) -> None:
    expected, found = both(weights=UNTRAINED, **parameters)
    assert found.shape == expected.shape
    assert (cosines(found, expected) >= 0.999999).all()


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
