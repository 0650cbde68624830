"""The lumen on a grid: against a slow twin, exact sections, which way veins are flat."""

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from geometry.anatomy import Anatomy
from geometry.clearance import clearance
from geometry.errors import GeometryError
from geometry.kernels.lumen import Capsules
from geometry.levels import Level, Side
from geometry.lumen import Grid, at_least, capsules_of, lumen, minor_axes, strands
from geometry.network import NetworkBuilder, VesselNetwork
from geometry.structures import Structure

FloatArray = NDArray[np.float64]


def one_vein(
    *points: tuple[float, float, float], major: object = 1.0, minor: object = None
) -> VesselNetwork:
    builder = NetworkBuilder()
    start, end = builder.node(points[0]), builder.node(points[-1])
    builder.branch(
        start, end, Structure.AZYGOS, Level.T9, Side.RIGHT,
        radius=major, radius_minor=minor, via=points[1:-1],
    )  # fmt: skip
    return builder.build()


def random_capsules(count: int, seed: int) -> Capsules:
    """Pieces of five strands with tapers, twists and flat sections of every kind."""
    rng = np.random.default_rng(seed)
    along = rng.normal(scale=1.5, size=(count, 3))
    major = rng.uniform(0.3, 1.2, (count, 2))
    flat = rng.normal(size=(count, 2, 3))
    flat -= (
        np.einsum("sei,si->se", flat, along)[..., None]
        * along[:, None]
        / (np.einsum("si,si->s", along, along)[:, None, None])
    )
    flat /= np.linalg.norm(flat, axis=2, keepdims=True)
    flat[np.einsum("si,si->s", flat[:, 0], flat[:, 1]) < 0, 1] *= -1
    round_ones = np.arange(count) % 3 == 0
    ratio = np.where(round_ones[:, None], 1.0, rng.uniform(0.15, 1.0, (count, 2)))
    return Capsules(
        start=rng.uniform(-3, 3, (count, 3)), along=along, major=major, minor=major * ratio,
        flat=flat, strand=np.sort(rng.integers(5, size=count)), branch=np.arange(count),
        arc=np.zeros(count),
    )  # fmt: skip


def distance_to(capsules: Capsules, s: int, xyz: FloatArray) -> float:
    """As the kernel, by the semi-axes of the section as vectors."""
    along = capsules.along[s]
    t = float(np.clip((xyz - capsules.start[s]) @ along / (along @ along), 0.0, 1.0))
    a = (1 - t) * capsules.major[s, 0] + t * capsules.major[s, 1]
    b = (1 - t) * capsules.minor[s, 0] + t * capsules.minor[s, 1]
    away = xyz - capsules.start[s] - t * along
    tangent = along / np.linalg.norm(along)
    flat = (1 - t) * capsules.flat[s, 0] + t * capsules.flat[s, 1]
    flat /= np.linalg.norm(flat)
    wide = np.cross(tangent, flat)
    u, v, w = away @ wide, away @ flat, (away @ tangent) * (t in (0.0, 1.0))
    squared = u**2 + v**2 + w**2
    tip = (u**2 / a**2 + v**2 / b**2 + w**2 / (a * b)) / squared
    f = np.sqrt(u**2 / a**2 + v**2 / b**2 + w**2 * tip)
    slope = np.sqrt(u**2 / a**4 + v**2 / b**4 + w**2 * tip**2)
    return float(max((f - 1) * f / slope, -b, np.sqrt(squared) - a))


