"""Joins of the local veins, row by row of the table of compartments; missing strands."""

from collections import Counter

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from geometry.anatomy import Anatomy
from geometry.levels import ROOTS, SIDES, VERTEBRAE, Level, Side
from geometry.network import TerminalKind, VesselNetwork
from geometry.structures import Compartment, Structure

TRUNKS = (Compartment.AZYGOS, Compartment.NECK, Compartment.GREAT)
SEGMENTS = [level for level in Level if Level.T1 <= level <= Level.L5]


@pytest.fixture(scope="module")
def network() -> VesselNetwork:
    return Anatomy.typical().network


@pytest.fixture(scope="module")
def drawn() -> VesselNetwork:
    return Anatomy.draw(np.random.default_rng(3)).network


def local_length(network: VesselNetwork) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Length of every branch of the local plexuses, mm."""
    structure = [code for code in Structure if code.compartment not in TRUNKS]
    return network.branch_length()[np.isin(network.branch_structure, structure)]


def nodes(
    network: VesselNetwork,
    structure: Structure,
    level: Level | None = None,
    side: Side | None = None,
) -> set[int]:
    branches = network.branches(structure, level, side)
    return {*network.branch_start[branches].tolist(), *network.branch_end[branches].tolist()}


def joined(network: VesselNetwork, *structures: Structure) -> set[int]:
    """Nodes at which all these structures meet."""
    return set.intersection(*(nodes(network, structure) for structure in structures))


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root.name)
def test_foramen_joins_columns_and_segmental_vein(network: VesselNetwork, root: Level) -> None:
    for side in SIDES:
        foramen = nodes(network, Structure.FORAMINAL, root, side)
        assert len(foramen & nodes(network, Structure.ANTERIOR_EPIDURAL, side=side)) >= 2
        assert foramen & nodes(network, Structure.POSTERIOR_EPIDURAL, side=side)
        if root >= Level.T1:
            assert foramen & nodes(network, Structure.PARASPINAL, root, side)
        else:
            neck = nodes(network, Structure.VERTEBRAL_VEIN) | nodes(
                network, Structure.PARAVERTEBRAL
            )
            assert foramen & neck


@pytest.mark.parametrize("level", SEGMENTS, ids=lambda level: level.name)
def test_segmental_veins(network: VesselNetwork, level: Level) -> None:
    trunks = [code for code in Structure if 60 <= code < 90]
    trunk_nodes = set().union(*(nodes(network, code) for code in trunks))
    for side in SIDES:
        stem = nodes(network, Structure.PARASPINAL, level, side)
        if level is Level.L5:
            stem |= nodes(network, Structure.ILIOLUMBAR, level, side)
        assert stem & trunk_nodes, "reaches its trunk"
        assert f"muscular {level.name} {side.name.lower()}" in network.terminal_name
        if level < Level.L5:
            link = nodes(network, Structure.INTERSEGMENTAL, level, side)
            lateral = [
                Structure.POSTERIOR_INTERCOSTAL,
                Structure.SUBCOSTAL,
                Structure.LUMBAR,
            ]
            for end in (level, Level(level + 1)):
                assert any(link & nodes(network, code, end, side) for code in lateral)


@pytest.mark.parametrize("level", VERTEBRAE[1:], ids=lambda level: level.name)
def test_body_joins_ring_and_front(network: VesselNetwork, level: Level) -> None:
    trunk = nodes(network, Structure.BASIVERTEBRAL, level)
    transverse = nodes(network, Structure.RETROCORPOREAL, level)
    assert trunk & transverse
    for side in SIDES:
        assert transverse & nodes(network, Structure.ANTERIOR_EPIDURAL, side=side)
        limb = nodes(network, Structure.VENOUS_RING, level, side)
        assert limb & nodes(network, Structure.ANTERIOR_EPIDURAL, side=side)
        assert limb & nodes(network, Structure.POSTERIOR_EPIDURAL, side=side)
        pores = nodes(network, Structure.INTRAOSSEOUS, level, side)
        assert pores & nodes(network, Structure.ANTERIOR_EXTERNAL, side=side)
    ends = [n for n in network.terminal_name if n.startswith(f"bone {level.name} ")]
    assert len(ends) >= 4


def test_external_and_internal_plexus_are_joined(network: VesselNetwork) -> None:
    assert len(joined(network, Structure.TRANSFLAVAL, Structure.POSTERIOR_EPIDURAL)) > 40
    assert len(joined(network, Structure.TRANSFLAVAL, Structure.POSTERIOR_EXTERNAL)) > 40
    assert joined(network, Structure.POSTERIOR_EXTERNAL, Structure.DEEP_CERVICAL)
    assert joined(network, Structure.POSTERIOR_EXTERNAL, Structure.POSTERIOR_INTERCOSTAL)
    assert joined(network, Structure.ANTERIOR_EXTERNAL, Structure.PARASPINAL)


def test_foramen_magnum(network: VesselNetwork) -> None:
    for structure in (
        Structure.ANTERIOR_EPIDURAL,
        Structure.POSTERIOR_EPIDURAL,
        Structure.CONDYLAR,
        Structure.OCCIPITAL_SINUS,
        Structure.BASILAR_PLEXUS,
    ):
        assert joined(network, Structure.FORAMEN_MAGNUM, structure), structure


def test_radiculomedullary_veins_are_hazards(network: VesselNetwork) -> None:
    kind = dict(zip(network.terminal_name, network.terminal_kind, strict=True))
    hazards = [name for name in kind if name.startswith("radiculomedullary")]
    count = Counter(name.split()[-1] for name in hazards)
    share = len(ROOTS) * 2 / 62
    assert count["anterior"] == pytest.approx(23 * share, abs=1)
    assert count["posterior"] == pytest.approx(25 * share, abs=1)
    assert [name for name in hazards if name.endswith("great")] == [
        "radiculomedullary L1 left great"
    ]
    assert all(kind[name] == TerminalKind.HAZARD for name in hazards)


@pytest.mark.parametrize("which", ["network", "drawn"])
def test_no_loose_ends(which: str, request: pytest.FixtureRequest) -> None:
    network: VesselNetwork = request.getfixturevalue(which)
    ends = np.concatenate([network.branch_start, network.branch_end])
    degree = np.bincount(ends, minlength=network.n_nodes)
    loose = set(np.flatnonzero(degree <= 1).tolist()) - set(network.terminal_node.tolist())
    assert not loose
    assert len(set(network.terminal_name)) == len(network.terminal_name)
    graph = coo_array((np.ones(network.n_branches), (network.branch_start, network.branch_end)),
                      shape=(network.n_nodes, network.n_nodes))  # fmt: skip
    assert connected_components(graph, directed=False)[0] == 1


@pytest.mark.parametrize("which", ["network", "drawn"])
def test_branches_are_not_shorter_than_a_cell(which: str, request: pytest.FixtureRequest) -> None:
    network: VesselNetwork = request.getfixturevalue(which)
    assert local_length(network).min() >= 0.5
    gap = np.linalg.norm(network.point_xyz[1:] - network.point_xyz[:-1], axis=1)
    inside = np.ones(len(gap), dtype=bool)
    inside[network.point_offset[1:-1] - 1] = False
    assert gap[inside].max() < 20


def test_whole_spine_is_there(network: VesselNetwork) -> None:
    assert 20_000 < local_length(network).sum() < 35_000


def test_missing_strands_leave_every_foramen_reachable(
    network: VesselNetwork, drawn: VesselNetwork
) -> None:
    for structure in (Structure.FORAMINAL, Structure.ANTERIOR_EPIDURAL):
        assert len(drawn.branches(structure)) < len(network.branches(structure))
    for root in ROOTS:
        for side in SIDES:
            foramen = nodes(drawn, Structure.FORAMINAL, root, side)
            assert foramen & nodes(drawn, Structure.ANTERIOR_EPIDURAL, side=side)
    pairs = {
        (level, side)
        for level in SEGMENTS
        for side in SIDES
        if len(drawn.branches(Structure.INTERSEGMENTAL, level, side))
    }
    assert 8 <= len(pairs) < 32


def test_same_seed_same_arrays() -> None:
    one, two = (Anatomy.typical(seed=5).network for _ in range(2))
    assert np.array_equal(one.point_xyz, two.point_xyz)
    assert np.array_equal(one.point_radius, two.point_radius)
    other = Anatomy.typical(seed=6).network
    assert not np.array_equal(one.point_xyz[-1000:], other.point_xyz[-1000:])
