"""The surface of the lumen: closed, manifold, outwards, and of the right size."""

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from geometry import surface as module
from geometry.anatomy import Anatomy
from geometry.errors import GeometryError
from geometry.kernels.triangles import part_volumes, parts
from geometry.levels import Level, Side
from geometry.network import NetworkBuilder, VesselNetwork
from geometry.structures import Structure
from geometry.surface import LumenSurface, lumen_surface, network_surface, window_heights

FloatArray = NDArray[np.float64]
Point = tuple[float, float, float]

TILTED = np.array([[0.6, 0.64, 0.48], [-0.8, 0.48, 0.36], [0.0, -0.6, 0.8]])
"""Rows: unit vectors at right angles to one another, along no axis of the grid."""


def veins(*lines: tuple[Point, Point], major: object = 2.0, minor: object = None) -> VesselNetwork:
    """Straight veins between points, which meet where these are equal."""
    builder, node = NetworkBuilder(), {}
    for line in lines:
        for point in line:
            if point not in node:
                node[point] = builder.node(point)
        builder.branch(
            node[line[0]], node[line[1]], Structure.AZYGOS, Level.T9, Side.RIGHT,
            radius=major, radius_minor=minor,
        )  # fmt: skip
    return builder.build()


def assert_closed(surface: LumenSurface) -> None:
    """Every edge has two triangles that run along it both ways, every vertex is one fan of them.

    Counted one by one, and not as the surface itself does.
    """
    edges = Counter(
        (a, b) for t in surface.triangles.tolist() for a, b in zip(t, t[1:] + t[:1], strict=True)
    )
    assert set(edges.values()) == {1}
    assert all((b, a) in edges for a, b in edges)
    around: dict[int, dict[int, int]] = {}
    for a, b, c in surface.triangles.tolist():
        for here, after, last in ((a, b, c), (b, c, a), (c, a, b)):
            around.setdefault(here, {})[after] = last
    assert len(around) == len(surface.points)
    for fan in around.values():
        first = here = next(iter(fan))
        for _ in fan:
            here = fan[here]
        assert here == first
        steps, here = 1, fan[first]
        while here != first:
            here, steps = fan[here], steps + 1
        assert steps == len(fan)
    assert surface.open_edges == 0


def euler(surface: LumenSurface) -> int:
    return len(surface.points) - len(surface.triangles) // 2


def order(exact: float, coarse: float, fine: float) -> float:
    """Order of convergence when the spacing is halved."""
    return float(np.log2(abs(coarse - exact) / abs(fine - exact)))


def flattening(spacing: float, radius: float) -> float:
    """Share of a round volume that flat triangles cut off, at most.

    A chord of length c lies c^2 / 12 r inside its arc on average; a diagonal of a cell is
    sqrt(3) spacings, and the volume falls by twice that over the radius.
    """
    return 2.0 * 3.0 * spacing**2 / (12.0 * radius**2)


def line(length: float) -> tuple[Point, Point]:
    """A vein along no axis of the grid, about the origin."""
    x, y, z = (float(value) for value in 0.5 * length * TILTED[0])
    return (-x, -y, -z), (x, y, z)


def test_bodies_that_do_not_touch_are_told_apart() -> None:
    """Two tubes side by side: the longer one first, and together they are all there is."""
    near, far = line(10.0), tuple((x, y, z + 12.0) for x, y, z in line(6.0))
    surface = network_surface(veins(near, far), spacing_mm=0.4)
    exact = [np.pi * 4.0 * length + 4.0 / 3.0 * np.pi * 8.0 for length in (10.0, 6.0)]
    np.testing.assert_allclose(surface.bodies, exact, rtol=flattening(0.4, 2.0))
    assert surface.bodies.sum() == pytest.approx(surface.volume, rel=1e-12)


def test_a_tube_with_round_ends() -> None:
    exact = np.pi * 4.0 * 10.0 + 4.0 / 3.0 * np.pi * 8.0
    network = veins(line(10.0))
    volume = []
    for spacing in (0.8, 0.4, 0.2):
        surface = network_surface(network, spacing_mm=spacing)
        assert_closed(surface)
        assert euler(surface) == 2
        along = surface.points @ TILTED[0]
        beyond = surface.points - np.clip(along, -5.0, 5.0)[:, None] * TILTED[0]
        rho = np.linalg.norm(beyond, axis=1)
        # along an edge the distance to a round wall bends by its curvature: h^2 / 8 (2 / r)
        assert np.abs(rho - 2.0).max() < spacing**2 / 8.0
        outwards = np.einsum("vi,vi->v", surface.normals, beyond / rho[:, None])
        assert outwards.min() > 0.97
        volume.append(surface.volume)
    assert volume[-1] == pytest.approx(exact, rel=flattening(0.2, 2.0))
    assert order(exact, volume[0], volume[1]) == pytest.approx(2.0, abs=0.3)
    assert order(exact, volume[1], volume[2]) == pytest.approx(2.0, abs=0.3)


