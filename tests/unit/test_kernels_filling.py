"""The event queue against a naive one that works all rates out anew after each event."""

import numpy as np
import pytest

from castsim.assembly import build_graph, elimination_plan, empty_state, kernel_agent
from castsim.kernels.filling import fill
from castsim.kernels.pressure import scratch
from castsim.kernels.region import new_region
from geometry.flowmesh import FlowMesh


def naive(owner, neighbour, flow, volume, n, tip, budget):
    """Times (in injected volume) at which cells are entered and full.

    Stops where new fluxes are needed: at a full dead end, or where agent meets agent.
    """
    held = np.zeros(n)
    full = np.zeros(n, dtype=bool)
    entered, filled = np.full(n, np.inf), np.full(n, np.inf)
    out = np.zeros(len(owner))
    now = 0.0

    def deliver(cell, share, rate, left):
        if not full[cell]:
            rate[cell] = rate.get(cell, 0.0) + share
            return True
        ways = [
            (f, q, b)
            for f, (a, b, q) in enumerate(zip(owner, neighbour, flow, strict=True))
            if a == cell and q > 0
        ]
        ways += [
            (f, -q, a)
            for f, (a, b, q) in enumerate(zip(owner, neighbour, flow, strict=True))
            if b == cell and q < 0
        ]
        total = sum(q for _, q, _ in ways)
        if total == 0:
            return False
        for f, q, far in ways:
            if far >= n:
                left[f] = left.get(f, 0.0) + share * q / total
            elif not deliver(far, share * q / total, rate, left):
                return False
        return True

    while True:
        rate, left = {}, {}
        if not deliver(tip, 1.0, rate, left):
            return entered, filled, held, out, now
        for cell in rate:
            entered[cell] = min(entered[cell], now)
        step, event = budget - now, -1
        for cell, r in rate.items():
            if (volume[cell] - held[cell]) / r < step:
                step, event = (volume[cell] - held[cell]) / r, cell
        for cell, r in rate.items():
            held[cell] += r * step
        for f, r in left.items():
            out[f] += r * step
        now += step
        if event < 0:
            return entered, filled, held, out, now
        full[event], filled[event], held[event] = True, now, volume[event]
        for a, b, q in zip(owner, neighbour, flow, strict=True):
            far = b if a == event and q > 0 else a if b == event and q < 0 else n
            if far < n and full[far]:
                return entered, filled, held, out, now


@pytest.mark.parametrize(("n", "m", "t"), [(1, 0, 1), (2, 1, 1), (8, 10, 2), (25, 40, 4)])
@pytest.mark.parametrize("seed", range(4))
def test_event_queue(fluid, n, m, t, seed):
    rng = np.random.default_rng(seed)
    potential = np.sort(rng.uniform(0, 1, n))[::-1]
    tree = [(int(rng.integers(k)), k) for k in range(1, n)]
    more = [tuple(rng.choice(n, 2, replace=False)) for _ in range(m - len(tree))] if n > 1 else []
    faces = np.array(tree + more, dtype=np.int64).reshape(-1, 2)
    turned = rng.random(len(faces)) < 0.5
    faces[turned] = faces[turned, ::-1]
    ends = np.append(rng.integers(n, size=t - 1), n - 1)  # the lowest cell is never a dead end
    mesh = FlowMesh.from_arrays(
        cell_volume=rng.uniform(0.2, 2.0, n),
        cell_radius=1.0,
        face_owner=faces[:, 0],
        face_neighbour=faces[:, 1],
        terminal_cell=ends,
    )
    agent = fluid()
    graph = build_graph(mesh, agent, blood_viscosity=0.004, blood_density=1e-3, gravity=[0, 0, 0])
    state = empty_state(graph)
    flow = potential[faces[:, 0]] - potential[faces[:, 1]]
    state.flow[:] = np.append(flow, rng.uniform(0.1, 1.0, t))
    state.broken[:] = 1
    plan = elimination_plan(graph)
    work, region = scratch(graph, plan), new_region(len(graph.owner), plan)
    region.ring[:] = n  # all flows are known
    budget = 1.3 * graph.volume.sum()
    # so large an inflow that no cell ever carries more blood than the tip delivers
    done, count = fill(
        graph, kernel_agent(agent), state, work, plan, region, 0, 1e9, 0, 0.0, budget
    )
    entered, filled, held, out, now = naive(
        graph.owner, graph.neighbour, state.flow, graph.volume, n, 0, budget
    )
    assert done == pytest.approx(now, rel=1e-12)
    np.testing.assert_allclose(state.first_volume, entered, rtol=1e-10)
    np.testing.assert_allclose(state.full_volume, filled, rtol=1e-10)
    np.testing.assert_allclose(state.agent_volume, held, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(state.terminal_out, out[len(faces) :], rtol=1e-10, atol=1e-12)
    assert count == np.isfinite(entered).sum()
    assert state.agent_volume.sum() + state.terminal_out.sum() == pytest.approx(done, rel=1e-12)
