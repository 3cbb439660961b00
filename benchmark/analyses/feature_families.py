"""Which family each feature belongs to, by PyRadiomics' names ``<filter>_<class>_<feature>``."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.plugins.reports import OF_REPORT

CLASSES = ("shape", "shape2D", "firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm")


def family_of(feature: str) -> str | None:
    """Return a PyRadiomics class, ``diagnostics``, ``report``, or None for any other name.

    A class is one family whatever the filter: ``wavelet-LLH_glcm_Contrast`` belongs to glcm, as the original does.
    """
    if feature.startswith(OF_REPORT):
        return "report"
    first, _, rest = feature.partition("_")
    if first == "diagnostics" and rest:
        return first
    family, _, name = rest.partition("_")
    return family if family in CLASSES and name else None


def feature_families(features: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Return each family's positions in `features`, in their order; empty unless every feature has a family."""
    members: dict[str, list[int]] = {}
    for position, feature in enumerate(features):
        family = family_of(feature)
        if family is None:
            return {}
        members.setdefault(family, []).append(position)
    return {family: tuple(positions) for family, positions in members.items()}
