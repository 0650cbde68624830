"""Lengths of rays in veins, bones and trunk: exact chords, and a slow march as reference."""

import numpy as np
import pytest

from geometry.anatomy import Anatomy
from geometry.bones import Bones, Process
from geometry.centerline_mesh import CentrelineMesh, centreline_mesh
from geometry.errors import GeometryError
from geometry.kernels.solids import BODY, LAMINA, PEDICLE, PROCESS
from geometry.levels import Level, Side
from geometry.lumen import ANTERIOR
from geometry.network import NetworkBuilder, TerminalKind, VesselNetwork
from geometry.projection import Beam, bone_paths, trunk_path, vein_paths
from geometry.skeleton import Skeleton
from geometry.structures import Structure
from geometry.vein_pieces import tube_pieces, vein_pieces

SHELLS = {BODY: 0.4, PEDICLE: 1.0, LAMINA: 1.0, PROCESS: 0.8}
NO_SHELLS = dict.fromkeys(SHELLS, 0.0)


def beam(
    angle: float = 0.0,
    isocentre: tuple[float, float, float] = (0.0, 0.0, 0.0),
    pixels: int = 101,
    field: float = 60.0,
) -> Beam:
    return Beam(np.array(isocentre), angle, 750.0, 1050.0, field, pixels)


def tube(start: list[float], end: list[float], major: float, minor: float) -> VesselNetwork:
    builder = NetworkBuilder()
    one, two = builder.node(start), builder.node(end)
    builder.branch(
        one, two, Structure.AZYGOS, Level.T8, Side.RIGHT, radius=major, radius_minor=minor
    )
    builder.terminal(one, TerminalKind.OUTLET, "out")
    return builder.build()


def projected(network: VesselNetwork, view: Beam, axis: np.ndarray = ANTERIOR) -> np.ndarray:
    mesh = centreline_mesh(network)
    axes = np.tile(axis, (len(network.point_xyz), 1))
    pieces, density, _ = vein_pieces(network, mesh, axes)
    return vein_paths(pieces, density, view)


def pixel_rays(view: Beam) -> np.ndarray:
    """Vectors from the source to every pixel, (rows, columns, 3), from the beam's description."""
    angle = np.radians(view.angle_deg)
    ahead = np.array([-np.sin(angle), np.cos(angle), 0.0])
    right = np.array([-np.cos(angle), -np.sin(angle), 0.0])
    place = (np.arange(view.pixels) - (view.pixels - 1) / 2) * view.field_mm / view.pixels
    down = -place[:, None, None] * np.array([0.0, 0.0, 1.0])
    return view.source_detector_mm * ahead + down + place[None, :, None] * right


# the geometry of the C-arm


def test_the_patients_right_is_on_the_left_of_a_frontal_image() -> None:
    row, column = beam().project(np.array([[20.0, 0.0, 10.0]]))[0]
    assert column < 50.0
    assert row < 50.0  # and the head is up


def test_what_is_in_front_is_on_the_left_of_a_left_lateral_image() -> None:
    assert beam(90.0).project(np.array([[0.0, 20.0, 0.0]]))[0, 1] < 50.0


def test_the_detector_of_lao_30_lies_to_the_patients_left() -> None:
    middle = beam(30.0).source + 1050.0 * beam(30.0).towards_detector
    assert middle[0] < 0.0 < middle[1]


def test_what_is_nearer_to_the_source_is_larger() -> None:
    view, span = beam(), np.array([0.0, 0.0, 1.0])
    for depth in (-50.0, 0.0, 50.0):
        ends = view.project(np.array([[0.0, depth, 0.0] - 5 * span, [0.0, depth, 0.0] + 5 * span]))
        size = (ends[0, 0] - ends[1, 0]) * view.pitch_mm
        assert size == pytest.approx(10.0 * 1050.0 / (750.0 + depth), rel=1e-12)
    assert view.magnification == pytest.approx(1.4)


