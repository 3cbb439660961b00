"""Quality of regions: agreement against closed forms, intervals against Wilson, planted outliers found."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchmark.analyses.region_quality.measure import agreement, judge, region_statistics, tile
from benchmark.analyses.region_quality.report import montage, report_of, summarise
from benchmark.case import Case, Scan
from benchmark.cli import app
from benchmark.errors import CaseError, UserError
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.plugins import Segmenter
from benchmark.plugins.fingerprint import digest_of
from benchmark.report.folder import Claim
from benchmark.report.report import publish
from segmenters.reference import ReferenceSegmenter
from tests.plugin_package.toy_plugins import CentreSegmenter

SPACING = (3.0, 0.5, 0.5)


def box(*sides, shape=(12, 40, 40), at=(2, 5, 5)):
    mask = np.zeros(shape, bool)
    mask[tuple(slice(start, start + side) for start, side in zip(at, sides, strict=True))] = True
    return mask


# Agreement


def test_a_mask_agrees_with_itself():
    assert agreement(box(4, 8, 8), box(4, 8, 8), SPACING) == {
        "dice": 1.0,
        "surface_distance_95_mm": 0.0,
        "volume_difference_mm3": 0.0,
    }


@pytest.mark.parametrize("shift", [1, 2, 6])
def test_a_shifted_box_has_the_dice_and_distance_of_its_shift(shift):
    first, second = box(4, 20, 20), box(4, 20, 20, at=(2, 5, 5 + shift))
    found = agreement(first, second, SPACING)
    assert found["dice"] == pytest.approx(1 - shift / 20)
    assert found["surface_distance_95_mm"] == pytest.approx(0.5 * shift)
    assert found["volume_difference_mm3"] == 0


def test_distances_are_in_mm_of_each_axis():
    first = box(2, 30, 30)
    along_z = agreement(first, box(2, 30, 30, at=(4, 5, 5)), SPACING)
    assert along_z["surface_distance_95_mm"] == pytest.approx(6.0)
    assert along_z["dice"] == 0


def test_a_volume_difference_is_signed_and_in_mm3():
    assert agreement(box(4, 10, 10), box(4, 10, 5), SPACING)["volume_difference_mm3"] == 200 * 0.75


def test_an_empty_mask_has_no_distance_and_two_of_them_nothing_to_compare():
    found = agreement(box(4, 8, 8), box(0, 0, 0), SPACING)
    assert found["dice"] == 0
    assert math.isnan(found["surface_distance_95_mm"])
    assert math.isnan(agreement(box(0, 0, 0), box(0, 0, 0), SPACING)["dice"])


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6))
def test_agreement_is_symmetric_and_equals_the_definition(seed):
    random = np.random.default_rng(seed)
    first, second = random.random((2, 6, 9, 8)) < 0.3
    one, other = agreement(first, second, SPACING), agreement(second, first, SPACING)
    assert one["dice"] == pytest.approx(2 * (first & second).sum() / (first.sum() + second.sum()))
    assert one["dice"] == pytest.approx(other["dice"])
    assert one["surface_distance_95_mm"] == pytest.approx(other["surface_distance_95_mm"])
    assert one["volume_difference_mm3"] == -other["volume_difference_mm3"]


# Regions


def test_statistics_of_a_region_are_those_of_its_voxels():
    values = np.random.default_rng(0).integers(-200, 800, (12, 40, 40)).astype(np.int16)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(SPACING[::-1])
    mask = box(3, 4, 5) | box(2, 2, 2, at=(8, 30, 30))
    found = region_statistics(image, mask)
    assert found["voxels"] == 68
    assert found["volume_mm3"] == pytest.approx(68 * 0.75)
    assert found["components"] == 2
    assert found["mean_hu"] == pytest.approx(values[mask].mean())
    assert found["share_above_130_hu"] == pytest.approx((values[mask] >= 130).mean())
    assert found["meets_border"] is False
    assert region_statistics(image, box(3, 4, 5, at=(0, 5, 5)))["meets_border"] is True
    assert region_statistics(image, mask & False)["voxels"] == 0


# A cohort


class Squares:
    """A scan with a box in it whose size is given; size 0 is a scan without mask, -1 one that cannot be read."""

    def __init__(self, size):
        self.size = size

    def load(self):
        if self.size < 0:
            raise CaseError("unreadable")
        image = sitk.GetImageFromArray(np.full((12, 40, 40), 40, np.int16))
        image.SetSpacing(SPACING[::-1])
        mask = sitk.GetImageFromArray(box(4, self.size, 10).astype(np.uint8))
        mask.CopyInformation(image)
        return Scan(image, {"coronary": mask} if self.size else {})

    def digest(self):
        return digest_of(self.size)


SIZES = [10, 11, 9, 10, 12, 8, 10, 11, 9, 30, 0, 10, -1]


@pytest.fixture(scope="module")
def quality(tmp_path_factory):
    cases = [Case(f"c{number:02d}", Squares(size)) for number, size in enumerate(SIZES)]
    segmenters = {
        "plain": ReferenceSegmenter(),
        "wide": ReferenceSegmenter(dilation_mm=1.0),
        "toy": CentreSegmenter(),
    }
    with workers(1) as pool:
        return judge(
            cases, segmenters, Execution(Store(tmp_path_factory.mktemp("store")), pool), reference="coronary"
        )


def test_exclusions_are_counted_with_wilsons_interval_and_a_warning(quality):
    rates = quality.exclusions.set_index("segmenter")
    assert rates.loc["plain", ["cases", "unreadable", "excluded", "too_many"]].tolist() == [13, 1, 1, True]
    assert rates.loc["toy", ["excluded", "too_many"]].tolist() == [0, False]
    n, p, z = 12, 1 / 12, 1.959963984540054
    centre, half = (p + z * z / (2 * n)), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert rates.loc["plain", "low"] == pytest.approx((centre - half) / (1 + z * z / n))
    assert rates.loc["plain", "high"] == pytest.approx((centre + half) / (1 + z * z / n))
    assert set(quality.reasons["stage"]) == {"read", "segment"}


def test_a_planted_outlier_is_flagged_and_no_other(quality):
    plain = quality.statistics.query("segmenter == 'plain'").set_index("case_id")
    assert plain.loc["c09", "outlier_in"] == "volume_mm3"
    assert (plain.drop("c09")["outlier_in"] == "").all()


def test_segmenters_are_compared_with_each_other_and_with_the_mask(quality):
    table = summarise(quality.agreement).set_index(["first", "second"])
    assert table.loc[("plain", "mask coronary"), "dice"] == 1.0
    assert table.loc[("plain", "wide"), "volume_difference_mm3"] < 0
    assert table.loc[("plain", "wide"), "cases"] == 11
    assert len(table) == 6


@pytest.mark.slow
def test_what_is_written_holds_the_tables_and_the_outlier_first_in_the_montage(quality, toy_study, tmp_path):
    report = report_of(quality, toy_study(name="q"))
    publish(report, Claim(tmp_path, Path(__file__), Path("q")))
    files = {file.name: file for file in (tmp_path / "q" / "quality").iterdir()}
    assert len(pd.read_csv(files["regions.csv"])) == len(quality.statistics)
    assert files["montage_plain.png"].read_bytes().startswith(b"\x89PNG")
    publish(report_of(quality, toy_study(name="q")), Claim(tmp_path / "again", Path(__file__), Path("q")))
    again = tmp_path / "again" / "q" / "quality"
    assert all((again / name).read_bytes() == file.read_bytes() for name, file in files.items())
    assert len(files) == 5 + 3 + 2


def test_a_tile_shows_the_slice_with_most_of_the_region():
    values = np.zeros((5, 400, 300), np.int16)
    values[3] = 90
    shown = tile(sitk.GetImageFromArray(values), box(1, 9, 9, shape=values.shape, at=(3, 50, 50)))
    assert max(shown.grey.shape) <= 160
    assert set(np.unique(shown.grey)) == {127}
    assert shown.region.sum() == 9
    assert montage({"a": (shown, True)}, "x").startswith(b"\x89PNG")


class Missing(Segmenter):
    def availability(self):
        from benchmark.plugins import Availability

        return Availability(ready=False, reason="no weights: fetch them")

    def segment(self, scan):
        raise AssertionError


def test_without_any_segmenter_that_can_run_the_reasons_are_given(tmp_path):
    with workers(1) as pool, pytest.raises(UserError, match="no weights: fetch them"):
        judge([], {"missing": Missing()}, Execution(Store(tmp_path), pool))


def test_the_command_prints_and_writes_it(tmp_path):
    study = {
        "name": "q",
        "cohort": {"use": "toy_cohort", "zero": 4, "nonzero": 4, "broken": [2]},
        "segmenters": {"toy_centre": {}, "whole_image": {}, "totalsegmentator": {}},
        "extractors": {"m": {"use": "toy_moments", "segmenter": "toy_centre"}},
        "classifiers": {"logistic_regression": {}},
    }
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(study))
    arguments = ["quality", str(tmp_path / "s.yaml"), "--results", str(tmp_path / "r"), "--jobs", "1"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "totalsegmentator is unavailable" in result.output
    assert (tmp_path / "r" / "q" / "quality" / "agreement.csv").exists()
