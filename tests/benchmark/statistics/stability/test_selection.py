from itertools import combinations

import numpy as np
import pytest

from benchmark.statistics.stability.selection import selection_frequency, selection_stability

FEATURES = [f"f{number}" for number in range(20)]


def draw(random, folds, size):
    return [
        set(random.choice(FEATURES, size if np.isscalar(size) else random.integers(*size), replace=False))
        for _ in range(folds)
    ]


def published(kept):
    """The authors' own function getVarianceofStability, transcribed loop by loop."""
    Z = np.array([[feature in own for feature in FEATURES] for own in kept], dtype=float)
    M, d = Z.shape
    frequency, k = Z.mean(axis=0), Z.sum(axis=1)
    kbar = frequency.sum()
    denominator = (kbar / d) * (1 - kbar / d)
    stability = 1 - (M / (M - 1)) * np.mean(frequency * (1 - frequency)) / denominator
    phi = np.array(
        [
            (1 / denominator)
            * (
                np.mean(Z[i] * frequency)
                - (k[i] * kbar) / d**2
                + (stability / 2) * ((2 * k[i] * kbar) / d**2 - k[i] / d - kbar / d + 1)
            )
            for i in range(M)
        ]
    )
    return stability, 1.959964 * np.sqrt((4 / M**2) * np.sum((phi - phi.mean()) ** 2))


def test_stability_and_interval_are_the_authors_on_200_inputs():
    for seed in range(200):
        random = np.random.default_rng(seed)
        kept = draw(random, int(random.integers(2, 12)), (1, 19))
        found, (value, half) = selection_stability(kept, FEATURES), published(kept)
        assert found.value == pytest.approx(value)
        assert found.low == pytest.approx(value - half, abs=1e-6)
        assert found.high == pytest.approx(min(1, value + half), abs=1e-6)


def test_selections_of_one_size_give_kunchevas_mean_pairwise_index():
    for seed in range(50):
        random = np.random.default_rng(seed)
        size = int(random.integers(1, 19))
        kept = draw(random, 6, size)
        chance = size**2 / len(FEATURES)
        pairs = [(len(a & b) - chance) / (size - chance) for a, b in combinations(kept, 2)]
        assert selection_stability(kept, FEATURES).value == pytest.approx(np.mean(pairs))


def test_equal_selections_are_stable_and_random_ones_are_not():
    assert selection_stability([{"f1", "f2"}] * 5, FEATURES).value == pytest.approx(1)
    random = np.random.default_rng(0)
    assert selection_stability(draw(random, 300, 8), FEATURES).value == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(("kept", "word"), [([set()] * 3, "no"), ([set(FEATURES)] * 3, "every")])
def test_selections_that_select_nothing_or_all_get_a_stated_answer(kept, word):
    found = selection_stability(kept, FEATURES)
    assert found.value is None
    assert f"keeps {word} feature" in found.note


def test_frequency_counts_the_selections_that_keep_a_feature():
    frequency = selection_frequency([["f1"], ["f1", "f2"]], FEATURES)
    assert frequency.iloc[:2].to_dict() == {"f1": 1.0, "f2": 0.5}


def test_one_selection_and_unknown_features_are_refused():
    with pytest.raises(ValueError, match="1 selection: stability compares at least two"):
        selection_stability([["f1"]], FEATURES)
    with pytest.raises(ValueError, match="zz was selected but is not among the 20 features"):
        selection_stability([["f1"], ["zz"]], FEATURES)
