"""A patient: the parameters of the anatomy, and the dense things in it that say nothing about coronary disease.

Coronary calibres: Dodge et al., Circulation 1992;86:232 (lumen diameters; women 9 % smaller; dominance). Body and
heart sizes, the axis of the heart and the prevalence of confounders are defaults of the field, not of one source.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from benchmark.phantom.body.physique import Physique

Vessel = Literal[1, 2, 3, 4]
VESSEL_NAMES: dict[int, str] = {1: "LM", 2: "LAD", 3: "LCx", 4: "RCA"}
"""Labels of the masks ``vessels`` and ``lesions``."""

REFERENCE_DIAMETER_CM = 30.0
STENTED = 0.06
"""Share of patients who have a stent."""


class Calibre(BaseModel):
    """Lumen diameters where each artery begins, mm."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lm: float = Field(4.5, ge=2.5, le=7, description="left main")
    lad: float = Field(3.7, ge=2, le=6, description="proximal left anterior descending")
    lad_distal: float = Field(1.9, ge=0.8, le=4, description="distal left anterior descending")
    lcx: float = Field(3.4, ge=1.5, le=6.5, description="proximal left circumflex")
    rca: float = Field(3.9, ge=1.5, le=6.5, description="proximal right coronary artery")


class Stent(BaseModel):
    """A coronary stent: a metal mesh on the wall, drawn whether or not there is disease."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vessel: Vessel
    position: float = Field(ge=0, le=1, description="centre along the vessel, fraction of its length")
    length_mm: float = Field(ge=6, le=40)
    hu: float = Field(ge=800, le=3000, description="HU of the mesh smeared over a wall 0.3 mm thick")


class Deposit(BaseModel):
    """Calcium outside the coronary arteries: a flat patch on the aortic wall or a grain on a valve."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    site: Literal["ascending aorta", "descending aorta", "aortic valve", "mitral annulus", "pericardium"]
    position: float = Field(ge=0, le=1, description="along the structure, fraction of its length")
    angle_deg: float = Field(ge=0, le=360, description="around the structure")
    semi_axes_mm: tuple[float, float, float] = Field(description="along, around and through the wall")
    density_mg_cm3: float = Field(ge=100, le=1200, description="hydroxyapatite")


class Patient(BaseModel):
    """All that the anatomy is rendered from. Lengths are mm."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sex: Literal["female", "male"] = "male"
    chest_width_mm: float = Field(340, ge=240, le=480, description="outer, left to right")
    chest_depth_mm: float = Field(230, ge=160, le=360, description="outer, front to back")
    fat_mm: float = Field(15, ge=3, le=50, description="subcutaneous fat")
    heart_scale: float = Field(1.0, ge=0.75, le=1.3, description="linear size of the heart; 1 is 132 mm long")
    heart_azimuth_deg: float = Field(50, ge=25, le=75, description="long axis, turned left from anterior")
    heart_elevation_deg: float = Field(35, ge=5, le=60, description="long axis, dipping towards the feet")
    heart_left_mm: float = Field(25, ge=5, le=45, description="centre of the heart, left of the spine")
    dominance: Literal["right", "left"] = "right"
    calibre: Calibre = Calibre()
    wall_mm: float = Field(0.9, ge=0.3, le=2, description="thickness of the coronary wall")
    aorta_mm: float = Field(32, ge=22, le=45, description="diameter of the ascending aorta")
    lung_hu: float = Field(-850, ge=-950, le=-600)
    epicardial_fat_hu: float = Field(-90, ge=-130, le=-50)
    blood_hu: float = Field(40, ge=25, le=60, description="without contrast")
    form_seed: int = Field(0, ge=0, description="the windings of the vessels and the branching of the lungs")
    stents: tuple[Stent, ...] = Field((), max_length=6)
    deposits: tuple[Deposit, ...] = Field((), max_length=40)
    physique: Physique | None = Field(
        None, description="the chest around the heart; none: the plain one of the first generation"
    )

    @property
    def water_diameter_cm(self) -> float:
        """Return the water-equivalent diameter at the heart; the lungs take some 15 % off the outline's."""
        return 0.085 * float(np.sqrt(self.chest_width_mm * self.chest_depth_mm))


