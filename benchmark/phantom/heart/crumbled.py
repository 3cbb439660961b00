"""Plaques as real ones are: most lie in pieces of unlike size and density along a few millimetres of the wall."""

from __future__ import annotations

import numpy as np

from benchmark.phantom.heart.plaque import Disease, Lesion

IN_PIECES = 0.6
SMALLEST_MM3 = 2.0
MAXIMUM_PIECES = 4


def crumbled(disease: Disease, seed: int) -> Disease:
    """Return the disease with most lesions in two to four pieces of the same volume together.

    Their densities differ, so the score is that of the pieces and not quite the lesion's.
    """
    rng = np.random.default_rng([seed % 2**32, 61])
    pieces: list[Lesion] = []
    for lesion in disease.lesions:
        whole = rng.random() > IN_PIECES or lesion.volume_mm3 < 2 * SMALLEST_MM3
        pieces += [lesion] if whole else _pieces(lesion, rng)
    return Disease(lesions=tuple(pieces))


def _pieces(lesion: Lesion, rng: np.random.Generator) -> list[Lesion]:
    count = min(int(rng.integers(2, MAXIMUM_PIECES + 1)), int(lesion.volume_mm3 // SMALLEST_MM3))
    return [_piece(lesion, float(share), rng) for share in rng.dirichlet(np.full(count, 2.0))]


def _piece(lesion: Lesion, share: float, rng: np.random.Generator) -> Lesion:
    """Return a part of a lesion's volume, of its proportions within a third, shifted along and around the wall."""
    along, around, through = lesion.semi_axes_mm
    stretch = np.exp(rng.normal(0, 0.25, 3))
    stretch *= (share / stretch.prod()) ** (1 / 3)
    place = lesion.position_mm + along * float(rng.uniform(-0.9, 0.9))
    angle = (lesion.angle_deg + float(rng.normal(0, 50))) % 360
    return Lesion(
        vessel=lesion.vessel,
        position_mm=round(float(np.clip(place, 0, 150)), 3),
        angle_deg=round(angle, 2),
        semi_axes_mm=(float(along * stretch[0]), float(around * stretch[1]), float(through * stretch[2])),
        density_mg_cm3=round(
            float(np.clip(lesion.density_mg_cm3 * np.exp(rng.normal(0, 0.2)), 130, 1100)), 1
        ),
    )
