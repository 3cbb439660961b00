"""The mirp extractor against the IBSI consensus, PyRadiomics and closed forms."""

import logging
import threading
from importlib.util import find_spec

import numpy as np
import pandas as pd
import psutil
import pytest
import SimpleITK as sitk
from pydantic import ValidationError

from benchmark.errors import CaseError, UserError
from feature_extractors.mirp_radiomics import extractor
from feature_extractors.mirp_radiomics.extractor import FAMILIES, MirpExtractor
from feature_extractors.radiomics.extractor import RadiomicsExtractor
from tests.feature_extractors import ibsi, ibsi_chest, ibsi_mirp

needs_mirp = pytest.mark.skipif(
    find_spec("mirp") is None, reason="mirp is not installed: pip install 'cacbench[mirp]'"
)
STATISTICS = {"families": ("statistics",)}


def image_of(voxels, spacing=(1.0, 1.0, 1.0)):
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(spacing)
    image.SetOrigin((-30, 12, 5))
    return image


@pytest.fixture(scope="module")
def blob():
    """An ellipsoid of about 5 000 voxels of 0.8 × 0.8 × 1.5 mm, some of them dense, in a noisy scan."""
    shape, spacing = (36, 60, 64), (0.8, 0.8, 1.5)
    rng = np.random.default_rng(3)
    place = (np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1) - (16, 30, 33)) * spacing[::-1]
    inside = ((place / (12, 10, 9)) ** 2).sum(-1) < 1
    hu = rng.normal(0, 25, shape) + np.where(inside, 50, -90)
    hu[inside & (rng.random(shape) < 0.03)] += 400
    return image_of(hu.astype(np.int16), spacing), image_of(inside.astype(np.uint8), spacing)


