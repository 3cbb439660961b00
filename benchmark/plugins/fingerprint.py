"""What a stored result depends on, as one hash: parameters as JSON, and code by what it does."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any


def digest_of(content: Any) -> str:
    """Return the SHA-256 of JSON-able `content`, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@cache
def code_digest(module: str) -> str:
    """Return the SHA-256 of a module's code, or of every module in a package; comments and docstrings do not count.

    Hashing the code instead of a version number kept by hand means that a cache can be too careful (a variable
    was renamed) but never stale.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return ""
    files = (
        sorted(Path(spec.origin).parent.rglob("*.py"))
        if spec.submodule_search_locations
        else [Path(spec.origin)]
    )
    digest = hashlib.sha256()
    for file in files:
        source = file.read_bytes()
        digest.update(_code(source).encode() if file.suffix == ".py" else source)
    return digest.hexdigest()


def _code(source: bytes) -> str:
    """Return Python source without comments, docstrings and layout."""
    return ast.unparse(_WithoutDocstrings().visit(ast.parse(source)))


class _WithoutDocstrings(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """Drop a statement that is a text and nothing else."""
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node
