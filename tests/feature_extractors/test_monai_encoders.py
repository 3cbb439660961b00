"""`monai_encoder` against MONAI's own networks and transforms, with files in the layout that is published."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.networks.nets.resnet import get_medicalnet_pretrained_resnet_args, resnet18, resnet50
from monai.networks.nets.segresnet_ds import SegResEncoder
from monai.networks.nets.vista3d import vista3d132
from monai.transforms import Compose, ScaleIntensityRange, Spacing

from benchmark.errors import CaseError, UserError
from benchmark.plugins.registry import build

ENCODERS = ("medicalnet_18", "medicalnet_50", "vista3d")
PREFIX = {"medicalnet_18": "module.", "medicalnet_50": "module.", "vista3d": "image_encoder.encoder."}


def scan():
    """A bright ball off the centre of soft tissue with noise, 2 mm slices of 1 mm pixels; its box is the ROI."""
    z, y, x = np.indices((24, 56, 60))
    hu = np.random.default_rng(0).normal(40, 20, z.shape)
    ball = (2 * (z - 12)) ** 2 + (y - 25) ** 2 + (x - 33) ** 2 < 15**2
    hu[ball] += 500
    image, roi = (sitk.GetImageFromArray(array) for array in (hu.astype(np.float32), ball.astype(np.uint8)))
    for each in (image, roi):
        each.SetSpacing((1.0, 1.0, 2.0))
    return image, roi


def network(encoder):
    """The encoder as MONAI makes it for the published weights, with weights of its own."""
    torch.manual_seed(1)
    if encoder == "vista3d":
        return SegResEncoder(
            3, init_filters=48, in_channels=1, blocks_down=(1, 2, 2, 4, 4), norm="instance"
        ).eval()
    bias, shortcut = get_medicalnet_pretrained_resnet_args(int(encoder[-2:]))
    make = resnet18 if encoder == "medicalnet_18" else resnet50
    of_file = {
        "n_input_channels": 1,
        "feed_forward": False,
        "shortcut_type": shortcut,
        "bias_downsample": bias,
    }
    return make(spatial_dims=3, **of_file).eval()


@pytest.fixture(scope="module", params=ENCODERS)
def published(request, tmp_path_factory):
    """An encoder's name, its network, and the file that holds its tensors under the published names."""
    made = network(request.param)
    file = tmp_path_factory.mktemp(request.param) / "weights.pt"
    tensors = {PREFIX[request.param] + name: tensor for name, tensor in made.state_dict().items()}
    torch.save(tensors if request.param == "vista3d" else {"state_dict": tensors}, file)
    return request.param, made, file


def extractor(encoder, **parameters):
    return build(
        "feature_extractor", {"use": "monai_encoder", "encoder": encoder, "precision": "fp32", **parameters}
    )


def reference(encoder, made, image):
    """The published recipe in MONAI's transforms, on the whole scan."""
    array = sitk.GetArrayFromImage(sitk.DICOMOrient(image, "RAS" if encoder == "vista3d" else "LPS"))
    steps = [Spacing((1.5, 1.5, 1.5), mode="bilinear", padding_mode="border")]
    volume = torch.from_numpy(array)[None]
    if encoder == "vista3d":
        volume = volume.permute(0, 3, 2, 1)
        steps.append(ScaleIntensityRange(-963.8247715525971, 1053.678477684517, 0, 1, clip=True))
    from monai.data import MetaTensor

    spacing = (1.0, 1.0, 2.0) if encoder == "vista3d" else (2.0, 1.0, 1.0)
    seen = Compose(steps)(MetaTensor(volume, affine=np.diag([*spacing, 1.0])))
    if encoder != "vista3d":
        low, high = np.percentile(seen, (0.5, 99.5))
        clipped = seen.clamp(low, high)
        seen = (clipped - clipped.mean()) / clipped.std(correction=0)
    with torch.inference_mode():
        last = made(seen.as_tensor()[None].float())
    level = last[-1].mean((2, 3, 4)) if isinstance(last, (list, tuple)) else last
    return level[0].numpy()


@pytest.mark.slow
def test_the_features_are_those_of_the_published_recipe(published):
    encoder, made, file = published
    image, roi = scan()
    found = extractor(encoder, weights={"file": str(file)}, region="whole").extract(image, roi)
    expected = reference(encoder, made, image)
    assert found.index[0] == f"{encoder}_{'0' * len(str(len(expected) - 1))}"
    assert len(found) == {"medicalnet_18": 512, "medicalnet_50": 2048, "vista3d": 768}[encoder]
    cosine = found @ expected / np.linalg.norm(found) / np.linalg.norm(expected)
    assert cosine > 0.9999


@pytest.mark.slow
@pytest.mark.parametrize("change", ["missing", "renamed", "misshapen"])
def test_other_weights_are_refused_with_the_tensor(published, change, tmp_path):
    encoder, made, _ = published
    if encoder == "medicalnet_50":
        pytest.skip("as medicalnet_18")
    tensors = {PREFIX[encoder] + name: tensor for name, tensor in made.state_dict().items()}
    name = next(reversed([name for name in tensors if name.endswith("weight")]))
    tensor = tensors.pop(name)
    if change != "missing":
        tensors[name + "x" if change == "renamed" else name] = tensor if change == "renamed" else tensor[:1]
    torch.save(tensors, tmp_path / "other.pt")
    image, roi = scan()
    with pytest.raises(
        UserError, match=r"other\.pt: .*" + name.removeprefix(PREFIX[encoder]).replace(".", r"\.")
    ):
        extractor(encoder, weights={"file": str(tmp_path / "other.pt")}).extract(image, roi)


def test_every_tensor_of_vista3d_is_the_encoder_s_or_known_to_lie_beside_it():
    from feature_extractors.monai_encoders.network import _BESIDE, _VISTA3D

    with torch.device("meta"):
        names = list(vista3d132().state_dict())
    assert any(name.startswith(_VISTA3D) for name in names)
    assert [name for name in names if not name.startswith((_VISTA3D, *_BESIDE))] == []


def test_what_is_too_small_or_holds_nothing_is_said(tmp_path):
    image, roi = scan()
    control = extractor("medicalnet_18", weights={"untrained": 0})
    assert control.extract(image, roi).index[0] == "medicalnet_18_untrained_000"
    with pytest.raises(CaseError, match="needs 16 a side: widen `margin_mm`, or give `cube_voxels`"):
        control.model_copy(update={"spacing_mm": 6.0}).extract(image, roi)
    with pytest.raises(CaseError, match="the ROI is empty"):
        control.extract(image, roi * 0)
    with pytest.raises(CaseError, match="every voxel of the region has the same HU"):
        control.extract(image * 0, roi)


def test_published_weights_are_named_with_their_licence():
    made = extractor("vista3d")
    assert made.weights.repo == "MONAI/vista3d"
    assert not made.provenance["vista3d"].commercial
    assert extractor("medicalnet_50").weights.filename == "resnet_50_23dataset.pth"
