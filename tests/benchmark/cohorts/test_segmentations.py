"""Segmentations beside the scans of a cohort: which case has which, what becomes of them, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import yaml
from pydantic import ValidationError

from benchmark.cohorts.coca_gated import CocaGatedCohort
from benchmark.cohorts.coca_nongated import CocaNongatedCohort
from benchmark.cohorts.manifest import ManifestCohort
from benchmark.errors import CaseError, UserError
from benchmark.study.reading import read_study
from tests.benchmark.cohorts.test_coca_nongated import cohort as coca_nongated
from tests.benchmark.images.slicer_files import write_segmentation
from tests.benchmark.images.written_scans import write_series


@pytest.fixture(scope="module")
def drawn(phantom_scan):
    """What Slicer's user drew on the phantom: its lesions by vessel, a valve and the aorta, which overlaps the LM."""
    lesions = sitk.GetArrayFromImage(phantom_scan.masks["lesions"])
    arrays = {name: lesions == label for label, name in ((1, "LM"), (2, "LAD"), (3, "Cx"), (4, "RCA"))}
    aorta, valve = (np.zeros(lesions.shape, bool) for _ in range(2))
    aorta[-4:, 10:30, 10:30], valve[2:4, 40:44, 50:54] = True, True
    vessel = next(array for array in arrays.values() if array.any())
    z, y, x = (int(axis[0]) for axis in np.nonzero(vessel))
    aorta[z, y, x] = True
    return {**arrays, "Thoracic aorta": aorta, "Mitral annulus": valve}


@pytest.fixture
def folder(tmp_path, phantom_scan, drawn):
    sitk.WriteImage(phantom_scan.image, str(tmp_path / "scan.nii.gz"))
    (tmp_path / "cases.csv").write_text("case_id,image\np1,scan.nii.gz\n")
    write_segmentation(
        tmp_path / "drawn" / "p1.seg.nrrd", phantom_scan.image, drawn, layers={"Thoracic aorta": 1}
    )
    return tmp_path


def manifest(folder, text=None, **parameters):
    if text:
        (folder / "cases.csv").write_text(text)
    declared = {"path": folder / "cases.csv", "segmentations": folder / "drawn", **parameters}
    return ManifestCohort.model_validate(declared)


def test_the_coronary_segments_are_the_lesions_and_all_of_them_the_anatomy(folder, drawn, phantom_scan):
    (case,) = manifest(folder).cases()
    assert case.label == 1
    assert case.source.problems() == case.source.problems(deep=True) == []
    scan = case.source.load()
    assert set(scan.masks) == set(case.source.mask_names) == {"lesions", "anatomy"}
    lesions, anatomy = (sitk.GetArrayFromImage(scan.masks[name]) for name in ("lesions", "anatomy"))
    assert (lesions == sitk.GetArrayFromImage(phantom_scan.masks["lesions"])).all()
    assert (anatomy[lesions > 0] == lesions[lesions > 0]).all(), "a vessel counts before what overlaps it"
    names = scan.label_names["anatomy"]
    found = {names[label]: int((anatomy == label).sum()) for label in np.unique(anatomy) if label}
    assert found["mitral valve"] == drawn["Mitral annulus"].sum()
    assert found["aorta"] == drawn["Thoracic aorta"].sum() - 1
    assert scan.label_names["lesions"][3] == "LCx"
    assert scan.reach_mm == 0
    assert [met.kind for met in scan.anomalies if "segment" in met.kind].count("overlapping segments") == 1


