"""What reads what others wrote: a valid file of each kind, how it is read, and by which errors it may be refused."""

import contextlib
import gzip
import io
import plistlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import matplotlib.path  # noqa: F401  it makes a folder of settings when it is imported first
import nibabel
import numpy as np
import openpyxl
import SimpleITK as sitk

from benchmark.errors import CaseError, UserError
from tests.benchmark.images.scan_formats import random_ct
from tests.benchmark.images.written_scans import header_of, roi

IMAGE = random_ct(5)
IMAGE.SetDirection((1, 0, 0, 0, 1, 0, 0, 0, 1))
STUDY = """
name: toy
seed: 3
cohort: {use: phantom, zero: 6, nonzero: 6, seed: &seed 1}
segmenters:
  whole_image: {}
  dense: {use: threshold, within: whole_image, hu: 130}
extractors:
  volumes: {use: calcium_volumes, segmenter: dense}
  features: {use: radiomics, segmenter: dense}
classifiers:
  logistic_regression: {grid: {C: [0.1, 1.0]}}
  random_forest: {grid: {n_estimators: [10], max_depth: [2, null]}}
protocol: {folds: 3, inner_folds: 2, repeats: *seed}
target: {use: bands}
comparisons: {metrics: [balanced_accuracy], tests: [nadeau_bengio], rope: 0.05}
runs: ["volumes/logistic_regression"]
"""


@dataclass(frozen=True)
class Reader:
    """A kind of file: its name, its bytes (what is damaged), how they are packed around, and what is done with it."""

    name: str
    content: bytes
    read: object
    refused_by: tuple[type[Exception], ...]
    pack: object = bytes


def study(path):
    from benchmark.study.reading import read_study

    declared = read_study(path)
    str(declared.model_dump())


def table(path):
    from benchmark.table_file import read_table

    read_table(path, "cases", ("case_id",))


def manifest(path):
    from benchmark.cohorts.manifest import ManifestCohort

    sitk.WriteImage(IMAGE, str(path.parent / "a.nii"))
    cohort = ManifestCohort(path=path, read_tags=True)
    for case in cohort.cases()[:20]:
        assert case.source.problems(deep=True) is not None
        for work in (case.source.digest, case.source.load):
            try:
                work()
            except CaseError:
                continue
    cohort.notices()


def annotation(path):
    from benchmark.cohorts.coca_annotation import draw, inspect, read_annotation

    regions = read_annotation(path)
    inspect(regions)
    draw(regions, IMAGE)


def image(path):
    from benchmark.images.files import file_digest
    from benchmark.images.reading import read_grid, read_image, read_mask

    for work in (file_digest, read_grid, read_mask):
        try:
            work(path)
        except CaseError:
            continue
    read_image(path)


def series(path):
    from benchmark.images.dicom_series import describe_series, read_series

    folder = path.parent
    for z in range(1, IMAGE.GetDepth()):
        (folder / f"{z}.dcm").write_bytes(dicom(z))
    with contextlib.suppress(CaseError):
        str(describe_series(folder))
    assert read_series(folder).image.GetDepth() > 1


def segmentation(path):
    from benchmark.images.slicer.segments import read_segmentation

    read_segmentation(path).laid_on(IMAGE)


def tensors(path):
    from benchmark.networks.checkpoint import read_tensors

    read_tensors(path)


def dicom(z, **tags):
    header = header_of(IMAGE, z, **tags)
    header.PixelData = (sitk.GetArrayFromImage(IMAGE)[z] + 1024).astype(np.uint16).tobytes()
    written = io.BytesIO()
    header.save_as(written, enforce_file_format=True)
    return written.getvalue()


def written(name, image=IMAGE, packed=False):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        sitk.WriteImage(image, str(file), packed)
        return file.read_bytes()


def nifti_2():
    file = nibabel.Nifti2Image(sitk.GetArrayFromImage(IMAGE).transpose(), np.diag([1, 1, 3, 1]))
    file.header.set_xyzt_units("mm")
    return file.to_bytes()


