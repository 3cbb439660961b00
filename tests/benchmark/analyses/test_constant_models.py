"""What the other analyses say of a model that says yes to every case: intervals with a width, and whose they are."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from benchmark.analyses.leakage.control import PermutedControl
from benchmark.analyses.leakage.findings import assess
from benchmark.analyses.leakage.variants import Variant
from benchmark.analyses.robustness.performance import performance_table
from benchmark.statistics.intervals.bootstrap import Resampling

WILSON = proportion_confint(11, 15, method="wilson")


@pytest.fixture
def yes_to_all():
    """Predictions of 15 cases, 11 of them positive."""
    label = np.array([1] * 11 + [0] * 4)
    cases = [f"c{number:02d}" for number in range(15)]
    return pd.DataFrame(
        {"run": "a/b", "repeat": 0, "fold": 0, "case_id": cases, "label": label, "score": 0.7, "predicted": 1}
    )


def test_the_robustness_table_names_wilsons_interval(yes_to_all):
    table = performance_table(yes_to_all.assign(condition="base"), ["accuracy", "macro_f1"], Resampling(200))
    row = table.set_index("metric").loc["accuracy"]
    assert (row["low"], row["high"]) == pytest.approx(WILSON)
    assert list(table["method"]) == ["wilson", "not estimable"]
    assert table.set_index("metric").loc["macro_f1", ["low", "high"]].isna().all()


def test_the_audit_names_wilsons_interval(yes_to_all):
    variant = Variant("sound", "as declared", True, None, lambda task, _: task)
    control = PermutedControl((0.5, 0.5), 0.5)
    (found,) = assess("a/b", [variant], yes_to_all.assign(run="sound"), {"sound": control}, seed=0)
    assert (found.accuracy.low, found.accuracy.high) == pytest.approx(WILSON)
    assert found.row()["accuracy_method"] == "wilson"
    assert found.row()["balanced_accuracy_method"] == "square-and-add"
    assert found.balanced_accuracy.high - found.balanced_accuracy.low > 0.1