@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0, -47.0])
def test_rays_are_those_of_the_description(angle: float) -> None:
    view = beam(angle, (3.0, -7.0, 11.0))
    rays, wanted = view.rays(), pixel_rays(view)
    for i, j in ((0, 0), (17, 80), (100, 100)):
        ray = rays.corner + i * rays.down + j * rays.across - rays.source
        np.testing.assert_allclose(ray, wanted[i, j], atol=1e-9)


def test_a_beam_that_cannot_be_is_refused() -> None:
    with pytest.raises(GeometryError, match="source_isocentre_mm"):
        Beam(np.zeros(3), 0.0, 1050.0, 750.0, 200.0, 64)
    with pytest.raises(GeometryError, match="detector"):
        Beam(np.zeros(3), 0.0, 750.0, 1050.0, 0.0, 64)


# veins


def test_the_chord_of_a_tube_across_the_beam_is_that_of_a_circle() -> None:
    view = beam()
    image = projected(tube([0, 0, -40], [0, 0, 40], 4.0, 4.0), view)
    ray = pixel_rays(view)
    # the line of a ray passes the axis at this distance; its chord is longer by its slant
    across = ray[..., :2]
    size = np.linalg.norm(across, axis=2)
    away = np.abs(750.0 * across[..., 0]) / size
    chord = 2.0 * np.sqrt(np.maximum(16.0 - away**2, 0.0)) * np.linalg.norm(ray, axis=2) / size
    middle = np.abs(ray[..., 2]) < 25.0  # where both ends of the tube are far
    assert (chord[middle] > 0).sum() > 500
    np.testing.assert_allclose(image[middle], chord[middle], atol=1e-6)


def test_the_chord_of_a_flat_tube_is_that_of_an_ellipse() -> None:
    view = beam(90.0)  # looks along x, at a vein that is flat from front to back
    image = projected(tube([0, 0, -40], [0, 0, 40], 3.0, 1.0), view)
    row = image[50]
    place = (np.arange(101) - 50) * view.pitch_mm / view.magnification
    exact = 6.0 * np.sqrt(np.maximum(1.0 - place**2, 0.0))
    np.testing.assert_allclose(row, exact, atol=0.02)
    assert row.max() == pytest.approx(6.0, rel=1e-3)


def test_a_tube_along_the_beam_is_as_long_as_it_is() -> None:
    image = projected(tube([0, -15, 0], [0, 15, 0], 4.0, 4.0), beam())
    assert image[50, 50] == pytest.approx(30.0, rel=1e-9)


def test_a_bent_tube_neither_gapes_nor_overlaps() -> None:
    """All rays together hold its volume, whatever the bends: here half a circle."""
    angle = np.linspace(0.0, np.pi, 25)
    points = np.stack([12 * np.cos(angle), 0 * angle, 12 * np.sin(angle)], axis=1)
    builder = NetworkBuilder()
    one, two = builder.node(points[0]), builder.node(points[-1])
    builder.branch(one, two, Structure.AZYGOS, Level.T8, Side.RIGHT, radius=2.0, via=points[1:-1])
    builder.terminal(one, TerminalKind.OUTLET, "out")
    network = builder.build()
    view = beam(pixels=400)
    image = projected(network, view)
    # a pixel stands for the area of its ray at the isocentre, seen at a slant
    ray = pixel_rays(view)
    slant = view.source_detector_mm / np.linalg.norm(ray, axis=2)
    volume = (image * slant).sum() * (view.pitch_mm / view.magnification) ** 2
    length = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
    assert volume == pytest.approx(np.pi * 4.0 * length, rel=2e-3)
    # the middle line has no notch at any bend: 4 mm of lumen everywhere
    rows, columns = np.rint(view.project(points[1:-1])).astype(int).T
    np.testing.assert_allclose(image[rows, columns], 4.0, atol=0.05)


