"""Resting flow: exact small networks, dense solves, valves, calibration, tracer."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from castsim.blood_solver import BloodSolver, face_conductance, face_flow
from castsim.errors import ScenarioError, SolverError
from castsim.physiology import Physiology, shear_viscosity, wanted_inflow
from castsim.units import Pa_from_mmHg, uL_s_from_mL_min
from castsim.venous_flow import VenousFlow, resting_flow
from geometry.flowmesh import FloatArray, FlowMesh, IntArray
from geometry.levels import Level
from geometry.network import TerminalKind
from geometry.structures import Structure

REST = Physiology.default()


def graph(seed: int, *, valves: bool = False, n: int = 120) -> FlowMesh:
    """A random connected network with loops: two outlets and thirty tributaries."""
    rng = np.random.default_rng(seed)
    parent = (rng.uniform(size=n - 1) * np.arange(1, n)).astype(np.int64)
    owner = np.concatenate([np.arange(1, n), rng.integers(0, n, 60)])
    neighbour = np.concatenate([parent, rng.integers(0, n, 60)])
    link = owner != neighbour
    ends = rng.choice(np.arange(2, n), 30, replace=False)
    return FlowMesh.from_arrays(
        cell_volume=rng.uniform(0.1, 2, n),
        cell_radius=rng.uniform(0.3, 2, n),
        face_owner=owner[link],
        face_neighbour=neighbour[link],
        face_valve=rng.choice([-1, 0, 0, 1], link.sum()) if valves else 0,
        terminal_cell=np.concatenate([[0, 1], ends]),
        terminal_kind=np.array([TerminalKind.OUTLET] * 2 + [TerminalKind.TRIBUTARY] * 30),
        terminal_name=("right_atrium", "iliac right", *(["muscular T9 right"] * 30)),
    )


def enclosed(flow: VenousFlow) -> IntArray:
    """A cell of each pocket that shut valves cut off from all terminals."""
    mesh = flow.mesh
    ways = flow.valve_open
    graph = coo_array(
        (np.ones(ways.sum()), (mesh.face_owner[ways], mesh.face_neighbour[ways])),
        shape=(mesh.n_cells, mesh.n_cells),
    )
    region = connected_components(graph, directed=False)[1]
    pockets = np.setdiff1d(region, region[mesh.terminal_cell])
    return np.array([int(np.argmax(region == pocket)) for pocket in pockets], dtype=np.int64)


def dense_pressure(flow: VenousFlow) -> FloatArray:
    """The same equations by a dense solve; fixed pressures by rows of the identity.

    So is the pressure of one cell of each pocket behind shut valves, which has no equation.
    """
    mesh, n = flow.mesh, flow.mesh.n_cells
    matrix, right = np.zeros((n, n)), np.zeros(n)
    conductance = face_conductance(mesh, flow.viscosity) * flow.valve_open
    for i, j, g in zip(mesh.face_owner, mesh.face_neighbour, conductance, strict=True):
        matrix[i, i] += g
        matrix[j, j] += g
        matrix[i, j] -= g
        matrix[j, i] -= g
    rows = zip(mesh.terminal_cell, mesh.terminal_pressure, mesh.terminal_resistance, strict=True)
    fixed = [(cell, flow.pressure[cell]) for cell in enclosed(flow)]
    for cell, pressure, resistance in rows:
        if resistance == 0:
            fixed.append((cell, pressure))
        else:
            matrix[cell, cell] += 1 / resistance
            right[cell] += pressure / resistance
    for cell, pressure in fixed:
        matrix[cell] = 0
        matrix[cell, cell] = 1
        right[cell] = pressure
    return np.linalg.solve(matrix, right)


def imbalance(flow: VenousFlow) -> float:
    mesh, n = flow.mesh, flow.mesh.n_cells
    net = np.bincount(mesh.face_owner, flow.face_flow, n)
    net -= np.bincount(mesh.face_neighbour, flow.face_flow, n)
    net += np.bincount(mesh.terminal_cell, flow.terminal_flow, n)
    return float(np.abs(net).max() / np.abs(flow.face_flow).max())


def test_tube_between_two_held_pressures() -> None:
    """Q = pi R^4 dP / (8 mu L), between the centres of the outer cells."""
    mesh = FlowMesh.from_arrays(
        cell_volume=[0.5 * np.pi] * 4,
        cell_radius=1.0,
        face_owner=[0, 2, 2],
        face_neighbour=[1, 1, 3],
        terminal_cell=[0, 3],
        terminal_pressure=[100.0, 0.0],
    )
    flow = resting_flow(mesh, REST)
    exact = np.pi * 100 / (8 * REST.blood_viscosity_Pa_s * 1.5)
    np.testing.assert_allclose(flow.face_flow, [exact, -exact, exact], rtol=1e-13)
    np.testing.assert_allclose(flow.terminal_flow, [-exact, exact], rtol=1e-13)
    np.testing.assert_allclose(flow.pressure, [100, 200 / 3, 100 / 3, 0], atol=1e-11)
    np.testing.assert_allclose(flow.cell_flow, exact, rtol=1e-13)


@pytest.mark.parametrize("valves", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_against_a_dense_solve(seed: int, valves: bool) -> None:
    flow = resting_flow(graph(seed, valves=valves), REST)
    np.testing.assert_allclose(flow.pressure, dense_pressure(flow), rtol=1e-10)
    assert imbalance(flow) < 1e-9
    assert abs(flow.terminal_flow.sum()) < 1e-9 * np.abs(flow.terminal_flow).max()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_valves_conduct_one_way_and_shut_only_against_pressure(seed: int) -> None:
    mesh = graph(seed, valves=True)
    flow = resting_flow(mesh, REST)
    tolerance = 1e-9 * np.abs(flow.face_flow).max()
    assert (flow.face_flow * mesh.face_valve >= -tolerance).all()
    shut = ~flow.valve_open
    assert (mesh.face_valve[shut] != 0).all()
    drop = flow.pressure[mesh.face_owner] - flow.pressure[mesh.face_neighbour]
    assert ((drop * mesh.face_valve)[shut] <= 1e-9 * np.abs(drop).max()).all()


@pytest.mark.parametrize("seed", [276094, 5, 19, 2272, 4508])
def test_pockets_behind_valves_find_a_state(seed: int) -> None:
    """Pockets that drain into each other through valves alone; nothing flows once they are shut."""
    flow = resting_flow(graph(seed, valves=True), REST)
    assert imbalance(flow) < 1e-9
    mesh, cells = flow.mesh, enclosed(flow)
    assert len(cells)
    assert (flow.cell_flow[cells] <= 1e-12 * flow.cell_flow.max()).all()
    lowest = mesh.terminal_pressure.min()
    shut = ~flow.valve_open
    upstream = np.where(mesh.face_valve > 0, mesh.face_owner, mesh.face_neighbour)
    downstream = np.where(mesh.face_valve > 0, mesh.face_neighbour, mesh.face_owner)
    for cell in cells:
        level = flow.pressure[cell]
        pocket = np.isclose(flow.pressure, level, rtol=1e-12, atol=0)
        into = shut & pocket[downstream] & ~pocket[upstream]
        highest = flow.pressure[upstream[into]].max(initial=lowest)
        assert level == lowest or level >= highest * (1 - 1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_state_of_the_valves_has_the_least_content(seed: int) -> None:
    """Its flows are the only ones, so that another start ends there too.

    So are its pressures, but where nothing flows.
    """
    mesh = resting_flow(graph(seed, valves=True), REST).mesh
    blood = np.full(mesh.n_cells, REST.blood_viscosity_Pa_s)
    states = []
    for start in (True, False):
        solver = BloodSolver(mesh)
        solver.valve_open = (mesh.face_valve == 0) | start
        states.append(solver.solve(mesh, blood))
    one, other = states
    flow, scale = face_flow(mesh, one), 1e-9 * np.abs(face_flow(mesh, one)).max()
    np.testing.assert_allclose(face_flow(mesh, other), flow, rtol=0, atol=scale)
    flows = np.abs(flow) > scale
    passed = np.unique(np.concatenate([mesh.face_owner[flows], mesh.face_neighbour[flows]]))
    np.testing.assert_allclose(other.pressure[passed], one.pressure[passed], rtol=1e-10)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_pressures_lie_between_those_of_the_ends(seed: int) -> None:
    flow = resting_flow(graph(seed, valves=True), REST)
    ends = flow.mesh.terminal_pressure
    assert flow.pressure.min() >= ends.min() - 1e-9
    assert flow.pressure.max() <= ends.max() + 1e-9


def test_tributaries_bring_the_wanted_flow() -> None:
    mesh = graph(3)
    flow = resting_flow(mesh, REST)
    wanted = wanted_inflow(mesh)[2:]
    np.testing.assert_allclose(-flow.terminal_flow[2:], wanted, rtol=2e-3)


def test_pocket_without_outflow_rises_to_the_upstream_pressure_only() -> None:
    """A tributary behind a valve that opens towards it has nowhere to go."""
    mesh = FlowMesh.from_arrays(
        cell_volume=[1.0] * 3,
        cell_radius=1.0,
        face_owner=[0, 1],
        face_neighbour=[1, 2],
        face_valve=[0, 1],
        terminal_cell=[0, 2],
        terminal_kind=[0, 1],
        terminal_name=("right_atrium", "muscular T9 right"),
    )
    flow = resting_flow(mesh, REST)
    assert not flow.valve_open[1]
    assert flow.pressure[2] == pytest.approx(REST.upstream_Pa)
    assert flow.terminal_flow[1] == pytest.approx(0.0, abs=1e-12)


def test_terminals_with_a_resistance_are_left_alone() -> None:
    mesh = replace(graph(1), terminal_resistance=np.full(32, 2.0))
    flow = resting_flow(mesh, REST)
    np.testing.assert_array_equal(flow.mesh.terminal_resistance, 2.0)
    np.testing.assert_array_equal(flow.mesh.terminal_pressure[2:], 0.0)


def test_no_held_pressure_is_an_error() -> None:
    mesh = FlowMesh.from_arrays(
        cell_volume=[1.0], cell_radius=1.0, terminal_cell=[0], terminal_kind=[1]
    )
    with pytest.raises(SolverError, match="add an outlet"):
        resting_flow(mesh, REST)


def azygos_chain(shunt_radius: float = 0.3) -> FlowMesh:
    """SVC 0 - arch 1 - azygos 2 - ascending lumbar 3 - iliac 4; muscle on 2; arm on the SVC.

    Cell 5 hangs between azygos (2) and SVC (0): half-way blood.
    """
    return FlowMesh.from_arrays(
        cell_volume=[50.0, 30.0, 30.0, 28.0, 40.0, 1.0],
        cell_radius=[8.0, 4.0, 3.0, shunt_radius, 5.0, 0.5],
        cell_structure=[
            Structure.SVC,
            Structure.AZYGOS_ARCH,
            Structure.AZYGOS,
            Structure.ASCENDING_LUMBAR,
            Structure.COMMON_ILIAC,
            Structure.FORAMINAL,
        ],
        cell_level=[int(Level.T9)] * 6,
        face_owner=[1, 2, 3, 4, 5, 5],
        face_neighbour=[0, 1, 2, 3, 2, 0],
        terminal_cell=[0, 4, 2, 2, 0, 5],
        terminal_kind=[0, 0, 1, 1, 1, 1],
        terminal_name=(
            "right_atrium",
            "iliac right",
            "muscular T9 right",
            "muscular T9 left",
            "arm right",
            "bone T9 1",
        ),
    )


@pytest.mark.parametrize("outflow_mL_min", [10.0, 30.0, 80.0])
def test_azygos_outflow_is_drawn_not_suffered(outflow_mL_min: float) -> None:
    wanted = uL_s_from_mL_min(outflow_mL_min)
    mesh = azygos_chain()
    flow = resting_flow(mesh, replace(REST, azygos_outflow_uL_s=wanted))
    assert flow.azygos_outflow == pytest.approx(wanted, rel=2e-3)
    # one factor for the territory, none for the arm
    muscle, arm = -flow.terminal_flow[2:4], -flow.terminal_flow[4]
    assert muscle[0] == pytest.approx(muscle[1])
    assert arm == pytest.approx(wanted_inflow(mesh)[4], rel=2e-3)


def test_tracer_is_one_in_the_azygos_and_the_mixing_share_elsewhere() -> None:
    flow = resting_flow(azygos_chain(), REST)
    mesh = flow.mesh
    assert flow.azygos_fraction[[1, 2]].tolist() == [1.0, 1.0]
    assert flow.azygos_fraction[0] == 0.0
    assert flow.azygos_fraction[[3, 4]] == pytest.approx([1.0, 1.0])
    to_azygos, to_svc = flow.face_flow[4], flow.face_flow[5]
    assert (mesh.face_owner[4], mesh.face_owner[5]) == (5, 5)
    share = max(to_azygos, 0.0) / (max(to_azygos, 0.0) + max(to_svc, 0.0))
    assert flow.azygos_fraction[5] == pytest.approx(share, abs=1e-12)


def test_abdominal_pressure_raises_the_shunt_and_keeps_the_tissue() -> None:
    strain = replace(REST, abdominal_pressure_Pa=Pa_from_mmHg(20.0))
    rest, strained = resting_flow(azygos_chain(), REST), resting_flow(azygos_chain(), strain)
    np.testing.assert_array_equal(rest.mesh.terminal_resistance, strained.mesh.terminal_resistance)
    assert strained.face_flow[2] > 5 * rest.face_flow[2] > 0
    assert strained.pressure[4] == pytest.approx(
        REST.right_atrium_Pa + REST.ivc_excess_Pa + Pa_from_mmHg(20.0)
    )


def test_ivc_carries_its_flow_whatever_the_abdomen_presses() -> None:
    n = 6
    mesh = FlowMesh.from_arrays(
        cell_volume=[3000.0] * n,
        cell_radius=10.0,
        cell_centroid=np.column_stack([np.zeros((n, 2)), np.arange(n) * -10.0]),
        cell_structure=Structure.IVC,
        cell_level=[int(Level.T8)] * 3 + [int(Level.L3)] * 3,
        face_owner=np.arange(n - 1),
        face_neighbour=np.arange(1, n),
        terminal_cell=[0, n - 1, 2],
        terminal_kind=[0, 0, 1],
        terminal_name=("right_atrium", "iliac left", "hepatic"),
    )
    for rise in (0.0, 20.0):
        strain = replace(REST, abdominal_pressure_Pa=Pa_from_mmHg(rise))
        flow = resting_flow(mesh, strain)
        assert -flow.terminal_flow[1] == pytest.approx(REST.ivc_flow_uL_s, rel=0.05)
        # the drop lies above L1, the infrarenal IVC is as high as the iliac veins
        assert flow.pressure[3] == pytest.approx(flow.pressure[5], rel=1e-2)


def test_shear_thinning_settles_where_its_own_law_holds() -> None:
    flow = resting_flow(graph(2), replace(REST, blood_model="shear"))
    radius = flow.mesh.cell_radius
    expected = shear_viscosity(4 * flow.cell_flow / (np.pi * radius**3))
    np.testing.assert_allclose(flow.viscosity, expected, rtol=1e-5)
    assert flow.viscosity.max() > 1.5 * flow.viscosity.min()
    assert imbalance(flow) < 1e-9


def test_results_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        resting_flow(graph(0), REST).pressure[0] = 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"right_atrium_Pa": np.nan}, "right_atrium_Pa = nan must be finite"),
        ({"blood_viscosity_Pa_s": 0.0}, "blood_viscosity_Pa_s = 0.0 must be > 0"),
        ({"azygos_outflow_uL_s": -1.0}, "azygos_outflow_uL_s = -1.0 must be >= 0"),
        ({"upstream_Pa": 100.0}, "upstream_Pa = 100 must exceed"),
        ({"blood_model": "honey"}, "blood_model = 'honey'"),
    ],
)
def test_impossible_physiology(change: dict[str, object], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        replace(REST, **change)  # type: ignore[arg-type]


def test_shared_rows_are_shared_evenly() -> None:
    """Two bone ends of one vertebra share 2 mL/min; a muscular end of T9 right has 8 alone."""
    mesh = FlowMesh.from_arrays(
        cell_volume=[1.0] * 4,
        cell_radius=1.0,
        cell_level=[int(Level.T9)] * 3 + [int(Level.T10)],
        terminal_cell=[0, 1, 2, 3],
        terminal_kind=[1] * 4,
        terminal_name=("bone T9 1", "bone T9 2", "muscular T9 right", "posterior muscular T10 a"),
    )
    np.testing.assert_allclose(wanted_inflow(mesh) / uL_s_from_mL_min(1.0), [1, 1, 8, 1.5])
