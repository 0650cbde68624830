"""Gel and skin against naive small steps of their equations."""

import numpy as np
import pytest

from castsim.assembly import build_graph, empty_state, kernel_agent
from castsim.kernels.solidification import age_gates, age_gel, relax_gel
from geometry.flowmesh import FlowMesh


@pytest.mark.parametrize("gel", [0.0, 0.02, 0.09])
@pytest.mark.parametrize("upstream", [0.0, 0.03])
@pytest.mark.parametrize("renewal", [0.0, 1e-14, 0.3, 50.0])
def test_relaxation(gel, upstream, renewal):
    """dF/dt = max(0, growth - renewal (F - upstream)) by 20 000 Euler steps."""
    growth, dt = 0.004, 5.0
    f = gel
    for _ in range(20000):
        f += dt / 20000 * max(0.0, growth - renewal * (f - upstream))
    assert relax_gel(gel, upstream, renewal, growth, dt) == pytest.approx(f, rel=1e-3, abs=1e-6)


def y_of_agent(fluid, turned):
    """A tip cell that feeds a wide and a narrow branch of two cells each, all full."""
    owner, neighbour = np.array([0, 1, 0, 3]), np.array([1, 2, 3, 4])
    flow = np.array([0.6, 0.6, 0.4, 0.4])
    if turned:
        owner, neighbour, flow = neighbour, owner, -flow
    mesh = FlowMesh.from_arrays(
        cell_volume=[0.5, 1.0, 0.7, 0.2, 0.3],
        cell_radius=[1.0, 0.8, 0.8, 0.3, 0.4],
        face_owner=owner,
        face_neighbour=neighbour,
        terminal_cell=[2, 4],
    )
    agent = fluid(diffusivity=1e-3)
    graph = build_graph(mesh, agent, blood_viscosity=0.004, blood_density=1e-3, gravity=[0, 0, 0])
    state = empty_state(graph)
    state.full[:] = state.fed[:] = 1
    state.agent_volume[:] = graph.volume
    state.flow[:] = np.append(flow, [0.6, 0.4])
    return mesh, graph, kernel_agent(agent), state


@pytest.mark.parametrize("turned", [False, True])
def test_gel_along_branches(fluid, turned, stocked):
    """Many small steps against Euler on every cell's own equation."""
    mesh, graph, agent, state = y_of_agent(fluid, turned)
    work = stocked(graph, state)
    dt, steps = 0.02, 1500
    expected = np.zeros(5)
    through = np.array([1.0, 0.6, 0.6, 0.4, 0.4])
    before = [None, 0, 1, 0, 3]
    for _ in range(steps):
        age_gel(graph, agent, state, work, 0, 1.0, 0, 1.0, 0.0, dt)
        for _ in range(4):
            upstream = np.array([0.0 if b is None else expected[b] for b in before])
            change = 1e-3 / graph.gel_radius**2 - through / graph.volume * (expected - upstream)
            expected = expected + dt / 4 * np.maximum(0.0, change)
    np.testing.assert_allclose(state.gel, expected, rtol=0.01)
    # and the steady flow: F grows by D V / (R^2 Q) from cell to cell
    growth = 1e-3 * mesh.cell_volume / mesh.cell_radius**2 / through
    steady = np.array([growth[0], growth[:2].sum(), growth[:3].sum(), 0.0, 0.0])
    steady[3] = growth[0] + growth[3]
    steady[4] = steady[3] + growth[4]
    np.testing.assert_allclose(state.gel, steady, rtol=0.01)


def test_gel_of_agent_cut_off(fluid, stocked):
    """What no open agent joins to the tip ages at D/R^2."""
    _, graph, agent, state = y_of_agent(fluid, False)
    state.fed[:] = 0
    state.flow[:] = 0.0
    age_gel(graph, agent, state, stocked(graph, state), 0, 0.0, 0, 0.0, 0.0, 7.0)
    np.testing.assert_allclose(state.gel, 7.0 * 1e-3 / graph.gel_radius**2, rtol=1e-12)


def front(fluid, **given):
    mesh = FlowMesh.from_arrays(
        cell_volume=[1.0, 1.0],
        cell_radius=0.5,
        face_owner=[1],
        face_neighbour=[0],
        terminal_cell=[1],
    )
    agent = fluid(diffusivity=3e-4, skin_onset=1.0, healing_time=2.0, healing_travel=0.05, **given)
    graph = build_graph(mesh, agent, blood_viscosity=0.004, blood_density=1e-3, gravity=[0, 0, 0])
    state = empty_state(graph)
    state.full[0] = state.fed[0] = 1
    state.drains[1] = 1
    state.reached[0] = 1
    return graph, kernel_agent(agent), state


@pytest.mark.parametrize(("travel", "heals"), [(0.049, True), (0.051, False)])
def test_healing(fluid, travel, heals, stocked):
    """A broken gate heals if its front moved less than 0.05 r in 2 s, and not before."""
    graph, agent, state = front(fluid)
    state.broken[0] = 1
    radius = graph.gate_radius[0]
    state.flow[0] = -np.pi * radius**2 * travel * radius / 2.0
    for _ in range(19):
        age_gates(graph, agent, state, stocked(graph, state), 1.0, 0.1)
    assert state.broken[0] == 1
    age_gates(graph, agent, state, stocked(graph, state), 1.0, 0.11)
    assert state.broken[0] == (0 if heals else 1)
    assert state.skin[0] == 0.0


@pytest.mark.parametrize("dt", [0.1, 0.7, 5.0])
def test_skin_begins_at_the_onset(fluid, dt, stocked):
    """Integral of D over the age beyond the onset, however time is cut."""
    graph, agent, state = front(fluid)
    steps = round(7.0 / dt)
    for _ in range(steps):
        age_gates(graph, agent, state, stocked(graph, state), 0.0, dt)
    assert state.skin[0] == pytest.approx(3e-4 * max(0.0, steps * dt - 1.0))


def test_untouched_gates_do_not_age(fluid, stocked):
    graph, agent, state = front(fluid)
    state.reached[0] = 0
    age_gates(graph, agent, state, stocked(graph, state), 0.0, 5.0)
    assert state.age.max() == state.skin.max() == 0.0
