"""The source of a case with implanted plaques: the host's own source, and what goes into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field
from scipy import ndimage

from benchmark.calcium.scoring import calcium_mask, score
from benchmark.case import Anomaly, Problem, Scan, ScanSource
from benchmark.errors import CaseError
from benchmark.images.geometry import bounding_box, refuse_other_grid
from benchmark.phantom.heart.plaque import Disease, Lesion
from benchmark.phantom.implant.host import Host, HostSettings
from benchmark.phantom.implant.placement import Implant, Vessel, at_voxel, place, widened
from benchmark.phantom.implant.rendering import Implanted, implanted
from benchmark.phantom.source import REACH_MM
from benchmark.plugins.declaration import Declaration
from benchmark.plugins.fingerprint import code_digest, digest_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

DENSE_HU = 130.0
CLEARANCE_VOXELS = 1
"""How far from what is dense already a plaque stays, in the plane."""
CROWDED = 0.2
"""A mask with a larger share of dense voxels holds no calcium but contrast medium."""


class PlacedPlaque(Declaration):
    """A plaque at a place of one's own choice."""

    voxel: tuple[float, float, float] = Field(
        description="its centre in voxels (z, y, x) of the scan turned to the patient's axes (LPS), from 0"
    )
    semi_axes_mm: tuple[float, float, float] = Field(
        (2.0, 1.2, 0.9), description="along the vessel, around it and outwards"
    )
    density_mg_cm3: float = Field(400.0, ge=100, le=1200, description="hydroxyapatite")

    @property
    def lesion(self) -> Lesion:
        """The plaque without its place."""
        return Lesion(
            vessel=1,
            position_mm=0,
            angle_deg=0,
            semi_axes_mm=self.semi_axes_mm,
            density_mg_cm3=self.density_mg_cm3,
        )


@dataclass(frozen=True)
class ImplantedScan:
    """A host scan with plaques in its vessel mask: drawn ones in their pieces, or ones that were placed.

    Equal inputs make equal bytes.
    """

    host_id: str
    host: ScanSource
    mask: str
    margin_mm: float
    drawn: tuple[Disease, ...]
    placed: tuple[PlacedPlaque, ...]
    existing: Literal["refuse", "keep"]
    settings: HostSettings
    seed: int

    @property
    def mask_names(self) -> tuple[str, ...] | None:
        """The names of the masks: the host's, with lesions."""
        names = getattr(self.host, "mask_names", None)
        return None if names is None else tuple(dict.fromkeys((*names, "lesions")))

    def problems(self, deep: bool = False) -> list[Problem]:
        """Return what is wrong with the host; deep: as `load` would find."""
        problems = getattr(self.host, "problems", None)
        if found := list(problems(deep)) if problems else []:
            return found
        try:
            if deep:
                self.load()
            elif (names := getattr(self.host, "mask_names", None)) is not None:
                self._refuse_without_mask(names)
        except CaseError as error:
            return [Problem("", str(error))]
        return []

    def digest(self) -> str:
        """Return the SHA-256 of the host's bytes, of what goes in and of the code that puts it there."""
        return digest_of(
            {
                "host": self.host.digest(),
                "drawn": [plaque.model_dump(mode="json") for plaque in self.drawn],
                "placed": [plaque.model_dump(mode="json") for plaque in self.placed],
                "settings": self.settings.model_dump(mode="json"),
                "rest": [self.mask, self.margin_mm, self.existing, self.seed],
                "code": code_digest(__name__),
            }
        )

    def load(self) -> Scan:
        """Return the scan, turned to the patient's axes, with the host's masks and ``lesions``. Raises `CaseError`."""
        return self._made().scan(self.mask)

    def record(self) -> dict[str, Any]:
        """Return what was measured of the host, each plaque in its place, and the true score, volume and mass."""
        return self._made().record()

    def _made(self) -> _Made:
        import SimpleITK as sitk

        scan = self.host.load()
        self._refuse_without_mask(tuple(scan.masks))
        refuse_other_grid(scan.image, scan.masks[self.mask], f"the mask {self.mask!r}")
        if not sitk.GetArrayViewFromImage(scan.masks[self.mask]).any():
            raise CaseError(
                f"{self.host_id}: the mask {self.mask!r} is empty; outline the coronary arteries in it"
            )
        host = Host.of(scan, self.mask, self.settings)
        labels = widened(host.labels(self.mask), self.margin_mm, host.grid)
        known = _Existing.of(host, labels)
        known.refuse(self.host_id, self.mask, self.existing)
        vessel = Vessel(labels, known.clear_of(labels), host.grid)
        implants = (
            tuple(at_voxel(plaque.lesion, plaque.voxel, vessel, self.host_id) for plaque in self.placed)
            if self.placed
            else place(self.drawn, vessel, self.seed)
        )
        return _Made(scan, host, known, implants)

    def _refuse_without_mask(self, names: tuple[str, ...]) -> None:
        if self.mask not in names:
            raise CaseError(
                f"{self.host_id}: the host has no mask {self.mask!r} to put plaques into; it has: "
                f"{', '.join(sorted(names)) or 'none'}; name one as `mask`, or give the scan one"
            )


