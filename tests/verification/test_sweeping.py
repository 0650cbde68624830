"""What blood does to agent: sweeping, tearing, terminals, valves.

Exact answers: agent enters a cell whose resting flow is S times the agent's or more: carried off;
a plug bears Sum (2/R) tau_w min(1, shell/0.1) dx of blood pressure, no more.
"""

from dataclasses import replace

import numpy as np
import pytest

from castsim.assembly import build_graph, empty_state, kernel_agent
from castsim.injection import Watch
from castsim.kernels.detachment import tear_off
from geometry.flowmesh import FlowMesh
from geometry.network import TerminalKind

RATE = 0.5


@pytest.mark.parametrize(("ratio", "swept"), [(299.0, False), (301.0, True)])
def test_sweep_criterion(fluid, tube, push, ratio, swept):
    """S = 300: agent ends where the blood flows 301 times as fast, and passes 299 times."""
    n = 12
    mesh = tube(n, length=6.0)
    flow = np.zeros(n)
    flow[5:8] = ratio * RATE
    fraction = np.zeros(n)
    fraction[5] = 0.25
    watch = replace(Watch.nothing(mesh), azygos_fraction=fraction)
    cell = mesh.cell_volume[0]
    agent = fluid(sweep_ratio=300.0)
    run = push(mesh, agent, 10 * cell, RATE, rest_flow=flow, watch=watch)
    if swept:
        assert (run.state.full == 1).sum() == 5
        assert run.embolised == pytest.approx(5 * cell)
        assert run.state.swept[5] == pytest.approx(5 * cell)
        assert run.state.first_swept[5] == pytest.approx(5 * cell)
        assert run.log["embolised"][-1] == pytest.approx(5 * cell)
        assert run.log["azygos"][-1] == pytest.approx(0.25 * 5 * cell)
    else:
        assert (run.state.full == 1).sum() == 10
        assert run.embolised == 0.0
    assert run.balance_error <= 1e-9


def test_sweeping_goes_by_the_branch_s_own_inflow(fluid, push):
    """Two equal branches get half the agent each: 200 times the whole is 400 times a half."""
    mesh = FlowMesh.from_arrays(
        cell_volume=[1.0, 4.0, 4.0],
        cell_radius=1.0,
        face_owner=[0, 0],
        face_neighbour=[1, 2],
        terminal_cell=[1, 2],
        terminal_resistance=0.1,
    )
    agent = fluid(sweep_ratio=300.0, viscosity=0.004)
    run = push(mesh, agent, 3.0, RATE, rest_flow=[0.0, 200 * RATE, 0.0])
    assert run.state.swept[1] == pytest.approx(1.0, rel=1e-2)
    assert run.state.agent_volume[2] == pytest.approx(1.0, rel=1e-2)
    assert run.state.agent_volume[1] == 0.0


@pytest.mark.parametrize("fourier", [0.0005, 0.02])
@pytest.mark.parametrize("cells", [1, 4, 12])
@pytest.mark.parametrize(("share", "torn"), [(0.999, False), (1.001, True)])
@pytest.mark.parametrize("upstream_last", [False, True])
def test_plug_tears_at_what_its_wall_holds(fluid, tube, fourier, cells, share, torn, upstream_last):
    """9 mm of plug cut off across a vein; its core goes when blood pressure passes the hold."""
    radius, tau, plug = 0.8, 40.0, 9.0
    shell = 2.04 * np.sqrt(fourier) + 0.314 * (fourier / 0.113) ** 6
    hold = 2 / radius * tau * min(1.0, shell / 0.1) * plug
    n = cells + 2
    mesh = tube(n, length=plug / cells * n, radius=radius)
    agent = fluid(wall_hold=tau)
    graph = build_graph(mesh, agent, blood_viscosity=0.004, blood_density=1e-3, gravity=[0, 0, 0])
    state = empty_state(graph)
    inside = slice(1, n - 1)
    state.full[inside] = 1
    state.agent_volume[inside] = graph.volume[inside]
    state.gel[inside] = fourier
    state.drains[[0, n - 1]] = 1
    ends = [n - 1, 0] if upstream_last else [0, n - 1]
    state.pressure[ends] = [share * hold + 70.0, 70.0]
    length = np.append(mesh.face_length, 0.0)
    lost = tear_off(graph, kernel_agent(agent), state, length, -1)
    if torn:
        core = (1 - shell) ** 2 * graph.volume[inside].sum()
        assert lost == pytest.approx(core)
        assert state.torn.sum() == pytest.approx(core)
        assert state.agent_volume.sum() == pytest.approx(graph.volume[inside].sum() - core)
        assert state.full.sum() == 0
    else:
        assert lost == 0.0
        assert state.full[inside].all()