def cube(value=0, spike=None, half=4, size=41):
    """A flat scan, perhaps with one voxel of another value in the middle, and a cube about it."""
    hu, roi = np.full((size,) * 3, value, np.int16), np.zeros((size,) * 3, np.uint8)
    middle = slice(size // 2 - half, size // 2 + half + 1)
    roi[middle, middle, middle] = 1
    if spike is not None:
        hu[(size // 2,) * 3] = spike
    return image_of(hu), image_of(roi)


def filtered(scan, chosen, **more):
    """Return the statistics of one response by IBSI's names."""
    found = MirpExtractor.model_validate({"families": [], "filters": [chosen], **more}).extract(*scan)
    return found.rename(ibsi_mirp.tag_of)


def document_lines():
    return ibsi.DOCUMENT.read_text(encoding="utf-8").partition(ibsi_mirp.HEADING)[2].splitlines()[1:]


# The IBSI consensus


@needs_mirp
def test_every_value_of_the_digital_phantom_agrees_and_none_is_left_out(real_data):
    found = ibsi_mirp.compared_digital(real_data / "ibsi_digital")
    tags = {ibsi_mirp.tag_of(name) for name in found}
    assert tags == set(ibsi.consensus(real_data / "ibsi_digital"))
    for name, (value, expected, tolerance) in found.items():
        assert value == pytest.approx(expected, abs=tolerance, rel=0), name
    assert ibsi_mirp.row("digital phantom", found, ibsi_mirp.DIGITAL) in document_lines()


CHEAP = ["C", "D", "E", "1.A", "2.A", "3.A", "4.A", "6.A", "7.A", "8.A", "9.A"]
"""What takes less than three seconds; docs/radiomics_ibsi.md has all of them, made by hand."""


@needs_mirp
@pytest.mark.parametrize("configuration", CHEAP)
def test_the_values_of_the_chest_ct_agree_as_the_document_says(real_data, configuration):
    found = ibsi_mirp.compared(real_data / "ibsi_ct", configuration)
    tags = {ibsi_mirp.tag_of(name) for name in found}
    assert tags == ibsi_mirp.features_of(real_data / "ibsi_ct", configuration)
    for name, (value, expected, tolerance) in found.items():
        assert value == pytest.approx(expected, abs=tolerance, rel=0), name
    assert ibsi_mirp.row(configuration, found, ibsi_mirp.settings(configuration)) in document_lines()


def test_the_document_has_a_line_of_every_configuration():
    names = [line.split(" | ")[0].removeprefix("| ") for line in document_lines()]
    assert names == ["digital phantom", *ibsi_mirp.CHEST, *ibsi_mirp.FILTERS]


@pytest.mark.slow
@needs_mirp
def test_the_comparison_sees_what_ibsi_has_otherwise(real_data):
    def others(configuration, **changed):
        found = ibsi_mirp.compared(real_data / "ibsi_ct", configuration, **changed)
        return sum(not ibsi_chest.agrees(*row) for row in found.values())

    assert others("C", bin_width=26) > 100
    assert others("D", resegment_sd=2.8) > 50
    assert others("3.A", filters=[{**ibsi_mirp.FILTERS["3.A"], "sigma_mm": 1.6}]) > 10


# PyRadiomics


@needs_mirp
def test_what_both_libraries_define_agrees(blob):
    ours = MirpExtractor(bin_width=20, matrices=("3D_avg",)).extract(*blob).rename(ibsi_mirp.tag_of)
    theirs = RadiomicsExtractor(bin_width=20, bins_from_hu=-1000).extract(*blob)
    voxels = sitk.GetArrayViewFromImage(blob[1]).sum()
    for name, tag in ibsi.CORRESPONDENCE.items():
        assert ours[tag] == pytest.approx(ibsi_chest.converted(name, theirs[name], voxels), rel=1e-6), tag


# Closed forms


@needs_mirp
def test_the_mean_of_a_spike_is_spread_over_its_cube():
    found = filtered(cube(spike=2700), {"use": "mean", "size": 3})
    assert found["stat_max"] == pytest.approx(100)
    assert found["stat_mean"] == pytest.approx(2700 / 9**3)


@needs_mirp
def test_the_low_passes_of_laws_and_of_haar_keep_a_flat_scan_but_for_their_gain():
    laws = filtered(cube(100), {"use": "laws", "kernel": "L5L5L5", "energy_distance": 2})
    assert laws["stat_mean"] == pytest.approx(100 * (16 / np.sqrt(70)) ** 3)
    assert laws["stat_range"] == pytest.approx(0, abs=1e-9)
    haar = filtered(cube(100), {"use": "separable_wavelet", "wavelet": "haar", "passes": "LLL"})
    assert haar["stat_mean"] == pytest.approx(100 * np.sqrt(2) ** 3)


@needs_mirp
def test_the_modulus_of_a_gabor_filter_on_a_spike_is_its_gaussian():
    chosen = {"use": "gabor", "sigma_mm": 3, "wavelength_mm": 4, "aspect": 1, "step_degrees": 90}
    found = filtered(cube(spike=1000), chosen, by_slice=True)
    place = np.arange(-4, 5)
    gaussian = 1000 * np.exp(-np.add.outer(place**2, place**2) / (2 * 3**2))
    assert found["stat_max"] == pytest.approx(1000)
    assert found["stat_mean"] == pytest.approx(gaussian.sum() / 9**3)


@needs_mirp
def test_the_laplacian_of_gaussian_of_a_spike_is_its_kernel():
    found = filtered(cube(spike=1000), {"use": "laplacian_of_gaussian", "sigma_mm": 1.5, "truncate": 4})
    assert found["stat_min"] == pytest.approx(-1000 * 3 / 1.5**2 / (2 * np.pi * 1.5**2) ** 1.5)


# The scan on its way to mirp


@needs_mirp
@pytest.mark.parametrize(
    "grid", [{"spacing": (1.1, 1.3, 1.0)}, {"by_slice": True, "spacing": (1.1, 1.1, 0)}, {}]
)
def test_the_scan_cut_around_the_roi_gives_what_the_whole_one_gives(blob, grid):
    families = ("local_intensity", "statistics", "glcm", "morphological")
    near, far = (
        MirpExtractor(families=families, margin_mm=mm, **grid).extract(*blob) for mm in (10.0, 1000.0)
    )
    pd.testing.assert_series_equal(near, far, rtol=1e-5)


@needs_mirp
def test_resampling_and_resegmentation_leave_what_they_say(blob):
    values = sitk.GetArrayFromImage(blob[0])[sitk.GetArrayFromImage(blob[1]) > 0].astype(float)
    kept = values[(values >= 0) & (values <= 100)]
    found = MirpExtractor(resegment_hu=(0, 100), families=("statistics", "morphological")).extract(*blob)
    assert found["stat_mean"] == pytest.approx(kept.mean())
    assert found["morph_vol_approx"] == pytest.approx(len(values) * 0.8 * 0.8 * 1.5)
    within = values[np.abs(values - values.mean()) <= 2 * values.std()]
    found = MirpExtractor(resegment_sd=2, **STATISTICS).extract(*blob)
    assert found["stat_mean"] == pytest.approx(within.mean())


@needs_mirp
def test_grey_levels_are_those_that_are_asked_for(blob):
    values = sitk.GetArrayFromImage(blob[0])[sitk.GetArrayFromImage(blob[1]) > 0].astype(float)
    low, high = values.min(), values.max()
    expected = {
        "ih_mean": np.floor((values + 1000) / 25) + 1,
        "ih_mean_from": np.maximum(np.floor((values - 0) / 10) + 1, 1),
        "ih_mean_count": np.minimum(np.floor(16 * (values - low) / (high - low)) + 1, 16),
    }
    ways = ({}, {"bins_from_hu": 0, "bin_width": 10}, {"bin_count": 16})
    for levels, way in zip(expected.values(), ways, strict=True):
        found = MirpExtractor(families=("intensity_histogram",), **way).extract(*blob)
        assert found.rename(ibsi_mirp.tag_of)["ih_mean"] == pytest.approx(levels.mean())


@needs_mirp
def test_the_same_names_and_numbers_come_out_every_time(blob):
    plugin = MirpExtractor(filters=[{"use": "mean", "size": 3}], spacing=(1, 1, 1))
    one, other = plugin.extract(*blob), plugin.extract(*blob)
    pd.testing.assert_series_equal(one, other, check_exact=True)
    assert {"stat_mean", "mean_d_3_stat_mean", "morph_moran_i"} <= set(one.index)
    assert one.index.is_unique
    families = {name.split("_")[0] for name in one.index}
    assert families == {
        "morph", "loc", "stat", "ih", "ivh", "cm", "rlm", "szm", "dzm", "ngt", "ngl", "mean"
    }  # fmt: skip
    assert len(FAMILIES) == 11


@needs_mirp
def test_the_library_keeps_silent_and_starts_nothing(blob, caplog, capfd):
    root, children = list(logging.getLogger().handlers), psutil.Process().children()
    threads = threading.active_count()
    with caplog.at_level(logging.DEBUG):
        MirpExtractor(**STATISTICS).extract(*blob)
        logging.info("of others")
    assert [record.getMessage() for record in caplog.records] == ["of others"]
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger().handlers == root
    assert logging.getLogger().filters == []
    assert (psutil.Process().children(), threading.active_count()) == (children, threads)


# Perturbation


@needs_mirp
def test_a_perturbation_of_nothing_changes_nothing(blob):
    plain = MirpExtractor(**STATISTICS).extract(*blob)
    pd.testing.assert_series_equal(
        MirpExtractor(perturb={}, **STATISTICS).extract(*blob), plain, check_exact=True
    )


@needs_mirp
def test_a_perturbation_gives_the_mean_over_its_versions_and_the_same_every_time(blob):
    def found(**perturb):
        plugin = MirpExtractor(spacing=(1, 1, 1), perturb=perturb, families=("statistics", "morphological"))
        return plugin.extract(*blob)

    together = found(rotations_degrees=(-8, 5), translations=(0.0, 0.5))
    apart = [found(rotations_degrees=(degrees,), translations=(0.0, 0.5)) for degrees in (-8, 5)]
    pd.testing.assert_series_equal(together, (apart[0] + apart[1]) / 2, rtol=1e-6)  # mirp's mesh is float32
    assert together["stat_mean"] != pytest.approx(found()["stat_mean"], rel=1e-6)
    smaller = found(growth_fraction=(-0.1,))
    pd.testing.assert_series_equal(smaller, found(growth_fraction=(-0.1,)), check_exact=True)
    assert smaller["morph_vol_approx"] == pytest.approx(0.9 * found()["morph_vol_approx"], rel=0.01)


@needs_mirp
def test_a_shift_by_a_part_of_a_voxel_moves_a_ramp_by_that_part_of_a_step():
    _, y, x = np.mgrid[:20, :20, :20]
    inner = np.zeros((20, 20, 20), np.uint8)
    inner[5:15, 5:15, 5:15] = 1
    scan = image_of((10 * x + 20 * y).astype(np.int16)), image_of(inner)
    shifted = MirpExtractor(perturb={"translations": (0.2,)}, spline_order=1, **STATISTICS).extract(*scan)
    # Where a voxel is half covered it belongs to the region: ten a side are left, to the last corner (0.8³).
    assert shifted["stat_mean"] == pytest.approx(30 * (9.5 + 0.2))


@needs_mirp
def test_a_region_grown_by_a_voxel_has_one_more_on_each_face():
    scan = cube(50, half=2)
    found = MirpExtractor(families=("morphological",), perturb={"growth_mm": (1.0,)}).extract(*scan)
    assert found["morph_vol_approx"] == pytest.approx(5**3 + 6 * 5**2)


# What is refused


@needs_mirp
@pytest.mark.parametrize(
    ("box", "reason"),
    [
        (np.s_[5:5, :, :], "empty"),
        (np.s_[5, 30, 30], "the ROI is a single voxel, and radiomics needs"),
        (np.s_[5, 30, 30:40], "the ROI is a line of voxels"),
    ],
)
def test_a_roi_too_small_is_refused(blob, box, reason):
    voxels = np.zeros(blob[0].GetSize()[::-1], np.uint8)
    voxels[box] = 1
    with pytest.raises(CaseError, match=reason):
        MirpExtractor().extract(blob[0], image_of(voxels, blob[0].GetSpacing()))


@needs_mirp
@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"resegment_hu": (5000, 6000)}, "leaves 0 voxels of the ROI"),
        (
            {"spacing": (80, 80, 80)},
            "resampling, resegmentation or perturbation leaves [01] voxels of the ROI",
        ),
        ({"filters": [{"use": "mean"}]}, "filters need voxels alike, and they are 0.8 × 0.8 × 1.5 mm"),
        (
            {"perturb": {"growth_mm": (0.3,)}, "spacing": (1, 1, 1)},
            "mirp: Mask was not dilated as the distance",
        ),
        ({"perturb": {"growth_mm": (2.0,)}}, "mirp: Non-uniform voxel spacing"),
        (
            {"spacing": (2, 2, 2), "filters": [{"use": "laplacian_of_gaussian", "sigma_mm": 1}]},
            "mirp: Sigma is smaller than the image spacing",
        ),
    ],
)
def test_what_cannot_be_done_with_a_case_is_refused_in_a_sentence(blob, parameters, reason):
    with pytest.raises(CaseError, match=reason) as refused:
        MirpExtractor.model_validate({**STATISTICS, **parameters}).extract(*blob)
    assert "\n" not in str(refused.value)


