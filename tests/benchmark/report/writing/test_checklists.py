"""Checklists are filled from the run: each item has its place, and what the software cannot know it does not claim."""

import pandas as pd
import pytest

from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.run import run_study
from benchmark.report.study_report import report_of
from benchmark.report.writing.checklist import COMMANDS, NOT_ANSWERED, Item, filled
from benchmark.report.writing.clear import CLEAR
from benchmark.report.writing.evidence import evidence_of
from benchmark.report.writing.metrics_score import METRICS

APART = {
    "cohort": {"use": "toy_cohort", "sites": [0.0, 5.0, 10.0]},
    "protocol": {"split": "leave_one_group_out", "inner_folds": 2},
}


@pytest.fixture
def made(toy_study, tmp_path):
    def make(**changes):
        with workers(1) as pool:
            result = run_study(toy_study(**changes), Execution(Store(tmp_path), pool))
        return result, report_of(result)

    return make


@pytest.mark.parametrize(("items", "count"), [(CLEAR, 58), (METRICS, 30)])
def test_a_checklist_has_all_its_items_in_order(items, count):
    assert [item.number for item in items] == list(range(1, count + 1))


def test_every_source_of_an_item_is_collected_and_every_evidence_is_asked_for(made):
    result, report = made()
    evidence = evidence_of(result, report.facts, report.tables)
    asked = {item.source for item in (*CLEAR, *METRICS) if item.source}
    assert {source for source in asked if not source.startswith(COMMANDS)} == set(evidence)


def test_a_command_that_an_item_names_is_one():
    from benchmark.cli import app

    known = {
        command.callback.__name__
        for group in app.registered_groups
        for command in group.typer_instance.registered_commands
    }
    named = {item.source.split()[1] for item in (*CLEAR, *METRICS) if item.source.startswith(COMMANDS)}
    assert named
    assert named <= known


def test_an_item_without_evidence_says_so():
    items = [
        Item(1, "a", "b"),
        Item(2, "a", "b", "empty"),
        Item(3, "a", "b", "cacbench quality"),
        Item(4, "a", "b", "x"),
    ]
    said = filled(items, {"empty": "", "x": "tables/x.csv"})["evidence"].tolist()
    assert said[:2] == [NOT_ANSWERED] * 2
    assert said[2:] == [f"{NOT_ANSWERED} in this run: `cacbench quality` does", "tables/x.csv"]
    with pytest.raises(KeyError):
        filled([Item(1, "a", "b", "nobody collects it")], {})


def test_evidence_follows_the_study(made):
    _, plain = made()
    _, apart = made(**APART, yardsticks=None)
    external, rules = (METRICS[number - 1] for number in (27, 24))
    for item, before, after in ((external, False, True), (rules, True, False)):
        for report, answered in ((plain, before), (apart, after)):
            table = report.tables["checklist_metrics"].set_index("item")
            assert (table.loc[item.number, "evidence"] != NOT_ANSWERED) == answered


def test_every_file_that_evidence_names_is_written(made):
    _, report = made()
    said = " ".join(
        pd.concat([report.tables["checklist_clear"], report.tables["checklist_metrics"]])["evidence"]
    )
    named = {word.strip("();:,.") for word in said.split()}
    tables = {
        word.removeprefix("tables/").removesuffix(".csv") for word in named if word.startswith("tables/")
    }
    assert len(tables) > 5
    assert tables <= set(report.tables)
    assert {word for word in named if word.endswith((".txt", ".md", ".tex"))} == set(report.texts)
