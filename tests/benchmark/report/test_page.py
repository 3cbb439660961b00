"""The page of a report: its contents lead somewhere, long tables are folded, the verdict comes before the numbers."""

from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from benchmark.report.page import write_page
from benchmark.report.report import Report, Section


class Elements(HTMLParser):
    """Every start tag with its attributes, and the text after each."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def values(self, tag, attribute):
        return [
            attributes[attribute]
            for name, attributes in self.found
            if name == tag and attribute in attributes
        ]


@pytest.fixture
def page(tmp_path):
    sections = [
        Section("Methods: 9 cases", pd.DataFrame({"method": ["a & b"], "skill": [None]})),
        Section("Comparisons", pd.DataFrame({"p": range(31)})),
        Section("Exclusions", pd.DataFrame(), otherwise="None."),
        Section("Nothing", pd.DataFrame()),
    ]
    report = Report(
        study="s",
        name="s",
        folder=Path("s"),
        lead="9 cases.",
        question="Which is best?",
        sections=sections,
        tables={"summary": pd.DataFrame()},
        facts={},
        sentences=["a is better than b"],
        warnings=["diagnosis: look"],
        tables_below="tables",
    )
    return Elements(write_page(tmp_path / "report.html", report, {}).read_text())


def test_the_contents_lead_to_sections_that_are_there(page):
    ids = page.values("h2", "id")
    assert len(ids) == len(set(ids))
    links = page.values("a", "href")
    assert [link[1:] for link in links if link.startswith("#")] == [
        "methods-9-cases",
        "comparisons",
        "exclusions",
        "files",
        "made-with",
    ]
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert "tables/summary.csv" in links


def test_the_question_comes_first_then_the_verdict_and_findings_after_the_first_table(page):
    shown = ("Which is best?", "a is better than b", "a & b", "diagnosis: look", "31 rows")
    places = [page.text.index(text) for text in shown]
    assert places == sorted(places)


def test_a_table_of_many_rows_is_folded_and_can_be_filtered_and_every_column_sorted(page):
    tags = [tag for tag, _ in page.found]
    assert tags.count("details") == tags.count("summary") == tags.count("input") == 1
    buttons = [attributes.get("class") for tag, attributes in page.found if tag == "button"]
    assert buttons.count(None) == tags.count("th") == 3
    assert buttons.count("save") == tags.count("table") == 2
    assert "31 rows" in page.text


def test_it_needs_no_network_and_has_a_language(page):
    assert page.values("html", "lang") == ["en"]
    assert page.values("script", "src") == page.values("link", "href") == []
