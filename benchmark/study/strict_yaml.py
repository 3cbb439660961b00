"""YAML without two traps: `off` and `no` are words, as in YAML 1.2, and no key silently replaces an equal one."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

_BOOL = "tag:yaml.org,2002:bool"


def load_yaml(text: str) -> Any:
    """Return what `text` holds. Raises `yaml.YAMLError`, also for a key that a mapping has twice."""
    return yaml.load(text, _Loader)  # noqa: S506, it is a SafeLoader


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {  # noqa: RUF012, as in PyYAML
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[tuple[str, str]] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if (key.tag, key.value) in seen:
                problem = f"{key.value!r} is there already; remove one, or give it another name"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(_BOOL, re.compile("^(true|false)$", re.IGNORECASE), list("tTfF"))
