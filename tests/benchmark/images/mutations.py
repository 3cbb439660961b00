"""What goes wrong with scan files, one thing at a time: each mutation changes a written scan in place.

After public bug reports: SimpleITK 2117, 1433, 1636; ITK 4677, 6692; MetaIO 142; pydicom 798, 173, 150; horos 752;
vtk-dicom 149, 173; dcm2niix 742; rse-panimg 7; fmriprep 786; ANTsPy 514; nibabel 668.
"""

import gzip
import re
import struct
import zlib

import numpy as np
import pydicom

from tests.benchmark.images.scan_formats import (
    dicom_by_pydicom,
    metaimage_by_hand,
    nifti_by_nibabel,
    nrrd_by_hand,
)


def on_every_slice(change):
    """Alter the header of every slice of a DICOM series."""
    return lambda folder, random: [_changed(file, change) for file in sorted(folder.iterdir())]


def on_one_slice(change):
    """Alter the header of one slice."""
    return lambda folder, random: _changed(random.choice(sorted(folder.iterdir())), change)


def on_the_last_slice(change):
    """Alter the last slice's file: `change` gets and returns its bytes."""

    def mutate(folder, random):
        file = sorted(folder.iterdir())[-1]
        file.write_bytes(change(file.read_bytes()))

    return mutate


def _changed(file, change):
    header = pydicom.dcmread(file)
    change(header)
    header.save_as(file)


def raw_value(keyword, text):
    """Put a text into a decimal string element that pydicom would not write."""

    def change(header):
        tag = pydicom.datadict.tag_for_keyword(keyword)
        header[tag] = pydicom.dataelem.RawDataElement(
            pydicom.tag.Tag(tag),
            "DS",
            len(text) + len(text) % 2,
            (text + " " * (len(text) % 2)).encode(),
            0,
            False,
            True,
        )

    return change


def without(keyword):
    return lambda header: header.__delattr__(keyword)


def value(keyword, new):
    return lambda header: setattr(header, keyword, new)


def _two(folder, random, act):
    files = sorted(folder.iterdir())
    return act(files, int(random.integers(1, len(files) - 1)))


def _dead_link(folder, random):
    file = sorted(folder.iterdir())[-1]
    file.unlink()
    file.symlink_to("../annex/gone.dcm")


def _position_of_another(files, at):
    other = pydicom.dcmread(files[at]).ImagePositionPatient
    _changed(files[0], value("ImagePositionPatient", other))


def _aside(header):
    position = list(map(float, header.ImagePositionPatient))
    row = list(map(float, header.ImageOrientationPatient))[:3]
    header.ImagePositionPatient = [f"{p + 9 * r:.9g}" for p, r in zip(position, row, strict=True)]


def _only_detector_spacing(header):
    header.ImagerPixelSpacing = header.PixelSpacing
    del header.PixelSpacing


def _shuffled_names(folder, random):
    files = sorted(folder.iterdir())
    for file in files:
        file.rename(file.with_suffix(".was"))
    for file, place in zip(files, random.permutation(len(files)), strict=True):
        file.with_suffix(".was").rename(folder / f"z{place}.dcm")


def _alternating(folder, random):
    for number, file in enumerate(sorted(folder.iterdir())):
        _changed(file, value("AcquisitionNumber", 1 + number % 2))


