"""A NIfTI file's voxels are read once, and are what ITK reads, where that is right."""

import gzip

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.errors import CaseError
from benchmark.images.reading import read_grid, read_mask
from benchmark.images.volume_files import nifti

AFFINE = np.array([[-0.7, 0, 0, 10], [0, -0.7, 0, 20], [0, 0, 2.5, 30], [0, 0, 0, 1]])
NAN = float("nan")


def nifti_1(voxels, order, slope, intercept, matrix):
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(voxels.dtype)
    header.set_data_shape(voxels.shape[::-1])
    header.set_xyzt_units("mm")
    {"qform": header.set_qform, "sform": header.set_sform}[matrix](AFFINE, 1)
    header["pixdim"][1:4] = 0.7, 0.7, 2.5
    header["scl_slope"], header["scl_inter"] = slope, intercept
    header["vox_offset"], header["magic"] = 352, b"n+1"
    return header.binaryblock + bytes(4) + voxels.astype(header.get_data_dtype()).tobytes()


@settings(deadline=None, max_examples=60)
@given(
    kind=st.sampled_from(["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]),
    order=st.sampled_from("<>"),
    scale=st.sampled_from(
        [(1, 0), (0, 0), (NAN, NAN), (1, -24), (0.37, 3.25), (2, 0), (1 + 1e-9, 0), (-1, 0)]
    ),
    matrix=st.sampled_from(["qform", "sform"]),
    packed=st.booleans(),
    seed=st.integers(0, 99),
)
def test_voxels_and_grid_are_those_of_itk(tmp_path_factory, kind, order, scale, matrix, packed, seed):
    voxels = np.random.default_rng(seed).integers(0, 100, (5, 6, 7)).astype(kind)
    content = nifti_1(voxels, order, *scale, matrix)
    path = tmp_path_factory.mktemp("scan") / f"scan.nii{'.gz' if packed else ''}"
    path.write_bytes(gzip.compress(content) if packed else content)
    ours, theirs = nifti.read(path, read_grid(path)), sitk.ReadImage(str(path))
    assert ours.GetPixelID() == theirs.GetPixelID()
    assert sitk.GetArrayFromImage(ours).tobytes() == sitk.GetArrayFromImage(theirs).tobytes()
    for of in (sitk.Image.GetSpacing, sitk.Image.GetOrigin, sitk.Image.GetDirection):
        assert of(ours) == of(theirs)


@pytest.mark.parametrize(("name", "value"), [("scan.nii", 1), ("scan.nii.gz", 2)])
def test_of_a_file_and_its_packed_namesake_each_is_read_as_it_is(tmp_path, name, value):
    """ITK takes the header of the packed one and the voxels of the other."""
    for each, label in (("scan.nii", 1), ("scan.nii.gz", 2)):
        sitk.WriteImage(sitk.GetImageFromArray(np.full((3, 4, 5), label, np.uint8)), str(tmp_path / each))
    assert (sitk.GetArrayFromImage(read_mask(tmp_path / name)) == value).all()
    assert (sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "scan.nii.gz"))) == 1).all()


@pytest.mark.parametrize("kind", ["c8", "c16"])
def test_voxels_that_are_no_real_numbers_of_itk_are_refused(tmp_path, kind):
    file = tmp_path / "scan.nii"
    file.write_bytes(nifti_1(np.zeros((5, 6, 7), kind), "<", 1, 0, "qform"))
    with pytest.raises(CaseError, match="not a 3-D image of one value per voxel"):
        read_grid(file)
