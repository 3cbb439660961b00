"""PyRadiomics' feature classes, two of them with shortcuts in the place of their searches."""

from __future__ import annotations

from functools import cache
from typing import Any

TEXTURE = ("glcm", "glrlm", "glszm", "gldm", "ngtdm")


@cache
def feature_classes() -> dict[str, Any]:
    """Return PyRadiomics' feature classes by family; `shape` and `glrlm` are ours, with the same features.

    Those of texture know one setting more: ``binOrigin``, the HU at which grey level 1 begins.
    """
    import logging

    import radiomics

    logging.getLogger("radiomics").setLevel(logging.CRITICAL)  # it warns of every symmetrical GLCM
    classes = {**radiomics.getFeatureClasses(), "shape": _shape(), "glrlm": _glrlm()}
    return classes | {name: _with_origin(classes[name]) for name in TEXTURE}


def _with_origin(texture: Any) -> Any:
    import numpy as np

    class FromOrigin(texture):
        """Texture of grey levels that are counted from a given HU on, where one is given."""

        def _applyBinning(self, matrix: Any) -> Any:  # noqa: N802
            if (origin := self.settings.get("binOrigin")) is None:
                return super()._applyBinning(matrix)
            levels = np.zeros(matrix.shape, int)
            inside = matrix[self.maskArray].astype(np.float64)
            levels[self.maskArray] = np.floor((inside - origin) / self.settings["binWidth"]) + 1
            self.coefficients["grayLevels"] = np.unique(levels[self.maskArray])
            self.coefficients["Ng"] = int(levels.max())
            return levels

    FromOrigin.__module__ = texture.__module__  # by which PyRadiomics names the logger that is kept quiet
    return FromOrigin


def _shape() -> Any:
    import numpy as np
    import SimpleITK as sitk
    from radiomics.shape import RadiomicsShape

    from feature_extractors.radiomics.mesh import mesh_of

    class Shape(RadiomicsShape):
        """Shape from the mesh's states and hull instead of all pairs of its vertices."""

        def _initSegmentBasedCalculation(self) -> None:  # noqa: N802
            """Set what its features are calculated from."""
            self.pixelSpacing = np.array(self.inputImage.GetSpacing()[::-1])
            self.maskArray = np.pad(sitk.GetArrayViewFromImage(self.inputMask) == self.label, 1)
            self.labelledVoxelCoordinates = np.nonzero(self.maskArray)
            self.SurfaceArea, self.Volume, self.diameters = mesh_of(self.maskArray, self.pixelSpacing)
            places = np.array(self.labelledVoxelCoordinates).T * self.pixelSpacing
            places = (places - places.mean(axis=0)) / np.sqrt(len(places))
            values = np.linalg.eigvals(places.T.copy() @ places)
            values[(values < 0) & (values > -1e-10)] = 0  # rounding, where the ROI is flat
            self.eigenValues = np.sort(values)

    return Shape


def _glrlm() -> Any:
    import numpy as np
    from radiomics import cMatrices
    from radiomics.glrlm import RadiomicsGLRLM

    from feature_extractors.radiomics.run_lengths import run_lengths

    class RunLengths(RadiomicsGLRLM):
        """Run lengths counted from where runs begin, instead of along every line of the box."""

        def _calculateMatrix(self, voxelCoordinates: None = None) -> Any:  # noqa: N802
            """Return the runs as (1, grey level of the ROI, length, angle)."""
            angles = cMatrices.generate_angles(
                np.array(self.imageArray.shape),
                np.array([1]),
                False,
                self.settings.get("force2D", False),
                self.settings.get("force2Ddimension", 0),
            )
            runs = run_lengths(self.imageArray, self.maskArray, angles)
            runs = runs[None, self.coefficients["grayLevels"] - 1][..., runs.any(axis=(0, 1))]
            self.coefficients["Nr"] = runs.sum(axis=(1, 2))
            return np.ascontiguousarray(runs)  # sums are rounded in the order of memory

    return RunLengths