def _one_behind_the_other(folder, random):
    for number, file in enumerate(sorted(folder.iterdir())):
        _changed(file, value("AcquisitionNumber", 1 + number // 2))


def _beside(name, content=b""):
    return lambda folder, random: (folder / name).write_bytes(content)


def _sop_class(uid):
    def change(header):
        header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = uid

    return change


def _without_preamble(folder, random):
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes()[132:])


DICOM = {
    "no pixel spacing": on_every_slice(without("PixelSpacing")),
    "a pixel spacing of zero": on_every_slice(value("PixelSpacing", [0, 0])),
    "an empty pixel spacing": on_every_slice(value("PixelSpacing", None)),
    "one pixel spacing for two axes": on_every_slice(raw_value("PixelSpacing", "0.5")),
    "a decimal comma": on_every_slice(raw_value("PixelSpacing", "0,5\\0,5")),
    "an underscore in a number": on_every_slice(raw_value("PixelSpacing", "0_5\\0_5")),
    "a spacing that is no number": on_every_slice(raw_value("PixelSpacing", "nan\\nan")),
    "a spacing in cm": on_every_slice(raw_value("PixelSpacing", "0.03\\0.03")),
    "the detector's spacing alone": on_every_slice(_only_detector_spacing),
    "another pixel spacing in one slice": on_one_slice(value("PixelSpacing", [2, 2])),
    "no position": on_one_slice(without("ImagePositionPatient")),
    "an empty position": on_one_slice(value("ImagePositionPatient", None)),
    "a position of two numbers": on_one_slice(raw_value("ImagePositionPatient", "1\\2")),
    "a position that is text": on_one_slice(raw_value("ImagePositionPatient", "left\\1\\2")),
    "two slices at one place": lambda folder, random: _two(folder, random, _position_of_another),
    "a slice aside": lambda folder, random: _two(
        folder, random, lambda files, at: _changed(files[at], _aside)
    ),
    "no orientation": on_one_slice(without("ImageOrientationPatient")),
    "an orientation of no length": on_every_slice(value("ImageOrientationPatient", [1, 0, 0, 0, 0, 0])),
    "another orientation in one slice": on_one_slice(value("ImageOrientationPatient", [0, 1, 0, 0, 0, 1])),
    "a slice cut in its voxels": on_the_last_slice(lambda content: content[:-200]),
    "a slice cut in its header": on_the_last_slice(lambda content: content[:400]),
    "a slice that is a stub": on_the_last_slice(lambda content: content[:100]),
    "a slice that is an error page": on_the_last_slice(lambda content: b"<html>503</html>" * 20),
    "a slice that is an LFS pointer": on_the_last_slice(
        lambda content: b"version https://git-lfs.github.com/spec/v1\n"
    ),
    "an empty slice": on_the_last_slice(lambda content: b""),
    "a slice that is a dead link": _dead_link,
    "a half-fetched slice": _beside("IM099.dcm.part", b"abc"),
    "a lost slice": lambda folder, random: _two(folder, random, lambda files, at: files[at].unlink()),
    "a slice twice": lambda folder, random: _two(
        folder, random, lambda files, at: (folder / "copy.dcm").write_bytes(files[at].read_bytes())
    ),
    "more rows than voxels": on_every_slice(lambda header: setattr(header, "Rows", header.Rows + 1)),
    "fewer columns than voxels": on_every_slice(
        lambda header: setattr(header, "Columns", header.Columns - 1)
    ),
    "bytes behind the voxels": on_one_slice(
        lambda header: setattr(header, "PixelData", header.PixelData + b"\0\0\0\0")
    ),
    "a slope of zero": on_one_slice(value("RescaleSlope", 0)),
    "a negative slope": on_one_slice(value("RescaleSlope", -1)),
    "a slope with a comma": on_one_slice(raw_value("RescaleSlope", "1,5")),
    "two intercepts": on_one_slice(raw_value("RescaleIntercept", "-1024\\-1024")),
    "no intercept": on_every_slice(without("RescaleIntercept")),
    "the intercept twice": on_every_slice(value("RescaleIntercept", -2048)),
    "electron densities": on_every_slice(value("RescaleType", "ED")),
    "MR": on_every_slice(value("Modality", "MR")),
    "several frames": on_every_slice(value("NumberOfFrames", 2)),
    "colour": on_every_slice(value("SamplesPerPixel", 3)),
    "a table of values": on_every_slice(value("ModalityLUTSequence", [pydicom.Dataset()])),
    "alternating acquisitions": _alternating,
    "localisers": on_every_slice(value("ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"])),
}
DICOM_HARMLESS = {
    "acquisitions one behind the other": _one_behind_the_other,
    "SOP class CR": on_every_slice(_sop_class("1.2.840.10008.5.1.4.1.1.1")),
    "SOP class of converted CT": on_every_slice(_sop_class("1.2.840.10008.5.1.4.1.1.2.2")),
    "a reformatted volume": on_every_slice(value("ImageType", ["DERIVED", "SECONDARY", "REFORMATTED"])),
    "no preamble": _without_preamble,
    "a lock file beside": _beside("LOCKFILE"),
    "a thumbnail beside": _beside("Thumbs.db", b"abc"),
    "shuffled names": _shuffled_names,
    "no instance numbers": on_every_slice(without("InstanceNumber")),
    "a slice thickness that is text": on_every_slice(raw_value("SliceThickness", "thin")),
    "a tilt that is text": on_every_slice(raw_value("GantryDetectorTilt", "none")),
    "run-length compression": on_every_slice(lambda header: header.compress(pydicom.uid.RLELossless)),
}


