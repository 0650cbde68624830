"""Anatomy: whole networks, typical and drawn."""

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from geometry.anatomy import Anatomy
from geometry.levels import SIDES, VERTEBRAE, Level, Side
from geometry.network import TerminalKind, VesselNetwork
from geometry.skeleton import Skeleton
from geometry.structures import Compartment, Structure
from geometry.variants import AzygosCourse, SupremeEnd, Variant

BURIED = (Structure.BASIVERTEBRAL, Structure.INTRAOSSEOUS)
N_DRAWS = 3


@pytest.fixture(scope="module")
def typical() -> Anatomy:
    return Anatomy.typical()


@pytest.fixture(scope="module")
def drawn() -> list[Anatomy]:
    return [Anatomy.draw(np.random.default_rng(seed)) for seed in range(N_DRAWS)]


def reaches_the_right_atrium(network: VesselNetwork) -> np.ndarray:
    """Whether each node, (k,), is joined to the right atrium."""
    ends = (network.branch_start, network.branch_end)
    graph = coo_matrix((np.ones(network.n_branches), ends), shape=(network.n_nodes,) * 2)
    _, part = connected_components(graph, directed=False)
    heart = network.terminal_node[network.terminal_name.index("right_atrium")]
    return np.asarray(part == part[heart])


def volume_mL(network: VesselNetwork, compartment: Compartment) -> float:
    """Lumen of a compartment."""
    total = 0.0
    for branch in range(network.n_branches):
        if Structure(int(network.branch_structure[branch])).compartment is compartment:
            span = slice(network.point_offset[branch], network.point_offset[branch + 1])
            area = np.pi * network.point_radius[span] * network.point_radius_minor[span]
            step = np.linalg.norm(np.diff(network.point_xyz[span], axis=0), axis=1)
            total += float((step * (area[1:] + area[:-1]) / 2).sum())
    return total / 1000


def same(one: VesselNetwork, other: VesselNetwork) -> bool:
    return all(np.array_equal(value, getattr(other, name)) for name, value in vars(one).items())


def test_every_structure_exists(typical: Anatomy) -> None:
    for structure in Structure:
        assert len(typical.network.branches(structure)), structure.label


def test_every_node_reaches_the_right_atrium(typical: Anatomy, drawn: list[Anatomy]) -> None:
    for anatomy in (typical, *drawn):
        assert reaches_the_right_atrium(anatomy.network).all(), anatomy.seed


