"""Image controls: what each keeps of a region and what it destroys."""

from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from pydantic import ValidationError

from benchmark.cohorts.phantom import PhantomCohort
from benchmark.errors import CaseError
from benchmark.plugins import FeatureExtractor
from benchmark.plugins.registry import build
from feature_extractors.control import ControlExtractor
from feature_extractors.radiomics.extractor import RadiomicsExtractor


class Seen(FeatureExtractor):
    """Keeps what it was given."""

    given: ClassVar[list[tuple[sitk.Image, sitk.Image]]] = []

    def extract(self, image, roi):
        self.given.append((image, roi))
        return pd.Series({"n": 1.0})


@pytest.fixture
def scan():
    """A body with a lung in air, and a region of two labels on a slope."""
    voxels = np.full((12, 40, 40), -1000, np.int16)
    voxels[:, 4:36, 4:36] = 40
    voxels[:, 10:18, 10:18] = -850
    voxels[4:8, 24:30, 24:30] = np.arange(4 * 36).reshape(4, 6, 6) * 3
    region = np.zeros(voxels.shape, np.uint8)
    region[4:8, 24:30, 24:27], region[4:8, 24:30, 27:30] = 1, 2
    images = [sitk.GetImageFromArray(array) for array in (voxels, region)]
    for image in images:
        image.SetSpacing((0.7, 0.7, 2.5))
        image.SetOrigin((3, -4, 5))
    return images


def seen(what, scan, seed=0):
    ControlExtractor(of=Seen(), what=what, seed=seed).extract(*scan)
    image, roi = Seen.given.pop()
    assert image.GetSpacing() == scan[0].GetSpacing()
    assert roi.GetOrigin() == scan[1].GetOrigin()
    return sitk.GetArrayFromImage(image).astype(float), sitk.GetArrayFromImage(roi)


def arrays(scan):
    return sitk.GetArrayFromImage(scan[0]).astype(float), sitk.GetArrayFromImage(scan[1])


def test_shuffled_keeps_shape_and_histogram_and_all_around(scan):
    (before, region), (after, roi) = arrays(scan), seen("shuffled", scan)
    assert (roi == region).all()
    assert (after[region == 0] == before[region == 0]).all()
    assert sorted(after[region > 0]) == sorted(before[region > 0])
    assert abs(np.corrcoef(after[region > 0], before[region > 0])[0, 1]) < 0.25


def test_noise_keeps_mean_and_spread_and_forgets_the_rest(scan):
    (before, region), (after, roi) = arrays(scan), seen("noise", scan)
    assert (roi == region).all()
    own, drawn = before[region > 0], after[region > 0]
    assert drawn.mean() == pytest.approx(own.mean(), abs=4 * own.std() / np.sqrt(own.size))
    assert drawn.std() == pytest.approx(own.std(), rel=0.25)
    assert not set(np.round(drawn, 3)) <= set(own)


def test_moved_is_the_same_shape_elsewhere_in_the_body(scan):
    (before, region), (after, roi) = arrays(scan), seen("moved", scan)
    assert (after == before).all()
    places = [np.argwhere(mask > 0) for mask in (region, roi)]
    shift = places[1] - places[0]
    assert (shift == shift[0]).all()
    assert shift[0].any()
    assert (roi[tuple(places[1].T)] == region[tuple(places[0].T)]).all(), "labels move along"
    assert (before[roi > 0] > -1000).mean() >= 0.95, "in the body, of which the lung is a part"
    assert ((region > 0) & (roi > 0)).sum() <= 0.5 * (region > 0).sum()


def test_the_same_scan_gives_the_same_draw_and_another_seed_another(scan):
    for what in ("shuffled", "noise", "moved"):
        first, again, other = seen(what, scan), seen(what, scan), seen(what, scan, seed=1)
        assert all((a == b).all() for a, b in zip(first, again, strict=True))
        assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_texture_changes_and_shape_does_not_in_radiomics():
    case = PhantomCohort(zero=0, nonzero=1, coverage_mm=60, pixel_mm=1.5, slice_thickness_mm=5).cases()[0]
    scan = case.source.load()
    images = (scan.image, scan.masks["coronary"])
    plain = RadiomicsExtractor().extract(*images)
    for what in ("shuffled", "noise"):
        control = build("feature_extractor", {"use": "control", "of": "radiomics", "what": what}).extract(
            *images
        )
        assert list(control.index) == list(plain.index)
        shape = [name for name in plain.index if "shape" in name]
        texture = [name for name in plain.index if "glcm" in name]
        assert shape
        assert texture
        assert control[shape].to_numpy() == pytest.approx(plain[shape].to_numpy())
        assert (np.abs(control[texture] - plain[texture]) > 1e-6).mean() > 0.8
    moved = build("feature_extractor", {"use": "control", "of": "radiomics", "what": "moved"}).extract(
        *images
    )
    assert moved[shape].to_numpy() == pytest.approx(plain[shape].to_numpy())


def test_a_region_that_fits_nowhere_else_and_an_empty_one_are_excluded_with_a_sentence(scan):
    image, roi = scan
    whole = sitk.GetImageFromArray(np.ones(sitk.GetArrayFromImage(roi).shape, np.uint8))
    whole.CopyInformation(roi)
    moved = ControlExtractor(of=Seen(), what="moved")
    with pytest.raises(CaseError, match="none of 200 other places in the body holds the region"):
        moved.extract(image, whole)
    with pytest.raises(CaseError, match="the region is empty"):
        moved.extract(image, whole * 0)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"of": "radiomics"}, "what"),
        ({"what": "noise"}, "of"),
        ({"of": "radiomics", "what": "upside_down"}, "shuffled"),
        (
            {"of": {"use": "finetune_slices"}, "what": "noise"},
            "hands out activations to train on and no features",
        ),
        ({"of": "radiomix", "what": "noise"}, "radiomics"),
    ],
)
def test_a_control_that_is_none_is_refused(declared, said):
    with pytest.raises((ValidationError, ValueError), match=said):
        build("feature_extractor", {"use": "control", **declared})
