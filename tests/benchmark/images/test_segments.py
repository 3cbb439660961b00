"""Segmentations of 3D Slicer: what was drawn comes back, wherever it lies in its scan; what is none is refused."""

import numpy as np
import pytest
import SimpleITK as sitk

from benchmark.errors import CaseError
from benchmark.images.slicer.segments import read_segmentation, segments_of
from tests.benchmark.images.slicer_files import write_segmentation

TURNED = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
"""A scan stored from the patient's left to right and back to front, as many NIfTI files are."""


def scan(direction=None, origin=(-90.5, 12.25, -340.0)):
    image = sitk.GetImageFromArray(np.zeros((12, 30, 26), np.int16))
    image.SetSpacing((0.488281, 0.488281, 3.0))
    image.SetOrigin(origin)
    if direction:
        image.SetDirection(direction)
    return image


def drawn(seed=0):
    """Three segments; the aorta overlaps the LAD."""
    rng = np.random.default_rng(seed)
    arrays = {name: np.zeros((12, 30, 26), bool) for name in ("LAD", "RCA", "Thoracic aorta")}
    arrays["LAD"][3:5, 10:14, 8:12] = rng.random((2, 4, 4)) < 0.6
    arrays["RCA"][6:9, 20:24, 15:20] = rng.random((3, 4, 5)) < 0.6
    arrays["Thoracic aorta"][3:8, 11:19, 8:16] = True
    return arrays


@pytest.mark.parametrize("direction", [None, TURNED])
@pytest.mark.parametrize("way", [{"crop": True}, {"crop": False}, {"before_4_11": True}])
def test_what_was_drawn_comes_back_on_the_grid_of_the_scan(tmp_path, direction, way):
    image, arrays = scan(direction), drawn()
    layers = {"Thoracic aorta": 1}
    found = read_segmentation(
        write_segmentation(tmp_path / "a.seg.nrrd", image, arrays, layers=layers, **way)
    )
    assert [segment.name for segment in found.segments] == list(arrays)
    assert len(found.layers) == (3 if "before_4_11" in way else 2)
    laid = found.laid_on(image)
    for segment in laid.segments:
        assert (laid.voxels(segment) == arrays[segment.name]).all()
    assert (laid.voxels(laid.segments[0]) & laid.voxels(laid.segments[2])).any(), "they overlap"


def test_segments_that_do_not_overlap_share_a_layer(tmp_path):
    arrays = {name: array for name, array in drawn().items() if name != "Thoracic aorta"}
    found = read_segmentation(write_segmentation(tmp_path / "a.seg.nrrd", scan(), arrays))
    assert [(segment.layer, segment.value) for segment in found.segments] == [(0, 1), (0, 2)]
    assert found.layers[0].GetSize()[2] == 6, "cropped to slices 3 to 8"


def test_a_segmentation_may_be_stored_along_other_axes_than_its_scan(tmp_path):
    image, arrays = scan(), {"LAD": drawn()["LAD"]}
    mask = sitk.GetImageFromArray(arrays["LAD"].astype(np.uint8))
    mask.CopyInformation(image)
    turned = sitk.PermuteAxes(sitk.Flip(mask, (True, False, True)), (2, 0, 1))
    path = write_segmentation(tmp_path / "a.seg.nrrd", turned, {"LAD": sitk.GetArrayFromImage(turned) > 0})
    laid = read_segmentation(path).laid_on(image)
    assert (laid.voxels(laid.segments[0]) == arrays["LAD"]).all()


def test_a_label_image_has_its_labels_for_names(tmp_path):
    labels = drawn()["LAD"] * 2 + drawn()["RCA"] * 7
    mask = sitk.GetImageFromArray(labels.astype(np.uint8))
    mask.CopyInformation(scan())
    sitk.WriteImage(mask, str(tmp_path / "a.nii.gz"))
    found = read_segmentation(tmp_path / "a.nii.gz")
    assert [segment.name for segment in found.segments] == ["2", "7"]
    assert (found.voxels(found.segments[1]) == drawn()["RCA"]).all()