def nifti_field(offset, form, *values):
    """Overwrite a field of the NIfTI-1 header."""

    def mutate(path, random):
        content = bytearray(path.read_bytes())
        struct.pack_into(form, content, offset, *values)
        path.write_bytes(content)

    return mutate


def on_bytes(change):
    """Alter a file's bytes."""
    return lambda path, random: path.write_bytes(change(path.read_bytes(), random))


def _packed(change=lambda content, random: content):
    """Replace a NIfTI file by a gzip one of the same name but for the suffix; give the bytes to `change`."""

    def mutate(path, random):
        packed = path.with_name(f"{path.name}.gz")
        packed.write_bytes(change(gzip.compress(path.read_bytes()), random))
        path.unlink()
        return packed

    return mutate


def _flipped(content, random):
    at = int(random.integers(12, len(content) - 12))  # the header of gzip and zlib holds a time and flags
    return content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :]


def _relative(offset, change, form="<h"):
    def mutate(path, random):
        content = bytearray(path.read_bytes())
        struct.pack_into(form, content, offset, change(struct.unpack_from(form, content, offset)[0]))
        path.write_bytes(content)

    return mutate


NIFTI = {
    "cut": on_bytes(lambda content, random: content[: int(len(content) * random.uniform(0.4, 0.99))]),
    "bytes behind the voxels": on_bytes(lambda content, random: content + bytes(64)),
    "a slice fewer in its header": _relative(46, lambda n: n - 1),
    "a row more in its header": _relative(44, lambda n: n + 1),
    "no slices": nifti_field(46, "<h", 0),
    "two dimensions": nifti_field(40, "<h", 2),
    "four dimensions": nifti_field(40, "<hhhhh", 4, 8, 8, 8, 2),
    "a spacing of zero": nifti_field(80, "<f", 0.0),
    "a spacing that is no number": nifti_field(80, "<f", float("nan")),
    "an infinite spacing": nifti_field(88, "<f", float("inf")),
    "a negative spacing": nifti_field(84, "<f", -0.5),
    "pixdim against sform": _relative(80, lambda mm: mm * 1.5, "<f"),
    "sform of another spacing": _relative(280, lambda mm: mm + 3, "<f"),
    "a sheared sform": _relative(284, lambda mm: mm + 0.4, "<f"),
    "qform against sform": nifti_field(252, "<hhfff", 1, 2, 0.6, 0.5, 0.4),
    "micrometres": nifti_field(123, "B", 3),
    "metres": nifti_field(123, "B", 1),
    "another magic": nifti_field(344, "4s", b"no1\0"),
    "a detached header": nifti_field(344, "4s", b"ni1\0"),
    "another header size": nifti_field(0, "<i", 347),
    "voxels that begin late": nifti_field(108, "<f", 368.0),
    "voxels that begin in the header": nifti_field(108, "<f", 8.0),
    "the type of another width": nifti_field(70, "<h", 16),
    "an unknown type": nifti_field(70, "<h", 7777),
    "bits of another width": nifti_field(72, "<h", 32),
    "an unsigned type": nifti_field(70, "<h", 512),
    "half a scaling": nifti_field(112, "<ff", 2.0, float("nan")),
    "a scaling by two": nifti_field(112, "<ff", 2.0, 0.0),
    "the intercept lost": nifti_field(112, "<ff", 1.0, 1024.0),
    "a flipped byte in gzip": _packed(_flipped),
    "a cut gzip stream": _packed(lambda content, random: content[:-40]),
}
NIFTI_HARMLESS = {
    "compressed": _packed(),
    "no unit": nifti_field(123, "B", 0),
    "a description": nifti_field(148, "20s", b"written by somebody"),
    "no scaling": nifti_field(112, "<ff", 0.0, 0.0),
    "an intent": nifti_field(68, "<h", 1007),
}


def in_header(pattern, new, end=b"\n\n"):
    """Replace what a pattern matches in a text header; the voxels follow behind `end`."""

    def mutate(path, random):
        head, blank, voxels = path.read_bytes().partition(end)
        path.write_bytes(re.sub(pattern, new, head.decode(), flags=re.M).encode() + blank + voxels)

    return mutate


