"""Small files that mean gigabytes are refused in one sentence, within a bounded memory."""

import gzip
import struct
import subprocess
import sys
import zipfile
import zlib
from io import BytesIO

import nibabel
import numpy as np
import openpyxl
import PIL.Image
import pydicom
import pytest
import SimpleITK as sitk

from tests.benchmark.images.written_scans import header_of

MEMORY_MB = 500
"""What reading may take beside what the libraries take once they are imported."""
HUGE = 2_000
LIMITED = """
import resource, sys
import nibabel, numpy, openpyxl, pydicom, SimpleITK as sitk
from pathlib import Path
from benchmark.errors import CaseError, UserError
from benchmark.images.reading import read_grid, read_image
from benchmark.images import dicom_series
from benchmark.table_file import read_table
from benchmark.images.volume_files import metaimage, nifti, nrrd
sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
limit = used + int(sys.argv[2]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
path = Path(sys.argv[1])
try:
    read_table(path, "cases") if path.suffix == ".xlsx" else read_image(path)
except (CaseError, UserError) as error:
    print(error)
"""


def refusal(path, megabytes=MEMORY_MB):
    """The sentence by which a file is refused in a process of bounded memory."""
    command = [sys.executable, "-c", LIMITED, str(path), str(megabytes)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout.strip()


def zeros(write, megabytes):
    block = bytes(1 << 20)
    for _ in range(megabytes):
        write(block)


def nifti_header(shape, kind=np.int16):
    header = nibabel.Nifti1Header()
    header.set_data_shape(shape)
    header.set_data_dtype(kind)
    header.set_sform(np.diag([0.5, 0.5, 3, 1]), 1)
    header.set_xyzt_units("mm")
    header.set_zooms((0.5, 0.5, 3))
    header["vox_offset"], header["magic"] = 352, b"n+1"
    return header.binaryblock + bytes(4)


def nifti_of(file, shape, megabytes):
    with gzip.open(file, "wb", 1) as stream:
        stream.write(nifti_header(shape))
        zeros(stream.write, megabytes)
    return file


def nrrd_of(file, sizes, megabytes):
    head = f"NRRD0004\ntype: int16\ndimension: 3\nsizes: {sizes}\nspacings: 1 1 1\nencoding: gzip\nendian: little\n\n"
    packed = BytesIO()
    with gzip.open(packed, "wb", 1) as stream:
        zeros(stream.write, megabytes)
    file.write_bytes(head.encode() + packed.getvalue())
    return file


def metaimage_of(file, sizes, megabytes):
    packer, parts = zlib.compressobj(1), []
    zeros(lambda block: parts.append(packer.compress(block)), megabytes)
    packed = b"".join([*parts, packer.flush()])
    head = (
        f"ObjectType = Image\nNDims = 3\nBinaryData = True\nCompressedData = True\nCompressedDataSize = {len(packed)}\n"
        f"DimSize = {sizes}\nElementSpacing = 1 1 1\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    )
    file.write_bytes(head.encode() + packed)
    return file


def test_sizes_that_no_scan_has_are_refused_before_anything_is_unpacked(tmp_path):
    large = "its header means more than 2 GiB of voxels"
    nifti_of(tmp_path / "a.nii.gz", (30_000, 30_000, 30_000), 1)
    nrrd_of(tmp_path / "a.nrrd", "30000 30000 30000", 1)
    metaimage_of(tmp_path / "a.mha", "30000 30000 30000", 1)
    with (tmp_path / "sparse.nii").open("wb") as file:
        file.write(nifti_header((2048, 2048, 1024)))
        file.truncate(352 + 2**33)
    for file in tmp_path.iterdir():
        assert refusal(file).startswith(f"{file.name}: {large}")
    nrrd_of(tmp_path / "b.nrrd", f"{'9' * 60} 2 2", 1)
    assert "are not those of a volume" in refusal(tmp_path / "b.nrrd")


@pytest.mark.slow
def test_streams_that_hold_more_than_the_header_means_are_left_at_once(tmp_path):
    assert "more bytes than its header means" in refusal(nifti_of(tmp_path / "a.nii.gz", (16, 16, 8), HUGE))
    for file in (
        nrrd_of(tmp_path / "a.nrrd", "16 16 8", HUGE),
        metaimage_of(tmp_path / "a.mha", "16 16 8", HUGE),
    ):
        assert "its compressed voxels are more than its header means" in refusal(file)


@pytest.mark.slow
def test_voxels_that_begin_nowhere_are_refused(tmp_path):
    for offset in (float("inf"), float("nan"), 1e30, 3e9, -5, 0):
        header = bytearray(nifti_header((16, 16, 8)))
        header[108:112] = struct.pack("<f", offset)
        (tmp_path / "a.nii").write_bytes(bytes(header) + bytes(4096))
        assert "its voxels would begin inside its header or far behind it" in refusal(tmp_path / "a.nii")


def slices(folder, syntax, pixels, rows=512, columns=512):
    image = sitk.Image(8, 8, 3, sitk.sitkInt16)
    folder.mkdir()
    for z in range(3):
        header = header_of(image, z)
        header.Rows, header.Columns = rows, columns
        header.BitsAllocated, header.BitsStored, header.HighBit = 8, 8, 7
        header.file_meta.TransferSyntaxUID = syntax
        header.PixelData = pixels
        header["PixelData"].VR = "OB"
        header["PixelData"].is_undefined_length = syntax.is_encapsulated
        header.save_as(folder / f"{z}.dcm", enforce_file_format=True)
    return folder


def picture(kind, side):
    written = BytesIO()
    PIL.Image.fromarray(np.zeros((side, side), np.uint8)).save(written, kind)
    return pydicom.encaps.encapsulate([written.getvalue()])


@pytest.mark.parametrize(
    ("kind", "syntax"), [("JPEG2000", pydicom.uid.JPEG2000Lossless), ("JPEG", pydicom.uid.JPEGBaseline8Bit)]
)
def test_a_picture_larger_than_its_slice_is_not_decoded(tmp_path, kind, syntax):
    folder = slices(tmp_path / "bomb", syntax, picture(kind, 8_000 if kind == "JPEG2000" else 30_000))
    assert "file 1 of 3 by name cannot be decoded" in refusal(folder)
    right = refusal(slices(tmp_path / "right", syntax, picture(kind, 512)))
    assert "cannot be decoded" not in right, "of the size that the header says it is"
    assert "the image is constant" in right


def test_a_deflated_slice_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path):
    folder = slices(tmp_path / "bomb", pydicom.uid.ExplicitVRLittleEndian, bytes(512 * 512))
    for file in folder.iterdir():
        content = file.read_bytes()
        begin = 144 + pydicom.dcmread(file).file_meta.FileMetaInformationGroupLength
        packer, parts = zlib.compressobj(1, wbits=-15), []
        parts.append(packer.compress(content[begin:]))
        zeros(lambda block, packer=packer, parts=parts: parts.append(packer.compress(block)), HUGE // 4)
        head = content[:begin].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
        head = head.replace(b"UI\x14\x001.2.840.10008.1.2.1.99", b"UI\x16\x001.2.840.10008.1.2.1.99")
        length = struct.pack("<I", len(head) - 144)
        file.write_bytes(head[:140] + length + head[144:] + b"".join(parts) + packer.flush())
        assert file.stat().st_size < 10_000_000
    assert "file 1 of 3 by name cannot be decoded" in refusal(folder)


def test_rows_and_columns_that_no_slice_has_are_refused_by_the_headers_alone(tmp_path):
    folder = slices(tmp_path / "bomb", pydicom.uid.JPEG2000Lossless, picture("JPEG2000", 64), 65_535, 65_535)
    assert refusal(folder).startswith("bomb: its header means more than 2 GiB of voxels")


def test_a_workbook_that_unpacks_to_gigabytes_or_reaches_far_is_refused(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["case_id", "image"])
    book.active.cell(1_000_000, 16_000, "x")
    book.save(tmp_path / "far.xlsx")
    assert "reaches further than any table" in refusal(tmp_path / "far.xlsx")
    archive = zipfile.ZipFile(tmp_path / "zeros.xlsx", "w", zipfile.ZIP_DEFLATED)
    with archive, archive.open("xl/worksheets/sheet1.xml", "w") as part:
        zeros(part.write, 300)
    assert "unpacks to more than 256 MiB" in refusal(tmp_path / "zeros.xlsx")
