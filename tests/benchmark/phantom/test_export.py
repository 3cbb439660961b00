"""Phantoms as files: they read back equal, an interrupted run goes on, nothing half-written is left."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from benchmark.cohorts.manifest import ManifestCohort
from benchmark.cohorts.phantom import PhantomCohort
from benchmark.errors import UserError
from benchmark.phantom.export import write_cohort
from benchmark.phantom.gallery import write_gallery
from benchmark.phantom.qrm import QrmCohort
from benchmark.phantom.source import PhantomSource

SMALL = {"coverage_mm": 60.0, "pixel_mm": 1.171875}
COHORT = PhantomCohort(zero=2, nonzero=2, **SMALL)


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    return write_cohort(COHORT, tmp_path_factory.mktemp("phantoms"), jobs=1)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def assert_same_image(a: sitk.Image, b: sitk.Image) -> None:
    assert sitk.GetArrayFromImage(a).tobytes() == sitk.GetArrayFromImage(b).tobytes()
    assert a.GetPixelID() == b.GetPixelID()
    assert a.GetSpacing() == b.GetSpacing()
    assert a.GetOrigin() == b.GetOrigin()
    assert a.GetDirection() == b.GetDirection()


def test_the_manifest_cohort_reads_back_what_was_written(written):
    made, read = COHORT.cases(), ManifestCohort(path=written).cases()
    assert [case.case_id for case in read] == [case.case_id for case in made]
    for a, b in zip(made, read, strict=True):
        assert (a.label, a.cac_score, a.group, a.protocol) == (b.label, b.cac_score, b.group, b.protocol)
        from_memory, from_file = a.source.load(), b.source.load()
        assert_same_image(from_memory.image, from_file.image)
        assert from_memory.masks.keys() == from_file.masks.keys()
        for name, mask in from_memory.masks.items():
            assert np.array_equal(*(sitk.GetArrayFromImage(m) for m in (mask, from_file.masks[name])))
            assert mask.GetSpacing() == from_file.masks[name].GetSpacing()


def test_radiomics_of_a_written_case_are_those_of_the_case_itself(written):
    from feature_extractors.radiomics.extractor import RadiomicsExtractor

    extractor = RadiomicsExtractor(families=("shape", "firstorder"))
    made, read = COHORT.cases()[0].source.load(), ManifestCohort(path=written).cases()[0].source.load()
    first, second = (extractor.extract(scan.image, scan.masks["coronary"]) for scan in (made, read))
    assert first.equals(second)


def test_the_record_makes_the_case_again(written):
    for case in COHORT.cases():
        record = json.loads((written.parent / "cases" / case.case_id / "record.json").read_text())
        parts = {name: record[name] for name in ("patient", "disease", "acquisition")}
        again = PhantomSource.model_validate(parts)
        assert again == case.source
        assert record["digest"] == again.digest()
        assert record["truth"]["total"]["agatston"] == pytest.approx(case.cac_score, abs=1e-3)
        assert record["label"] == case.label


@pytest.mark.slow
def test_two_processes_write_the_same_bytes_as_one(written, tmp_path):
    again = write_cohort(COHORT, tmp_path / "two", jobs=2)
    assert files_of(again.parent) == files_of(written.parent)


def test_a_finished_case_is_kept_and_a_missing_one_is_made(written, tmp_path):
    manifest = write_cohort(COHORT, tmp_path, jobs=1)
    kept, lost = COHORT.cases()[0].case_id, COHORT.cases()[1].case_id
    image = tmp_path / "cases" / kept / "image.nii.gz"
    before = image.stat().st_mtime_ns
    (tmp_path / "cases" / lost / "record.json").unlink()
    manifest.unlink()
    told: list[tuple[int, int]] = []
    write_cohort(COHORT, tmp_path, jobs=1, progress=lambda done, total: told.append((done, total)))
    assert image.stat().st_mtime_ns == before
    assert files_of(tmp_path) == files_of(written.parent)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_case_made_from_other_parameters_is_made_anew(tmp_path):
    case_id = PhantomCohort(zero=1, nonzero=0, **SMALL).cases()[0].case_id
    image = tmp_path / "cases" / case_id / "image.nii.gz"
    write_cohort(PhantomCohort(zero=1, nonzero=0, **SMALL), tmp_path, jobs=1)
    before = image.read_bytes()
    write_cohort(PhantomCohort(zero=1, nonzero=0, noise_sd_hu=5, **SMALL), tmp_path, jobs=1)
    assert image.read_bytes() != before


def test_what_a_killed_run_left_behind_is_cleared_away(tmp_path):
    cohort = PhantomCohort(zero=1, nonzero=0, **SMALL)
    half = tmp_path / "cases" / f".{cohort.cases()[0].case_id}.partial"
    half.mkdir(parents=True)
    (half / "image.nii.gz").write_bytes(b"half of it")
    write_cohort(cohort, tmp_path, jobs=1)
    assert [folder.name for folder in (tmp_path / "cases").iterdir()] == [cohort.cases()[0].case_id]


def test_an_empty_cohort_gives_a_manifest_of_a_header(tmp_path):
    manifest = write_cohort(PhantomCohort(zero=0, nonzero=0), tmp_path, jobs=1)
    assert manifest.read_text().startswith("case_id,image,mask,")
    with pytest.raises(UserError, match="lists no case"):
        ManifestCohort(path=manifest).cases()


def test_a_folder_that_cannot_be_made_is_the_users_news(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"file/below: cannot be written .*; name a folder you may write to"):
        write_cohort(COHORT, tmp_path / "file" / "below", jobs=1)


def test_only_phantoms_can_be_written(written, tmp_path):
    with pytest.raises(UserError, match="is no phantom; write a cohort of phantoms"):
        write_cohort(ManifestCohort(path=written), tmp_path, jobs=1)


def test_the_qrm_insert_is_written_with_its_truth(tmp_path):
    manifest = write_cohort(QrmCohort(scans=2), tmp_path, jobs=1)
    cases = ManifestCohort(path=manifest).cases()
    assert [case.protocol for case in cases] == ["qrm", "qrm"]
    record = json.loads((tmp_path / "cases" / "qrm-001" / "record.json").read_text())
    assert record["z_offset_mm"] == -1.5
    assert sum(cylinder["mass_mg"] for cylinder in record["truth"]) == pytest.approx(168.2, abs=0.1)
    labels = sitk.GetArrayFromImage(cases[0].source.load().masks["vessels"])
    assert set(np.unique(labels)) == set(range(10))


@pytest.fixture(scope="module")
def gallery(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("pictures") / "new" / "gallery.png"
    write_gallery(file)
    return file


def test_the_gallery_is_a_picture_of_modest_size(gallery):
    assert gallery.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert 50_000 < gallery.stat().st_size < 700_000


@pytest.mark.slow
def test_the_gallery_shows_the_real_insert_where_it_is_at_hand(gallery, real_data, tmp_path):
    write_gallery(tmp_path / "with.png", real_data / "qrm_phantom" / "dicom")
    assert (tmp_path / "with.png").stat().st_size > gallery.stat().st_size + 10_000
