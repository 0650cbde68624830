"""Lengths of rays in tubes, veins, bones and trunk: exact chords, and a slow march as reference."""

import numpy as np
import pytest

from geometry.bones import Bones, Process
from geometry.errors import GeometryError
from geometry.kernels.lumen import Capsules
from geometry.kernels.solids import BODY, LAMINA, PEDICLE, PROCESS
from geometry.levels import Level
from geometry.lumen_points import LumenPoints, lumen_points
from geometry.projection import Beam, bone_paths, point_paths, trunk_path, tube_path
from geometry.skeleton import Skeleton
from geometry.tube_pieces import tube_pieces

SHELLS = {BODY: 0.4, PEDICLE: 1.0, LAMINA: 1.0, PROCESS: 0.8}
NO_SHELLS = dict.fromkeys(SHELLS, 0.0)


def beam(
    angle: float = 0.0,
    isocentre: tuple[float, float, float] = (0.0, 0.0, 0.0),
    pixels: int = 101,
    field: float = 60.0,
) -> Beam:
    return Beam(np.array(isocentre), angle, 750.0, 1050.0, field, pixels)


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


# tubes


def test_the_chord_of_a_tube_across_the_beam_is_that_of_a_circle() -> None:
    view = beam()
    image = tube_path(tube_pieces(np.array([[0.0, 0, -40], [0, 0, 40]]), 4.0), view)
    ray = pixel_rays(view)
    # the line of a ray passes the axis at this distance; its chord is longer by its slant
    across = ray[..., :2]
    size = np.linalg.norm(across, axis=2)
    away = np.abs(750.0 * across[..., 0]) / size
    chord = 2.0 * np.sqrt(np.maximum(16.0 - away**2, 0.0)) * np.linalg.norm(ray, axis=2) / size
    middle = np.abs(ray[..., 2]) < 25.0  # where both ends of the tube are far
    assert (chord[middle] > 0).sum() > 500
    np.testing.assert_allclose(image[middle], chord[middle], atol=1e-6)


def test_a_tube_along_the_beam_is_as_long_as_it_is() -> None:
    image = tube_path(tube_pieces(np.array([[0.0, -15, 0], [0, 15, 0]]), 4.0), beam())
    assert image[50, 50] == pytest.approx(30.0, rel=1e-9)


def volume_seen(image: np.ndarray, view: Beam) -> float:
    """What all rays together hold, mm3, near the isocentre."""
    # a pixel stands for the area of its ray at the isocentre, seen at a slant
    slant = view.source_detector_mm / np.linalg.norm(pixel_rays(view), axis=2)
    return float((image * slant).sum() * (view.pitch_mm / view.magnification) ** 2)


def test_a_bent_tube_neither_gapes_nor_overlaps() -> None:
    """All rays together hold its volume, whatever the bends: here half a circle."""
    angle = np.linspace(0.0, np.pi, 25)
    points = np.stack([12 * np.cos(angle), 0 * angle, 12 * np.sin(angle)], axis=1)
    view = beam(pixels=400)
    # a point that is there twice changes nothing
    image = tube_path(tube_pieces(np.vstack([points[:1], points]), 2.0), view)
    length = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
    assert volume_seen(image, view) == pytest.approx(np.pi * 4.0 * length, rel=2e-3)
    # the middle line has no notch at any bend: 4 mm of lumen everywhere
    rows, columns = np.rint(view.project(points[1:-1])).astype(int).T
    np.testing.assert_allclose(image[rows, columns], 4.0, atol=0.05)


def test_what_is_behind_the_source_casts_no_shadow() -> None:
    behind = np.array([[0.0, -900, -40], [0, -900, 40]])
    assert tube_path(tube_pieces(behind, 4.0), beam()).max() == 0.0
    one = np.ones(2)
    assert point_paths(behind, one, one, beam()).max() == 0.0


# veins, as points that fill them


def capsules(*pieces: tuple[list[float], list[float], float, float]) -> Capsules:
    """Veins from a place to another with semi-axes, flat from front to back."""
    start, end = (np.array([piece[k] for piece in pieces], dtype=float) for k in (0, 1))
    axes = [np.repeat([[piece[k]] for piece in pieces], 2, axis=1) for k in (2, 3)]
    number = np.arange(len(pieces))
    flat = np.tile([0.0, 1.0, 0.0], (len(pieces), 2, 1))
    return Capsules(
        start, end - start, axes[0], axes[1], flat, number, number, np.zeros(len(pieces))
    )


def filled(veins: Capsules, wanted: np.ndarray | None = None, spacing: float = 0.2) -> LumenPoints:
    every = np.ones(len(veins.start), dtype=bool)
    return lumen_points(veins, every if wanted is None else wanted, spacing)


