"""The build of a patient's chest (second generation): what decides bones, soft tissue and lungs around the heart.

Ranges are of real scans where `docs/phantom.md` names one, otherwise defaults of the field.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field


class Physique(BaseModel):
    """All that the chest around the heart is rendered from, but for its outer size. Lengths are mm."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vertebra_mm: float = Field(24.0, ge=18, le=30, description="from one thoracic vertebra to the next")
    kyphosis_mm: float = Field(
        12.0, ge=0, le=40, description="how far the spine bends back at the heart's level"
    )
    scoliosis_mm: float = Field(0.0, ge=-20, le=20, description="how far it bends to the left there")
    rib_slope: float = Field(
        1.0, ge=0.5, le=1.5, description="how steeply ribs fall, relative to a typical chest"
    )
    cage_shift_mm: float = Field(0.0, ge=-30, le=30, description="ribs and spine against the heart, along z")
    marrow_hu: float = Field(170.0, ge=40, le=350, description="cancellous bone of the spine")
    cortex_hu: float = Field(1100.0, ge=600, le=1900, description="dense bone before partial volume")
    cortex_mm: float = Field(1.0, ge=0.6, le=2.5, description="thickness of the ribs' cortex")
    cartilage_calcium: float = Field(
        0.3, ge=0, le=1, description="share of the costal cartilages that is calcified"
    )
    osteophytes: float = Field(0.3, ge=0, le=1, description="how far bone spurs grow from the end plates")
    retrosternal_mm: float = Field(5.0, ge=0, le=30, description="fat between chest wall and pericardium")
    mediastinal_fat_mm: float = Field(5.0, ge=1, le=15, description="how far fat rounds off the mediastinum")
    chamber_scale: float = Field(
        1.1, ge=0.95, le=1.2, description="chambers against the sac: more leaves less fat"
    )
    diaphragm_mm: float = Field(
        0.0, ge=-30, le=40, description="domes above their typical height: expiration"
    )
    breast_mm: float = Field(0.0, ge=0, le=70, description="how far the breasts stand out")
    glandular: float = Field(0.3, ge=0, le=1, description="share of fibroglandular tissue in them")
    muscle_hu: float = Field(50.0, ge=20, le=70)
    liver_hu: float = Field(55.0, ge=0, le=75)
    lung_slope_hu: float = Field(40.0, ge=0, le=120, description="how much denser the lung is at the back")
    stomach: Literal["empty", "gas", "contrast"] = "gas"
    arms: Literal["up", "down"] = "up"
    calcified_nodes: int = Field(0, ge=0, le=8, description="lymph nodes of the hila and the mediastinum")
    granulomas: int = Field(0, ge=0, le=20, description="calcified scars of lung, liver and spleen")
    airway_calcium: float = Field(
        0.0, ge=0, le=1, description="share of the airways' rings that is calcified"
    )
    pleural_plaques: bool = Field(False, description="calcified plates on the pleura")
    sternal_wires: bool = Field(False, description="after a sternotomy")
    pacemaker: bool = Field(False, description="leads in the right heart")
    table: bool = True
    recess_mm: float = Field(
        8.0,
        ge=1,
        le=40,
        description="width over which fat fills the corners that lungs leave before the heart",
    )
    notch_mm: float = Field(
        20.0, ge=1, le=80, description="the same left of the heart, below the cardiac notch"
    )
    notch_top_mm: float = Field(0.0, ge=-60, le=60, description="height at which the cardiac notch begins")
    contact_mm: float = Field(25.0, ge=5, le=60, description="half the width over which heart and wall touch")
    contact_top_mm: float = Field(15.0, ge=-50, le=60, description="height up to which they touch")

    def at(self, tube_kv: float) -> Physique:
        """Return the build as a tube voltage shows its bone."""
        contrast = bone_contrast(tube_kv)
        if contrast == 1:
            return self
        # Of marrow some 60 HU are soft tissue.
        bone = {"cortex_hu": self.cortex_hu * contrast, "marrow_hu": 60 + (self.marrow_hu - 60) * contrast}
        return self.model_copy(update=bone)


