"""What segmenters found is drawn beside the mask that came with the scan, in a few cases from no calcium to much."""

import io

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from benchmark.case import Case, Scan
from benchmark.errors import CaseError
from benchmark.execution.execution import open_execution
from benchmark.pipeline.run import run_study
from benchmark.plugins.checks import synthetic_scan
from benchmark.report.cases.segmentations import (
    MontageTask,
    draw_montage,
    legends,
    montages_of_segmenters,
    spread,
)
from benchmark.report.study_report import report_of
from segmenters.reference import ReferenceSegmenter
from segmenters.threshold import ThresholdSegmenter
from segmenters.whole_image import WholeImageSegmenter
from tests.benchmark.report.cases.held_scan import Held

DENSE = ThresholdSegmenter(within=WholeImageSegmenter(), hu=130)


def drawn(scan, **segmenters):
    return draw_montage(MontageTask(Case("c", Held(scan)), "held", segmenters))


def coloured(picture):
    """Return how many pixels are orange (what was found) and cyan (the mask that came with the scan)."""
    red, green, blue = np.moveaxis(
        np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int), 2, 0
    )
    return int(((red > 200) & (blue < 120)).sum()), int(((red < 120) & (blue > 200) & (green > 200)).sum())


def height(picture):
    return Image.open(io.BytesIO(picture)).height


def test_each_segmenter_has_a_row_and_the_mask_is_in_all_of_them():
    scan = synthetic_scan()
    one = drawn(scan, wide=ReferenceSegmenter(dilation_mm=3))
    two = drawn(scan, wide=ReferenceSegmenter(dilation_mm=3), wider=ReferenceSegmenter(dilation_mm=5))
    assert min(coloured(one)) > 50
    assert height(two) > 1.7 * height(one)
    assert coloured(two)[1] > 1.5 * coloured(one)[1]


def test_without_a_mask_only_what_was_found_is_outlined():
    orange, cyan = coloured(drawn(Scan(synthetic_scan().image), dense=DENSE))
    assert orange > 50
    assert cyan == 0


def test_the_whole_image_and_a_segmenter_that_fails_have_no_row():
    scan = Scan(synthetic_scan().image)
    alone = drawn(scan, dense=DENSE)
    assert drawn(scan, whole=WholeImageSegmenter(), none=ReferenceSegmenter(), dense=DENSE) == alone
    with pytest.raises(CaseError, match="no segmenter finds a region"):
        drawn(scan, whole=WholeImageSegmenter(), none=ReferenceSegmenter())


def test_the_picture_is_that_of_the_scan_however_its_axes_lie():
    scan = synthetic_scan()
    turned = Scan(
        sitk.DICOMOrient(scan.image, "RAS"),
        {name: sitk.DICOMOrient(mask, "RAS") for name, mask in scan.masks.items()},
    )
    assert drawn(turned, wide=ReferenceSegmenter(dilation_mm=3)) == drawn(
        scan, wide=ReferenceSegmenter(dilation_mm=3)
    )


def test_cases_from_no_calcium_to_much_are_drawn_once_and_shown_on_the_page(toy_study, tmp_path):
    with open_execution(tmp_path, 1) as execution:
        result = run_study(toy_study(cohort={"use": "toy_cohort"}), execution)
        chosen = spread(result)
        montages = montages_of_segmenters(result, execution)
        files = sorted(execution.store.folder.glob("segmentations/*/*.png"))
        assert montages_of_segmenters(result, execution) == montages
        assert sorted(execution.store.folder.glob("segmentations/*/*.png")) == files
    labels = result.features.cases.loc[chosen, "label"].tolist()
    assert len(set(chosen)) == 3
    assert (labels[0], labels[-1]) == (0, 1)
    assert list(montages) == chosen
    assert len(files) == 3
    report = report_of(result, montages=montages)
    (section,) = (section for section in report.sections if section.title == "Segmentations")
    assert list(section.figures) == [f"segmentations/{k:02d}" for k in (1, 2, 3)]
    assert section.captions["segmentations/01"] == legends(result, chosen)[0]
    assert legends(result, chosen)[0].startswith(f"{chosen[0]}: truly zero")
