"""The curves of a method are scikit-learn's and the decision curve's own, pooled and of each fold."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import auc, roc_auc_score

from benchmark.report.curves.method_curves import curves_figure, decision_table
from benchmark.report.verdict.methods import Methods


@pytest.fixture
def methods():
    rng = np.random.default_rng(0)
    label = np.arange(60) % 2
    cases = [f"c{place}" for place in range(60)]
    parts = [
        pd.DataFrame(
            {
                "run": name,
                "repeat": 0,
                "fold": np.arange(60) // 20,
                "case_id": cases,
                "label": label,
                "score": np.clip(0.5 + gain * (label - 0.5) + rng.normal(0, 0.2, 60), 0, 1),
            }
        )
        for name, gain in (("good", 0.5), ("blind", 0.0))
    ]
    return Methods(["good", "blind"], [], "", pd.DataFrame(), pd.concat(parts, ignore_index=True))


@pytest.fixture
def decisions(methods):
    cases = pd.DataFrame({"patient": [f"c{n}" for n in range(60)]}, index=[f"c{n}" for n in range(60)])
    return decision_table(
        SimpleNamespace(features=SimpleNamespace(cases=cases), study=SimpleNamespace(seed=0)), methods
    )


def test_the_drawn_curve_has_the_area_that_scikit_learn_computes(methods, decisions):
    figure = curves_figure(methods, decisions)
    assert len(figure.axes) == 6
    for row, name in enumerate(methods.names):
        rows = methods.predictions[methods.predictions["run"] == name]
        curves = {
            len(line.get_xdata()): line for line in figure.axes[3 * row].lines if line.get_color() == "C0"
        }
        (line,) = curves.values()
        assert auc(*line.get_data()) == pytest.approx(roc_auc_score(rows["label"], rows["score"]))
        assert sum(line.get_color() == "0.75" for line in figure.axes[3 * row].lines) == 3


def test_net_benefit_is_counted_from_the_cases(methods, decisions):
    at = decisions[(decisions["method"] == "good") & np.isclose(decisions["threshold"], 0.4)].iloc[0]
    rows = methods.predictions[methods.predictions["run"] == "good"]
    above = rows["score"] > 0.4
    true, false = (above & (rows["label"] == 1)).sum(), (above & (rows["label"] == 0)).sum()
    assert at["net_benefit"] == pytest.approx((true - false * 0.4 / 0.6) / 60)
    assert at["low"] < at["net_benefit"] < at["high"]


def test_a_fold_that_tests_one_label_alone_has_no_curve_and_stops_nothing(methods, decisions):
    one = methods.predictions["label"] == 1
    methods.predictions.loc[one, "fold"] = 9
    figure = curves_figure(methods, decisions)
    assert sum(line.get_color() == "0.75" for line in figure.axes[0].lines) == 0
