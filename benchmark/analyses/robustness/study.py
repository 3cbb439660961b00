"""`studies/robustness.yaml`: a study, and conditions under which its patients are scanned or segmented again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import UserError
from benchmark.plugins.declaration import did_you_mean
from benchmark.study.reading import located_sentence, read_declaration, validated
from benchmark.study.study import Study

BASE = "base"
"""What the study's own scans are called among the conditions."""
_SECTIONS = ("study", "conditions")
_OVERRIDDEN = ("cohort", "segmenters")


@dataclass(frozen=True)
class RobustnessStudy:
    """The study of the base scans, and for each condition the same study of other scans or regions."""

    base: Study
    conditions: dict[str, Study]


@dataclass(frozen=True)
class _File:
    path: Path
    text: str

    def error(self, *place: str, message: str) -> UserError:
        return UserError(located_sentence(self.path, self.text, place, message))

    def mapping(self, declared: Any, *place: str, example: str) -> dict[str, Any]:
        if not isinstance(declared, Mapping) or not declared:
            raise self.error(*place, message=f"must be a mapping such as `{example}`")
        return {str(name): value for name, value in declared.items()}

    def refuse_unknown(self, declared: Mapping[str, Any], known: tuple[str, ...], *place: str) -> None:
        for name in declared:
            if name not in known:
                raise self.error(*place, name, message=f"unknown key; {did_you_mean(name, known)}")


def read_robustness_study(path: Path) -> RobustnessStudy:
    """Read ``study:`` (what runs.yaml holds) and ``conditions:`` (a name each, and what it declares otherwise).

    A condition may change parameters of the cohort and of declared segmenters. Raises `UserError` naming the file,
    the line and the remedy.
    """
    text, content = read_declaration(path)
    file = _File(path, text)
    file.refuse_unknown(content, _SECTIONS)
    for section in _SECTIONS:
        if section not in content:
            raise file.error(message=f"`{section}:` is missing; write one like studies/robustness.yaml")
    declared = file.mapping(content["study"], "study", example="name: …, cohort: …, segmenters: …")
    base = validated(Study, declared, path, text, "study")
    if base.protocol.selection != "nested":
        message = "hyperparameters must be chosen without the other scans: use `selection: nested`"
        raise file.error("study", "protocol", "selection", message=message)
    conditions = file.mapping(content["conditions"], "conditions", example="rescan: {cohort: {rescan: 1}}")
    return RobustnessStudy(base, dict(_conditions(file, base, declared, conditions)))


def _conditions(
    file: _File, base: Study, declared: dict[str, Any], conditions: dict[str, Any]
) -> Iterator[tuple[str, Study]]:
    for name, override in conditions.items():
        place = ("conditions", name)
        if name == BASE or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            message = f"a condition's name has letters, digits, `.`, `_` and `-` alone and is not `{BASE}`"
            raise file.error(*place, message=message)
        changes = {} if override is None else override
        if changes:
            changes = file.mapping(changes, *place, example="cohort: {rescan: 1}")
        file.refuse_unknown(changes, _OVERRIDDEN, *place)
        content = _overridden(file, declared, changes, place)
        study = validated(Study, content, file.path, file.text, *place)
        yield name, study.model_copy(update={"name": f"{base.name}.{name}"})


def _overridden(
    file: _File, declared: dict[str, Any], changes: Mapping[str, Any], place: tuple[str, ...]
) -> dict[str, Any]:
    """Return the study's declaration with a condition's changes."""
    content = dict(declared)
    if "cohort" in changes:
        new = file.mapping(changes["cohort"], *place, "cohort", example="rescan: 1")
        content["cohort"] = _merged(_as_mapping(declared["cohort"]), new)
    if "segmenters" in changes:
        example = "reference: {dilation_mm: 2}"
        new = file.mapping(changes["segmenters"], *place, "segmenters", example=example)
        file.refuse_unknown(new, tuple(declared["segmenters"]), *place, "segmenters")
        content["segmenters"] = dict(declared["segmenters"])
        for name, change in new.items():
            change = file.mapping(change, *place, "segmenters", name, example="dilation_mm: 2")
            content["segmenters"][name] = _merged(_as_mapping(declared["segmenters"][name]), change, name)
    return content


def _as_mapping(spec: Any) -> dict[str, Any]:
    """Return a plug-in's declaration in its long form."""
    return {"use": spec} if isinstance(spec, str) else dict(spec or {})


def _merged(declared: dict[str, Any], change: dict[str, Any], name: str | None = None) -> dict[str, Any]:
    """Return `declared` with `change` merged into it, mapping by mapping; another plug-in replaces it whole."""
    used = declared.get("use", name)
    if "use" in change and change["use"] != used:
        return dict(change)
    merged = dict(declared)
    for key, value in change.items():
        both = isinstance(value, Mapping) and isinstance(declared.get(key), Mapping)
        merged[key] = _merged(dict(declared[key]), dict(value)) if both else value
    return merged
