"""The JSON Schema of study files, so that an editor completes and checks `runs.yaml` while one types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmark.calcium.truth import ReferenceRule
from benchmark.evaluation.case_filter import CaseFilter
from benchmark.evaluation.protocol import Protocol
from benchmark.evaluation.target import AgatstonBands, Nonzero
from benchmark.plugins import Cohort
from benchmark.plugins.registry import BUILTINS, Kind, plugin_class
from benchmark.study.cluster import DeclaredCluster
from benchmark.study.comparisons import Comparisons, Yardsticks

_SCHEMA = "https://json-schema.org/draft/2020-12/schema"
_NAME = {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9._-]*$"}
_KINDS: tuple[Kind, ...] = ("cohort", "segmenter", "feature_extractor", "classifier")
_SEED = {"type": ["integer", "string"], "default": 0}


def study_schema() -> dict[str, Any]:
    """Return the schema with every built-in plug-in; other plug-ins are accepted by name, unchecked.

    It is that of all kinds of study file: `conditions` marks one of robustness, `cohorts` one of segmentation.
    """
    return {
        "$schema": _SCHEMA,
        "title": "cacbench study",
        "type": "object",
        "$defs": {
            "study": _comparison(),
            "case_filter": _inlined(CaseFilter),
            **{kind: _declaration(kind) for kind in _KINDS},
            **{f"{kind}.{name}": _plugin(kind, name) for kind in _KINDS for name in BUILTINS[kind]},
        },
        "if": {"required": ["conditions"]},
        "then": _robustness(),
        "else": {"if": {"required": ["cohorts"]}, "then": _segmentation(), "else": {"$ref": "#/$defs/study"}},
    }


def _comparison() -> dict[str, Any]:
    """Return the schema of what `cacbench run` reads."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "cohort", "segmenters", "extractors", "classifiers"],
        "properties": {
            "name": _NAME,
            "seed": _SEED,
            "cohort": _A_COHORT,
            "segmenters": _named("segmenter"),
            "extractors": _named("feature_extractor"),
            "classifiers": _named("classifier"),
            "target": _target(),
            "protocol": _inlined(Protocol),
            "comparisons": _inlined(Comparisons),
            "yardsticks": {"anyOf": [_inlined(Yardsticks), {"type": "null"}]},
            "runs": {"type": "array", "items": {"type": "string"}},
            "execution": _inlined(DeclaredCluster),
        },
    }


def _robustness() -> dict[str, Any]:
    """Return the schema of what `cacbench robustness` reads."""
    changes = {"type": "object", "additionalProperties": True}
    condition = {"cohort": changes, "segmenters": changes}
    return {
        "additionalProperties": False,
        "required": ["study", "conditions"],
        "properties": {
            "study": {"$ref": "#/$defs/study"},
            "conditions": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {
                    "type": ["object", "null"],
                    "properties": condition,
                    "additionalProperties": False,
                },
            },
        },
    }


def _segmentation() -> dict[str, Any]:
    """Return the schema of what `cacbench segmentation` and `cacbench train` read."""
    return {
        "additionalProperties": False,
        "required": ["name", "cohorts", "segmenters"],
        "properties": {
            "name": _NAME,
            "seed": _SEED,
            "cohorts": _named("cohort"),
            "segmenters": _named("segmenter"),
            "reference": _inlined(ReferenceRule),
            "paired": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
            "replicates": {"type": "integer", "minimum": 100, "default": 2000},
            "training": _trainer(),
        },
    }


def _trainer() -> dict[str, Any]:
    """Return the schema of a trainer; without ``use`` it is the first that is built in."""
    name = next(iter(BUILTINS["trainer"]))
    trainer = _rewritten(_plugin("trainer", name), lambda node: _A_COHORT if _any_cohort(node) else node)
    return _or_another(trainer)


_A_COHORT = {"$ref": "#/$defs/cohort"}


def _any_cohort(node: dict[str, Any]) -> bool:
    """Say whether a schema is what pydantic makes of a field that holds a cohort of whatever kind."""
    return node.get("title") == Cohort.__name__ and not node.get("properties")


def _target() -> dict[str, Any]:
    """Return the schema of a target: its name, or a mapping with its parameters."""
    models = (Nonzero, AgatstonBands)
    names = [model.model_fields["use"].default for model in models]
    declared = [{**_inlined(model), "required": ["use"]} for model in models]
    return {"anyOf": [{"enum": names}, *declared], "default": names[0]}


def _named(kind: Kind) -> dict[str, Any]:
    """Return the schema of ``name: declaration`` pairs; a name that is a plug-in's needs no ``use``."""
    return {
        "type": "object",
        "minProperties": 1,
        "properties": {name: _or_another({"$ref": f"#/$defs/{kind}.{name}"}) for name in BUILTINS[kind]},
        "additionalProperties": {"$ref": f"#/$defs/{kind}"},
    }


def _declaration(kind: Kind) -> dict[str, Any]:
    """Return the schema of a declaration that names its plug-in; one of another package is not checked."""
    choices = [{"$ref": f"#/$defs/{kind}.{name}", "required": ["use"]} for name in BUILTINS[kind]]
    other = {
        "type": "object",
        "required": ["use"],
        "properties": {"use": {"type": "string", "not": {"enum": list(BUILTINS[kind])}}},
    }
    return {"anyOf": [*choices, other, *([] if kind == "cohort" else [{"type": "string"}])]}


def _plugin(kind: Kind, name: str) -> dict[str, Any]:
    """Return the schema of a plug-in's declaration; ``use`` may be left out where its name says it."""
    schema = _inlined(plugin_class(kind, name))
    more = _of_extraction() if kind == "feature_extractor" else {}
    schema["properties"] = {"use": {"const": name}, **schema.get("properties", {}), **more}
    return schema


def _of_extraction() -> dict[str, Any]:
    """Return what stands beside a feature extractor's own parameters."""
    return {
        "segmenter": {"type": "string"},
        "train_on": {"$ref": "#/$defs/case_filter"},
        "beside": {"type": "string"},
        "permuted": {"type": "boolean", "default": False},
        "components": {"type": "integer", "minimum": 1},
    }


def _or_another(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a declaration under the plug-in's own name, which another plug-in may take, too."""
    return {"anyOf": [schema, {"type": "null"}, {"type": "object", "required": ["use"]}]}


def _inlined(model: type[Any]) -> dict[str, Any]:
    """Return a model's schema with its definitions put in place of the references to them."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def definition(node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            node = definitions[node["$ref"].rpartition("/")[2]]
        return node

    return dict(_rewritten(schema, definition))


def _rewritten(node: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Return a schema with each mapping in it changed, the outer before the inner."""
    if isinstance(node, dict):
        return {key: _rewritten(value, change) for key, value in change(node).items()}
    return [_rewritten(item, change) for item in node] if isinstance(node, list) else node
