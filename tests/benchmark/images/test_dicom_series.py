"""DICOM as hospitals keep it: several series in a folder, localisers, scaled values, gaps, contrast, identity."""

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from benchmark.cohorts.manifest import ManifestCohort
from benchmark.errors import CaseError
from benchmark.images.dicom_selection import SeriesChoice, choose
from benchmark.images.dicom_series import describe_series, read_headers, read_series
from tests.benchmark.images.written_scans import write_series


@pytest.fixture
def ct():
    voxels = np.random.default_rng(0).integers(-1000, 1000, (6, 12, 16)).astype(np.int16)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((0.4, 0.5, 3.0))
    image.SetOrigin((-100.3, 20.7, 512.1))
    return image


@pytest.fixture
def several(ct, tmp_path):
    """A folder as a workstation exports it: localiser, thick and thin series, a reformation, a dose report."""
    folder = tmp_path / "export"
    write_series(
        ct[:, :, :1],
        folder,
        prefix="loc",
        uid="1.1",
        number=1,
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
        SeriesDescription="Topogram",
    )
    write_series(ct, folder, prefix="thick", uid="1.2", number=2)
    write_series(
        ct[:, :, :4],
        folder,
        prefix="thin",
        uid="1.3",
        number=3,
        SliceThickness=0.75,
        SeriesDescription="CTA 0.75 I26f",
    )
    write_series(
        ct[:, :, :5],
        folder,
        prefix="mpr",
        uid="1.4",
        number=4,
        ImageType=["DERIVED", "PRIMARY", "MPR"],
        SeriesDescription="cor",
    )
    write_series(
        ct[:, :, :1],
        folder,
        prefix="dose",
        uid="1.5",
        number=501,
        ImageType=["DERIVED", "SECONDARY", "OTHER"],
        SeriesDescription="Patient Protocol",
    )
    return folder


def same_voxels(image, expected):
    return (sitk.GetArrayFromImage(image) == sitk.GetArrayFromImage(expected)).all()


# Several series


@pytest.mark.parametrize(
    ("choice", "depth"),
    [({"description": "casc"}, 6), ({"thickness_mm": 0.75}, 4), ({"slices": 4}, 4), ({"slices": "most"}, 6)],
)
def test_one_of_several_series_is_chosen_by_description_thickness_or_count(several, ct, choice, depth):
    volume = read_series(several, SeriesChoice(**choice))
    assert volume.image.GetDepth() == depth
    assert same_voxels(volume.image, ct[:, :, :depth])


def test_localisers_and_derived_series_are_passed_over_with_a_note(several):
    met = read_series(several, SeriesChoice(slices="most")).anomalies
    assert [anomaly.kind for anomaly in met] == ["localiser skipped", "derived series skipped"]
    assert "2 localisers or secondary captures" in met[0].detail
    assert "a series of 5 images" in met[1].detail


@pytest.mark.parametrize("choice", [{}, {"description": "3.0 B35f no such"}, {"slices": 99}])
def test_without_a_choice_that_means_one_the_series_are_listed(several, choice):
    with pytest.raises(CaseError) as error:
        read_series(several, SeriesChoice(**choice))
    message = str(error.value)
    assert "a series of 6 images, 3 mm, 'CaScSeq B35f'; a series of 4 images, 0.75 mm" in message
    assert "choose by description, thickness or number of slices" in message
    assert "Topogram" not in message


def test_a_derived_series_alone_is_read_and_noted(ct, tmp_path):
    folder = write_series(ct, tmp_path / "mpr", ImageType=["DERIVED", "PRIMARY", "MPR"])
    volume = read_series(folder)
    assert same_voxels(volume.image, ct)
    assert [met.kind for met in volume.anomalies] == ["derived series read"]


