"""Which voxels lie near a tube, and which of its nodes is nearest to each, against SciPy's tree."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from benchmark.phantom.geometry.grid import Grid
from benchmark.phantom.geometry.tubes import Tube, nearby

GRID = Grid.centred((0.0, 0.0, 0.0), (30, 60, 60), (3.0, 1.5, 1.5), 3.0)
POINTS = GRID.points(np.arange(np.prod(GRID.shape)))


def helix(turns, radius, reach, step):
    """Return a tube that winds its way through the grid; its neighbours are often far along it."""
    angle = np.linspace(0, 2 * np.pi * turns, 400)
    course = np.stack([np.linspace(-50, 50, 400), radius * np.sin(angle), radius * np.cos(angle)], axis=-1)
    return Tube.along(course, step, (reach, reach))


@settings(max_examples=20, deadline=None)
@given(turns=st.floats(0.1, 6), radius=st.floats(0, 50), reach=st.floats(1.0, 15.0), step=st.floats(0.5, 4.0))
def test_each_voxel_within_reach_is_found_with_its_nearest_node(turns, radius, reach, step):
    tube = helix(turns, radius, reach, step)
    found = nearby(tube, GRID, reach)
    distance, _ = cKDTree(tube.nodes).query(POINTS)
    surely, perhaps = (set(np.flatnonzero(distance <= reach + slack)) for slack in (-1e-3, 1e-3))
    assert surely <= set(found.voxels) <= perhaps
    nearest = np.linalg.norm(found.offset, axis=1)
    assert nearest == pytest.approx(distance[found.voxels], abs=1e-3)
    assert found.offset == pytest.approx(POINTS[found.voxels] - tube.nodes[found.node], abs=1e-4)


def test_a_tube_beside_the_grid_is_near_none_of_its_voxels():
    course = np.stack([np.zeros(9), np.linspace(200, 260, 9), np.zeros(9)], axis=-1)
    assert not nearby(Tube.along(course, 2.0, (3.0, 3.0)), GRID, 5.0).voxels.size
