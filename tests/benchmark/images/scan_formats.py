"""Small random CTs with a lesion, and writers of every format: two each, of different libraries where there are two."""

import locale

import nibabel
import numpy as np
import pydicom
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"


def random_ct(seed):
    """A CT of 4 to 8 slices: air, a body with a lung in it, one or two lesions, in a random geometry.

    Spacings have four decimals, as scanners write them; axes are turned by up to 20°, or by half turns.
    """
    random = np.random.default_rng(seed)
    shape = (int(random.integers(4, 9)), int(random.integers(32, 45)), int(random.integers(32, 45)))
    y, x = np.indices(shape[1:]) / np.array(shape[1:])[:, None, None] - 0.5
    hu = np.full(shape, -1000.0)
    hu[:, y**2 + x**2 < 0.45**2] = 40
    hu[:, y**2 + (x + 0.25) ** 2 < 0.12**2] = -800
    hu[hu == 40] += random.normal(0, 12, (hu == 40).sum())
    for _ in range(random.integers(1, 3)):
        corner = [random.integers(0, shape[0] - 1), *(int(n * random.uniform(0.45, 0.6)) for n in shape[1:])]
        size = (random.integers(1, 3), *random.integers(4, 6, 2))
        box = tuple(slice(at, at + n) for at, n in zip(corner, size, strict=True))
        hu[box] = random.integers(140, 1500)
    image = sitk.GetImageFromArray(np.round(hu).astype(np.int16))
    image.SetSpacing([round(mm, 4) for mm in (*random.uniform(0.3, 1.2, 2), random.uniform(0.5, 5))])
    image.SetOrigin([round(mm, 3) for mm in random.uniform(-300, 300, 3)])
    turn = Rotation.from_euler("xyz", random.uniform(-20, 20, 3), degrees=True)
    half = Rotation.from_euler(random.choice(["x", "y", "z"]), 180 * random.integers(0, 2), degrees=True)
    matrix = (half * turn if random.random() < 0.5 else half).as_matrix()
    image.SetDirection(matrix.ravel().tolist())
    return image


def dicom_by_pydicom(image, folder, *, signed=False, implicit=False, change=None):
    """Write a series; `change(z, header)` alters a header before it is saved."""
    folder.mkdir(parents=True)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    for z, hu in enumerate(sitk.GetArrayFromImage(image)):
        header = pydicom.Dataset()
        header.file_meta = pydicom.dataset.FileMetaDataset()
        syntax = pydicom.uid.ImplicitVRLittleEndian if implicit else pydicom.uid.ExplicitVRLittleEndian
        header.file_meta.TransferSyntaxUID = syntax
        header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = CT_IMAGE
        header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{z + 1}"
        header.SeriesInstanceUID, header.SeriesNumber, header.Modality = "1.2.3", 1, "CT"
        header.ImageType, header.InstanceNumber = ["ORIGINAL", "PRIMARY", "AXIAL"], z + 1
        header.Rows, header.Columns = image.GetHeight(), image.GetWidth()
        header.PixelSpacing = [image.GetSpacing()[1], image.GetSpacing()[0]]
        header.SliceThickness = image.GetSpacing()[2]
        header.ImagePositionPatient = [f"{mm:.9g}" for mm in image.TransformIndexToPhysicalPoint((0, 0, z))]
        header.ImageOrientationPatient = [f"{v:.9g}" for v in (*direction[:, 0], *direction[:, 1])]
        header.BitsAllocated, header.BitsStored, header.HighBit = (
            16,
            16 if signed else 12,
            15 if signed else 11,
        )
        header.PixelRepresentation = int(signed)
        header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
        header.RescaleSlope, header.RescaleIntercept = 1, -1024
        header.PixelData = (hu.astype(np.int32) + 1024).astype("<i2" if signed else "<u2").tobytes()
        if change is not None:
            change(z, header)
        header.save_as(folder / f"IM{z + 1:03d}.dcm", enforce_file_format=True)
    return folder


