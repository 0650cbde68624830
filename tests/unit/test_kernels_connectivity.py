"""Fed agent, draining blood, and the law of a face, against slow and obvious twins."""

import numpy as np
import pytest

from castsim.assembly import build_graph, elimination_plan, empty_state, kernel_agent
from castsim.kernels.connectivity import cut_off, find_drains, find_fed
from castsim.kernels.laws import GEL_NUMBER, core_mobility
from castsim.kernels.pressure import HELD, classify, scratch
from castsim.kernels.region import bring_up_to_date, eliminate_rest, include, new_region
from geometry.flowmesh import FlowMesh

GRAVITY = np.array([1000.0, -3000.0, -9000.0])


def network(rng, n, m, t, valves=0.3):
    owner = rng.integers(n, size=m)
    neighbour = (owner + 1 + rng.integers(max(n - 1, 1), size=m)) % n
    keep = owner != neighbour
    owner, neighbour = owner[keep], neighbour[keep]
    return FlowMesh.from_arrays(
        cell_volume=rng.uniform(0.1, 2.0, n),
        cell_radius=rng.uniform(0.2, 1.5, n),
        cell_gap=np.where(rng.random(n) < 0.3, 0.1, 0.0),
        cell_centroid=rng.normal(size=(n, 3)),
        face_owner=owner,
        face_neighbour=neighbour,
        face_valve=np.where(rng.random(len(owner)) < valves, rng.choice([-1, 1], len(owner)), 0),
        terminal_cell=rng.integers(n, size=t),
        terminal_pressure=rng.uniform(0, 100, t),
        terminal_resistance=rng.choice([0.0, 3.0], t),
    )


def random_state(rng, mesh, graph):
    state = empty_state(graph)
    n = mesh.n_cells
    state.full[:] = rng.random(n) < 0.5
    share = np.where(rng.random(n) < 0.5, 0.0, rng.random(n))
    state.agent_volume[:] = np.where(state.full == 1, 1.0, share) * graph.volume
    state.gel[:] = np.where(rng.random(n) < 0.3, 2 * GEL_NUMBER, rng.uniform(0, 0.1, n))
    return state


CASES = [(1, 0, 1), (1, 0, 0), (5, 0, 2), (12, 14, 2), (30, 35, 3), (30, 90, 1), (20, 40, 20)]


@pytest.fixture(params=[(case, seed) for case in CASES for seed in range(4)], ids=str)
def scene(request, fluid):
    (n, m, t), seed = request.param
    rng = np.random.default_rng(seed)
    mesh = network(rng, n, m, t)
    agent = fluid(density=1.4e-3)
    graph = build_graph(
        mesh, agent, blood_viscosity=0.004, blood_density=1.06e-3, gravity=GRAVITY, seed=seed
    )
    return mesh, graph, kernel_agent(agent), random_state(rng, mesh, graph)


def spread(start, pairs):
    """All that `pairs` (from, to) lead to from `start`, by repeated passes over all of them."""
    reached = set(start)
    while True:
        more = {j for i, j in pairs if i in reached} - reached
        if not more:
            return reached
        reached |= more


def test_fed_agent(scene):
    mesh, graph, _, state = scene
    stack = np.zeros(mesh.n_cells + 1, dtype=np.int64)
    solid = state.gel >= np.where(mesh.cell_gap > 0, 1 / 2.04**2, GEL_NUMBER)
    for tip in range(mesh.n_cells):
        count = find_fed(graph, state, tip, stack)
        pairs = [
            (int(i), int(j))
            for a, b in zip(mesh.face_owner, mesh.face_neighbour, strict=True)
            for i, j in ((a, b), (b, a))
            if state.full[i] and state.full[j] and not (solid[i] or solid[j])
        ]
        expected = spread({tip}, pairs) if state.full[tip] else set()
        assert set(np.flatnonzero(state.fed)) == expected
        assert count == len(expected)


