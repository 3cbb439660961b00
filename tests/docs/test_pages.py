"""What the pages say can be done, can be done: links lead somewhere, commands parse, studies validate."""

import re
import shlex
from functools import cache

import pytest
import typer
import yaml
from huggingface_hub import DatasetCard, ModelCard

from benchmark.analyses.robustness.study import read_robustness_study
from benchmark.analyses.segmentation.study import read_segmentation_study
from benchmark.cli import app
from benchmark.study.reading import read_study
from benchmark.study.strict_yaml import load_yaml
from tests.docs.pages import MODEL_CARD, PAGES, ROOT, blocks, commands

UsageError = typer.BadParameter.__base__
MADE = {"study_file.md"}
"""Pages that docs/site makes; tests/docs/test_site.py looks at them."""
STUDY = {
    "name": "of_a_page",
    "cohort": {"use": "phantom", "zero": 10, "nonzero": 10},
    "segmenters": {"reference": {}, "heart_region": {}, "whole_image": {}, "whole": {"use": "whole_image"}},
    "extractors": {"radiomics": {"segmenter": "reference"}},
    "classifiers": {"logistic_regression": {}},
}
"""What a page's fragment of a study is put into; a section of the fragment takes the place of this one's."""


@cache
def anchors(page):
    """Return what headings of a page are called in links, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()) for heading in headings]
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page):
    text = page.read_text()
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'<img src="([^"]+)"', text)
    for link in links:
        place, _, anchor = link.partition("#")
        if place.startswith(("http", "mailto")) or place.rpartition("/")[2] in MADE:
            continue
        file = (page.parent / place).resolve() if place else page
        assert file.is_file(), f"{page.name}: {link}"
        assert not anchor or file.suffix != ".md" or anchor in anchors(file), f"{page.name}: {link}"


def test_a_heading_that_is_not_there_is_missed():
    assert "confidence" in anchors(ROOT / "docs" / "statistics.md")
    assert "confidance" not in anchors(ROOT / "docs" / "statistics.md")


def parsed(line):
    """Raise what click raises for a command line that cannot be; return the command's name."""
    words = [word.strip("[]") for word in shlex.split(line.replace("…", ""))][1:]
    words = [word.partition("|")[0] for word in words if word]
    main = typer.main.get_command(app)
    if words[0].isupper() or words[0].startswith("-"):
        words = [word for word in words if not word.isupper()]
        return main.make_parser(typer.Context(main)).parse_args(words) and ""
    command = main.get_command(typer.Context(main), words[0])
    if command is None:
        raise UsageError(f"no command {words[0]}")
    context = typer.Context(command, info_name=words[0])
    _, left, _ = command.make_parser(context).parse_args(words[1:])
    if left:
        raise UsageError(f"{words[0]} takes no {left}")
    return words[0]


def test_every_command_line_parses():
    named = set()
    wrong = []
    for page, line in commands():
        try:
            named.add(parsed(line))
        except UsageError as error:
            if "requires an argument" not in error.message:  # a sentence may name an option without its value
                wrong.append(f"{page}: {line}: {error.message}")
    assert wrong == []
    assert named - {""} == set(typer.main.get_command(app).commands)


@pytest.mark.parametrize(
    "line",
    [
        "cacbench rnu runs.yaml",
        "cacbench run --jbos 2",
        "cacbench run runs.yaml other.yaml",
        "cacbench --hepl",
    ],
)
def test_a_command_line_that_cannot_be_is_found(line):
    with pytest.raises(UsageError):
        parsed(line)


def test_every_target_of_make_is_there():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.search(r"\.PHONY: (.*)", makefile)[1].split())
    named = {name for page in PAGES for name in re.findall(r"`?\bmake ([a-z]+)`", page.read_text())}
    assert "bench" in named
    assert named <= targets


def validated(content, folder):
    """Read a page's study, whole or put into another, as its command would."""
    file = folder / "study.yaml"
    if "conditions" in content:
        content = {"study": {**STUDY, "segmenters": {"reference": {}}}, **content}
        reader = read_robustness_study
    elif "cohorts" in content:
        content = {"name": "of_a_page", "segmenters": {"reference": {}}, **content}
        reader = read_segmentation_study
    else:
        content = {**STUDY, **content, "segmenters": {**STUDY["segmenters"], **content.get("segmenters", {})}}
        reader = read_study
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return reader(file)


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_every_study_and_fragment_of_one_validates(block, tmp_path):
    filled = block.text.replace("<64 hex digits>", "a" * 64).replace("<commit>", "a" * 40)
    validated(load_yaml(filled), tmp_path)


def test_a_fragment_with_a_slip_is_found(tmp_path):
    with pytest.raises(Exception, match="widht"):
        validated({"extractors": {"radiomics": {"segmenter": "reference", "bin_widht": 25}}}, tmp_path)


def test_cards_are_what_the_hub_reads():
    model = ModelCard.load(MODEL_CARD)
    assert (model.data.license, model.data.pipeline_tag) == ("apache-2.0", "image-segmentation")
    data = DatasetCard.load(ROOT / "docs" / "data_card.md")
    assert data.data.license == "apache-2.0"
    for part in ("Why", "Annotation", "Splits", "Known limits", "Licence"):
        assert f"**{part}" in data.text


def test_the_citation_names_version_and_licence_of_the_package():
    import tomllib

    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])
    assert {"cff-version", "title", "authors", "message"} <= set(cited)
