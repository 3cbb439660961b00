"""RadImageNet slice by slice against torchvision's networks, under the names of the published files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from pydantic import ValidationError

from benchmark.errors import CaseError, UserError
from benchmark.images.reading import read_image
from benchmark.networks.torchvision_repair import import_timm
from feature_extractors import radimagenet_network
from feature_extractors.radimagenet import RadImageNetExtractor

import_timm()
UNTRAINED = {"untrained": 5}
FILES = {"resnet50": "ResNet50.pt", "densenet121": "DenseNet121.pt", "inception_v3": "InceptionV3.pt"}


def scan(shape: tuple[int, int, int] = (7, 40, 52)) -> sitk.Image:
    z, y, x = np.indices(shape)
    hu = 60 * np.sin(x / 5) + 40 * np.cos(y / 7 + z) + np.where(x > 40, 700, -40) - 30 * z
    image = sitk.GetImageFromArray(hu.astype(np.int16))
    image.SetSpacing((0.7, 0.7, 3.0))
    return image


def slab_roi(image: sitk.Image, first: int, last: int) -> sitk.Image:
    roi = sitk.Image(image.GetSize(), sitk.sitkUInt8)
    roi.CopyInformation(image)
    roi[10:12, 10:12, first : last + 1] = 1
    return roi


def torchvision_network(backbone: str) -> torch.nn.Module:
    """torchvision's network with batch norms that, unlike fresh ones, are not the identity."""
    import torchvision

    options = {"aux_logits": False, "init_weights": False} if backbone == "inception_v3" else {}
    torch.manual_seed(1)
    network = getattr(torchvision.models, backbone)(weights=None, **options)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
            layer.weight.data.uniform_(0.5, 1.5)
            layer.bias.data.normal_(0, 0.1)
    return network.eval()


@pytest.fixture(scope="module", params=list(FILES))
def published(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A backbone and its weights file, laid out as published: the children of torchvision's network, numbered."""
    backbone = request.param
    network = torchvision_network(backbone)
    without_head = torch.nn.Sequential(*list(network.children())[: -1 if backbone != "densenet121" else None])
    path = tmp_path_factory.mktemp(backbone) / FILES[backbone]
    torch.save({f"backbone.{name}": tensor for name, tensor in without_head.state_dict().items()}, path)
    return backbone, path


def recipe(backbone: str, hu: np.ndarray, window: tuple[float, float] = (-160.0, 240.0)) -> np.ndarray:
    """The official example, slice by slice: window, 224 × 224, three channels, (x − 127.5) · 2 / 255, average pool."""
    network = torchvision_network(backbone)
    setattr(network, "classifier" if backbone == "densenet121" else "fc", torch.nn.Identity())
    features = []
    for plane in hu:
        shown = (np.clip(plane.astype(np.float64), *window) - window[0]) / (window[1] - window[0]) * 255
        image = torch.from_numpy(shown)[None, None].float()
        image = torch.nn.functional.interpolate(image, (224, 224), mode="bilinear", align_corners=False)
        with torch.no_grad():
            features.append(network(((image - 127.5) * 2 / 255).repeat(1, 3, 1, 1))[0].numpy())
    return np.stack(features)


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def per_slice(extractor: RadImageNetExtractor, image: sitk.Image) -> np.ndarray:
    network = radimagenet_network.load(
        extractor.backbone, extractor.weights, extractor.device, extractor.precision
    )
    return radimagenet_network.embed(network, extractor.preprocess(image, image), 4).float().numpy()


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "bound"), [("fp32", 0.999999), ("bf16", 0.9999)])
def test_every_slice_has_the_embedding_of_the_official_example(
    published: tuple[str, Path], precision: str, bound: float
) -> None:
    backbone, path = published
    extractor = RadImageNetExtractor(backbone=backbone, weights={"file": path}, precision=precision)
    expected = recipe(backbone, sitk.GetArrayFromImage(scan()))
    assert (cosines(per_slice(extractor, scan()), expected) >= bound).all()
    found = extractor.extract(scan(), scan())
    np.testing.assert_allclose(found, per_slice(extractor, scan()).mean(axis=0), atol=1e-5, rtol=1e-5)
    assert found.index[0] == "radimagenet_0000"
    assert len(found) == (1024 if backbone == "densenet121" else 2048)


