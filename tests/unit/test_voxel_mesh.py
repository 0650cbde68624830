"""Cubes and lines in one mesh: what becomes a cube, where they meet, what lines keep."""

import numpy as np
import pytest
from scipy.spatial import KDTree

from castsim.multigrid import Multigrid
from castsim.scenario import Mesh
from castsim.scenario_file import load_scenario
from castsim.voxels import cut_into_cubes
from geometry.anatomy import Anatomy
from geometry.centerline_mesh import CentrelineMesh, centreline_mesh
from geometry.errors import GeometryError
from geometry.flowmesh import FloatArray, FlowMesh
from geometry.kernels.voxels import share_below
from geometry.levels import Level, Side
from geometry.lumen import capsules_of
from geometry.network import NetworkBuilder, TerminalKind, VesselNetwork
from geometry.structures import Structure
from geometry.voxel_mesh import LEAST_CUBES, REACH, VoxelMesh, voxel_mesh

SPACING = 0.25
AGREES = 0.05
"""Of conductances: about four cubes a radius."""


@pytest.fixture(scope="module")
def network() -> VesselNetwork:
    """Two wide veins side by side, joined by nothing but a narrow one at their ends.

    ::

        out ══T8══╤══T9══╤══T10══ end       narrow vein from ╤ (T8 to T9) to the other's end;
                  └────────┐                the walls of the wide veins overlap by 0.1 mm
        in  ══════T9═══════╧
    """
    builder = NetworkBuilder()
    nodes = [builder.node([x, 0, 0]) for x in (0, 6, 12, 18)]
    far, near = builder.node([6, 0, 1.9]), builder.node([14, 0, 1.9])
    for start, level in zip(range(3), (Level.T8, Level.T9, Level.T10), strict=True):
        ends = nodes[start], nodes[start + 1]
        builder.branch(*ends, Structure.AZYGOS, level, Side.RIGHT, radius=[1.0, 1.0])
    builder.branch(far, near, Structure.HEMIAZYGOS, Level.T9, Side.LEFT, radius=[1.0, 1.0])
    thin = [[6, -4, 0], [14, -4, 1.9]]
    label = Structure.FORAMINAL, Level.T9, Side.RIGHT
    builder.branch(nodes[1], near, *label, radius=[0.4] * 4, via=thin)
    builder.terminal(nodes[0], TerminalKind.OUTLET, "out")
    builder.terminal(nodes[3], TerminalKind.OUTLET, "end")
    builder.terminal(far, TerminalKind.TRIBUTARY, "in")
    builder.valve(2, 3.0, 1)
    return builder.build()


@pytest.fixture(scope="module")
def lines(network: VesselNetwork) -> CentrelineMesh:
    return centreline_mesh(network)


def cubes(network: VesselNetwork, lines: CentrelineMesh, threads: int = 1) -> VoxelMesh:
    levels = (Level.T9, Level.T10)
    return voxel_mesh(network, lines, capsules_of(network), SPACING, levels, threads=threads)


@pytest.fixture(scope="module")
def mesh(network: VesselNetwork, lines: CentrelineMesh) -> VoxelMesh:
    return cubes(network, lines)


def flows(mesh: FlowMesh, pressures: FloatArray) -> FloatArray:
    """Flow out of each terminal held at these pressures, unit viscosity."""
    n, cell = mesh.n_cells, mesh.terminal_cell
    conductance = 1 / mesh.half_resistance.sum(axis=1)
    ground = np.zeros(n)
    ground[cell] = 1e5 * conductance.max()
    solver = Multigrid(n, mesh.face_owner, mesh.face_neighbour, conductance, ground)
    source = np.bincount(cell, ground[cell] * pressures, n)
    found = solver.solve(source, tolerance=1e-12)[0]
    return np.asarray(ground[cell] * (found[cell] - pressures))


