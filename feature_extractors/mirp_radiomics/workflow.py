"""Handing a scan in memory over to mirp, quietly and in this process, and its tables back.

mirp reads files or arrays; arrays cannot bring their spacing, so the scan is given as the object that mirp would have
made of a file. Its workflow for one scan is run directly: the function around it names scans at random, by which the
random choices within mirp would differ from run to run, and starts workers of its own.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.errors import CaseError
from feature_extractors.mirp_radiomics.autocorrelation import in_the_place_of_mirps

if TYPE_CHECKING:
    import pandas as pd
    import SimpleITK as sitk
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

TELLING = (
    "Mask was not (dilated|eroded)",
    "Non-uniform voxel spacing",
    "No segmentation masks",
    "Unable to compute local intensity",
    "Sigma is smaller than the image spacing",
)
"""How warnings begin after which mirp does something else than it was asked for, or nothing."""

SPLINE_VOXELS = 12
"""How far a cubic spline is taken to see: what lies so far away counts a ten-millionth."""


@dataclass(frozen=True)
class Cut:
    """A scan and its region around the region; all in the order (z, y, x), `spacing` in mm.

    `first` is where it begins in the whole scan, `whole` that one's size, both in voxels.
    """

    hu: NDArray[np.float64]
    inside: NDArray[np.bool_]
    spacing: Vector
    first: Vector
    whole: Vector

    def phase(self, spacing: Vector) -> Vector:
        """Return by what part of a new voxel a grid about the middle of the cut must move to lie in the whole scan's.

        IBSI's grid lies about the middle of the scan.
        """
        step = spacing / self.spacing

        def start(size: Vector) -> Vector:
            voxels = np.ceil(size * (self.spacing / spacing))
            return np.asarray(0.5 * (size - 1) - 0.5 * (voxels - 1) * step)

        moved = (start(self.whole) - self.first - start(np.array(self.hu.shape, float))) / step
        return np.where(np.isclose(moved, np.round(moved), atol=1e-9), 0.0, moved % 1)

    def room(self, by_slice: bool) -> float:
        """Return how many times the region would fit into the cut, by slice into the slices that it lies in."""
        places = self.inside.any(axis=(1, 2)).sum() * self.inside[0].size if by_slice else self.inside.size
        return float(places / self.inside.sum())


def cut_around(image: sitk.Image, region: sitk.Image, margin_mm: float) -> Cut:
    """Return the scan around a region that is not empty, with a margin as wide as asked for where the scan goes on."""
    import SimpleITK as sitk

    from benchmark.images.geometry import crop_to_roi

    around, within = crop_to_roi(image, region, margin_mm, SPLINE_VOXELS)
    return Cut(
        hu=sitk.GetArrayFromImage(around).astype(np.float64),
        inside=sitk.GetArrayFromImage(within) != 0,
        # Headers keep spacings in 32-bit floats, and mirp asks whether they are equal to the last bit.
        spacing=np.round(image.GetSpacing()[::-1], 5),
        first=np.array(image.TransformPhysicalPointToIndex(around.GetOrigin())[::-1], float),
        whole=np.array(image.GetSize()[::-1], float),
    )


def tables(
    cut: Cut,
    settings: Any,
    responses: Sequence[Any],
    places: Sequence[tuple[float, tuple[float, float, float]]],
    spacing: Vector | None,
) -> Iterator[pd.DataFrame]:
    """Yield for each turn and shift a table of the features of scan and responses, a row for each size of the region.

    `settings` are mirp's of everything but filters, `responses` those of a filter each, `spacing` (z, y, x) that of the
    resampled scan, none where it is not. Raises `CaseError` for a region of which nothing is left.
    """
    phase = np.zeros(3) if spacing is None else cut.phase(spacing)
    for degrees, shift in places:
        moved = phase + shift
        workflow = _workflow()(
            image_file=_native(cut),
            settings=settings,
            export_features=True,
            rotation=degrees,
            translation=tuple((moved % 1).tolist()),
            new_image_spacing=None if spacing is None else tuple(spacing.tolist()),
        )
        workflow.responses = responses
        with quietly(), in_the_place_of_mirps():
            table = workflow.standard_extraction()
        if table is None:
            raise CaseError("mirp finds nothing of the ROI")
        yield table.loc[:, [not str(name).startswith(("image_", "sample_")) for name in table.columns]]


def _native(cut: Cut) -> Any:
    """Return a CT as mirp has it, with its region. Where it lies, and along which axes, decides no feature."""
    from mirp._images.generic_image import GenericImage
    from mirp._masks.base_mask import BaseMask

    grid = {
        "sample_name": "scan",  # part of the seed of what mirp draws
        "image_origin": (0.0, 0.0, 0.0),
        "image_orientation": np.eye(3),
        "image_spacing": tuple(cut.spacing.tolist()),
        "image_dimensions": cut.hu.shape,
    }
    image = GenericImage(image_modality="ct", image_data=cut.hu, **grid)
    mask = BaseMask(roi_name="region", image_modality="generic_mask", image_data=cut.inside, **grid)
    image.associated_masks = [mask]
    return image


@cache
def _workflow() -> Any:
    from mirp._workflows.standardWorkflow import StandardWorkflow

    class Checked(StandardWorkflow):
        """mirp's way of one scan, with any number of filters of one kind, which stops where no voxel is left."""

        responses: Sequence[Any] = ()

        def standard_image_processing(self) -> Iterator[Any]:
            """Yield the scan with its regions, and each of its responses."""
            for image, masks in super().standard_image_processing():
                for mask in masks:
                    left = (
                        0 if mask.roi_intensity.is_empty() else int(mask.roi_intensity.get_voxel_grid().sum())
                    )
                    if left < 2:
                        raise CaseError(
                            f"resampling, resegmentation or perturbation leaves {left} voxels of the ROI"
                        )
                yield image, masks
                unfiltered = self.settings.img_transform
                for settings in self.responses:
                    self.settings.img_transform = settings  # mirp's features of a response look there, too
                    for response in self.transform_images(image=image):
                        yield response, masks
                self.settings.img_transform = unfiltered

    return Checked


@contextmanager
def quietly() -> Iterator[None]:
    """Keep mirp's messages from everybody and its handler from the root logger; raise `CaseError` for what it warns of.

    Only for what says that something else was done than asked for; the others are ignored.
    """
    root, silent = logging.getLogger(), logging.NullHandler()  # with a handler there, mirp adds none
    root.addHandler(silent)
    root.addFilter(_of_others)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for beginning in TELLING:
                warnings.filterwarnings("error", message=beginning, category=UserWarning)
            yield
    except UserWarning as warning:
        raise CaseError(f"mirp: {str(warning).strip()}") from None
    finally:
        root.removeFilter(_of_others)
        root.removeHandler(silent)


def _of_others(record: logging.LogRecord) -> bool:
    return "/mirp/" not in record.pathname.replace("\\", "/")
