"""The filters of the Image Biomarker Standardisation Initiative, part 2, as mirp has them.

Whybra et al., Radiology 2024;310:e231319; parameters are those of the reference manual, arXiv 2006.05470. Lengths in
mm become voxels by the spacing of the resampled scan.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, field_validator

from benchmark.plugins.declaration import Declaration

Pooling = Literal["max", "min", "mean", "sum"]
Response = Literal["modulus", "real", "imaginary", "angle"]
_POOLING = "how the responses of the turned filters become one"
NOT_IN_NAMES = {"boundary", "truncate", "pooling", "response"}
"""Parameters that no feature's name tells."""


class _Filter(Declaration):
    boundary: Literal["mirror", "reflect", "nearest", "constant", "wrap"] = Field(
        "mirror", description="how the scan goes on beyond its border, in the words of scipy.ndimage"
    )

    def settings(self) -> dict[str, Any]:
        """Return mirp's keywords of it."""
        return {"filter_kernels": self._kernel(), "boundary_condition": self.boundary, **self._parameters()}

    def _kernel(self) -> str:
        return str(self.model_dump()["use"])

    def _parameters(self) -> dict[str, Any]:
        raise NotImplementedError

    def why_not(self, by_slice: bool) -> str:
        """Return why it cannot be used in slices, or else in three dimensions; nothing where it can."""
        return ""


class Mean(_Filter):
    """The mean of a cube, or of a square in the slice."""

    use: Literal["mean"] = "mean"
    size: int = Field(5, ge=3, description="voxels of a side, an odd number")

    @field_validator("size")
    @classmethod
    def _with_a_middle(cls, size: int) -> int:
        if size % 2 == 0:
            raise ValueError("must be odd, as 5 is")
        return size

    def _parameters(self) -> dict[str, Any]:
        return {"mean_filter_kernel_size": self.size}


class LaplacianOfGaussian(_Filter):
    """The Laplacian of a Gaussian, not multiplied by the square of its width."""

    use: Literal["laplacian_of_gaussian"] = "laplacian_of_gaussian"
    sigma_mm: float = Field(1.5, gt=0, description="standard deviation of the Gaussian in mm")
    truncate: float = Field(4.0, gt=0, description="how many standard deviations it reaches")

    def _parameters(self) -> dict[str, Any]:
        return {
            "laplacian_of_gaussian_sigma": self.sigma_mm,
            "laplacian_of_gaussian_kernel_truncate": self.truncate,
        }


class Laws(_Filter):
    """A separable kernel of Laws, and the mean of its absolute response around each voxel, its energy."""

    use: Literal["laws"] = "laws"
    kernel: str = Field(
        "L5E5E5",
        pattern="^(([LESWR]5)|([LES]3)){2,3}$",
        description="one kernel an axis: three of them, by slice two, such as L5E5",
    )
    energy_distance: int | None = Field(
        7, ge=1, description="voxels to each side whose absolute response is averaged; none: the response"
    )
    rotation_invariant: bool = Field(True, description="turn the filter by right angles and pool")
    pooling: Pooling = Field("max", description=_POOLING)

    def why_not(self, by_slice: bool) -> str:
        """Return why its kernels are too many or too few, if they are."""
        kernels, wanted = len(self.kernel) // 2, 2 if by_slice else 3
        return "" if kernels == wanted else f"laws: {self.kernel} has {kernels} kernels and needs {wanted}"

    def _parameters(self) -> dict[str, Any]:
        energy = {} if self.energy_distance is None else {"laws_delta": self.energy_distance}
        return {
            "laws_kernel": self.kernel,
            "laws_compute_energy": self.energy_distance is not None,
            "laws_rotation_invariance": self.rotation_invariant,
            "laws_pooling_method": self.pooling,
            **energy,
        }