def test_an_unknown_name_is_an_exclusion_that_says_what_to_write(folder, phantom_scan, drawn):
    odd = {"Ca proximal": drawn["LAD"], "Notes": drawn["Mitral annulus"]}
    write_segmentation(folder / "drawn" / "p1.seg.nrrd", phantom_scan.image, odd)
    (case,) = manifest(folder).cases()
    sentence = r"segmentation: its segment 'Ca proximal' is none of the known structures \(LM, LAD, .*`segments: \{'Ca"
    with pytest.raises(CaseError, match=sentence):
        case.source.load()
    assert "Ca proximal" in case.source.problems()[0].reason
    (case,) = manifest(folder, segments={"ca proximal": "LAD", "Notes": "ignore"}).cases()
    scan = case.source.load()
    assert np.unique(sitk.GetArrayFromImage(scan.masks["anatomy"])).tolist() == [0, 2]
    with pytest.raises(
        ValidationError, match="Notes: there is no structure 'ignored'; did you mean 'ignore'"
    ):
        manifest(folder, segments={"Notes": "ignored"})


def test_a_declaration_in_a_study_file_names_labels_and_segments(folder):
    study = {
        "name": "s",
        "cohort": {
            **{"use": "manifest", "path": "cases.csv", "segmentations": "drawn"},
            "segments": {7: "mitral valve", "Ca": "LAD"},
        },
        "segmenters": {"whole_image": {}},
        "extractors": {"calcium_volumes": {"segmenter": "whole_image"}},
        "classifiers": {"logistic_regression": {}},
    }
    (folder / "s.yaml").write_text(yaml.safe_dump(study))
    cohort = read_study(folder / "s.yaml").cohort
    assert cohort.segments == {7: "mitral valve", "Ca": "LAD"}
    assert cohort.segmentations == folder / "drawn"
    assert str(folder) not in str(cohort.parameters())
    study["cohort"]["segments"] = {7: "mitral vlave"}
    (folder / "s.yaml").write_text(yaml.safe_dump(study))
    with pytest.raises(UserError, match=r"s\.yaml:\d+: cohort\.segments: 7: .*did you mean 'mitral valve'"):
        read_study(folder / "s.yaml")


def test_a_label_image_with_its_labels_declared_is_a_segmentation_too(folder, phantom_scan, drawn):
    labels = sitk.GetImageFromArray((drawn["LAD"] * 2 + drawn["Mitral annulus"] * 7).astype(np.uint8))
    labels.CopyInformation(phantom_scan.image)
    sitk.WriteImage(labels, str(folder / "calcium.nii.gz"))
    text = "case_id,image,segmentation\np1,scan.nii.gz,calcium.nii.gz\n"
    (case,) = manifest(folder, text, segmentations=None, segments={2: "LAD", 7: "mitral valve"}).cases()
    anatomy = sitk.GetArrayFromImage(case.source.load().masks["anatomy"])
    assert {label: int((anatomy == label).sum()) for label in (2, 13)} == {
        2: drawn["LAD"].sum(),
        13: drawn["Mitral annulus"].sum(),
    }
    (case,) = manifest(folder, segmentations=None).cases()
    with pytest.raises(
        CaseError, match=r"its segment 2 is none of the known structures .*`segments: \{2: LAD\}`"
    ):
        case.source.load()


def test_a_scan_without_a_file_is_left_out_or_taken_for_free_of_calcium(folder):
    text = "case_id,image\np1,scan.nii.gz\np2,scan.nii.gz\n"
    _, left = manifest(folder, text).cases()
    with pytest.raises(
        CaseError, match=r"no p2\.seg\.nrrd among the segmentations; `without_segmentation: zero`"
    ):
        left.source.load()
    _, zero = manifest(folder, text, without_segmentation="zero").cases()
    assert zero.label == 0
    assert not sitk.GetArrayFromImage(zero.source.load().masks["lesions"]).any()
    assert [met.kind for met in zero.anomalies] == ["scan without segmentation taken for zero"]


def test_empty_segments_are_no_calcium_and_are_counted(folder, phantom_scan, drawn):
    empty = {"LAD": drawn["LAD"] & False, "Thoracic aorta": drawn["Thoracic aorta"]}
    write_segmentation(folder / "drawn" / "p1.seg.nrrd", phantom_scan.image, empty)
    (case,) = manifest(folder).cases()
    assert case.label == 0
    assert [met.detail for met in case.source.load().anomalies if met.kind == "empty segment"] == ["LAD"]
    (case,) = manifest(folder, "case_id,image,cac_score\np1,scan.nii.gz,12\n").cases()
    assert case.label == 1
    assert "label and segmentation disagree" in {met.kind for met in case.anomalies}


