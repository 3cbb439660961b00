"""What a stored result depends on, as one hash: parameters as JSON, and code by what it does.

Which code a result depends on follows from the imports of the module that makes it, so no list of it is kept by hand.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PROJECT = ("benchmark", "segmenters", "feature_extractors", "classifiers")
CONTRACT = (
    "benchmark.case",
    "benchmark.errors",
    "benchmark.execution.execution",
    "benchmark.execution.interruption",
    "benchmark.execution.process_pool",
    "benchmark.execution.progress",
    "benchmark.execution.store",
    "benchmark.execution.workers",
    "benchmark.networks.hub",
    "benchmark.networks.hub_download",
    "benchmark.networks.package_weights",
    "benchmark.networks.required",
    "benchmark.networks.source",
    "benchmark.networks.weights",
    "benchmark.plugins",
)
"""What plug-ins are built against and what moves bytes: it decides no number, and the weights' bytes are hashed."""


def digest_of(content: Any) -> str:
    """Return the SHA-256 of JSON-able `content`, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@cache
def code_digest(module: str) -> str:
    """Return the SHA-256 of a module's code and of all it imports of its own project, but for the contract.

    Comments, docstrings and layout do not count, nor what is imported for type checkers alone. Hashing the code
    instead of a version number kept by hand means that a cache can be too careful (a variable was renamed) but never
    stale. Raises `ModuleNotFoundError` where there is no such module.
    """
    used = sorted(code_of(module) - {module})
    return digest_of([_source_digest(module), {name: _source_digest(name) for name in used}])


def code_of(module: str) -> set[str]:
    """Return the names of the modules whose code `module` depends on, its own included."""
    projects = {*PROJECT, module.partition(".")[0]}
    modules: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in modules:
            modules.add(name)
            of_projects = (used for used in _imported(name) if used.partition(".")[0] in projects)
            waiting += [used for used in map(_module, of_projects) if not _is_contract(used)]
    return modules


def _is_contract(name: str) -> bool:
    return any(name == part or name.startswith(part + ".") for part in CONTRACT)


@cache
def _imported(module: str) -> tuple[str, ...]:
    """Return the dotted names that a module imports, wherever it does; the last part may be a function."""
    file = _file(module)
    if file.suffix != ".py":
        return ()
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    imports = _read(file.read_bytes()).imports
    return tuple(dict.fromkeys(name for node in imports for name in _names(node, package)))


def _names(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        origin = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
        yield from (f"{origin}.{alias.name}" for alias in node.names)


def _module(name: str) -> str:
    """Return the module that holds a dotted name: itself, or what stands before its last part."""
    return name if _located(name) else name.rpartition(".")[0]


@cache
def _located(module: str) -> Path | None:
    """Return the file of a module without importing it or its parents, as `importlib.util.find_spec` would do."""
    if module == "__main__":  # a plug-in in a script, tried before it has a module of its own
        script = getattr(sys.modules[module], "__file__", None)
        return Path(script) if script else None
    top, *inner = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None:
        return None
    if not inner:
        return Path(spec.origin) if spec.origin else None
    for folder in spec.submodule_search_locations or ():
        place = Path(folder, *inner)
        for file in (
            place / "__init__.py",
            place.with_suffix(".py"),
            *place.parent.glob(f"{place.name}.*.so"),
        ):
            if file.is_file():
                return file
    return None


def _source_digest(module: str) -> str:
    file = _file(module)
    source = file.read_bytes()
    return hashlib.sha256(_read(source).code.encode() if file.suffix == ".py" else source).hexdigest()


def _file(module: str) -> Path:
    file = _located(module)
    if file is None and module == "__main__":
        raise ModuleNotFoundError(
            "what is typed into a notebook or a prompt has no file to be hashed: write it into one"
        )
    if file is None:
        raise ModuleNotFoundError(f"there is no module {module!r}: what depends on its code cannot be stored")
    return file


@dataclass(frozen=True)
class _Source:
    """Python source as it counts: what it imports but for type checkers, and its code."""

    imports: Sequence[ast.AST]
    code: str
    """Without comments, docstrings and layout."""


@cache
def _read(source: bytes) -> _Source:
    tree = ast.parse(source)
    imports = [node for node in _statements(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    for node in _statements(tree, for_type_checkers=True):
        for name in _BLOCKS:
            if lines := getattr(node, name, None):
                setattr(node, name, [line for line in lines if not _is_text(line)])
    return _Source(imports, ast.unparse(tree))


_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""Where statements hold statements. Nothing within an expression does, so none is looked into."""


def _statements(tree: ast.Module, for_type_checkers: bool = False) -> Iterator[ast.AST]:
    """Yield the tree and all statements, those below ``if TYPE_CHECKING:`` only if asked for."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        skipped = () if for_type_checkers or not _asks_for_type_checkers(node) else ("body",)
        waiting += [inner for name in _BLOCKS if name not in skipped for inner in getattr(node, name, ())]


def _asks_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _is_text(node: ast.AST) -> bool:
    """Say whether a statement is a text and nothing else, as a docstring is."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