def test_pieces_hold_the_volume_of_their_cells(typical: tuple[Anatomy, CentrelineMesh]) -> None:
    anatomy, mesh = typical
    axes = np.tile(ANTERIOR, (len(anatomy.network.point_xyz), 1))
    for least in (0.0, 0.3):
        pieces, density, bridge = vein_pieces(anatomy.network, mesh, axes, least)
        length = np.linalg.norm(pieces.along, axis=1)
        volume = density * np.pi * pieces.major * pieces.minor * length
        held = np.bincount(pieces.cell, np.where(bridge, 0, volume), minlength=mesh.flow.n_cells)
        np.testing.assert_allclose(held, mesh.flow.cell_volume, rtol=1e-9)
        assert pieces.minor.min() >= least
        if least == 0.0:
            # no catheter: the pieces are the lumen
            np.testing.assert_allclose(density, 1.0, atol=0.02)
            assert 0.0 < volume[bridge].sum() < 0.01 * volume.sum()


def crossing(side_x: float) -> VesselNetwork:
    """A flat vein along z, and a thin one that leaves it at its middle, forwards or sideways."""
    builder = NetworkBuilder()
    low, mid, high = (builder.node([0.0, 0.0, z]) for z in (-10.0, 0.0, 10.0))
    tip = builder.node([side_x, 8.0 * (side_x == 0.0), 0.0])
    label = (Structure.AZYGOS, Level.T8, Side.RIGHT)
    for one, other in ((low, mid), (mid, high)):
        builder.branch(one, other, *label, radius=4.0, radius_minor=1.0)
    builder.branch(mid, tip, *label, radius=0.4)
    builder.terminal(low, TerminalKind.OUTLET, "out")
    return builder.build()


def test_a_branch_begins_at_the_wall_of_a_flat_vein() -> None:
    """The mesh takes off 2 mm, as of a round vein; before a flat one it begins at 1 mm."""
    network = crossing(0.0)
    pieces, _, bridge = vein_pieces(
        network, centreline_mesh(network), np.tile(ANTERIOR, (len(network.point_xyz), 1))
    )
    thin = pieces.major < 1.0
    start = pieces.start[thin, 1].min()
    assert 0.9 < start < 1.6
    assert pieces.start[bridge, 1].min() == start
    # with no gap behind it
    length = np.linalg.norm(pieces.along[thin], axis=1).sum()
    assert start + length == pytest.approx(8.0)


def test_in_a_wide_vein_a_branch_is_not_drawn_twice() -> None:
    network = crossing(8.0)
    pieces, _, bridge = vein_pieces(
        network, centreline_mesh(network), np.tile(ANTERIOR, (len(network.point_xyz), 1))
    )
    assert not bridge.any()  # sideways the vein is wider than the mesh takes off
    assert pieces.start[pieces.major < 1.0, 0].min() == pytest.approx(1.99, abs=0.02)


def test_where_a_wide_vein_ends_a_thin_one_goes_on_at_once() -> None:
    builder = NetworkBuilder()
    low, mid, high = (builder.node([0.0, 0.0, z]) for z in (-10.0, 0.0, 10.0))
    beside = builder.node([8.0, 0.0, 1.0])
    label = (Structure.AZYGOS, Level.T8, Side.RIGHT)
    builder.branch(low, mid, *label, radius=2.0)
    builder.branch(mid, high, *label, radius=0.5)
    builder.branch(mid, beside, *label, radius=0.5)
    builder.terminal(low, TerminalKind.OUTLET, "out")
    network = builder.build()
    pieces, _, _ = vein_pieces(network, centreline_mesh(network), np.tile(ANTERIOR, (6, 1)))
    up = (pieces.major < 1.0) & (pieces.along[:, 2] > 0.9 * np.linalg.norm(pieces.along, axis=1))
    assert pieces.start[up, 2].min() == pytest.approx(0.0, abs=1e-9)


def test_pieces_lie_on_their_cells(typical: tuple[Anatomy, CentrelineMesh]) -> None:
    anatomy, mesh = typical
    axes = np.tile(ANTERIOR, (len(anatomy.network.point_xyz), 1))
    pieces, _, _ = vein_pieces(anatomy.network, mesh, axes)
    away = np.linalg.norm(
        pieces.start + pieces.along / 2 - mesh.flow.cell_centroid[pieces.cell], axis=1
    )
    inner = np.ones(mesh.flow.n_cells, dtype=bool)
    inner[mesh.polyline_cell[mesh.polyline_offset[:-1]]] = False
    inner[mesh.polyline_cell[mesh.polyline_offset[1:] - 1]] = False
    assert away[inner[pieces.cell]].max() < 0.3  # half a cell, and a bend


