"""Methods are chosen inside the training folds, and the words of the verdict follow from the numbers."""

import pandas as pd
import pytest

from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.run import run_study
from benchmark.report.study_report import report_of
from benchmark.report.verdict.methods import methods_of
from benchmark.report.verdict.sentence import verdict
from benchmark.report.verdict.standing import standing_tables


@pytest.fixture
def result(toy_study, tmp_path):
    extractors = {
        "moments": {"use": "toy_moments", "segmenter": "toy_centre"},
        "rule": {"use": "calcium_rule", "segmenter": "toy_centre"},
    }
    question = {"question": "moments against rule"}
    with workers(1) as pool:
        return run_study(
            toy_study(extractors=extractors, comparisons=question), Execution(Store(tmp_path), pool)
        )


def test_each_fold_of_a_method_is_that_of_the_run_with_the_best_inner_score(result):
    methods = methods_of(result)
    assert methods.names == ["moments", "rule"]
    for fold in range(3):
        choices = result.choices[
            result.choices["run"].str.startswith("moments/") & (result.choices["fold"] == fold)
        ]
        best = choices.loc[choices["inner_score"].idxmax(), "run"]
        expected, chosen = (
            table[(table["run"] == name) & (table["fold"] == fold)]["score"].tolist()
            for table, name in ((result.predictions, best), (methods.predictions, "moments"))
        )
        assert chosen == expected


def test_skill_is_accuracy_above_the_best_rule_on_the_same_cases(result):
    methods = methods_of(result)
    skill = standing_tables(result, methods)["skill"].set_index("run")
    right = methods.predictions.assign(right=lambda rows: rows["label"] == rows["predicted"])
    accuracy = right.groupby("run")["right"].mean()
    assert methods.best_rule in methods.rules
    for name in methods.names:
        assert skill.loc[name, "skill"] == pytest.approx(accuracy[name] - accuracy[methods.best_rule])
        assert skill.loc[name, "low"] <= skill.loc[name, "skill"] <= skill.loc[name, "high"]


def test_console_page_and_facts_show_the_same_methods_in_the_same_order(result):
    report = report_of(result)
    overview = report.sections[0]
    assert overview.where == "everywhere"
    assert list(overview.table.columns)[:2] == ["method", "skill"]
    shown = [name.strip("()") for name in overview.table["method"]]
    assert shown == report.tables["methods"]["method"].tolist()
    assert list(report.facts["methods"]) == shown
    assert report.sentences == report.facts["verdict"]


def test_a_question_about_a_method_without_result_is_said_to_be_unanswered(toy_study, tmp_path):
    extractors = {
        "moments": {"use": "toy_moments", "segmenter": "toy_centre"},
        "absent": {"use": "toy_moments", "segmenter": "toy_centre", "ready": False},
    }
    study = toy_study(extractors=extractors, comparisons={"question": "moments against absent"})
    with workers(1) as pool:
        report = report_of(run_study(study, Execution(Store(tmp_path), pool)))
    assert "moments against absent: not answered, for one of them has no result" in report.sentences


def claim(finding, run="a", difference=0.1, low=0.02, high=0.18, family="question", p=0.01, detectable=0.09):
    values = {"run": run, "reference": "b", "difference": difference, "low": low, "high": high, "p": p}
    return {**values, "finding": finding, "family": family, "detectable": detectable}


def said(*claims, methods=None):
    if methods is None:
        methods = pd.DataFrame({"method": ["a", "b"], "kind": "method", "group": ["a", "a"]})
    return verdict(pd.DataFrame(list(claims)), methods, cases=182)


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        ("better", "a is better than b, +10 points [+2, +18] of accuracy, p = 0.010"),
        ("worse", "a is worse than b"),
        ("equal", "a is practically equal to b"),
        ("undecided", "a cannot be told from b"),
    ],
)
def test_the_answer_is_worded_as_the_finding(finding, words):
    assert words in said(claim(finding))[0]
    assert ("182 cases can show about 9 points" in said(claim(finding))[0]) == (finding == "undecided")


def test_no_points_are_said_that_cannot_be():
    (sentence, *_) = said(claim("undecided", low=-1.32, high=1.32, detectable=1.45))
    assert "[-100, +100] of accuracy" in sentence
    assert sentence.endswith("; 182 cases are too few to show any difference")


def test_methods_are_grouped_by_finding_and_the_family_is_named():
    claims = [
        claim("worse", "c", -0.2, -0.3, -0.1, "reference"),
        claim("undecided", "d", 0.0, -0.1, 0.1, "reference"),
    ]
    (sentence, _) = said(*claims)
    assert sentence == (
        "against b, Holm over 2: worse: c -20 points [-30, -10]; undecided: d +0 points [-10, +10]; 182 cases can "
        "show about 9 points"
    )


def test_a_difference_without_an_interval_is_said_without_one():
    missing = claim("undecided", low=float("nan"), high=float("nan"), p=float("nan"), detectable=float("nan"))
    assert said(missing)[0] == "a against b: a cannot be told from b, +10 points of accuracy"


def test_the_top_is_named_with_all_that_are_tied_with_it():
    tied = pd.DataFrame({"method": ["a", "b", "c"], "kind": "method", "group": ["a", "ab", "b"]})
    assert said(claim("better"), methods=tied)[-1] == "not told apart at the top: a, b"
    alone = tied.assign(group=["a", "b", "b"])
    assert said(claim("better"), methods=alone)[-1].startswith("a has the highest accuracy, and every other")
