"""Reads a study file; every mistake in it is one sentence with the file, the line and the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from benchmark.errors import UserError
from benchmark.plugins.declaration import Declaration, plain_message
from benchmark.study.overrides import NOTHING, Overrides
from benchmark.study.strict_yaml import AmbiguousError, load_yaml
from benchmark.study.study import Study

Declared = TypeVar("Declared", bound=Declaration)

_OTHER_STUDIES = {"robustness": {"study", "conditions"}, "segmentation": {"cohorts"}}
"""Keys that, without `extractors`, mark another kind of study file, by the command that reads it."""


def read_study(path: Path, overrides: Overrides = NOTHING, base: Path | None = None) -> Study:
    """Read and validate a study file, with `overrides`. Raises `UserError` naming the file, the line and the remedy.

    Relative paths in it start from `base`; None: from the file's folder.
    """
    text, content = read_declaration(path)
    for command, keys in _OTHER_STUDIES.items():
        if keys <= set(content) and "extractors" not in content:
            raise UserError(
                f"{path}: is a study for `cacbench {command}`; name one like the runs.yaml of the project"
            )
    study = validated(Study, overrides.applied(content), path, text, base=base)
    study._file, study._text, study._overrides = path, text, str(overrides)
    return study


def read_declaration(path: Path, example: str = "the runs.yaml of the project") -> tuple[str, dict[str, Any]]:
    """Return a file's text and its YAML mapping, not validated. Raises `UserError`, which points to the `example`."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such study file; write one like {example}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text ({error})") from None
    try:
        content = load_yaml(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        fault = "" if isinstance(error, AmbiguousError) else "not valid YAML: "
        raise UserError(f"{path}:{line}: {fault}{error.problem}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds no study; write one like {example}")
    return text, content


def validated(
    model: type[Declared],
    content: dict[str, Any],
    path: Path,
    text: str,
    *within: str,
    base: Path | None = None,
) -> Declared:
    """Return what `content` declares. Raises `UserError` naming the file, the line and the remedy.

    `within` are the keys under which it stands in the file's `text`; none: it is the file. Relative paths start from
    `base`, else from the file's folder.
    """
    try:
        return model.model_validate(content, context={"base": base or path.parent})
    except ValidationError as error:
        places = [([*within, *map(str, item["loc"])], plain_message(item)) for item in error.errors()]
        raise UserError(
            "\n".join(located_sentence(path, text, place, message) for place, message in places)
        ) from None


def located_sentence(path: Path, text: str, place: Sequence[str], message: str) -> str:
    """Return a message about the keys `place` of a file with the content `text`, with file and line."""
    return f"{path}:{_line_of(text, place)}: {'.'.join(place)}: {message}" if place else f"{path}: {message}"


def _line_of(text: str, place: Sequence[str]) -> int:
    """Return the 1-based line on which `place` stands in the YAML text, or the nearest one above it."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    line = 1
    for part in place:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == part]
            if not found:
                return line
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
    return line
