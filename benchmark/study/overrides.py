"""What the command line changes of a study file: single values, and which runs are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from benchmark.errors import UserError
from benchmark.plugins.declaration import did_you_mean
from benchmark.study.strict_yaml import load_yaml


@dataclass(frozen=True)
class Overrides:
    """Changes of a declaration, before it is validated: the file is not touched."""

    values: tuple[str, ...] = ()
    """As ``protocol.folds=3``: keys with points between them, and a value in YAML."""
    only: tuple[str, ...] = ()
    """Names of runs, or of extractors, whose runs are made and no others."""

    def __bool__(self) -> bool:
        """Whether anything is changed."""
        return bool(self.values or self.only)

    def applied(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Return the content of a study file, changed. Raises `UserError` where that cannot be done."""
        changed = dict(content)
        for text in self.values:
            keys, value = _read(text)
            changed = _with(changed, keys, value, text)
        return _restricted(changed, self.only) if self.only else changed

    def __str__(self) -> str:
        """Say what is changed, as one types it."""
        return " ".join(
            [*(f"--set {text}" for text in self.values), *(f"--only {name}" for name in self.only)]
        )


NOTHING = Overrides()


def _read(text: str) -> tuple[list[str], Any]:
    place, equals, value = text.partition("=")
    keys = place.strip().split(".")
    if not equals or not all(keys):
        raise UserError(f"--set {text}: write KEY=VALUE, such as protocol.folds=3")
    try:
        return keys, load_yaml(value)
    except yaml.YAMLError as error:
        raise UserError(
            f"--set {text}: the value is not valid YAML ({' '.join(str(error).split())})"
        ) from None


def _with(content: Mapping[str, Any], keys: Sequence[str], value: Any, text: str) -> dict[str, Any]:
    """Return `content` with a value at the place `keys`; mappings on the way are made where there are none."""
    first, *rest = keys
    if not rest:
        return {**content, first: value}
    below = content.get(first) or {}
    if not isinstance(below, Mapping):
        raise UserError(f"--set {text}: {first} is no mapping in the study file; set it as a whole")
    return {**content, first: _with(below, rest, value, text)}


def _restricted(content: dict[str, Any], only: Sequence[str]) -> dict[str, Any]:
    """Return `content` with the runs that `only` names, and with no comparison that names another."""
    declared = {name: content.get(name) or {} for name in ("extractors", "classifiers")}
    if not all(isinstance(kind, Mapping) for kind in declared.values()):
        return content  # the validation says what is wrong
    extractors, classifiers = declared["extractors"], declared["classifiers"]
    product = [f"{extractor}/{classifier}" for extractor in extractors for classifier in classifiers]
    known = [name for name in product if name in (content.get("runs") or product)]
    for name in only:
        if name not in known and name not in extractors:
            raise UserError(
                f"--only {name}: is no run of the study; {did_you_mean(name, [*known, *extractors])}"
            )
    runs = [run for run in known if run in only or run.partition("/")[0] in only]
    used = {run.partition("/")[0] for run in runs}
    compared = {
        key: value
        for key, value in (content.get("comparisons") or {}).items()
        if not ((key == "reference" and value not in runs) or key in ("pairs", "question"))
    }
    kept = {name: spec for name, spec in extractors.items() if name in used}
    return {**content, "extractors": kept, "runs": runs, "comparisons": compared}