def shadow(points: LumenPoints, view: Beam) -> np.ndarray:
    return point_paths(points.xyz, points.volume, points.spacing, view)


@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0])
def test_a_vein_has_the_lengths_of_a_tube_with_round_ends(angle: float) -> None:
    """But near its edge, where pixels see a mean: the finer the points, the nearer."""
    view = beam(angle)
    veins = capsules(([0, 0, -12], [0, 0, 12], 4.0, 4.0))
    image = shadow(filled(veins), view)
    tube = tube_path(tube_pieces(np.array([[0.0, 0, -40], [0, 0, 40]]), 4.0), view)
    middle = slice(30, 71)
    inner = tube[middle] > 7.0
    assert inner.sum() > 350
    np.testing.assert_allclose(image[middle][inner], tube[middle][inner], rtol=0.015)
    # and it is the same at all heights: no step, no ripple
    np.testing.assert_allclose(image[middle][inner], np.tile(image[50], (41, 1))[inner], rtol=0.003)
    ball = 4.0 / 3.0 * np.pi * 64.0
    assert volume_seen(image, view) == pytest.approx(np.pi * 16 * 24 + ball, rel=2e-3)


def test_a_flat_vein_is_an_ellipse() -> None:
    view = beam(90.0)  # looks along x, at a vein that is flat from front to back
    image = shadow(filled(capsules(([0, 0, -12], [0, 0, 12], 3.0, 1.0)), spacing=0.1), view)
    place = (np.arange(101) - 50) * view.pitch_mm / view.magnification
    exact = 6.0 * np.sqrt(np.maximum(1.0 - place**2, 0.0))
    inner = np.abs(place) < 0.8
    assert inner.sum() >= 3
    np.testing.assert_allclose(image[50][inner], exact[inner], rtol=0.03)


@pytest.mark.parametrize("radius", [0.03, 0.1, 0.3, 1.0, 1.7, 4.0])
def test_points_stand_for_the_volume_of_the_vein(radius: float) -> None:
    """Thinner than a spacing or thick enough for a grid of twice that."""
    veins = capsules(([0, 0.0, -10], [3.0, 2.0, 10], radius, radius))
    points = filled(veins)
    length = np.linalg.norm(veins.along[0])
    inner = (points.arc > 1e-9) & (points.arc < length - 1e-9)
    assert points.volume[inner].sum() == pytest.approx(np.pi * radius**2 * length, rel=0.01)
    assert points.spacing[0] == (0.4 if radius >= 3.2 else 0.2)
    assert (points.branch == 0).all()


def test_what_two_veins_share_counts_once() -> None:
    """Two tubes of radius 1 that cross at right angles share 16/3."""
    veins = capsules(([-8, 0, 0], [8, 0, 0], 1.0, 1.0), ([0, 0, -8], [0, 0, 8], 1.0, 1.0))
    both = filled(veins, spacing=0.1).volume.sum()
    one = filled(capsules(([-8, 0, 0], [8, 0, 0], 1.0, 1.0)), spacing=0.1).volume.sum()
    assert 2 * one - both == pytest.approx(16.0 / 3.0, rel=0.02)


def test_only_veins_that_are_wanted_are_filled_and_the_others_bound_them() -> None:
    veins = capsules(([-8, 0, 0], [8, 0, 0], 2.0, 2.0), ([0, 0, 0], [0.37, 0.11, 8], 0.51, 0.51))
    both, thin = filled(veins), filled(veins, np.array([False, True]))
    mine = both.branch == 1
    np.testing.assert_allclose(np.sort(thin.arc), np.sort(both.arc[mine]))
    assert thin.volume.sum() == pytest.approx(both.volume[mine].sum())
    # it begins at the wall of the wide one, on whose axis it ends
    assert 1.5 < thin.arc.min() < 2.1


def test_a_point_keeps_its_mass_and_its_place_whatever_the_pixels() -> None:
    place, one = np.array([[1.3, -4.0, 2.1]]), np.ones(1)
    for pixels in (40, 101, 400):
        view = beam(pixels=pixels)
        image = point_paths(place, 5.0 * one, 2.0 * one, view)
        slant = view.source_detector_mm / np.linalg.norm(pixel_rays(view), axis=2)
        area = (view.pitch_mm * (750.0 - 4.0) / 1050.0) ** 2
        assert (image * slant).sum() * area == pytest.approx(5.0, rel=1e-3)
        row, column = np.indices(image.shape)
        middle = np.array([(image * row).sum(), (image * column).sum()]) / image.sum()
        np.testing.assert_allclose(middle, view.project(place)[0], atol=0.2)


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
