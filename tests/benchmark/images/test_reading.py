"""Reading images, masks and DICOM series; grids, cropping and resampling."""

import gzip
import os
import re
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.errors import CaseError
from benchmark.images.files import file_digest
from benchmark.images.geometry import crop_to_roi, refuse_other_grid, resample, resample_mask_to, same_grid
from benchmark.images.reading import read_image, read_mask
from tests.benchmark.images.scan_formats import metaimage_by_hand, random_ct

FORMATS = ["a.nii", "a.nii.gz", "a.nrrd", "a.mhd", "a.mha"]


@pytest.fixture
def ct():
    """A CT of 8 × 16 × 24 voxels (z, y, x) with air, tissue and calcium."""
    voxels = np.random.default_rng(0).integers(-1000, 800, (8, 16, 24)).astype(np.int16)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((0.4, 0.5, 3.0))
    image.SetOrigin((-100.3, 20.7, 512.1))
    return image


def write(image, path):
    sitk.WriteImage(image, str(path))
    return path


def write_series(image, folder, uid="1.2.3", number=1, first="000.dcm", **tags):
    """Write the image as a DICOM series whose file names run against the slices' positions."""
    folder.mkdir(exist_ok=True)
    for z in range(image.GetDepth()):
        header = pydicom.Dataset()
        header.file_meta = pydicom.dataset.FileMetaDataset()
        header.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = f"{uid}.{z + 1}"
        header.SeriesInstanceUID, header.SeriesNumber, header.Modality = uid, number, "CT"
        header.Rows, header.Columns = image.GetHeight(), image.GetWidth()
        header.PixelSpacing = [image.GetSpacing()[1], image.GetSpacing()[0]]
        header.ImagePositionPatient = list(image.TransformIndexToPhysicalPoint((0, 0, z)))
        header.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 0
        header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
        header.RescaleSlope, header.RescaleIntercept = 1, -1024
        for tag, value in tags.items():
            setattr(header, tag, value)
        stored = sitk.GetArrayFromImage(image)[z].astype(np.int32) + 1024
        header.PixelData = stored.astype(np.uint16).tobytes()
        header.save_as(folder / f"{999 - z:03d}-{first}", enforce_file_format=True)
    return folder


# What can be read


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_voxels_and_grid(ct, tmp_path, name):
    image = read_image(write(ct, tmp_path / name))
    assert same_grid(image, ct)
    assert (sitk.GetArrayFromImage(image) == sitk.GetArrayFromImage(ct)).all()


def test_a_nifti_file_may_have_header_extensions(ct, tmp_path):
    file = nibabel.load(write(ct, tmp_path / "plain.nii.gz"))
    file.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"by somebody" * 90))
    nibabel.save(file, tmp_path / "a.nii.gz")
    image = read_image(tmp_path / "a.nii.gz")
    assert same_grid(image, ct)
    assert (sitk.GetArrayFromImage(image) == sitk.GetArrayFromImage(ct)).all()


def test_a_dicom_series_is_ordered_by_position_and_in_hu(ct, tmp_path):
    folder = write_series(ct, tmp_path / "series")
    (folder / "notes.txt").write_text("not an image")
    (folder / ".hidden").write_text("nor this")
    image = read_image(folder)
    assert same_grid(image, ct)
    assert (sitk.GetArrayFromImage(image) == sitk.GetArrayFromImage(ct)).all()


def test_a_jpeg_2000_series_reads_with_the_geometry_of_its_headers(real_data):
    folder = real_data / "thorax_ct" / "example_ct_dicom"
    image = read_image(folder)
    headers = [pydicom.dcmread(file) for file in folder.iterdir()]
    assert {header.file_meta.TransferSyntaxUID for header in headers} == {pydicom.uid.JPEG2000Lossless}
    headers.sort(key=lambda header: header.ImagePositionPatient[2])
    assert image.GetSize() == (512, 512, 20)
    assert image.GetSpacing() == pytest.approx((0.9765625, 0.9765625, 2.0))  # SliceThickness says 3
    for z in (0, 7, 19):
        position = image.TransformIndexToPhysicalPoint((0, 0, z))
        assert position == pytest.approx(tuple(headers[z].ImagePositionPatient))
        expected = headers[z].pixel_array * headers[z].RescaleSlope + headers[z].RescaleIntercept
        assert (sitk.GetArrayViewFromImage(image)[z] == expected).all()


