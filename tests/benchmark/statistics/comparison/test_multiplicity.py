import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from benchmark.statistics.comparison.multiplicity import benjamini_hochberg, holm


@pytest.mark.parametrize(("ours", "theirs"), [(holm, "holm"), (benjamini_hochberg, "fdr_bh")])
def test_adjusted_p_values_are_statsmodels_on_200_families(ours, theirs, monkeypatch):
    monkeypatch.setattr("gc.collect", lambda: 0)  # 0.1 s at every call
    for seed in range(200):
        random = np.random.default_rng(seed)
        p = np.round(random.uniform(0, 1, random.integers(1, 30)) ** 3, int(random.choice([1, 3, 12])))
        assert ours(pd.Series(p)).to_numpy() == pytest.approx(multipletests(p, method=theirs)[1], abs=1e-12)


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_an_undefined_p_value_stays_undefined_and_does_not_count(adjust):
    adjusted = adjust(pd.Series([0.01, None, 0.04]))
    assert adjusted.isna().tolist() == [False, True, False]
    assert adjusted.dropna().tolist() == adjust(pd.Series([0.01, 0.04])).tolist()
