"""CT-FM against an independent script of the published recipes, on the same weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.inferers import SlidingWindowSplitter
from monai.networks.nets.segresnet_ds import SegResEncoder
from monai.transforms import (
    Compose,
    CropForeground,
    EnsureType,
    LoadImage,
    Orientation,
    ScaleIntensityRange,
    Spacing,
)
from pydantic import ValidationError

from benchmark.errors import CaseError
from benchmark.images.reading import read_image
from feature_extractors.ct_fm import network as ct_fm_network
from feature_extractors.ct_fm.extractor import CTFMExtractor

UNTRAINED = {"untrained": 7}
SMALL = (16, 16, 16)
"""One voxel of the deepest level, x, y, z: without units for it, bfloat16 takes half a minute for 32³."""
SCALE = ScaleIntensityRange(a_min=-1024, a_max=2048, b_min=0, b_max=1, clip=True)
LOAD = [LoadImage(ensure_channel_first=True), EnsureType(), Orientation(axcodes="SPL")]
MODEL_CARD = Compose([*LOAD, SCALE, CropForeground(allow_smaller=True)])
AUTHORS_SCRIPT = Compose(
    [*LOAD, Spacing(pixdim=[3, 1, 1], mode="bilinear"), CropForeground(allow_smaller=True), SCALE]
)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def scan(shape: tuple[int, int, int] = (21, 49, 66), seed: int = 0) -> sitk.Image:
    """A body of soft tissue with a bright sphere in air, off the centre, on an anisotropic grid."""
    z, y, x = np.indices(shape)
    hu = np.where((x - 30) ** 2 + (y - 28) ** 2 < 18**2, 40, -1024)
    hu[(z - 9) ** 2 * 9 + (y - 25) ** 2 + (x - 22) ** 2 < 60] = 700
    noise = np.random.default_rng(seed).normal(0, 20, shape) * (hu > -1024)
    image = sitk.GetImageFromArray((hu + noise).astype(np.int16))
    image.SetSpacing((1.3, 1.3, 2.5))
    image.SetOrigin((-20.0, 11.0, 5.0))
    return image


def nifti(image: sitk.Image, folder: Path) -> Path:
    """Write `image` for the reference to read with nibabel, which knows nothing of SimpleITK's axes."""
    sitk.WriteImage(image, folder / "scan.nii")
    return folder / "scan.nii"