def test_draining_blood(scene):
    mesh, graph, _, state = scene
    find_drains(graph, state, np.zeros(mesh.n_cells + 1, dtype=np.int64))
    pairs = []
    for a, b, valve in zip(mesh.face_owner, mesh.face_neighbour, mesh.face_valve, strict=True):
        for i, j, way in ((a, b, 1), (b, a, -1)):
            # backwards: blood of i leaves by j
            if not state.full[i] and not state.full[j] and valve in (0, way):
                pairs.append((int(j), int(i)))
    outlets = {int(c) for c in mesh.terminal_cell if not state.full[c]}
    assert set(np.flatnonzero(state.drains)) == spread(outlets, pairs)


def plain_law(mesh, graph, agent, state, f):
    """Series of two halves, each of agent and blood by its share; None where nothing passes."""
    i, j, n = graph.owner[f], graph.neighbour[f], mesh.n_cells
    ends = [i] if j >= n else [i, j]
    full = [bool(state.full[c]) for c in ends] + ([False] if j >= n else [])
    if any(not (state.fed[c] if state.full[c] else state.drains[c]) for c in ends):
        return None
    front = int(full[0]) - int(full[1])
    weight = graph.face_weight[f]
    resistance, drive = graph.extra[f], 0.0
    for side, c in enumerate(ends):
        share = state.agent_volume[c] / mesh.cell_volume[c]
        core = 1.0
        if state.full[c] or (front != 0 and share > 0):
            core = core_mobility(state.gel[c], mesh.cell_gap[c] > 0)
            if core == 0.0:
                return None
        mu = share * agent.viscosity / core + (1 - share) * 0.004
        half = 0.0 if f >= mesh.n_faces else mesh.half_resistance[f, side]
        resistance += mu * half
        drive += (1 - 2 * side) * share * (weight - graph.cell_weight[c])
    valve = graph.valve[f]
    if front and valve not in (0, front):
        return None
    return 1 / resistance, drive, int(front != 0 or valve != 0), front or valve, front


def test_law_of_every_face(scene):
    mesh, graph, agent, state = scene
    plan = elimination_plan(graph)
    work, region = scratch(graph, plan), new_region(len(graph.owner), plan)
    find_fed(graph, state, 0, work.stack)
    find_drains(graph, state, work.stack)
    eliminate_rest(graph, state, plan, region)
    for cell in range(mesh.n_cells):
        include(plan, region, cell)
    bring_up_to_date(graph, plan, region)
    state.broken[::2] = 1
    specials = classify(graph, agent, state, work, region)
    roles = set()
    for f in range(len(graph.owner)):
        expected = plain_law(mesh, graph, agent, state, f)
        if expected is None:
            assert work.conductance[f] == 0.0
            continue
        conductance, drive, role, direction, front = expected
        if front and not state.broken[graph.gate[f]]:
            role = HELD
        assert work.conductance[f] == pytest.approx(conductance, rel=1e-12)
        assert work.drive[f] == pytest.approx(drive, rel=1e-12, abs=1e-12)
        assert (work.role[f], work.front[f]) == (role, front)
        if role:
            assert work.direction[f] == direction
            roles.add(f)
    assert set(work.special[:specials]) == roles


def test_cells_that_fill_together_cut_blood_off(scene):
    """Brought up to date cell by cell after several filled at once, as if searched anew."""
    mesh, graph, _, state = scene
    work = scratch(graph)
    find_drains(graph, state, work.stack)
    rng = np.random.default_rng(mesh.n_cells + mesh.n_faces)
    while (state.drains == 1).any():
        draining = np.flatnonzero(state.drains)
        filled = rng.choice(draining, min(3, len(draining)), replace=False)
        state.full[filled] = 1
        for cell in filled:
            cut_off(graph, state, cell, work.stack, work.queue)
        kept = state.drains.copy()
        find_drains(graph, state, work.stack)
        np.testing.assert_array_equal(kept, state.drains)