def slicer():
    mask = sitk.Cast(IMAGE > 130, sitk.sitkUInt8)
    for key, value in (("Name", "LAD"), ("LabelValue", "1"), ("Layer", "0"), ("ID", "Segment_1")):
        mask.SetMetaData(f"Segment0_{key}", value)
    return written("a.seg.nrrd", mask)


def plist():
    inside = np.zeros(IMAGE.GetSize()[1::-1], bool)
    inside[10:14, 10:14] = True
    drawn = {"ImageIndex": 1, "NumberOfROIs": 1, "ROIs": [roi(IMAGE, 1, "Left Circumflex Artery", inside)]}
    return plistlib.dumps({"Images": [drawn]}, fmt=plistlib.FMT_XML)


def sheet():
    book = openpyxl.Workbook()
    for row in (["case_id", "image", "label"], ["a", "a.nii", 1], ["b", "b.nii", 0.5]):
        book.active.append(row)
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def sheet_part(name):
    with zipfile.ZipFile(io.BytesIO(sheet())) as book:
        return book.read(name)


def in_sheet(name):
    """Return what puts a part back into the workbook."""

    def pack(content):
        packed = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(sheet())) as book, zipfile.ZipFile(packed, "w") as other:
            for part in book.namelist():
                other.writestr(part, content if part == name else book.read(part))
        return packed.getvalue()

    return pack


def weights(kind):
    import torch
    from safetensors.torch import save

    state = {"conv.weight": torch.ones(2, 3), "conv.bias": torch.zeros(2)}
    if kind == "safetensors":
        return save(state)
    packed = io.BytesIO()
    torch.save({"state_dict": state}, packed, _use_new_zipfile_serialization=kind == "zip")
    return packed.getvalue()


def pickled():
    with zipfile.ZipFile(io.BytesIO(weights("zip"))) as archive:
        return archive.read("archive/data.pkl")


def in_archive(content):
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(weights("zip"))) as archive, zipfile.ZipFile(packed, "w") as other:
        for part in archive.namelist():
            other.writestr(part, content if part.endswith("data.pkl") else archive.read(part))
    return packed.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
MHD = (
    b"ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\nElementSpacing = 1 1 1\nElementType = MET_SHORT\n"
    b"ElementDataFile = LOCAL\n"
)
MANIFEST = (
    b"case_id,image,label,cac_score,mask,patient,group,contrast\n"
    b"a,a.nii,1,3.5,a.nii,p,g,yes\nb,a.nii,0,0,,q,g,no\n"
)


def readers():
    """Return every kind of file."""
    case, user = (CaseError,), (UserError,)
    return [
        Reader("study.yaml", STUDY.encode(), study, user),
        Reader("manifest.csv", MANIFEST, manifest, user),
        Reader("table.xlsx", sheet(), table, user),
        Reader("sheet.xlsx", sheet_part(SHEET), table, user, in_sheet(SHEET)),
        Reader("workbook.xlsx", sheet_part("xl/workbook.xml"), table, user, in_sheet("xl/workbook.xml")),
        Reader("annotation.xml", plist(), annotation, case),
        Reader("slice.dcm", dicom(0), series, case),
        Reader("scan.nii", written("a.nii"), image, case),
        Reader("scan.nii.gz", written("a.nii"), image, case, gzip.compress),
        Reader("packed.nii.gz", written("a.nii.gz", packed=True), image, case),
        Reader("second.nii", nifti_2(), image, case),
        Reader("scan.nrrd", written("a.nrrd"), image, case),
        Reader("packed.nrrd", written("a.nrrd", packed=True), image, case),
        Reader("scan.mha", written("a.mha"), image, case),
        Reader("packed.mha", written("a.mha", packed=True), image, case),
        Reader("header.mha", MHD, image, case, lambda content: content + bytes(16)),
        Reader("drawn.seg.nrrd", slicer(), segmentation, case),
        Reader("weights.safetensors", weights("safetensors"), tensors, user),
        Reader("weights.pt", weights("zip"), tensors, user),
        Reader("pickle.pt", pickled(), tensors, user, in_archive),
        Reader("legacy.pt", weights("legacy"), tensors, user),
    ]
