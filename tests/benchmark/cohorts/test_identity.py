"""No patient's identity in any byte that commands write: thirty identifiers planted where hospitals have them.

They stand in headers, private elements, names of folders and files, in free text beside terms of acquisition, in two
letters, other scripts, encodings, spellings and formats of dates.
"""

import gzip
import logging
import os
import re
import sqlite3
import subprocess
import sys
import unicodedata
import zipfile

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import yaml

from tests.benchmark.images.written_scans import write_series

SECRETS = (
    "Mustermann", "Erika", "Käthe", "Kaethe", "Kathe", "Grünwäldchen", "Gruenwaeldchen", "Zuweiser", "Ottokar",
    "Musterstadt", "Klinikumallee", "PID83412", "83412", "ACC55120", "STUDYX77", "19571103", "1957-11-03", "03.11.1957",
    "3.11.57", "11/03/1957", "Мустерман", "患者太郎", "ヤマダ", "김희중", "Παπαδόπουλος", "Ward7b", "Schwesterhilde",
    "InsuranceQ9", "Geburtsname", "ErikaM", "2.25.8341219571103", "Dr_Zuweiser",
)  # fmt: skip
SHORT = ("Xu", "Qy")
"""Names of two letters, looked for as words in what is text."""
CHARSETS = ("utf-8", "latin-1", "utf-16-le", "shift_jis", "euc_kr", "cp1251", "iso8859_7")
PERSON = {
    "PatientName": "Mustermann^Erika=患者太郎",
    "OtherPatientNames": ["Geburtsname^Käthe", "Xu^Qy"],
    "PatientID": "PID83412",
    "PatientBirthDate": "19571103",
    "PatientAddress": "Klinikumallee 1, Musterstadt",
    "ReferringPhysicianName": "Zuweiser^Ottokar",
    "PerformingPhysicianName": "김희중",
    "OperatorsName": "Schwesterhilde",
    "InstitutionName": "Klinikum Musterstadt",
    "AccessionNumber": "ACC55120",
    "StudyID": "STUDYX77",
    "StudyDescription": "Erika 3.11.57",
    "PatientComments": "InsuranceQ9 Мустерман",
    "StudyInstanceUID": "2.25.8341219571103",
    "FrameOfReferenceUID": "2.25.8341219571103",
    "SpecificCharacterSet": "ISO_IR 192",
}
TEXTS = (
    "CaSc Xu Qy 3.0 B35f", "Chest 1957-11-03 Ward7b", "Thorax 03.11.1957 Kaethe", "CT 11/03/1957 ErikaM",
    "CaScore 3.11.57 Gruenwaeldchen", "Grünwäldchen Coronary", "Мустерман CT", "患者太郎 Thorax", "ヤマダ CaSc",
    "Παπαδόπουλος Cardiac", "김희중", "Dr_Zuweiser CaScSeq", "STUDYX77 Kathe", "83412", "Musterstadt Chest PID83412",
)  # fmt: skip


def scan(seed, depth=6):
    voxels = np.random.default_rng(seed).integers(-1000, 1000, (depth, 14, 16)).astype(np.int16)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((0.5, 0.5, 3.0))
    return image


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    """A folder for each free text, called after the patient in a spelling each, some of the scans at fault."""
    root = tmp_path_factory.mktemp("hospital") / "in"
    for number, text in enumerate(TEXTS):
        name = SECRETS[number].replace("/", "_")
        tags = {
            "SeriesDescription": text,
            "ProtocolName": text,
            "ConvolutionKernel": "Xu57f" if number % 2 else "B35f",
            "Manufacturer": "Klinikum Musterstadt",
            "ImageComments": text,
            "AcquisitionNumber": number,
        }
        folder = write_series(scan(number), root / f"{number:02d} {name}", prefix=name, **PERSON | tags)
        damage(number, sorted(folder.iterdir()))
    volume = sitk.Cast(scan(99), sitk.sitkInt16)
    volume.SetMetaData("descrip", "Mustermann")
    sitk.WriteImage(volume, str(root / "Geburtsname.nii.gz"))
    (root / "Gruenwaeldchen.nrrd").write_bytes(
        b"NRRD0004\ntype: Xu\ndimension: 3\nsizes: Mustermann 2 3\nspacings: 1 1 Erika\nencoding: raw\n\n"
    )
    (root / "Ward7b.mha").write_bytes(
        b"NDims = Erika\nElementSpacing = Mustermann 1 1\nElementDataFile = Ottokar\n"
    )
    (root / "Letters for Mustermann").mkdir()
    (root / "Letters for Mustermann" / "Zuweiser.pdf").write_bytes(b"pdf")
    return root


