"""ComBat against neuroCombat 0.2.12, run to convergence (1e-13 in the place of its 1e-4): 15 cases, 3 batches."""

import numpy as np
import pytest

from benchmark.statistics.harmonisation.combat import fit_combat

BATCH, LABEL = np.arange(21) % 3, np.arange(21) // 3 % 2
X = np.array(
    [
        [0.001, 1.597, 1.863, -1.891, 2.636],
        [0.508, 4.12, 3.42, -1.492, 6.639],
        [-0.714, -0.4, 2.174, -2.702, 1.277],
        [1.495, -1.688, 2.071, -1.901, 0.131],
        [0.458, 3.53, 2.416, 0.271, 8.97],
        [-0.542, -8.448, 2.143, -0.069, 1.876],
        [-1.53, 0.044, 1.511, -1.809, 7.183],
        [0.692, 3.935, 3.192, -1.584, 8.165],
        [-1.246, -1.221, 1.242, -1.294, 7.106],
        [-0.747, 2.719, 2.36, -0.641, 10.001],
        [3.062, 1.601, 3.087, 0.577, 7.934],
        [0.676, -1.586, 2.988, 2.015, -1.438],
        [0.203, 0.073, 2.064, -2.187, 2.262],
        [1.304, 5.798, 3.323, -2.324, 6.116],
        [-0.494, -6.979, 1.775, -1.536, 6.679],
        [1.489, 0.346, 2.116, -0.25, 8.571],
        [1.872, 3.393, 3.226, -0.121, 7.908],
        [-1.84, -1.432, 2.209, 1.632, 4.143],
        [-0.024, 2.337, 1.83, 0.052, 3.984],
        [2.083, 1.418, 2.923, -2.688, 2.394],
        [-1.826, -3.92, 2.215, 1.743, -2.093],
    ]
)
SEEN = slice(0, 15)
HARMONISED = [
    [0.322212, 2.053565, 2.114235, -1.442848, 3.691632],
    [-0.482644, 0.969374, 2.831429, -2.081314, 3.586443],
    [-0.003611, 1.830492, 2.452172, -2.153968, 3.699018],
    [1.725123, -1.702211, 2.351443, -1.455535, 1.466772],
    [-0.532854, 0.231934, 1.705137, -0.235171, 6.768394],
    [0.135607, -3.783541, 2.4297, -0.273982, 4.15158],
    [-1.115444, 0.278004, 1.712808, -1.338816, 7.73013],
    [-0.297872, 0.738143, 2.575658, -2.177653, 5.669522],
    [-0.434216, 1.257788, 1.776563, -1.148643, 8.102998],
    [-0.380183, 3.33636, 2.681024, 0.143008, 10.232987],
    [2.082079, -2.179117, 2.457868, 0.08526, 5.354194],
    [1.121466, 1.003176, 3.042242, 1.214012, 1.647756],
    [0.511896, 0.31116, 2.34346, -1.818379, 3.359457],
    [0.316698, 3.066701, 2.722614, -2.952551, 2.872518],
    [0.174459, -2.758813, 2.162936, -1.321433, 7.780387],
]
OTHERS = [
    [1.719489, 0.623284, 2.402762, 0.639064, 8.962907],
    [0.887083, 0.060698, 2.613799, -0.645658, 5.318702],
    [-0.915004, 1.110601, 2.477543, 0.940547, 5.864365],
    [0.298736, 2.899615, 2.076602, 1.022207, 4.888882],
    [1.098968, -2.407848, 2.273892, -3.333718, -2.208228],
    [-0.903672, -0.62495, 2.481893, 1.019802, 1.152884],
]
LABEL_KEPT = [
    [0.279108, 1.875159, 2.159307, -1.482124, 3.901167],
    [-0.457884, 0.736805, 2.784851, -1.802299, 3.321592],
    [-0.077798, 2.156405, 2.436158, -2.562589, 3.647481],
    [1.693282, -1.3715, 2.366479, -1.328245, 1.672669],
    [-0.500941, 0.521435, 1.79415, -0.099176, 7.019292],
    [0.170666, -4.024273, 2.46211, -0.110134, 3.988185],
    [-1.054315, 0.354076, 1.791062, -1.40712, 7.727128],
    [-0.275265, 0.468247, 2.559316, -1.931576, 5.522029],
    [-0.55197, 1.566688, 1.710737, -1.506568, 8.369688],
    [-0.259384, 2.944926, 2.668815, -0.175747, 9.977536],
    [2.083522, -2.278824, 2.457895, 0.33081, 5.525417],
    [1.256269, 0.904642, 3.119814, 1.452897, 1.303438],
    [0.45504, 0.38248, 2.369582, -1.752869, 3.586474],
    [0.332144, 3.172696, 2.6889, -2.971412, 2.567445],
    [0.118288, -2.569233, 2.125597, -1.688072, 8.023765],
]