def test_the_qrm_series_reads_with_z_ascending(real_data):
    image = read_image(real_data / "qrm_phantom" / "dicom")
    assert image.GetSize() == (512, 512, 47)
    assert image.GetSpacing() == pytest.approx((0.488, 0.488, 3.0))
    assert image.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert sitk.GetArrayViewFromImage(image)[22, 216:227, 176:187].max() == 1275


# What is refused


def refusal(path):
    with pytest.raises(CaseError) as error:
        read_image(path)
    assert path.name in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_missing_file_is_refused(tmp_path):
    assert "no such file" in refusal(tmp_path / "nowhere.nii.gz")
    os.mkfifo(tmp_path / "pipe.nii")
    (tmp_path / "endless.nii").symlink_to("/dev/zero")
    for name in ("pipe.nii", "endless.nii"):
        assert "a pipe or device and no file" in refusal(tmp_path / name)


def test_an_unknown_format_is_refused_with_the_known_ones(tmp_path):
    (tmp_path / "scan.png").write_bytes(b"png")
    assert ".nii.gz" in refusal(tmp_path / "scan.png")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.98])
def test_a_truncated_file_is_refused(ct, tmp_path, name, share):
    path = write(ct, tmp_path / name)
    data = path.with_suffix(".raw") if name == "a.mhd" else path
    content = data.read_bytes()
    data.write_bytes(content[: int(len(content) * share)])
    refusal(path)


def test_a_flipped_bit_in_a_gzip_file_is_refused(ct, tmp_path):
    path = write(ct, tmp_path / "a.nii.gz")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)
    assert "damaged" in refusal(path)


def test_a_whole_gzip_file_around_a_truncated_image_is_refused(ct, tmp_path):
    plain = write(ct, tmp_path / "a.nii").read_bytes()
    path = tmp_path / "b.nii.gz"
    path.write_bytes(gzip.compress(plain[: len(plain) // 2]))
    assert "truncated" in refusal(path)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("pixel", [sitk.sitkFloat32, sitk.sitkFloat64])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_image_with_values_that_are_not_finite_is_refused(ct, tmp_path, name, pixel, value):
    image = sitk.Cast(ct, pixel)
    image[3, 3, 3] = float(value)
    assert "finite" in refusal(write(image, tmp_path / name))


def test_a_constant_image_is_refused(ct, tmp_path):
    assert "constant" in refusal(write(ct * 0 - 1000, tmp_path / "a.nii.gz"))


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (0, 255), (0, 4095), (-1000, -500)])
def test_an_image_without_hu_range_is_refused(ct, tmp_path, low, high):
    scaled = sitk.RescaleIntensity(sitk.Cast(ct, sitk.sitkFloat32), low, high)
    assert "HU range" in refusal(write(scaled, tmp_path / "a.nii.gz"))


@pytest.mark.parametrize("padding", [0, 9, 200])
@pytest.mark.parametrize("shift", [1024, -1024])
def test_values_1024_off_are_no_hu_whatever_the_padding(tmp_path, shift, padding):
    image = random_ct(3)
    values = sitk.GetArrayFromImage(image) + shift
    values[:, 0, :padding] = -2000
    moved = sitk.GetImageFromArray(values)
    moved.SetSpacing(image.GetSpacing())
    assert "HU range" in refusal(write(moved, tmp_path / "a.nrrd"))


def test_an_mr_volume_with_values_below_those_of_fat_by_interpolation_is_no_ct(real_data, tmp_path):
    brain = sitk.ReadImage(str(real_data / "pyradiomics" / "brain1_image.nrrd"))
    turn = sitk.Euler3DTransform((0, 0, 0), 0.1, 0.1, 0.1)
    turned = sitk.Cast(sitk.Resample(brain, brain, turn, sitk.sitkBSpline), sitk.sitkInt16)
    assert sitk.GetArrayViewFromImage(turned).min() < -50
    assert "HU range" in refusal(write(turned, tmp_path / "mr.nii.gz"))


def test_an_image_that_is_not_3d_is_refused(ct, tmp_path):
    assert "3-D" in refusal(write(ct[:, :, 0], tmp_path / "a.nii.gz"))
    assert "3-D" in refusal(write(sitk.JoinSeries([ct, ct]), tmp_path / "b.nii.gz"))
    assert "3-D" in refusal(write(sitk.Compose(ct, ct), tmp_path / "c.nii.gz"))


def test_a_spacing_of_zero_is_refused(ct, tmp_path):
    path = write(ct, tmp_path / "a.nii")
    content = bytearray(path.read_bytes())
    content[84:88] = np.float32(0).tobytes()  # pixdim[2] of the NIfTI-1 header
    path.write_bytes(content)
    assert "spacing" in refusal(path)
    path = write(ct, tmp_path / "a.mhd")
    path.write_text(re.sub("ElementSpacing = .*", "ElementSpacing = 0 0.5 3", path.read_text()))
    assert "spacing" in refusal(path)


def test_an_nrrd_header_without_its_voxels_is_refused(ct, tmp_path):
    write(ct, tmp_path / "a.nhdr")
    shutil.copy(tmp_path / "a.nhdr", tmp_path / "a.nrrd")
    assert "another file" in refusal(tmp_path / "a.nrrd")


def test_a_folder_without_dicom_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    assert "empty" in refusal(tmp_path / "empty")
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "notes.txt").write_text("nothing")
    assert "none of the 1 files" in refusal(tmp_path / "text")


