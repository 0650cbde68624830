"""Centreline mesh: cells, junction volumes, gates, valves, terminals, catheter."""

from dataclasses import replace

import numpy as np
import pytest

from geometry.branch_sections import DISTENSION_CLEARANCE_MM
from geometry.catheter_route import CatheterRoute
from geometry.centerline_mesh import CentrelineMesh, centreline_mesh
from geometry.errors import GeometryError
from geometry.levels import Level, Side
from geometry.network import NetworkBuilder, TerminalKind, VesselNetwork
from geometry.structures import Structure

TRUNK_RADIUS, TRUNK_LENGTH = 2.0, 20.0


def tee(side_radius: float = 1.0, degrees: float = 90.0) -> VesselNetwork:
    """Trunk along z (radius 2 mm, 2 x 20 mm), a side branch that ends on its middle."""
    builder = NetworkBuilder()
    low, middle, high = (builder.node([0, 0, z]) for z in (-TRUNK_LENGTH, 0, TRUNK_LENGTH))
    angle = np.radians(degrees)
    tip = builder.node(TRUNK_LENGTH * np.array([np.sin(angle), 0, np.cos(angle)]))
    for start, end in ((low, middle), (middle, high)):
        builder.branch(start, end, Structure.AZYGOS, Level.T9, Side.RIGHT, radius=TRUNK_RADIUS)
    side = builder.branch(
        tip, middle, Structure.PARASPINAL, Level.T9, Side.RIGHT, radius=side_radius
    )
    builder.valve(side, 15.1, +1)
    builder.terminal(high, TerminalKind.OUTLET, "right_atrium")
    builder.terminal(low, TerminalKind.TRIBUTARY, "low")
    builder.terminal(tip, TerminalKind.TRIBUTARY, "muscular T9 right")
    return builder.build()


def volume_of_union(side_radius: float, degrees: float) -> float:
    """Volume of trunk and side branch without double counting, by a fine sum over discs."""
    angle = np.radians(degrees)
    s = (np.arange(4000) + 0.5) * TRUNK_LENGTH / 4000
    q = side_radius * np.sqrt((np.arange(60) + 0.5) / 60)
    turn = (np.arange(60) + 0.5) * 2 * np.pi / 60
    along, radial, around = np.meshgrid(s, q, turn, indexing="ij", sparse=True)
    x = along * np.sin(angle) + radial * np.cos(around) * np.cos(angle)
    y = radial * np.sin(around)
    outside = (np.hypot(x, y) > TRUNK_RADIUS).mean()
    side = np.pi * side_radius**2 * TRUNK_LENGTH * outside
    return float(side + 2 * np.pi * TRUNK_RADIUS**2 * TRUNK_LENGTH)


@pytest.mark.parametrize("degrees", [90.0, 60.0, 45.0, 120.0])
@pytest.mark.parametrize(("side_radius", "tolerance"), [(0.3, 2e-5), (1.0, 1e-4), (2.0, 2e-3)])
def test_junction_counts_no_volume_twice(
    degrees: float, side_radius: float, tolerance: float
) -> None:
    mesh = centreline_mesh(tee(side_radius, degrees))
    exact = volume_of_union(side_radius, degrees)
    assert mesh.flow.cell_volume.sum() == pytest.approx(exact, rel=tolerance)
    # the test means something: to count the overlap twice would be out of bounds
    assert np.pi * side_radius**2 * TRUNK_RADIUS > 3 * tolerance * exact


@pytest.mark.parametrize("cell_mm", [1.0, 0.5, 0.25])
def test_volume_does_not_hang_on_cell_size(cell_mm: float) -> None:
    coarse = centreline_mesh(tee(), 2.0).flow.cell_volume.sum()
    assert centreline_mesh(tee(), cell_mm).flow.cell_volume.sum() == pytest.approx(
        coarse, rel=1e-12
    )


def test_two_collinear_branches_lose_nothing() -> None:
    builder = NetworkBuilder()
    a, b, c = (builder.node([0, 0, z]) for z in (0, 3, 7))
    for start, end in ((a, b), (b, c)):
        builder.branch(start, end, Structure.AZYGOS, Level.T9, Side.RIGHT, radius=1.5)
    builder.terminal(c, TerminalKind.OUTLET, "right_atrium")
    mesh = centreline_mesh(builder.build())
    assert mesh.flow.cell_volume.sum() == pytest.approx(np.pi * 1.5**2 * 7, rel=1e-12)
    np.testing.assert_allclose(mesh.flow.half_resistance, 8 * 0.25 / (np.pi * 1.5**4))


