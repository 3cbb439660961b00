"""`cube_voxels`: every encoder sees the same cube, cut here with SimpleITK in millimetres, scaled in its own way."""

import numpy as np
import pytest
import SimpleITK as sitk

from benchmark.errors import CaseError
from benchmark.plugins.registry import build
from feature_extractors.slices.planes import Shown, square_planes

VOXELS, MM = 32, 2.0
NAMES = ("ct_fm", "i3resnet", "medicalnet_18", "vista3d", "slices")


@pytest.fixture
def scan():
    z, y, x = np.indices((30, 90, 80))
    hu = 200 * np.sin(x / 7) + 150 * np.cos(y / 9 + z / 5) + 20 * z
    image = sitk.GetImageFromArray(hu.astype(np.int16))
    image.SetSpacing((1.3, 1.3, 2.5))
    image.SetOrigin((-20.0, 11.0, 5.0))
    return image


@pytest.fixture
def roi(scan):
    roi = sitk.Image(scan.GetSize(), sitk.sitkUInt8)
    roi.CopyInformation(scan)
    roi[33:46, 40:52, 13:18] = 1  # its middle is (39, 45.5, 15)
    return roi


def declared(name, **parameters):
    one = {
        "medicalnet_18": {"use": "monai_encoder", "encoder": name},
        "vista3d": {"use": "monai_encoder", "encoder": name},
    }
    region = {} if name == "slices" else {"region": "roi"}
    cube = {"cube_voxels": VOXELS, "cube_mm": MM, "weights": {"untrained": 0}}
    return build("feature_extractor", {**one.get(name, {"use": name}), **region, **cube, **parameters})


def seen(name, scan, roi, **parameters):
    """What an encoder sees, its axes as the cube below has them: superior, posterior, left."""
    extractor = declared(name, **parameters)
    if name == "slices":
        shown = Shown(VOXELS, (-160.0, 240.0), "bilinear", False)
        return square_planes(scan, roi, "box", 0.0, shown, cube=extractor.cube_size)[:, 0].numpy()
    made = extractor.preprocess(scan, roi)
    if name == "vista3d":
        made = made.transpose(2, 1, 0)
    return made if name in ("ct_fm", "medicalnet_18") else made[:, ::-1, ::-1]


def scaled(name, hu):
    if name == "medicalnet_18":
        clipped = np.clip(hu, *np.percentile(hu, (0.5, 99.5)))
        return (clipped - clipped.mean()) / clipped.std()
    low, high = {
        "ct_fm": (-1024, 2048),
        "i3resnet": (-1000, 200),
        "vista3d": (-963.8247715525971, 1053.678477684517),
        "slices": (-160, 240),
    }[name]
    return np.clip((hu - low) / (high - low), 0, 1)


def cube_about(scan, middle):
    """By SimpleITK: so many voxels of so many mm about a place in (x, y, z) pixels."""
    grid = sitk.Image((VOXELS,) * 3, sitk.sitkFloat32)
    grid.SetSpacing((MM,) * 3)
    centre = np.array(scan.TransformContinuousIndexToPhysicalPoint(middle))
    grid.SetOrigin(tuple(centre - MM * (VOXELS - 1) / 2))
    lowest = float(sitk.GetArrayViewFromImage(scan).min())
    return sitk.GetArrayFromImage(
        sitk.Resample(scan, grid, sitk.Transform(), sitk.sitkLinear, lowest, sitk.sitkFloat32)
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_encoder_sees_the_same_cube_scaled_in_its_own_way(name, scan, roi):
    expected = scaled(name, cube_about(scan, (39.0, 45.5, 15.0)))
    found = seen(name, scan, roi)
    assert found.shape == (VOXELS,) * 3
    np.testing.assert_allclose(found, expected, atol=2e-3)


@pytest.mark.parametrize("name", NAMES[:-1])
def test_of_a_whole_scan_it_is_the_middle(name, scan, roi):
    expected = scaled(name, cube_about(scan, (39.5, 44.5, 14.5)))
    np.testing.assert_allclose(seen(name, scan, roi * 0, region="whole"), expected, atol=2e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_axes_a_scan_is_stored_along_do_not_matter(name, scan, roi):
    stored = seen(name, sitk.DICOMOrient(scan, "ASR"), sitk.DICOMOrient(roi, "ASR"))
    np.testing.assert_allclose(stored, seen(name, scan, roi), atol=1e-4)


@pytest.mark.parametrize("name", ["ct_fm", "slices", "i3resnet"])
def test_beyond_the_scan_it_is_as_dark_as_the_darkest_of_it(name, scan, roi):
    corner = roi * 0
    corner[0, 0, 0] = 1
    hu = sitk.GetArrayFromImage(scan)
    outside = seen(name, scan, corner)[: VOXELS // 2 - 1]
    np.testing.assert_allclose(outside, scaled(name, hu.min()), atol=1e-6)


@pytest.mark.parametrize("name", ["ct_fm", "medicalnet_18", "slices"])
def test_the_variant_has_the_names_of_the_native_features_and_a_key_of_its_own(name, scan, roi):
    one, native = declared(name, precision="fp32"), declared(name, precision="fp32", cube_voxels=None)
    features = one.extract(scan, roi)
    assert list(features.index) == list(native.extract(scan, roi).index)
    assert not np.allclose(features, native.extract(scan, roi))
    assert one.fingerprint() != native.fingerprint()


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_region_is_the_case_s_failure(name, scan, roi):
    with pytest.raises(CaseError, match="the ROI is empty"):
        seen(name, scan, roi * 0)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("ct_fm", {"patch_voxels": [24, 128, 128]}),
        ("ct_fm", {"preset": "authors_script"}),
        ("ct_fm", {"spacing_mm": [3, 1, 1]}),
        ("i3resnet", {"size": [96, 96, 96]}),
        ("vista3d", {"spacing_mm": 1.0}),
        ("slices", {"margin_mm": 20}),
    ],
)
def test_what_says_how_much_is_seen_natively_and_a_cube_exclude_one_another(name, parameters):
    with pytest.raises(
        ValueError, match="says what the encoder sees natively, and `cube_voxels` shows a cube"
    ):
        declared(name, **parameters)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_recorded_of_a_variant_declares_it_again(name):
    extractor = declared(name)
    assert (
        build(
            "feature_extractor",
            {
                "use": {"medicalnet_18": "monai_encoder", "vista3d": "monai_encoder"}.get(name, name),
                **extractor.parameters(),
            },
        )
        == extractor
    )


@pytest.mark.parametrize(
    ("cube", "message"),
    [
        ({"cube_voxels": 8}, "greater than or equal to 16"),
        ({"cube_voxels": 4800}, "less than or equal to 512"),
        ({"cube_mm": 0}, "greater than 0"),
    ],
)
def test_a_cube_that_cannot_be_is_refused(cube, message):
    for name in NAMES:
        with pytest.raises(ValueError, match=message):
            declared(name, **cube)
