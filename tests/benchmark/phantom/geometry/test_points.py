"""Points that hold a volume: nothing of it is lost, and nothing gets beyond its own HU."""

import numpy as np
import pytest

from benchmark.phantom.geometry.grid import Canvas, Grid
from benchmark.phantom.geometry.points import add_points

GRID = Grid(shape=(4, 6, 5), spacing=(2.0, 0.5, 0.5), origin=(0.0, 0.0, 0.0), thickness=2.0)


def canvas():
    return Canvas(GRID, np.full(GRID.shape[1:], -800, np.float32))


def test_the_volume_is_in_the_voxel_that_the_point_lies_in():
    painted = canvas()
    add_points(painted, np.array([[2.4, 1.1, 0.9]]), np.array([0.1]), 200.0)
    (z, y, x), *others = np.argwhere(painted.hu != -800)
    assert (z, y, x) == (1, 2, 2)
    assert not others
    assert painted.hu[z, y, x] == pytest.approx(-800 + 0.2 * 1000)


def test_volumes_in_one_voxel_add_up_to_the_whole_of_it_and_no_more():
    painted = canvas()
    points = np.zeros((10, 3))
    add_points(painted, points, np.full(10, 0.02), 200.0)
    assert painted.hu[0, 0, 0] == pytest.approx(-800 + 0.4 * 1000)
    add_points(painted, points, np.full(10, 5.0), 200.0)
    assert painted.hu.max() == 200


def test_what_is_denser_stays_and_what_lies_outside_is_left_out():
    painted = canvas()
    painted.hu[:] = 300
    points = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 2.6], [-3.0, 0.0, 0.0]])
    add_points(painted, points, np.full(3, 5.0), 200.0)
    assert (painted.hu == 300).all()


def test_points_can_be_kept_to_a_part():
    painted = canvas()
    part = np.zeros(GRID.shape, bool)
    part[0] = True
    add_points(painted, np.array([[0.0, 1.0, 1.0], [4.0, 1.0, 1.0]]), np.full(2, 5.0), 200.0, part)
    assert np.argwhere(painted.hu != -800).tolist() == [[0, 2, 2]]