def test_a_folder_of_folders_is_not_called_empty(ct, tmp_path):
    write_series(ct, tmp_path)
    (tmp_path / "patients" / "one").mkdir(parents=True)
    assert "holds 1 folders and no file" in refusal(tmp_path / "patients")


def test_a_damaged_file_is_not_said_to_lack_a_spacing_for_its_path(ct, tmp_path):
    (tmp_path / "spacing").mkdir()
    path = write(ct, tmp_path / "spacing" / "zero_spacing.mha")
    path.write_bytes(path.read_bytes()[:40])
    assert "damaged" in refusal(path)


def test_two_series_in_a_folder_are_refused_with_their_list(ct, tmp_path):
    folder = write_series(ct, tmp_path / "two", uid="1.2.3", number=4)
    write_series(ct[:, :, :5], folder, uid="1.2.4", number=7, first="b.dcm")
    message = refusal(folder)
    assert "a series of 8 images; a series of 5 images" in message


def test_a_series_that_is_no_regular_volume_is_refused(ct, tmp_path):
    folder = write_series(ct, tmp_path / "gap")
    sorted(folder.iterdir())[3].unlink()
    assert "missing" in refusal(folder)
    folder = write_series(ct, tmp_path / "twice")
    shutil.copy(sorted(folder.iterdir())[3], folder / "again.dcm")
    assert "several slices" in refusal(folder)
    assert "one slice" in refusal(write_series(ct[:, :, :1], tmp_path / "single"))
    folder = write_series(ct, tmp_path / "sizes")
    write_series(ct[:10, :10, :1], folder, first="b.dcm")
    assert "size" in refusal(folder)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("position", [0, 3])
def test_a_truncated_slice_is_refused_by_its_place(ct, tmp_path, share, position):
    folder = write_series(ct, tmp_path / "series")
    file = sorted(folder.iterdir())[position]
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    assert f"file {position + 1} of 8 by name" in refusal(folder)


def test_a_tilted_gantry_is_refused(ct, tmp_path):
    folder = write_series(ct, tmp_path / "tilt")
    for file in folder.iterdir():
        header = pydicom.dcmread(file)
        header.ImagePositionPatient[1] += 0.2 * header.ImagePositionPatient[2]
        header.save_as(file)
    assert "tilt" in refusal(folder)


def test_another_modality_is_refused(ct, tmp_path):
    assert "only CT" in refusal(write_series(ct, tmp_path / "mr", Modality="MR"))


def test_a_refusal_holds_no_patient_tag(ct, tmp_path):
    folder = write_series(ct, tmp_path / "two", PatientName="Doe^Jane", PatientID="4711")
    write_series(ct, folder, uid="1.9", first="b.dcm", PatientName="Doe^Jane", PatientID="4711")
    message = refusal(folder)
    assert "Doe" not in message
    assert "4711" not in message


# Masks


def test_a_mask_of_whole_floats_reads_as_labels(ct, tmp_path):
    labels = sitk.Cast(ct > 500, sitk.sitkFloat32) * 3
    mask = read_mask(write(labels, tmp_path / "m.nii.gz"))
    assert mask.GetPixelID() == sitk.sitkUInt8
    assert set(np.unique(sitk.GetArrayFromImage(mask))) == {0, 3}


