"""The documentation as a site: every page in it, every link and name found, every parameter of a plug-in said."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location

import pytest

from benchmark.plugins.registry import BUILTINS, plugin_class
from benchmark.study.study import Study
from tests.docs.pages import PAGES, ROOT

MISSING = [name for name in ("mkdocs", "material", "mkdocstrings") if find_spec(name) is None]
SECTIONS = {
    "cohort": "cohort",
    "segmenter": "segmenters",
    "feature_extractor": "extractors",
    "classifier": "classifiers",
}
needs_mkdocs = pytest.mark.skipif(bool(MISSING), reason=f"no {', '.join(MISSING)}: pip install '.[docs]'")


@pytest.fixture(scope="module")
def reference():
    spec = spec_from_file_location("study_reference", ROOT / "docs" / "site" / "study_reference.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.study_reference()


def build(root, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "-d", str(folder)]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs") / "site"
    done = build(ROOT, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@needs_mkdocs
def test_every_page_is_in_the_contents_of_the_site(site):
    contents = (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2]
    for page in PAGES:
        place = page.relative_to(ROOT)
        assert str(place) in contents
        folder = site if place.name == "README.md" else site / place.with_suffix("")
        assert (folder / "index.html").is_file()


@needs_mkdocs
def test_the_public_names_are_shown_with_their_docstrings(site):
    page = (site / "docs" / "python_api" / "index.html").read_text()
    for name, says in (
        ("cacbench.run", "extract, evaluate, compare, report, log to MLflow"),
        ("cacbench.Segmenter", "Finds the region of interest in a scan."),
        ("cacbench.compare_all", "one row per"),
    ):
        assert f'id="{name}"' in page
        assert says in page


@needs_mkdocs
def test_a_page_loads_nothing_from_elsewhere(site):
    for page in site.rglob("*.html"):
        loaded = re.findall(
            r'<(?:script|img|link rel="stylesheet")[^>]+(?:src|href)="(https?:[^"]+)"', page.read_text()
        )
        assert loaded == [], page


@pytest.mark.slow
@needs_mkdocs
def test_a_link_or_a_name_that_leads_nowhere_is_an_error(tmp_path):
    for name in ("docs", "studies", "results", "segmenters", "benchmark", "cacbench"):
        shutil.copytree(
            ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.safetensors", "store", "*.db")
        )
    for name in (
        "mkdocs.yml",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "CITATION.cff",
        "LICENSE",
        "runs.yaml",
    ):
        shutil.copy(ROOT / name, tmp_path)
    with (tmp_path / "docs" / "mlflow.md").open("a") as page:
        page.write("\n[there](nowhere.md) and [here](statistics.md#confidance)\n")
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode == 1
    assert "'nowhere.md'" in done.stdout + done.stderr
    assert "confidance" in done.stdout + done.stderr


@pytest.mark.parametrize("kind", SECTIONS)
def test_every_parameter_of_every_plugin_is_said(reference, kind):
    section = re.split(r"^## ", reference, flags=re.MULTILINE)
    (text,) = (part for part in section if part.startswith(f"{SECTIONS[kind]}\n"))
    for name in BUILTINS[kind]:
        (part,) = (
            item for item in re.split(r"^### ", text, flags=re.MULTILINE) if item.startswith(f"{name}\n")
        )
        fields = plugin_class(kind, name).model_fields
        for key, field in fields.items():
            (row,) = re.findall(rf"^\| `{key}` \| (.*) \|$", part, re.MULTILINE)
            assert ("required" in row.split(" | ")[1]) == field.is_required(), (name, key)


def test_every_key_of_a_study_is_said(reference):
    table = reference.partition("## The keys of a study")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == set(Study.model_fields)
    assert not re.search(r"\| +\|$", table, re.MULTILINE), "a key without a description"
