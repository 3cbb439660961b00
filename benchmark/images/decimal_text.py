"""Numbers as headers write them: what Python reads beside (`1_000`, `infinity`, `nan`) is none."""

from __future__ import annotations

import math
import re

_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def number_in(text: str) -> float:
    """Return the decimal number that is all of a text; NaN if it is none or too large for a float."""
    number = float(text) if _DECIMAL.fullmatch(text.strip()) else math.nan
    return number if math.isfinite(number) else math.nan
