"""One scan under two case ids is refused, or kept on one side of every split."""

import csv

import pytest
import SimpleITK as sitk

from benchmark.errors import UserError
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.run import run_study
from benchmark.study.study import Study
from tests.benchmark.images.scan_formats import dicom_by_pydicom, random_ct


@pytest.fixture
def declared(tmp_path):
    """A study on twelve scans in files; `rows` are more lines of its manifest, `protocol` how it splits."""

    def declare(*rows, **protocol):
        lines = [["case_id", "image", "label", "group"]]
        for number in range(12):
            sitk.WriteImage(random_ct(number), str(tmp_path / f"{number}.nii.gz"))
            lines.append([f"p{number}", f"{number}.nii.gz", number % 2, f"g{number}"])
        with (tmp_path / "m.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([*lines, *rows])
        return Study.model_validate(
            {
                "name": "files",
                "cohort": {"use": "manifest", "path": str(tmp_path / "m.csv")},
                "segmenters": {"whole_image": {}},
                "extractors": {"moments": {"use": "toy_moments", "segmenter": "whole_image"}},
                "classifiers": {"logistic_regression": {"grid": {"C": [1.0]}}},
                "protocol": {"folds": 2, "inner_folds": 2, **protocol},
            }
        )

    return declare


def run(study, folder):
    with workers(1) as pool:
        return run_study(study, Execution(Store(folder / "store"), pool))


def test_one_file_under_two_ids_is_refused_with_both(declared, tmp_path):
    study = declared(["again", "3.nii.gz", 0, "g20"])
    with pytest.raises(UserError, match="the same scan under several case ids: p3 and again"):
        run(study, tmp_path)
    assert not (tmp_path / "store" / "features").exists()  # before anything was extracted


def test_the_same_voxels_in_another_format_with_another_header_are_refused(declared, tmp_path):
    series = dicom_by_pydicom(random_ct(3), tmp_path / "dicom")
    study = declared(["x3", series.name, 0, "g20"])
    for _ in range(2):  # the second time from the store
        with pytest.raises(UserError, match="p3 and x3"):
            run(study, tmp_path)


def test_twins_of_one_group_may_stay_where_groups_are_kept_together(declared, tmp_path):
    study = declared(["again", "3.nii.gz", 0, "g3"], split="grouped")
    result = run(study, tmp_path)
    folds = result.predictions.set_index("case_id")["fold"]
    assert folds["p3"] == folds["again"]
    with pytest.raises(UserError, match="p3 and again"):
        run(declared(["again", "3.nii.gz", 0, "g3"]), tmp_path)


def test_different_scans_of_one_patient_are_no_twins(declared, tmp_path):
    assert run(declared(), tmp_path).predictions["case_id"].nunique() == 12


def test_twins_of_one_patient_stay_together_and_may_be_kept(declared, tmp_path):
    study = declared()
    manifest = tmp_path / "m.csv"
    lines = [f"{line},p{place}" for place, line in enumerate(manifest.read_text().splitlines(), start=-1)]
    manifest.write_text(
        "\n".join(["case_id,image,label,group,patient", *lines[1:], "again,3.nii.gz,1,g20,p3", ""])
    )
    result = run(study, tmp_path)
    folds = result.predictions.set_index("case_id")["fold"]
    assert folds["p3"] == folds["again"]
