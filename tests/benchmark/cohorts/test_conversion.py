"""`cacbench convert`: what is written, what is refused, and that no patient's identity reaches any byte of it."""

import csv
import gzip
import logging
import sqlite3

import numpy as np
import pytest
import SimpleITK as sitk
import yaml
from typer.testing import CliRunner

from benchmark.cli import app
from benchmark.cohorts.conversion import convert, find_sources
from benchmark.cohorts.manifest import ManifestCohort
from benchmark.errors import UserError
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from tests.benchmark.images.written_scans import PATIENT, write_series

SECRETS = [b"mustermann", b"erika", b"83412", b"19571103", b"zuweiser", b"ottokar", b"musterstadt", b"55120"]


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


def run(root, out, **options):
    with workers(1) as pool:
        return convert(root, out, Execution(Store(out), pool), **options)


def rows(file):
    with file.open(newline="") as stream:
        return {row["case_id"]: row for row in csv.DictReader(stream)}


def every_byte(folder):
    """All that was written below a folder, unpacked where it is packed, in lower case."""
    for file in folder.rglob("*"):
        yield file, str(file.relative_to(folder)).encode().lower()
        if file.is_file():
            content = file.read_bytes()
            yield file, content.lower()
            if file.suffix == ".gz":
                yield file, gzip.decompress(content).lower()


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
    assert number["case_a_CaSc"] == number["case-0001"] == "p0001", "the same in their headers"
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
    assert report["notes"]["state"] == "passed over"
    assert report["notes"]["reason"] == "none of its 1 files is a DICOM image or a volume"


def test_a_series_without_preamble_is_converted_like_another(tmp_path):
    folder = write_series(scan(0), tmp_path / "in" / "bare")
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes()[132:])
    run(tmp_path / "in", tmp_path / "out")
    image = sitk.ReadImage(str(tmp_path / "out" / "images" / "bare.nii.gz"))
    assert (sitk.GetArrayFromImage(image) == sitk.GetArrayFromImage(scan(0))).all()


def test_a_folder_without_a_scan_is_listed_but_not_by_its_patients_name(hospital, tmp_path):
    (hospital / "letters for Mustermann").mkdir()
    (hospital / "letters for Mustermann" / "letter.pdf").write_bytes(b"pdf")
    run(hospital, tmp_path / "out")
    assert rows(tmp_path / "out" / "conversion.csv")["withheld"]["state"] == "passed over"


def test_a_folder_named_after_its_patient_gets_a_number_instead(hospital):
    names = [source.case_id for source in find_sources(hospital)]
    assert "case_a_CaSc" in names
    assert [name for name in names if name.startswith("case-0")] == ["case-0001"]
    numbered = [source.case_id for source in find_sources(hospital, numbered=True)]
    assert numbered == ["case-0001", "case-0002", "case-0003", "case-0004"]


def test_the_same_folder_gives_the_same_bytes_whatever_the_number_of_processes(hospital, tmp_path):
    run(hospital, tmp_path / "one")
    with workers(2) as pool:
        convert(hospital, tmp_path / "two", Execution(Store(tmp_path), pool))
    for name in ("manifest.csv", "conversion.csv", "images/case_a_CaSc.nii.gz"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_command_says_what_it_did_and_refuses_what_is_no_folder(hospital, tmp_path):
    result = CliRunner().invoke(app, ["convert", str(hospital), str(tmp_path / "out"), "--jobs", "1"])
    assert result.exit_code == 0
    assert "3 of 4 scans" in result.output
    assert "excluded gap_1" in result.output
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no DICOM file"):
        run(tmp_path / "empty", tmp_path / "out")
    with pytest.raises(UserError, match="no such folder"):
        run(tmp_path / "nowhere", tmp_path / "out")


# Identity


def test_no_byte_that_conversion_writes_or_prints_identifies_the_patient(hospital, tmp_path, caplog):
    broken = hospital / "case_b"
    write_series(scan(4), broken, prefix="Mustermann", **PATIENT)
    sorted(broken.iterdir())[2].unlink()
    sorted(broken.iterdir())[0].write_bytes(sorted(broken.iterdir())[0].read_bytes()[:900])
    caplog.set_level(logging.DEBUG)
    result = CliRunner().invoke(app, ["convert", str(hospital), str(tmp_path / "out"), "--jobs", "1"])
    assert "excluded case_b" in result.output
    found = list(every_byte(tmp_path / "out"))
    assert len(found) > 8
    printed = result.output.replace(str(hospital), "").encode().lower()
    for file, content in [*found, ("output", printed), ("log", caplog.text.encode().lower())]:
        assert not [secret for secret in SECRETS if secret in content], file


def test_no_byte_that_a_study_on_dicom_files_writes_identifies_the_patient(tmp_path, caplog):
    cohort = tmp_path / "cohort"
    lines = ["case_id,image,label"]
    for number in range(12):
        image = scan(number) if number % 2 else scan(number) // 2
        write_series(image, cohort / f"s{number}", **PATIENT, SeriesDescription="Erika 3.0")
        lines.append(f"p{number},s{number},{number % 2}")
    write_series(scan(0), cohort / "s0", prefix="b", uid="7", number=7, **PATIENT)
    (cohort / "m.csv").write_text("\n".join(lines) + "\n")
    study = {
        "name": "dicom",
        "cohort": {"use": "manifest", "path": str(cohort / "m.csv"), "read_tags": True},
        "segmenters": {"whole_image": {}},
        "extractors": {"moments": {"use": "toy_moments", "segmenter": "whole_image"}},
        "classifiers": {"logistic_regression": {"grid": {"C": [1.0]}}},
        "protocol": {"folds": 2, "inner_folds": 2},
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    caplog.set_level(logging.DEBUG)
    results = tmp_path / "results"
    arguments = ["run", str(tmp_path / "study.yaml"), "--results", str(results), "--jobs", "1"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    exclusions = (results / "dicom" / "tables" / "exclusions.csv").read_text()
    assert "holds 2 DICOM series" in exclusions
    assert "withheld" in exclusions
    assert sqlite3.connect(results / "mlflow.db").execute("select count(*) from params").fetchone()[0] > 0
    for file, content in [*every_byte(results), ("output", (result.output + caplog.text).encode().lower())]:
        assert not [secret for secret in SECRETS if secret in content], file