def test_only_wide_veins_at_the_levels_become_cubes(
    network: VesselNetwork, lines: CentrelineMesh, mesh: VoxelMesh
) -> None:
    flow, first = mesh.flow, mesh.n_lines
    assert set(flow.cell_branch[first:]) == {1, 2, 3}
    kept = np.isin(np.arange(lines.flow.n_cells), mesh.line_cell[:first])
    assert kept[lines.cells_of(0)[:-1]].all()
    assert kept[lines.cells_of(4)[1:-1]].all()
    assert kept[lines.flow.terminal_cell].all()
    valve = np.flatnonzero(lines.flow.face_valve)[0]
    assert kept[[lines.flow.face_owner[valve], lines.flow.face_neighbour[valve]]].all()
    assert flow.face_valve.sum() == 1
    for name in ("structure", "level", "side"):
        label = getattr(network, f"branch_{name}")[flow.cell_branch[first:]]
        assert (getattr(flow, f"cell_{name}")[first:] == label).all()
    inside = np.abs(flow.cell_centroid[first:, 1]) < 1.0
    assert inside.all()


def test_volume_is_that_of_the_lines(lines: CentrelineMesh, mesh: VoxelMesh) -> None:
    gone = ~np.isin(np.arange(lines.flow.n_cells), mesh.line_cell[: mesh.n_lines])
    here = mesh.flow.cell_volume[mesh.n_lines :].sum()
    assert here == pytest.approx(lines.flow.cell_volume[gone].sum(), rel=0.03)
    assert mesh.lost_mm3 == 0.0


def test_flows_are_those_of_the_lines(lines: CentrelineMesh, mesh: VoxelMesh) -> None:
    """Through both wide veins, their cuts, and the mouths of the narrow one."""
    for pressures in ([1.0, 0.0, 0.0], [0.0, 0.0, 1.0]):
        exact, got = (flows(one, np.array(pressures)) for one in (lines.flow, mesh.flow))
        assert got == pytest.approx(exact, rel=AGREES, abs=1e-3 * np.abs(exact).max())


def test_veins_that_do_not_meet_exchange_nothing(mesh: VoxelMesh) -> None:
    flow = mesh.flow
    pair = np.sort([flow.cell_branch[flow.face_owner], flow.cell_branch[flow.face_neighbour]], 0)
    met = set(zip(*pair.tolist(), strict=True))
    assert {(1, 2), (3, 4)} <= met
    assert not {(1, 3), (2, 3), (0, 3)} & met


Point = tuple[float, float, float]


def meshes(
    veins: list[tuple[Point, Point, float]], ends: list[Point], flat: float = 1.0
) -> tuple[CentrelineMesh, VoxelMesh]:
    """Straight veins from point to point, each of a radius, that open at the points `ends`.

    The other axis of their sections is `flat` times as long.
    """
    builder = NetworkBuilder()
    points = dict.fromkeys(point for start, stop, _ in veins for point in (start, stop))
    node = {point: builder.node(point) for point in points}
    for start, stop, radius in veins:
        label = Structure.AZYGOS, Level.T9, Side.RIGHT
        minor = [flat * radius] * 2
        ends_of = node[start], node[stop]
        builder.branch(*ends_of, *label, radius=[radius, radius], radius_minor=minor)
    for number, point in enumerate(ends):
        builder.terminal(node[point], TerminalKind.OUTLET, f"end {number}")
    network = builder.build()
    lines = centreline_mesh(network)
    return lines, cubes(network, lines)


def test_between_two_veins_the_gate_is_that_of_the_narrower() -> None:
    ends, middle = [(-6.0, 0.0, 0.0), (6.0, 0.0, 0.0)], (0.0, 0.0, 0.0)
    for radii in ((1.0, 0.7), (0.7, 1.0)):
        veins = [(end, middle, radius) for end, radius in zip(ends, radii, strict=True)]
        flow = meshes(veins, ends)[1].flow
        across = flow.cell_branch[flow.face_owner] != flow.cell_branch[flow.face_neighbour]
        assert across.any()
        assert set(flow.gate_branch[flow.face_gate[across]]) == {int(np.argmin(radii))}


