"""What must be known of a real scan before anything is put into it, measured on the scan where it can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from benchmark.case import Anomaly, Scan
from benchmark.images.geometry import slice_thickness, tube_voltage
from benchmark.phantom.body.patient import REFERENCE_DIAMETER_CM
from benchmark.phantom.geometry.grid import Grid
from benchmark.phantom.implant.edge_spread import measured_psf_sigma
from benchmark.plugins.declaration import Declaration

if TYPE_CHECKING:
    import SimpleITK as sitk

BODY_ABOVE_HU = -300.0
ASSUMED_PSF_SIGMA_MM = 0.69
"""MTF50 of 0.27 /mm, that of a soft kernel; used where a scan has no edge to measure."""
PROFILE_SIGMA_MM = 0.35
ASSUMED_KV = 120.0


class HostSettings(Declaration):
    """What is to be taken for known of a host instead of being measured or read."""

    psf_sigma_mm: float | None = Field(
        None, ge=0.1, le=3, description="σ of the point spread in the plane; none: measured at edges of air"
    )
    slice_thickness_mm: float | None = Field(
        None, ge=0.25, le=20, description="none: as DICOM says, else the distance of the slices"
    )
    water_diameter_cm: float | None = Field(
        None,
        ge=10,
        le=60,
        description="water-equivalent; none: measured, 30 where the scan does not hold the body",
    )
    tube_kv: float | None = Field(None, ge=70, le=150, description="none: as DICOM says, else 120")


@dataclass(frozen=True)
class Host:
    """A scan as arrays (z, y, x), patient's axes (LPS), with what decides how calcium would look in it."""

    image: sitk.Image
    masks: Mapping[str, sitk.Image]
    hu: NDArray[Any]
    grid: Grid
    psf_sigma_mm: float
    water_diameter_cm: float
    tube_kv: float
    assumed: tuple[Anomaly, ...]

    @classmethod
    def of(cls, scan: Scan, mask: str, settings: HostSettings) -> Host:
        """Turn a scan to the patient's axes and measure it; its mask `mask` says which slices hold the heart."""
        import SimpleITK as sitk

        image = sitk.DICOMOrient(scan.image, "LPS")
        masks = {name: sitk.DICOMOrient(each, "LPS") for name, each in scan.masks.items()}
        hu = sitk.GetArrayFromImage(image)
        x, y, z = image.GetSpacing()
        thickness = settings.slice_thickness_mm or slice_thickness(scan.image) or z
        grid = Grid((hu.shape[0], hu.shape[1], hu.shape[2]), (z, y, x), (0.0, 0.0, 0.0), thickness)
        heart = np.flatnonzero(sitk.GetArrayViewFromImage(masks[mask]).any(axis=(1, 2)))
        sigma = settings.psf_sigma_mm or measured_psf_sigma(hu, grid.spacing)
        size = settings.water_diameter_cm or water_diameter_cm(hu[heart[0] : heart[-1] + 1], (y, x))
        volts = settings.tube_kv or tube_voltage(scan.image)
        taken = (
            ("point spread", sigma, f"σ {ASSUMED_PSF_SIGMA_MM} mm: the scan has too few edges of air"),
            (
                "water-equivalent diameter",
                size,
                f"{REFERENCE_DIAMETER_CM:g} cm: the scan does not hold the body",
            ),
            ("tube voltage", volts, f"{ASSUMED_KV:g} kV: no header says it"),
        )
        assumed = tuple(Anomaly(f"{what} assumed", how) for what, known, how in taken if known is None)
        return cls(
            image, masks, hu, grid,
            sigma or ASSUMED_PSF_SIGMA_MM, size or REFERENCE_DIAMETER_CM, volts or ASSUMED_KV, assumed,
        )  # fmt: skip

    def labels(self, mask: str) -> NDArray[Any]:
        """Return a mask's labels, (z, y, x)."""
        import SimpleITK as sitk

        return np.asarray(sitk.GetArrayFromImage(self.masks[mask]))

    def as_image(self, array: NDArray[Any]) -> sitk.Image:
        """Return an array as an image on the scan's grid."""
        import SimpleITK as sitk

        made = sitk.GetImageFromArray(array)
        made.CopyInformation(self.image)
        return made


def water_diameter_cm(hu: NDArray[Any], pixel_mm: tuple[float, float]) -> float | None:
    """Return the median water-equivalent diameter of slices (z, y, x); None where the body reaches their border.

    As in AAPM report 220: the area of water that attenuates like the body, (HU / 1000 + 1) summed, as a circle.
    """
    found = []
    for part in hu[:: max(len(hu) // 8, 1)]:
        pieces, _ = ndimage.label(part > BODY_ABOVE_HU)
        sizes = np.bincount(pieces.ravel())[1:]
        if not sizes.size:
            continue
        body = ndimage.binary_fill_holes(pieces == 1 + sizes.argmax())
        if body[0].any() or body[-1].any() or body[:, 0].any() or body[:, -1].any():
            return None
        area = float(np.clip(part[body] / 1000 + 1, 0, None).sum()) * pixel_mm[0] * pixel_mm[1]
        found.append(2 * float(np.sqrt(area / np.pi)) / 10)
    return float(np.median(found)) if found else None
