"""The network's structure, and what it sees of a scan."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.inferers import sliding_window_inference
from pydantic import ValidationError
from torch import nn

from benchmark.errors import CaseError
from benchmark.networks.inference import prepare
from segmenters.denseraunet.network import AtrousBlock, DenseBlock, build_network
from segmenters.denseraunet.plan import BasicUNet, DenseRAUnet, Input
from segmenters.denseraunet.prediction import batch_for, predict
from segmenters.denseraunet.slices import channels, on_network_pixels, refuse_too_few, windowed

SMALL = DenseRAUnet(channels=(4, 8), growth=4, layers=1, atrous_rates=(1, 2))


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    "network",
    [
        SMALL,
        SMALL.model_copy(update={"stem_stride": 1}),
        SMALL.model_copy(update={"squeeze_excitation": True}),
        BasicUNet(features=(4, 4, 8, 8, 8, 4)),
    ],
)
def test_there_is_one_logit_per_pixel(network):
    given = Input(slices=3)
    module = build_network(network, given).eval()
    side = 2 * network.divisor
    assert module(torch.zeros(2, given.channels, side, side)).shape == (2, 1, side, side)


def test_a_layer_of_a_dense_block_sees_the_block_s_input_and_all_layers_before_it():
    block = DenseBlock(8, DenseRAUnet(growth=3, layers=3))
    assert [layer[0].in_channels for layer in block.layers] == [8, 11, 14]
    assert block.fuse[0].in_channels == 17


def test_the_residual_adds_the_block_s_input():
    torch.manual_seed(0)
    block = DenseBlock(8, SMALL).eval()
    x = torch.randn(1, 8, 6, 6)
    with_input = block(x)
    block.residual = False
    assert torch.allclose(with_input, block(x) + x)


def test_the_bottleneck_s_branches_have_the_declared_rates_and_keep_the_side():
    block = AtrousBlock(8, DenseRAUnet(atrous_rates=(1, 3, 5)))
    assert [branch[0].dilation for branch in block.branches] == [(1, 1), (3, 3), (5, 5)]
    assert block(torch.zeros(1, 8, 9, 9)).shape == (1, 8, 9, 9)


def test_both_networks_are_of_one_size():
    sizes = [parameters(build_network(network, Input())) for network in (DenseRAUnet(), BasicUNet())]
    assert max(sizes) < 1.1 * min(sizes)
    assert max(sizes) * 4 <= 10e6, "10 MB in 32 bits"


def test_the_prepared_network_is_the_trained_one_folded():
    torch.manual_seed(0)
    module = build_network(SMALL, Input(slices=3))
    for _ in range(3):
        module(torch.rand(4, 7, 16, 16))
    module.eval()
    x = torch.rand(2, 7, 16, 16)
    expected = module(x).detach()
    prepared = prepare(module, "cpu", "fp32")
    assert not any(isinstance(part, nn.BatchNorm2d) for part in prepared.modules())
    torch.testing.assert_close(prepared(x), expected, rtol=1e-4, atol=1e-5)


def test_the_channels_are_the_windows_of_the_slices_around_and_the_candidates():
    given = Input(slices=3, windows_hu=((0, 100), (100, 300)), candidate_hu=130)
    volume = torch.tensor([10, 120, 150, 400, -50], dtype=torch.int16)[:, None, None].expand(5, 2, 2)
    stack = channels(volume, windowed(volume, given), given, [0, 2])
    assert stack.shape == (2, given.channels, 2, 2) == (2, 7, 2, 2)
    np.testing.assert_allclose(stack[0, :, 0, 0], [0.1, 0.1, 1, 0, 0, 0.1, 0])
    np.testing.assert_allclose(stack[1, :, 0, 0], [1, 1, 1, 0.1, 0.25, 1, 1])


def test_the_slices_are_resampled_in_the_plane_alone():
    image = sitk.Image(40, 30, 7, sitk.sitkInt16)
    image.SetSpacing((0.5, 0.5, 2.5))
    assert on_network_pixels(image, Input(pixel_mm=1.0)).GetSize() == (20, 15, 7)
    assert on_network_pixels(image, Input(pixel_mm=0.5)) is image


def test_a_scan_of_fewer_slices_than_the_network_looks_at_is_refused():
    with pytest.raises(CaseError, match="has 4 slices, but the network looks at 5 at once"):
        refuse_too_few(4, Input(slices=5))


@pytest.mark.parametrize("wrong", [{"slices": 4}, {"windows_hu": [[100, 100]]}, {"slices": 0}])
def test_an_impossible_input_is_refused(wrong):
    with pytest.raises(ValidationError):
        Input.model_validate(wrong)


class Mean(nn.Module):
    """Answers with the logit of the middle of three slices' window: what went in comes out."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return torch.logit(x[:, 1:2].clamp(1e-6, 1 - 1e-6)) * self.weight


@pytest.mark.parametrize("shape", [(5, 32, 32), (4, 50, 37), (3, 90, 70)])
def test_windows_and_padding_put_every_pixel_back_in_its_place(shape):
    given = Input(slices=3, windows_hu=((0, 1000),), candidate_hu=None, pixel_mm=1)
    volume = np.random.default_rng(0).integers(1, 999, shape).astype(np.int16)
    found = predict(Mean(), volume, given, divisor=16, batch=2, window=48)
    np.testing.assert_allclose(found, volume / 1000, atol=1e-4)


@pytest.mark.parametrize(("sides", "windows"), [((40, 40), (32, 32)), ((27, 30), (28, 32))])
def test_a_slice_is_covered_as_monai_covers_it_in_windows_or_in_one(sides, windows):
    torch.manual_seed(1)
    given = Input(slices=1, windows_hu=((0, 1000),), candidate_hu=None)
    module = build_network(SMALL, given).eval()
    volume = np.random.default_rng(0).integers(0, 999, (1, *sides)).astype(np.int16)
    found = predict(module, volume, given, divisor=SMALL.divisor, window=32)
    x = torch.from_numpy(volume[None].astype(np.float32) / 1000)
    with torch.inference_mode():
        logits = sliding_window_inference(x, windows, 1, module, overlap=0.25, mode="gaussian")
    np.testing.assert_allclose(found, logits.sigmoid()[:, 0].numpy(), atol=1e-5)


@pytest.mark.parametrize(("dtype", "slices"), [(torch.float32, 2), (torch.bfloat16, 4)])
def test_slices_are_looked_at_as_many_together_as_lie_in_the_caches_unless_it_is_said(dtype, slices):
    network = nn.Conv2d(1, 1, 1).to(dtype)
    assert batch_for(network, None) == slices
    assert batch_for(network, 7) == 7
