"""What is installed: the public API, the wheel, and what a package of the same name does."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

import cacbench

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", cacbench.__all__)
def test_every_public_name_is_there_and_documented(name):
    found = getattr(cacbench, name)
    assert isinstance(found, str) or found.__doc__


def test_type_checkers_see_the_names_that_are_there():
    tree = ast.parse((ROOT / "cacbench" / "__init__.py").read_text())
    (guarded,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {(alias.asname, node.module) for node in guarded.body for alias in node.names}
    assert seen == set(cacbench._HOME.items())


def test_importing_it_imports_no_library_of_the_numbers():
    code = "import sys, cacbench; print([m for m in ('numpy', 'pandas', 'torch', 'pydantic') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_name_it_does_not_have_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'run_studdy'"):
        cacbench.run_studdy  # noqa: B018


@pytest.mark.parametrize("code", ["from cacbench import main; main()", "import cacbench; cacbench.run_study"])
def test_another_package_named_benchmark_is_answered_with_a_sentence(tmp_path, code):
    (tmp_path / "benchmark").mkdir()
    (tmp_path / "benchmark" / "__init__.py").write_text("")
    path = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; "
    done = subprocess.run([sys.executable, "-c", path + code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert "another package named 'benchmark' is found first, at" in done.stderr
    assert "install cacbench into an environment of its own" in done.stderr


@pytest.mark.slow
def test_the_example_of_the_readme_runs_as_it_is_printed(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (example,) = (block for block in blocks if "cacbench.run" in block)
    assert len(example.splitlines()) <= 10
    shutil.copytree(ROOT / "studies", tmp_path / "studies")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", example]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("first: 2 runs. 24 cases (12 zero, 12 nonzero)")
    assert "nadeau_bengio" in done.stdout
    assert {"first.svg", "results"} <= {path.name for path in tmp_path.iterdir()}
    assert (tmp_path / "results" / "first" / "report.html").is_file()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--quiet",
        "-w",
        str(folder),
    ]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    (file,) = folder.glob("cacbench-*.whl")
    return file


def test_the_wheel_holds_what_is_no_code_too(wheel):
    names = set(ZipFile(wheel).namelist())
    assert names >= {
        "benchmark/study/runs.schema.json",
        "benchmark/study/examples/runs.yaml",
        "benchmark/study/examples/studies/first.yaml",
        "benchmark/report/templates/page.html.jinja",
        "cacbench/py.typed",
        "segmenters/denseraunet/weights/denseraunet.safetensors",
        "segmenters/denseraunet/weights/denseraunet_slim.safetensors",
        "segmenters/denseraunet/weights/MODEL_CARD.md",
    }
    assert not [name for name in names if name.startswith(("tests/", "docs/", "results/"))]


@pytest.mark.slow
def test_the_wheel_installs_and_runs_outside_the_tree(wheel, tmp_path):
    site = tmp_path / "site"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--quiet",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True)
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r}); import benchmark;"
        f"assert benchmark.__file__.startswith({str(site)!r});"
        "from cacbench import main; sys.argv[0] = 'cacbench'; main()"
    )
    for arguments, shown in ((["--help"], "Usage: cacbench"), (["list", "--json"], '"denseraunet"')):
        command = [sys.executable, "-I", "-c", code, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert shown in done.stdout
