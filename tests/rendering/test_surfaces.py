"""Tubes and polylines: closed, outwards, of the right size."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from castsim.polylines import arc_length, points_at, simplified, stretches
from castsim.surfaces import Surface, sphere, tube


def helix(turns: float = 1.0, points: int = 120) -> np.ndarray:
    angle = np.linspace(0.0, 2.0 * np.pi * turns, points)
    return np.column_stack([10.0 * np.cos(angle), 10.0 * np.sin(angle), 3.0 * angle])


def volume(surface: Surface) -> float:
    """Signed volume: negative when the triangles face inwards."""
    a, b, c = np.moveaxis(surface.points[surface.triangles], 1, 0)
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0)


def test_a_tube_is_closed():
    surface = tube(helix(), np.full(120, 1.5), 12)
    edges = np.concatenate([surface.triangles[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
    _, count = np.unique(np.sort(edges, axis=1), axis=0, return_counts=True)
    assert (count == 2).all()


@pytest.mark.parametrize("sides", [8, 16, 32])
def test_volume_of_a_tube_with_round_ends(sides):
    points = helix()
    surface = tube(points, np.full(120, 1.5), sides)
    polygon = sides / (2.0 * np.pi) * np.sin(2.0 * np.pi / sides)  # of its circle's area
    length = arc_length(points)[-1]
    low = polygon * np.pi * 1.5**2 * length
    high = np.pi * 1.5**2 * length + 4.0 / 3.0 * np.pi * 1.5**3
    assert low < volume(surface) < high


def test_normals_point_outwards_and_are_of_unit_length():
    surface = tube(helix(), np.linspace(0.4, 2.0, 120), 9)
    np.testing.assert_allclose(np.linalg.norm(surface.normals, axis=1), 1.0, atol=1e-9)
    a, b, c = np.moveaxis(surface.points[surface.triangles], 1, 0)
    face = np.cross(b - a, c - a)
    outwards = np.einsum("ij,ij->i", face, surface.normals[surface.triangles].mean(axis=1))
    assert (outwards > 0.0).all()


def test_a_tube_that_turns_back_and_at_right_angles_stays_finite():
    points = np.array([[0, 0, 0], [5, 0, 0], [0, 0, 0], [0, 5, 0], [0, 5, 5], [5, 5, 5]], float)
    surface = tube(points, np.full(6, 0.5), 7)
    assert np.isfinite(surface.points).all()
    assert np.isfinite(surface.normals).all()


def test_a_sphere_is_round():
    ball = sphere(np.array([1.0, 2.0, 3.0]), 2.0, 24)
    away = np.linalg.norm(ball.points - [1.0, 2.0, 3.0], axis=1)
    assert away.min() > 1.95
    assert away.max() < 2.15


def test_joining_nothing_gives_nothing():
    assert Surface.joined([]).n_triangles == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(*[st.floats(-20, 20)] * 3, st.floats(0.1, 5)), min_size=2, max_size=40),
    st.floats(0.01, 2.0),
)
def test_every_point_left_out_lies_within_the_tolerance(rows, tolerance):
    curve = np.array(rows)
    keep = simplified(curve[:, :3], curve[:, 3], tolerance)
    assert keep[0] == 0
    assert keep[-1] == len(curve) - 1
    for first, last in pairwise(keep):
        chord = curve[last] - curve[first]
        for point in curve[first : last + 1]:
            share = np.clip((point - curve[first]) @ chord / max(chord @ chord, 1e-300), 0, 1)
            assert np.linalg.norm(point - curve[first] - share * chord) <= tolerance * (1 + 1e-9)


def test_a_straight_line_keeps_its_ends_only():
    line = np.linspace([0.0, 0.0, 0.0], [9.0, 3.0, 1.0], 50)
    assert list(simplified(line, np.linspace(1.0, 2.0, 50), 1e-6)) == [0, 49]


def test_points_at_arc_lengths():
    corner = np.array([[0.0, 0, 0], [3.0, 0, 0], [3.0, 4.0, 0]])
    np.testing.assert_allclose(
        points_at(corner, np.array([0.0, 1.5, 5.0, 7.0])),
        [[0, 0, 0], [1.5, 0, 0], [3, 2, 0], [3, 4, 0]],
    )


@given(st.lists(st.booleans(), max_size=30))
def test_stretches_rebuild_what_they_were_read_from(flags):
    keep = np.array(flags, dtype=bool)
    rebuilt = np.zeros_like(keep)
    last_end = -1
    for first, last in stretches(keep):
        assert last_end < first < last  # runs are apart and not empty
        rebuilt[first:last] = True
        last_end = last
    np.testing.assert_array_equal(rebuilt, keep)
