"""The shortcuts of inference change no result, and a worker uses the threads it was given."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from pydantic import ValidationError

from benchmark.errors import CaseError, UserError
from benchmark.networks import inference
from benchmark.networks.folding import fold_batch_norms
from feature_extractors.ct_fm.extractor import CTFMExtractor
from feature_extractors.radimagenet import RadImageNetExtractor


def test_relu_of_every_bfloat16_is_torchs() -> None:
    every = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(torch.bfloat16)
    every = every[~every.isnan()]
    assert torch.equal(inference.rectify_(every.clone()), torch.relu(every))
    for dtype in (torch.float32, torch.float16):
        assert torch.equal(inference.rectify_(every.to(dtype)), torch.relu(every.to(dtype)))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_folded_batch_norm_leaves_the_result(dimensions: int) -> None:
    conv = (torch.nn.Conv2d, torch.nn.Conv3d)[dimensions - 2](3, 5, 3, bias=False)
    norm = (torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)[dimensions - 2](5)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    network = torch.nn.Sequential(conv, norm, torch.nn.ReLU()).eval().requires_grad_(False)
    x = torch.randn(2, 3, *[8] * dimensions)
    expected = network(x)
    fold_batch_norms(network)
    assert [type(layer).__name__ for layer in network][1] == "Identity"
    torch.testing.assert_close(network(x), expected, atol=1e-5, rtol=1e-4)


def test_a_norm_that_does_more_than_normalise_is_not_folded() -> None:
    class WithActivation(torch.nn.BatchNorm2d):
        pass

    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), WithActivation(2)).eval()
    fold_batch_norms(network)
    assert isinstance(network[1], WithActivation)


@pytest.mark.parametrize(
    ("flags", "precision"),
    [
        ({"amx_bf16", "avx2"}, "bf16"),
        ({"avx512_bf16"}, "bf16"),
        ({"avx2", "avx512f"}, "fp32"),
        (set(), "fp32"),
    ],
)
def test_the_processors_units_decide_the_precision_unless_it_is_given(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], precision: str
) -> None:
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.setattr(inference, "_processor_flags", lambda: frozenset(flags))
    assert inference.resolve_precision("auto", "cpu") == precision
    assert inference.resolve_precision("auto", "cuda") == "bf16"
    assert inference.resolve_precision("fp32", "cuda") == "fp32"


@pytest.mark.parametrize(
    ("allowed", "precision"),
    [("AVX2", "fp32"), ("avx512_core", "fp32"), ("AVX512_CORE_AMX", "bf16"), ("", "bf16")],
)
def test_units_that_the_library_may_not_use_do_not_count(
    monkeypatch: pytest.MonkeyPatch, allowed: str, precision: str
) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", allowed)
    monkeypatch.setattr(inference, "_processor_flags", lambda: frozenset({"amx_bf16"}))
    assert inference.resolve_precision("auto", "cpu") == precision


def test_what_auto_meant_is_on_record_and_in_the_cache_key() -> None:
    auto = CTFMExtractor(weights={"untrained": 0})
    assert auto.parameters()["device"] in {"cpu", "cuda"}
    assert auto.parameters()["precision"] in {"fp32", "bf16"}
    explicit = CTFMExtractor(weights={"untrained": 0}, device=auto.device, precision=auto.precision)
    assert explicit.fingerprint() == auto.fingerprint()
    other = "fp32" if auto.precision == "bf16" else "bf16"
    assert CTFMExtractor(weights={"untrained": 0}, precision=other).fingerprint() != auto.fingerprint()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_here_makes_the_run_unavailable() -> None:
    answer = CTFMExtractor(weights={"untrained": 0}, device="cuda").availability()
    assert not answer.ready
    assert "device: auto" in answer.reason


def test_a_worker_uses_the_threads_its_parent_left_it() -> None:
    program = (
        "import os, torch\n"
        "os.environ['OMP_NUM_THREADS'] = '1'\n"  # a pool's initialiser comes too late for OpenMP itself
        "from benchmark.networks.inference import use_allotted_threads\n"
        "use_allotted_threads()\n"
        "print(torch.get_num_threads())"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert output.stdout.strip() == "1"


def test_an_embedding_that_overflows_is_an_exclusion() -> None:
    image = sitk.GetImageFromArray(np.random.default_rng(0).normal(0, 200, (2, 40, 40)).astype(np.int16))
    extractor = RadImageNetExtractor(
        backbone="inception_v3", weights={"untrained": 0}, precision="fp16", device="cpu"
    )
    with pytest.raises(CaseError, match="overflows in fp16"):
        extractor.extract(image, image)


def test_a_network_is_loaded_once_per_process() -> None:
    from feature_extractors import radimagenet_network

    one, two = RadImageNetExtractor(weights={"untrained": 0}), RadImageNetExtractor(weights={"untrained": 0})
    loaded = [
        radimagenet_network.load(each.backbone, each.weights, each.device, each.precision)
        for each in (one, two)
    ]
    assert loaded[0] is loaded[1]


def test_a_plug_in_cannot_be_changed_after_it_was_made() -> None:
    with pytest.raises(ValidationError):
        CTFMExtractor(weights={"untrained": 0}).pooling = "max"  # type: ignore[misc]


def test_a_load_that_failed_keeps_its_sentence_and_nothing_of_what_it_had_loaded() -> None:
    seen: list[weakref.ref[torch.nn.Linear]] = []

    @inference.once_per_process
    def load(name: str) -> None:
        large = torch.nn.Linear(2, 2)
        seen.append(weakref.ref(large))
        raise UserError(f"{name}: of another layout")

    for _ in range(2):
        with pytest.raises(UserError, match="weights: of another layout"):
            load("weights")
    gc.collect()
    assert len(seen) == 1
    assert seen[0]() is None
