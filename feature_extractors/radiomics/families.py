"""PyRadiomics' feature classes, two of them with shortcuts in the place of their searches."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def feature_classes() -> dict[str, Any]:
    """Return PyRadiomics' feature classes by family; `shape` and `glrlm` are ours, with the same features."""
    import logging

    import radiomics

    logging.getLogger("radiomics").setLevel(logging.CRITICAL)  # it warns of every symmetrical GLCM
    return {**radiomics.getFeatureClasses(), "shape": _shape(), "glrlm": _glrlm()}


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
                np.array(self.imageArray.shape), np.array([1]), False, False, 0
            )
            runs = run_lengths(self.imageArray, self.maskArray, angles)
            runs = runs[None, self.coefficients["grayLevels"] - 1][..., runs.any(axis=(0, 1))]
            self.coefficients["Nr"] = runs.sum(axis=(1, 2))
            return np.ascontiguousarray(runs)  # sums are rounded in the order of memory

    return RunLengths