@dataclass(frozen=True)
class _Existing:
    """Calcium that the host has of its own: in the vessel mask by the rule of scores, and in its mask of lesions."""

    labels: NDArray[Any]
    agatston: float
    share: float

    @classmethod
    def of(cls, host: Host, vessel: NDArray[Any]) -> _Existing:
        import SimpleITK as sitk

        found = calcium_mask(host.image, host.as_image((vessel > 0).astype(np.uint8)))
        labels = np.where(sitk.GetArrayViewFromImage(found) > 0, vessel, 0)
        if "lesions" in host.masks:
            drawn = host.labels("lesions")
            labels = np.where(drawn > 0, drawn, labels)
        agatston = score(host.image, host.as_image(labels.astype(np.uint16))).total.agatston
        return cls(labels, agatston, float((host.hu[vessel > 0] >= DENSE_HU).mean()))

    def clear_of(self, vessel: NDArray[Any]) -> NDArray[np.bool_]:
        """Return the voxels of the vessels that keep clear of this calcium."""
        free = vessel > 0
        side = 2 * CLEARANCE_VOXELS + 1
        if (box := bounding_box(self.labels > 0)) is not None:
            box = tuple(
                slice(max(part.start - CLEARANCE_VOXELS, 0), part.stop + CLEARANCE_VOXELS) for part in box
            )
            free[box] &= ~ndimage.binary_dilation(self.labels[box] > 0, np.ones((1, side, side), bool))
        return free

    def refuse(self, host_id: str, mask: str, rule: str) -> None:
        """Raise `CaseError` for calcium that is not to be kept."""
        if not self.labels.any() or rule == "keep":
            return
        kind = "contrast medium or " if self.share > CROWDED else ""
        raise CaseError(
            f"{host_id}: the host has {kind}calcium of its own, Agatston {self.agatston:.1f} in its mask {mask!r} or "
            "its lesions; use hosts without, or `existing: keep` to record it and make it part of the reference"
        )


@dataclass(frozen=True)
class _Made:
    """What became of a host."""

    read: Scan
    host: Host
    existing: _Existing
    implants: tuple[Implant, ...]

    @cached_property
    def result(self) -> Implanted:
        """The voxels."""
        return implanted(self.host, self.implants)

    def scan(self, mask: str) -> Scan:
        """Return the scan with its masks."""
        lesions = np.where(self.result.lesions > 0, self.result.lesions, self.existing.labels)
        names = self.read.label_names.get("lesions") or self._names(mask)
        return Scan(
            self.host.as_image(self.result.hu),
            {**self.host.masks, "lesions": self.host.as_image(lesions.astype(np.uint16))},
            (*self.read.anomalies, *self.host.assumed, *self._kept()),
            reach_mm=REACH_MM,
            label_names={**self.read.label_names, "lesions": names},
        )

    def record(self) -> dict[str, Any]:
        """Return it as JSON values; places are voxels (z, y, x)."""
        truth = Disease(lesions=tuple(one.lesion for one in self.implants)).truth()["total"]
        return {
            "host": {
                "psf_sigma_mm": self.host.psf_sigma_mm,
                "slice_thickness_mm": self.host.grid.thickness,
                "water_diameter_cm": self.host.water_diameter_cm,
                "tube_kv": self.host.tube_kv,
                "assumed": [f"{met.kind}: {met.detail}" for met in self.host.assumed],
                "existing_agatston": self.existing.agatston,
            },
            "implants": [
                self._implant(one, tissue)
                for one, tissue in zip(self.implants, self.result.tissue_hu, strict=True)
            ],
            "truth": {"total": truth},
        }

    def _implant(self, one: Implant, tissue_hu: float) -> dict[str, Any]:
        voxel = np.asarray(one.shape.centre) / self.host.grid.spacing
        return {
            "label": one.label,
            "voxel": [round(float(value), 3) for value in voxel],
            "semi_axes_mm": list(one.shape.semi_axes),
            "axes": [list(row) for row in one.shape.axes],
            "density_mg_cm3": one.lesion.density_mg_cm3,
            "displaced_hu": tissue_hu,
            "agatston": one.lesion.agatston,
            "volume_mm3": one.lesion.volume_mm3,
            "mass_mg": one.lesion.mass_mg,
        }

    def _names(self, mask: str) -> Mapping[int, str]:
        known = self.read.label_names.get(mask, {})
        labels = {one.label for one in self.implants}
        return {label: known.get(label, f"{mask} {label}") for label in sorted(labels)} | dict(known)

    def _kept(self) -> tuple[Anomaly, ...]:
        if not self.existing.labels.any():
            return ()
        return (Anomaly("calcium of the host's own kept", f"Agatston {self.existing.agatston:.1f}"),)
