import numpy as np
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

from benchmark.statistics.intervals.differences import difference_of_independent
from benchmark.statistics.intervals.proportions import wilson


@pytest.mark.parametrize(("a", "n", "b", "m"), [(30, 40, 70, 80), (5, 9, 9, 9), (0, 12, 3, 50)])
def test_two_proportions_give_newcombes_tenth_method(a, n, b, m):
    found = difference_of_independent((a / n, *wilson(a, n)), (b / m, *wilson(b, m)))
    assert found[0] == pytest.approx(a / n - b / m)
    assert found[1:] == pytest.approx(
        confint_proportions_2indep(a, n, b, m, method="newcomb", compare="diff")
    )


def test_a_side_without_an_interval_leaves_none():
    assert np.isnan(difference_of_independent((0.5, np.nan, np.nan), (0.4, 0.3, 0.5))[1:]).all()