@pytest.mark.parametrize(
    ("major", "minor", "exact"),
    [
        (2.0, 2.0, np.pi * 4.0 * 6.0),
        ([1.0, 3.0], [1.0, 3.0], np.pi * 6.0 / 3.0 * (1.3**2 + 1.3 * 2.5 + 2.5**2)),
        (3.0, 1.2, np.pi * 3.6 * 6.0),
    ],
    ids=["tube", "taper", "ellipse"],
)
def test_what_is_cut_off_is_closed_by_caps(major: object, minor: object, exact: float) -> None:
    """The window of 6 mm in a vein of 10 mm: a cylinder, a cone, a flat cylinder with flat ends."""
    network = veins(((0.13, 0.07, -5.0), (0.13, 0.07, 5.0)), major=major, minor=minor)
    volume = []
    for spacing in (0.4, 0.2):
        surface = network_surface(network, spacing_mm=spacing, heights=(-3.5, 2.5))
        assert_closed(surface)
        assert euler(surface) == 2
        assert surface.points[:, 2].min() == pytest.approx(-3.5, abs=1e-3)
        assert surface.points[:, 2].max() == pytest.approx(2.5, abs=1e-3)
        volume.append(surface.volume)
    assert volume[0] == pytest.approx(exact, rel=0.03)
    assert volume[1] == pytest.approx(exact, rel=0.01)
    assert order(exact, *volume) > 1.2  # the rim of a cap is cut off across one cell


def test_where_three_veins_meet() -> None:
    """Two tubes at right angles share 16 r^3 / 3, the half of it at a branch (Archimedes)."""
    exact = np.pi * 4.0 * (16.0 + 8.0) + (4.0 + 2.0) / 3.0 * np.pi * 8.0 - 8.0 / 3.0 * 8.0
    network = veins(
        ((-8.0, 0.1, 0.2), (0.0, 0.1, 0.2)), ((0.0, 0.1, 0.2), (8.0, 0.1, 0.2)),
        ((0.0, 0.1, 0.2), (0.0, 0.1, 8.2)),
    )  # fmt: skip
    volume = []
    for spacing in (0.8, 0.4):
        surface = network_surface(network, spacing_mm=spacing, blend_mm=0.0)
        assert_closed(surface)
        assert euler(surface) == 2
        volume.append(surface.volume)
    assert volume[-1] == pytest.approx(exact, rel=flattening(0.4, 2.0))
    assert order(exact, *volume) == pytest.approx(2.0, abs=0.5)
    rounded = network_surface(network, spacing_mm=0.4, blend_mm=0.3)
    assert rounded.volume > volume[-1]
    assert_closed(rounded)


def test_a_ring_of_veins_has_its_hole() -> None:
    corners = [(0.0, 0.0, 0.0), (9.0, 0.0, 1.0), (9.0, 9.0, 0.0), (0.0, 9.0, 1.0)]
    ring = veins(*zip(corners, corners[1:] + corners[:1], strict=True), major=1.0)
    surface = network_surface(ring, spacing_mm=0.5)
    assert_closed(surface)
    assert euler(surface) == 0


def test_thin_veins_hold_together() -> None:
    """A vein far thinner than the spacing is one piece, drawn as thick as the surface says."""
    surface = network_surface(veins(line(30.0), major=0.2), spacing_mm=0.8)
    assert_closed(surface)
    assert euler(surface) == 2
    assert surface.least_radius == pytest.approx(0.6)