def test_density_weighs_every_piece() -> None:
    network = tube([0, 0, -10], [0, 0, 10], 2.0, 2.0)
    pieces, density, _ = vein_pieces(network, centreline_mesh(network), np.tile(ANTERIOR, (2, 1)))
    view = beam()
    upper = np.where(pieces.start[:, 2] >= 0, 0.25, 0.0)
    image = vein_paths(pieces, density * upper, view)
    assert image[40, 50] == pytest.approx(1.0, rel=1e-3)
    assert image[51:].max() == 0.0


def test_a_vein_thinner_than_a_pixel_keeps_its_mass() -> None:
    network = tube([0, 0.0, -10], [3.0, 0, 10], 0.05, 0.05)
    mesh, view = centreline_mesh(network), beam()
    wide, density, _ = vein_pieces(network, mesh, np.tile(ANTERIOR, (2, 1)), 0.3)
    image = vein_paths(wide, density, view)
    volume = image.sum() * (view.pitch_mm / view.magnification) ** 2
    assert volume == pytest.approx(mesh.flow.cell_volume.sum(), rel=0.02)


def test_what_is_behind_the_source_casts_no_shadow() -> None:
    image = projected(tube([0, -900, -40], [0, -900, 40], 4.0, 4.0), beam())
    assert image.max() == 0.0


def test_a_tube_has_the_lengths_of_the_vein_of_its_size() -> None:
    points = np.array([[0, 0, -20.0], [0, 0, -20.0], [2.0, 1, 0], [0, 0, 20]])
    view = beam(pixels=100)  # no ray lies in the plane between the two pieces
    tube_of = vein_paths(tube_pieces(points, 1.5), np.ones(2), view)
    builder = NetworkBuilder()
    one, two = builder.node(points[0]), builder.node(points[-1])
    builder.branch(one, two, Structure.AZYGOS, Level.T8, Side.RIGHT, radius=1.5, via=points[2:3])
    builder.terminal(one, TerminalKind.OUTLET, "out")
    np.testing.assert_allclose(tube_of, projected(builder.build(), view), atol=1e-9)
    assert tube_of.max() == pytest.approx(3.0, abs=0.02)


# bones


def marched(bones: Bones, view: Beam, step: float = 0.1) -> np.ndarray:
    """Length of every ray in bone by the sign of the distance at many places: slow and plain."""
    ray = pixel_rays(view).reshape(-1, 3)
    share = np.arange(690.0, 810.0, step) / view.source_detector_mm
    inside = np.array(
        [(bones.distance(view.source + share[:, None] * way) < 0).sum() for way in ray]
    )
    length = inside * step / view.source_detector_mm * np.linalg.norm(ray, axis=1)
    return length.reshape(view.pixels, view.pixels)


def one_vertebra(level: Level) -> Bones:
    whole = Skeleton.typical().bones
    return Bones({level: whole.vertebrae[level]}, {level: whole.solids[level]})


def about(level: Level, angle: float, pixels: int) -> Beam:
    origin = Skeleton.typical().vertebra(level).origin + np.array([0.4, -15.0, 0.7])
    return Beam(origin, angle, 750.0, 1050.0, 110.0, pixels)


@pytest.mark.parametrize(("level", "angle"), [(Level.T8, 0.0), (Level.L3, 30.0), (Level.C1, 90.0)])
def test_bones_are_as_thick_as_a_slow_march_says(level: Level, angle: float) -> None:
    bones = one_vertebra(level)
    cortical, inside = bone_paths(bones, NO_SHELLS, about(level, angle, 20))
    np.testing.assert_allclose(cortical, 0.0, atol=1e-9)
    # a pixel is the mean of two rays, a quarter of a pixel off its centre
    fine = marched(bones, about(level, angle, 40))
    slow = (fine[::2, ::2] + fine[1::2, 1::2]) / 2
    assert (slow > 1.0).sum() >= 20
    np.testing.assert_allclose(inside, slow, atol=0.25)
    np.testing.assert_allclose(inside.mean(), slow.mean(), rtol=2e-3)