def test_a_narrow_vein_without_cells_joins_the_wide_ones_at_its_ends() -> None:
    """All blood passes a strand that is hardly longer than its ends are wide, and stays a line."""
    one, two = (0.0, 0.0, 0.0), (0.0, 2.1, 0.0)
    left, right, up, down = (-8.0, 0.0, 0.0), (8.0, 2.1, 0.0), (8.0, 0.0, 0.0), (-8.0, 2.1, 0.0)
    veins = [(left, one, 1.4), (right, two, 1.4), (one, two, 0.8), (one, up, 1.4), (two, down, 1.4)]
    lines, mesh = meshes(veins, [left, right], flat=0.5)
    assert len(lines.cells_of(2)) == 2  # those at its ends, which become cubes
    assert not np.isin(mesh.line_cell[: mesh.n_lines], lines.cells_of(2)).any()
    exact, found = (flows(one.flow, np.array([1.0, 0.0])) for one in (lines, mesh))
    assert found == pytest.approx(exact, rel=AGREES)
    side = np.isin(mesh.flow.cell_branch, [0, 3])
    across = side[mesh.flow.face_owner] != side[mesh.flow.face_neighbour]
    assert set(mesh.flow.gate_branch[mesh.flow.face_gate[across]]) == {2}


def test_a_vein_that_lies_in_another_goes_on_as_a_line() -> None:
    """They cross and do not meet: where they do, all cubes are those of the wider one."""
    veins = [
        ((-6.0, 0.0, 0.0), (6.0, 0.0, 0.0), 1.5),
        ((0.0, -6.0, 0.2), (0.0, 6.0, 0.2), 0.6),
    ]
    ends = [point for start, stop, _ in veins for point in (start, stop)]
    lines, mesh = meshes(veins, ends)
    kept = np.isin(lines.cells_of(1), mesh.line_cell[: mesh.n_lines])
    assert kept[len(kept) // 2]
    assert not kept[len(kept) // 4]
    exact, found = (flows(one.flow, np.array([0.0, 0.0, 1.0, 0.0])) for one in (lines, mesh))
    assert found[2:] == pytest.approx(exact[2:], rel=4 * AGREES)
    # the wider one is not narrowed, and they exchange nothing
    assert abs(found[:2]).max() <= 1e-9 * abs(found).max()


def beside(network: VesselNetwork, mesh: VoxelMesh) -> FloatArray:
    """Arcs (2, f) mm on branches 0 and 1, from where both start, of the faces between these."""
    flow = mesh.flow
    ends = np.stack([flow.face_owner, flow.face_neighbour])
    branch = flow.cell_branch[ends]
    across = np.sort(ends[:, (np.sort(branch, axis=0) == [[0], [1]]).all(axis=0)], axis=0)
    across = np.where(flow.cell_branch[across] == [[0], [1]], across, across[::-1])
    arcs = []
    for number, cells in enumerate(across):
        places = network.points(number)
        step = np.linalg.norm(np.diff(places, axis=0), axis=1)
        arc = np.linspace(0.0, step.sum(), 4000)
        known = np.concatenate([[0.0], np.cumsum(step)])
        line = np.column_stack([np.interp(arc, known, axis) for axis in places.T])
        arcs.append(arc[KDTree(line).query(flow.cell_centroid[cells])[1]])
    return np.stack(arcs)


def test_veins_that_run_side_by_side_have_a_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    """They meet at an acute angle, then their lumens overlap all the way.

    ::

        ═══╤═══════════════ 0
            ╲══════════════ 1
    """
    builder = NetworkBuilder()
    radius, length, apart = 1.0, 16.0, 1.6
    places = [[0, 0, 0], [length, 0, 0], [length, apart, 0], [-5, 0, 0]]
    meet, first, second, stem = (builder.node(place) for place in places)
    label = Structure.AZYGOS, Level.T9, Side.RIGHT
    builder.branch(meet, first, *label, radius=[radius, radius])
    builder.branch(meet, second, *label, radius=[radius] * 3, via=[[2.5, apart, 0]])
    builder.branch(stem, meet, *label, radius=[radius, radius])
    for number, node in enumerate((first, second, stem)):
        builder.terminal(node, TerminalKind.OUTLET, f"end {number}")
    network = builder.build()
    lines = centreline_mesh(network)
    way = beside(network, cubes(network, lines)).sum(axis=0)
    # a cube's nearest place here is that by distance to the axis, there to the wall
    assert way.max() <= REACH * radius + 2 * SPACING
    assert way.max() >= REACH * radius - 2 * SPACING
    monkeypatch.setattr("geometry.voxel_mesh.REACH", np.inf)
    assert beside(network, cubes(network, lines)).min(axis=0).max() > length - 1.0


@pytest.mark.parametrize("angle", [60.0, 90.0, 120.0, 180.0])
def test_where_veins_part_no_wall_stands(angle: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of a radius that leave a third: all cubes of their mouth that touch are joined."""
    turn = np.radians(0.5 * angle)
    x, y = 8.0 * np.cos(turn), 8.0 * np.sin(turn)
    ends = [(-6.0, 0.0, 0.0), (x, y, 0.0), (x, -y, 0.0)]
    veins = [((0.0, 0.0, 0.0), end, 1.0) for end in ends]
    found = meshes(veins, ends)[1].flow
    monkeypatch.setattr("geometry.voxel_mesh.REACH", np.inf)
    whole = meshes(veins, ends)[1].flow
    branch = whole.cell_branch[np.stack([whole.face_owner, whole.face_neighbour])]
    assert (np.sort(branch, axis=0) == [[1], [2]]).all(axis=0).sum() > 10
    for name in ("face_owner", "face_neighbour", "half_resistance"):
        assert np.array_equal(getattr(found, name), getattr(whole, name))


@pytest.mark.parametrize("length", [0.8, 2.0])
def test_a_piece_that_lies_in_another_vein_alone_stays_a_line(length: float) -> None:
    """A wide piece of a narrow vein, all of it within a wider vein that it does not meet."""
    half = 0.5 * length
    wide = ((-6.0, 0.0, 0.0), (6.0, 0.0, 0.0), 1.5)
    across = [(0.0, y, 0.2) for y in (-6.0, -half, half, 6.0)]
    veins = [wide, *zip(across[:-1], across[1:], (0.3, 0.6, 0.3), strict=True)]
    ends = [*wide[:2], across[0], across[-1]]
    lines, mesh = meshes(veins, ends)
    assert np.isin(lines.cells_of(2), mesh.line_cell[: mesh.n_lines]).all()
    exact, found = (flows(one.flow, np.array([0.0, 0.0, 1.0, 0.0])) for one in (lines, mesh))
    assert found[2:] == pytest.approx(exact[2:], rel=AGREES)


def test_a_vein_without_neighbours_of_cubes_can_be_cut() -> None:
    """So short that no two of its cells are cubes side by side."""
    ends = [(0.0, 0.0, 0.0), (0.8, 0.0, 0.0)]
    lines, mesh = meshes([(*ends, 0.8)], ends)
    exact, found = (flows(one.flow, np.array([1.0, 0.0])) for one in (lines, mesh))
    assert found == pytest.approx(exact, rel=4 * AGREES)


def test_a_side_branch_opens_as_wide_as_it_is() -> None:
    """It is no narrower at its mouth than before: nothing but its own length holds blood up."""
    ends = [(-6.0, 0.0, 0.0), (6.0, 0.0, 0.0), (0.0, 3.0, 0.0)]
    middle = (0.0, 0.0, 0.0)
    veins = [(ends[0], middle, 1.5), (ends[1], middle, 1.5), (ends[2], middle, 0.48)]
    lines, mesh = meshes(veins, ends)
    assert (np.bincount(mesh.flow.face_owner[mesh.flow.face_owner < mesh.n_lines]) > 2).any()
    exact, found = (flows(one.flow, np.array([0.0, 0.0, 1.0])) for one in (lines, mesh))
    assert found == pytest.approx(exact, rel=AGREES)


def test_gates_are_those_of_the_lines(lines: CentrelineMesh, mesh: VoxelMesh) -> None:
    """Same keys, so same disorder; along a straight vein a cube's gate is where it lies."""
    assert mesh.flow.gate_branch is lines.flow.gate_branch
    assert mesh.flow.gate_radius is lines.flow.gate_radius
    flow = mesh.flow
    along = (flow.face_owner >= mesh.n_lines) & (flow.face_neighbour >= mesh.n_lines)
    along &= (flow.cell_branch[flow.face_owner] == 1) & (flow.cell_branch[flow.face_neighbour] == 1)
    gate = flow.face_gate[along]
    assert (flow.gate_branch[gate] == 1).all()
    stretch = np.floor((flow.face_centroid[along, 0] - 6.0) / 2.0)
    assert (flow.gate_stretch[gate] == np.clip(stretch, 0, 2)).all()


def test_threads_change_nothing(
    network: VesselNetwork, lines: CentrelineMesh, mesh: VoxelMesh
) -> None:
    again = cubes(network, lines, threads=2)
    for name in ("half_resistance", "cell_volume", "face_owner", "face_gate"):
        assert np.array_equal(getattr(again.flow, name), getattr(mesh.flow, name))


@pytest.mark.parametrize(
    ("spacing", "levels", "said"),
    [
        (0.0, [Level.T9], "spacing_mm = 0.0 must be"),
        (np.nan, [Level.T9], "spacing_mm = nan must be"),
        (0.6, [Level.T9], "no vein at these levels is 2 cubes a radius"),
        (0.25, [Level.L1], "no vein at these levels"),
    ],
)
def test_what_cannot_be_is_said(
    network: VesselNetwork, lines: CentrelineMesh, spacing: float, levels: list[Level], said: str
) -> None:
    with pytest.raises(GeometryError, match=said):
        voxel_mesh(network, lines, capsules_of(network), spacing, levels)


def test_share_of_a_cube_below_a_plane() -> None:
    """Against the share of a fine lattice; planes along axes and edges too."""
    side = (np.arange(48) + 0.5) / 48 - 0.5
    lattice = np.stack(np.meshgrid(side, side, side), axis=-1).reshape(-1, 3)
    normals = np.array([[1, 0, 0], [0, 1, 1], [1, 1, 1], [1, -2, 0.3], [0.2, 0.9, -0.4]])
    for normal in normals / np.linalg.norm(normals, axis=1)[:, None]:
        for depth in (-0.95, -0.6, -0.31, -0.05, 0.0, 0.2, 0.55, 0.9):
            exact = (lattice @ normal < depth).mean()
            assert share_below(depth, *normal) == pytest.approx(exact, abs=0.01)


def test_a_scenario_says_how_many_cubes_a_vein_must_have() -> None:
    assert Mesh().least_cubes == LEAST_CUBES
    anatomy = Anatomy.typical()
    lines = centreline_mesh(anatomy.network)
    found = {}
    for least in (2.0, 3.0):
        cubes = ["mesh.kind='voxel'", "mesh.spacing_mm=0.5", f"mesh.least_cubes={least}"]
        mesh = cut_into_cubes(load_scenario("right-t9", cubes), anatomy, lines, (Level.T9,))
        own = np.unique(mesh.flow.cell_branch[mesh.n_lines :])
        inside = np.isin(lines.flow.cell_branch, own)
        # the mean along a branch counts, hence not every cell of it
        assert lines.flow.cell_radius_minor[inside].max() >= least * 0.5
        found[least] = set(own.tolist())
    assert found[3.0] < found[2.0]