def test_bubbles_are_left_out() -> None:
    """The wall of a hollow ball is closed twice; only the outer one is kept."""
    balls = [
        network_surface(veins(((0.0, 0.0, -0.1), (0.0, 0.0, 0.1)), major=r), spacing_mm=0.5)
        for r in (4.0, 2.0)
    ]
    outer, inner = balls
    points = np.concatenate([outer.points, inner.points])
    triangles = np.concatenate([outer.triangles, inner.triangles[:, ::-1] + len(outer.points)])
    normals = np.concatenate([outer.normals, -inner.normals])
    kept = module._without_cavities(points, triangles, normals)
    for found, expected in zip(kept, (outer.points, outer.triangles, outer.normals), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_parts_and_their_volumes() -> None:
    """Two boxes, the larger one inside out, and a vertex of no triangle."""
    corner = np.array([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 2.0) for z in (0.0, 3.0)])
    hull = ConvexHull(corner)
    sides = hull.simplices.astype(np.int64)
    one, two, three = (corner[sides[:, k]] for k in range(3))
    facing = np.cross(two - one, three - one)
    inwards = np.einsum("ti,ti->t", facing, hull.equations[:, :3]) < 0
    sides[inwards] = sides[inwards, ::-1]
    points = np.concatenate([corner + 70.0, 2.0 * corner - 9.0, [[5.0, 5.0, 5.0]]])
    triangles = np.concatenate([sides, sides[:, ::-1] + 8])
    triangles = np.random.default_rng(1).permutation(triangles)
    part = parts(triangles, len(points))
    assert part.tolist() == [0] * 8 + [8] * 8 + [16]
    volume = part_volumes(points, triangles, part)
    np.testing.assert_allclose(volume[[0, 8, 16]], [6.0, -48.0, 0.0], rtol=1e-12)
    assert np.count_nonzero(volume) == 2


@pytest.fixture(scope="module")
def typical() -> Anatomy:
    return Anatomy.typical()


@pytest.fixture(scope="module")
def window(typical: Anatomy) -> LumenSurface:
    return lumen_surface(typical, (Level.T9, Level.T9), spacing_mm=0.7)


def test_a_window_of_the_spine(typical: Anatomy, window: LumenSurface) -> None:
    assert_closed(window)
    assert window.volume > 0
    low, high = window_heights(typical, Level.T9, Level.T9)
    z = window.points[:, 2]
    assert low - 1e-3 < z.min() < low + 1e-3
    assert high - 1e-3 < z.max() < high + 1e-3
    triangle = window.points[window.triangles]
    facing = np.cross(triangle[:, 1] - triangle[:, 0], triangle[:, 2] - triangle[:, 0])
    agreeing = np.einsum("ti,ti->t", facing, window.normals[window.triangles[:, 0]]) > 0
    assert agreeing.mean() > 0.98
    for values in (window.points, window.normals, window.arc):
        assert np.isfinite(values).all()


def test_every_vertex_knows_its_vein(typical: Anatomy, window: LumenSurface) -> None:
    network = typical.network
    np.testing.assert_array_equal(window.structure, network.branch_structure[window.branch])
    np.testing.assert_array_equal(window.level, network.branch_level[window.branch])
    np.testing.assert_array_equal(window.side, network.branch_side[window.branch])
    for vertex in range(0, len(window.points), 997):
        branch = int(window.branch[vertex])
        points = network.points(branch)
        arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
        at = [np.interp(window.arc[vertex], arc, points[:, axis]) for axis in range(3)]
        own = slice(network.point_offset[branch], network.point_offset[branch + 1])
        widest = max(network.point_radius[own].max(), window.least_radius)
        assert np.linalg.norm(window.points[vertex] - at) < widest + window.spacing


def test_the_same_bits_twice_whatever_the_threads(typical: Anatomy, window: LumenSurface) -> None:
    again = lumen_surface(typical, (Level.T9, Level.T9), spacing_mm=0.7, threads=3)
    for name in ("points", "normals", "triangles", "branch", "arc"):
        assert getattr(again, name).tobytes() == getattr(window, name).tobytes()


def test_windows_reach_half_way_to_their_neighbours(typical: Anatomy) -> None:
    z = {level: typical.skeleton.vertebra(level).origin[2] for level in (Level.T6, Level.T7)}
    assert window_heights(typical, Level.T7, Level.T11)[1] == pytest.approx(
        (z[Level.T6] + z[Level.T7]) / 2
    )
    assert window_heights(typical, Level.T7, Level.T7)[1] == pytest.approx(
        window_heights(typical, Level.T6, Level.T6)[0]
    )
    assert window_heights(typical, Level.C1, Level.S1) == (-np.inf, np.inf)


@pytest.mark.parametrize(
    ("levels", "spacing", "words"),
    [
        ((Level.T11, Level.T7), 0.4, "T7:T11"),
        ((Level.C8, Level.T7), 0.4, "C8 is a root"),
        ((Level.T7, Level.T7), 0.0, "spacing_mm = 0"),
        ((Level.T7, Level.T7), 1e-3, "GB, and .* GB are allowed"),
    ],
)
def test_what_cannot_be(
    typical: Anatomy, levels: tuple[Level, Level], spacing: float, words: str
) -> None:
    with pytest.raises(GeometryError, match=words):
        lumen_surface(typical, levels, spacing_mm=spacing)


def test_a_window_without_veins() -> None:
    with pytest.raises(GeometryError, match="no vein lies between"):
        network_surface(veins(line(10.0)), spacing_mm=0.5, heights=(50.0, 60.0))
