"""The text of a study file to begin with: every part says what it is and what else could stand there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

SCHEMA = "cacbench.schema.json"
"""What the schema is called that lies beside the study, so that an editor completes and checks it anywhere."""
SMALL, FEW = 10, 25
"""Cases of the rarer label below which fewer folds are drawn."""


def study_text(
    file: Path, cohort: Mapping[str, str], labels: Mapping[str, int], masks: bool, lesions: bool
) -> str:
    """Return a study that validates. `labels` counts the cases of each label, as far as they are known.

    `masks`: every case has a coronary mask; `lesions`: there are masks of lesions.
    """
    declared = ", ".join(f"{name}: {_quoted(value)}" for name, value in cohort.items())
    return "\n".join(
        [
            f"# yaml-language-server: $schema={SCHEMA}",
            f"# Begun by `cacbench init`; next: `cacbench validate {file.name}`, then `cacbench run {file.name}`.",
            f"name: {_quoted(file.stem)}  # names the folder below results/",
            "",
            *_cohort(cohort, declared),
            "",
            "# Where in a scan to look. `cacbench list` shows all plug-ins with their parameters.",
            "segmenters:",
            *(_MASKED if masks else _FOUND),
            *(_LESIONS if lesions else ()),
            "",
            "# What becomes of a scan and a region: one vector. Each extractor is a method of the comparison.",
            "extractors:",
            *(_FROM_MASKS if masks else _FROM_FOUND),
            "",
            "# What learns from it; a method takes in each fold the classifier that is best on its training cases.",
            "classifiers:",
            "  logistic_regression: {}",
            "  random_forest: {}",
            "",
            *_protocol(labels),
            "",
        ]
    )


def _cohort(cohort: Mapping[str, str], declared: str) -> list[str]:
    if cohort["use"] != "manifest":
        return ["# A public data set with labels of its own (docs/real_data.md).", f"cohort: {{{declared}}}"]
    return [
        "# One line per scan. What is predicted stands in its columns `label` (1 calcium, 0 none) or `cac_score`",
        "# (Agatston). `patient` is the same for several scans of one, whom no fold parts; `group` is a scanner or a",
        "# site. Nothing else needs to be filled in.",
        f"cohort: {{{declared}}}",
    ]


_MASKED = (
    "  reference: {}  # the column `mask` of each scan",
    "  dense: {use: threshold, within: reference, hu: 130}  # its voxels of 130 HU and more",
)
_FOUND = (
    "  heart_region: {}  # no masks of the coronary arteries came with the scans: the region of the heart is found",
    "  dense: {use: threshold, within: heart_region, hu: 130}  # its voxels of 130 HU and more",
)
_LESIONS = (
    "  # lesions: {use: reference, mask: lesions, may_be_empty: true}  # gives the label away: for scoring alone",
)
_FROM_MASKS = (
    "  radiomics: {segmenter: reference}  # the 107 features of PyRadiomics",
    "  calcium_volumes: {segmenter: dense}  # what a scoring workstation would count",
    "  # imagenet: {use: slices, segmenter: reference}  # a frozen network, docs/encoders.md",
)
_FROM_FOUND = tuple(line.replace("reference", "heart_region") for line in _FROM_MASKS)


def _protocol(labels: Mapping[str, int]) -> list[str]:
    rarer = min(labels.values()) if len(labels) > 1 else 0
    why = "# Nested cross-validation: outer folds test, inner folds choose hyperparameters."
    if rarer >= FEW:
        return [why, "protocol: {folds: 5, inner_folds: 5}"]
    if rarer >= SMALL:
        return [
            f"{why} Few inner folds: the rarer label has {rarer} cases.",
            "protocol: {folds: 5, inner_folds: 3}",
        ]
    known = f"the rarer label has {rarer} cases" if rarer else "not every label is known yet"
    return [
        f"{why} Few folds: {known}.",
        "# With 25 cases of each label and more: {folds: 5, inner_folds: 5}.",
        "protocol: {folds: 3, inner_folds: 2}",
    ]


def _quoted(value: str) -> str:
    """Return a text as YAML reads it back: `2024`, `no` or a path with a colon would be something else."""
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", value) and value.lower() not in _WORDS
    return value if plain else json.dumps(value, ensure_ascii=False)


_WORDS = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")
