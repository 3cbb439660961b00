"""Agatston's rule and AI-CAC's on the same masks, in the record of a scan, in the table, in what people read."""

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from scipy import stats

from benchmark.analyses.segmentation.measurement import MeasurementTask, measure
from benchmark.analyses.segmentation.rules import rules, rules_shown
from benchmark.calcium.ai_cac_rule import ai_cac_score
from benchmark.calcium.truth import ReferenceRule
from benchmark.case import Case, Scan
from benchmark.errors import CaseError
from benchmark.plugins.registry import build
from benchmark.statistics.intervals.bootstrap import Resampling


class TwoLesions:
    """A scan with a lesion of 12 voxels (one of 500 HU) and its blurred edge, and one of which nobody knows."""

    def load(self):
        hu, lesions = np.full((5, 16, 16), 40, np.int16), np.zeros((5, 16, 16), np.uint8)
        hu[1:4, 4:6, 4:6], lesions[1:4, 4:6, 4:6] = 150, 1
        hu[2, 4, 4] = 500
        hu[1, 10:13, 10:13] = 250
        images = [sitk.GetImageFromArray(values) for values in (hu, lesions, (hu > 40).astype(np.uint8))]
        for image in images:
            image.SetSpacing((1, 1, 3))
        return Scan(images[0], {"lesions": images[1], "drawn": images[2]})

    def digest(self):
        return "two lesions"


def test_a_scan_is_scored_by_both_rules_in_the_reference_and_in_what_was_called():
    drawn = build("segmenter", {"use": "reference", "mask": "drawn"})
    task = MeasurementTask(Case("a", TwoLesions()), {"drawn": drawn}, ReferenceRule(reach_mm=0))
    record = measure(task)["drawn"]
    assert record["reference_agatston"] == 4 * (1 + 4 + 1)
    assert record["reference_ai_cac_rule"] == 12 * 4
    assert record["agatston"] == 24 + 9 * 2
    assert record["ai_cac_rule"] == 48 + 18
    scan = task.case.source.load()
    assert record["ai_cac_rule"] == ai_cac_score(scan.image, scan.masks["drawn"])


def test_a_segmenter_that_fails_on_a_scan_says_why_and_the_others_are_measured():
    segmenters = {
        "nobody": build("segmenter", {"use": "reference", "mask": "nobody_s"}),
        "drawn": build("segmenter", {"use": "reference", "mask": "drawn"}),
    }
    measured = measure(MeasurementTask(Case("a", TwoLesions()), segmenters, ReferenceRule()))
    assert isinstance(measured["nobody"], CaseError)
    assert "no mask called 'nobody_s'" in str(measured["nobody"])
    assert measured["drawn"]["voxel_fp"] == 9


@pytest.fixture
def scans():
    """Forty scans of two segmenters; the second's scores by AI-CAC's rule are off by 5 more."""
    rng = np.random.default_rng(0)
    reference = rng.gamma(1, 150, 40)
    case = [f"case-{place:02}" for place in rng.permutation(40)]
    rows = {"cohort": "mine", "case_id": case, "reference_agatston": reference}
    rows["reference_ai_cac_rule"] = np.round(reference * 1.1)
    first = pd.DataFrame({**rows, "segmenter": "b", "agatston": reference * 2})
    first["ai_cac_rule"] = np.round(first["agatston"] + rng.normal(10, 4, 40))
    second = first.assign(segmenter="a", ai_cac_rule=first["ai_cac_rule"] + 5)
    return pd.concat([first, second], ignore_index=True)


def test_the_table_has_the_reference_and_each_segmenter_in_their_order(scans):
    table = rules(scans, Resampling(500)).set_index("masks")
    assert list(table.index) == ["(reference)", "b", "a"]
    assert (table["scans"] == 40).all()
    assert table.loc["a", "difference"] - table.loc["b", "difference"] == pytest.approx(5)
    assert table.loc["b", "agatston"] == pytest.approx(2 * table.loc["(reference)", "agatston"])
    assert table.loc["b", "other_band"] >= 1


def test_the_interval_of_the_difference_is_the_bootstrap_s_of_another_library(scans):
    row = rules(scans, Resampling(4000)).set_index("masks").loc["b"]
    part = scans[scans["segmenter"] == "b"]
    difference = (part["ai_cac_rule"] - part["agatston"]).to_numpy()
    assert row["difference"] == pytest.approx(difference.mean())
    other = stats.bootstrap((difference,), np.mean, method="percentile", n_resamples=4000, rng=1)
    width = other.confidence_interval.high - other.confidence_interval.low
    assert row["low"] == pytest.approx(other.confidence_interval.low, abs=0.06 * width)
    assert row["high"] == pytest.approx(other.confidence_interval.high, abs=0.06 * width)


def test_the_order_of_the_scans_does_not_matter_and_equal_differences_have_no_interval(scans):
    table = rules(scans, Resampling(300))
    shuffled = scans.iloc[::-1].sort_values("segmenter", ascending=False, kind="stable")
    pd.testing.assert_frame_equal(rules(shuffled, Resampling(300)), table)
    same = rules(scans.assign(ai_cac_rule=scans["agatston"]), Resampling(300)).iloc[1]
    assert np.isnan(same["low"])
    shown = rules_shown(rules(scans.assign(ai_cac_rule=scans["agatston"]), Resampling(300)))
    assert shown["difference"][1] == "+0.0 (not estimable)"
    assert shown["other band"][1] == "0 of 40"


def test_scans_without_a_reference_mask_have_no_row_of_the_reference(scans):
    table = rules(scans.assign(reference_ai_cac_rule=np.nan), Resampling(300))
    assert list(table["masks"]) == ["b", "a"]
