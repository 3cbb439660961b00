"""The hardest cases have pictures: drawn once, kept by their content, and left out where they cannot be drawn."""

import io

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from PIL import Image

from benchmark.case import Case, Scan
from benchmark.errors import CaseError
from benchmark.execution.execution import open_execution
from benchmark.pipeline.run import run_study
from benchmark.plugins.checks import synthetic_scan
from benchmark.report.cases.hard import hard_cases
from benchmark.report.cases.pictures import MOST, PictureTask, captions, draw, pictures_of_hard_cases
from benchmark.report.study_report import report_of
from benchmark.report.verdict.methods import methods_of
from segmenters.reference import ReferenceSegmenter
from segmenters.whole_image import WholeImageSegmenter
from tests.benchmark.report.cases.held_scan import Held


def red(picture):
    found = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)
    return int(((found[..., 0] > 200) & (found[..., 1] < 90) & (found[..., 2] < 90)).sum())


def drawn(scan, **segmenters):
    return draw(PictureTask(Case("c", Held(scan)), "held", segmenters))


def test_true_lesions_are_outlined_and_else_what_is_dense_in_the_region():
    scan = synthetic_scan()
    true = drawn(scan, reference=ReferenceSegmenter())
    assert red(true) > 50
    without = Scan(scan.image, {"coronary": scan.masks["coronary"]})
    assert red(drawn(without, reference=ReferenceSegmenter())) > 50
    soft = Scan(sitk.Clamp(scan.image, upperBound=129), without.masks)
    assert red(drawn(soft, reference=ReferenceSegmenter())) == 0


def test_a_segmenter_that_fails_costs_its_outline_alone():
    scan = Scan(synthetic_scan().image)
    with pytest.raises(CaseError):
        ReferenceSegmenter().segment(scan)
    assert red(drawn(scan, reference=ReferenceSegmenter(), whole=WholeImageSegmenter())) > 50


@pytest.fixture
def hard(toy_study, tmp_path):
    """A toy study whose labels cannot be learnt: many cases are hard."""
    study = toy_study(cohort={"use": "toy_cohort", "contrast": 0.0})
    with open_execution(tmp_path, 1) as execution:
        result = run_study(study, execution)
        yield result, execution


def test_the_hardest_cases_are_drawn_once_and_shown_with_what_each_method_said(hard):
    result, execution = hard
    table = hard_cases(result, methods_of(result))
    pictures = pictures_of_hard_cases(result, execution)
    assert list(pictures) == table["case_id"][:MOST].tolist()
    files = sorted(execution.store.folder.glob("pictures/*/*.png"))
    assert len(files) == MOST
    assert pictures_of_hard_cases(result, execution) == pictures
    assert sorted(execution.store.folder.glob("pictures/*/*.png")) == files
    report = report_of(result, pictures)
    (section,) = (section for section in report.sections if section.title == "Hard cases")
    assert (
        list(section.figures) == list(report.pictures) == [f"hard_cases/{k:02d}" for k in range(1, MOST + 1)]
    )
    first = section.captions["hard_cases/01"]
    assert first.startswith(f"{table['case_id'][0]}: truly {table['truth'][0]}")
    assert "1 of 1 wrong. moments: " in first


def test_a_study_without_hard_cases_has_none(toy_study, tmp_path):
    with open_execution(tmp_path, 1) as execution:
        result = run_study(toy_study(cohort={"use": "toy_cohort", "contrast": 2000.0}), execution)
        assert pictures_of_hard_cases(result, execution) == {}


def test_a_caption_says_what_is_known_and_no_more():
    row = {"case_id": "7", "truth": "zero", "wrong": 1, "methods": 2, "a": "nonzero", "b": "zero"}
    assert captions(pd.DataFrame([row]), ["7"], ["a", "b"]) == [
        "7: truly zero; 1 of 2 wrong. a: nonzero; b: zero."
    ]
    known = {**row, "cac_score": 3.6, "group": "sharp", "protocol": "chest", "contrast": "on"}
    (said,) = captions(pd.DataFrame([known]), ["7"], ["a"])
    assert "truly zero, Agatston score 4, sharp, chest, with contrast medium; 1 of 2" in said