def damage(number, files):
    """Every third scan is at fault in a way of its own, with the patient's name where the fault is."""

    def changed(file, **tags):
        header = pydicom.dcmread(file)
        for tag, value in tags.items():
            setattr(header, tag, value)
        header.private_block(0x0009, "Musterstadt", create=True).add_new(1, "LO", "Erika")
        header.save_as(file)

    pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE
    faults = (
        lambda: files[2].unlink(),
        lambda: changed(files[0], RescaleType="Erika"),
        lambda: [changed(file, Modality="MUSTERMANN") for file in files],
        lambda: files[3].write_bytes(files[3].read_bytes()[:900]),
        lambda: files[1].write_bytes(re.sub(rb"0\.5\\0\.5", rb"Er\\Erik", files[1].read_bytes())),
    )
    try:
        if number % 3 == 0:
            faults[number // 3]()
        else:
            for file in files:
                changed(file)
    finally:
        pydicom.config.settings.writing_validation_mode = None


def cacbench(*arguments, cwd, umask=0o022):
    done = subprocess.run(
        [sys.executable, "-c", "import cacbench; cacbench.main()", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        umask=umask,
        timeout=900,
        env={**os.environ, "PYTHONWARNINGS": "always"},
    )
    return done.returncode, done.stdout + done.stderr


def contents(folder):
    """All that was written below a folder, unpacked where it is packed, and every name."""
    for file in sorted(folder.rglob("*")):
        yield file, str(file.relative_to(folder)).encode()
        if not file.is_file():
            continue
        content = file.read_bytes()
        yield file, content
        if file.suffix == ".gz":
            yield file, gzip.decompress(content)
        if file.suffix == ".db":  # as text, in which names of two letters are looked for, too
            yield file, "\n".join(cells(file)).encode()
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as packed:
                yield from ((file, packed.read(name)) for name in packed.namelist())


def cells(database):
    """Every text in every table of a database."""
    with sqlite3.connect(database) as connection:
        tables = [
            name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")
        ]
        for name in tables:
            for row in connection.execute(f'select * from "{name}"'):
                yield from (cell for cell in row if isinstance(cell, str))


def betrayed(content):
    """The identifiers found in some bytes."""
    folded = content.lower()
    spelt = {
        secret: {
            form.encode(charset, "ignore").lower()
            for form in (secret, secret.lower(), secret.upper(), unicodedata.normalize("NFD", secret))
            for charset in CHARSETS
        }
        for secret in SECRETS
    }
    found = [
        secret for secret, forms in spelt.items() if any(len(form) > 3 and form in folded for form in forms)
    ]
    escaped = [
        secret for secret in SECRETS if not secret.isascii() and ascii(secret)[1:-1].encode() in folded
    ]
    if b"\0" in content or b"plotly" in folded:
        return found + escaped
    text = content.decode("utf-8", "replace")
    return found + escaped + [name for name in SHORT if re.search(rf"\b{name}\b", text)]


def test_the_search_finds_what_it_looks_for():
    for secret in SECRETS:
        assert betrayed(f"x{secret}x".encode())
        assert betrayed(secret.upper().encode("utf-16-le"))
    assert betrayed("患者太郎".encode("shift_jis"))
    assert betrayed(b'"\\u60a3\\u8005\\u592a\\u90ce"')
    assert betrayed(b"CaSc Xu")
    assert not betrayed(b"nothing Xul")


@pytest.fixture(scope="module")
def converted(hospital, tmp_path_factory):
    out = tmp_path_factory.mktemp("converted")
    status, said = cacbench("convert", hospital, out / "out", "--jobs", "1", cwd=out)
    assert status == 0, said
    return out / "out", said


def test_conversion_writes_and_prints_nothing_of_a_patients_identity(hospital, converted):
    out, said = converted
    found = list(contents(out))
    assert sum(file.suffix == ".gz" for file, _ in found) >= 20
    assert b"excluded case-0001" in said
    for file, content in [*found, ("output", said.replace(bytes(hospital), b""))]:
        assert not betrayed(content), (file, betrayed(content))
    report = (out / "conversion.csv").read_text()
    assert "Thorax" in report
    assert "CaSc B35f" not in report
    assert report.count("excluded") == 7, report


@pytest.mark.slow
def test_a_study_of_the_hospitals_own_folders_writes_nothing_of_it_either(hospital, tmp_path):
    scans = sorted(path for path in hospital.iterdir() if "Letters" not in path.name)
    lines = ["case_id,image,label", *(f"c{n},{scan},{n % 2}" for n, scan in enumerate(scans))]
    (tmp_path / "m.csv").write_text("\n".join(lines) + "\n")
    study = {
        "name": "dicom",
        "cohort": {"use": "manifest", "path": "m.csv", "read_tags": True},
        "segmenters": {"whole_image": {}},
        "extractors": {"volume": {"use": "image_diagnostics", "segmenter": "whole_image"}},
        "classifiers": {"logistic_regression": {"grid": {"C": [1.0]}}},
        "protocol": {"folds": 2, "inner_folds": 2},
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    status, said = cacbench("run", "study.yaml", "--results", "results", "--jobs", "2", cwd=tmp_path)
    assert status == 0, said.decode()
    results = tmp_path / "results"
    exclusions = (results / "dicom" / "tables" / "exclusions.csv").read_text()
    assert exclusions.count("the image: ") == 7, exclusions
    assert sqlite3.connect(results / "mlflow.db").execute("select count(*) from params").fetchone()[0] > 0
    for file, content in [*contents(results), ("output", said)]:
        assert not betrayed(content), (file, betrayed(content))
    logged = [content for file, content in contents(results) if file.name == "mlflow.db"][-1]
    assert b"FINISHED" in logged
    assert b"\0" not in logged
    status, said = cacbench("quality", "study.yaml", "--results", "results", "--jobs", "1", cwd=tmp_path)
    assert status == 0, said.decode()
    for file, content in [*contents(results), ("output", said)]:
        assert not betrayed(content), (file, betrayed(content))


def test_the_score_of_a_scan_does_not_say_whose_it_is(hospital, tmp_path):
    scan = next(path for path in hospital.iterdir() if path.name.startswith("01"))
    finder = "{threshold: {within: whole_image}}"
    status, said = cacbench("score", scan, "--segmenter", finder, "--out", "out", "--force", cwd=tmp_path)
    assert status == 0, said.decode()
    found = list(contents(tmp_path / "out"))
    assert found
    for file, content in [*found, ("output", said)]:
        assert not betrayed(content), (file, betrayed(content))


def test_what_an_unforeseen_error_quotes_is_not_written(tmp_path, monkeypatch):
    from benchmark.cohorts.scan_files import FileScan
    from benchmark.errors import CaseError

    def fails(*_):
        raise LookupError("no such patient: Mustermann")

    monkeypatch.setattr("benchmark.images.reading.read_image_noting", fails)
    with pytest.raises(CaseError) as error:
        FileScan(tmp_path / "Erika.nii").load()
    assert str(error.value) == "the image: cannot be read (unexpected LookupError); look at it"


def test_logs_of_the_libraries_quote_no_header(hospital, caplog, recwarn):
    from benchmark.errors import CaseError
    from benchmark.images.reading import read_image

    caplog.set_level(logging.DEBUG)
    for path in sorted(hospital.iterdir()):
        try:
            read_image(path)
        except CaseError:
            continue
    said = caplog.text + "".join(str(warning.message) for warning in recwarn)
    assert not betrayed(said.encode())


@pytest.mark.parametrize(
    ("umask", "folder", "file"),
    [(0o022, 0o700, 0o600), (0o000, 0o700, 0o600), (0o002, 0o770, 0o660), (0o027, 0o750, 0o640)],
)
def test_results_are_their_owners_alone_unless_the_umask_lets_a_group_have_them(
    tmp_path, umask, folder, file
):
    sitk.WriteImage(scan(0), str(tmp_path / "scan.nii.gz"))
    (tmp_path / "in").mkdir()
    (tmp_path / "scan.nii.gz").rename(tmp_path / "in" / "scan.nii.gz")
    status, said = cacbench(
        "convert", "in", "out", "--key", "key.csv", "--jobs", "1", cwd=tmp_path, umask=umask
    )
    assert status == 0, said
    written = [tmp_path / "key.csv", tmp_path / "out", *(tmp_path / "out").rglob("*")]
    assert len(written) > 4
    for path in written:
        assert path.stat().st_mode & 0o777 == (folder if path.is_dir() else file), path
