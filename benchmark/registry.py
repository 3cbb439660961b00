"""Finds plug-ins by kind and name: the built-in ones, imported on first use, and those of entry points."""

from __future__ import annotations

import difflib
import importlib
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from pydantic import ValidationError

from benchmark.errors import UserError
from benchmark.plugins import Classifier, Cohort, FeatureExtractor, Plugin, Segmenter

Kind = Literal["cohort", "segmenter", "feature_extractor", "classifier"]

BASES: dict[Kind, type[Plugin]] = {
    "cohort": Cohort,
    "segmenter": Segmenter,
    "feature_extractor": FeatureExtractor,
    "classifier": Classifier,
}

BUILTINS: dict[Kind, dict[str, str]] = {
    "cohort": {
        "phantom": "benchmark.cohorts.phantom:PhantomCohort",
        "manifest": "benchmark.cohorts.manifest:ManifestCohort",
    },
    "segmenter": {
        "reference": "segmenters.reference:ReferenceSegmenter",
        "whole_image": "segmenters.whole_image:WholeImageSegmenter",
        "threshold": "segmenters.threshold:ThresholdSegmenter",
    },
    "feature_extractor": {
        "radiomics": "feature_extractors.radiomics:RadiomicsExtractor",
    },
    "classifier": {
        "random_forest": "classifiers.random_forest:RandomForest",
        "xgboost": "classifiers.xgboost:XGBoost",
        "lightgbm": "classifiers.lightgbm:LightGBM",
        "logistic_regression": "classifiers.logistic_regression:LogisticRegression",
    },
}


def names(kind: Kind) -> list[str]:
    """Return the names of all plug-ins of a kind, built-in ones first."""
    return [*BUILTINS[kind], *sorted(set(_external(kind)) - set(BUILTINS[kind]))]


def plugin_class(kind: Kind, name: str) -> type[Plugin]:
    """Import and return the class of a plug-in. Raises `UserError` for an unknown or unfit one."""
    if name in BUILTINS[kind]:
        module, _, attribute = BUILTINS[kind][name].partition(":")
        found = getattr(importlib.import_module(module), attribute)
    elif name in _external(kind):
        found = _external(kind)[name].load()
    else:
        raise UserError(_unknown(kind, name))
    if not (isinstance(found, type) and issubclass(found, BASES[kind])):
        raise UserError(f"plug-in {name!r} is not a {BASES[kind].__name__}: derive {found!r} from benchmark.plugins")
    return found


def build(kind: Kind, spec: str | dict[str, Any], named: dict[str, Plugin] | None = None) -> Plugin:
    """Make a plug-in from its declaration: ``{"use": name, **parameters}``, or a name alone.

    `named` holds plug-ins declared earlier in the study, which a name alone may refer to.
    Raises `UserError` (unknown plug-in) or `ValueError` (parameters that do not validate).
    """
    if isinstance(spec, str) and named and spec in named:
        return named[spec]
    parameters = {"use": spec} if isinstance(spec, str) else dict(spec)
    name = parameters.pop("use", None)
    if not isinstance(name, str):
        raise UserError(f"this {kind} names no plug-in: add `use: NAME`, one of {', '.join(names(kind))}")
    cls = plugin_class(kind, name)
    try:
        return cls.model_validate(parameters, context={"named": named or {}})
    except ValidationError as error:
        raise ValueError("; ".join(_sentence(cls, item) for item in error.errors())) from error


@cache
def _external(kind: Kind) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=f"cacbench.{kind}s")}


def _unknown(kind: Kind, name: str) -> str:
    close = difflib.get_close_matches(name, names(kind), n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(names(kind))}"
    return f"no {kind} is called {name!r}; {hint}"


def _sentence(cls: type[Plugin], item: Any) -> str:
    place = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        known = list(cls.model_fields)
        close = difflib.get_close_matches(place, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it has: {', '.join(known) or 'none'}"
        return f"unknown parameter {place!r}; {hint}"
    message = item["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message