@pytest.mark.parametrize("factor", [0.5, -1, 1e6])
def test_values_that_are_not_labels_are_refused(ct, tmp_path, factor):
    labels = sitk.Cast(ct > 500, sitk.sitkFloat32) * factor
    with pytest.raises(CaseError, match="not a mask"):
        read_mask(write(labels, tmp_path / "m.nii.gz"))


def test_an_empty_mask_is_refused_unless_it_may_be_empty(ct, tmp_path):
    path = write(ct > 5000, tmp_path / "m.nii.gz")
    with pytest.raises(CaseError, match=r"m\.nii\.gz: the mask is empty"):
        read_mask(path)
    assert not sitk.GetArrayFromImage(read_mask(path, empty=True)).any()


def test_a_mask_on_the_grid_takes_on_the_geometry_to_the_last_bit(ct, tmp_path):
    image = read_image(write(ct, tmp_path / "a.mha"))
    mask = read_mask(write(ct > 500, tmp_path / "m.nii.gz"), image)
    assert mask.GetOrigin() == image.GetOrigin()
    assert mask.GetSpacing() == image.GetSpacing()


def test_the_heart_mask_on_another_grid_is_refused_with_both_grids_or_resampled(real_data):
    folder = real_data / "thorax_ct" / "pulmonary"
    image = read_image(folder / "ct_cropped.nii.gz")
    with pytest.raises(CaseError) as error:
        read_mask(folder / "heart.nii.gz", image)
    assert "heart.nii.gz" in str(error.value)
    assert "233 × 167 × 191" in str(error.value)
    assert "122 × 102 × 112" in str(error.value)
    heart = read_mask(folder / "heart.nii.gz", image, resample=True)
    assert same_grid(heart, image)
    blood = sitk.GetArrayViewFromImage(image)[sitk.GetArrayViewFromImage(heart) == 1]
    assert len(blood) > 10_000
    assert 300 < np.median(blood) < 600  # contrast blood, not lung


# Digests


def test_a_digest_follows_the_bytes_and_not_the_names(ct, tmp_path):
    first = write(ct, tmp_path / "a.nii.gz")
    second = Path(shutil.copy(first, tmp_path / "b.nii.gz"))
    assert file_digest(first) == file_digest(second)
    assert file_digest(first) != file_digest(write(ct + 1, tmp_path / "c.nii.gz"))


def test_a_folder_is_digested_by_its_files(ct, tmp_path):
    one, two = write_series(ct, tmp_path / "one"), write_series(ct, tmp_path / "two", first="other.dcm")
    assert file_digest(one) == file_digest(two)
    (two / ".DS_Store").write_text("finder")
    assert file_digest(one) == file_digest(two)
    next(two.glob("*.dcm")).unlink()
    assert file_digest(one) != file_digest(two)


def test_the_digest_of_an_mhd_file_covers_its_voxels(ct, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = write(ct, tmp_path / "one" / "a.mhd"), write(ct + 1, tmp_path / "two" / "a.mhd")
    assert one.read_bytes() == two.read_bytes()
    assert file_digest(one) != file_digest(two)


def test_the_digest_of_an_mha_file_covers_voxels_that_lie_elsewhere(tmp_path):
    path = metaimage_by_hand(random_ct(0), tmp_path / "a.mhd").rename(tmp_path / "a.mha")
    before = file_digest(path)
    raw = bytearray((tmp_path / "a.raw").read_bytes())
    raw[-1] ^= 1
    (tmp_path / "a.raw").write_bytes(raw)
    assert file_digest(path) != before
    (tmp_path / "a.raw").unlink()
    with pytest.raises(CaseError, match="must be there"):
        file_digest(path)


# Grids


def test_grids_differ_by_size_spacing_origin_or_direction(ct):
    assert same_grid(ct, ct + 0)
    for change in (
        lambda image: image.SetSpacing((0.4, 0.5, 3.01)),
        lambda image: image.SetOrigin((-100.3, 20.7, 512.2)),
        lambda image: image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1)),
    ):
        other = sitk.Image(ct)
        change(other)
        assert not same_grid(ct, other)
        with pytest.raises(CaseError, match=r"24 × 16 × 8 voxels .* against 24 × 16 × 8 voxels"):
            refuse_other_grid(ct, other)
    assert not same_grid(ct, ct[:, :, 1:])