def dicom_by_simpleitk(image, folder):
    """Write a series as SimpleITK's documentation shows."""
    folder.mkdir(parents=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    before = locale.setlocale(locale.LC_ALL)
    cosines = np.array(image.GetDirection()).reshape(3, 3)
    tags = {
        "0008|0060": "CT",
        "0020|000e": "1.2.826.0.1.3680043.2.1125.1",
        "0020|0037": "\\".join(f"{v:.9g}" for v in (*cosines[:, 0], *cosines[:, 1])),
        "0008|0008": "DERIVED\\SECONDARY",
        "0028|1052": "0",
        "0028|1053": "1",
    }
    for z in range(image.GetDepth()):
        part = image[:, :, z]
        for key, value in tags.items():
            part.SetMetaData(key, value)
        position = image.TransformIndexToPhysicalPoint((0, 0, z))
        part.SetMetaData("0020|0032", "\\".join(f"{mm:.9g}" for mm in position))
        part.SetMetaData("0020|0013", str(z))
        writer.SetFileName(str(folder / f"{z}.dcm"))
        writer.Execute(part)
    locale.setlocale(locale.LC_ALL, before)  # GDCM leaves "C" behind, and Python then decodes output as ASCII
    return folder


def by_simpleitk(image, path):
    sitk.WriteImage(image, str(path), path.suffix == ".mha")
    return path


def nifti_by_nibabel(image, path, kind=nibabel.Nifti1Image):
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    voxels = sitk.GetArrayFromImage(image).transpose()
    nibabel.save(kind(voxels, np.diag([-1, -1, 1, 1]) @ affine), path)
    return path


def nrrd_by_hand(image, path):
    direction = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    header = [
        "NRRD0004",
        "type: short",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, image.GetSize()))}",
        f"space directions: {' '.join('(' + ','.join(map(repr, column.tolist())) + ')' for column in direction.T)}",
        "endian: little",
        "encoding: raw",
        f"space origin: ({','.join(map(str, image.GetOrigin()))})",
    ]
    path.write_bytes("\n".join(header).encode() + b"\n\n" + sitk.GetArrayFromImage(image).tobytes())
    return path


def metaimage_by_hand(image, path):
    matrix = np.array(image.GetDirection()).reshape(3, 3).T  # MetaImage keeps an axis per row
    header = [
        "ObjectType = Image",
        "NDims = 3",
        "BinaryDataByteOrderMSB = False",
        f"TransformMatrix = {' '.join(map(repr, matrix.ravel().tolist()))}",
        f"Offset = {' '.join(map(str, image.GetOrigin()))}",
        f"ElementSpacing = {' '.join(map(str, image.GetSpacing()))}",
        f"DimSize = {' '.join(map(str, image.GetSize()))}",
        "ElementType = MET_SHORT",
        f"ElementDataFile = {path.stem}.raw",
    ]
    path.write_text("\n".join(header) + "\n")
    path.with_suffix(".raw").write_bytes(sitk.GetArrayFromImage(image).tobytes())
    return path


WRITERS = {
    "DICOM by pydicom, unsigned": lambda image, at: dicom_by_pydicom(image, at / "explicit"),
    "DICOM by pydicom, signed": lambda image, at: dicom_by_pydicom(
        image, at / "i", signed=True, implicit=True
    ),
    "DICOM by SimpleITK": lambda image, at: dicom_by_simpleitk(image, at / "sitk"),
    "NIfTI by SimpleITK": lambda image, at: by_simpleitk(image, at / "s.nii.gz"),
    "NIfTI by nibabel": lambda image, at: nifti_by_nibabel(image, at / "n.nii"),
    "NIfTI-2 by nibabel": lambda image, at: nifti_by_nibabel(image, at / "n2.nii.gz", nibabel.Nifti2Image),
    "NRRD by SimpleITK": lambda image, at: by_simpleitk(image, at / "s.nrrd"),
    "NRRD by hand": lambda image, at: nrrd_by_hand(image, at / "h.nrrd"),
    "MetaImage by SimpleITK": lambda image, at: by_simpleitk(image, at / "s.mha"),
    "MetaImage by hand": lambda image, at: metaimage_by_hand(image, at / "h.mhd"),
}