def draw_patient(seed: int, stented: float = STENTED) -> Patient:
    """Draw one patient of a population half of which are women; a share of them is `stented`."""
    rng = np.random.default_rng(seed)
    female = bool(rng.random() < 0.5)
    width = _normal(rng, 320 if female else 350, 25, 260, 440)
    return Patient(
        sex="female" if female else "male",
        chest_width_mm=width,
        chest_depth_mm=_normal(rng, 0.67 * width, 12, 170, 320),
        fat_mm=_normal(rng, 20 if female else 15, 6, 5, 40),
        heart_scale=_normal(rng, 0.94 if female else 1.02, 0.06, 0.8, 1.2),
        heart_azimuth_deg=_normal(rng, 50, 6, 35, 65),
        heart_elevation_deg=_normal(rng, 35, 6, 18, 50),
        heart_left_mm=_normal(rng, 25, 4, 12, 38),
        aorta_mm=_normal(rng, 30 if female else 33, 2.5, 24, 41),
        lung_hu=_normal(rng, -850, 25, -920, -750),
        epicardial_fat_hu=_normal(rng, -90, 8, -115, -65),
        blood_hu=_normal(rng, 40, 3, 30, 50),
        form_seed=int(rng.integers(2**31)),
        **_arteries(rng, 0.91 if female else 1.0),
        stents=_stents(rng, stented),
        deposits=_deposits(rng),
    )


def _normal(rng: np.random.Generator, mean: float, sd: float, low: float, high: float) -> float:
    """Draw a normal value, cut at `low` and `high`, rounded so that the record reads well."""
    return round(float(np.clip(rng.normal(mean, sd), low, high)), 3)


def _arteries(rng: np.random.Generator, factor: float) -> dict[str, object]:
    """Draw dominance and calibres; a left-dominant heart has the larger circumflex and the smaller RCA."""
    right = bool(rng.random() < 0.88)
    means = {
        "lm": (4.5, 0.5),
        "lad": (3.7, 0.4),
        "lad_distal": (1.9, 0.4),
        "lcx": (3.4, 0.5) if right else (4.2, 0.6),
        "rca": (3.9, 0.6) if right else (2.8, 0.5),
    }
    calibres = {
        name: _normal(rng, factor * mean, factor * sd, mean - 2 * sd, mean + 2 * sd)
        for name, (mean, sd) in means.items()
    }
    return {
        "dominance": "right" if right else "left",
        "calibre": Calibre(**calibres),
        "wall_mm": _normal(rng, 0.9, 0.1, 0.6, 1.3),
    }


def _stents(rng: np.random.Generator, share: float) -> tuple[Stent, ...]:
    """Draw stents: a share of patients has one, a quarter of those a second."""
    count = int(rng.random() < share) * (1 + int(rng.random() < 0.25))
    vessels = rng.choice([2, 3, 4], size=2, replace=False, p=[0.5, 0.2, 0.3])
    return tuple(
        Stent(
            vessel=int(vessels[i]),
            position=round(float(rng.uniform(0.15, 0.55)), 4),
            length_mm=round(float(rng.uniform(10, 24)), 2),
            hu=round(float(rng.uniform(1000, 2500)), 1),
        )
        for i in range(count)
    )


def _deposits(rng: np.random.Generator) -> tuple[Deposit, ...]:
    """Draw calcium of the aorta (40 % of patients, either part) and of the valves (15 % aortic, 8 % mitral)."""
    deposits: list[Deposit] = []
    if rng.random() < 0.4:
        sites = rng.choice(["ascending aorta", "descending aorta"], size=1 + rng.poisson(2), p=[0.3, 0.7])
        deposits += [draw_deposit(rng, str(site), (2.5, 2.0, 0.7)) for site in sites]
    for site, prevalence in (("aortic valve", 0.15), ("mitral annulus", 0.08)):
        if rng.random() < prevalence:
            deposits += [draw_deposit(rng, site, (1.2, 1.2, 0.9)) for _ in range(1 + rng.poisson(2))]
    return tuple(deposits[:40])


def draw_deposit(rng: np.random.Generator, site: str, typical: tuple[float, float, float]) -> Deposit:
    """Draw one deposit at a site, its semi-axes and density about typical ones."""
    a, b, c = (round(float(t * np.exp(rng.normal(0, 0.35))), 3) for t in typical)
    return Deposit(
        site=site,
        position=round(float(rng.random()), 4),
        angle_deg=round(float(rng.uniform(0, 360)), 2),
        semi_axes_mm=(a, b, c),
        density_mg_cm3=round(float(np.clip(np.exp(rng.normal(np.log(350), 0.4)), 150, 1000)), 1),
    )
