"""Writes small scans the way hospitals and public data sets keep them: DICOM with Siemens-like headers, COCA's XML."""

import plistlib

import contourpy
import numpy as np
import pydicom
import SimpleITK as sitk
from scipy import ndimage

VESSELS = {
    1: "Left Coronary Artery",
    2: "Left Anterior Descending Artery",
    3: "Left Circumflex Artery",
    4: "Right Coronary Artery",
}
PATIENT = {
    "PatientName": "Mustermann^Erika",
    "PatientID": "PID-83412",
    "PatientBirthDate": "19571103",
    "PatientSex": "F",
    "ReferringPhysicianName": "Zuweiser^Ottokar",
    "InstitutionName": "Klinikum Musterstadt",
    "AccessionNumber": "ACC-55120",
}


def header_of(image, z, uid="1.2.3", number=2, **tags):
    """The header of one slice as a Siemens scanner writes it: instance numbers run from the head down."""
    header = pydicom.Dataset()
    header.file_meta = pydicom.dataset.FileMetaDataset()
    header.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = f"{uid}.{z + 1}"
    header.SpecificCharacterSet = "ISO_IR 100"
    header.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SEQ"]
    header.Manufacturer, header.ManufacturerModelName = "SIEMENS", "SOMATOM Definition Flash"
    header.SeriesDescription, header.ProtocolName = "CaScSeq  3.0  B35f", "CaScoreSeq"
    header.KVP, header.SliceThickness, header.ConvolutionKernel = 120, 3, "B35f"
    header.GantryDetectorTilt = 0
    header.SeriesInstanceUID, header.SeriesNumber, header.Modality = uid, number, "CT"
    header.InstanceNumber = image.GetDepth() - z
    header.Rows, header.Columns = image.GetHeight(), image.GetWidth()
    header.PixelSpacing = [image.GetSpacing()[1], image.GetSpacing()[0]]
    header.ImagePositionPatient = [round(v, 4) for v in image.TransformIndexToPhysicalPoint((0, 0, z))]
    header.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 12, 11, 0
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.RescaleSlope, header.RescaleIntercept = 1, -1024
    for tag, value in tags.items():
        setattr(header, tag, value)
    return header


def write_series(image, folder, *, prefix="IM", seed=0, **tags):
    """Write the image as a DICOM series; the files' names say nothing about the slices' order."""
    folder.mkdir(parents=True, exist_ok=True)
    names = np.random.default_rng(seed).permutation(image.GetDepth())
    values = sitk.GetArrayFromImage(image)
    for z, name in enumerate(names):
        header = header_of(image, z, **tags)
        stored = (values[z].astype(float) - header.RescaleIntercept) / header.RescaleSlope
        header.PixelData = np.round(stored).astype(np.uint16).tobytes()
        header.save_as(folder / f"{prefix}-{name + 1:04d}.dcm", enforce_file_format=True)
    return folder


def write_annotation(lesions, file, *extra, seed=0):
    """Write a label mask (1 LM, 2 LAD, 3 LCx, 4 RCA) as COCA's XML; `extra` are (slice, ROI) to add.

    Components must have no holes: they come back filled.
    """
    labels = sitk.GetArrayFromImage(lesions)
    images = {}
    for z in np.flatnonzero(labels.any(axis=(1, 2))):
        images[int(z)] = [
            roi(lesions, int(z), VESSELS[label], component == number)
            for label in np.unique(labels[z][labels[z] > 0]).tolist()
            for component, count in [ndimage.label(labels[z] == label)]
            for number in range(1, count + 1)
        ]
    for z, region in extra:
        images.setdefault(z, []).append(region)
    order = np.random.default_rng(seed).permutation(list(images)).tolist()
    content = {
        "Images": [{"ImageIndex": z, "NumberOfROIs": len(images[z]), "ROIs": images[z]} for z in order]
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(plistlib.dumps(content, fmt=plistlib.FMT_XML))
    return file


def roi(image, z, vessel, inside=None):
    """One ROI of COCA's XML around the pixels `inside` (rows, columns); without them an empty one."""
    corners = np.empty((0, 2))
    if inside is not None and inside.any():
        padded = np.pad(inside, 1).astype(float)
        corners = contourpy.contour_generator(z=padded).lines(0.5)[0][:-1] - 1
    sx, sy, _ = image.GetSpacing()
    origin = np.array(image.TransformIndexToPhysicalPoint((0, 0, z)))
    points = [np.add(origin, ((x - 0.5) * sx, (y - 0.5) * sy, 0)) for x, y in corners]
    count = 0 if inside is None else int(inside.sum())
    return {
        "Area": count * sx * sy / 100,
        "Center": "(0.000000, 0.000000, 0.000000)",
        "Dev": 0.0,
        "IndexInImage": 0,
        "Length": 0.0,
        "Max": 0.0,
        "Mean": 0.0,
        "Min": 0.0,
        "Name": vessel,
        "NumberOfPoints": len(corners),
        "Point_mm": [f"({x:.6f}, {y:.6f}, {z:.6f})" for x, y, z in points],
        "Point_px": [f"({x:.6f}, {y:.6f})" for x, y in corners],
        "Total": 0.0,
        "Type": 15,
    }
