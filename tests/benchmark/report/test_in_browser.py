"""The page of a study and MLflow's own, opened in a browser as people do."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from benchmark.cli import app
from benchmark.report.tracking.service import Server
from tests.benchmark.report.browser import chromium, serious_violations, why_no_browser
from tests.benchmark.report.tracking.servers import free_port

pytestmark = pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser())
STUDY = {
    "name": "toy",
    "cohort": {"use": "toy_cohort", "sites": [0.0, 5.0]},
    "segmenters": {"toy_centre": {}},
    "extractors": {
        "moments": {"use": "toy_moments", "segmenter": "toy_centre"},
        "rule": {"use": "calcium_rule", "segmenter": "toy_centre"},
    },
    "classifiers": {"logistic_regression": {"grid": {"C": [0.1, 1.0]}}, "toy_nearest": {}},
    "protocol": {"folds": 3, "inner_folds": 3},
}
PATIENCE_MS = 120_000


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    (folder / "toy.yaml").write_text(yaml.safe_dump(STUDY))
    arguments = ["run", str(folder / "toy.yaml"), "--results", str(folder / "r"), "--jobs", "1"]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    return folder / "r"


def parents(results):
    """Return the ids of the parent runs."""
    with closing(sqlite3.connect(results / "mlflow.db")) as database:
        return [run for (run,) in database.execute("SELECT run_uuid FROM runs WHERE name = 'toy'")]


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def visit(browser, results):
    """Open the report; what the console says and what is asked of a network is kept in `page.said`, `page.asked`."""
    opened = []

    def go(width=1280, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        opened.append(context)
        context.set_default_timeout(PATIENCE_MS)  # other work on the machine is not the page's
        page = context.new_page()
        page.said, page.asked = [], []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto((results / "toy" / "report.html").as_uri())
        return page

    yield go
    for context in opened:
        context.close()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_says_nothing_on_the_console_and_can_be_read_by_all(visit, width, scheme):
    page = visit(width, scheme)
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert serious_violations(page) == []
    assert page.said == []
    assert {url.partition(":")[0] for url in page.asked} <= {"file", "data"}


def test_a_page_that_not_all_can_read_is_found(visit):
    page = visit()
    page.set_content("<html lang='en'><title>t</title><main><img src='x.png'></main></html>")
    assert [rule for rule, _ in serious_violations(page)] == ["image-alt"]


def test_dark_and_light_are_told_apart(visit):
    back = [
        visit(scheme=name).evaluate("getComputedStyle(document.body).backgroundColor")
        for name in ("light", "dark")
    ]
    assert back[0] == "rgb(255, 255, 255)"
    assert sum(map(int, re.findall(r"\d+", back[1]))) < 100


def test_the_contents_and_the_files_lead_somewhere(visit, results):
    page = visit()
    links = page.eval_on_selector_all("a", "all => all.map(link => link.getAttribute('href'))")
    inside = [link for link in links if link.startswith("#")]
    assert len(inside) > 10
    assert all(page.locator(f"[id='{link[1:]}']").count() == 1 for link in inside)
    beside = [link for link in links if not link.startswith(("#", "http", "data:"))]
    assert {"methods.txt", "table.tex", "comparison.svg", "comparison.png", "tables/bands.csv"} <= set(beside)
    assert [link for link in beside if not (results / "toy" / link).is_file()] == []


def test_a_column_is_sorted_up_and_down(visit):
    page = visit()
    table = page.locator("table[data-name=runs]")
    column = "rows => rows.map(row => parseFloat(row.cells[1].textContent))"
    for direction in ("ascending", "descending"):
        table.locator("th button").nth(1).click()
        values = table.locator("tbody tr").evaluate_all(column)
        assert len(values) == 4
        assert values == sorted(values, reverse=direction == "descending")
        assert table.locator("th").nth(1).get_attribute("aria-sort") == direction


def test_a_filter_leaves_the_rows_that_hold_the_text(visit):
    page = visit()
    part = page.locator("h2#clear-checklist ~ details").first
    part.locator("summary").click()
    rows = part.locator("tbody tr")
    assert rows.count() == 58
    part.locator("input").fill("SEGMENTATION")
    shown = rows.evaluate_all("rows => rows.filter(row => row.offsetParent).map(row => row.textContent)")
    assert 0 < len(shown) < 58
    assert all("segmentation" in text.lower() for text in shown)


def test_a_column_is_sorted_and_rows_are_filtered_by_the_keyboard_alone(visit):
    page = visit()
    table = page.locator("table[data-name=clear-checklist]")
    page.locator("h2#clear-checklist ~ details summary").first.focus()
    page.keyboard.press("Enter")
    for _ in range(2):  # to the filter, whose text is typed, then to the button and the first column
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.type") == "search":
            page.keyboard.type("segmentation")
    page.keyboard.press("Tab")
    for _ in range(2):
        page.keyboard.press("Enter")
    shown = "rows => rows.filter(row => row.offsetParent).map(row => parseInt(row.cells[0].textContent))"
    items = table.locator("tbody tr").evaluate_all(shown)
    assert 1 < len(items) < 58
    assert items == sorted(items, reverse=True)
    said = page.locator("h2#clear-checklist ~ details output").first
    assert said.text_content() == f"{len(items)} of 58"


def test_a_table_and_a_figure_are_saved_from_the_page_alone(visit, results, tmp_path):
    page = visit()
    with page.expect_download() as saved:
        page.get_by_label("Save this table as CSV: runs").click()
    saved.value.save_as(tmp_path / "runs.csv")
    table = pd.read_csv(tmp_path / "runs.csv")
    assert set(table["run"]) == {
        f"{extractor}/{name}" for extractor in STUDY["extractors"] for name in STUDY["classifiers"]
    }
    assert table["accuracy"].str.fullmatch(r"[01]\.\d+ \[.+\].*").all()
    with page.expect_download() as saved:
        page.get_by_text("Save the figure comparison as SVG").click()
    saved.value.save_as(tmp_path / "figure.svg")
    assert saved.value.suggested_filename == "comparison.svg"
    assert (tmp_path / "figure.svg").read_bytes() == (results / "toy" / "comparison.svg").read_bytes()


def test_a_table_saved_after_filtering_holds_the_rows_that_are_shown(visit, tmp_path):
    page = visit()
    page.locator("h2#clear-checklist ~ details summary").first.click()
    page.locator("h2#clear-checklist ~ details input").first.fill("segmentation")
    with page.expect_download() as saved:
        page.get_by_label("Save this table as CSV: clear-checklist").click()
    saved.value.save_as(tmp_path / "items.csv")
    table = pd.read_csv(tmp_path / "items.csv")
    assert 0 < len(table) < 58
    assert table.apply(lambda row: "segmentation" in " ".join(map(str, row)).lower(), axis=1).all()


def test_the_page_says_how_it_was_made_and_when(visit):
    page = visit()
    text = page.locator("table[data-name=how-it-was-made]").inner_text()
    for said in ("cacbench run toy.yaml", "seed\t0", "study.yaml", "commit of cacbench"):
        assert said in text
    page.get_by_text(re.compile(r"This file was written \d+ \w+ 20\d\d")).wait_for()


def test_no_figure_is_blank(visit, results):
    page = visit()
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    colours = page.evaluate("""async () => Promise.all([...document.images].map(async image => {
        await image.decode()
        const canvas = Object.assign(document.createElement("canvas"), {width: 300, height: 300})
        const pen = canvas.getContext("2d")
        pen.drawImage(image, 0, 0, 300, 300)
        return new Set(new Uint32Array(pen.getImageData(0, 0, 300, 300).data.buffer)).size
    }))""")
    pictures = [
        file for name in ("hard_cases", "segmentations") for file in (results / "toy" / name).glob("*.png")
    ]
    assert len(pictures) > 3
    assert len(colours) == 7 + len(pictures)
    assert min(colours) > 20


def test_the_methods_paragraph_is_copied_whole(visit, results):
    page = visit()
    page.locator("h2#methods-paragraph ~ p button.copy").first.click()
    page.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == (results / "toy" / "methods.txt").read_text()


@pytest.fixture(scope="module")
def mlflow_page(browser, results, tmp_path_factory):
    """Open a page of MLflow's server on the results."""
    server = Server(
        tmp_path_factory.mktemp("server"), f"sqlite:///{(results / 'mlflow.db').resolve()}", free_port()
    ).start()
    page = browser.new_page(viewport={"width": 1600, "height": 2000})
    page.set_default_timeout(PATIENCE_MS)

    def go(place):
        page.goto(f"{server.uri}/#/{place}")
        return page

    yield go
    page.close()
    server.stop()


