"""An extractor as a scikit-learn transformer gives what a study gives, and refuses what it cannot use."""

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmark.case import Scan
from benchmark.errors import CaseError
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.features import extract_features
from benchmark.plugins.checks import synthetic_scan
from benchmark.plugins.registry import build
from cacbench.scan_features import ScanFeatures
from feature_extractors.radiomics.extractor import RadiomicsExtractor


@pytest.fixture
def toy():
    return ScanFeatures({"use": "toy_moments"}, "toy_centre")


def test_it_gives_the_features_that_a_study_gives(toy, toy_study, tmp_path):
    study = toy_study()
    with workers(1) as pool:
        table = extract_features(study, Execution(Store(tmp_path), pool)).tables["moments"]
    cases = study.cohort.cases()
    found = toy.set_output(transform="pandas").fit_transform(cases)
    assert list(toy.get_feature_names_out()) == list(table.columns)
    np.testing.assert_array_equal(found.to_numpy(), table.loc[[case.case_id for case in cases]].to_numpy())


def test_a_pipeline_learns_from_scans(toy, toy_study):
    cases = toy_study().cohort.cases()
    labels = [case.label for case in cases]
    pipeline = make_pipeline(toy, StandardScaler(), LogisticRegression()).fit(cases[::2], labels[::2])
    assert pipeline.score(cases[1::2], labels[1::2]) > 0.7


def test_files_and_scans_in_memory_are_the_same_scan(tmp_path):
    scan = synthetic_scan()
    sitk.WriteImage(scan.image, str(tmp_path / "ct.nii.gz"))
    sitk.WriteImage(scan.masks["coronary"], str(tmp_path / "mask.nii.gz"))
    radiomics = ScanFeatures(RadiomicsExtractor())
    pair = (str(tmp_path / "ct.nii.gz"), tmp_path / "mask.nii.gz")
    by_file, in_memory = radiomics.fit([scan]).transform([pair, scan])
    assert len(radiomics.get_feature_names_out()) == len(by_file) >= 107
    np.testing.assert_allclose(by_file, in_memory, rtol=1e-4)
    assert isinstance(
        clone(radiomics).fit([pair]).set_output(transform="pandas").transform([pair]), pd.DataFrame
    )


def test_what_is_no_scan_is_refused_with_its_name_and_reason(toy, tmp_path):
    image = sitk.Image(12, 12, 8, sitk.sitkInt16)
    with pytest.raises(CaseError, match=r"gone\.nii\.gz: read: the image: no such file"):
        toy.fit([str(tmp_path / "gone.nii.gz")])
    with pytest.raises(CaseError, match="a scan in memory: segment: the case has no mask called 'coronary'"):
        ScanFeatures(build("feature_extractor", "toy_moments")).fit([Scan(image)])
    with pytest.raises(ValueError, match="int is no scan: give a path"):
        toy.fit([3])
    with pytest.raises(ValueError, match="no scan was given"):
        toy.fit([])
    with pytest.raises(
        ValueError, match="no feature_extractor is called 'radiomcs'; did you mean 'radiomics'"
    ):
        ScanFeatures("radiomcs").fit([Scan(image)])