def test_a_name_may_hold_anything_and_a_header_a_hundred_segments(tmp_path):
    names = [f"Größe: {n}, «LAD» := x" for n in range(120)]
    arrays = {name: np.zeros((12, 30, 26), bool) for name in names}
    arrays[names[-1]][5, 5, 5] = True
    path = write_segmentation(tmp_path / "a.seg.nrrd", scan(), arrays)
    assert [segment.name for segment in segments_of(path)] == names
    assert read_segmentation(path).laid_on(scan()).voxels(segments_of(path)[-1]).sum() == 1


# What is refused


def changed(path, old, new):
    path.write_bytes(path.read_bytes().replace(old, new))
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((b"Segment", b"Sagment"), "its header names no segment; save it in 3D Slicer"),
        ((b"Segment1_Layer:=0", b"Segment1_Layer:=4"), "its segment 'RCA' is in layer 4, but there are 2"),
        (
            (b"Segment0_LabelValue:=1", b"Segment0_LabelValue:=x"),
            "label value of its segment 'LAD' is no whole number",
        ),
        ((b"list domain", b"time domain"), "not a 3-D image, as its `dimension` says"),
        ((b"sizes: 2 12", b"sizes: 2 13"), "bytes of voxels, where its header means"),
        ((b"NRRD0004", b"NRRX0004"), "damaged or truncated"),
    ],
)
def test_a_file_that_is_damaged_or_none_of_slicer_s_is_refused_with_a_sentence(tmp_path, change, message):
    path = write_segmentation(tmp_path / "a.seg.nrrd", scan(), drawn(), layers={"Thoracic aorta": 1})
    assert len(read_segmentation(path).segments) == 3
    with pytest.raises(CaseError, match=rf"a\.seg\.nrrd: .*{message}"):
        read_segmentation(changed(path, *change))


def test_a_stream_that_is_cut_is_refused(tmp_path):
    path = write_segmentation(tmp_path / "a.seg.nrrd", scan(), drawn(), layers={"Thoracic aorta": 1})
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CaseError, match="compressed voxels are"):
        read_segmentation(path)
    with pytest.raises(CaseError, match=r"nowhere\.seg\.nrrd: no such file"):
        read_segmentation(tmp_path / "nowhere.seg.nrrd")


@pytest.mark.parametrize("moved", [0.1, 0.25])
def test_a_segmentation_between_the_voxels_of_the_scan_is_refused_with_both_grids(tmp_path, moved):
    path = write_segmentation(tmp_path / "a.seg.nrrd", scan(), {"LAD": drawn()["LAD"]})
    elsewhere = scan(origin=(-90.5 + moved, 12.25, -340.0))
    with pytest.raises(CaseError, match=r"a\.seg\.nrrd is on another grid than the image"):
        read_segmentation(path).laid_on(elsewhere)
    resampled = read_segmentation(path).laid_on(elsewhere, resample=True)
    assert resampled.voxels(resampled.segments[0]).any()


def test_a_slice_distance_that_another_program_worked_out_otherwise_does_not_matter(tmp_path):
    image, array = scan(), drawn()["RCA"]
    path = write_segmentation(tmp_path / "a.seg.nrrd", image, {"RCA": array}, crop=False)
    image.SetSpacing((0.488281, 0.488281, 3.02))
    laid = read_segmentation(path).laid_on(image)
    assert (laid.voxels(laid.segments[0]) == array).all()
    image.SetSpacing((0.488281, 0.488281, 3.05))
    with pytest.raises(CaseError, match="on another grid"):
        read_segmentation(path).laid_on(image)


def test_a_segmentation_of_another_scan_on_the_same_lattice_is_refused(tmp_path):
    path = write_segmentation(tmp_path / "a.seg.nrrd", scan(), {"LAD": drawn()["LAD"]})
    with pytest.raises(CaseError, match="labelled voxels lie outside the scan; it is another scan's"):
        read_segmentation(path).laid_on(scan(origin=(-90.5, 12.25, -340.0 + 12)))
