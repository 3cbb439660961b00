"""The figure of paired folds shows the differences fold by fold, and the interval that is claimed."""

import numpy as np
import pandas as pd

from benchmark.report.drawn.paired_folds import paired_folds_figure

FOLDS = pd.DataFrame(
    {
        "run": ["ct"] * 3 + ["radiomics"] * 3,
        "repeat": 0,
        "fold": [0, 1, 2, 2, 1, 0],
        "accuracy": [0.5, 0.6, 0.7, 0.9, 0.9, 0.9],
    }
)
CLAIMS = pd.DataFrame(
    [{"run": "ct", "reference": "radiomics", "difference": -0.3, "low": -0.55, "high": -0.05}]
)


def drawn(claims=CLAIMS):
    (axis,) = paired_folds_figure(FOLDS, claims, "accuracy").axes
    return axis, {line.get_color(): np.asarray(line.get_xdata(), float) for line in axis.lines}


def test_each_dot_is_the_difference_on_one_fold_whatever_the_order_of_the_rows():
    _, lines = drawn()
    assert np.allclose(sorted(lines["0.55"]), [-40, -30, -20])


def test_the_interval_is_the_claimed_one_and_the_axis_names_what_is_subtracted():
    axis, _ = drawn()
    interval, mean = (np.asarray(line.get_xdata(), float) for line in axis.lines if line.get_color() == "C0")
    assert np.allclose(interval, [-55, -5])
    assert np.allclose(mean, [-30])
    assert "radiomics" in axis.get_xlabel()
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["ct"]


def test_folds_that_do_not_vary_have_no_interval_and_are_drawn_all_the_same():
    axis, lines = drawn(CLAIMS.assign(low=np.nan, high=np.nan))
    assert len(lines["0.55"]) == 3
    assert len(axis.lines) == 4
