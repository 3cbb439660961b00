"""The source of a phantom case: its three records, from which it is rendered where it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from benchmark.case import Scan
from benchmark.phantom.acquisition.scanner import Acquisition
from benchmark.phantom.body.patient import VESSEL_NAMES, Patient
from benchmark.phantom.heart.plaque import Disease
from benchmark.plugins.fingerprint import code_digest, digest_of

if TYPE_CHECKING:
    import SimpleITK as sitk

    from benchmark.phantom.geometry.grid import Grid

REACH_MM = 3.0
"""How far blur and motion show calcium beyond the true outline of a lesion, which the mask is (our choice)."""


class PhantomSource(BaseModel):
    """Makes a phantom's scan from its records. Equal records make equal bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    patient: Patient
    disease: Disease
    acquisition: Acquisition

    def load(self) -> Scan:
        """Return the image (int16 HU) and the masks (uint8): coronary, vessels, lesions, heart and aorta.

        Each is rendered where it is first looked at.
        """
        from benchmark.phantom.rendered import RenderedMasks, RenderedScan
        from benchmark.phantom.synthesis import MASKS, Phantom

        phantom = Phantom(self.patient, self.disease, self.acquisition)
        return RenderedScan(
            lambda: as_image(phantom.image(), phantom.grid),
            masks=RenderedMasks(MASKS, lambda name: as_image(phantom.mask(name), phantom.grid)),
            # What is joined to a lesion in an enhanced scan is blood.
            reach_mm=0.0 if self.acquisition.iodine_hu else REACH_MM,
            label_names={"lesions": VESSEL_NAMES, "vessels": VESSEL_NAMES},
        )

    def record(self) -> dict[str, Any]:
        """Return patient, disease and acquisition, and the true score, volume and mass of every vessel."""
        return {**self.model_dump(mode="json"), "truth": self.disease.truth()}

    def digest(self) -> str:
        """Return the SHA-256 of the records and of the code that renders them."""
        return digest_of({"record": self.model_dump(mode="json"), "code": code_digest(__name__)})


def as_image(array: np.ndarray, grid: Grid) -> sitk.Image:
    """Return an array (z, y, x) as an image on the grid; the axes are the patient's (LPS).

    Spacing and origin are rounded to what NIfTI stores (float32), so that a file reads back equal.
    """
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(array)
    image.SetSpacing([float(np.float32(value)) for value in grid.spacing[::-1]])
    image.SetOrigin([float(np.float32(value)) for value in grid.origin[::-1]])
    return image
