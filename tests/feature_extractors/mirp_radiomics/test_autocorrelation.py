"""Moran's I and Geary's C against sums over all pairs."""

from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

from feature_extractors.mirp_radiomics.autocorrelation import in_the_place_of_mirps, moran_and_geary


def pair_by_pair(places, values, spacing):
    where = places * spacing
    apart = np.linalg.norm(where[:, None] - where[None], axis=-1)
    weights = np.where(apart > 0, 1 / np.where(apart > 0, apart, 1), 0)
    off = values - values.mean()
    moran = len(values) * (weights * np.outer(off, off)).sum() / weights.sum() / (off**2).sum()
    differences = (weights * np.subtract.outer(values, values) ** 2).sum()
    return moran, (len(values) - 1) * differences / (2 * weights.sum() * (off**2).sum())


@pytest.mark.parametrize("shape", [(5, 7, 9), (1, 6, 6), (1, 1, 2)])
def test_both_are_the_sums_over_all_pairs_of_voxels(shape):
    rng = np.random.default_rng(0)
    places = np.argwhere(rng.random(shape) < 0.6) if np.prod(shape) > 2 else np.argwhere(np.ones(shape))
    values, spacing = rng.normal(size=len(places)), np.array([3.0, 0.7, 0.9])
    found = moran_and_geary(places + 4, values, spacing)
    assert found == pytest.approx(pair_by_pair(places, values, spacing), rel=1e-10)


def test_equal_values_are_as_like_their_neighbours_as_can_be():
    assert moran_and_geary(np.argwhere(np.ones((2, 3, 4))), np.full(24, 7.0), np.ones(3)) == (1.0, 1.0)


@pytest.mark.skipif(find_spec("mirp") is None, reason="mirp is not installed: pip install 'cacbench[mirp]'")
def test_mirp_takes_them_from_here_and_has_its_own_again_afterwards():
    from mirp._features.morph_3d_data import Data3DSpatial

    rng = np.random.default_rng(1)
    places = np.argwhere(rng.random((6, 6, 6)) < 0.5)
    table = pd.DataFrame(places, columns=["z", "y", "x"]).assign(g=rng.normal(size=len(places)))
    data = Data3DSpatial()
    data.spacing = (2.0, 1.0, 1.0)
    theirs = data._spatial_distribution(table)
    with in_the_place_of_mirps():
        ours = data._spatial_distribution(table)
        assert "mirp" not in Data3DSpatial._spatial_distribution.__module__.split(".")
    assert ours == pytest.approx(theirs, rel=1e-10)
    assert Data3DSpatial._spatial_distribution.__module__ == "mirp._features.morph_3d_data"
