"""Slices of phantoms and of real scans in one picture, at the same window, to see what tells them apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmark.phantom.acquisition.variety import draw_varied_acquisition
from benchmark.phantom.body.population import draw_chest_patient
from benchmark.phantom.gallery import WINDOW_HU
from benchmark.phantom.heart.crumbled import crumbled
from benchmark.phantom.heart.plaque import DiseaseModel
from benchmark.phantom.synthesis import Phantom

SLICES, COLUMNS, PATIENTS = 12, 6, 4
TILE, SIDE_MM, COVERAGE_MM = 256, 340.0, 180.0
"""Pixels and mm along a side of a slice as it is shown; length scanned of a phantom."""
AIR_HU = -1000.0

Slice = NDArray[np.float32]


def write_beside_real(file: Path, scans: Sequence[Path], seed: int = 0) -> None:
    """Write twelve slices of phantoms above twelve of real scans (NIfTI, or folders of DICOM) to `file` (PNG).

    Every slice is shown 340 mm wide, so that the size of pixels tells nothing; what a scan does not reach is air.
    Phantoms are chest scans of varied acquisitions. Raises `CaseError` where a scan cannot be read.
    """
    import SimpleITK as sitk
    from matplotlib.figure import Figure

    from benchmark.images.reading import read_image

    images = [read_image(scan) for scan in scans]
    real = [(sitk.GetArrayViewFromImage(image), image.GetSpacing()[::-1]) for image in images]
    made = [(phantom.image(), phantom.grid.spacing) for phantom in _phantoms(seed)]
    rows = 2 * SLICES // COLUMNS
    figure = Figure(figsize=(2 * COLUMNS, 2 * rows))
    figure.subplots_adjust(0, 0, 1, 1, 0.02, 0.02)
    tiles = [tile for group in (made, real) for tile in _tiles(group)]
    for axes, tile in zip(figure.subplots(rows, COLUMNS).ravel(), tiles, strict=True):
        axes.imshow(tile, cmap="gray", vmin=WINDOW_HU[0], vmax=WINDOW_HU[1])
        axes.axis("off")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=100, facecolor="black")


def _phantoms(seed: int) -> Iterator[Phantom]:
    """Yield phantoms of patients with calcium."""
    for k in range(seed * PATIENTS, (seed + 1) * PATIENTS):
        patient = draw_chest_patient(k)
        scan = draw_varied_acquisition("chest", patient, contrast=False, seed=k, coverage_mm=COVERAGE_MM)
        yield Phantom(patient, crumbled(DiseaseModel().draw(k), k), scan)


def _tiles(scans: Sequence[tuple[NDArray[np.int16], Sequence[float]]]) -> list[Slice]:
    """Return twelve slices at equal distances through the middle halves of the scans, one after the other."""
    lengths = np.array([len(hu) * spacing[0] for hu, spacing in scans])
    ends = np.rint(SLICES * np.cumsum(lengths) / lengths.sum()).astype(int)
    counts = np.diff(ends, prepend=0)
    return [
        _tile(hu[round((0.25 + 0.5 * share) * (len(hu) - 1))], spacing[1])
        for (hu, spacing), count in zip(scans, counts, strict=True)
        for share in (np.arange(count) + 0.5) / count
    ]


def _tile(section: NDArray[np.int16], pixel_mm: float) -> Slice:
    """Return a slice on the picture's own pixels, its middle in the middle."""
    step = SIDE_MM / TILE / pixel_mm
    offset = [(n - 1) / 2 - step * (TILE - 1) / 2 for n in section.shape]
    shown = ndimage.affine_transform(
        section.astype(np.float32), [step, step], offset, (TILE, TILE), order=1, mode="constant", cval=AIR_HU
    )
    return np.asarray(shown, dtype=np.float32)