def twin(
    capsules: Capsules, grid: Grid, band: float, blend: float
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Distances and nearest capsules, one node after the other, every capsule looked at."""
    distance = np.full(grid.shape, band)
    nearest = np.full(grid.shape, -1)
    for node in product(*(range(n) for n in grid.shape)):
        xyz = np.array(grid.origin) + grid.spacing * np.array(node)
        each = np.array([distance_to(capsules, s, xyz) for s in range(len(capsules.start))])
        if each.min() < band:
            least = [each[capsules.strand == s].min() for s in np.unique(capsules.strand)]
            near = np.array([d for d in least if d < band])
            smooth = -blend * np.log(np.exp(-near / blend).sum()) if blend else near.min()
            distance[node], nearest[node] = smooth, each.argmin()
    return distance, nearest


@pytest.mark.parametrize("blend", [0.0, 0.15])
def test_kernel_agrees_with_its_twin(blend: float) -> None:
    capsules, grid = random_capsules(12, seed=3), Grid((-3.1, -2.9, -3.3), 0.7, (8, 9, 10))
    found = lumen(capsules, grid, band_mm=0.8, blend_mm=blend)
    distance, nearest = twin(capsules, grid, 0.8, blend)
    assert (distance < 0).sum() > 50 < (distance == 0.8).sum()
    np.testing.assert_allclose(found.distance, distance, atol=1e-5)
    nodes = np.stack(np.meshgrid(*(grid.axis(k) for k in range(3)), indexing="ij"), axis=-1)
    np.testing.assert_array_equal(found.nearest(nodes.reshape(-1, 3)), nearest.ravel())


def test_threads_and_the_place_of_the_grid_move_no_bit() -> None:
    capsules = random_capsules(40, seed=4)
    grid = Grid((-4.0, -4.0, -4.0), 0.25, (33, 34, 35))
    one = lumen(capsules, grid, band_mm=0.6, blend_mm=0.1)
    for threads in (2, 3):
        more = lumen(capsules, grid, band_mm=0.6, blend_mm=0.1, threads=threads)
        assert more.distance.tobytes() == one.distance.tobytes()
    # nodes in other bricks, at the same places: steps of 0.25 mm are exact
    moved = Grid((-3.75, -3.5, -3.25), 0.25, (32, 32, 32))
    part = lumen(capsules, moved, band_mm=0.6, blend_mm=0.1)
    np.testing.assert_array_equal(part.distance, one.distance[1:, 2:34, 3:])


def test_a_round_vein_is_known_exactly() -> None:
    capsules = capsules_of(one_vein((0, 0, 0), (4, 0, 0), (8, 0, 0)))
    grid = Grid.around((-3, -3, -3), (11, 3, 3), 0.5)
    found = lumen(capsules, grid, band_mm=1.5)
    x, y, z = np.meshgrid(*(grid.axis(k) for k in range(3)), indexing="ij")
    exact = np.sqrt((x - np.clip(x, 0, 8)) ** 2 + y**2 + z**2) - 1.0
    np.testing.assert_allclose(found.distance, np.minimum(exact, 1.5), atol=1e-6)


def test_sections_are_the_ellipses_of_the_network() -> None:
    """Across a tapering flat vein the distance changes its sign on the ellipse."""
    network = one_vein((0, 0, 0), (0, 0, 10), major=[1.0, 2.0], minor=[0.5, 0.4])
    capsules = capsules_of(network)  # flat from front to back
    grid = Grid.around((-3, -2, 0), (3, 2, 10), 0.1)
    found = lumen(capsules, grid, band_mm=0.3)
    x, y = np.meshgrid(grid.axis(0), grid.axis(1), indexing="ij")
    for k, z in enumerate(grid.axis(2)):
        inside = (x / (1 + z / 10)) ** 2 + (y / (0.5 - z / 100)) ** 2 - 1
        clear = np.abs(inside) > 1e-6
        assert (np.sign(found.distance[:, :, k]) == np.sign(inside))[clear].all()
    on_axis = found.distance[:, 20, 50]  # y = 0, z = 5: the major axis
    far = np.abs(grid.axis(0))
    near_wall = np.abs(far - 1.5) < 0.3
    np.testing.assert_allclose(on_axis[near_wall], far[near_wall] - 1.5, atol=1e-6)


def test_arcs_run_along_the_branch() -> None:
    network = one_vein((0, 0, 0), (3, 0, 0), (3, 4, 0), (3, 4, 5))
    found = lumen(capsules_of(network), Grid.around((-2, -2, -2), (5, 6, 7), 0.5), band_mm=1.0)
    xyz = np.array([[1.0, 0.2, 0.1], [3.3, 3.0, 0.0], [3.0, 4.0, 4.0]])
    np.testing.assert_allclose(found.arc(found.nearest(xyz), xyz), [1.0, 6.0, 11.0])
    assert found.nearest(np.array([[-2.0, -2.0, -2.0], [90.0, 0.0, 0.0]])).tolist() == [-1, -1]


def test_a_smooth_union_rounds_the_crotch_and_nothing_else() -> None:
    builder = NetworkBuilder()
    ends = [builder.node(p) for p in ((-6, 0, 0), (0, 0, 0), (6, 0, 0), (4, 5, 0))]
    for one, two in ((0, 1), (1, 2), (1, 3)):
        builder.branch(ends[one], ends[two], Structure.AZYGOS, Level.T9, Side.RIGHT, radius=1.0)
    network = builder.build()
    assert strands(network).tolist() == [0, 0, 2]  # the side branch has its own
    grid = Grid.around((-6, -3, -3), (6, 6, 3), 0.25)
    sharp = lumen(capsules_of(network), grid, band_mm=2.0).distance
    smooth = lumen(capsules_of(network), grid, band_mm=2.0, blend_mm=0.2).distance
    swell = sharp - smooth
    assert (swell > -1e-6).all()
    wall = np.abs(sharp) < 0.3
    assert swell[wall].max() == pytest.approx(0.2 * np.log(2), rel=0.02)
    alone = grid.axis(0) < -3
    assert swell[alone][wall[alone]].max() < 1e-4


def test_capsules_can_be_widened() -> None:
    capsules = at_least(random_capsules(20, seed=5), 0.5)
    assert min(capsules.major.min(), capsules.minor.min()) == 0.5
    assert (capsules.minor <= capsules.major).all()


@pytest.fixture(scope="module")
def typical() -> Anatomy:
    return Anatomy.typical()


def test_capsules_are_the_veins(typical: Anatomy) -> None:
    network = typical.network
    capsules = capsules_of(network, minor_axes(network, typical.skeleton))
    length = np.linalg.norm(capsules.along, axis=1)
    by_branch = np.bincount(capsules.branch, length, network.n_branches)
    np.testing.assert_allclose(by_branch, network.branch_length())
    last = np.zeros(network.n_branches)
    np.maximum.at(last, capsules.branch, capsules.arc + length)
    np.testing.assert_allclose(last, network.branch_length())
    assert (np.diff(capsules.strand) >= 0).all()
    along = np.einsum("sei,si->se", capsules.flat, capsules.along) / length[:, None]
    assert np.abs(along).max() < 1e-9
    np.testing.assert_allclose(np.linalg.norm(capsules.flat, axis=2), 1.0)


def test_pressed_veins_lie_flat_on_what_pressed_them(typical: Anatomy) -> None:
    """A minor semi-axis along the minor axis leads to bone, disc, sac or sleeve; a turn, away."""
    network, skeleton = typical.network, typical.skeleton
    minor, radius = minor_axes(network, skeleton), network.point_radius_minor[:, None]
    pressed = np.flatnonzero(network.point_radius_minor < 0.4 * network.point_radius)
    assert len(pressed) > 500

    def room(way: FloatArray) -> FloatArray:
        sides = [
            clearance(skeleton, network.point_xyz[pressed] + s * way[pressed]) for s in (1, -1)
        ]
        return np.minimum(*sides)

    flat = room(radius * minor)
    tangent = np.gradient(network.point_xyz, axis=0)
    across = np.cross(minor, tangent)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    assert np.median(np.abs(flat)) < 0.1
    assert np.median(room(radius * across) - flat) > 0.1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"band_mm": 0.0}, "band_mm = 0.0"),
        ({"band_mm": 1.0, "blend_mm": -1.0}, "blend_mm = -1.0"),
    ],
)
def test_lengths_must_be_lengths(given: dict[str, float], words: str) -> None:
    with pytest.raises(GeometryError, match=words):
        lumen(random_capsules(3, 0), Grid((0, 0, 0), 1.0, (3, 3, 3)), **given)


def test_a_grid_needs_a_box_and_a_spacing() -> None:
    with pytest.raises(GeometryError, match="spacing = 0"):
        Grid.around((0, 0, 0), (1, 1, 1), 0.0)
    with pytest.raises(GeometryError, match="is empty"):
        Grid.around((0, 0, 0), (1, 0, 1), 0.5)
    grid = Grid.around((0, 0, 0), (1, 1.2, 2), 0.5)
    assert grid.shape == (3, 4, 5)
    assert grid.n_nodes == 60


def test_a_lumen_needs_veins() -> None:
    none = Capsules(*(column[:0] for column in random_capsules(3, 0)))
    with pytest.raises(GeometryError, match="at least one piece"):
        lumen(none, Grid((0, 0, 0), 1.0, (3, 3, 3)), band_mm=1.0)