def test_a_folder_of_localisers_alone_is_refused(ct, tmp_path):
    folder = write_series(ct, tmp_path / "topo", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    with pytest.raises(CaseError, match="all 6 images are localisers"):
        read_series(folder)


def test_another_modality_beside_a_ct_is_passed_over_with_a_note(ct, tmp_path):
    folder = write_series(ct, tmp_path / "petct", prefix="ct")
    write_series(ct, folder, prefix="pt", uid="9", number=9, Modality="PT")
    volume = read_series(folder)
    assert same_voxels(volume.image, ct)
    assert [met.kind for met in volume.anomalies] == ["other modality skipped"]


# Values and slices


@pytest.mark.parametrize(("slope", "intercept"), [(2, -1024), (0.5, -1000), (1, 0)])
def test_slope_and_intercept_make_hu(ct, tmp_path, slope, intercept):
    image = ct if intercept else ct + 1024
    even = sitk.Cast(sitk.Round(sitk.Cast(image, sitk.sitkFloat32) / 2) * 2, sitk.sitkInt16)
    even = sitk.Cast(sitk.Clamp(even, sitk.sitkInt16, intercept, 3000), sitk.sitkInt16)
    folder = write_series(even, tmp_path / "scaled", RescaleSlope=slope, RescaleIntercept=intercept)
    assert same_voxels(read_series(folder).image, even)


def test_every_slice_has_its_own_slope_and_intercept(ct, tmp_path):
    even = sitk.Cast(ct / 2, sitk.sitkInt16) * 2
    folder = write_series(even, tmp_path / "scaled")
    for number, file in enumerate(sorted(folder.iterdir())):
        header = pydicom.dcmread(file)
        if number % 2:
            stored = (header.pixel_array.astype(int) - 1024 + 1200) // 2
            header.RescaleSlope, header.RescaleIntercept = 2, -1200
            header.PixelData = stored.astype(np.uint16).tobytes()
            header.save_as(file)
    assert same_voxels(read_series(folder).image, even)


def test_a_duplicate_slice_is_refused_with_both_files(ct, tmp_path):
    folder = write_series(ct, tmp_path / "twice")
    (folder / "copy.dcm").write_bytes((folder / "IM-0003.dcm").read_bytes())
    with pytest.raises(CaseError, match="several slices lie at") as error:
        read_series(folder)
    assert "(file 3 of 7 by name and file 7 of 7 by name)" in str(error.value)


@pytest.mark.parametrize("lost", range(1, 5))
def test_a_gap_is_refused_with_its_place(ct, tmp_path, lost):
    folder = write_series(ct, tmp_path / "gap")
    for file in folder.iterdir():
        if pydicom.dcmread(file).InstanceNumber == 6 - lost:
            file.unlink()
    place = 512.1 + 3 * (lost - 1)
    with pytest.raises(CaseError, match=rf"6 mm after the one at {place:g} mm"):
        read_series(folder)


def test_a_tilt_that_the_header_states_of_straight_slices_is_noted(ct, tmp_path):
    volume = read_series(write_series(ct, tmp_path / "tilt", GantryDetectorTilt=12.5))
    assert [met.kind for met in volume.anomalies] == ["straightened gantry tilt"]
    assert "12.5°" in volume.anomalies[0].detail


@pytest.mark.parametrize("step", [0.625, 0.75, 1.25, 0.3])
def test_positions_rounded_to_a_tenth_of_a_millimetre_are_on_a_grid(tmp_path, step):
    voxels = np.random.default_rng(0).integers(-1000, 1000, (40, 12, 16)).astype(np.int16)
    image = sitk.GetImageFromArray(voxels)
    folder = write_series(image, tmp_path / "rounded")
    for file in folder.iterdir():
        header = pydicom.dcmread(file)
        z = image.GetDepth() - header.InstanceNumber
        header.ImagePositionPatient = [0, 0, f"{-100 + z * step + 1e-9:.1f}"]
        header.save_as(file)
    volume = read_series(folder)
    assert volume.image.GetSpacing()[2] == pytest.approx(step, rel=0.01)
    assert same_voxels(volume.image, image)
    lost = [file for file in folder.iterdir() if pydicom.dcmread(file).InstanceNumber == 20]
    lost[0].unlink()
    with pytest.raises(CaseError, match="missing or unevenly spaced"):
        read_series(folder)


def test_acquisitions_in_turn_are_refused_and_those_one_behind_the_other_are_not(ct, tmp_path):
    folder = write_series(ct, tmp_path / "series")
    for numbers, refused in (
        ((1, 1, 1, 2, 2, 2), False),
        ((1, 2, 3, 4, 5, 6), False),
        ((1, 2, 1, 2, 1, 2), True),
    ):
        for file in folder.iterdir():
            header = pydicom.dcmread(file)
            header.AcquisitionNumber = numbers[header.InstanceNumber - 1]
            header.save_as(file)
        if refused:
            with pytest.raises(CaseError, match=r"acquisitions alternate \(AcquisitionNumber"):
                read_series(folder)
        else:
            assert same_voxels(read_series(folder).image, ct)


def test_a_reformatted_volume_is_a_series_and_a_capture_of_one_image_is_not(ct, tmp_path):
    kind = ["DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"]
    assert same_voxels(read_series(write_series(ct, tmp_path / "mpr", ImageType=kind)).image, ct)
    with pytest.raises(CaseError, match="localisers or secondary captures"):
        read_series(write_series(ct[:, :, :1], tmp_path / "report", ImageType=kind))


def test_slices_of_another_sop_class_are_read_by_their_headers_and_noted(ct, tmp_path):
    folder = write_series(ct, tmp_path / "cr")
    for file in folder.iterdir():
        header = pydicom.dcmread(file)
        header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
        header.save_as(file)
    volume = read_series(folder)
    assert same_voxels(volume.image, ct)
    assert volume.image.GetSpacing() == pytest.approx(ct.GetSpacing())
    assert [met.kind for met in volume.anomalies] == ["unusual SOP class"]


def test_a_dicom_file_whose_header_cannot_be_read_is_refused_whatever_its_name(ct, tmp_path):
    folder = write_series(ct, tmp_path / "series")
    content = (folder / "IM-0001.dcm").read_bytes()
    (folder / "other name").write_bytes(content[:132] + b"\xff" * 400)
    with pytest.raises(CaseError, match="file 7 of 7 by name cannot be decoded"):
        read_series(folder)


def test_modified_hu_are_no_hu(ct, tmp_path):
    with pytest.raises(CaseError, match="are not in HU, as RescaleType says"):
        read_series(write_series(ct, tmp_path / "series", RescaleType="HU_MOD"))


@pytest.mark.parametrize(("stored", "high", "signed"), [(12, 11, 0), (12, 15, 0), (13, 12, 1), (16, 15, 1)])
def test_bits_beside_the_stored_ones_are_no_part_of_the_value(ct, tmp_path, stored, high, signed):
    folder = write_series(ct, tmp_path / "bits")
    for file in folder.iterdir():
        header = pydicom.dcmread(file)
        values = np.frombuffer(header.PixelData, "<u2").astype(np.int32) - (1024 if signed else 0)
        header.RescaleIntercept = 0 if signed else -1024
        shift, overlay = high + 1 - stored, (1 << 16) - (1 << (high + 1))
        words = ((values & ((1 << stored) - 1)) << shift) | overlay | ((1 << shift) - 1)
        header.PixelData = words.astype("<u2").tobytes()
        header.BitsStored, header.HighBit, header.PixelRepresentation = stored, high, signed
        header.save_as(file)
    assert same_voxels(read_series(folder).image, ct)


# Contrast, protocol, identity


@pytest.mark.parametrize(
    ("tags", "contrast"),
    [
        ({}, False),
        ({"ContrastBolusAgent": "Iomeron 350"}, True),
        ({"ContrastBolusAgent": ""}, None),
        ({"ContrastBolusAgent": "none"}, False),
    ],
)
def test_contrast_is_what_the_tag_says(ct, tmp_path, tags, contrast):
    assert describe_series(write_series(ct, tmp_path / "series", **tags)).contrast is contrast


def test_the_real_series_say_what_they_are(real_data):
    thorax = describe_series(real_data / "thorax_ct" / "example_ct_dicom")
    assert (thorax.contrast, thorax.thickness_mm, thorax.description) == (True, 3.0, "CT Body")
    qrm = describe_series(real_data / "qrm_phantom" / "dicom")
    assert (qrm.contrast, qrm.protocol, qrm.derived) == (False, "Calcium Score Volume", True)


def test_a_manifest_may_take_protocol_and_contrast_from_the_tags(ct, tmp_path):
    write_series(ct, tmp_path / "a", ContrastBolusAgent="Ultravist")
    (tmp_path / "m.csv").write_text(
        "case_id,image,label,contrast\nsaid,a,1,no\nunsaid,a,1,\nlost,nowhere,1,\n"
    )
    plain = ManifestCohort(path=tmp_path / "m.csv").cases()
    assert [(case.protocol, case.contrast) for case in plain] == [("", False), ("", None), ("", None)]
    tagged = ManifestCohort(path=tmp_path / "m.csv", read_tags=True).cases()
    assert [case.contrast for case in tagged] == [False, True, None]
    assert [case.protocol for case in tagged] == ["CaScoreSeq", "CaScoreSeq", ""]


def test_a_manifest_may_choose_among_several_series(several, ct, tmp_path):
    (tmp_path / "m.csv").write_text("case_id,image,label\na,export,1\n")
    (case,) = ManifestCohort(path=tmp_path / "m.csv", series={"thickness_mm": 0.75}).cases()
    scan = case.source.load()
    assert scan.image.GetDepth() == 4
    assert [met.kind for met in scan.anomalies] == ["localiser skipped", "derived series skipped"]
    (other,) = ManifestCohort(path=tmp_path / "m.csv", series={"slices": "most"}).cases()
    assert case.source.digest() != other.source.digest()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("CaScSeq  3.0  B35f", "CaScSeq B35f"),
        ("CHEST W/O, Dr. Zuweiser, Erika M, born 3.11.57", "CHEST"),
        ("Li Wu CT 19571103 PID83412", "CT"),
        ("Thorax_nativ*Ward7", "Thorax nativ"),
        ("ŽofieСердце CTСердце", ""),
    ],
)
def test_of_free_text_the_terms_of_acquisition_alone_are_written(ct, tmp_path, text, written):
    headers = read_headers(
        write_series(
            ct, tmp_path / "s", SpecificCharacterSet="ISO_IR 192", SeriesDescription=text, ProtocolName=text
        )
    )
    series = choose("x", headers)[0]
    assert series.description == series.protocol == written
    assert series.is_described_by(text[3:9].swapcase()), "it is chosen by all of it"
    assert str(series) == "a series of 6 images, 3 mm" + (f", {written!r}" if written else "")


