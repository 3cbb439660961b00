"""The curves of a method are scikit-learn's and the decision curve's own, pooled and of each fold."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import auc, roc_auc_score, roc_curve

from benchmark.report.curves.method_curves import decision_table, first_repeat, table_of_bands
from benchmark.report.drawn.method_curves import curves_figure
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
def result():
    cases = pd.DataFrame({"patient": [f"c{n}" for n in range(60)]}, index=[f"c{n}" for n in range(60)])
    return SimpleNamespace(features=SimpleNamespace(cases=cases), study=SimpleNamespace(seed=0))


@pytest.fixture
def decisions(result, methods):
    return decision_table(result, methods)


@pytest.fixture
def bands(result, methods):
    return table_of_bands(result, methods)


def test_the_drawn_curve_has_the_area_that_scikit_learn_computes(methods, decisions, bands):
    figure = curves_figure(first_repeat(methods), decisions, bands)
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


def test_a_fold_that_tests_one_label_alone_has_no_curve_and_stops_nothing(methods, decisions, bands):
    one = methods.predictions["label"] == 1
    methods.predictions.loc[one, "fold"] = 9
    figure = curves_figure(first_repeat(methods), decisions, bands)
    assert sum(line.get_color() == "0.75" for line in figure.axes[0].lines) == 0


def test_the_pooled_curves_lie_in_their_bands_and_the_blind_one_around_the_diagonal(methods, bands):
    roc = bands[bands["curve"] == "roc"].set_index(["method", "place"])
    assert (roc.loc["blind"]["low"] < roc.loc["blind"].index).mean() > 0.9
    assert (roc.loc["good"]["low"] > roc.loc["good"].index)[5:40].all()
    rows = methods.predictions[methods.predictions["run"] == "good"]
    false, true, _ = roc_curve(rows["label"], rows["score"])
    pooled = np.interp(roc.loc["good"].index, false, true)
    assert ((roc.loc["good"]["low"] <= pooled) & (pooled <= roc.loc["good"]["high"])).all()