def test_headers_rounded_to_32_bits_are_still_one_grid(ct):
    other = sitk.Image(ct)
    other.SetOrigin([float(np.float32(mm)) for mm in ct.GetOrigin()])
    other.SetSpacing([float(np.float32(mm)) for mm in ct.GetSpacing()])
    assert other.GetOrigin() != ct.GetOrigin()
    assert same_grid(ct, other)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(0, 9)] * 3), min_size=1, max_size=4),
    st.integers(0, 3),
    st.integers(0, 4),
)
def test_a_crop_holds_the_roi_its_margin_and_the_same_places(points, voxels, millimetres):
    image = sitk.Image([10, 10, 10], sitk.sitkInt16)
    image.SetSpacing((0.5, 1.0, 2.0))
    roi = sitk.Image([10, 10, 10], sitk.sitkUInt8)
    roi.CopyInformation(image)
    for point in points:
        roi[point] = 1
        image[point] = 100 + point[0]
    part, region = crop_to_roi(image, roi, margin_mm=millimetres, margin_voxels=voxels)
    assert sitk.GetArrayFromImage(region).sum() == len(set(points))
    corner = image.TransformPhysicalPointToIndex(part.GetOrigin())
    for axis, spacing in enumerate(image.GetSpacing()):
        margin = max(voxels, int(np.ceil(millimetres / spacing)))
        low, high = min(p[axis] for p in points), max(p[axis] for p in points)
        assert corner[axis] == max(0, low - margin)
        assert part.GetSize()[axis] == min(10, high + margin + 1) - corner[axis]
    for point in points:
        moved = part.TransformPhysicalPointToIndex(image.TransformIndexToPhysicalPoint(point))
        assert part[moved] == image[point]


def test_cropping_to_an_empty_roi_is_refused(ct):
    with pytest.raises(CaseError, match="empty"):
        crop_to_roi(ct, ct > 5000)


def test_resampling_keeps_a_linear_ramp_and_the_box(ct):
    ramp = sitk.PhysicalPointSource(sitk.sitkVectorFloat64, ct.GetSize(), ct.GetOrigin(), ct.GetSpacing())
    ramp = sitk.VectorIndexSelectionCast(ramp, 2)
    fine = resample(ramp, (0.8, 1.0, 1.5))
    assert fine.GetSize() == (12, 8, 16)
    inner = sitk.GetArrayFromImage(fine)[1:-1, 4, 6]  # the outermost slices lie beyond the last centres
    expected = [fine.TransformIndexToPhysicalPoint((6, 4, z))[2] for z in range(1, 15)]
    assert inner == pytest.approx(expected)
    for index, other in (((-0.5,) * 3, (-0.5,) * 3), ((23.5, 15.5, 7.5), (11.5, 7.5, 15.5))):
        assert ct.TransformContinuousIndexToPhysicalPoint(index) == pytest.approx(
            fine.TransformContinuousIndexToPhysicalPoint(other)
        )


def test_resampling_to_the_same_spacing_changes_nothing(ct):
    same = resample(ct, ct.GetSpacing())
    assert sitk.GetArrayFromImage(same) == pytest.approx(sitk.GetArrayFromImage(ct), abs=1e-3)
    assert (
        sitk.GetArrayFromImage(resample(ct, ct.GetSpacing(), linear=False)) == sitk.GetArrayFromImage(ct)
    ).all()


def test_a_resampled_mask_keeps_its_labels(ct):
    labels = sitk.Cast(ct > 500, sitk.sitkUInt8) * 4
    moved = resample_mask_to(resample(labels, (0.2, 0.25, 1.5), linear=False), ct)
    assert same_grid(moved, ct)
    assert set(np.unique(sitk.GetArrayFromImage(moved))) == {0, 4}


def test_a_pipe_or_device_is_no_scan_to_hash_either(tmp_path):
    os.mkfifo(tmp_path / "pipe.nii")
    (tmp_path / "header.mhd").symlink_to("/dev/zero")
    for name in ("pipe.nii", "header.mhd"):
        with pytest.raises(CaseError, match="a pipe or device and no file"):
            file_digest(tmp_path / name)
