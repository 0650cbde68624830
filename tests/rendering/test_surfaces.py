"""Tubes and polylines: closed, outwards, of the right size."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from castsim.polylines import arc_length, points_at, simplified, stretches
from castsim.surfaces import Surface, contour, lighter, part_above, sphere, tube


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


def area(surface: Surface) -> float:
    a, b, c = np.moveaxis(surface.points[surface.triangles], 1, 0)
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2.0)


@pytest.mark.parametrize("least", [-1.0, 3.3, 9.99])
def test_a_part_is_cut_where_the_field_passes_its_value(least):
    """Along a straight tube the field is the way, so the cut is a plane between vertices."""
    rod = tube(np.array([[0.0, 0.0, 0.0], [10.0, 0.0, 0.0]]), np.full(2, 1.0), 32)
    along = rod.points[:, 0]
    part, carried = part_above(rod, along, least, 2.0 * along)
    used = np.unique(part.triangles)
    assert part.points[used, 0].min() == pytest.approx(max(least, along.min()))
    np.testing.assert_allclose(carried[used], 2.0 * part.points[used, 0], atol=1e-5)
    perimeter = 2.0 * 32 * np.sin(np.pi / 32)
    cap = area(part_above(rod, along, 10.0, along)[0])
    shown = min(10.0 - least, 10.0)
    start = cap if least < 0.0 else 0.0
    assert area(part) == pytest.approx(perimeter * shown + cap + start, rel=1e-5)


def test_a_part_of_nothing_and_of_all():
    rod = tube(helix(), np.full(120, 1.5), 12)
    field = rod.points[:, 2]
    assert part_above(rod, field, field.max() + 1.0, field)[0].n_triangles == 0
    whole, _ = part_above(rod, field, field.min(), field)
    np.testing.assert_array_equal(whole.triangles, rod.triangles)


def test_a_contour_lies_about_the_cubes_that_are_full():
    values = np.zeros((4, 3, 5))
    values[1:3, 1, 1:4] = 1.0
    surface = contour(values, np.array([10.0, 20.0, 30.0]), 0.5, 0.5)
    low, high = surface.points.min(axis=0), surface.points.max(axis=0)
    np.testing.assert_allclose(low, [10.25, 20.25, 30.25])
    np.testing.assert_allclose(high, [11.25, 20.75, 31.75])
    assert 0.5 * 6 * 0.125 < volume(surface) < 6 * 0.125


def test_a_lighter_surface_has_few_triangles_and_the_same_shape():
    fine = tube(helix(), np.full(120, 1.5), 48)
    light = lighter(fine, fine.n_triangles // 5)
    assert light.n_triangles <= fine.n_triangles // 5 + 2
    assert volume(light) == pytest.approx(volume(fine), rel=0.03)
    assert lighter(fine, fine.n_triangles) is fine
