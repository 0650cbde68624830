"""The quasistatic mode against the slow, obvious ways to the order of invasion percolation.

Wilkinson and Willemsen 1983, J. Phys. A 16:3365. The order does not depend on how it is found: a
plain search over all faces for the weakest one, a plain heap, and the two ways in which
:mod:`castsim.quasistatic` finds it must agree cell by cell.
"""

import numpy as np
import pytest

from castsim import quasistatic
from castsim.errors import SolverError
from castsim.injection import TipSource
from castsim.protocol import Protocol, Step
from castsim.quasistatic import percolate
from geometry.flowmesh import FlowMesh
from tests.verification.lattices import (
    grid,
    heap_invasion,
    joined,
    lattice,
    network,
    plain_invasion,
    random_graph,
    trapped_by_components,
    trapped_by_union,
)

SUBJECT = "Invasion percolation"
SEARCH = "plain search (Wilkinson and Willemsen 1983)"

GRAPHS = {
    "square": {"shape": (9, 8)},
    "square, gates as faces": {"shape": (9, 8), "stir": False},
    "cube": {"shape": (5, 5, 4)},
    "diluted": {"shape": (10, 9), "missing": 0.35},
    "barely joined": {"shape": (10, 9), "missing": 0.55},
    "valves": {"shape": (9, 8), "valves": 0.3},
    "stretches": {"shape": (9, 8), "per_gate": 3},
    "long stretches": {"shape": (10, 8), "per_gate": 9},
    "neighbours share": {"shape": (9, 8), "per_gate": 3, "stir": False},
    "stretches and valves": {"shape": (8, 8), "per_gate": 3, "valves": 0.3},
    "shut faces": {"shape": (9, 8), "shut": 0.3},
    "shut faces, stretches and valves": {
        "shape": (9, 8),
        "per_gate": 2,
        "valves": 0.2,
        "shut": 0.2,
    },
    "one way out": {"shape": (9, 8), "ends": [40]},
    "no way out": {"shape": (6, 5), "ends": []},
    "row": {"shape": (40,), "ends": [0, 39]},
    "single cell": {"shape": (1, 1)},
}
MODES = [(True, False), (False, False), (True, True), (False, True)]
SEEDS = range(4)


def orders(mesh, agent, **given):
    """The order and terminal of a run, for comparison."""
    run = percolate(mesh, agent, **given)
    return [int(c) for c in run.order], run.terminal


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize(("trapping", "leave"), MODES)
def test_order_is_that_of_a_plain_search(fluid, graph, trapping, leave, verdict):
    found, expected = [], []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        mesh = lattice(rng=rng, **GRAPHS[graph])
        threshold = rng.random(mesh.n_gates)
        tip = int(rng.integers(mesh.n_cells))
        choice = {"trapping": trapping, "leave": leave}
        found.append(orders(mesh, fluid(), tip=tip, threshold=threshold, **choice))
        expected.append(plain_invasion(mesh, tip, threshold, trapping, leave))
    what = f"cells and terminals in order, {graph}, trapping {trapping}, leave {leave}"
    verdict.same(SUBJECT, what, told(found), told(expected), source=SEARCH)


def told(runs):
    return [entry for order, terminal in runs for entry in (*order, ("terminal", terminal))]


@pytest.mark.parametrize("graph", ["square", "cube", "stretches", "valves"])
@pytest.mark.parametrize("trapping", [True, False])
def test_ties_go_to_the_lower_gate_then_the_lower_face(fluid, graph, trapping):
    """Four thresholds only, so that most choices are ties."""
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        mesh = lattice(rng=rng, **GRAPHS[graph])
        threshold = rng.integers(0, 4, mesh.n_gates).astype(float)
        run = orders(mesh, fluid(), tip=3, threshold=threshold, trapping=trapping)
        assert run == plain_invasion(mesh, 3, threshold, trapping, True)


@pytest.mark.parametrize("trapping", [True, False])
def test_both_ways_agree_on_a_large_lattice(fluid, monkeypatch, trapping, verdict):
    """Ponds merged against the front led by a heap: 27 000 cells, five seeds, leaving or not."""
    _, pairs = grid((30, 30, 30))
    mesh = joined(27_000, pairs, np.arange(900))
    for seed in range(5):
        threshold = np.random.default_rng(seed).random(mesh.n_gates)
        choice = {"threshold": threshold, "trapping": trapping, "leave": seed % 2 == 1}
        ponds = percolate(mesh, fluid(), 13_515, **choice)
        with monkeypatch.context() as patch:
            patch.setattr(quasistatic, "LOOPY", np.inf)
            front = percolate(mesh, fluid(), 13_515, **choice)
        what = f"order by ponds, 30^3 cells, trapping {trapping}"
        verdict.same(SUBJECT, what, ponds.order, front.order, source="castsim's other way, a heap")
        np.testing.assert_array_equal(ponds.gate, front.gate)
        assert ponds.terminal == front.terminal


