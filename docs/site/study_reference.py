"""The page of the study file's keys, made from the JSON Schema, which is made from the pydantic models."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from benchmark.analyses.segmentation.study import SegmentationStudy
from benchmark.study.extraction import Extraction
from benchmark.study.schema import study_schema
from benchmark.study.study import Study

Schema = Mapping[str, Any]
PLUGINS = {"segmenters": "segmenter", "extractors": "feature_extractor", "classifiers": "classifier"}
"""Sections that name plug-ins, and of which kind."""
BELOW = {
    "cohort": "where the cases come from: [below](#cohort)",
    "segmenters": "`name: segmenter` pairs: [below](#segmenters)",
    "extractors": "`name: feature extractor` pairs: [below](#extractors)",
    "classifiers": "`name: classifier` pairs: [below](#classifiers)",
    "target": "what is predicted: [below](#target)",
    "protocol": "folds, and how hyperparameters are chosen: [below](#protocol)",
    "comparisons": "which runs are compared, by what: [below](#comparisons)",
}
"""Sections of a study, which are described elsewhere on the page."""
OF_STUDY = {"name": "what the study, its folder and its MLflow experiment are called"}
OF_EXTRACTORS = {"segmenter": "whose region the features are read in: a name under `segmenters`"}
OF_ROBUSTNESS = {
    "study": "a study as `cacbench run` reads it, under this key",
    "conditions": "`name: changes` pairs: `cohort` and `segmenters`, with the parameters that are other",
}
OF_SEGMENTATION = {
    "seed": "every random choice derives from it",
    "reference": "what counts as calcium: [below](#reference_1)",
}
INTRODUCTION = """# The study file

One YAML file declares a study; `cacbench validate FILE` checks it and names every mistake with its place. An editor
completes keys by the schema that `cacbench schema --out cacbench.schema.json` writes. This page is made from the same
models as the check.

A plug-in is declared under a name of yours: `use:` says which, and may be left out where the name is the plug-in's own.
Relative paths start from the study file's folder.
"""


def study_reference() -> str:
    """Return the page as Markdown."""
    schema = study_schema()
    definitions = schema["$defs"]
    study = definitions["study"]
    properties = study["properties"]
    parts = [
        INTRODUCTION,
        "## The keys of a study",
        *_table(_without_models(study), _said(Study, BELOW | OF_STUDY)),
    ]
    parts += ["## cohort", "`cohort: {use: …}`, with that cohort's parameters beside `use`."]
    parts += _plugins("cohort", definitions)
    for section, kind in PLUGINS.items():
        parts += [f"## {section}", f"`name: {kind.replace('_', ' ')}` pairs.", *_plugins(kind, definitions)]
    parts += ["## target", f"Default: {_code(properties['target']['default'])}."]
    for model in (choice for choice in properties["target"]["anyOf"] if "properties" in choice):
        parts += [f"### {model['properties']['use']['default']}", _text(model), *_table(model)]
    for section in ("protocol", "comparisons", "yardsticks"):
        model = _model(properties[section])
        parts += [f"## {section}", _text(model), *_table(model)]
    segmentation = schema["else"]["then"]
    parts += ["## A file for `cacbench robustness`", *_table(_without_models(schema["then"]), OF_ROBUSTNESS)]
    said = _said(SegmentationStudy, OF_SEGMENTATION)
    parts += ["## A file for `cacbench segmentation`", *_table(_without_models(segmentation), said)]
    parts += ["### reference", *_table(segmentation["properties"]["reference"])]
    trainer = segmentation["properties"]["training"]["anyOf"][0]
    parts += ["### training", _text(trainer), *_table(trainer)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _plugins(kind: str, definitions: Schema) -> list[str]:
    models = {
        key.partition(".")[2]: model for key, model in definitions.items() if key.startswith(f"{kind}.")
    }
    shared = {"segmenter", "train_on", "beside", "permuted"} if kind == "feature_extractor" else set()
    parts = []
    if shared:
        first = {**next(iter(models.values()))["properties"], "train_on": definitions["case_filter"]}
        parts += [
            "Of every extractor, beside its own parameters:",
            *_table(
                {"properties": {key: first[key] for key in sorted(shared)}, "required": ["segmenter"]},
                _said(Extraction, OF_EXTRACTORS),
            ),
        ]
    for name, model in models.items():
        own = {key: value for key, value in model["properties"].items() if key not in shared}
        parts += [f"### {name}", _text(model), *_table({**model, "properties": own})]
    return parts


def _said(model: type[BaseModel], others: Mapping[str, str]) -> Mapping[str, str]:
    """Return what a model's fields say of keys, and of `others` what is said there."""
    return {name: field.description or "" for name, field in model.model_fields.items()} | dict(others)


