"""What PyRadiomics reports of a scan and its ROI beside the features: its ``diagnostics_*`` columns.

They describe how and where the scan was taken, not the vessel. Learning from them shows what acquisition and geometry
alone tell of the label; see docs/audit.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from benchmark.errors import CaseError
from benchmark.plugins import FeatureExtractor

if TYPE_CHECKING:
    import pandas as pd
    import SimpleITK as sitk

IMAGE = ("Spacing", "Size", "Mean", "Minimum", "Maximum")
MASK = ("VoxelNum", "VolumeNum", "BoundingBox", "CenterOfMassIndex", "CenterOfMass")
"""Not the ROI's own mean, minimum and maximum HU: those are measured in the vessel."""
AXES = ("x", "y", "z", "x_size", "y_size", "z_size")


class ImageDiagnosticsExtractor(FeatureExtractor):
    """Spacing, size and HU range of the whole scan; size, number of parts and place of the ROI: a control."""

    libraries: ClassVar[tuple[str, ...]] = ("pyradiomics-bhklab", "numpy", "SimpleITK")

    def extract(self, image: sitk.Image, roi: sitk.Image) -> pd.Series:
        """Return the 23 numbers by PyRadiomics' names, e.g. ``diagnostics_Image-original_Spacing_x``.

        Spacing and centre of mass are in mm, size, bounding box and the centre's index in voxels, mean, minimum
        and maximum in HU. Raises `CaseError` if the ROI is empty, of which PyRadiomics reports nothing.
        """
        import pandas as pd
        import SimpleITK as sitk
        from radiomics.generalinfo import GeneralInfo

        from benchmark.images.geometry import refuse_other_grid

        refuse_other_grid(image, roi, "the ROI")
        region = roi != 0
        if not sitk.GetArrayViewFromImage(region).any():
            raise CaseError("the ROI is empty")
        info = GeneralInfo()
        info.addImageElements(image)
        info.addMaskElements(None, region, 1)
        reported = info.getGeneralInfo()
        names = [f"diagnostics_Image-original_{name}" for name in IMAGE]
        names += [f"diagnostics_Mask-original_{name}" for name in MASK]
        numbers = (number for name in names for number in _numbers(name, reported[name]))
        return pd.Series(dict(numbers), dtype="float64")


def _numbers(name: str, value: Any) -> list[tuple[str, float]]:
    """Return a number under its name, a tuple as one number per axis."""
    if not isinstance(value, tuple):
        return [(name, float(value))]
    return [(f"{name}_{axis}", float(part)) for axis, part in zip(AXES, value, strict=False)]
