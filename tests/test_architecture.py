"""The plan of docs/architecture.md, counted from the code's own imports."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import grimp
import pytest

from benchmark.plugins.registry import BUILTINS

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("benchmark", "segmenters", "feature_extractors", "classifiers")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
LAYERS = [room for layer in CONTRACTS[0]["layers"] for room in layer.split(" : ")]
GROUND = {"errors", "table_file", "case", "execution", "plugins"}
"""What every room stands on; imports of it say nothing of how the others hang together."""
MODULES = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]


def room(module):
    parts = module.split(".")
    return parts[1] if parts[0] == "benchmark" and len(parts) > 1 else parts[0]


@pytest.fixture(scope="module")
def imports():
    """Every pair of modules (importer, imported), also of imports that stand in functions."""
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=True, cache_dir=None)
    return sorted(
        (one, other) for one in graph.modules for other in graph.find_modules_directly_imported_by(one)
    )


def test_no_import_runs_upward(imports):
    depth = {name: len(LAYERS) - place for place, name in enumerate(LAYERS)}
    upward = [
        pair
        for pair in imports
        if {room(pair[0]), room(pair[1])} <= depth.keys() and depth[room(pair[0])] < depth[room(pair[1])]
    ]
    assert upward == []


def test_no_rooms_import_one_another(imports):
    between = {(room(one), room(other)) for one, other in imports if room(one) != room(other)}
    assert {pair for pair in between if pair[::-1] in between} == set()


def test_most_imports_stay_in_their_room(imports):
    """Imports of the ground are not counted: with them it is about two in five."""
    counted = [pair for pair in imports if room(pair[1]) == room(pair[0]) or room(pair[1]) not in GROUND]
    stay = sum(room(one) == room(other) for one, other in counted)
    assert stay / len(counted) >= 0.5, f"{stay} of {len(counted)}"


@pytest.mark.parametrize(
    "line", ["import segmenters.denseraunet", "import classifiers.tabular", "import cacbench"]
)
def test_lint_refuses_a_harness_that_knows_a_plugin(tmp_path, line):
    for package in ("cacbench", *PACKAGES):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("*.safetensors", "__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    lint = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    assert subprocess.run(lint, cwd=tmp_path, capture_output=True).returncode == 0
    with (tmp_path / "benchmark" / "pipeline" / "run.py").open("a") as file:
        file.write(f"{line}\n")
    refused = subprocess.run(lint, cwd=tmp_path, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "The harness knows no concrete plug-in BROKEN" in refused.stdout


def test_rooms_modules_and_functions_keep_their_size():
    in_room = {}
    for file in MODULES:
        if file.name != "__init__.py":
            in_room.setdefault(file.parent, []).append(file.name)
    assert {str(folder): len(names) for folder, names in in_room.items() if len(names) > 12} == {}
    assert len(in_room[ROOT / "benchmark"]) <= 4
    assert [str(file) for file in MODULES if len(file.read_text().splitlines()) > 300] == []
    long = [
        f"{file}: {node.name}"
        for file in MODULES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= 50
    ]
    assert long == []


def test_every_module_that_is_named_in_a_string_is_there():
    named = {place.partition(":")[0] for plugins in BUILTINS.values() for place in plugins.values()}
    for file in MODULES:
        named |= set(re.findall(r'(?:code_digest|PackageLoader)\("([\w.]+)"\)', file.read_text()))
    assert len(named) > 20
    assert {name for name in named if find_spec(name) is None} == set()


@pytest.mark.parametrize("study", ["runs.yaml", *(f"studies/{name}.yaml" for name in ("controls",))])
def test_the_schema_that_a_study_names_is_there(study):
    (schema,) = re.findall(r"\$schema=(\S+)", (ROOT / study).read_text())
    assert ((ROOT / study).parent / schema).is_file()
