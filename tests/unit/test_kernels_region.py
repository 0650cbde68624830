"""A region that grows with the cast against the whole network, solved anew in every step."""

import numpy as np
import pytest

import castsim.injection
from castsim.assembly import build_graph, elimination_plan, empty_state
from castsim.kernels.connectivity import find_drains
from castsim.kernels.laws import GEL_NUMBER
from castsim.kernels.region import (
    CELLS,
    bring_up_to_date,
    eliminate_rest,
    include,
    new_region,
    reveal,
    reveal_all,
)
from castsim.protocol import Pause, Step
from geometry.flowmesh import FlowMesh


def network(rng, n, loops=25):
    """A random tree with loops, valves, terminals with and without resistance."""
    faces = [(int(rng.integers(max(0, k - 6), k)), k) for k in range(1, n)]
    faces += [tuple(rng.choice(n, 2, replace=False)) for _ in range(loops)]
    faces = np.array(faces, dtype=np.int64)
    ends = rng.choice(n, n // 6 + 1, replace=False)
    return FlowMesh.from_arrays(
        cell_volume=rng.uniform(0.2, 1.0, n),
        cell_radius=rng.uniform(0.2, 1.2, n),
        cell_centroid=rng.normal(scale=5.0, size=(n, 3)),
        face_owner=faces[:, 0],
        face_neighbour=faces[:, 1],
        face_valve=np.where(rng.random(len(faces)) < 0.05, 1, 0),
        terminal_cell=ends,
        terminal_pressure=rng.uniform(0.0, 200.0, len(ends)),
        terminal_resistance=rng.choice([0.0, 5.0], len(ends)),
    )


def small_cells(rng, n):
    """A tree of long thin branches of small cells, which fill in cascades; few ends, some fixed."""
    faces = [(int(rng.integers(max(0, k - 3), k)), k) for k in range(1, n)]
    faces += [tuple(rng.choice(n, 2, replace=False)) for _ in range(n // 20)]
    faces = np.array(faces, dtype=np.int64)
    ends = rng.choice(n, 4, replace=False)
    return FlowMesh.from_arrays(
        cell_volume=rng.uniform(0.002, 0.05, n),
        cell_radius=rng.uniform(0.15, 0.6, n),
        cell_centroid=rng.normal(scale=5.0, size=(n, 3)),
        face_owner=faces[:, 0],
        face_neighbour=faces[:, 1],
        terminal_cell=ends,
        terminal_pressure=rng.uniform(0.0, 900.0, 4),
        terminal_resistance=rng.choice([0.0, 5.0, 500.0], 4),
    )


def assert_same_cast(grown, whole):
    """To round-off, and the flows of the last solve everywhere.

    Gel takes its flows from pressures that hardly differ, where viscosity changed by 1e-14 moves it
    as much: it is compared to a millionth of the number at which agent is solid.
    """
    assert grown.steps == whole.steps
    np.testing.assert_allclose(grown.state.gel, whole.state.gel, rtol=0, atol=1e-6 * GEL_NUMBER)
    for name in ("first_volume", "full_volume", "agent_volume", "torn"):
        got, expected = getattr(grown.state, name), getattr(whole.state, name)
        np.testing.assert_allclose(got, expected, rtol=1e-7, atol=1e-9, err_msg=name)
    for name in ("pressure", "flow"):
        got, expected = getattr(grown.state, name), getattr(whole.state, name)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(got, expected, atol=1e-8 * scale, err_msg=name)


@pytest.mark.parametrize("make", [network, small_cells])
def test_a_growing_region_gives_the_cast_of_the_whole_network(make, fluid, push, monkeypatch):
    """Over ten networks, among which agent is torn off, blood is trapped, and the region grows."""
    sizes, torn, trapped = [], 0, 0
    region_of = castsim.injection.new_region
    regions = []

    def noted(*given):
        regions.append(region_of(*given))
        return regions[-1]

    monkeypatch.setattr(castsim.injection, "new_region", noted)
    valves = castsim.injection.include_valves

    def everything(graph, plan, region):
        region.inside[:] = 1
        region.ring[:] = len(region.ring)

    for seed in range(10):
        rng = np.random.default_rng(seed)
        mesh = make(rng, 240)
        agent = fluid(
            density=1.4e-3,
            diffusivity=3e-4,
            skin_yield=2e3,
            skin_onset=1.0,
            healing_time=2.0,
            tension=0.1,
            disorder=0.5,
            wall_hold=3.0,
        )
        volume = 0.3 * mesh.cell_volume.sum()
        given = {
            "steps": (Step(volume / 2, 0.5), Pause(20.0), Step(volume / 2, 0.5)),
            "tip": int(rng.integers(240)),
            "source": {"resistance": 1e3, "compliance": 1e-6, "pressure_limit": 7e5},
            "gravity": [0.0, -9810.0, 0.0],
            "eta": 0.05,
            "seed": seed,
        }
        monkeypatch.setattr(castsim.injection, "include_valves", valves)
        grown = push(mesh, agent, **given)
        sizes.append(regions[-1].size[CELLS])
        monkeypatch.setattr(castsim.injection, "include_valves", everything)
        assert_same_cast(grown, push(mesh, agent, **given))
        drains = grown.state.drains.copy()
        find_drains(grown.graph, grown.state, np.empty(241, dtype=np.int64))
        np.testing.assert_array_equal(drains, grown.state.drains)
        torn += len(grown.tears)
        trapped += int(((grown.state.drains == 0) & (grown.state.full == 0)).sum())
    assert min(sizes) < 240
    assert torn > 0
    assert trapped > 0


def test_blood_cut_off_far_from_agent_leaves_the_equations(fluid, push):
    """A long thin way beside a short wide one is cut off when agent holds both of its ends."""
    short, long = 3, 40
    n = short + long
    # the middle has the lowest numbers: eliminated first, it does not hang on the ends
    along = np.arange(long)
    side = np.empty(long, dtype=np.int64)
    side[np.argsort(-np.minimum(along, long - 1 - along), kind="stable")] = short + along
    owner = np.concatenate([[0, 1], [0], side[:-1], side[-1:]])
    neighbour = np.concatenate([[1, 2], side[:1], side[1:], [2]])
    mesh = FlowMesh.from_arrays(
        cell_volume=np.ones(n),
        cell_radius=np.where(np.arange(n) < short, 1.0, 0.1),
        face_owner=owner,
        face_neighbour=neighbour,
        terminal_cell=[2],
        terminal_pressure=[700.0],
        terminal_resistance=[5.0],
    )
    run = push(mesh, fluid(), volume=3.5, rate=1.0)
    assert (run.state.full[:short] == 1).all()
    assert (run.state.drains[short:] == 0).all()
    np.testing.assert_array_equal(run.state.pressure[short:], 0.0)
    np.testing.assert_array_equal(run.state.flow[2 : len(owner)], 0.0)


@pytest.mark.parametrize("seed", range(4))
def test_pressures_outside_follow_from_those_inside(seed, fluid):
    """At rest: a region of few cells, solved densely, and every other cell revealed from it."""
    rng = np.random.default_rng(seed)
    n = 60
    mesh = network(rng, n, 12)
    graph = build_graph(mesh, fluid(), blood_viscosity=0.004, blood_density=1e-3, gravity=[0, 0, 0])
    state, plan = empty_state(graph), elimination_plan(graph)
    find_drains(graph, state, np.zeros(n + 1, dtype=np.int64))
    state.drains[:] = 1  # valves apart
    region = new_region(len(graph.owner), plan)
    eliminate_rest(graph, state, plan, region)
    for cell in rng.choice(n, 5, replace=False):
        include(plan, region, cell)
    bring_up_to_date(graph, plan, region)

    def laplacian(size, faces, first, second, hold, right):
        matrix = np.diag(hold)
        for g, i, j in zip(graph.blood_conductance[faces], first, second, strict=True):
            matrix[i, i] += g
            if j < size:
                matrix[j, j] += g
                matrix[[i, j], [j, i]] -= g
            else:
                right[i] += g * graph.terminal_pressure[j - size]
        return np.linalg.solve(matrix, right)

    every = np.arange(len(graph.owner))
    expected = laplacian(n, every, graph.owner, graph.neighbour, np.zeros(n), np.zeros(n))

    cells = region.size[CELLS]
    assert cells < n
    hold, right = region.hold[:cells].copy(), region.right[:cells].copy()
    matrix = np.diag(hold)
    for k in range(cells):
        for e in range(region.column[k], region.column[k + 1]):
            i, g = region.row[e], region.entries[e]
            matrix[[i, k], [i, k]] += g
            matrix[[i, k], [k, i]] -= g
    number = {int(c): k for k, c in enumerate(region.cell[:cells])}
    for f in every:
        i, j, g = graph.owner[f], graph.neighbour[f], graph.blood_conductance[f]
        if i not in number or (j < n and j not in number):
            continue
        a = number[int(i)]
        matrix[a, a] += g
        if j >= n:
            right[a] += g * graph.terminal_pressure[j - n]
        else:
            b = number[int(j)]
            matrix[b, b] += g
            matrix[[a, b], [b, a]] -= g
    state.pressure[list(number)] = np.linalg.solve(matrix, right)
    np.testing.assert_allclose(state.pressure[list(number)], expected[list(number)], rtol=1e-9)
    kept = state.pressure.copy()
    for cell in range(n):
        reveal(state, plan, region, cell)
    np.testing.assert_allclose(state.pressure, expected, rtol=1e-9)
    state.pressure[:] = kept
    reveal_all(graph, state, plan, region)
    np.testing.assert_allclose(state.pressure, expected, rtol=1e-9)
