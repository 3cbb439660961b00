"""How many reports say rightly, vaguely, wrongly or not at all whether there is coronary calcium."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from benchmark.plugins.declaration import Declaration

Wording = Literal["right", "vague", "missing", "contradicting", "no_report"]
Style = Literal["terse", "structured", "narrative"]
STYLES: tuple[Style, ...] = ("terse", "structured", "narrative")
WORDINGS: tuple[Wording, ...] = ("right", "vague", "missing", "contradicting", "no_report")


class ReportModel(Declaration):
    """Shares of the wordings, which do not depend on the truth, and the styles they are written in."""

    right: float = Field(0.45, ge=0, le=1, description="say what is true of the coronary calcium")
    vague: float = Field(0.2, ge=0, le=1, description="call it not assessable or possible, whatever is true")
    missing: float = Field(0.15, ge=0, le=1, description="say nothing of it")
    contradicting: float = Field(0.1, ge=0, le=1, description="say the opposite")
    no_report: float = Field(0.1, ge=0, le=1, description="scans without a report")
    styles: tuple[Style, ...] = Field(STYLES, min_length=1, description="drawn for each report")

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if abs((total := sum(self._shares())) - 1) > 1e-9:
            raise ValueError(
                f"{', '.join(WORDINGS)} add up to {total:g}: they are shares of one, change one of them"
            )
        return self

    def draw(self, rng: np.random.Generator) -> tuple[Wording, Style]:
        """Draw how a report speaks of the calcium, and its style."""
        wording = WORDINGS[int(rng.choice(len(WORDINGS), p=self._shares()))]
        return wording, self.styles[int(rng.integers(len(self.styles)))]

    def _shares(self) -> list[float]:
        return [float(getattr(self, name)) for name in WORDINGS]
