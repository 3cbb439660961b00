"""YAML as its version 1.2 reads it (core schema, https://yaml.org/spec/1.2.2/#103-core-schema), without traps.

`off` and `no` are words, 1e-3 is a number, and no key silently replaces an equal one. PyYAML reads version 1.1, in
which 010 is 8, 1:30 is 90 and 1_000 is 1000: what the two versions read differently is refused, neither is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

_PREFIX = "tag:yaml.org,2002:"
_AMBIGUOUS = "!ambiguous"
_SCHEMA = (
    # Version 1.1 reads these as other numbers than 1.2, or where 1.2 reads a word; the first that fits is taken.
    (_AMBIGUOUS, r"[-+]?0[0-9]+"),
    (_AMBIGUOUS, r"[-+]?0b[01_]+|[-+]0x[0-9a-fA-F_]+"),
    (_AMBIGUOUS, r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"),
    (_AMBIGUOUS, r"(?=.*[0-9]_|.*_[0-9])[-+]?(\.[0-9_]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9_]+)?"),
    (_AMBIGUOUS, r"(?=.*_)0[xo][0-9a-fA-F_]+"),
    (_PREFIX + "null", "~|null|Null|NULL|"),
    (_PREFIX + "bool", "true|True|TRUE|false|False|FALSE"),
    (_PREFIX + "int", "[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
    (_PREFIX + "float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"),
    (_PREFIX + "float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
    (_PREFIX + "merge", "<<"),
)


class AmbiguousError(yaml.constructor.ConstructorError):
    """A number that the versions of YAML read differently; its `problem` says what to write instead."""


def load_yaml(text: str) -> Any:
    """Return what `text` holds. Raises `yaml.YAMLError`, also for a key that a mapping has twice."""
    try:
        return yaml.load(text, Loader)  # noqa: S506, it is a SafeLoader
    except RecursionError:
        raise yaml.YAMLError("it is nested deeper than any study") from None
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        raise yaml.YAMLError(
            f"a value is not what its tag says ({' '.join(str(error).split())[:80]})"
        ) from None


class Loader(yaml.SafeLoader):
    """Reads the core schema of YAML 1.2, and merge keys."""

    yaml_implicit_resolvers = {  # noqa: RUF012, as in PyYAML
        first: [(tag, re.compile(f"(?:{pattern})\\Z", re.ASCII)) for tag, pattern in _SCHEMA]
        for first in ("", None)
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return the mapping; refuse a key that is there twice."""
        seen: set[tuple[str, str]] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if (key.tag, key.value) in seen:
                problem = f"{key.value!r} is there already; remove one, or give it another name"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)

    def refuse(self, node: yaml.ScalarNode) -> Any:
        """Raise `AmbiguousError`."""
        problem = (
            f"{node.value} is one thing to YAML 1.1 and another to YAML 1.2; write a number in plain decimal digits "
            "(1000, 90, 8), or put a name in quotes"
        )
        raise AmbiguousError(None, None, problem, node.start_mark)


Loader.add_constructor(_AMBIGUOUS, Loader.refuse)