def test_polylines_run_from_junction_to_junction() -> None:
    network = tee()
    mesh = centreline_mesh(network, 0.5)
    for branch in range(network.n_branches):
        cells = mesh.cells_of(branch)
        arc = mesh.polyline_arc[mesh.polyline_offset[branch] : mesh.polyline_offset[branch + 1]]
        assert (cells[0], cells[-1]) == (
            network.branch_start[branch],
            network.branch_end[branch],
        )
        assert (np.diff(arc) > 0).all()
        assert arc[-1] == pytest.approx(TRUNK_LENGTH)
        assert (mesh.flow.cell_branch[cells[1:-1]] == branch).all()
        np.testing.assert_allclose(mesh.cell_arc[cells[1:-1]], arc[1:-1])
    assert mesh.flow.cell_structure[1] == Structure.AZYGOS, "a junction is named by its widest vein"
    assert (
        mesh.cell_at(2, 10.1)
        == mesh.cells_of(2)[
            np.argmin(
                abs(mesh.polyline_arc[mesh.polyline_offset[2] : mesh.polyline_offset[3]] - 10.1)
            )
        ]
    )


def test_no_cell_is_longer_than_asked() -> None:
    mesh = centreline_mesh(tee(), 0.5)
    assert mesh.flow.face_length.max() <= 0.5 + 1e-12


def test_valve_sits_on_the_nearest_face() -> None:
    mesh = centreline_mesh(tee(), 0.5)
    (face,) = np.flatnonzero(mesh.flow.face_valve)
    distance = np.linalg.norm(mesh.flow.face_centroid - [TRUNK_LENGTH - 15.1, 0, 0], axis=1)
    assert face == distance.argmin()
    # start to end of the branch is owner to neighbour: towards the trunk
    assert mesh.flow.face_valve[face] == 1
    owner, neighbour = mesh.flow.face_owner[face], mesh.flow.face_neighbour[face]
    assert mesh.flow.cell_centroid[owner, 0] > mesh.flow.cell_centroid[neighbour, 0]


def test_gate_keys_survive_refinement() -> None:
    """The same piece of vein has the same key at 1, 0.5 and 0.25 mm."""
    meshes = [centreline_mesh(tee(0.8), cell) for cell in (1.0, 0.5, 0.25)]
    keys = [set(zip(m.flow.gate_branch, m.flow.gate_stretch, strict=True)) for m in meshes]
    # a last stretch shorter than a cell has no face on the coarse mesh
    assert keys[0] <= keys[1] <= keys[2]
    assert len(keys[2] - keys[0]) <= 3
    for mesh in meshes:
        for face in range(mesh.flow.n_faces):
            gate = mesh.flow.face_gate[face]
            branch, stretch = mesh.flow.gate_branch[gate], mesh.flow.gate_stretch[gate]
            radius = 0.8 if branch == 2 else TRUNK_RADIUS
            centre = mesh.flow.face_centroid[face]
            arc = {
                0: centre[2] + TRUNK_LENGTH,
                1: centre[2],
                2: TRUNK_LENGTH - centre[0],
            }[int(branch)]
            assert stretch == np.floor(arc / (2 * radius) + 1e-9)
        np.testing.assert_allclose(
            mesh.flow.gate_radius[mesh.flow.gate_branch == 2], 0.8, rtol=1e-12
        )


def test_terminals_own_a_gate_each() -> None:
    flow = centreline_mesh(tee()).flow
    assert len(set(flow.terminal_gate)) == flow.n_terminals
    assert not set(flow.terminal_gate) & set(flow.face_gate)
    assert flow.gate_stretch[flow.terminal_gate].tolist() == [-2, -1, -1]


def catheter_tee(diameter: float = 0.5, side_radius: float = 1.0) -> CentrelineMesh:
    """Tip 8 mm from the side branch's outer end, then down the trunk's upper half."""
    route = CatheterRoute(((2, 8.0, TRUNK_LENGTH), (1, 0.0, TRUNK_LENGTH)), diameter)
    return centreline_mesh(tee(side_radius), 0.5, route)


