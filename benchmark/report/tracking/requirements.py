"""What has to be installed where a logged model is loaded: no more than it needs, in versions an index has."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import packages_distributions, version

_LOADS = ("mlflow", "skops", "scikit-learn", "scipy", "numpy", "pandas")
"""What loads any of the models and gives it a table."""
_OWN = ("benchmark", "cacbench", "classifiers", "feature_extractors", "segmenters")


def requirements_of(types: Iterable[str]) -> list[str]:
    """Return ``name==version`` of the packages that a model needs whose file names `types`, such as ``lightgbm.X``.

    The part of a version that names a build, such as ``+cpu``, is left out: indexes do not have it.
    """
    needed = dict.fromkeys(_LOADS)
    for package in sorted({name.partition(".")[0] for name in types}):
        needed |= dict.fromkeys(_providers(package))
    return [f"{name}=={version(name).partition('+')[0]}" for name in needed]


def _providers(package: str) -> list[str]:
    if package in _OWN:
        return ["cacbench"]
    return sorted(set(_distributions().get(package, [])) - set(_LOADS))[:1]


@cache
def _distributions() -> dict[str, list[str]]:
    return {name: list(found) for name, found in packages_distributions().items()}