@needs_mirp
@pytest.mark.parametrize("by_slice", [False, True])
def test_a_roi_that_fills_the_scan_is_not_grown_for_ever(by_slice):
    full = np.ones((9, 9, 9), np.uint8)
    plugin = MirpExtractor(by_slice=by_slice, perturb={"growth_fraction": (0.2,)}, **STATISTICS)
    with pytest.raises(CaseError, match="the ROI fills the scan and has no room to grow by 20%"):
        plugin.extract(image_of(np.arange(729, dtype=np.int16).reshape(9, 9, 9)), image_of(full))


@needs_mirp
def test_a_roi_on_another_grid_is_refused(blob):
    with pytest.raises(CaseError, match="the ROI is on another grid"):
        MirpExtractor().extract(blob[0], blob[1][:, :, 1:])


@needs_mirp
def test_a_feature_that_is_not_finite_is_refused_by_name():
    hu = np.zeros((12, 12, 12), np.int16)
    hu[:, :, :6], hu[:, :, 6:] = -10, 10
    roi = np.zeros((12, 12, 12), np.uint8)
    roi[5:7, 5:7, 5:7] = 1
    with pytest.raises(CaseError, match="mirp's feature stat_cov is inf"):
        MirpExtractor(**STATISTICS).extract(image_of(hu), image_of(roi))


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"resegment_hu": (400, -500)}, "must rise"),
        ({"families": []}, "nothing is asked for"),
        ({"filter_families": ("morphological",)}, "changes no shape"),
        ({"bin_count": 8, "bins_from_hu": -500}, "leave it out"),
        ({"ivh_bin_count": 8, "ivh_bin_width": 5}, "leave one of them out"),
        ({"by_slice": True, "matrices": ("3D_avg",)}, "none in three dimensions"),
        ({"by_slice": True, "spacing": (1, 1, 1)}, "its last number is 0"),
        ({"by_slice": True, "filters": [{"use": "laws"}]}, "laws: L5E5E5 has 3 kernels and needs 2"),
        ({"filters": [{"use": "separable_wavelet", "passes": "LH"}]}, "has 2 passes and needs 3"),
        ({"filters": [{"use": "separable_wavelet", "wavelet": "db333"}]}, "must name a wavelet"),
        ({"filters": [{"use": "mean", "size": 4}]}, "must be odd"),
        ({"filters": [{"use": "gabor", "step_degrees": 50}]}, "must divide the circle"),
        (
            {"filters": [{"use": "mean"}, {"use": "mean", "boundary": "wrap"}]},
            "two filters differ in no more",
        ),
        ({"filters": [{"use": "median"}]}, "median"),
        ({"filters": [{"use": "mean", "sise": 3}]}, "size"),
        ({"perturb": {"growth_mm": (1,), "growth_fraction": (0.1,)}}, "leave one of them out"),
        ({"perturb": {"growth_mm": (25,)}}, "margin_mm must be 10 mm wider"),
        ({"perturb": {"translations": (1.0,)}}, "less than 1"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(parameters, reason):
    with pytest.raises(ValidationError, match=reason):
        MirpExtractor.model_validate(parameters)


def test_without_the_library_it_is_unavailable_and_says_what_to_install(monkeypatch, blob):
    monkeypatch.setattr(extractor, "find_spec", lambda name: None)
    state = MirpExtractor().availability()
    assert not state.ready
    assert "run `pip install 'cacbench[mirp]'`" in state.reason
    with pytest.raises(UserError, match="mirp is not installed"):
        MirpExtractor().extract(*blob)