@pytest.mark.slow
def test_the_slices_of_real_cts_have_the_embedding_of_the_official_example(
    real_data: Path, tmp_path: Path
) -> None:
    torch.save(torchvision_network("resnet50").state_dict(), tmp_path / "ResNet50.pt")
    folder = real_data / "thorax_ct"
    for path in (
        folder / "pulmonary/ct_cropped.nii.gz",
        folder / "aorta/ct_cropped.nii.gz",
        folder / "example_ct_dicom",
    ):
        image = read_image(path)
        image = image[:, :, image.GetSize()[2] // 2 :][:, :, :3]
        expected = recipe("resnet50", sitk.GetArrayFromImage(sitk.DICOMOrient(image, "LPS")))
        for precision, bound in (("fp32", 0.999999), ("bf16", 0.9999)):
            extractor = RadImageNetExtractor(weights={"folder": tmp_path}, precision=precision)
            assert (cosines(per_slice(extractor, image), expected) >= bound).all(), (path.name, precision)


def test_torchvisions_own_names_are_understood_and_only_the_head_is_left_over(tmp_path: Path) -> None:
    torch.save(torchvision_network("resnet50").state_dict(), tmp_path / "ResNet50.pt")
    extractor = RadImageNetExtractor(weights={"folder": tmp_path})
    assert len(extractor.extract(scan(), scan())) == 2048


def test_the_weights_of_another_backbone_are_refused(published: tuple[str, Path]) -> None:
    backbone, path = published
    other = "densenet121" if backbone == "resnet50" else "resnet50"
    with pytest.raises(UserError, match=r"not the weights of .*missing.*unknown"):
        RadImageNetExtractor(backbone=other, weights={"file": path}).extract(scan(), scan())


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_batch_does_not_matter(precision: str) -> None:
    one, *others = (
        RadImageNetExtractor(weights=UNTRAINED, precision=precision, batch_slices=batch).extract(
            scan(), scan()
        )
        for batch in (1, 3, 7, 16)
    )
    for other in others:
        np.testing.assert_allclose(other, one, atol=1e-6)


def test_the_number_of_threads_does_not_matter() -> None:
    extractor, before, found = RadImageNetExtractor(weights=UNTRAINED), torch.get_num_threads(), []
    extractor.extract(scan(), scan())  # loading takes the threads that the environment allots
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(extractor.extract(scan(), scan()))
    torch.set_num_threads(before)
    np.testing.assert_allclose(*found, atol=1e-6)


@pytest.mark.parametrize("axes", ["RAS", "LPS", "SPL", "ASL"])
@pytest.mark.parametrize("region", ["whole", "roi"])
def test_the_axes_a_scan_is_stored_along_do_not_matter(axes: str, region: str) -> None:
    extractor = RadImageNetExtractor(weights=UNTRAINED, region=region)
    roi = slab_roi(scan(), 2, 3)
    stored = extractor.extract(sitk.DICOMOrient(scan(), axes), sitk.DICOMOrient(roi, axes))
    np.testing.assert_allclose(stored, extractor.extract(scan(), roi), atol=1e-5)


def test_the_roi_region_is_the_slices_it_touches() -> None:
    extractor = RadImageNetExtractor(weights=UNTRAINED, region="roi")
    whole = RadImageNetExtractor(weights=UNTRAINED)
    found = extractor.extract(scan(), slab_roi(scan(), 2, 4))
    np.testing.assert_allclose(found, whole.extract(scan()[:, :, 2:5], scan()), atol=1e-6)
    with pytest.raises(CaseError, match="ROI is empty"):
        extractor.extract(scan(), slab_roi(scan(), 2, 4) * 0)


def test_pooling_is_the_average_the_maximum_or_mean_and_deviation_over_slices() -> None:
    slices = per_slice(RadImageNetExtractor(weights=UNTRAINED), scan())
    expected = {
        "average": slices.mean(axis=0),
        "max": slices.max(axis=0),
        "mean_std": np.concatenate([slices.mean(axis=0), slices.std(axis=0)]),
    }
    for pooling, values in expected.items():
        found = RadImageNetExtractor(weights=UNTRAINED, pooling=pooling).extract(scan(), scan())
        np.testing.assert_allclose(found, values, atol=1e-6)
        assert found.index.is_unique
        assert all(name.startswith("radimagenet_untrained_") for name in found.index)


def test_what_the_window_cannot_show_changes_nothing() -> None:
    extractor = RadImageNetExtractor(weights=UNTRAINED, window_hu=(-160, 240))
    brighter = sitk.Cast(sitk.Clamp(scan() * 1.0, sitk.sitkFloat32, -1000, 240), sitk.sitkInt16)
    np.testing.assert_array_equal(extractor.extract(brighter, scan()), extractor.extract(scan(), scan()))


def test_each_backbone_names_its_published_file() -> None:
    for backbone, filename in FILES.items():
        weights = RadImageNetExtractor(backbone=backbone).weights
        assert (weights.repo, weights.filename) == ("Lab-Rasool/RadImageNet", filename)


@pytest.mark.parametrize(
    "parameters",
    [{"backbone": "vgg16"}, {"window_hu": [240, -160]}, {"batch_slices": 0}, {"weights": {"filename": ""}}],
)
def test_an_unfit_parameter_is_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RadImageNetExtractor(**parameters)