def test_catheter_takes_its_volume_and_leaves_a_gap() -> None:
    free, mesh = centreline_mesh(tee()), catheter_tee()
    flow, route = mesh.flow, mesh.route_cells
    assert mesh.tip_cell == route[0]
    assert abs(flow.cell_centroid[mesh.tip_cell, 0] - 12.0) <= 0.25
    assert flow.cell_gap[mesh.tip_cell] == 0.0
    np.testing.assert_allclose(
        flow.cell_gap[route[1:]], flow.cell_radius[route[1:]] - 0.25, rtol=1e-14
    )
    assert set(np.flatnonzero(flow.cell_gap)) == set(route[1:])
    # the trim at the junction holds no volume, so no catheter either
    open_length = flow.cell_centroid[mesh.tip_cell, 0] - (2.0 - 1 / 16) + TRUNK_LENGTH
    taken = free.flow.cell_volume.sum() - flow.cell_volume.sum()
    assert taken == pytest.approx(np.pi * 0.25**2 * open_length, rel=1e-9)
    assert not len(mesh.distended_cells)


def test_narrow_vein_distends_round_the_catheter() -> None:
    mesh = catheter_tee(diameter=0.9, side_radius=0.4)
    side = mesh.route_cells[(mesh.flow.cell_branch[mesh.route_cells] == 2)]
    assert set(mesh.distended_cells) == set(side)
    np.testing.assert_allclose(
        mesh.flow.cell_radius[side[1:]], 0.45 + DISTENSION_CLEARANCE_MM, rtol=1e-14
    )
    assert mesh.flow.cell_radius[side[0]] == pytest.approx(0.4)


def test_gates_round_the_catheter_are_as_narrow_as_the_gap() -> None:
    mesh = catheter_tee()
    flow = mesh.flow
    sheathed = (flow.gate_branch == 1) & (flow.gate_stretch >= 0)
    np.testing.assert_allclose(flow.gate_radius[sheathed], TRUNK_RADIUS - 0.25)


@pytest.mark.parametrize("cell_mm", [0.0, -1.0, np.nan, np.inf])
def test_bad_cell_size_is_refused(cell_mm: float) -> None:
    with pytest.raises(GeometryError, match="cell_mm"):
        centreline_mesh(tee(), cell_mm)


def test_broken_route_is_refused() -> None:
    route = CatheterRoute(((2, 8.0, 0.0), (1, 0.0, TRUNK_LENGTH)), 0.5)
    with pytest.raises(GeometryError, match="branch 1 does not begin where"):
        centreline_mesh(tee(), 0.5, route)
    with pytest.raises(GeometryError, match="branch 9 does not exist"):
        centreline_mesh(tee(), 0.5, CatheterRoute(((9, 0.0, 1.0),), 0.5))


@pytest.mark.parametrize(("path", "diameter"), [((), 0.5), (((0, 0.0, 1.0),), 0.0)])
def test_impossible_catheters_are_refused(
    path: tuple[tuple[int, float, float], ...], diameter: float
) -> None:
    with pytest.raises(GeometryError, match="catheter"):
        CatheterRoute(path, diameter)


def test_valve_off_its_branch_is_refused() -> None:
    with pytest.raises(GeometryError, match=r"valve at branch 2, 99\.0 mm"):
        centreline_mesh(replace(tee(), valve_arc=np.array([99.0])))


def test_island_without_terminal_is_refused() -> None:
    with pytest.raises(GeometryError, match="reach no terminal"):
        centreline_mesh(
            replace(
                tee(),
                terminal_node=np.zeros(0, dtype=np.int64),
                terminal_kind=np.zeros(0, dtype=np.int64),
                terminal_name=(),
            )
        )


def test_node_without_branches_is_left_out_but_not_as_a_terminal() -> None:
    network = tee()
    lonely = replace(network, node_xyz=np.vstack([network.node_xyz, [[9.0, 9.0, 9.0]]]))
    assert centreline_mesh(lonely).flow.n_cells == centreline_mesh(network).flow.n_cells
    ended = replace(lonely, terminal_node=np.array([4, 0, 3]))
    with pytest.raises(GeometryError, match="terminal 'right_atrium' sits on node 4"):
        centreline_mesh(ended)
