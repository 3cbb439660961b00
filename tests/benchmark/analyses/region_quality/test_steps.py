"""The steps of a segmenter that works in steps: what is kept of them, what is drawn, and of which cases."""

import io

import numpy as np
import pytest
import SimpleITK as sitk
import yaml
from matplotlib.image import imread
from typer.testing import CliRunner

from benchmark.analyses.region_quality import measure
from benchmark.analyses.region_quality.step_pictures import draw_steps
from benchmark.analyses.region_quality.tiles import Steps, steps_of
from benchmark.case import Scan
from benchmark.cli import app
from benchmark.images.reading import read_image
from benchmark.plugins import Segmenter
from segmenters.heart_region.segmenter import HeartRegionSegmenter
from segmenters.whole_image import WholeImageSegmenter


class Halving(Segmenter):
    """Takes the middle, then the left half of it."""

    def segment(self, scan):
        return list(self.steps(scan).values())[-1]

    def steps(self, scan):
        middle = np.zeros(scan.image.GetSize()[::-1], np.uint8)
        middle[2:9, 10:30, 20:60] = 1
        left = middle.copy()
        left[:, :, 40:] = 0
        images = {"middle": sitk.GetImageFromArray(middle), "left half": sitk.GetImageFromArray(left)}
        for image in images.values():
            image.CopyInformation(scan.image)
        return images


@pytest.fixture
def scan():
    return Scan(sitk.GetImageFromArray(np.full((12, 50, 100), 90, np.int16)))


def test_steps_are_kept_on_three_slices_cut_to_the_first_step_and_a_tenth_more(scan):
    (steps,) = steps_of({"halving": Halving()}, scan).values()
    assert steps.slices == (3, 5, 7)
    assert [plane.shape for plane in steps.grey] == [(24, 48)] * 3
    assert set(np.unique(steps.grey)) == {127}
    assert [[region.sum() for region in regions] for regions in steps.regions.values()] == [
        [800] * 3,
        [400] * 3,
    ]


def test_a_segmenter_that_takes_no_steps_or_finds_nothing_has_none(scan):
    class Nothing(Halving):
        def steps(self, scan):
            return {"nothing": sitk.Image(scan.image.GetSize(), sitk.sitkUInt8)}

    assert steps_of({"whole": WholeImageSegmenter(), "nothing": Nothing()}, scan) == {}


def test_what_a_step_took_off_is_red_and_what_it_left_is_not(scan):
    (steps,) = steps_of({"halving": Halving()}, scan).values()
    drawn = imread(io.BytesIO(draw_steps(steps, "halving")))
    red = (drawn[..., 0] > 0.5) & (drawn[..., 1] < 0.45) & (drawn[..., 2] < 0.45)
    columns = np.flatnonzero(red.any(axis=0))
    first, second = drawn.shape[1] // 2, drawn.shape[1]
    assert (columns > first).mean() > 0.98, "orange outlines may look red at a pixel"
    right_half = (columns > first + (second - first) / 2).mean()
    assert right_half > 0.9
    unchanged = Steps(steps.slices, steps.grey, {"a": steps.regions["middle"], "b": steps.regions["middle"]})
    kept = imread(io.BytesIO(draw_steps(unchanged, "nothing taken off")))
    assert ((kept[..., 0] > 0.5) & (kept[..., 1] < 0.45) & (kept[..., 2] < 0.45)).sum() < 0.05 * red.sum()


@pytest.mark.slow
def test_each_step_of_heart_region_takes_off_what_it_says_on_a_real_chest(real_data):
    image = read_image(real_data / "lung1_001" / "image.nii.gz")
    scan = Scan(image)
    steps = HeartRegionSegmenter().steps(scan)
    assert list(steps) == [
        "hull of the lungs",
        "up to the chest wall",
        "bone off",
        "spine off",
        "islands off",
    ]
    hull, walled, boned, spined, last = (sitk.GetArrayFromImage(step) > 0 for step in steps.values())
    assert (last <= spined).all()
    assert (spined <= boned).all()
    assert (boned <= walled).all()
    beyond = np.argwhere(walled & ~hull)[:, 1].mean()
    assert beyond < np.argwhere(hull)[:, 1].mean() - 50, "the heart lies against the wall in front"
    assert (sitk.GetArrayFromImage(HeartRegionSegmenter().segment(scan)) == last).all()
    dense = sitk.GetArrayViewFromImage(image) >= 130
    assert dense[walled & ~boned].mean() > 10 * dense[boned].mean(), "bone is dense"
    rows = [np.argwhere(mask)[:, 1].mean() for mask in (boned & ~spined, hull)]
    assert rows[0] > rows[1] + 50, "the spine lies behind"
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(real_data / "lung1_001" / "calcium.nii.gz")))
    assert last[(labels >= 1) & (labels <= 4)].all()


def test_the_command_draws_the_steps_of_the_first_cases_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "MOST_STEPS", 1)
    cohort = {"use": "phantom", "zero": 1, "nonzero": 1, "seed": "steps", "protocol": "chest"}
    study = {
        "name": "q",
        "cohort": {**cohort, "coverage_mm": 60, "slice_thickness_mm": 5, "pixel_mm": 1.5},
        "segmenters": {"heart_region": {}, "whole_image": {}},
        "extractors": {"m": {"use": "radiomics", "segmenter": "whole_image"}},
        "classifiers": {"logistic_regression": {}},
    }
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(study))
    arguments = ["quality", str(tmp_path / "s.yaml"), "--results", str(tmp_path / "r"), "--jobs", "1"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    folder = tmp_path / "r" / "q" / "quality"
    assert [file.name for file in (folder / "steps").iterdir()] == ["heart_region_1.png"]
    assert "Step by step" in (folder / "report.html").read_text()
