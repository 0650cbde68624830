"""Diodes against trying every combination of open and closed ones with a dense solve."""

from itertools import product

import numpy as np
import pytest

from castsim.assembly import build_graph, elimination_plan, empty_state, kernel_agent
from castsim.kernels.arrays import Source
from castsim.kernels.connectivity import find_drains, find_fed
from castsim.kernels.pressure import classify, scratch, solve_diodes
from castsim.kernels.region import bring_up_to_date, eliminate_rest, include, new_region
from geometry.flowmesh import FlowMesh


def every_combination(graph, work, specials, source, n):
    """Pressures of the combinations in which every diode agrees with its own flow or push."""
    special = list(work.special[:specials])
    found = []
    live = [f for f in range(len(graph.owner)) if work.conductance[f] > 0]
    for choice in product([0, 1], repeat=len(special)):
        is_open = dict(zip(special, choice, strict=True))
        matrix, right = np.zeros((n, n)), np.zeros(n)
        matrix[source.tip, source.tip] = 1 / source.resistance
        right[source.tip] = source.hub_pressure / source.resistance
        for f in live:
            g = work.conductance[f] * (1.0 if is_open.get(f, 1) else 1e-9)
            i, j = graph.owner[f], graph.neighbour[f]
            matrix[i, i] += g
            right[i] -= g * work.drive[f]
            if j < n:
                matrix[j, j] += g
                matrix[[i, j], [j, i]] -= g
                right[j] += g * work.drive[f]
            else:
                right[i] += g * graph.terminal_pressure[j - n]
        idle = np.diag(matrix) == 0
        matrix[idle, idle] = 1.0
        p = np.linalg.solve(matrix, right)
        good = True
        for f in special:
            if work.conductance[f] == 0:
                continue
            j = graph.neighbour[f]
            far = p[j] if j < n else graph.terminal_pressure[j - n]
            push = work.direction[f] * (p[graph.owner[f]] - far + work.drive[f])
            good &= push >= -1e-6 if is_open[f] else push <= 1e-6
        if good and p[source.tip] <= source.hub_pressure:
            found.append(p)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_diodes(fluid, seed):
    rng = np.random.default_rng(seed)
    n = 9
    tree = np.array([(rng.integers(k), k) for k in range(1, n)])
    extra = np.array([rng.choice(n, 2, replace=False) for _ in range(3)])
    faces = np.concatenate([tree, extra])
    turned = rng.random(len(faces)) < 0.5
    faces[turned] = faces[turned, ::-1]
    valve = np.where(rng.random(len(faces)) < 0.25, rng.choice([-1, 1], len(faces)), 0)
    mesh = FlowMesh.from_arrays(
        cell_volume=rng.uniform(0.5, 2, n),
        cell_radius=rng.uniform(0.4, 1.0, n),
        cell_centroid=rng.normal(size=(n, 3)),
        face_owner=faces[:, 0],
        face_neighbour=faces[:, 1],
        face_valve=valve,
        terminal_cell=[n - 1, n - 2, n // 2],
        terminal_pressure=rng.uniform(0, 40, 3),
        terminal_resistance=rng.uniform(0.5, 5, 3),
    )
    agent = fluid(density=1.4e-3)
    graph = build_graph(
        mesh, agent, blood_viscosity=0.004, blood_density=1.06e-3, gravity=[0, -4000, -9000]
    )
    state = empty_state(graph)
    state.full[0] = 1
    state.full[1] = seed % 2
    state.agent_volume[:] = state.full * graph.volume
    state.broken[:] = 1
    plan = elimination_plan(graph)
    work, region = scratch(graph, plan), new_region(len(graph.owner), plan)
    find_fed(graph, state, 0, work.stack)
    find_drains(graph, state, work.stack)
    eliminate_rest(graph, state, plan, region)
    for cell in range(n):
        include(plan, region, cell)
    bring_up_to_date(graph, plan, region)
    kernel = kernel_agent(agent)
    specials = classify(graph, kernel, state, work, region)
    assert specials > 0
    source = Source(0, 60.0, 0.5, np.nan, 1e9)
    inflow, _, _, _, _, converged = solve_diodes(graph, state, work, plan, region, source, specials)
    assert converged
    found = every_combination(graph, work, specials, source, n)
    assert found
    joined = (state.fed == 1) | (state.drains == 1)
    np.testing.assert_allclose(state.pressure[joined], found[0][joined], rtol=1e-5, atol=1e-4)
    expected = (source.hub_pressure - found[0][0]) / source.resistance
    assert inflow == pytest.approx(expected, rel=1e-4, abs=1e-4)
