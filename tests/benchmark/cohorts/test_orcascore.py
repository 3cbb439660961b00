"""orCaScore: MHD scans and reference masks load to what they were made from; what is odd is counted."""

import numpy as np
import pytest
import SimpleITK as sitk

from benchmark.cohorts.orcascore import OrCaScoreCohort
from benchmark.errors import CaseError, UserError


def vessels(scan):
    """The phantom's lesions with orCaScore's labels: 1 LAD with the left main, 2 LCX, 3 RCA."""
    return sitk.ChangeLabel(scan.masks["lesions"], {1: 1, 2: 1, 3: 2, 4: 3})


@pytest.fixture
def training(phantom_scan, tmp_path):
    folder = tmp_path / "Training_set"
    write(folder, phantom_scan.image, "TRV1P1", vessels(phantom_scan))
    write(folder, phantom_scan.image, "TRV1P10", vessels(phantom_scan) * 0)
    write(folder, phantom_scan.image, "TRV1P2", vessels(phantom_scan))
    return folder


def write(folder, image, name, reference):
    for part in ("Images", "Reference_standard"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(folder / "Images" / f"{name}CTI.mhd"))
    sitk.WriteImage(sitk.Cast(image + 100, sitk.sitkInt16), str(folder / "Images" / f"{name}CTAI.mhd"))
    sitk.WriteImage(reference, str(folder / "Reference_standard" / f"{name}R.mhd"))


def test_scans_masks_and_labels_are_those_the_files_were_made_from(training, phantom_scan):
    cases = OrCaScoreCohort(path=training).cases()
    assert [(case.case_id, case.label) for case in cases] == [("TRV1P1", 1), ("TRV1P2", 1), ("TRV1P10", 0)]
    assert {(case.group, case.protocol, case.contrast) for case in cases} == {("V1", "cardiac", False)}
    scan = cases[0].source.load()
    assert (sitk.GetArrayFromImage(scan.image) == sitk.GetArrayFromImage(phantom_scan.image)).all()
    labels = sitk.GetArrayFromImage(scan.masks["lesions"])
    assert (labels == sitk.GetArrayFromImage(vessels(phantom_scan))).all()
    assert labels.max() == 3


def test_the_angiographies_are_another_set_of_images_with_the_same_labels(training, phantom_scan):
    first, *_ = OrCaScoreCohort(path=training, images="contrast").cases()
    assert (first.label, first.contrast) == (1, True)
    scan = first.source.load()
    difference = sitk.GetArrayFromImage(scan.image).astype(int) - sitk.GetArrayFromImage(phantom_scan.image)
    assert np.unique(difference) == [100]
    assert not scan.masks


def test_an_unknown_label_is_counted_and_kept(training, phantom_scan):
    mask = sitk.ChangeLabel(vessels(phantom_scan), {3: 5})
    sitk.WriteImage(mask, str(training / "Reference_standard" / "TRV1P1R.mhd"))
    first, *_ = OrCaScoreCohort(path=training).cases()
    assert [met.kind for met in first.anomalies] == ["unknown label in the reference mask"]
    assert sitk.GetArrayFromImage(first.source.load().masks["lesions"]).max() == 5


def test_a_scan_without_its_one_reference_is_an_exclusion(training):
    reference = training / "Reference_standard" / "TRV1P1R.mhd"
    reference.unlink()
    first, *_ = OrCaScoreCohort(path=training).cases()
    with pytest.raises(CaseError, match="0 reference masks"):
        first.source.digest()


def test_a_mask_on_another_grid_is_refused(training, phantom_scan):
    sitk.WriteImage(vessels(phantom_scan)[:, :, 1:], str(training / "Reference_standard" / "TRV1P2R.mhd"))
    _, second, _ = OrCaScoreCohort(path=training).cases()
    with pytest.raises(CaseError, match="another grid"):
        second.source.load()


def test_a_damaged_mask_excludes_its_case_alone(training):
    (training / "Reference_standard" / "TRV1P1R.raw").write_bytes(b"")
    first, second, _ = OrCaScoreCohort(path=training).cases()
    with pytest.raises(CaseError, match="damaged"):
        first.source.load()
    assert second.label == 1


def test_a_folder_of_another_layout_is_refused(tmp_path):
    with pytest.raises(UserError, match="TRV1P1CTI"):
        OrCaScoreCohort(path=tmp_path).cases()
    with pytest.raises(UserError, match="Training_set"):
        OrCaScoreCohort(path=tmp_path / "nowhere").cases()
