"""The studies that come with the project can be read, run on phantoms, and are ready."""

from pathlib import Path

import pytest

from benchmark.analyses.robustness.study import read_robustness_study
from benchmark.study.reading import read_study

STUDIES = Path(__file__).parents[2] / "studies"


@pytest.mark.parametrize(
    ("name", "cases", "runs"),
    [
        ("pseudo_labels", 20, 3),
        ("roi_dilation", 80, 10),
        ("intensity_threshold", 80, 10),
        ("controls", 182, 12),
    ],
)
def test_a_ready_made_study_is_ready_on_phantoms(name, cases, runs):
    study = read_study(STUDIES / f"{name}.yaml")
    assert len(study.cohort.cases()) == cases
    assert len(study.all_runs()) == runs
    for extraction in study.extractors.values():
        assert extraction.extractor.availability().ready
        assert study.segmenters[extraction.segmenter].availability().ready


def test_the_robustness_study_scans_the_same_patients_under_every_condition():
    study = read_robustness_study(STUDIES / "robustness.yaml")
    patients = [(case.case_id, case.label) for case in study.base.cohort.cases()]
    assert len(patients) == 80
    assert len(study.base.all_runs()) == 4
    assert list(study.conditions) == ["rescan", "soft", "sharp", "noisy", "dilated_2mm"]
    for condition in study.conditions.values():
        assert [(case.case_id, case.label) for case in condition.cohort.cases()] == patients