def test_only_terminals_are_dead_ends_of_trunks(typical: Anatomy) -> None:
    network = typical.network
    degree = np.bincount(
        np.concatenate([network.branch_start, network.branch_end]), minlength=network.n_nodes
    )
    trunks = np.isin(network.branch_structure // 10, (6, 7, 8))
    ends = np.unique(np.concatenate([network.branch_start[trunks], network.branch_end[trunks]]))
    dead = set(ends[degree[ends] == 1].tolist()) - set(network.terminal_node.tolist())
    assert not dead


def test_veins_keep_out_of_sac_bone_and_skin(typical: Anatomy) -> None:
    network, skeleton = typical.network, typical.skeleton
    structure = np.repeat(network.branch_structure, np.diff(network.point_offset))
    assert not skeleton.inside_bone(network.point_xyz[~np.isin(structure, BURIED)]).any()
    assert skeleton.inside_bone(network.point_xyz[structure == Structure.INTRAOSSEOUS]).any()
    dural = structure == Structure.RADICULOMEDULLARY
    assert not skeleton.inside_sac(network.point_xyz[~dural]).any()
    assert skeleton.inside_skin(network.point_xyz).all()


def test_drawn_trunks_keep_out_of_bone_with_their_walls(drawn: list[Anatomy]) -> None:
    for anatomy in drawn:
        network = anatomy.network
        trunk = np.repeat(
            np.isin(network.branch_structure // 10, (6, 7, 8)), np.diff(network.point_offset)
        )
        distance = anatomy.skeleton.bone_distance(network.point_xyz[trunk])
        assert (distance > network.point_radius_minor[trunk] - 1e-9).all(), anatomy.seed
        assert anatomy.skeleton.inside_skin(network.point_xyz).all()


def test_same_seed_same_bits(typical: Anatomy, drawn: list[Anatomy]) -> None:
    assert same(Anatomy.typical().network, typical.network)
    one, other = drawn[0], Anatomy.draw(np.random.default_rng(0))
    assert same(one.network, other.network)
    assert one.variant == other.variant
    assert one.seed == other.seed


def test_draws_differ(drawn: list[Anatomy]) -> None:
    assert len({anatomy.variant for anatomy in drawn}) == N_DRAWS
    assert len({anatomy.network.n_branches for anatomy in drawn}) > 1
    calibre = [float(a.network.point_radius.mean()) for a in drawn]
    assert max(calibre) > 1.1 * min(calibre)


def test_arrays_are_frozen(typical: Anatomy) -> None:
    with pytest.raises(ValueError, match="read-only"):
        typical.network.point_xyz[0, 0] = 1.0


def test_terminals_of_every_kind(typical: Anatomy) -> None:
    kinds = set(typical.network.terminal_kind.tolist())
    assert kinds == {TerminalKind.OUTLET, TerminalKind.TRIBUTARY, TerminalKind.HAZARD}
    names = typical.network.terminal_name
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("compartment", "low", "high"),
    [
        (Compartment.EPIDURAL, 8.0, 60.0),
        (Compartment.FORAMINAL, 3.0, 15.0),
        (Compartment.AZYGOS, 12.0, 30.0),
        (Compartment.NECK, 40.0, 90.0),
        (Compartment.GREAT, 150.0, 350.0),
    ],
    ids=lambda x: x.value if isinstance(x, Compartment) else "",
)
def test_volumes(typical: Anatomy, compartment: Compartment, low: float, high: float) -> None:
    assert low < volume_mL(typical.network, compartment) < high


def test_modal_variant_is_what_the_design_says() -> None:
    modal = Variant.modal()
    assert modal.azygos_course is AzygosCourse.MIDLINE
    assert modal.arch_entry in (Level.T4, Level.T5)
    assert modal.hemiazygos_crossing is Level.T9
    assert modal.accessory_crossing is Level.T8
    assert modal.supreme_intercostal(Side.LEFT) is SupremeEnd.BRACHIOCEPHALIC
    assert modal.arch_valve
    assert modal.vertebral_valves == frozenset(SIDES)
    assert modal.strand_probability == 1.0
    assert all(modal.basivertebral_veins(level) == 1 for level in VERTEBRAE if level > Level.C1)


def test_prevalences_of_drawn_variants() -> None:
    rng = np.random.default_rng(2)
    drawn = [Variant.draw(rng) for _ in range(600)]

    def share(has: list[bool]) -> float:
        return float(np.mean(has))

    # three standard errors of a share of 600
    assert share([v.hemiazygos_crossing is Level.T9 for v in drawn]) == pytest.approx(
        0.33, abs=0.06
    )
    assert share([v.hemiazygos_crossing is None for v in drawn]) == pytest.approx(0.04, abs=0.03)
    assert share([v.arch_valve for v in drawn]) == pytest.approx(0.65, abs=0.06)
    assert share([Side.LEFT in v.condylar for v in drawn]) == pytest.approx(0.67, abs=0.06)
    links = np.mean([len(v.intersegmental) for v in drawn])
    pairs = 2 * (Level.L5 - Level.T1)
    assert 0.5 < links / pairs < 0.7
    shifts = np.array([v.azygos_shift_mm for v in drawn])
    assert shifts.std() == pytest.approx(5, abs=0.5)
    assert abs(shifts.mean()) < 0.7


def test_skeleton_is_the_typical_one(typical: Anatomy) -> None:
    assert typical.skeleton is Skeleton.typical()
