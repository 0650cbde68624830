"""Fewer triangles: the surface stays closed and manifold, and moves by no more than it may."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from geometry.errors import GeometryError
from geometry.levels import Level, Side
from geometry.network import NetworkBuilder
from geometry.simplifying import simplified
from geometry.structures import Structure
from geometry.surface import LumenSurface, network_surface

FloatArray = NDArray[np.float64]


@pytest.fixture(scope="module")
def fork() -> LumenSurface:
    """Three veins of different calibre and structure that meet."""
    build = NetworkBuilder()
    middle = build.node((0.0, 0.0, 0.0))
    for end, radius, structure in (
        ((20.0, 1.0, 2.0), 2.0, Structure.AZYGOS),
        ((-8.0, 12.0, 0.0), 1.2, Structure.FORAMINAL),
        ((-6.0, -11.0, 4.0), 0.8, Structure.PARASPINAL),
    ):
        build.branch(middle, build.node(end), structure, Level.T9, Side.RIGHT, radius=radius)
    return network_surface(build.build(), spacing_mm=0.4)


def assert_closed(surface: LumenSurface) -> None:
    """Every edge has two triangles, which run along it both ways; counted one by one."""
    edges = Counter(
        (a, b) for t in surface.triangles.tolist() for a, b in zip(t, t[1:] + t[:1], strict=True)
    )
    assert set(edges.values()) == {1}
    assert all((b, a) in edges for a, b in edges)


def distance(points: FloatArray, surface: LumenSurface) -> FloatArray:
    """Distance of every point to the nearest triangle, one triangle after the other."""
    least = np.full(len(points), np.inf)
    for a, b, c in surface.points[surface.triangles]:
        normal = np.cross(b - a, c - a)
        normal /= np.linalg.norm(normal)
        inside = np.ones(len(points), dtype=bool)
        for p, q in ((a, b), (b, c), (c, a)):
            inside &= (points - p) @ np.cross(normal, q - p) >= 0.0
            share = np.clip((points - p) @ (q - p) / ((q - p) @ (q - p)), 0.0, 1.0)
            least = np.minimum(least, np.linalg.norm(points - p - share[:, None] * (q - p), axis=1))
        away = np.abs((points - a) @ normal)
        least = np.where(inside, np.minimum(least, away), least)
    return least


@pytest.mark.parametrize("tolerance_mm", [0.02, 0.05, 0.15])
def test_it_stays_closed_and_moves_by_no_more_than_it_may(
    fork: LumenSurface, tolerance_mm: float
) -> None:
    light = simplified(fork, tolerance_mm)
    assert len(light.triangles) < 0.8 * len(fork.triangles)
    assert_closed(light)
    assert light.open_edges == 0
    corners = fork.points[fork.triangles]
    area = (
        0.5
        * np.linalg.norm(
            np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
        ).sum()
    )
    assert abs(light.volume - fork.volume) <= tolerance_mm * area
    assert distance(fork.points[::23], light).max() <= tolerance_mm


def test_the_coarser_the_fewer(fork: LumenSurface) -> None:
    counts = [len(simplified(fork, mm).triangles) for mm in (0.01, 0.03, 0.1)]
    assert counts == sorted(counts, reverse=True)


def test_what_stays_keeps_its_place_and_its_labels(fork: LumenSurface) -> None:
    light = simplified(fork, 0.05)
    place = {tuple(point): k for k, point in enumerate(fork.points.tolist())}
    kept = np.array([place[tuple(point)] for point in light.points.tolist()])
    assert len(np.unique(kept)) == len(light.points)
    for name in ("normals", "branch", "arc", "structure", "level", "side"):
        np.testing.assert_array_equal(getattr(light, name), getattr(fork, name)[kept])
    assert len(np.unique(light.structure)) == 3
    assert light.spacing == fork.spacing


def test_equal_surfaces_give_equal_ones(fork: LumenSurface) -> None:
    one, other = simplified(fork, 0.05), simplified(fork, 0.05)
    np.testing.assert_array_equal(one.points, other.points)
    np.testing.assert_array_equal(one.triangles, other.triangles)


@pytest.mark.parametrize("tolerance_mm", [0.0, -1.0, np.nan, np.inf])
def test_a_tolerance_that_is_no_length_is_refused(fork: LumenSurface, tolerance_mm: float) -> None:
    with pytest.raises(GeometryError, match="tolerance_mm"):
        simplified(fork, tolerance_mm)


def test_an_open_surface_is_refused(fork: LumenSurface) -> None:
    with pytest.raises(GeometryError, match="not closed and manifold"):
        simplified(replace(fork, triangles=fork.triangles[1:]), 0.05)