NRRD = {
    "no spacing": in_header(r"^space directions.*\n", ""),
    "spacings that are no numbers": in_header(r"^space directions.*", "spacings: nan nan nan"),
    "spacings of zero": in_header(r"^space directions.*", "spacings: 0 0.5 3"),
    "negative spacings": in_header(r"^space directions.*", "spacings: -0.5 0.5 3"),
    "two spacings": in_header(r"^space directions.*", "spacings: 0.5 0.5"),
    "an underscore in a spacing": in_header(r"^space directions.*", "spacings: 0_5 0.5 3"),
    "its spacing twice": in_header(r"^(space directions.*)", r"\1\nspacings: 0.5 0.5 3"),
    "an axis without direction": in_header(r"^(space directions: )\([^)]*\)", r"\1none"),
    "a direction of no length": in_header(r"^(space directions: )\([^)]*\)", r"\1(0,0,0)"),
    "sheared axes": in_header(r"^space directions.*", "space directions: (0.5,0,0) (0.2,0.5,0) (0,0,3)"),
    "centimetres": in_header(r"^(encoding.*)", r'\1\nspace units: "cm" "cm" "cm"'),
    "units of axes in cm": in_header(r"^(encoding.*)", r'\1\nunits: "cm" "cm" "cm"'),
    "a slice fewer in its header": in_header(r"^(sizes: \d+ \d+) \d+", r"\1 3"),
    "two sizes": in_header(r"^(sizes: \d+) \d+", r"\1"),
    "unsigned voxels": in_header(r"^type.*", "type: ushort"),
    "voxels of another width": in_header(r"^type.*", "type: float"),
    "an unknown type": in_header(r"^type.*", "type: block"),
    "an encoding it has not": in_header(r"^encoding.*", "encoding: gzip"),
    "an unknown encoding": in_header(r"^encoding.*", "encoding: secret"),
    "the other byte order": in_header(r"^endian.*", "endian: big"),
    "four dimensions": in_header(r"^dimension.*", "dimension: 4"),
    "a field twice": in_header(r"^(sizes.*)", r"\1\n\1"),
    "skipped bytes": in_header(r"^(encoding.*)", r"\1\nbyte skip: 8"),
    "voxels in another file": in_header(r"^(encoding.*)", r"\1\ndata file: elsewhere.raw"),
    "another magic": in_header(r"^NRRD0004", "NRED0004"),
    "cut": on_bytes(lambda content, random: content[: int(len(content) * random.uniform(0.3, 0.99))]),
    "bytes behind the voxels": on_bytes(lambda content, random: content + bytes(64)),
}
NRRD_HARMLESS = {
    "a comment": in_header(r"^(type.*)", r"\1\n# a comment"),
    "a pair of its own": in_header(r"^(encoding.*)", r"\1\nscanner:=somebody's"),
    "units in mm": in_header(r"^(encoding.*)", r'\1\nspace units: "mm" "mm" "mm"'),
}


def in_mhd(pattern, new):
    """Replace what a pattern matches in an MHD header."""
    return lambda path, random: path.write_text(re.sub(pattern, new, path.read_text(), flags=re.M))


def _compressed(change):
    """Replace the data file by a compressed one; give its bytes to `change`."""

    def mutate(path, random):
        data = path.with_suffix(".zraw")
        data.write_bytes(change(zlib.compress(path.with_suffix(".raw").read_bytes()), random))
        text = (
            path.read_text().replace(".raw", ".zraw").replace("NDims = 3", "NDims = 3\nCompressedData = True")
        )
        path.write_text(text)

    return mutate


def _list(count, same=False):
    """Replace the data file by one per slice, of which the header names `count` too few, or one of them twice."""

    def mutate(path, random):
        depth = int(re.search(r"^DimSize = \d+ \d+ (\d+)", path.read_text(), re.M)[1])
        voxels = np.frombuffer(path.with_suffix(".raw").read_bytes(), np.uint8).reshape(depth, -1)
        for z, content in enumerate(voxels):
            (path.parent / f"s{z}.raw").write_bytes(content.tobytes())
        names = [f"s{z}.raw" for z in range(depth - count)]
        if same:
            names[-1] = names[0]
        path.write_text(
            re.sub(
                r"^ElementDataFile.*",
                "ElementDataFile = LIST\n" + "\n".join(names),
                path.read_text(),
                flags=re.M,
            )
        )

    return mutate


