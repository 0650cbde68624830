"""Trunks: azygos system, neck, great and ascending lumbar veins, and the joins they make."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from geometry.anatomy import build_trunks
from geometry.calibres import Calibres, load_calibres
from geometry.courses import control_point, course
from geometry.errors import GeometryError
from geometry.joins import Joins
from geometry.levels import ROOTS, SIDES, Level, Side
from geometry.network import NetworkBuilder, TerminalKind, VesselNetwork
from geometry.skeleton import Skeleton
from geometry.structures import Structure as S
from geometry.variants import AzygosCourse, SupremeEnd, Variant

SEGMENTAL = [level for level in Level if Level.T1 <= level <= Level.L5]
RIGHT, LEFT, MIDLINE = Side.RIGHT, Side.LEFT, Side.MIDLINE


def build(variant: Variant, calibres: Calibres | None = None) -> tuple[VesselNetwork, Joins]:
    """Trunks only."""
    builder, joins = NetworkBuilder(), Joins()
    build_trunks(
        builder,
        Skeleton.typical(),
        calibres or Calibres.typical(),
        variant,
        np.random.default_rng(0),
        joins,
    )
    return builder.build(), joins


@pytest.fixture(scope="module")
def modal() -> tuple[VesselNetwork, Joins]:
    return build(Variant.modal())


@pytest.fixture(scope="module")
def network(modal: tuple[VesselNetwork, Joins]) -> VesselNetwork:
    return modal[0]


def parts(network: VesselNetwork) -> int:
    """Number of connected components."""
    ends = (network.branch_start, network.branch_end)
    graph = coo_matrix((np.ones(network.n_branches), ends), shape=(network.n_nodes,) * 2)
    return int(connected_components(graph, directed=False)[0])


def structures_at(network: VesselNetwork, node: int) -> set[S]:
    """Structures of the branches that meet at a node."""
    touching = (network.branch_start == node) | (network.branch_end == node)
    return {S(int(code)) for code in network.branch_structure[touching]}


def levels_of(network: VesselNetwork, structure: S, side: Side) -> set[Level]:
    return {Level(int(x)) for x in network.branch_level[network.branches(structure, side=side)]}


@pytest.mark.parametrize(
    ("structure", "side", "first", "last"),
    [
        (S.AZYGOS, RIGHT, Level.T5, Level.T12),
        (S.HEMIAZYGOS, LEFT, Level.T9, Level.T12),
        (S.ACCESSORY_HEMIAZYGOS, LEFT, Level.T5, Level.T8),
        (S.SUPERIOR_INTERCOSTAL, RIGHT, Level.T2, Level.T4),
        (S.SUPERIOR_INTERCOSTAL, LEFT, Level.T2, Level.T4),
        (S.VERTEBRAL_VEIN, RIGHT, Level.C1, Level.C7),
        (S.VERTEBRAL_VEIN, LEFT, Level.C1, Level.C7),
        (S.PARAVERTEBRAL, RIGHT, Level.C1, Level.C6),
        (S.PARAVERTEBRAL, LEFT, Level.C1, Level.C6),
    ],
    ids=lambda x: x.name.lower(),
)
def test_trunk_exists_at_every_level(
    network: VesselNetwork, structure: S, side: Side, first: Level, last: Level
) -> None:
    wanted = {level for level in Level if first <= level <= last}
    assert wanted <= levels_of(network, structure, side)


@pytest.mark.parametrize(
    ("structure", "sides"),
    [
        (S.SUPREME_INTERCOSTAL, SIDES),
        (S.ASCENDING_LUMBAR, SIDES),
        (S.INTERNAL_JUGULAR, SIDES),
        (S.DEEP_CERVICAL, SIDES),
        (S.CONDYLAR, SIDES),
        (S.BRACHIOCEPHALIC, SIDES),
        (S.COMMON_ILIAC, SIDES),
        (S.SVC, (MIDLINE,)),
        (S.IVC, (MIDLINE,)),
        (S.RIGHT_ATRIUM, (MIDLINE,)),
        (S.AZYGOS_ARCH, (RIGHT,)),
    ],
    ids=lambda x: x.name.lower() if isinstance(x, S) else "",
)
def test_trunk_exists(network: VesselNetwork, structure: S, sides: tuple[Side, ...]) -> None:
    for side in sides:
        assert len(network.branches(structure, side=side)), side


@pytest.mark.parametrize("side", SIDES, ids=lambda side: side.name.lower())
@pytest.mark.parametrize("level", SEGMENTAL, ids=lambda level: level.name)
def test_segmental_mouth_lies_on_the_trunk_of_its_level(
    modal: tuple[VesselNetwork, Joins], level: Level, side: Side
) -> None:
    network, joins = modal
    if level is Level.T1:
        trunk = S.SUPREME_INTERCOSTAL
    elif level <= Level.T4:
        trunk = S.SUPERIOR_INTERCOSTAL
    elif level <= Level.T12:
        left = S.ACCESSORY_HEMIAZYGOS if level <= Level.T8 else S.HEMIAZYGOS
        trunk = S.AZYGOS if side is RIGHT else left
    else:
        trunk = S.ASCENDING_LUMBAR if level < Level.L5 else S.COMMON_ILIAC
    node = joins["segmental_mouth", level, side]
    assert trunk in structures_at(network, node)
    height = Skeleton.typical().vertebra(level).local(network.node_xyz[node])[2]
    assert abs(height) < 20


def test_joins_of_neck_and_ivc(modal: tuple[VesselNetwork, Joins]) -> None:
    network, joins = modal
    skeleton = Skeleton.typical()
    for side in SIDES:
        for root in ROOTS:
            if root > Level.C8:
                break
            foramen = skeleton.foramen(root, side).origin
            for name, reach in (("vertebral_vein", 22.0), ("deep_cervical", 40.0)):
                there = network.node_xyz[joins[name, root, side]]
                assert np.sign(there[0]) == side
                assert np.linalg.norm(there - foramen) < reach, (name, root)
        for level in (Level.L3, Level.L4):
            node = joins["ivc_mouth", level, side]
            assert S.IVC in structures_at(network, node)
        assert S.INTERNAL_JUGULAR in structures_at(network, joins["jugular_bulb", Level.C1, side])
        assert S.CONDYLAR in structures_at(network, joins["condylar", Level.C1, side])
        assert S.CONDYLAR in structures_at(network, joins["anterior_condylar", Level.C1, side])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (S.AZYGOS, S.AZYGOS_ARCH),
        (S.AZYGOS_ARCH, S.SVC),
        (S.SUPERIOR_INTERCOSTAL, S.AZYGOS_ARCH),
        (S.SUPERIOR_INTERCOSTAL, S.BRACHIOCEPHALIC),
        (S.SUPREME_INTERCOSTAL, S.BRACHIOCEPHALIC),
        (S.HEMIAZYGOS, S.AZYGOS),
        (S.ACCESSORY_HEMIAZYGOS, S.AZYGOS),
        (S.ACCESSORY_HEMIAZYGOS, S.SUPERIOR_INTERCOSTAL),
        (S.ASCENDING_LUMBAR, S.AZYGOS),
        (S.ASCENDING_LUMBAR, S.HEMIAZYGOS),
        (S.ASCENDING_LUMBAR, S.COMMON_ILIAC),
        (S.COMMON_ILIAC, S.IVC),
        (S.IVC, S.RIGHT_ATRIUM),
        (S.SVC, S.RIGHT_ATRIUM),
        (S.BRACHIOCEPHALIC, S.SVC),
        (S.INTERNAL_JUGULAR, S.BRACHIOCEPHALIC),
        (S.VERTEBRAL_VEIN, S.BRACHIOCEPHALIC),
        (S.PARAVERTEBRAL, S.VERTEBRAL_VEIN),
        (S.DEEP_CERVICAL, S.VERTEBRAL_VEIN),
        (S.CONDYLAR, S.INTERNAL_JUGULAR),
    ],
    ids=lambda x: x.name.lower(),
)
def test_trunks_join(network: VesselNetwork, one: S, other: S) -> None:
    def nodes(structure: S) -> set[int]:
        chosen = network.branches(structure)
        return {*network.branch_start[chosen].tolist(), *network.branch_end[chosen].tolist()}

    assert nodes(one) & nodes(other)


def test_lengths(network: VesselNetwork) -> None:
    length = network.branch_length()

    def total(structure: S, side: Side, start: int = 0) -> float:
        return float(length[network.branches(structure, side=side)[start:]].sum())

    in_svc = network.point_radius[network.point_offset[network.branches(S.SVC)[0]]]
    assert 28 <= total(S.AZYGOS_ARCH, RIGHT) - in_svc <= 48  # to the wall of the SVC
    assert total(S.SVC, MIDLINE) == pytest.approx(70.7, abs=3)
    left = network.branches(S.BRACHIOCEPHALIC, Level.T2, LEFT)
    right = network.branches(S.BRACHIOCEPHALIC, Level.T2, RIGHT)
    assert length[left].sum() == pytest.approx(60, abs=5)
    assert length[right].sum() == pytest.approx(25, abs=3)
    upper = network.branches(S.SUPERIOR_INTERCOSTAL, Level.T2, LEFT)
    third = network.branches(S.SUPERIOR_INTERCOSTAL, Level.T3, LEFT)
    assert 60 <= length[np.r_[upper, third]].sum() <= 75  # from T3-T4 to the brachiocephalic


def test_azygos_drifts_to_the_midline(modal: tuple[VesselNetwork, Joins]) -> None:
    network, joins = modal
    x = {n: network.node_xyz[joins["segmental_mouth", n, RIGHT], 0] for n in SEGMENTAL[4:12]}
    assert min(x, key=x.__getitem__) in (Level.T7, Level.T8)
    assert x[Level.T7] == pytest.approx(-3, abs=0.5)
    assert x[Level.T12] > 2


def test_points_are_close_and_smooth(network: VesselNetwork) -> None:
    for branch in range(network.n_branches):
        step = np.diff(network.points(branch), axis=0)
        size = np.linalg.norm(step, axis=1)
        assert size.max() <= 5.0
        unit = step / size[:, None]
        turn = np.degrees(np.arccos(np.clip((unit[1:] * unit[:-1]).sum(axis=1), -1, 1)))
        assert (turn < 30).all(), S(network.branch_structure[branch]).label


def test_calibres_keep_to_the_table(network: VesselNetwork) -> None:
    band = {}
    for row in load_calibres():
        low, high = band.get(row.structure, (np.inf, 0.0))
        band[row.structure] = (min(low, row.minimum), max(high, row.maximum))
    equal_area = 2 * np.sqrt(network.point_radius * network.point_radius_minor)
    for branch in range(network.n_branches):
        structure = S(int(network.branch_structure[branch]))
        organ = structure is S.IVC and network.branch_side[branch] != MIDLINE  # renal, hepatic
        thin = structure is S.ASCENDING_LUMBAR and network.branch_level[branch] == Level.L4
        here = equal_area[network.point_offset[branch] : network.point_offset[branch + 1]]
        low, high = band[structure]
        assert here.max() <= high + 1e-9, structure.label
        if not (organ or thin):
            assert here.min() >= low - 1e-9, structure.label


def test_azygos_widens_upwards(modal: tuple[VesselNetwork, Joins]) -> None:
    network, _ = modal
    mean = []
    for level in (Level.T12, Level.T10, Level.T8, Level.T6):
        branch = network.branches(S.AZYGOS, level, RIGHT)[0]
        mean.append(network.point_radius[network.point_offset[branch]])
    assert (np.diff(mean) > 0.3).all()


def test_terminals(network: VesselNetwork) -> None:
    kinds = dict(zip(network.terminal_name, network.terminal_kind.tolist(), strict=True))
    outlets = {name for name, kind in kinds.items() if kind == TerminalKind.OUTLET}
    assert outlets == {"right_atrium", "iliac right", "iliac left"}
    assert set(kinds) - outlets == {
        *(f"{name} {side}" for name in ("jugular", "arm", "renal", "occipital")
          for side in ("right", "left")),
        "hepatic",
    }  # fmt: skip


def test_valves_open_towards_the_heart(network: VesselNetwork) -> None:
    labels = {S(int(x)) for x in network.branch_structure[network.valve_branch]}
    assert labels == {S.AZYGOS_ARCH, S.VERTEBRAL_VEIN, S.INTERNAL_JUGULAR}
    assert len(network.valve_branch) == 5
    heart = network.node_xyz[network.terminal_node[network.terminal_name.index("right_atrium")]]
    length = network.branch_length()
    for branch, arc, direction in zip(
        network.valve_branch, network.valve_arc, network.valve_direction, strict=True
    ):
        assert 0 < arc < length[branch]
        ends = network.node_xyz[[network.branch_start[branch], network.branch_end[branch]]]
        away = np.linalg.norm(ends - heart, axis=1)
        assert direction == (1 if away[1] < away[0] else -1)


def test_every_variant_is_connected_and_has_all_joins() -> None:
    modal = Variant.modal()
    variants = [
        replace(modal, arch_entry=Level.T3),
        replace(modal, arch_entry=Level.T6, accessory_crossing=Level.T5),
        replace(modal, hemiazygos_crossing=None, accessory_crossing=None),
        replace(modal, hemiazygos_crossing=Level.T7, accessory_crossing=Level.T9),
        replace(modal, azygos_course=AzygosCourse.RIGHT, azygos_shift_mm=6.0),
        replace(
            modal,
            supreme_intercostal_right=SupremeEnd.VERTEBRAL,
            supreme_intercostal_left=SupremeEnd.SUPERIOR_INTERCOSTAL,
        ),
        replace(modal, lumbar_roots=frozenset(), condylar=frozenset(), left_renal_link=True),
        replace(
            modal,
            lumbar_roots=frozenset(),
            ascending_lumbar_interrupted=frozenset(SIDES),
            strand_probability=0.0,
        ),
    ]
    _, reference = build(modal)
    for variant in variants:
        network, joins = build(variant)
        assert parts(network) == 1, variant
        assert set(joins.keys()) == set(reference.keys()), variant
        inside = Skeleton.typical().bone_distance(network.point_xyz)
        assert (inside > network.point_radius_minor - 1e-9).all(), variant


def test_right_azygos_stays_right() -> None:
    network, joins = build(replace(Variant.modal(), azygos_course=AzygosCourse.RIGHT))
    for level in SEGMENTAL[4:12]:
        assert network.node_xyz[joins["segmental_mouth", level, RIGHT], 0] > 8


def test_missing_valve_is_missing() -> None:
    variant = replace(
        Variant.modal(), arch_valve=False, vertebral_valves=frozenset(), jugular_valves=frozenset()
    )
    assert len(build(variant)[0].valve_branch) == 0


def test_courses_name_what_is_missing() -> None:
    with pytest.raises(GeometryError, match="no trunk 'azygous'"):
        course("azygous")
    with pytest.raises(GeometryError, match="azygos has no point at L4"):
        control_point("azygos", Level.L4)


def test_joins_say_what_they_lack() -> None:
    joins = Joins()
    joins.add("foramen_medial", Level.T9, RIGHT, 3)
    joins.add("foramen_medial", Level.T9, RIGHT, 4)
    assert joins.nodes("foramen_medial", Level.T9, RIGHT) == (3, 4)
    assert joins.nodes("foramen_medial", Level.T9, LEFT) == ()
    with pytest.raises(GeometryError, match="foramen_medial T9 right: one node expected, 2 found"):
        joins["foramen_medial", Level.T9, RIGHT]
