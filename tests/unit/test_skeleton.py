"""Skeleton: the spinal curve, foramina, root sleeves, bones, sac and skin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geometry.errors import GeometryError
from geometry.levels import ROOTS, SIDES, VERTEBRAE, Level, Side, vertebra_above, vertebra_below
from geometry.skeleton import Skeleton

THORACOLUMBAR_ROOTS = [root for root in ROOTS if root >= Level.T1]
every_root = pytest.mark.parametrize("root", ROOTS, ids=lambda root: root.name)
every_vertebra = pytest.mark.parametrize("level", VERTEBRAE, ids=lambda level: level.name)


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return Skeleton.typical()


def tilt_deg(skeleton: Skeleton, level: Level) -> float:
    """Backward lean of a vertebra's axis."""
    axis = skeleton.vertebra(level).axes[2]
    return float(np.degrees(np.arctan2(-axis[1], axis[2])))


def test_t8_is_the_origin_and_upright(skeleton: Skeleton) -> None:
    t8 = skeleton.vertebra(Level.T8)
    np.testing.assert_allclose(t8.origin, 0, atol=1e-12)
    np.testing.assert_allclose(t8.axes, np.eye(3), atol=1e-12)


@every_vertebra
def test_frames_are_right_handed_and_invertible(skeleton: Skeleton, level: Level) -> None:
    vertebra = skeleton.vertebra(level)
    np.testing.assert_allclose(vertebra.axes @ vertebra.axes.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(vertebra.axes) == pytest.approx(1)
    local = np.array([[1.0, -2.0, 3.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(vertebra.local(vertebra.world(local)), local, atol=1e-12)


def test_vertebrae_descend(skeleton: Skeleton) -> None:
    z = [skeleton.vertebra(level).origin[2] for level in VERTEBRAE]
    assert (np.diff(z) < -10).all()


@pytest.mark.parametrize(
    ("upper", "lower", "lordosis"),
    [
        (Level.L1, Level.S1, 36.8),  # supine lumbar lordosis, read
        (Level.C2, Level.C7, 14.5),
        (Level.T1, Level.T12, -33.0),  # kyphosis
    ],
    ids=["lumbar", "cervical", "thoracic"],
)
def test_spinal_curve_is_the_supine_one(
    skeleton: Skeleton, upper: Level, lower: Level, lordosis: float
) -> None:
    measured = tilt_deg(skeleton, upper) - tilt_deg(skeleton, lower)
    assert measured == pytest.approx(lordosis, abs=0.05)


def test_thoracic_kyphosis_is_convex_behind(skeleton: Skeleton) -> None:
    ends = [skeleton.vertebra(level).origin[1] for level in (Level.T1, Level.T12)]
    assert skeleton.vertebra(Level.T7).origin[1] < min(ends) - 10


def test_c8_is_a_root_only(skeleton: Skeleton) -> None:
    with pytest.raises(GeometryError, match="C8"):
        skeleton.vertebra(Level.C8)
    with pytest.raises(GeometryError, match=r"C1.*C2\.\.L5"):
        skeleton.foramen(Level.C1, Side.RIGHT)
    assert not skeleton.vertebra(Level.C1).has_body


@pytest.mark.parametrize("root", THORACOLUMBAR_ROOTS, ids=lambda root: root.name)
def test_foramen_has_the_height_of_the_table(skeleton: Skeleton, root: Level) -> None:
    table = skeleton.vertebra(vertebra_above(root)).size.foramen_height_table
    assert skeleton.foramen(root, Side.RIGHT).height == pytest.approx(table, abs=0.75)


@every_root
def test_foramen_is_pedicle_spacing_less_pedicle_height(skeleton: Skeleton, root: Level) -> None:
    upper = skeleton.vertebra(vertebra_above(root))
    lower = skeleton.vertebra(vertebra_below(root))
    foramen = skeleton.foramen(root, Side.LEFT)
    x = foramen.origin[0]
    behind = upper.size.foramen_width / 2
    roof, floor = (v.world([x, v.posterior_wall_y - behind, v.pedicle_z]) for v in (upper, lower))
    spacing = float(np.linalg.norm(roof - floor))
    height = spacing - (upper.pedicle_height + lower.pedicle_height) / 2
    assert foramen.height == pytest.approx(height, abs=0.35)  # pedicles are not quite parallel


@every_root
def test_foramen_is_free_of_bone(skeleton: Skeleton, root: Level) -> None:
    foramen = skeleton.foramen(root, Side.RIGHT)
    x = np.linspace(*foramen.mouths_local_x, 9)
    axis = foramen.world(np.column_stack([x, np.zeros((9, 2))]))
    assert skeleton.bone_distance(axis).min() > 0.4 * min(foramen.width, foramen.height) - 0.5


@every_root
def test_sleeve_runs_from_the_sac_through_the_foramen(skeleton: Skeleton, root: Level) -> None:
    for side in SIDES:
        sleeve, foramen = skeleton.root_sleeve(root, side), skeleton.foramen(root, side)
        assert abs(skeleton.sac_distance(sleeve.points[:1])[0]) < 0.5
        across = side * sleeve.points[:, 0]
        assert (np.diff(across) > 0).all()
        assert across[-1] > foramen.x_lateral + 3
        mouths = side * sleeve.at([0.0, 1.0])[:, 0]
        np.testing.assert_allclose(mouths, [foramen.x_medial, foramen.x_lateral], atol=1e-9)
        inside = sleeve.at(np.linspace(0, 1, 21))
        assert skeleton.bone_distance(inside).min() > sleeve.radius


def test_thoracic_roots_rise_above_and_lumbar_roots_fall(skeleton: Skeleton) -> None:
    def rise(root: Level) -> float:
        ends = skeleton.root_sleeve(root, Side.RIGHT).at([0.0, 1.0])
        local = skeleton.foramen(root, Side.RIGHT).local(ends)
        return float(np.degrees(np.arctan2(local[1, 2] - local[0, 2], local[1, 0] - local[0, 0])))

    assert rise(Level.T5) > 0 > rise(Level.T10) > rise(Level.L4)
    assert rise(Level.L2) == pytest.approx(-33, abs=8)


cylindrical = {
    "side": st.sampled_from(SIDES),
    "fraction": st.floats(0.05, 0.95),
    "rho": st.floats(0.05, 4.0),
    "theta": st.floats(-3.1, 3.1),
}


@settings(max_examples=60, deadline=None)
@given(root=st.sampled_from([Level.T10, Level.T11, Level.T12]), **cylindrical)
def test_projection_undoes_surround_where_the_sleeve_is_straight(
    root: Level, side: Side, fraction: float, rho: float, theta: float
) -> None:
    sleeve = Skeleton.typical().root_sleeve(root, side)
    found = sleeve.project(sleeve.surround([fraction], [rho], [theta]))
    np.testing.assert_allclose(np.ravel(found), [fraction, rho, theta], atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(root=st.sampled_from(ROOTS), **cylindrical)
def test_bends_bring_another_part_of_the_sleeve_nearer_never_farther(
    root: Level, side: Side, fraction: float, rho: float, theta: float
) -> None:
    sleeve = Skeleton.typical().root_sleeve(root, side)
    _, distance, _ = sleeve.project(sleeve.surround([fraction], [rho], [theta]))
    assert rho - 0.8 < distance[0] <= rho + 1e-9


@every_root
def test_theta_is_zero_above_and_turns_forwards_on_both_sides(
    skeleton: Skeleton, root: Level
) -> None:
    for side in SIDES:
        sleeve, frame = skeleton.root_sleeve(root, side), skeleton.foramen(root, side).axes
        centre = sleeve.at([0.5])[0]
        _, _, theta = sleeve.project(centre + 3 * np.array([frame[2], frame[1], -frame[1]]))
        np.testing.assert_allclose(theta, [0, np.pi / 2, -np.pi / 2], atol=0.75)


def test_sac_lies_in_the_canal(skeleton: Skeleton) -> None:
    points, sac = skeleton.sac_centreline()
    _, canal = skeleton.canal_centreline()
    assert (sac < canal).all()
    assert skeleton.inside_sac(points[5:-5]).all()
    assert not skeleton.inside_bone(points).any()


def test_gap_beside_the_sac_at_t5(skeleton: Skeleton) -> None:
    t5 = skeleton.vertebra(Level.T5)
    assert t5.canal_width / 2 - t5.sac_semi_axes[0] == pytest.approx(1.3, abs=0.2)


@every_vertebra
def test_bone_distance_agrees_with_the_mesh(skeleton: Skeleton, level: Level) -> None:
    vertices, triangles = skeleton.bone_mesh(level)
    assert triangles.max() == len(vertices) - 1
    # vertices of one solid may lie within another, never outside all
    assert skeleton.bone_distance(vertices).max() < 0.05


def test_signs_of_distances(skeleton: Skeleton) -> None:
    t8 = skeleton.vertebra(Level.T8)
    pedicle = [t8.pedicle_x, t8.posterior_wall_y - 3, t8.pedicle_z]
    inside = t8.world(np.array([[0, 0, 0], [t8.body_width / 2 - 0.5, 0, 0], pedicle]))
    assert skeleton.inside_bone(inside).all()
    outside = t8.world([[t8.body_width / 2 + 3, 0, 0], [0, t8.canal_centre_y, 0]])
    np.testing.assert_allclose(skeleton.bone_distance(outside)[0], 3, atol=0.01)
    assert not skeleton.inside_bone(outside).any()
    assert skeleton.inside_sac(outside)[1]
    assert skeleton.inside_skin(outside).all()
    assert not skeleton.inside_skin([[0, 0, 450.0], [250.0, 0, 0], [0, -120.0, 0]]).any()


def test_distance_is_lipschitz(skeleton: Skeleton) -> None:
    """A distance changes by no more than the way gone: no seams between solids or levels."""
    rng = np.random.default_rng(4)
    a = rng.uniform([-40, -60, -300], [40, 60, 260], (20000, 3))
    b = a + rng.normal(0, 0.2, a.shape)
    way = np.linalg.norm(b - a, axis=1)
    change = np.abs(skeleton.bone_distance(a) - skeleton.bone_distance(b))
    assert np.quantile(change / way, 0.999) < 1.3


def test_one_skeleton_is_shared() -> None:
    assert Skeleton.typical() is Skeleton.typical()
