"""A folder of scans becomes a manifest and a study file that validates, and nothing that is there is touched."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import yaml
from typer.testing import CliRunner

from benchmark.cli import app
from benchmark.cohorts.discovery.start import start_study
from benchmark.cohorts.discovery.yaml_text import study_text
from benchmark.errors import UserError
from benchmark.study.reading import read_study
from tests.benchmark.images.written_scans import PATIENT, write_annotation, write_series


def write(file, seed=0, mask=False):
    file.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).normal(0, 100, (8, 12, 12)).astype(np.int16)
    image = sitk.GetImageFromArray((values > 0).astype(np.uint8) if mask else values)
    sitk.WriteImage(image, str(file))


LAYOUTS = {
    "a folder each": ("p{}/ct.nii.gz", "p{}/coronaries.nrrd"),
    "a folder for each kind": ("images/p{}.nii.gz", "masks/p{}.nii.gz"),
    "nnU-Net": ("imagesTr/p{}_0000.nii.gz", "labelsTr/p{}.nii.gz"),
    "side by side": ("p{}_image.mha", "p{}_seg.mha"),
    "deep": ("site 1/p{}/scan/volume.nrrd", "site 1/p{}/segmentation/mask.nrrd"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_scans_find_their_masks_and_the_study_validates(tmp_path, layout):
    image, mask = LAYOUTS[layout]
    for case in range(10):
        write(tmp_path / "data" / image.format(case), seed=case)
        write(tmp_path / "data" / mask.format(case), seed=case, mask=True)
    (tmp_path / "labels.csv").write_text(
        "case_id,label\n" + "".join(f"{name},{n % 2}\n" for n, name in enumerate(names_of(tmp_path)))
    )
    started = start_study(tmp_path / "data", tmp_path / "own", tmp_path / "labels.csv")
    assert (started.cases, started.unlabelled, list(started.notes)) == (10, 0, [])
    table = pd.read_csv(started.manifest, dtype=str)
    for row in table.to_dict("records"):
        case = row["case_id"].rpartition("p")[2][:1]
        assert (tmp_path / "own" / row["image"]).samefile(tmp_path / "data" / image.format(case))
        assert (tmp_path / "own" / row["mask"]).samefile(tmp_path / "data" / mask.format(case))
    done = CliRunner().invoke(app, ["validate", str(started.study), "--strict"], catch_exceptions=False)
    assert done.exit_code == 0, done.output


def names_of(tmp_path):
    started = start_study(tmp_path / "data", tmp_path / "look")
    return pd.read_csv(started.manifest, dtype=str)["case_id"]


def test_masks_of_lesions_and_of_the_heart_have_columns_of_their_own(tmp_path):
    for name in ("ct", "coronary_mask", "lesions", "heart_seg"):
        write(tmp_path / "d" / "7" / f"{name}.nii.gz", mask=name != "ct")
    started = start_study(tmp_path / "d", tmp_path)
    (row,) = pd.read_csv(started.manifest, dtype=str).to_dict("records")
    assert row["case_id"] == "7"
    for column, name in (("mask", "coronary_mask"), ("mask_lesions", "lesions"), ("mask_heart", "heart_seg")):
        assert row[column].endswith(f"{name}.nii.gz")
    assert "gives the label away" in started.study.read_text()
    assert read_study(started.study).segmenters.keys() == {"reference", "dense"}


def test_what_a_mask_belongs_to_is_not_guessed(tmp_path):
    write(tmp_path / "d" / "p1" / "ct.nii.gz")
    write(tmp_path / "d" / "p1" / "mask_a.nii.gz", mask=True)
    write(tmp_path / "d" / "p2" / "image.nii.gz")
    write(tmp_path / "d" / "p2" / "scan.nii.gz")
    write(tmp_path / "d" / "p2" / "mask.nii.gz", mask=True)
    started = start_study(tmp_path / "d", tmp_path)
    table = pd.read_csv(started.manifest, dtype=str)
    assert list(table["case_id"]) == ["p1", "image", "scan"]
    assert "mask" not in table
    assert [note.partition(":")[0].rpartition("/")[2] for note in started.notes] == [
        "mask_a.nii.gz",
        "mask.nii.gz",
    ]
    assert "heart_region: {}" in started.study.read_text()


def test_dicom_folders_are_scans_without_masks_and_named_after_no_patient(tmp_path, phantom_scan):
    write_series(phantom_scan.image, tmp_path / "d" / "Mustermann_Erika" / "s1", **PATIENT)
    write_series(phantom_scan.image, tmp_path / "d" / "Other" / "s1", uid="9.8.7")
    started = start_study(tmp_path / "d", tmp_path)
    table = pd.read_csv(started.manifest, dtype=str)
    assert list(table["case_id"]) == ["case-0001", "case-0002"]
    (tmp_path / "labels.csv").write_text("case_id,label\nOther_s1,1\n")
    named = start_study(tmp_path / "d", tmp_path / "named", tmp_path / "labels.csv")
    assert "Other_s1" in list(pd.read_csv(named.manifest, dtype=str)["case_id"]), "the labels call it so"
    assert "Mustermann" not in started.study.read_text()
    assert set(read_study(started.study).segmenters) == {"heart_region", "dense"}


def test_coca_and_orcascore_are_known_by_their_layout(tmp_path, phantom_scan):
    from openpyxl import Workbook

    from tests.benchmark.cohorts.test_orcascore import vessels
    from tests.benchmark.cohorts.test_orcascore import write as write_orcascore

    gated = tmp_path / "Gated_release_final"
    write_series(phantom_scan.image, gated / "patient" / "12" / "CaSc")
    write_annotation(phantom_scan.masks["lesions"], gated / "calcium_xml" / "12.xml")
    nongated = tmp_path / "deidentified_nongated"
    (nongated / "2" / "2").mkdir(parents=True)
    book = Workbook()
    for row in (("filename ", "LCA", "LAD", "LCX", "RCA", "total"), ("2A", 1, 0, 0, 0, 1)):
        book.active.append(row)
    book.save(nongated / "scores.xlsx")
    write_orcascore(tmp_path / "orca" / "Training_set", phantom_scan.image, "TRV1P1", vessels(phantom_scan))
    for folder, use, place in (
        (gated, "coca_gated", gated),
        (nongated, "coca_nongated", nongated),
        (tmp_path / "orca", "orcascore", tmp_path / "orca" / "Training_set"),
    ):
        out = tmp_path / "own" / use
        started = start_study(folder, out)
        cohort = read_study(started.study).cohort
        assert (cohort.path.resolve(), started.manifest, started.cases, started.unlabelled) == (
            place,
            None,
            1,
            0,
        )
        assert f"use: {use}" in started.study.read_text()


def test_several_scans_of_a_patient_keep_together(tmp_path):
    for case in range(12):
        write(tmp_path / "data" / f"p{case:02d}.nii.gz", seed=case)
    lines = [f"p{case:02d},{case // 2 % 2},patient {case // 2}" for case in range(12)]
    (tmp_path / "labels.csv").write_text("\n".join(["case_id,label,patient", *lines, ""]))
    started = start_study(tmp_path / "data", tmp_path, tmp_path / "labels.csv")
    cohort = read_study(started.study).cohort
    assert [case.patient for case in cohort.cases()] == [f"patient {case // 2}" for case in range(12)]


def test_an_editor_finds_the_schema_beside_the_study(tmp_path):
    write(tmp_path / "data" / "p1.nii.gz")
    arguments = ["init", str(tmp_path / "data"), "--out", str(tmp_path / "own")]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    study = tmp_path / "own" / "data.yaml"
    first, *_ = study.read_text().splitlines()
    schema = study.parent / first.removeprefix("# yaml-language-server: $schema=")
    declared = yaml.safe_load(study.read_text())
    jsonschema.validate(declared, json.loads(schema.read_text()))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**declared, "protocoll": {}}, json.loads(schema.read_text()))


def test_the_study_is_named_after_the_folder_as_it_was_given(tmp_path, monkeypatch):
    write(tmp_path / "disk" / "p1" / "ct.nii.gz")
    (tmp_path / "ours").symlink_to(tmp_path / "disk")
    assert start_study(tmp_path / "ours", tmp_path / "a").study.name == "ours.yaml"
    monkeypatch.chdir(tmp_path / "disk" / "p1")
    assert start_study(Path(".."), tmp_path / "b").study.name == "disk.yaml"


def test_nothing_is_overwritten(tmp_path):
    write(tmp_path / "d" / "p1.nii.gz")
    started = start_study(tmp_path / "d", tmp_path)
    before = {file: file.read_bytes() for file in (started.study, started.manifest)}
    with pytest.raises(UserError, match=r"d\.yaml: exists already and is not overwritten"):
        start_study(tmp_path / "d", tmp_path)
    started.study.unlink()
    with pytest.raises(UserError, match=r"scans\.csv: exists already and is not overwritten"):
        start_study(tmp_path / "d", tmp_path)
    assert not started.study.exists()
    assert started.manifest.read_bytes() == before[started.manifest]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("case_id,score\np1,3\n", "has neither a column `label` .* nor `cac_score`"),
        ("case_id,label\nP-1,1\n", "none of its case_ids is that of a scan; the scans are called p1"),
        ("id,label\np1,1\n", "case_id"),
    ],
)
def test_labels_of_no_use_are_refused_before_anything_is_written(tmp_path, table, said):
    write(tmp_path / "d" / "p1.nii.gz")
    (tmp_path / "labels.csv").write_text(table)
    with pytest.raises(UserError, match=said):
        start_study(tmp_path / "d", tmp_path / "own", tmp_path / "labels.csv")
    assert not (tmp_path / "own").exists()


def test_a_folder_without_scans_is_refused(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "note.txt").write_text("no scan")
    with pytest.raises(UserError, match="no DICOM series and no NIfTI"):
        start_study(tmp_path / "d", tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        start_study(tmp_path / "e", tmp_path)


@pytest.mark.parametrize("name", ["2024", "no", "a.b", "x-1"])
def test_a_folder_of_any_name_gives_a_study_that_is_read(tmp_path, name):
    write(tmp_path / name / "p1.nii.gz")
    assert read_study(start_study(tmp_path / name, tmp_path).study).name == name


@pytest.mark.parametrize(
    ("labels", "protocol"),
    [
        ({}, "{folds: 3, inner_folds: 2}"),
        ({"0": 5, "1": 5}, "{folds: 3, inner_folds: 2}"),
        ({"0": 40, "1": 12}, "{folds: 5, inner_folds: 3}"),
        ({"0": 94, "1": 88}, "{folds: 5, inner_folds: 5}"),
    ],
)
def test_few_cases_have_few_folds(tmp_path, labels, protocol):
    manifest = {"use": "manifest", "path": "s.csv"}
    assert f"protocol: {protocol}" in study_text(tmp_path / "s.yaml", manifest, labels, True, False)


@pytest.mark.slow
def test_a_stranger_comes_from_real_scans_to_a_report(tmp_path, real_data):
    def cacbench(*arguments):
        command = [sys.executable, "-c", "from benchmark.cli import main; main()", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    begun = cacbench("init", real_data / "sts_ct")
    assert begun.returncode == 0, begun.stderr
    assert "10 cases, 10 without a label" in begun.stdout
    refused = cacbench("validate", "sts_ct.yaml")
    assert refused.returncode == 2
    assert "10 of 10 cases have neither `label` nor `cac_score`" in refused.stderr
    table = pd.read_csv(tmp_path / "scans.csv", dtype=str)
    table.assign(label=[str(n % 2) for n in range(10)]).to_csv(tmp_path / "scans.csv", index=False)
    assert cacbench("validate", "sts_ct.yaml", "--strict").returncode == 0
    done = cacbench("run", "sts_ct.yaml", "--jobs", 1)
    assert done.returncode == 0, done.stderr
    assert "Methods: 10 cases, nested stratified 3-fold cross-validation" in done.stdout
    assert (tmp_path / "results" / "sts_ct" / "report.html").is_file()
    assert "40 feature vectors extracted" in done.stdout
