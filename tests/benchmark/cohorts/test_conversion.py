"""`cacbench convert`: what is written, what is refused, and that no patient's identity reaches any byte of it."""

import csv

import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from benchmark.cli import app
from benchmark.cohorts.conversion import convert, find_sources
from benchmark.cohorts.manifest import ManifestCohort
from benchmark.errors import UserError
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from tests.benchmark.images.written_scans import PATIENT, write_series


def scan(seed, depth=6):
    voxels = np.random.default_rng(seed).integers(-1000, 1000, (depth, 14, 16)).astype(np.int16)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((0.5, 0.5, 3.0))
    image.SetOrigin((-10, 20, 300))
    return image


@pytest.fixture
def hospital(tmp_path):
    """Two patients' folders, a broken one, and a volume that is no DICOM."""
    root = tmp_path / "in"
    write_series(scan(0), root / "case_a" / "CaSc", **PATIENT)
    write_series(scan(1), root / "Mustermann_Erika" / "series 2", **PATIENT, ContrastBolusAgent="Ultravist")
    write_series(scan(2), root / "gap" / "1", **PATIENT)
    sorted((root / "gap" / "1").iterdir())[2].unlink()
    (root / "gap" / "1" / ".DS_Store").write_bytes(b"x")
    (root / "notes").mkdir()
    (root / "notes" / "readme.txt").write_text("not a scan")
    sitk.WriteImage(scan(3), str(root / "volume.nii.gz"))
    return root


def run(root, out, named=True, **options):
    with workers(1) as pool:
        return convert(root, out, Execution(Store(out), pool), named=named, **options)


def rows(file):
    with file.open(newline="") as stream:
        return {row["case_id"]: row for row in csv.DictReader(stream)}


def test_every_scan_becomes_a_nifti_with_its_voxels_and_grid(hospital, tmp_path):
    run(hospital, tmp_path / "out")
    manifest = rows(tmp_path / "out" / "manifest.csv")
    assert len(manifest) == 3
    image = sitk.ReadImage(str(tmp_path / "out" / manifest["case_a_CaSc"]["image"]))
    assert (sitk.GetArrayFromImage(image) == sitk.GetArrayFromImage(scan(0))).all()
    assert image.GetSpacing() == pytest.approx((0.5, 0.5, 3.0))
    assert image.GetOrigin() == pytest.approx((-10, 20, 300))
    assert manifest["case_a_CaSc"]["protocol"] == "CaScoreSeq"
    assert manifest["case_a_CaSc"]["contrast"] == "no"


def test_scans_of_one_patient_have_one_number_and_what_says_so_is_not_written(hospital, tmp_path):
    write_series(scan(4), hospital / "other", PatientID="99", PatientName="Doe")
    write_series(scan(5), hospital / "nameless")
    run(hospital, tmp_path / "out")
    manifest = rows(tmp_path / "out" / "manifest.csv")
    number = {name: row["patient"] for name, row in manifest.items()}
    assert number["case_a_CaSc"] == number["Mustermann_Erika_series-2"] == "p0001", (
        "the same in their headers"
    )
    assert len(set(number.values())) == 4
    assert {case.patient for case in ManifestCohort(path=tmp_path / "out" / "manifest.csv").cases()} == set(
        number.values()
    )


def test_the_manifest_is_one_also_before_labels_are_filled_in(hospital, tmp_path):
    run(hospital, tmp_path / "out")
    file = tmp_path / "out" / "manifest.csv"
    assert {(case.label, case.cac_score) for case in ManifestCohort(path=file).cases()} == {(None, None)}
    lines = list(rows(file).values())
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, lines[0])
        writer.writeheader()
        writer.writerows({**line, "label": 1} for line in lines)
    cases = ManifestCohort(path=file).cases()
    assert [case.source.load().image.GetDepth() for case in cases] == [6, 6, 6]
    assert {case.contrast for case in cases} == {True, False, None}


def test_a_scan_that_is_refused_is_reported_with_its_reason_and_the_others_go_on(hospital, tmp_path):
    run(hospital, tmp_path / "out")
    report = rows(tmp_path / "out" / "conversion.csv")
    assert report["gap_1"]["state"] == "excluded"
    assert "missing or unevenly spaced" in report["gap_1"]["reason"]
    assert [row["state"] for row in report.values()].count("converted") == 3
    assert report["case_a_CaSc"]["kvp"] == "120"
    assert report["folder-0008"]["state"] == "passed over"
    assert report["folder-0008"]["reason"] == "none of its 1 files is a DICOM image or a volume"


def test_a_series_without_preamble_is_converted_like_another(tmp_path):
    folder = write_series(scan(0), tmp_path / "in" / "bare")
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes()[132:])
    run(tmp_path / "in", tmp_path / "out")
    image = sitk.ReadImage(str(tmp_path / "out" / "images" / "bare.nii.gz"))
    assert (sitk.GetArrayFromImage(image) == sitk.GetArrayFromImage(scan(0))).all()


def test_cases_are_numbered_and_a_key_outside_says_which_is_which(hospital, tmp_path):
    (hospital / "letters").mkdir()
    (hospital / "letters" / "letter.pdf").write_bytes(b"pdf")
    run(hospital, tmp_path / "out", named=False, key=tmp_path / "key.csv")
    key = {
        name: row["source"].removeprefix(f"{hospital}/") for name, row in rows(tmp_path / "key.csv").items()
    }
    assert key == {
        "case-0001": "Mustermann_Erika/series 2",
        "case-0002": "case_a/CaSc",
        "case-0003": "gap/1",
        "case-0004": "volume.nii.gz",
        "folder-0008": "letters",
        "folder-0009": "notes",
    }
    report = rows(tmp_path / "out" / "conversion.csv")
    assert list(report) == list(key)
    assert report["folder-0008"]["state"] == "passed over"
    with pytest.raises(UserError, match="write it elsewhere"):
        run(hospital, tmp_path / "out", key=tmp_path / "out" / "images" / "key.csv")


def test_folders_that_would_be_called_alike_are_refused_by_name_only(tmp_path):
    for name in ("a b", "a-b"):
        sitk_file = tmp_path / "in" / name / "x.nii"
        sitk_file.parent.mkdir(parents=True)
        sitk.WriteImage(scan(0), str(sitk_file))
    assert [one.case_id for one in find_sources(tmp_path / "in")] == ["case-0001", "case-0002"]
    with pytest.raises(UserError, match="without --folder-names"):
        find_sources(tmp_path / "in", named=True)


def test_the_same_folder_gives_the_same_bytes_whatever_the_number_of_processes(hospital, tmp_path):
    run(hospital, tmp_path / "one")
    with workers(2) as pool:
        convert(hospital, tmp_path / "two", Execution(Store(tmp_path), pool), named=True)
    for name in ("manifest.csv", "conversion.csv", "images/case_a_CaSc.nii.gz"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_command_says_what_it_did_and_refuses_what_is_no_folder(hospital, tmp_path):
    result = CliRunner().invoke(app, ["convert", str(hospital), str(tmp_path / "out"), "--jobs", "1"])
    assert result.exit_code == 0
    assert "3 of 4 scans" in result.output
    assert "excluded case-0003" in result.output
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no DICOM file"):
        run(tmp_path / "empty", tmp_path / "out")
    with pytest.raises(UserError, match="no such folder"):
        run(tmp_path / "nowhere", tmp_path / "out")