def box_roi(image: sitk.Image) -> sitk.Image:
    roi = sitk.Image(image.GetSize(), sitk.sitkUInt8)
    roi.CopyInformation(image)
    roi[20:26, 22:30, 8:11] = 1
    return roi


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of CT-FM's true names and shapes whose batch norms, unlike fresh ones, are not the identity."""
    from safetensors.torch import save_file

    torch.manual_seed(0)
    network = SegResEncoder(init_filters=32, blocks_down=(1, 2, 2, 4, 4))
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm3d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
            layer.weight.data.uniform_(0.5, 1.5)
            layer.bias.data.normal_(0, 0.1)
    path = tmp_path_factory.mktemp("ct_fm") / "model.safetensors"
    save_file(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def recipe_network(weights_file: Path) -> torch.nn.Module:
    from safetensors.torch import load_file

    network = SegResEncoder(init_filters=32, blocks_down=(1, 2, 2, 4, 4))
    network.load_state_dict(load_file(weights_file))
    return network.eval()


def recipe(network: torch.nn.Module, volume: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return torch.nn.functional.adaptive_avg_pool3d(network(volume)[-1], 1).flatten(1).mean(0).numpy()


def real_scans(real_data: Path) -> list[Path]:
    folder = real_data / "thorax_ct"
    return [
        folder / "pulmonary" / "ct_cropped.nii.gz",
        folder / "aorta" / "ct_cropped.nii.gz",
        folder / "example_ct_dicom",
    ]


def centre(image: sitk.Image, sides: tuple[int, int, int]) -> sitk.Image:
    """The middle of a scan: what keeps the reference affordable."""
    kept = [min(side, size) for side, size in zip(sides, image.GetSize(), strict=True)]
    start = [(size - side) // 2 for side, size in zip(kept, image.GetSize(), strict=True)]
    return sitk.RegionOfInterest(image, kept, start)


@pytest.mark.slow
def test_the_embedding_is_the_model_cards_on_real_cts(
    real_data: Path, tmp_path: Path, weights_file: Path, recipe_network: torch.nn.Module
) -> None:
    for path in real_scans(real_data):
        for precision, bound, sides in (("fp32", 0.999999, (96, 96, 48)), ("bf16", 0.9999, SMALL)):
            image = centre(read_image(path), sides)
            expected = recipe(recipe_network, MODEL_CARD(nifti(image, tmp_path))[None].as_tensor())
            found = CTFMExtractor(weights={"file": weights_file}, precision=precision).extract(image, image)
            assert cosine(found.to_numpy(), expected) >= bound, (path.name, precision)


@pytest.mark.parametrize(
    ("precision", "bound", "sides"), [("fp32", 0.999999, (66, 49, 21)), ("bf16", 0.9999, SMALL)]
)
def test_an_untrained_control_is_the_recipe_on_the_seeded_network(
    tmp_path: Path, precision: str, bound: float, sides: tuple[int, int, int]
) -> None:
    torch.manual_seed(7)
    network = SegResEncoder(init_filters=32, blocks_down=(1, 2, 2, 4, 4)).eval()
    image = centre(scan(), sides)
    expected = recipe(network, MODEL_CARD(nifti(image, tmp_path))[None].as_tensor())
    found = CTFMExtractor(weights=UNTRAINED, precision=precision).extract(image, image)
    assert cosine(found.to_numpy(), expected) >= bound
    assert list(found.index[[0, 511]]) == ["ct_fm_untrained_000", "ct_fm_untrained_511"]


def test_the_authors_script_resamples_crops_scales_and_splits_as_they_do(
    tmp_path: Path, weights_file: Path, recipe_network: torch.nn.Module
) -> None:
    image = scan((30, 120, 131))
    volume = AUTHORS_SCRIPT(nifti(image, tmp_path))[None].as_tensor()
    patches = torch.cat([patch for patch, _ in SlidingWindowSplitter((12, 32, 32), 0.25)(volume)])
    assert len(patches) > 4
    extractor = CTFMExtractor(
        weights={"file": weights_file},
        preset="authors_script",
        patch_voxels=(12, 32, 32),
        overlap=0.25,
        precision="fp32",
    )
    np.testing.assert_allclose(extractor.preprocess(image, image), volume[0, 0].numpy(), atol=2e-6)
    found = extractor.extract(image, image)
    assert cosine(found.to_numpy(), recipe(recipe_network, patches)) >= 0.999999
    assert list(found.index[[0, 511]]) == ["ct_fm_000", "ct_fm_511"]


def test_a_preset_gives_way_to_what_is_said_beside_it() -> None:
    extractor = CTFMExtractor(weights=UNTRAINED, preset="authors_script", spacing_mm=None)
    assert extractor.spacing_mm is None
    assert extractor.patch_voxels == (24, 128, 128)
    assert CTFMExtractor(weights=UNTRAINED).foreground_hu == -1024


@pytest.mark.parametrize("axes", ["RAS", "LPS", "SPL", "ASL", "PIR"])
@pytest.mark.parametrize("region", ["whole", "roi"])
def test_the_axes_a_scan_is_stored_along_do_not_matter(axes: str, region: str) -> None:
    image, roi = scan(), box_roi(scan())
    extractor = CTFMExtractor(weights=UNTRAINED, region=region)
    stored = extractor.extract(sitk.DICOMOrient(image, axes), sitk.DICOMOrient(roi, axes))
    np.testing.assert_allclose(stored, extractor.extract(image, roi), atol=1e-5)


def test_the_roi_region_is_its_box_and_the_margin_in_millimetres() -> None:
    extractor = CTFMExtractor(
        weights=UNTRAINED, region="roi", margin_mm=5.0, foreground_hu=-2000, hu_range=(-1024, 2048)
    )
    volume = extractor.preprocess(scan(), box_roi(scan()))
    expected = sitk.GetArrayFromImage(scan())[8 - 2 : 11 + 2, 22 - 4 : 30 + 4, 20 - 4 : 26 + 4]
    np.testing.assert_allclose(volume, np.clip((expected + 1024) / 3072, 0, 1), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "sides", "edge"), [("fp32", (36, 60, 44), 45), ("bf16", (36, 8, 8), 13)]
)
def test_tiles_leave_no_seam(precision: str, sides: tuple[int, int, int], edge: int) -> None:
    network = ct_fm_network.load(CTFMExtractor(weights=UNTRAINED).weights, "cpu", precision)
    volume = torch.rand(1, 1, *sides, generator=torch.manual_seed(0)).to(next(network.parameters()).dtype)
    assert volume.numel() > edge**3
    whole = ct_fm_network.embed(network, volume).float()
    tiled = ct_fm_network.embed(network, volume, 3.01 * 32 * volume.element_size() * edge**3).float()
    assert whole.shape == (1, 512, *(-(-side // 16) for side in sides))
    torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=1e-4)


def test_the_number_of_threads_does_not_matter() -> None:
    extractor, before, found = CTFMExtractor(weights=UNTRAINED), torch.get_num_threads(), []
    extractor.extract(scan(), scan())  # loading takes the threads that the environment allots
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(extractor.extract(scan(), scan()))
    torch.set_num_threads(before)
    np.testing.assert_allclose(*found, atol=1e-6)


def test_max_pooling_is_at_least_the_average() -> None:
    average = CTFMExtractor(weights=UNTRAINED).extract(scan(), scan())
    assert (CTFMExtractor(weights=UNTRAINED, pooling="max").extract(scan(), scan()) >= average).all()


def test_the_seed_decides_an_untrained_network_and_its_cache_key() -> None:
    one, two = CTFMExtractor(weights=UNTRAINED), CTFMExtractor(weights={"untrained": 8})
    assert not np.allclose(one.extract(scan(), scan()), two.extract(scan(), scan()))
    assert one.fingerprint() != two.fingerprint()
    assert one.fingerprint() == CTFMExtractor(weights=UNTRAINED).fingerprint()


def test_initialising_a_network_leaves_the_random_numbers_of_others_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    ct_fm_network.load(CTFMExtractor(weights={"untrained": 9}).weights, "cpu", "fp32")
    assert torch.equal(torch.rand(4), expected)


def test_an_empty_roi_and_a_scan_of_air_are_exclusions() -> None:
    empty = box_roi(scan()) * 0
    with pytest.raises(CaseError, match="ROI is empty"):
        CTFMExtractor(weights=UNTRAINED, region="roi").extract(scan(), empty)
    with pytest.raises(CaseError, match="no voxel of the region is above -1024 HU"):
        CTFMExtractor(weights=UNTRAINED).extract(scan() * 0 - 1024, empty)


@pytest.mark.parametrize(
    "parameters",
    [
        {"preset": "published"},
        {"overlap": 1.0},
        {"patch_voxels": [0, 1, 1]},
        {"hu_range": [100, 100]},
        {"weights": {"untrained": -1}},
        {"weights": {"revision": "main", "oops": 1}},
        {"precision": "int8"},
    ],
)
def test_an_unfit_parameter_is_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CTFMExtractor(**parameters)