class Gabor(_Filter):
    """A wave in a plane under a Gaussian; in three dimensions it lies in the axial slices, or in all three planes."""

    use: Literal["gabor"] = "gabor"
    sigma_mm: float = Field(5.0, gt=0, description="standard deviation of the Gaussian along the wave in mm")
    wavelength_mm: float = Field(2.0, gt=0, description="length of the wave in mm")
    aspect: float = Field(1.5, gt=0, description="how much narrower the Gaussian is across the wave")
    angle_degrees: float = Field(0.0, description="direction of the wave, or the first one")
    step_degrees: float | None = Field(
        22.5,
        gt=0,
        le=360,
        description="pool over all directions in such steps; none: the one of `angle_degrees`",
    )
    response: Response = Field("modulus", description="which real number is made of the complex response")
    rotation_invariant: bool = Field(
        True, description="pool over the three planes; by slice there is but one"
    )
    pooling: Pooling = Field("mean", description=_POOLING)

    @field_validator("step_degrees")
    @classmethod
    def _goes_round(cls, step: float | None) -> float | None:
        if step is not None and not (360 / step).is_integer():
            raise ValueError("must divide the circle, as 22.5 does")
        return step

    def _parameters(self) -> dict[str, Any]:
        return {
            "gabor_sigma": self.sigma_mm,
            "gabor_lambda": self.wavelength_mm,
            "gabor_gamma": self.aspect,
            "gabor_theta": self.angle_degrees,
            "gabor_theta_step": self.step_degrees,
            "gabor_response": self.response,
            "gabor_rotation_invariance": self.rotation_invariant,
            "gabor_pooling_method": self.pooling,
        }


class SeparableWavelet(_Filter):
    """A part of a stationary wavelet transform."""

    use: Literal["separable_wavelet"] = "separable_wavelet"
    wavelet: str = Field("db3", description="its name in PyWavelets, such as db3, coif1 or haar")
    passes: str = Field(
        "LLH",
        pattern="^[LH]{2,3}$",
        description="low or high pass along x, y and z; by slice two, such as LH",
    )
    level: int = Field(1, ge=1, le=5, description="level of the decomposition")
    rotation_invariant: bool = Field(True, description="turn the filter by right angles and pool")
    pooling: Pooling = Field("mean", description=_POOLING)

    @field_validator("wavelet")
    @classmethod
    def _known(cls, name: str) -> str:
        import pywt

        if name not in (known := pywt.wavelist(kind="discrete")):
            raise ValueError(f"must name a wavelet: {', '.join(known)}")
        return name

    def why_not(self, by_slice: bool) -> str:
        """Return why its passes are too many or too few, if they are."""
        wanted = 2 if by_slice else 3
        found = f"separable_wavelet: {self.passes} has {len(self.passes)} passes and needs {wanted}"
        return "" if len(self.passes) == wanted else found

    def _parameters(self) -> dict[str, Any]:
        return {
            "separable_wavelet_families": self.wavelet,
            "separable_wavelet_set": self.passes,
            "separable_wavelet_decomposition_level": self.level,
            "separable_wavelet_rotation_invariance": self.rotation_invariant,
            "separable_wavelet_pooling_method": self.pooling,
        }


class NonseparableWavelet(_Filter):
    """A ring of frequencies. It has no end: what it sees ends with the scan, or where that was cut."""

    use: Literal["nonseparable_wavelet"] = "nonseparable_wavelet"
    wavelet: Literal["simoncelli", "shannon"] = Field("simoncelli", description="which one")
    level: int = Field(1, ge=1, le=5, description="level of the decomposition")
    response: Response = Field("real", description="which real number is made of the complex response")

    def _parameters(self) -> dict[str, Any]:
        return {
            "nonseparable_wavelet_families": self.wavelet,
            "nonseparable_wavelet_decomposition_level": self.level,
            "nonseparable_wavelet_response": self.response,
        }


Filter = Annotated[
    Mean | LaplacianOfGaussian | Laws | Gabor | SeparableWavelet | NonseparableWavelet, Discriminator("use")
]
