"""The mesh of a ROI against PyRadiomics' own, which compares all pairs of vertices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from radiomics import cShape

from feature_extractors.radiomics.mesh import mesh_of

SHAPES = st.tuples(*[st.integers(1, 6)] * 3)
SPACINGS = st.tuples(*[st.floats(0.3, 5.0)] * 3).map(np.array)


def assert_as_pyradiomics(roi, spacing):
    padded = np.pad(roi, 1)
    area, volume, diameters = cShape.calculate_coefficients(padded, spacing)
    found = mesh_of(padded, spacing)
    assert found.area == pytest.approx(area, rel=1e-11)
    assert found.volume == pytest.approx(volume, rel=1e-11)
    assert found.diameters == diameters


@settings(max_examples=200, deadline=None)
@given(SHAPES.flatmap(lambda shape: arrays(bool, shape)).filter(np.any), SPACINGS)
def test_every_small_roi_has_the_mesh_of_pyradiomics(roi, spacing):
    assert_as_pyradiomics(roi, spacing)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_rois_of_many_vertices_have_the_mesh_of_pyradiomics(share):
    """Their planes have more points than are compared pair by pair."""
    roi = np.random.default_rng(0).random((9, 30, 41)) < share
    assert_as_pyradiomics(roi, np.array([3.0, 0.7, 0.7]))


@pytest.mark.parametrize("axes", [(0, 1), (0, 2), (1, 2)])
def test_a_diagonal_line_of_voxels_has_the_mesh_of_pyradiomics(axes):
    """In planes through it its vertices lie in a line across two axes."""
    roi = np.zeros((80, 80, 80), bool)
    place = [np.zeros(80, int)] * 3
    for axis in axes:
        place[axis] = np.arange(80)
    roi[tuple(place)] = True
    assert_as_pyradiomics(roi, np.array([0.6, 0.9, 1.1]))


def test_a_ball_has_its_diameter_and_less_than_its_volume():
    radius, spacing = 20.0, np.array([1.0, 1.0, 1.0])
    grid = np.indices((45, 45, 45)) - 22
    found = mesh_of((grid**2).sum(axis=0) <= radius**2, spacing)
    assert found.diameters == pytest.approx([2 * radius + 1] * 4, rel=0.01)
    assert found.volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.01)