def large(kind, rng):
    if kind == "cube":
        return 8000, grid((20, 20, 20))[1]
    if kind == "square":
        return 6400, grid((80, 80))[1]
    if kind == "random graph":
        return 3000, random_graph(rng, 3000)
    return network(rng, 200, 20)


@pytest.mark.parametrize("kind", ["cube", "square", "random graph", "network"])
def test_order_is_that_of_a_plain_heap(fluid, kind, verdict):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        n, pairs = large(kind, rng)
        mesh = joined(n, pairs, [0])
        threshold = rng.random(mesh.n_gates)
        run = percolate(mesh, fluid(), 1, threshold=threshold, trapping=False, leave=False)
        order, entered = heap_invasion(n, pairs, threshold, 1)
        what = f"cells in order, {kind}, no traps"
        verdict.same(SUBJECT, what, run.order, order, source="Python's heapq")
        np.testing.assert_array_equal(run.gate, entered)


@pytest.mark.parametrize("kind", ["cube", "square", "random graph", "network"])
def test_traps_are_those_of_a_plain_union_find(fluid, kind, verdict):
    """Trapped cells struck from the order of a plain heap, the others stay in theirs."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        n, pairs = large(kind, rng)
        outlets = rng.choice(n, max(1, n // 200), replace=False)
        mesh = joined(n, pairs, outlets)
        threshold = rng.random(mesh.n_gates)
        run = percolate(mesh, fluid(), 1, threshold=threshold, leave=False)
        order, _ = heap_invasion(n, pairs, threshold, 1)
        trapped = set(trapped_by_union(n, pairs, order, outlets))
        assert trapped
        what = f"cells in order, {kind}, with traps"
        kept = [c for c in order if c not in trapped]
        verdict.same(SUBJECT, what, run.order, kept, source="heapq, union-find backwards")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_union_find_of_these_tests_finds_components(seed):
    rng = np.random.default_rng(seed)
    pairs = random_graph(rng, 120, 3.0)
    order, _ = heap_invasion(120, pairs, rng.random(len(pairs)), int(pairs[0, 0]))
    outlets = rng.choice(120, 6, replace=False)
    by_components = trapped_by_components(120, pairs, order, outlets)
    assert trapped_by_union(120, pairs, order, outlets) == by_components
    assert by_components


@pytest.mark.parametrize("graph", ["square", "stretches", "valves"])
@pytest.mark.parametrize("trapping", [True, False])
def test_volume_cuts_the_order(fluid, graph, trapping):
    """With less volume the order is a beginning of the whole one, and the balance holds."""
    rng = np.random.default_rng(5)
    mesh = lattice(rng=rng, **GRAPHS[graph])
    volumes = rng.uniform(0.5, 2.0, mesh.n_cells)
    mesh = FlowMesh(**(vars(mesh) | {"cell_volume": volumes}))
    choice = {"threshold": rng.random(mesh.n_gates), "trapping": trapping, "leave": False}
    whole = percolate(mesh, fluid(), 20, **choice)
    assert whole.part_cell == -1
    assert whole.injected == pytest.approx(volumes[whole.order].sum(), rel=1e-12)
    for share in (0.0, 0.1, 0.5, 0.99, 1.0, 2.0):
        run = percolate(mesh, fluid(), 20, volume=share * whole.injected, **choice)
        k = len(run.order)
        np.testing.assert_array_equal(run.order, whole.order[:k])
        inside = volumes[run.order].sum() + run.part_volume
        assert inside == pytest.approx(run.injected, abs=1e-12)
        assert run.injected == pytest.approx(min(share, 1.0) * whole.injected, abs=1e-12)
        if run.part_volume > 0.0:
            assert run.part_cell == whole.order[k]
            assert run.part_volume < volumes[run.part_cell]
        else:
            assert run.part_cell == -1


def test_exactly_full_is_full(fluid):
    """Three cells' volume fills three cells; the terminal is met only if no cell comes first."""
    mesh = joined(4, [[0, 1], [1, 2], [2, 3]], [2])
    choice = {"threshold": np.array([1.0, 2.0, 3.0, 4.0]), "trapping": False}
    run = percolate(mesh, fluid(), 0, volume=3.0, **choice)
    assert (list(run.order), run.terminal, run.part_cell) == ([0, 1, 2], -1, -1)
    choice["threshold"] = np.array([1.0, 2.0, 4.0, 3.0])
    run = percolate(mesh, fluid(), 0, volume=3.0, **choice)
    assert (list(run.order), run.terminal, run.injected) == ([0, 1, 2], 0, 3.0)