def test_a_rod_seen_end_on_and_across() -> None:
    frame = Skeleton.typical().vertebra(Level.T8)  # upright, at the origin
    rod = Process(np.array([0.0, -20.0, 0.0]), np.array([0.0, 20.0, 0.0]), 3.0, "rod")
    bones = Bones({Level.T8: frame}, {Level.T8: (rod,)})
    end_on = np.add(*bone_paths(bones, NO_SHELLS, beam(0.0)))
    across = np.add(*bone_paths(bones, NO_SHELLS, beam(90.0)))
    assert end_on.max() == pytest.approx(46.0, abs=0.1)  # with a ball at either end
    assert across.max() == pytest.approx(6.0, abs=0.02)


def test_a_ball_has_the_chords_of_a_sphere() -> None:
    frame = Skeleton.typical().vertebra(Level.T8)
    ball = Process(np.zeros(3), np.array([0.0, 1e-6, 0.0]), 10.0, "ball")
    view = beam(0.0, pixels=60)
    image = np.add(*bone_paths(Bones({Level.T8: frame}, {Level.T8: (ball,)}), NO_SHELLS, view))
    ray = pixel_rays(beam(0.0, pixels=120))
    size = np.linalg.norm(ray, axis=2)
    away = np.linalg.norm(np.cross(ray, [0.0, 750.0, 0.0]), axis=2) / size
    fine = 2.0 * np.sqrt(np.maximum(100.0 - away**2, 0.0))
    np.testing.assert_allclose(image, (fine[::2, ::2] + fine[1::2, 1::2]) / 2, atol=1e-4)


def test_shells_are_cortex_and_the_rest_is_spongy() -> None:
    bones = one_vertebra(Level.T8)
    body = Bones(bones.vertebrae, {Level.T8: bones.solids[Level.T8][:1]})
    size = bones.vertebrae[Level.T8].size
    view = beam(0.0, (0.0, 0.0, 1.0))
    cortical, spongy = bone_paths(body, SHELLS, view)
    place = np.rint(view.project(np.zeros((1, 3))))[0].astype(int)
    at = place[0], place[1]
    assert cortical[at] == pytest.approx(2 * SHELLS[BODY], abs=0.01)
    assert spongy[at] == pytest.approx(size.body_depth - 2 * SHELLS[BODY], abs=0.01)


def test_what_two_solids_share_counts_once() -> None:
    bones = one_vertebra(Level.T8)
    twice = Bones(bones.vertebrae, {Level.T8: bones.solids[Level.T8] * 2})
    for one, other in zip(
        bone_paths(bones, SHELLS, beam()), bone_paths(twice, SHELLS, beam()), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-9)


def test_what_two_solids_share_in_part_counts_once() -> None:
    frame = Skeleton.typical().vertebra(Level.T8)
    ends = ((-20.0, 5.0), (-5.0, 20.0), (-2.0, 2.0))
    rods = tuple(
        Process(np.array([0.0, one, 0.0]), np.array([0.0, other, 0.0]), 3.0, "rod")
        for one, other in ends
    )
    image = np.add(*bone_paths(Bones({Level.T8: frame}, {Level.T8: rods}), NO_SHELLS, beam()))
    assert image.max() == pytest.approx(46.0, abs=0.1)


# trunk


def test_the_trunk_is_as_thick_as_it_is() -> None:
    skin = Skeleton.typical().skin
    view = Beam(np.zeros(3), 0.0, 750.0, 1050.0, 205.0, 64)
    share = np.arange(400.0, 1000.0, 0.5) / 1050.0
    way = view.source_detector_mm * view.towards_detector
    inside = skin.distance(view.source + share[:, None] * way) < 0
    path = trunk_path(skin, view)
    assert path.shape == (64, 64)
    assert path[31:33, 31:33].mean() == pytest.approx(0.5 * inside.sum(), rel=0.01)


@pytest.fixture(scope="module")
def typical() -> tuple[Anatomy, CentrelineMesh]:
    anatomy = Anatomy.typical()
    return anatomy, centreline_mesh(anatomy.network)
