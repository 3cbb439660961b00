"""Every case of the cohort is counted once: compared, or excluded with a reason."""

import pandas as pd
import pytest

from benchmark.case import Exclusion
from benchmark.execution.execution import open_execution
from benchmark.pipeline.run import run_study
from benchmark.report.cases.flow import flow_table
from benchmark.report.drawn.flowchart import flow_figure


@pytest.fixture(scope="module")
def of_study():
    def flow(study, folder):
        with open_execution(folder, 1) as execution:
            return run_study(study, execution)

    return flow


def test_what_cannot_be_read_is_excluded_with_its_reason(of_study, toy_study, tmp_path):
    result = of_study(toy_study(cohort={"use": "toy_cohort", "broken": [3, 25]}), tmp_path)
    flow = flow_table(result)
    assert flow[flow["step"] != "excluded"].set_index("step")["cases"].to_dict() == {
        "cohort": 40,
        "compared": 38,
        "tested": 38,
    }
    excluded = flow[flow["step"] == "excluded"]
    assert excluded["cases"].tolist() == [1, 1]
    assert excluded["reason"].str.contains("the scanner was switched off").all()
    assert flow["cases"][0] == flow["cases"][flow["step"].isin(["excluded", "compared"])].sum()
    # a case that two methods lack is one case
    result.features.exclusions.append(Exclusion("toy-003", "other", "segment", "again"))
    pd.testing.assert_frame_equal(flow_table(result), flow)


def test_what_is_drawn_says_the_numbers_and_the_reasons():
    rows = [("cohort", 30, ""), ("compared", 12, ""), ("tested", 9, "")]
    rows += [("excluded", 4 - k // 2, f"segment: reason {k} " + "long " * 40) for k in range(7)]
    figure = flow_figure(pd.DataFrame(rows, columns=["step", "cases", "reason"]))
    said = " ".join(text.get_text() for text in figure.axes[0].texts)
    for text in (
        "30 cases in the cohort",
        "12 cases that every",
        "9 cases tested",
        "cases excluded",
        "reason 4",
        "other",
    ):
        assert text in said
    assert "reason 5" not in said


def test_nothing_excluded_draws_no_box_for_it():
    rows = [("cohort", 3, ""), ("compared", 3, ""), ("tested", 3, "")]
    figure = flow_figure(pd.DataFrame(rows, columns=["step", "cases", "reason"]))
    assert not any("excluded" in text.get_text() for text in figure.axes[0].texts)
