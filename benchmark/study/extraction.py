"""What a study declares of an extractor beside the plug-in: its region, who learns from it, what it is joined with."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import Field

from benchmark.evaluation.case_filter import EVERY, CaseFilter
from benchmark.plugins import FeatureExtractor, Segmenter
from benchmark.plugins.declaration import Declaration, did_you_mean, mistake
from benchmark.plugins.registry import plugin_class

OF_EXTRACTION = ("train_on", "beside", "permuted", "components")
"""Keys of an extractor's declaration that are not the plug-in's."""


class Extraction(Declaration):
    """A named feature extractor together with the segmenter whose ROI it reads, and the cases its runs learn from."""

    segmenter: str
    extractor: FeatureExtractor
    train_on: CaseFilter = Field(
        EVERY, description="the only cases that its runs learn from, of those that the protocol lets train"
    )
    beside: str | None = Field(
        None, description="another extractor, whose features stand behind these: early and late fusion"
    )
    permuted: bool = Field(False, description="control: each case has another case's features")
    components: int | None = Field(
        None,
        ge=1,
        description="at most so many principal components of the standardised features, learnt in each training fold, "
        "are what its runs learn from; default: the features",
    )


def plugin_parameters(extractor: str, spec: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return what of an extractor's declaration is its plug-in's, which is found from `folder`.

    Raises `ValidationError` for a key that is like one of an extraction's and that the plug-in does not know.
    """
    own = {key: value for key, value in spec.items() if key not in ("segmenter", *OF_EXTRACTION)}
    try:
        known = plugin_class("feature_extractor", str(spec.get("use", extractor)), folder).model_fields
    except ValueError:  # whoever builds it says so
        return own
    for key in map(str, own):
        if key not in (*known, "use") and get_close_matches(key, OF_EXTRACTION, n=1):
            raise mistake(extractor, key, message=f"unknown key; {did_you_mean(key, OF_EXTRACTION)}")
    return own


def segmenter_named(extractor: str, spec: Mapping[str, Any], known: Mapping[str, Segmenter]) -> Any:
    """Return what an extractor's declaration names as its segmenter, by that key or none that is like it."""
    if "segmenter" in spec:
        return spec["segmenter"]
    for key in get_close_matches("segmenter", [str(key) for key in spec], n=1):
        raise mistake(extractor, key, message=f"unknown key; {did_you_mean(key, ['segmenter'])}")
    raise mistake(extractor, "segmenter", message=f"is missing; {did_you_mean('', known)}")
