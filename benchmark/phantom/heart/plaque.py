"""Coronary disease: calcified lesions on the vessel wall, and the score that follows from them in closed form.

A lesion is an ellipsoid of hydroxyapatite, centred in the vessel's wall, its long axis along the vessel. Its true
Agatston score is that of a scan without noise and of infinite resolution, ∫ area dz · weight / 3 mm, which is
volume · weight / 3 mm, so the truth belongs to the patient and not to a scanner.

Scores: log-normal over positives, median 50, σ_ln 1.85 (Heinz Nixdorf, ImaLife). Vessels: MESA, one vessel in
72 % of positives (LAD 44, RCA 12, LCx 10, LM 6), several in 28 %. Lesions: 1 to 23, most in the LAD.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import ndtri

from benchmark.calcium.scoring import STANDARD
from benchmark.phantom.body.patient import REFERENCE_DIAMETER_CM, VESSEL_NAMES, Vessel
from benchmark.phantom.body.physique import bone_contrast
from benchmark.plugins.declaration import Declaration

USABLE_LENGTH_MM = {1: 9.0, 2: 80.0, 3: 50.0, 4: 75.0}
"""Length of each vessel that lesions are placed on; in a shorter vessel their positions shrink with it."""

MAXIMUM_LESIONS = 23
SCORE_LIMIT = 2000.0
"""Higher scores (2.3 % of draws) are set to this: the calcium of more would not fit in the wall."""

SEVERAL_ALWAYS_FROM = 0.91
SEVERAL_POWER = 2.71
"""P(several vessels | score's quantile u) = u^2.71, and 1 above u = 0.91: its mean over u is 0.28."""

LEFT_MAIN_BELOW_MEDIAN = 0.06 / (0.5 - 0.5 ** (SEVERAL_POWER + 1) / (SEVERAL_POWER + 1))
"""P(left main alone | one vessel, u < 1/2): its 6 % of positives, all below the median, as it is short."""


class Lesion(BaseModel):
    """One calcified plaque."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vessel: Vessel
    position_mm: float = Field(ge=0, le=150, description="centre, from the vessel's beginning along its axis")
    angle_deg: float = Field(ge=0, le=360, description="where on the circumference")
    semi_axes_mm: tuple[float, float, float] = Field(description="along, around and through the wall")
    density_mg_cm3: float = Field(ge=100, le=1200, description="hydroxyapatite")

    @property
    def volume_mm3(self) -> float:
        """Return the volume, 4/3 π abc."""
        a, b, c = self.semi_axes_mm
        return 4 / 3 * np.pi * a * b * c

    @property
    def mass_mg(self) -> float:
        """Return the mass of hydroxyapatite."""
        return self.volume_mm3 * self.density_mg_cm3 / 1000

    @property
    def agatston(self) -> float:
        """Return the score at infinite resolution in a patient of 30 cm water-equivalent diameter."""
        return _volume_of_score(1.0, self.density_mg_cm3) ** -1 * self.volume_mm3


class Disease(BaseModel):
    """All the coronary calcium of a patient; none is a score of zero."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lesions: tuple[Lesion, ...] = Field((), max_length=4 * MAXIMUM_LESIONS, description="or their pieces")

    @property
    def agatston(self) -> float:
        """Return the true Agatston score."""
        return float(sum(lesion.agatston for lesion in self.lesions))

    def truth(self) -> dict[str, dict[str, float]]:
        """Return the true Agatston score, volume and mass, per vessel and in total."""
        groups = {name: [le for le in self.lesions if le.vessel == v] for v, name in VESSEL_NAMES.items()}
        return {
            name: {
                "agatston": float(sum(lesion.agatston for lesion in lesions)),
                "volume_mm3": float(sum(lesion.volume_mm3 for lesion in lesions)),
                "mass_mg": float(sum(lesion.mass_mg for lesion in lesions)),
                "lesions": len(lesions),
            }
            for name, lesions in {**groups, "total": list(self.lesions)}.items()
        }


class DiseaseModel(Declaration):
    """How disease is distributed over positives."""

    median_score: float = Field(50.0, gt=0, le=500, description="median Agatston score of positives")
    sigma_ln: float = Field(1.85, ge=0, le=3, description="standard deviation of ln score")
    diseased_vessels: int | None = Field(
        None, ge=1, le=4, description="number of vessels with lesions in each positive; none: as in MESA"
    )

    def draw(self, seed: int) -> Disease:
        """Draw the disease of one positive."""
        rng = np.random.default_rng(seed)
        quantile = float(rng.uniform(1e-4, 1 - 1e-4))
        score = min(self.median_score * float(np.exp(self.sigma_ln * ndtri(quantile))), SCORE_LIMIT)
        vessels = self._vessels(rng, quantile)
        scores, densities = _split(rng, score, len(vessels))
        sites = _sites(rng, scores, vessels)
        lesions: list[Lesion] = []
        for vessel in vessels:
            chosen = [(scores[i], densities[i]) for i in range(len(scores)) if sites[i] == vessel]
            lesions += _place(rng, vessel, chosen)
        return Disease(lesions=tuple(lesions))

    def _vessels(self, rng: np.random.Generator, quantile: float) -> list[int]:
        """Draw which vessels are diseased, the more the higher the score's quantile."""
        several = quantile > SEVERAL_ALWAYS_FROM or rng.random() < quantile**SEVERAL_POWER
        extra = 2 + int(rng.random() < 0.6 * quantile) + int(rng.random() < 0.2 * quantile)
        count = self.diseased_vessels or (extra if several else 1)
        if count > 1:
            weights = np.array([0.12, 0.40, 0.22, 0.26])
            return sorted(int(v) for v in rng.choice([1, 2, 3, 4], size=count, replace=False, p=weights))
        if quantile < 0.5 and rng.random() < LEFT_MAIN_BELOW_MEDIAN:
            return [1]
        return [int(rng.choice([2, 3, 4], p=np.array([44, 10, 12]) / 66))]


def calcium_hu(
    density_mg_cm3: float, water_diameter_cm: float = REFERENCE_DIAMETER_CM, tube_kv: float = 120.0
) -> float:
    """Return the HU of hydroxyapatite: the beam hardens on its way through a larger patient.

    At 120 kVp 1.32 HU per mg/cm³ in 20 cm of water and 1.23 in 30 cm, computed from spectra; exponential between
    and beyond. At another voltage by `bone_contrast`.
    """
    at_120 = density_mg_cm3 * 1.32 * float(np.exp(np.log(1.23 / 1.32) * (water_diameter_cm - 20) / 10))
    return at_120 * bone_contrast(tube_kv)


def _volume_of_score(score: float, density: float) -> float:
    """Return the volume of calcium of that density with that Agatston score at infinite resolution."""
    weight = 1 + int(np.searchsorted(STANDARD.weight_bounds_hu, calcium_hu(density), side="right"))
    return score * cast(float, STANDARD.reference_increment_mm) / weight


def _split(rng: np.random.Generator, score: float, vessels: int) -> tuple[list[float], list[float]]:
    """Split a score over lesions and give each a density; the largest come first.

    Heavier disease has more, and denser, lesions. A lesion over 150 mm³ is split further while there may be more.
    """
    count = min(max(1 + rng.poisson(0.9 * (score / 10) ** 0.42), vessels), MAXIMUM_LESIONS)
    while True:
        shares = (
            np.sort(rng.dirichlet(np.full(count, 1.5 if count < MAXIMUM_LESIONS else 30.0)))[::-1] * score
        )
        centre = np.log(330) + 0.1 * np.log(score / 50) + 0.1 * np.log(shares * count / score + 0.1)
        hu = np.clip(np.exp(rng.normal(centre, 0.3)), 160, 1000)
        densities = [round(float(h / calcium_hu(1.0)), 1) for h in hu]
        volumes = [_volume_of_score(s, d) for s, d in zip(shares, densities, strict=True)]
        if max(volumes) <= 150 or count == MAXIMUM_LESIONS:
            return [float(s) for s in shares], densities
        count += 1


def _sites(rng: np.random.Generator, scores: list[float], vessels: list[int]) -> list[int]:
    """Give each lesion a vessel, every diseased vessel at least one; the left main gets only the smallest."""
    others = [v for v in vessels if v != 1] or vessels
    left_main = len(scores) if vessels == [1] else int(1 in vessels)
    weights = np.array([{1: 1.0, 2: 0.5, 3: 0.2, 4: 0.3}[v] for v in others])
    rest = len(scores) - left_main - (0 if vessels == [1] else len(others))
    if vessels == [1]:
        return [1] * len(scores)
    sites = [*others, *(int(v) for v in rng.choice(others, size=rest, p=weights / weights.sum()))]
    return [*(sites[i] for i in rng.permutation(len(sites))), *[1] * left_main]


def _place(rng: np.random.Generator, vessel: int, chosen: list[tuple[float, float]]) -> list[Lesion]:
    """Place a vessel's lesions one after the other, more of them proximal, none over another."""
    shapes = [_semi_axes(rng, _volume_of_score(score, density)) for score, density in chosen]
    usable = USABLE_LENGTH_MM[vessel]
    occupied = sum(2 * a for a, _, _ in shapes)
    if occupied > 0.95 * usable:
        shapes = [_shorten(shape, 0.95 * usable / occupied) for shape in shapes]
        occupied = 0.95 * usable
    free = usable - occupied
    gaps = np.diff(np.sort(rng.random(len(shapes)) ** 1.6), prepend=0.0) * free
    lesions, end = [], 0.0
    for (_, density), shape, gap in zip(chosen, shapes, gaps, strict=True):
        centre = end + float(gap) + shape[0]
        end = centre + shape[0]
        lesions.append(
            Lesion(
                vessel=cast(Vessel, vessel),
                position_mm=round(centre, 3),
                angle_deg=round(float(rng.uniform(0, 360)), 2),
                semi_axes_mm=shape,
                density_mg_cm3=density,
            )
        )
    return lesions


def _semi_axes(rng: np.random.Generator, volume: float) -> tuple[float, float, float]:
    """Draw a shape of that volume: longer than wide, wider than deep, no deeper than a wall allows."""
    elongation, flatness = np.exp(rng.normal([np.log(1.8), np.log(1.35)], [0.3, 0.15]))
    depth = min((3 * volume / (4 * np.pi * elongation * flatness**2)) ** (1 / 3), 1.8)
    width = min(flatness * depth, 2.4)
    return 3 * volume / (4 * np.pi * width * depth), float(width), float(depth)


def _shorten(shape: tuple[float, float, float], factor: float) -> tuple[float, float, float]:
    """Make a lesion shorter and thicker at the same volume, as where calcium fills a whole segment."""
    return shape[0] * factor, shape[1] / factor**0.5, shape[2] / factor**0.5