@pytest.mark.parametrize(("difference", "torn"), [(0.0, False), (500.0, True)])
def test_fresh_agent_in_flowing_blood_is_carried_off(fluid, tube, push, difference, torn):
    """No wall yet: any blood pressure across a body takes it, all but the tip's own cell."""
    n = 21
    mesh = tube(
        n,
        length=n,
        terminal_cell=[0, n - 1],
        terminal_pressure=[difference, 0.0],
        terminal_resistance=100.0,
    )
    cell = mesh.cell_volume[0]
    run = push(mesh, fluid(diffusivity=1e-9, wall_hold=1.0), 5 * cell, 0.5, tip=n // 2)
    assert (run.embolised > 0) == torn
    assert run.log["embolised"][-1] == pytest.approx(run.state.torn.sum())
    assert run.balance_error <= 1e-9
    assert run.cast == pytest.approx(5 * cell - run.embolised)


def test_a_body_that_pushes_blood_both_ways_is_not_torn(fluid, push):
    """Displacement: blood before the fronts differs in pressure, agent exceeds both."""
    mesh = FlowMesh.from_arrays(
        cell_volume=np.ones(9),
        cell_radius=[1.0] + [0.5] * 4 + [0.3] * 4,
        face_owner=[0, 1, 2, 3, 0, 5, 6, 7],
        face_neighbour=[1, 2, 3, 4, 5, 6, 7, 8],
        terminal_cell=[4, 8],
        terminal_resistance=[0.1, 2.0],
    )
    run = push(mesh, fluid(diffusivity=1e-9, wall_hold=1.0), 4.0, RATE)
    assert run.embolised == 0.0
    assert run.cast == pytest.approx(4.0)


def test_hazard_and_outlet_are_counted_apart(fluid, push):
    """Agent that reaches an open end leaves; a hazard is told apart from an outlet."""
    mesh = FlowMesh.from_arrays(
        cell_volume=[1.0, 2.0, 2.0],
        cell_radius=1.0,
        face_owner=[0, 0],
        face_neighbour=[1, 2],
        terminal_cell=[1, 2],
        terminal_resistance=5.0,
        terminal_kind=[int(TerminalKind.HAZARD), int(TerminalKind.OUTLET)],
    )
    run = push(mesh, fluid(), 9.0, RATE)
    assert run.terminal == pytest.approx(4.0)
    assert run.hazard == pytest.approx(2.0)
    np.testing.assert_allclose(run.state.terminal_out, 2.0)
    assert run.log["hazard"][-1] == pytest.approx(2.0)
    assert run.balance_error <= 1e-9


def test_terminals_of_full_cells_let_nothing_in(fluid, push):
    """A full cell beside a tributary of high pressure: the other way out gets it all, no more."""
    mesh = FlowMesh.from_arrays(
        cell_volume=np.ones(4),
        cell_radius=1.0,
        face_owner=[0, 1, 2],
        face_neighbour=[1, 2, 3],
        terminal_cell=[0, 3],
        terminal_pressure=[5000.0, 0.0],
        terminal_resistance=[1.0, 1.0],
    )
    run = push(mesh, fluid(), 2.5, RATE)
    tributary, outlet = run.state.flow[3:]
    assert tributary == 0.0
    assert run.state.terminal_out[0] == 0.0
    assert outlet == pytest.approx(RATE)
    np.testing.assert_allclose(run.state.agent_volume, [1.0, 1.0, 0.5, 0.0], atol=1e-9)


@pytest.mark.parametrize(("valve", "passes"), [(1, True), (-1, False), (0, True)])
@pytest.mark.parametrize("turned", [False, True])
def test_valves_stop_agent(fluid, push, valve, passes, turned):
    """A valve on the way lets agent through in its own direction only."""
    owner, neighbour = [0, 1, 0, 3], [1, 2, 3, 4]
    valves = [0, valve, 0, 0]
    if turned:
        owner, neighbour, valves = neighbour, owner, [0, -valve, 0, 0]
    mesh = FlowMesh.from_arrays(
        cell_volume=np.ones(5),
        cell_radius=1.0,
        face_owner=owner,
        face_neighbour=neighbour,
        face_valve=valves,
        terminal_cell=[2, 4],
        terminal_resistance=1.0,
    )
    run = push(mesh, fluid(), 4.0, RATE)
    # against the valve the first cell's blood has no way out either
    assert (np.isfinite(run.state.first_volume[1:3]) == passes).all()
    assert np.isfinite(run.state.first_volume[3])


def test_valves_stop_blood(fluid, push):
    """Two ways between high and low pressure: blood takes the one whose valve points down."""
    mesh = FlowMesh.from_arrays(
        cell_volume=np.ones(5),
        cell_radius=1.0,
        face_owner=[0, 1, 0, 2, 3],
        face_neighbour=[1, 3, 2, 3, 4],
        face_valve=[1, 0, 0, -1, 0],
        terminal_cell=[0, 4],
        terminal_pressure=[100.0, 0.0],
        terminal_resistance=10.0,
    )
    run = push(mesh, fluid(viscosity=0.004), 1e-6, 1e-6, tip=4)
    flow = run.state.flow
    assert flow[0] == pytest.approx(100.0 / 20.0, rel=0.05)
    assert flow[3] == 0.0
    assert flow[2] == pytest.approx(0.0, abs=1e-6)


def test_trapped_blood_is_never_entered(fluid, push):
    """A side pouch without a way out stays as it is, whatever the pressure."""
    mesh = FlowMesh.from_arrays(
        cell_volume=np.ones(5),
        cell_radius=1.0,
        face_owner=[0, 1, 1, 3],
        face_neighbour=[1, 2, 3, 4],
        terminal_cell=[2],
        terminal_resistance=1.0,
    )
    run = push(mesh, fluid(), 4.0, RATE)
    np.testing.assert_allclose(run.state.agent_volume, [1, 1, 1, 0, 0], atol=1e-12)
    assert run.terminal == pytest.approx(1.0)
