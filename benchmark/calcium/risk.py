"""What an Agatston score means: Rumberger's risk bands and the categories of CAC-DRS.

Rumberger et al., Mayo Clin Proc 1999;74:243; Hecht et al., J Cardiovasc Comput Tomogr 2018;12:185.
"""

from __future__ import annotations

import math

RISK_BANDS = {"0": 0.0, "1-10": 10.0, "11-100": 100.0, "101-400": 400.0, ">400": math.inf}
"""Rumberger's bands and their upper limits."""


def risk_band(agatston: float) -> str:
    """Return Rumberger's band of an Agatston score: 0, 1-10, 11-100, 101-400 or >400.

    A score need not be whole: a band begins above the upper limit of the one before, so 10.4 is in 11-100.
    """
    _refuse_no_score(agatston)
    return next(band for band, limit in RISK_BANDS.items() if agatston <= limit)


def cac_drs(agatston: float) -> str:
    """Return the CAC-DRS category of an Agatston score: A0 = 0, A1 < 100, A2 < 300, A3 from 300."""
    _refuse_no_score(agatston)
    if agatston == 0:
        return "A0"
    return "A1" if agatston < 100 else "A2" if agatston < 300 else "A3"


def _refuse_no_score(agatston: float) -> None:
    if not agatston >= 0:
        raise ValueError(f"an Agatston score is 0 or more, not {agatston}")
