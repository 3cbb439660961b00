"""One picture of what the phantoms look like: a cardiac and a chest scan, and the QRM insert beside a real one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmark.phantom.acquisition.scanner import Acquisition, Protocol, draw_acquisition, preset
from benchmark.phantom.body.patient import VESSEL_NAMES
from benchmark.phantom.body.population import draw_chest_patient
from benchmark.phantom.heart.plaque import DiseaseModel
from benchmark.phantom.qrm import QrmPhantom
from benchmark.phantom.synthesis import Phantom

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PATIENT_SEED, DISEASE_SEED, SCAN_SEED = 11, 4, 3
WINDOW_HU = (-160.0, 360.0)
COLOURS = {1: "gold", 2: "tomato", 3: "deepskyblue", 4: "limegreen"}
QRM_SIDE_MM = 110.0
QRM_ROWS = slice(105, 330)
QRM_COLUMNS = slice(144, 369)
"""The insert in the real series."""
QRM_REAL_SLICE = 22


def write_gallery(file: Path, qrm_dicom: Path | None = None) -> None:
    """Write the picture to `file` (PNG, SVG, …, as its ending says).

    The same patient in a chest and in a cardiac scan, without and with the outlines of the coronary mask and of
    the lesions; the digital QRM insert; and the real one if the folder of its DICOM series is given, otherwise
    the cardiac scan with contrast. Raises `CaseError` where that folder cannot be read.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7.5), layout="constrained")
    axes = figure.subplots(2, 3)
    _show_phantom(axes[0], _phantom("chest", 360.0, 0.78125), "chest, not gated")
    _show_phantom(axes[1], _phantom("cardiac", 180.0, 0.390625), "cardiac, gated")
    _show_digital_qrm(axes[0][2])
    if qrm_dicom is not None:
        _show_real_qrm(axes[1][2], qrm_dicom)
    else:
        enhanced = _phantom("cardiac", 180.0, 0.390625, contrast=True)
        _show(axes[1][2], enhanced.image()[_fullest_slice(enhanced)], "the same with contrast")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=90)


def _phantom(protocol: Protocol, field_of_view_mm: float, pixel_mm: float, contrast: bool = False) -> Phantom:
    """Return the gallery's patient in a scan of that protocol."""
    patient = draw_chest_patient(PATIENT_SEED)
    disease = DiseaseModel(median_score=350, sigma_ln=0).draw(DISEASE_SEED)
    size = {"field_of_view_mm": field_of_view_mm, "pixel_mm": pixel_mm, "coverage_mm": 66.0}
    base = Acquisition.model_validate(preset(protocol, "standard").model_dump() | size)
    return Phantom(patient, disease, draw_acquisition(base, patient, contrast, seed=SCAN_SEED))


def _show_phantom(row: NDArray[np.object_], phantom: Phantom, title: str) -> None:
    """Show the slice with the most calcium twice: as it is, and outlined."""
    masks, z = phantom.masks(), _fullest_slice(phantom)
    section = phantom.image()[z]
    score = phantom.disease.agatston
    _show(row[0], section, f"{title}: SD {phantom.acquisition.noise_sd_hu:.0f} HU, true Agatston {score:.0f}")
    _show(row[1], section, "coronary mask (" + ", ".join(VESSEL_NAMES.values()) + ") and lesions (white)")
    for label, colour in COLOURS.items():
        _outline(row[1], masks["vessels"][z] == label, colour, 0.9)
    _outline(row[1], masks["lesions"][z] > 0, "white", 0.7)


def _fullest_slice(phantom: Phantom) -> int:
    """Return the index of the slice with the most calcium."""
    return int((phantom.masks()["lesions"] > 0).sum(axis=(1, 2)).argmax())


def _show_digital_qrm(axes: Axes) -> None:
    phantom = QrmPhantom()
    half = round(QRM_SIDE_MM / 2 / phantom.grid.spacing[1])
    part = slice(phantom.grid.shape[1] // 2 - half, phantom.grid.shape[1] // 2 + half)
    _show(axes, phantom.image()[phantom.grid.shape[0] // 2, part, part], "QRM insert, digital")


def _show_real_qrm(axes: Axes, qrm_dicom: Path) -> None:
    import SimpleITK as sitk

    from benchmark.images.reading import read_image

    volume = sitk.GetArrayFromImage(read_image(qrm_dicom))
    _show(axes, volume[QRM_REAL_SLICE, QRM_ROWS, QRM_COLUMNS], "QRM insert, real scan")


def _show(axes: Axes, section: NDArray[np.int16], title: str) -> None:
    axes.imshow(section, cmap="gray", vmin=WINDOW_HU[0], vmax=WINDOW_HU[1], interpolation="bilinear")
    axes.set_title(title, fontsize=8)
    axes.axis("off")


def _outline(axes: Axes, mask: NDArray[np.bool_], colour: str, width: float) -> None:
    if mask.any():
        axes.contour(mask, levels=[0.5], colors=[colour], linewidths=width)
