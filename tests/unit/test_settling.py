"""Kernels of settling: what is skipped as too far to matter is too far, and the smoothing."""

import numpy as np
import pytest
from numpy.typing import NDArray

from geometry.clearance import obstacles_of
from geometry.kernels.settling import (
    MOST_ROOM_MM,
    REACH_MM,
    SMOOTHING,
    Obstacles,
    _smooth,
    clearances,
)
from geometry.kernels.solids import BOX, HEIGHT, box_gap, solid_distance, to_frame
from geometry.kernels.tubes import AFTER, FIRST, RADIUS, nearest_centre, sweep_distance
from geometry.skeleton import Skeleton

FloatArray = NDArray[np.float64]


@pytest.fixture(scope="module")
def obstacles() -> Obstacles:
    return obstacles_of(Skeleton.typical())


def points_between(obstacles: Obstacles, count: int) -> FloatArray:
    """Points strewn about the axes of the sleeves: canal, foramina and bone."""
    rng = np.random.default_rng(4)
    axis = obstacles.axis[rng.integers(len(obstacles.axis), size=count), :3]
    return np.asarray(axis + rng.normal(scale=4.0, size=(count, 3)))


def distance_to_all(obstacles: Obstacles, point: FloatArray, within: float) -> float:
    """As `clearances`, by looking at every obstacle."""
    x, y, z = (float(value) for value in point)
    best = within
    solid, sac = obstacles.solid, obstacles.sac
    for s in range(len(solid)):
        lx, ly, lz = to_frame(solid, s, x, y, z)
        if (
            box_gap(solid, s, BOX, lx, ly, lz) < REACH_MM
            and solid[s, HEIGHT] - REACH_MM <= z < solid[s, HEIGHT + 1] + REACH_MM
        ):
            best = min(best, solid_distance(solid, s, lx, ly, lz, np.inf))
    best = min(best, sweep_distance(sac, nearest_centre(sac, 0, y, z), x, y, z))
    away = np.linalg.norm(obstacles.axis[:, :3] - point, axis=1)
    ranges = obstacles.sleeve[:, [FIRST, AFTER]].astype(int)
    to_axis = [away[first:after].min() for first, after in ranges]
    nearest = int(np.argmin(to_axis))
    return min(best, to_axis[nearest] - obstacles.sleeve[nearest, RADIUS])


def test_nothing_near_is_skipped(obstacles: Obstacles) -> None:
    """Cells, bounds and boxes leave out only what is farther away than the room asked for."""
    points = points_between(obstacles, 2000)
    within = np.random.default_rng(5).uniform(0.2, MOST_ROOM_MM, len(points))
    found = clearances(obstacles, points, within)
    exact = [
        distance_to_all(obstacles, *place) for place in zip(points, within.tolist(), strict=True)
    ]
    near = np.array(exact) < within
    assert 0.1 < near.mean() < 0.9
    # in a solid the first-order distance to another one is no bound: what counts is being inside
    inside = np.array(exact) < 0
    np.testing.assert_allclose(found[~inside], np.array(exact)[~inside], atol=1e-12)
    assert (found[inside] < 0).all()


def test_smoothing_draws_inner_points_only() -> None:
    """Two veins meet at a node: nodes and points in bone keep their displacements."""
    rng = np.random.default_rng(6)
    line, line_start = np.array([0, 3, 4, 1, 1, 5, 6, 7, 2]), np.array([0, 4, 9])
    movable = np.ones(8, dtype=bool)
    movable[6] = False
    moved = rng.normal(size=(8, 3))
    wanted = moved.copy()
    for before, k, after in ((0, 3, 4), (3, 4, 1), (1, 5, 6), (6, 7, 2)):
        middle = (moved[before] + moved[after]) / 2
        wanted[k] = moved[k] + SMOOTHING * (middle - moved[k])
    _smooth(moved, movable, line, line_start, np.array([0, 1]))
    np.testing.assert_array_equal(moved, wanted)
