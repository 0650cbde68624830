"""What blood does to agent: sweeping, tearing, terminals.

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
SUBJECT = "Sweeping and break-off"


@pytest.mark.parametrize(("ratio", "swept"), [(299.0, False), (301.0, True)])
def test_sweep_criterion(fluid, tube, push, ratio, swept, verdict):
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
        found = [run.embolised, run.state.swept[5], run.state.first_swept[5]]
        what = "301 times the agent's flow: left towards the lungs, by its cell, and since, mm3"
        source = "sweeping ratio 300"
        verdict(SUBJECT, what, found, 5 * cell, source=source, rtol=1e-9)
        assert run.log["embolised"][-1] == pytest.approx(5 * cell)
        passed = run.log["azygos"][-1]
        what = "of it past the azygos, mm3"
        verdict(SUBJECT, what, passed, 1.25 * cell, source="share 0.25 of the cell", rtol=1e-9)
    else:
        assert (run.state.full == 1).sum() == 10
        what = "299 times the agent's flow: left towards the lungs, mm3"
        verdict(SUBJECT, what, run.embolised, 0.0, source="sweeping ratio 300", atol=0.0)
    assert run.balance_error <= 1e-9


def test_sweeping_goes_by_the_branch_s_own_inflow(fluid, push, verdict):
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
    found = [run.state.swept[1], run.state.agent_volume[2]]
    what = "half of the inflow into a swept branch: swept, and kept in the other, mm3"
    verdict(SUBJECT, what, found, 1.0, source="equal branches", rtol=1e-2)
    assert run.state.agent_volume[1] == 0.0


def plug(fluid, tube, stocked, fourier, cells, difference, *, upstream_last):
    """9 mm of plug cut off across a vein, its hold, and what `difference` times that tears off."""
    radius, tau, length = 0.8, 40.0, 9.0
    shell = 2.04 * np.sqrt(fourier) + 0.314 * (fourier / 0.113) ** 6
    hold = 2 / radius * tau * min(1.0, shell / 0.1) * length
    n = cells + 2
    mesh = tube(n, length=length / cells * n, radius=radius)
    agent = fluid(wall_hold=tau)
    graph = build_graph(mesh, agent, blood_viscosity=0.004, blood_density=1e-3, gravity=[0, 0, 0])
    state = empty_state(graph)
    inside = slice(1, n - 1)
    state.full[inside] = 1
    state.agent_volume[inside] = graph.volume[inside]
    state.gel[inside] = fourier
    state.drains[[0, n - 1]] = 1
    ends = [n - 1, 0] if upstream_last else [0, n - 1]
    state.pressure[ends] = [difference * hold + 70.0, 70.0]
    ends = np.append(mesh.face_length, 0.0)
    lost = tear_off(graph, kernel_agent(agent), state, stocked(graph, state), ends, -1)
    return hold, lost, graph.volume[inside].sum(), state, (1 - shell) ** 2


@pytest.mark.parametrize("fourier", [0.0005, 0.02])
@pytest.mark.parametrize("cells", [1, 4, 12])
@pytest.mark.parametrize("upstream_last", [False, True])
def test_plug_tears_at_what_its_wall_holds(
    fluid, tube, stocked, verdict, fourier, cells, upstream_last
):
    """The pressure that tears it is found by bisection; its core goes, its shell stays."""
    below, above = 0.5, 2.0
    while above - below > 1e-6:
        share = 0.5 * (below + above)
        hold, lost, *_ = plug(
            fluid, tube, stocked, fourier, cells, share, upstream_last=upstream_last
        )
        below, above = (below, share) if lost > 0 else (share, above)
    source = "(2/R) tau_w min(1, shell / 0.1 R) L"
    what = "pressure that tears a plug off, Pa"
    verdict(SUBJECT, what, above * hold, hold, source=source, rtol=1e-5)
    _, lost, volume, state, core = plug(
        fluid, tube, stocked, fourier, cells, 1.001, upstream_last=upstream_last
    )
    found = [lost, state.torn.sum(), volume - state.agent_volume.sum()]
    what = "core that goes, mm3"
    verdict(SUBJECT, what, found, core * volume, source="(1 - shell)^2 V", rtol=1e-6)
    assert state.full.sum() == 0


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


def test_hazard_and_outlet_are_counted_apart(fluid, push, verdict):
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
    found = [run.terminal, run.hazard, *run.state.terminal_out, run.log["hazard"][-1]]
    what = "agent out of two ends, of the hazard, and by each, mm3"
    verdict(SUBJECT, what, found, [4.0, 2.0, 2.0, 2.0, 2.0], source="9 - 5 mm3", rtol=1e-9)
    assert run.balance_error <= 1e-9


def test_terminals_of_full_cells_let_nothing_in(fluid, push, verdict):
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
    assert run.state.terminal_out[0] == 0.0
    what = "flow into a full cell by its terminal, and out by the other, mm3/s"
    # a shut diode keeps 1e-11 of its conductance in the matrix, here against 5000 Pa
    verdict(SUBJECT, what, [tributary, outlet], [0.0, RATE], source="diode", atol=1e-7)
    np.testing.assert_allclose(run.state.agent_volume, [1.0, 1.0, 0.5, 0.0], atol=1e-9)
