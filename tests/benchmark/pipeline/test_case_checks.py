"""What `cacbench validate` finds in a study's cases before anything is computed."""

import numpy as np
import pytest
import SimpleITK as sitk

from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.case_checks import check_cases
from benchmark.pipeline.cases import list_cases
from benchmark.study.study import Study


@pytest.fixture
def folder(tmp_path):
    """A folder of images and masks, some of them unfit."""
    voxels = np.random.default_rng(0).normal(0, 300, (6, 20, 20)).astype(np.int16)
    image = sitk.GetImageFromArray(voxels)
    mask = sitk.Cast(image * 0, sitk.sitkUInt8)
    mask[4:12, 4:12, 1:4] = 1
    for name, content in {
        "ct": image,
        "mask": mask,
        "moved": mask[:, :, 1:],
        "empty": mask * 0,
        "scaled": sitk.Cast(image * 0 + 1, sitk.sitkInt16),
    }.items():
        sitk.WriteImage(content, str(tmp_path / f"{name}.nii.gz"))
    (tmp_path / "text.nii.gz").write_text("no image")
    whole = (tmp_path / "ct.nii.gz").read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    return tmp_path


def found(folder, *rows, deep=False, segmenters=None, jobs=1, **parameters):
    """Return the problems by case id, as pairs of the file's name and the reason."""
    lines = (f"{row.replace('.', '.nii.gz')}" for row in rows)
    (folder / "manifest.csv").write_text("case_id,image,label,mask,mask_lesions\n" + "\n".join(lines) + "\n")
    study = Study.model_validate(
        {
            "name": "checked",
            "cohort": {"use": "manifest", "path": str(folder / "manifest.csv"), **parameters},
            "segmenters": segmenters or {"reference": {}},
            "extractors": {
                "moments": {"use": "toy_moments", "segmenter": next(iter(segmenters or ["reference"]))}
            },
            "classifiers": {"toy_nearest": {}},
        }
    )
    with workers(jobs) as pool:
        problems = check_cases(
            study, list_cases(study.cohort), Execution(Store(folder / "s"), pool), deep=deep
        )
    return {
        case: [(item.file.removeprefix(f"{folder}/"), item.reason) for item in items]
        for case, items in problems.items()
    }


def test_a_case_without_fault_has_no_problem(folder):
    assert found(folder, "a,ct.,1,mask.,", deep=False) == found(folder, "a,ct.,1,mask.,", deep=True) == {}


def test_every_problem_of_every_case_is_found_at_once_from_headers(folder):
    problems = found(
        folder,
        "a,gone.,1,missing.,lost.",
        "b,ct.,0,moved.,",
        "c,ct.,1,,mask.",
        "d,text.,0,mask.,",
        "e,ct.,1,mask.,",
    )
    assert list(problems) == ["a", "b", "c", "d"]
    assert problems["a"] == [
        ("gone.nii.gz", "no such file"),
        ("missing.nii.gz", "no such file"),
        ("lost.nii.gz", "no such file"),
    ]
    ((file, reason),) = problems["b"]
    assert file == "moved.nii.gz"
    assert reason.startswith("moved.nii.gz is on another grid than the image: 20 × 20 × 5 voxels")
    assert problems["c"] == [
        ("", "segmenter reference: the case has no mask called 'coronary'; it has: lesions")
    ]
    assert [file for file, _ in problems["d"]] == ["text.nii.gz"]


def test_a_mask_on_another_grid_is_none_where_it_will_be_resampled(folder):
    assert found(folder, "a,ct.,1,moved.,", resample_mask=True) == {}
    assert found(folder, "a,ct.,1,moved.,", resample_mask=True, deep=True) == {}


def test_a_segmenter_within_another_says_which_mask_it_needs(folder):
    segmenters = {"dense": {"use": "threshold", "within": {"use": "reference", "mask": "heart"}}}
    assert found(folder, "a,ct.,1,mask.,", segmenters=segmenters) == {
        "a": [("", "segmenter dense: the case has no mask called 'heart'; it has: coronary")]
    }
    assert found(folder, "a,ct.,1,,", segmenters={"whole_image": {}}) == {}


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_only_the_voxels_tell_is_found_deep(folder, jobs):
    rows = ("a,scaled.,1,mask.,", "b,ct.,0,empty.,", "c,cut.,1,mask.,", "d,ct.,1,mask.,empty.")
    assert not {"a", "b"} & set(found(folder, *rows))
    problems = found(folder, *rows, deep=True, jobs=jobs)
    assert list(problems) == ["a", "b", "c"]
    assert problems["a"][0][1].startswith("the image is constant")
    assert problems["b"] == [("empty.nii.gz", "the mask is empty")]
    assert problems["c"][0][0] == "cut.nii.gz"


def checked(study, deep=False):
    with workers(1) as pool:
        return check_cases(study, list_cases(study.cohort), Execution(Store("none"), pool), deep=deep)


def test_a_source_of_somebody_else_is_loaded_deep_and_else_believed(toy_study):
    study = toy_study(cohort={"use": "toy_cohort", "broken": [3]})
    assert checked(study) == {}
    (problem,) = checked(study, deep=True)["toy-003"]
    assert problem.reason == "toy-003: the scanner was switched off"


@pytest.mark.parametrize("deep", [False, True])
def test_phantoms_are_not_rendered_but_their_masks_are_known(toy_study, deep):
    declared = {"cohort": {"use": "phantom", "zero": 90, "nonzero": 90}, "segmenters": {"toy_centre": {}}}
    assert checked(toy_study(**declared), deep) == {}
    declared["segmenters"] = {"toy_centre": {"use": "reference", "mask": "lesion"}}
    problems = checked(toy_study(**declared), deep)
    assert len(problems) == 180
    assert {item.reason for items in problems.values() for item in items} == {
        "segmenter toy_centre: the case has no mask called 'lesion'; it has: aorta, coronary, heart, lesions, vessels"
    }