@pytest.mark.parametrize(
    ("tags", "kernel", "maker"),
    [
        ({"ConvolutionKernel": ["I30f", "3"], "Manufacturer": "SIEMENS"}, "I30f\\3", "Siemens"),
        ({"ConvolutionKernel": "FC12", "Manufacturer": "TOSHIBA Ward 7"}, "FC12", "Toshiba"),
        ({"ConvolutionKernel": "STANDARD", "Manufacturer": "GE MEDICAL SYSTEMS"}, "STANDARD", "GE"),
        ({"ConvolutionKernel": "Wu57f", "Manufacturer": "Klinikum"}, "", ""),
        ({"ConvolutionKernel": ["B35f", "Erika"], "Manufacturer": ""}, "", ""),
    ],
)
def test_a_kernel_and_a_maker_are_written_if_they_are_known(ct, tmp_path, tags, kernel, maker):
    series = describe_series(write_series(ct, tmp_path / "s", **tags))
    assert (series.kernel, series.manufacturer) == (kernel, maker)


def test_a_value_that_cannot_be_read_is_as_good_as_absent_and_is_not_quoted(ct, tmp_path, caplog, recwarn):
    folder = write_series(ct, tmp_path / "s")
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes().replace(b"IS\x02\x002 ", b"IS\x02\x00Xu"))
    assert same_voxels(read_series(folder).image, ct)
    assert not caplog.text
    assert not list(recwarn)