@pytest.mark.slow
def test_mlflow_lists_every_run(mlflow_page):
    page = mlflow_page("experiments/1/runs")
    page.locator("button[data-component-id*=runnamecellrenderer]").first.click()
    runs = [f"{extractor}/{name}" for extractor in STUDY["extractors"] for name in STUDY["classifiers"]]
    for name in ["toy", *runs, "majority"]:
        page.get_by_role("link", name=name, exact=True).first.wait_for()


def test_mlflow_opens_an_artifact(mlflow_page, results):
    (parent,) = parents(results)
    page = mlflow_page(f"experiments/1/runs/{parent}/artifacts/methods.txt")
    page.get_by_text("40 cases of the cohort toy_cohort").first.wait_for()


@pytest.mark.slow
def test_mlflow_charts_three_runs_side_by_side(mlflow_page, results):
    with closing(sqlite3.connect(results / "mlflow.db")) as database:
        three = database.execute("SELECT run_uuid, name FROM runs WHERE name LIKE '%/%' LIMIT 3").fetchall()
    page = mlflow_page(f"compare-runs?runs={json.dumps([run for run, _ in three])}&experiments=%5B%221%22%5D")
    page.get_by_text("Comparing 3 Runs").first.wait_for()
    for _, name in three:
        page.get_by_text(name).first.wait_for()
    chart = page.locator(".js-plotly-plot").first
    for axis in ("classifier", "accuracy"):
        chart.get_by_text(axis, exact=True).first.wait_for()


def test_the_page_is_small(results):
    assert Path(results / "toy" / "report.html").stat().st_size < 8_000_000


DEFAULT_PAGE = Path(__file__).parents[3] / "results" / "phantoms" / "report.html"


@pytest.mark.skipif(not DEFAULT_PAGE.is_file(), reason="no page of the default study here: make bench")
def test_the_page_of_the_default_study_is_small_asks_for_nothing_and_opens_in_two_seconds(browser):
    assert DEFAULT_PAGE.stat().st_size <= 8_000_000
    seconds, asked = [], set()
    for _ in range(3):  # the best of them: other work on the machine is not the page's
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("request", lambda request: asked.add(request.url.partition(":")[0]))
        page.goto(DEFAULT_PAGE.as_uri())
        done = "performance.getEntriesByType('navigation')[0].loadEventEnd"
        page.wait_for_function(f"{done} > 0")
        seconds.append(page.evaluate(done) / 1000)
        page.close()
    assert asked <= {"file", "data"}
    assert min(seconds) <= 2, seconds