def test_fitted_cases_are_those_of_neurocombat():
    found = fit_combat(X[SEEN], BATCH[SEEN]).adjust(X[SEEN], BATCH[SEEN])
    np.testing.assert_allclose(found, HARMONISED, atol=2e-6)


def test_other_cases_are_adjusted_by_what_was_fitted():
    found = fit_combat(X[SEEN], BATCH[SEEN]).adjust(X[15:], BATCH[15:])
    np.testing.assert_allclose(found, OTHERS, atol=2e-6)


def test_a_kept_label_is_neurocombats_categorical_covariate():
    found = fit_combat(X[SEEN], BATCH[SEEN], LABEL[SEEN]).adjust(X[SEEN], BATCH[SEEN], LABEL[SEEN])
    np.testing.assert_allclose(found, LABEL_KEPT, atol=2e-6)


def test_many_cases_have_the_same_mean_and_spread_in_every_batch_afterwards():
    random = np.random.default_rng(0)
    batch = np.repeat([3, 5, 9], 400)
    values = random.normal(size=(1200, 30)) * np.repeat([1, 2, 0.5], 400)[:, None]
    values += np.repeat([0, 4, -7], 400)[:, None] + np.arange(30)
    adjusted = fit_combat(values, batch).adjust(values, batch)
    for code in (3, 5, 9):
        assert adjusted[batch == code].mean(axis=0) == pytest.approx(adjusted.mean(axis=0), abs=0.1)
        assert adjusted[batch == code].std(axis=0) == pytest.approx(adjusted.std(axis=0), rel=0.05)


def test_nothing_is_learnt_from_a_case_that_is_only_adjusted():
    fitted = fit_combat(X[SEEN], BATCH[SEEN])
    alone = fitted.adjust(X[17:18], BATCH[17:18])
    together = fitted.adjust(X[15:], BATCH[15:])
    np.testing.assert_array_equal(alone[0], together[2])


def test_a_feature_that_does_not_vary_and_one_alone_are_no_trouble():
    values = np.c_[X[SEEN, 0], np.full(15, 7.0)]
    adjusted = fit_combat(values, BATCH[SEEN]).adjust(values, BATCH[SEEN])
    assert (adjusted[:, 1] == 7).all()
    assert np.isfinite(adjusted).all()
    means = [adjusted[BATCH[SEEN] == code, 0].mean() for code in range(3)]
    assert means == pytest.approx([adjusted[:, 0].mean()] * 3), "without others to shrink towards, exactly"


def test_the_order_of_cases_and_the_numbers_of_batches_mean_nothing():
    order = np.random.default_rng(1).permutation(15)
    names = np.array([40, 7, 19])
    found = fit_combat(X[SEEN][order], names[BATCH[SEEN]][order]).adjust(X[SEEN], names[BATCH[SEEN]])
    np.testing.assert_allclose(found, HARMONISED, atol=2e-6)


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        ([1] * 15, "all cases are of one: there is nothing to harmonise"),
        ([0] * 14 + [2], "and batch 2 has one"),
    ],
)
def test_one_batch_and_a_batch_of_one_are_refused(batch, said):
    with pytest.raises(ValueError, match=said):
        fit_combat(X[SEEN], batch)


def test_a_batch_that_was_not_seen_is_refused():
    with pytest.raises(ValueError, match="ComBat knows nothing of batch 3: no case of it was fitted"):
        fit_combat(X[SEEN], BATCH[SEEN]).adjust(X[15:], BATCH[15:] + 1)
