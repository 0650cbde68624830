"""Blood pressure handed through a body of agent, against faces relaxed until nothing rises."""

import numpy as np
import pytest

from castsim.assembly import build_graph, empty_state, kernel_agent
from castsim.kernels.detachment import hand_through, press_fronts, wall_hold
from geometry.flowmesh import FlowMesh


def body(rng, n, fluid):
    """A random tree with loops, mostly full of gelling agent, blood of any pressure around it."""
    faces = [(int(rng.integers(max(0, k - 6), k)), k) for k in range(1, n)]
    faces += [tuple(rng.choice(n, 2, replace=False)) for _ in range(n // 3)]
    faces = np.array(faces, dtype=np.int64)
    mesh = FlowMesh.from_arrays(
        cell_volume=rng.uniform(0.2, 1.0, n),
        cell_radius=rng.uniform(0.4, 1.2, n),
        cell_centroid=rng.normal(scale=3.0, size=(n, 3)),
        face_owner=faces[:, 0],
        face_neighbour=faces[:, 1],
        terminal_cell=[0],
        terminal_pressure=[0.0],
        terminal_resistance=[1.0],
    )
    agent = fluid(wall_hold=20.0, density=1.6e-3)
    graph = build_graph(
        mesh, agent, blood_viscosity=0.004, blood_density=1.06e-3, gravity=[0.0, 0.0, -9806.65]
    )
    state = empty_state(graph)
    full = rng.random(n) < 0.8
    state.full[full] = 1
    state.drains[~full] = 1
    state.agent_volume[full] = graph.volume[full]
    state.gel[full] = rng.choice([0.0, 0.001, 0.02], full.sum())  # without gel many are equal
    state.pressure[:] = rng.integers(0, 20, n) * 50.0
    return graph, kernel_agent(agent), state, rng.uniform(0.2, 1.0, len(graph.owner))


def relaxed(graph, agent, state, length, best, least):
    """Highest pressure that reaches each cell: every face again and again until nothing rises."""

    def half_hold(cell, face):
        return wall_hold(
            state.gel[cell], graph.annular[cell] == 1, graph.gel_radius[cell],
            graph.junction[cell], 0.5 * length[face], agent.wall_hold,
        )  # fmt: skip

    inner = [f for f in range(len(graph.owner)) if graph.neighbour[f] < len(state.full)]
    rises = True
    while rises:
        rises = False
        for f in inner:
            ends = graph.owner[f], graph.neighbour[f]
            if graph.gate[f] < 0 or not state.full[list(ends)].all():
                continue
            for c, far in (ends, ends[::-1]):
                if best[c] <= least:
                    continue
                p = best[c] - half_hold(c, f)
                p -= half_hold(far, f)
                p -= max(0.0, graph.cell_weight[c] - graph.cell_weight[far])
                if p > best[far] and p > least:
                    best[far], rises = p, True
    return best


@pytest.mark.parametrize("seed", range(6))
def test_the_highest_pressure_reaches_each_cell(seed, fluid, stocked):
    """The same to the last bit, by a way along which it falls from a front."""
    rng = np.random.default_rng(seed)
    graph, agent, state, length = body(rng, 120, fluid)
    work = stocked(graph, state)
    count, highest, least = press_fronts(graph, agent, state, work, length)
    assert highest > least
    wanted = relaxed(graph, agent, state, length, work.best.copy(), least)
    hand_through(graph, agent, state, work, length, count, least)
    full = state.full == 1
    np.testing.assert_array_equal(work.best[full], wanted[full])
    handed = np.flatnonzero(full & (work.come_from >= 0))
    assert len(handed) > 10
    assert (work.best[work.come_from[handed]] >= work.best[handed]).all()
