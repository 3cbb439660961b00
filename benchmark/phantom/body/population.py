"""Patients of the second generation: a population of chests 190 to 340 mm deep, the heart fitted into each."""

from __future__ import annotations

import numpy as np

from benchmark.phantom.body.cage import Cage
from benchmark.phantom.body.patient import STENTED, Deposit, Patient, draw_deposit, draw_patient
from benchmark.phantom.body.physique import draw_physique

HEART_DEPTH_MM = 106.0
"""A heart of scale 1, front to back."""
BEFORE_SPINE_MM = 26.0
"""From the vertebral bodies' centre to the heart: half a body, and part of the aorta that the heart lies against."""


def draw_chest_patient(seed: int, stented: float = STENTED) -> Patient:
    """Draw heart, arteries and calcium as in the first generation, then the chest, and fit the heart into it."""
    heart = draw_patient(seed, stented)
    rng = np.random.default_rng([seed % 2**32, 2])
    female = heart.sex == "female"
    depth = float(np.clip(rng.normal(246 if female else 266, 28), 190, 340))
    size = {
        "chest_depth_mm": round(depth, 2),
        "chest_width_mm": round(float(np.clip(0.72 * depth + 154 + rng.normal(0, 16), 280, 470)), 2),
        "fat_mm": round(
            float(np.clip(4 + 0.15 * (depth - 190) + rng.normal(4 if female else 0, 5), 4, 45)), 2
        ),
        "deposits": _deposits(rng),
        "physique": draw_physique(int(rng.integers(2**31)), female),
    }
    chest = Patient.model_validate(heart.model_dump() | size)
    assert chest.physique is not None  # noqa: S101
    cage = Cage(chest, chest.physique)
    room = float(cage.spine_y(np.array(0.0)) - cage.front(np.array(0.0))) - BEFORE_SPINE_MM
    fits = (room - chest.physique.retrosternal_mm) / HEART_DEPTH_MM
    scale = float(np.clip(min(heart.heart_scale, fits), 0.78, 1.2))
    # In a flat chest the heart lies further to the left.
    left = heart.heart_left_mm + 40 * max(0.0, 0.92 - fits)
    return chest.model_copy(
        update={"heart_scale": round(scale, 4), "heart_left_mm": round(float(np.clip(left, 8, 45)), 3)}
    )


def _deposits(rng: np.random.Generator) -> tuple[Deposit, ...]:
    """Draw calcium of the aorta and the valves: none in many, a great deal in some, as in old patients."""
    load = float(rng.beta(1.0, 2.2))
    counts = {
        "ascending aorta": rng.poisson(7 * load**2),
        "descending aorta": rng.poisson(12 * load**1.5),
        "aortic valve": rng.poisson(6 * load) if rng.random() < 0.15 + 0.5 * load else 0,
        "mitral annulus": rng.poisson(7 * load) if rng.random() < 0.08 + 0.35 * load else 0,
        "pericardium": rng.poisson(3) if rng.random() < 0.05 else 0,
    }
    typical = {
        "aortic valve": (1.8, 1.6, 1.1),
        "mitral annulus": (2.4, 2.0, 1.5),
        "pericardium": (4.0, 3.0, 0.8),
    }
    deposits = [
        draw_deposit(rng, site, typical.get(site, (3.2, 2.6, 0.8)))
        for site, n in counts.items()
        for _ in range(n)
    ]
    return tuple(deposits[:40])
