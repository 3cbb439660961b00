import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
from scipy import stats

from benchmark.statistics.comparison.critical_difference import critical_difference_figure
from benchmark.statistics.comparison.ranks import rank_methods


def scores(seed, cohorts=8, methods=5):
    random = np.random.default_rng(seed)
    values = random.uniform(0.5, 1, (cohorts, methods)) + 0.05 * np.arange(methods)
    return pd.DataFrame(values.round(int(random.choice([1, 2, 12]))), columns=list("abcdefgh")[:methods])


def test_friedman_and_nemenyi_are_those_of_scipy_and_scikit_posthocs_on_200_inputs():
    for seed in range(200):
        table = scores(seed, cohorts=3 + seed % 10, methods=3 + seed % 4)
        ranking = rank_methods(table)
        friedman = stats.friedmanchisquare(*table.to_numpy().T)
        assert (ranking.statistic, ranking.p) == pytest.approx((friedman.statistic, friedman.pvalue))
        if seed % 10 == 0:
            expected = scikit_posthocs.posthoc_nemenyi_friedman(table.to_numpy())
            assert ranking.nemenyi.to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-6)


@pytest.mark.parametrize(("methods", "q"), [(3, 2.343), (4, 2.569), (5, 2.728), (7, 2.949)])
def test_the_critical_difference_is_demsars(methods, q):
    # Demšar 2006, table 5(a), α = 0.05.
    ranking = rank_methods(scores(0, cohorts=14, methods=methods))
    assert ranking.critical_difference == pytest.approx(
        q * np.sqrt(methods * (methods + 1) / (6 * 14)), abs=1e-3
    )


def test_groups_hold_the_methods_that_nemenyi_cannot_tell_apart():
    for seed in range(30):
        ranking = rank_methods(scores(seed, cohorts=20))
        together = {frozenset((a, b)) for group in ranking.groups() for a in group for b in group if a != b}
        for a in ranking.nemenyi:
            for b in ranking.nemenyi:
                if a != b and abs(ranking.nemenyi.loc[a, b] - 0.05) > 1e-6:
                    assert (frozenset((a, b)) in together) == (ranking.nemenyi.loc[a, b] > 0.05)


def test_rank_one_is_best_and_smaller_can_be_better():
    table = pd.DataFrame({"a": [0.9, 0.8], "b": [0.7, 0.7], "c": [0.5, 0.7]})
    assert rank_methods(table).mean_ranks.to_dict() == {"a": 1, "b": 2.25, "c": 2.75}
    assert rank_methods(table, higher_is_better=False).mean_ranks.to_dict() == {"a": 3, "b": 1.75, "c": 1.25}


def test_methods_that_tie_everywhere_get_a_stated_answer():
    ranking = rank_methods(pd.DataFrame(0.8, index=range(4), columns=list("abc")))
    assert (ranking.statistic, ranking.p, ranking.note) == (None, 1.0, "all methods tie in every cohort")
    assert ranking.groups() == [["a", "b", "c"]]
    assert np.isfinite(ranking.nemenyi).all(axis=None)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (scores(0, methods=2), "2 methods: Friedman's test ranks three or more"),
        (scores(0, cohorts=1), "1 cohort: ranking over cohorts needs at least two"),
        (scores(0).replace(scores(0).iloc[0, 0], np.nan), "a score is missing"),
    ],
)
def test_what_cannot_be_ranked_is_refused(table, sentence):
    with pytest.raises(ValueError, match=sentence):
        rank_methods(table)


def test_the_diagram_names_every_method_at_its_rank_and_draws_one_bar_per_group(tmp_path):
    ranking = rank_methods(scores(3, cohorts=30))
    figure = critical_difference_figure(ranking)
    axis = figure.axes[0]
    texts = [text.get_text() for text in axis.texts]
    assert all(f"{method}  {rank:.2f}" in texts for method, rank in ranking.mean_ranks.items())
    bars = [line for line in axis.lines if line.get_linewidth() == 4]
    assert len(bars) == len(ranking.groups())
    figure.savefig(tmp_path / "ranks.svg")
    assert (tmp_path / "ranks.svg").read_text().startswith("<?xml")