METAIMAGE = {
    "no spacing": in_mhd(r"^ElementSpacing.*\n", ""),
    "spacings that are no numbers": in_mhd(r"^ElementSpacing.*", "ElementSpacing = nan nan nan"),
    "spacings of zero": in_mhd(r"^ElementSpacing.*", "ElementSpacing = 0 0.5 3"),
    "a negative spacing": in_mhd(r"^ElementSpacing.*", "ElementSpacing = 0.5 -0.5 3"),
    "a decimal comma": in_mhd(r"^ElementSpacing.*", "ElementSpacing = 0,5 0,5 3"),
    "an underscore in a spacing": in_mhd(r"^ElementSpacing.*", "ElementSpacing = 0_5 0.5 3"),
    "two spacings": in_mhd(r"^ElementSpacing.*", "ElementSpacing = 0.5 0.5"),
    "centimetres": in_mhd(r"^(NDims.*)", r"\1\nDistanceUnits = cm"),
    "a slice fewer in its header": in_mhd(r"^(DimSize = \d+ \d+) \d+", r"\1 3"),
    "a slice more in its header": in_mhd(r"^(DimSize = \d+ \d+) \d+", r"\1 9"),
    "two sizes": in_mhd(r"^(DimSize = \d+) \d+", r"\1"),
    "unsigned voxels": in_mhd(r"^ElementType.*", "ElementType = MET_USHORT"),
    "voxels of another width": in_mhd(r"^ElementType.*", "ElementType = MET_FLOAT"),
    "an unknown type": in_mhd(r"^ElementType.*", "ElementType = MET_SECRET"),
    "the other byte order": in_mhd(r"^BinaryDataByteOrderMSB.*", "BinaryDataByteOrderMSB = True"),
    "two values per voxel": in_mhd(r"^(NDims.*)", r"\1\nElementNumberOfChannels = 2"),
    "four dimensions": in_mhd(r"^NDims.*", "NDims = 4"),
    "a field twice": in_mhd(r"^(DimSize.*)", r"\1\n\1"),
    "a header before the voxels": in_mhd(r"^(NDims.*)", r"\1\nHeaderSize = 16"),
    "a scaling": in_mhd(r"^(NDims.*)", r"\1\nElementToIntensityFunctionSlope = 2"),
    "sheared axes": in_mhd(r"^TransformMatrix.*", "TransformMatrix = 1 0.3 0 0 1 0 0 0 1"),
    "a data file that is not there": in_mhd(r"^ElementDataFile.*", "ElementDataFile = elsewhere.raw"),
    "no data file": in_mhd(r"^ElementDataFile.*", ""),
    "a pattern of data files": in_mhd(r"^ElementDataFile.*", "ElementDataFile = s%d.raw 0 7 1"),
    "compression it has not": in_mhd(r"^(NDims.*)", r"\1\nCompressedData = True"),
    "cut voxels": lambda path, random: path.with_suffix(".raw").write_bytes(
        path.with_suffix(".raw").read_bytes()[: -int(random.integers(2, 900))]
    ),
    "bytes behind the voxels": lambda path, random: path.with_suffix(".raw").write_bytes(
        path.with_suffix(".raw").read_bytes() + bytes(64)
    ),
    "a damaged zlib stream": _compressed(_flipped),
    "a cut zlib stream": _compressed(lambda content, random: content[:-30]),
    "a list without some slices": _list(2),
    "a list with a slice twice": _list(0, same=True),
}
METAIMAGE_HARMLESS = {
    "compressed": _compressed(lambda content, random: content),
    "a list of all slices": _list(0),
    "a comment": in_mhd(r"^(NDims.*)", r"\1\nComment = by somebody"),
    "a centre of rotation": in_mhd(r"^(NDims.*)", r"\1\nCenterOfRotation = 0 0 0"),
}

HARMFUL = {"DICOM": DICOM, "NIfTI": NIFTI, "NRRD": NRRD, "MetaImage": METAIMAGE}
"""What must be refused."""
HARMLESS = {
    "DICOM": DICOM_HARMLESS,
    "NIfTI": NIFTI_HARMLESS,
    "NRRD": NRRD_HARMLESS,
    "MetaImage": METAIMAGE_HARMLESS,
}
"""What leaves the scan as it is, and must not be refused."""
WRITE = {
    "DICOM": lambda image, at: dicom_by_pydicom(image, at / "series"),
    "NIfTI": lambda image, at: nifti_by_nibabel(image, at / "scan.nii"),
    "NRRD": lambda image, at: nrrd_by_hand(image, at / "scan.nrrd"),
    "MetaImage": lambda image, at: metaimage_by_hand(image, at / "scan.mhd"),
}