@pytest.mark.parametrize("graph", ["square", "stretches", "valves", "row"])
def test_thresholds_need_only_their_order(fluid, graph):
    """Any rising function of the thresholds gives the same order, huge or crowded ones too."""
    rng = np.random.default_rng(7)
    mesh = lattice(rng=rng, **GRAPHS[graph])
    rank = rng.permutation(mesh.n_gates).astype(float)
    expected = orders(mesh, fluid(), tip=5, threshold=rank)
    crowded = np.where(rank < 5, 1e300 * (rank - 5.0), 1.0 + rank * 2.0**-50)
    endless = np.where(rank > mesh.n_gates - 4, 1e300 * (1.0 + rank), rank)
    for threshold in (rank - 50.0, -1.0 / (1.0 + rank), crowded, endless, rank.astype(int)):
        assert orders(mesh, fluid(), tip=5, threshold=threshold) == expected


def test_default_thresholds_are_the_agents(fluid):
    """2 sigma_0 xi / r: without disorder the widest gate goes first."""
    radius = [0.4, 1.1, 0.7, 0.9, 0.5]
    pairs = [[0, k] for k in range(1, 6)]
    mesh = joined(6, pairs, [], gate_radius=radius, face_gate=np.arange(5), terminal_gate=[])
    run = percolate(mesh, fluid(tension=5.0), 0, trapping=False)
    assert list(run.order) == [0, 2, 4, 3, 5, 1]
    several = {
        tuple(percolate(mesh, fluid(tension=5.0, disorder=1.0), 0, trapping=False, seed=s).order)
        for s in range(5)
    }
    assert len(several) > 1


def test_bad_input_is_refused(fluid):
    mesh = joined(3, [[0, 1], [1, 2]], [2])
    with pytest.raises(SolverError, match="one value for each of 3 gates"):
        percolate(mesh, fluid(), 0, threshold=np.zeros(2))
    with pytest.raises(SolverError, match=r"threshold\[1\] is not a number"):
        percolate(mesh, fluid(), 0, threshold=np.array([0.0, np.nan, 1.0]))
    with pytest.raises(SolverError, match="tip must be one of 3 cells"):
        percolate(mesh, fluid(), 3)


def test_crowded_thresholds_on_a_large_lattice(fluid):
    """Where the radix sort gives up, NumPy's takes over: the same order."""
    _, pairs = grid((60, 60))
    mesh = joined(3600, pairs, [])
    rank = np.random.default_rng(0).permutation(mesh.n_gates).astype(float)
    crowded = np.where(rank < 1, -1e300, 1.0 + rank * 2.0**-52)
    expected = orders(mesh, fluid(), tip=5, threshold=rank, trapping=False)
    assert orders(mesh, fluid(), tip=5, threshold=crowded, trapping=False) == expected


@pytest.mark.parametrize("graph", ["square", "stretches", "stretches and valves"])
@pytest.mark.parametrize("volume", [10.0, 10.5, 1e3])
def test_state_that_a_protocol_leaves(fluid, graph, volume):
    """Volumes, arrivals and what agent has touched, from the order alone."""
    rng = np.random.default_rng(4)
    mesh = lattice(rng=rng, **GRAPHS[graph])
    agent = fluid(tension=5.0, disorder=0.5)
    source = TipSource(cell=30, resistance=1.0, dead_space=2.0)
    protocol = Protocol((Step(volume, 0.5),), ())
    run = quasistatic.inject_quasistatic(mesh, agent, source, protocol, seed=1)
    order = percolate(mesh, agent, 30, volume=volume, seed=1)
    state = run.state
    assert run.balance_error < 1e-12
    assert run.injected == pytest.approx(order.injected if order.terminal < 0 else volume)
    np.testing.assert_array_equal(np.flatnonzero(state.full), np.sort(order.order))
    np.testing.assert_allclose(state.full_volume[order.order], 1.0 + np.arange(len(order.order)))
    begun = state.full_volume[order.order] - 1.0
    np.testing.assert_allclose(state.first_volume[order.order], begun, atol=1e-12)
    np.testing.assert_allclose(state.full_time, 4.0 + state.full_volume / 0.5)
    assert set(np.flatnonzero(state.broken)) == set(order.gate[1:].tolist())
    assert (state.reached >= state.broken).all()
    assert not (state.drains & state.full).any()
