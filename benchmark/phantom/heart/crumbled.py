"""Plaques as real ones are: most lie in pieces of unlike size and density along a few millimetres of the wall."""

from __future__ import annotations

import numpy as np

from benchmark.phantom.heart.plaque import Disease, Lesion

IN_PIECES = 0.6
SMALLEST_MM3 = 2.0
MAXIMUM_PIECES = 4
EVEN = 0.4
"""Share of the volume that the pieces have alike."""
LENGTH = 0.75
"""Of a lesion's length its pieces take; the rest are the gaps between them."""


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
    """Return the pieces one behind the other along the lesion's own length, so that none lies over another."""
    count = min(int(rng.integers(2, MAXIMUM_PIECES + 1)), int(lesion.volume_mm3 // SMALLEST_MM3))
    shares = EVEN / count + (1 - EVEN) * rng.dirichlet(np.full(count, 2.0))
    middles = 2 * (np.cumsum(shares) - shares / 2) - 1
    return [_piece(lesion, float(share), float(at), rng) for share, at in zip(shares, middles, strict=True)]


def _piece(lesion: Lesion, share: float, at: float, rng: np.random.Generator) -> Lesion:
    """Return a part of a lesion's volume, `at` from −1 to 1 of its length, as thick as it within a third."""
    along, around, through = lesion.semi_axes_mm
    wider = float(np.exp(rng.normal(0, 0.15)))
    thick = LENGTH**-0.5
    return Lesion(
        vessel=lesion.vessel,
        position_mm=round(float(np.clip(lesion.position_mm + at * along, 0, 150)), 3),
        angle_deg=round((lesion.angle_deg + float(rng.normal(0, 50))) % 360, 2),
        semi_axes_mm=(LENGTH * share * along, thick * wider * around, thick / wider * through),
        density_mg_cm3=round(
            float(np.clip(lesion.density_mg_cm3 * np.exp(rng.normal(0, 0.2)), 130, 1100)), 1
        ),
    )