def _table(model: Schema, said: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    rows = list(_rows(model, "", said))
    if not rows:
        return ["No parameters."]
    head = "| key | values | default | meaning |\n|---|---|---|---|\n"
    return [head + "\n".join(f"| {' | '.join(row)} |" for row in rows)]


def _rows(model: Schema, place: str, said: Mapping[str, str]) -> Iterator[tuple[str, str, str, str]]:
    for key, field in model["properties"].items():
        if key == "use":
            continue
        default = "required" if key in model.get("required", ()) else _code(field.get("default"))
        below = _model(field)
        if "properties" in below and len(place) < 40:
            default = "required" if default == "required" else ""
        text = _escaped(said.get(key) or field.get("description", ""))
        yield f"`{place}{key}`", _values(field), default, text
        if "properties" in below:
            yield from _rows(below, f"{place}{key}.", {})


def _without_models(study: Schema) -> Schema:
    """Return the schema of a study whose sections are named, and described elsewhere."""
    shown = {key: {**field, "properties": None} for key, field in study["properties"].items()}
    for field in shown.values():
        del field["properties"]
        if "anyOf" in field or "$ref" in field or field.get("type") == "object":
            for key in ("anyOf", "default", "$ref", "description"):
                field.pop(key, None)
            field["type"] = "object"
    return {**study, "properties": shown}


def _model(field: Schema) -> Schema:
    """Return the mapping with keys among the choices of a field; the field itself where there is not just one."""
    choices = [choice for choice in field.get("anyOf", ()) if "properties" in choice]
    return choices[0] if len(choices) == 1 else field


def _values(field: Schema) -> str:
    if "enum" in field:
        return ", ".join(map(_code, field["enum"]))
    if "const" in field:
        return _code(field["const"])
    if choices := field.get("anyOf", field.get("oneOf")):
        return " or ".join(dict.fromkeys(filter(None, map(_values, choices))))
    if "$ref" in field:
        return "[cohort](#cohort)"
    kind = field.get("type", "")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        several = [*field.get("prefixItems", ()), *([field["items"]] if "items" in field else [])]
        return "list of " + (" and ".join(dict.fromkeys(map(_values, several))) or "anything")
    return {"object": "mapping", "string": "text", "boolean": "yes or no"}.get(kind, kind) + _bounds(field)


def _bounds(field: Schema) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return "".join(f", {sign} {field[key]}" for key, sign in signs.items() if key in field)


def _code(value: object) -> str:
    if value is None or value == {}:
        return ""
    if isinstance(value, list):
        return ", ".join(map(_code, value))
    if isinstance(value, dict):
        value = "{" + ", ".join(f"{key}: {given}" for key, given in value.items() if given is not None) + "}"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _text(model: Schema) -> str:
    """Return a model's docstring as paragraphs, its parameters' section left to the table."""
    text: str = model.get("description", "").partition("\nParameters\n")[0]
    return "\n\n".join(_escaped(part) for part in re.split(r"\n\s*\n", text))


def _escaped(text: str) -> str:
    """Return text as a cell holds it: on one line, no bar, and `<` as such outside code."""
    parts = " ".join(text.replace("``", "`").split()).replace("|", "\\|").split("`")
    return "`".join(part if place % 2 else part.replace("<", "&lt;") for place, part in enumerate(parts))