def bone_contrast(tube_kv: float) -> float:
    """Return how bright calcium is against 120 kVp: 147 HU at 100 kVp are what 130 HU are at 120 (Agatston's bound)."""
    return float(np.interp(tube_kv, [70, 80, 100, 120, 140, 150], [1.55, 1.36, 147 / 130, 1.0, 0.91, 0.88]))


def draw_physique(seed: int, female: bool) -> Physique:
    """Draw one build; its calcium outside the heart says nothing about coronary disease."""
    rng = np.random.default_rng(seed)
    old = float(rng.beta(2.4, 1.8))  # one age behind bone, cartilage and spurs, as in life
    return Physique(
        vertebra_mm=_normal(rng, 22.5 if female else 24.5, 1.3, 19, 28),
        kyphosis_mm=_normal(rng, 10 + 8 * old, 5, 0, 35),
        scoliosis_mm=_normal(rng, 0, 4, -14, 14),
        rib_slope=_normal(rng, 1.2, 0.13, 0.85, 1.5),
        cage_shift_mm=_normal(rng, 0, 9, -22, 22),
        marrow_hu=_normal(rng, 215 - 100 * old, 32, 60, 300),
        cortex_hu=_normal(rng, 1340, 150, 900, 1750),
        cortex_mm=_normal(rng, 1.0, 0.2, 0.6, 1.7),
        cartilage_calcium=_clipped(rng.beta(1.2, 2.2) * (0.4 + 1.0 * old)),
        osteophytes=_clipped(old * rng.beta(1.5, 1.5) * 1.4),
        retrosternal_mm=_normal(rng, 6, 4, 0.5, 22),
        mediastinal_fat_mm=_normal(rng, 5, 2, 1.5, 12),
        chamber_scale=_normal(rng, 1.1, 0.04, 0.98, 1.18),
        diaphragm_mm=_normal(rng, 0, 10, -22, 30),
        breast_mm=_normal(rng, 32, 14, 5, 65) if female else _normal(rng, 3, 3, 0, 14),
        glandular=_clipped(rng.beta(1.5, 3)),
        muscle_hu=_normal(rng, 45, 6, 26, 60),
        liver_hu=_normal(rng, 52, 9, 15, 72),
        lung_slope_hu=_normal(rng, 55, 20, 10, 120),
        stomach=str(rng.choice(["empty", "gas", "contrast"], p=[0.3, 0.62, 0.08])),
        arms="down" if rng.random() < 0.12 else "up",
        calcified_nodes=int(rng.poisson(2.5)) % 9 if rng.random() < 0.4 else 0,
        sternal_wires=bool(rng.random() < 0.04),
        pacemaker=bool(rng.random() < 0.03),
        table=bool(rng.random() < 0.95),
        recess_mm=_normal(rng, 8, 5, 2, 24),
        notch_mm=round(float(6 + 60 * rng.beta(1.1, 1.5)), 3),
        notch_top_mm=_normal(rng, 2, 16, -40, 36),
        contact_mm=_normal(rng, 26, 9, 8, 50),
        contact_top_mm=_normal(rng, 15, 16, -30, 50),
        granulomas=min(int(rng.poisson(4)), 20) if rng.random() < 0.35 else 0,
        airway_calcium=_clipped(1.6 * old * rng.beta(1.0, 3.0)),
        pleural_plaques=bool(rng.random() < 0.04),
    )


def _normal(rng: np.random.Generator, mean: float, sd: float, low: float, high: float) -> float:
    return round(float(np.clip(rng.normal(mean, sd), low, high)), 3)


def _clipped(value: float) -> float:
    return round(float(np.clip(value, 0, 1)), 3)
