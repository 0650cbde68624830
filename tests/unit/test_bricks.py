"""A lumen in bricks near veins only: the same cubes as when the whole grid is known."""

import numpy as np
import pytest

from geometry.cubes import in_bricks, passages
from geometry.kernels.bricks import NOWHERE
from geometry.kernels.voxels import LEGS, OPEN, SHORTEST_LEG, WALL, find_legs, number_cells
from geometry.levels import Level, Side
from geometry.lumen import Grid, Lumen, capsules_of, lumen
from geometry.network import NetworkBuilder
from geometry.structures import Structure

SHAPES = ((33, 30, 31), (32, 36, 40), (17, 21, 34))
"""Nodes along the axes: no whole number of bricks, a whole one, and veins that leave the grid."""
SPACING = 0.25


@pytest.fixture(params=SHAPES, ids=str)
def space(request: pytest.FixtureRequest) -> Lumen:
    """Two veins that cross the corner of a grid and go on beyond it."""
    builder = NetworkBuilder()
    for start, end in (([0, 0, 0], [6, 6, 7]), ([-2, 3, 3], [5, 3, 3.5])):
        ends = builder.node(start), builder.node(end)
        builder.branch(*ends, Structure.AZYGOS, Level.T9, Side.RIGHT, radius=[1.0, 0.7])
    capsules = capsules_of(builder.build())
    return lumen(capsules, Grid((0.1, -0.2, 0.0), SPACING, request.param), band_mm=2 * SPACING)


def test_few_bricks_hold_what_the_whole_grid_shows(space: Lumen) -> None:
    bricks, dense = space.bricks, space.distance
    assert (bricks.row == NOWHERE).any()
    whole = in_bricks(dense)
    assert len(bricks.value) < len(whole.value)
    for brick, value in zip(whole.place, whole.value, strict=True):
        inside = value[np.isfinite(value)]  # nodes beyond the grid have no distance
        row = bricks.row[tuple(brick)]
        if row == NOWHERE:
            assert (inside == space.band).all()
        else:
            np.testing.assert_array_equal(bricks.place[row], brick)
            np.testing.assert_array_equal(bricks.value[row][np.isfinite(value)], inside)


def test_cubes_are_those_of_the_whole_grid(space: Lumen) -> None:
    few = passages(space.bricks, SPACING)
    whole = passages(in_bricks(space.distance), SPACING)
    for name in ("place", "owner", "neighbour"):
        np.testing.assert_array_equal(getattr(few, name), getattr(whole, name))
    for name in ("share", "psi", "passes"):
        np.testing.assert_allclose(getattr(few, name), getattr(whole, name), rtol=1e-12)
    np.testing.assert_array_equal(few.place, np.argwhere(space.distance < 0))


def test_legs_end_where_a_search_of_the_whole_grid_ends(space: Lumen) -> None:
    dense = space.distance.astype(float)
    cell, place = number_cells(space.bricks)
    beside, theta = find_legs(space.bricks, cell, place)
    number = {tuple(at): c for c, at in enumerate(place)}
    kinds = set()
    for c, at in enumerate(place):
        for leg, step in enumerate(LEGS):
            there = tuple(at + step)
            if not all(0 <= i < n for i, n in zip(there, dense.shape, strict=True)):
                end, part = OPEN, 1.0
            elif there in number:
                end, part = number[there], 1.0
            else:
                here = dense[tuple(at)]
                end, part = WALL, max(here / (here - dense[there]), SHORTEST_LEG)
            kinds.add(min(end, 0))
            assert beside[c, leg] == end
            assert theta[c, leg] == pytest.approx(part, rel=1e-12)
    assert kinds == {0, WALL, OPEN}
