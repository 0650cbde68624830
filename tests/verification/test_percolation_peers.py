"""The quasistatic mode against OpenPNM's invasion percolation, with and without trapping.

OpenPNM counts throats, so that pores have gaps in their sequence; only its order matters. Its
outlets never fill, as far as its trapping goes: they are given here as blind pores behind the
widest thresholds, which agent therefore enters when all else is full or trapped, and both codes
mean the same.
"""

import warnings

import numpy as np
import pytest

from castsim.quasistatic import percolate
from tests.verification.lattices import grid, joined, network, random_graph, trapped_by_union

# scipy tells OpenPNM of deprecations; they are none of ours
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    openpnm = pytest.importorskip(
        "openpnm", reason="OpenPNM is not installed: `pip install castsim[peers]`"
    )

SUBJECT = "Invasion percolation: peers"
PEER = f"OpenPNM {openpnm.__version__} InvasionPercolation"
SEEDS = range(3)
KINDS = ["cube", "plate", "random graph", "network"]

pytestmark = pytest.mark.filterwarnings("ignore")


def pores(kind, rng):
    """Connected pores with their throats, by kind."""
    if kind == "cube":
        return 1728, grid((12, 12, 12))[1]
    if kind == "plate":
        return 2500, grid((50, 50))[1]
    if kind == "network":
        return network(rng, 60, 25)
    return 1500, random_graph(rng, 1500, 6.0)


def with_outlets(n, pairs, rng, count):
    """Blind pores behind `count` of the pores; returns pores, throats, outlets."""
    behind = rng.choice(np.arange(1, n), count, replace=False)
    outlets = n + np.arange(count)
    return n + count, np.concatenate([pairs, np.stack([behind, outlets], axis=1)]), outlets


def sequence(n, pairs, threshold, tip, outlets=None):
    """OpenPNM's invasion sequence of the pores, and which it finds trapped."""
    net = openpnm.network.Network(conns=np.sort(pairs, axis=1), coords=np.zeros((n, 3)))
    phase = openpnm.phase.Phase(network=net)
    phase["throat.entry_pressure"] = threshold
    run = openpnm.algorithms.InvasionPercolation(network=net, phase=phase)
    run.set_inlet_BC(pores=[tip])
    run.run()
    steps = np.array(run["pore.invasion_sequence"], dtype=float)
    if outlets is None:
        return steps, None
    run.set_outlet_BC(pores=outlets)
    run.apply_trapping()
    return steps, np.array(run["pore.trapped"], dtype=bool)


@pytest.mark.parametrize("kind", KINDS)
def test_order_without_traps(fluid, kind, verdict):
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        n, pairs = pores(kind, rng)
        threshold = rng.random(len(pairs))
        mesh = joined(n, pairs, [])
        run = percolate(mesh, fluid(), 0, threshold=threshold, trapping=False)
        steps, _ = sequence(n, pairs, threshold, 0)
        order = np.argsort(steps, kind="stable")
        order = order[steps[order] >= 0]
        what = f"pores in order, {kind}, no traps"
        verdict.same(SUBJECT, what, run.order, order, source=PEER)


@pytest.mark.parametrize("kind", KINDS)
def test_order_and_traps(fluid, kind, verdict):
    """castsim, OpenPNM and a plain union-find find the same cells trapped."""
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        n, pairs, outlets = with_outlets(*pores(kind, rng), rng, 12)
        threshold = rng.random(len(pairs))
        threshold[-len(outlets) :] += 1.0
        mesh = joined(n, pairs, outlets)
        given = np.append(threshold, np.full(len(outlets), 9.0))
        run = percolate(mesh, fluid(), 0, threshold=given, leave=False)
        steps, trapped = sequence(n, pairs, threshold, 0, outlets)
        inner = np.arange(n) < n - len(outlets)
        order = np.argsort(steps, kind="stable")
        order = order[(steps[order] >= 0) & inner[order]]
        plain = trapped_by_union(n, pairs, order.tolist(), outlets)
        assert plain, "nothing was trapped"
        what = f"pores trapped, OpenPNM's against a plain union-find, {kind}"
        found = np.flatnonzero(trapped & inner & (steps >= 0))
        verdict.same(SUBJECT, what, found, sorted(plain), source="plain union-find backwards")
        what = f"pores in order, {kind}, with traps"
        mine = run.order[inner[run.order]]
        verdict.same(SUBJECT, what, mine, order[~trapped[order]], source=f"{PEER}, apply_trapping")


@pytest.mark.parametrize("kind", ["cube", "random graph"])
@pytest.mark.parametrize("seed", SEEDS)
def test_ties_as_sets(fluid, kind, seed):
    """With equal thresholds each code may choose: what is filled before each is the same set.

    Where the invasion has to go above a threshold for the first time, all that lies behind lower
    ones is full, whatever was chosen among equals; so the sets up to each new greatest threshold
    agree.
    """
    rng = np.random.default_rng(seed)
    n, pairs = pores(kind, rng)
    threshold = rng.integers(0, 12, len(pairs)).astype(float)
    run = percolate(joined(n, pairs, []), fluid(), 0, threshold=threshold, trapping=False)
    steps, _ = sequence(n, pairs, threshold, 0)
    order = np.argsort(steps, kind="stable")
    order = order[steps[order] >= 0]
    assert len(order) == len(run.order)
    highest = np.maximum.accumulate(np.append(-1.0, threshold[run.gate[1:]]))
    ponds = np.flatnonzero(np.diff(highest) > 0) + 1
    assert len(ponds) > 1
    for stop in [*ponds, len(order)]:
        assert set(run.order[:stop].tolist()) == set(order[:stop].tolist())