def test_files_of_no_case_are_told_once_and_contradictions_refused(folder, phantom_scan, drawn):
    (folder / "drawn" / "p3.seg.nrrd").write_bytes((folder / "drawn" / "p1.seg.nrrd").read_bytes())
    (told,) = manifest(folder, segments={"LAD": "ignore"}).notices()
    assert told.endswith("drawn: 1 files belong to no case: p3.seg.nrrd")
    write_segmentation(folder / "drawn" / "p1.seg.nrrd", phantom_scan.image, {"odd": drawn["LAD"]})
    assert manifest(folder).notices() == [told], "a file of a case that is left out belongs to it"
    with pytest.raises(UserError, match=r"line 2: both mask_lesions and a segmentation say where calcium is"):
        manifest(folder, "case_id,image,mask_lesions\np1,scan.nii.gz,m.nii.gz\n").cases()
    with pytest.raises(
        UserError, match=r"nowhere: no such folder; give the one with the files <case id>\.seg\.nrrd"
    ):
        manifest(folder, "case_id,image\np1,scan.nii.gz\n", segmentations=folder / "nowhere").cases()
    with pytest.raises(UserError, match="nowhere: no such folder"):
        manifest(folder, segmentations=folder / "nowhere").notices()


def test_what_a_segmentation_holds_and_is_declared_to_be_is_in_the_digest_and_no_path(
    folder, phantom_scan, drawn
):
    digests = {manifest(folder).cases()[0].source.digest()}
    digests.add(manifest(folder, segments={"LAD": "LCx"}).cases()[0].source.digest())
    write_segmentation(folder / "drawn" / "p1.seg.nrrd", phantom_scan.image, {"LAD": drawn["LAD"]})
    digests.add(manifest(folder).cases()[0].source.digest())
    assert len(digests) == 3
    moved = manifest(folder).model_copy(update={"segmentations": Path("elsewhere")})
    assert moved.fingerprint() == manifest(folder).fingerprint()
    assert manifest(folder, segments={"LAD": "LCx"}).fingerprint() != moved.fingerprint()


@pytest.mark.parametrize("name", ["12A", "12"])
def test_coca_s_scans_may_be_segmented_too(tmp_path, phantom_scan, drawn, name):
    scans = tmp_path / "deidentified_nongated"
    scans.mkdir()
    declared = coca_nongated(scans, ("12A", 0, 31, 0, 0, 31))
    write_series(phantom_scan.image, scans / "12" / "12")
    write_segmentation(
        tmp_path / "drawn" / f"{name}.seg.nrrd", phantom_scan.image, drawn, layers={"Thoracic aorta": 1}
    )
    declared = CocaNongatedCohort(path=declared.path, segmentations=tmp_path / "drawn")
    (case,) = declared.cases()
    assert (case.label, case.cac_score) == (1, 31)
    assert sitk.GetArrayFromImage(case.source.load().masks["lesions"]).any()


def test_a_segmentation_takes_the_place_of_coca_s_polygons(tmp_path, phantom_scan, drawn):
    gated = tmp_path / "Gated_release_final"
    (gated / "calcium_xml").mkdir(parents=True)
    write_series(phantom_scan.image, gated / "patient" / "7" / "series")
    write_segmentation(tmp_path / "drawn" / "7.seg.nrrd", phantom_scan.image, {"LAD": drawn["LAD"]})
    (case,) = CocaGatedCohort(path=gated, segmentations=tmp_path / "drawn").cases()
    lesions = sitk.GetArrayFromImage(case.source.load().masks["lesions"])
    assert (lesions == 2 * drawn["LAD"]).all()
    assert case.label == int(drawn["LAD"].any())
