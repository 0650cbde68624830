"""Invasion percolation from a mesh and thresholds to the order, beside OpenPNM and PoreSpy.

castsim is timed through its public entry, OpenPNM from a network and a phase that are ready:
setting up the algorithm, running it, and its trapping where that is asked for. PoreSpy invades
voxels, not bonds: its lattice has as many cells, with thresholds of their own.
"""

import warnings
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import ROUNDS
from castsim.agents import load_agent
from castsim.quasistatic import Invasion, percolate
from geometry.flowmesh import FlowMesh

SIZE = 100
JUNCTIONS, CELLS_A_VEIN = 2860, 66
"""With half as many veins again as a tree has: 283 000 cells."""
OUTLETS = 1000
"""Blind cells behind the highest thresholds: what OpenPNM's trapping takes an outlet for."""
LATTICE = "invasion percolation, 100³ bond lattice"
NETWORK = "invasion percolation, quasi-1-D network of 283 000 cells"
TRAPS = "invasion percolation with trapping, 100³ bond lattice"

pytestmark = pytest.mark.filterwarnings("ignore")


class Case(NamedTuple):
    """Pores, throats between them, their thresholds, and the outlets: the last pores."""

    n: int
    pairs: NDArray[np.int64]
    threshold: NDArray[np.float64]
    outlets: NDArray[np.int64]
    tip: int

    def mesh(self) -> FlowMesh:
        """Return castsim's mesh, a gate for each throat and each outlet."""
        return FlowMesh.from_arrays(
            cell_volume=np.ones(self.n),
            cell_radius=1.0,
            face_owner=self.pairs[:, 0],
            face_neighbour=self.pairs[:, 1],
            terminal_cell=self.outlets,
        )


@cache
def lattice() -> Case:
    """Return 100^3 cells, and outlets beside some of the last layer."""
    index = np.arange(SIZE**3).reshape((SIZE,) * 3)
    pairs = [
        np.stack([np.delete(index, -1, k).ravel(), np.delete(index, 0, k).ravel()], axis=1)
        for k in range(3)
    ]
    behind = index[-1].ravel()[:: SIZE**2 // OUTLETS]
    outlets = SIZE**3 + np.arange(OUTLETS)
    joined = np.concatenate([*pairs, np.stack([behind, outlets], axis=1)])
    threshold = np.random.default_rng(0).random(len(joined))
    threshold[-OUTLETS:] += 1.0
    return Case(SIZE**3 + OUTLETS, joined, threshold, outlets, SIZE**3 // 2)


@cache
def network() -> Case:
    """Return veins of 66 cells between junctions that lie near each other in a row."""
    rng = np.random.default_rng(0)
    near = np.arange(1, JUNCTIONS)
    far = np.maximum(0, near - 1 - rng.integers(0, 50, JUNCTIONS - 1))
    more = rng.integers(0, JUNCTIONS, JUNCTIONS // 2)
    start = np.concatenate([near, more])
    stop = np.concatenate([far, (more + rng.integers(1, 60, len(more))) % JUNCTIONS])
    inner = JUNCTIONS + np.arange(len(start) * CELLS_A_VEIN).reshape(-1, CELLS_A_VEIN)
    chain = np.concatenate([start[:, None], inner, stop[:, None]], axis=1)
    pairs = np.stack([chain[:, :-1].ravel(), chain[:, 1:].ravel()], axis=1)
    n = JUNCTIONS + inner.size
    return Case(n, pairs, rng.random(len(pairs)), np.zeros(0, dtype=np.int64), n // 2)


@cache
def peer_network(make: Callable[[], Case]) -> tuple[Any, Any]:
    """Return OpenPNM's network and phase of a case."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        openpnm = pytest.importorskip("openpnm", reason="OpenPNM is not installed: `make peers`")
    case = make()
    net = openpnm.network.Network(conns=np.sort(case.pairs, axis=1), coords=np.zeros((case.n, 3)))
    phase = openpnm.phase.Phase(network=net)
    phase["throat.entry_pressure"] = case.threshold
    return net, phase


def invade_peer(make: Callable[[], Case], trapping: bool) -> NDArray[np.float64]:
    """Return OpenPNM's step of each pore."""
    import openpnm

    case = make()
    net, phase = peer_network(make)
    run = openpnm.algorithms.InvasionPercolation(network=net, phase=phase)
    run.set_inlet_BC(pores=[case.tip])
    run.run()
    if trapping:
        run.set_outlet_BC(pores=case.outlets)
        run.apply_trapping()
    return np.array(run["pore.invasion_sequence"], dtype=float)


def in_order(steps: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return pores by step; those that were not invaded have -1 or infinity."""
    order = np.argsort(steps, kind="stable")
    return order[(steps[order] >= 0) & np.isfinite(steps[order])]


def measure(benchmark: BenchmarkFixture, case: Case, trapping: bool) -> Invasion:
    """Time castsim; of gates at outlets none lets agent out."""
    threshold = np.append(case.threshold, np.full(len(case.outlets), 9.0))
    invade = partial(percolate, case.mesh(), load_agent("Onyx 18"), case.tip)
    options = {"threshold": threshold, "trapping": trapping, "leave": False}
    run: Invasion = benchmark.pedantic(invade, kwargs=options, rounds=3 * ROUNDS, warmup_rounds=2)
    return run


@pytest.mark.measures(
    LATTICE,
    "castsim",
    bar="≥ 15 × OpenPNM (aim 25 ×)",
    at_least={"OpenPNM": 15},
    items=SIZE**3,
)
def test_lattice(benchmark: BenchmarkFixture) -> None:
    run = measure(benchmark, lattice(), False)
    assert len(run.order) == lattice().n


@pytest.mark.measures(LATTICE, "OpenPNM", package="openpnm", items=SIZE**3)
def test_lattice_openpnm(benchmark: BenchmarkFixture) -> None:
    compare(benchmark, lattice, False, ROUNDS)


@pytest.mark.measures(LATTICE, "PoreSpy qbip", package="porespy", items=SIZE**3)
def test_lattice_porespy(benchmark: BenchmarkFixture) -> None:
    """Spheres of radius one voxel, so that what is drawn is what is invaded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        porespy = pytest.importorskip("porespy", reason="PoreSpy is not installed: `make peers`")
    image = np.ones((SIZE,) * 3, dtype=bool)
    inlets = np.zeros_like(image)
    inlets[SIZE // 2, SIZE // 2, SIZE // 2] = True
    given = {
        "pc": np.random.default_rng(0).random(image.shape),
        "dt": np.ones(image.shape),
        "inlets": inlets,
        "return_pressures": False,
    }
    result = benchmark.pedantic(
        porespy.simulations.qbip, (image,), given, rounds=ROUNDS, warmup_rounds=1
    )
    # it leaves out the last of all
    assert np.count_nonzero(result.im_seq > 0) >= image.size - 1


@pytest.mark.measures(
    NETWORK, "castsim", bar="≥ 12 × OpenPNM", at_least={"OpenPNM": 12}, items=283_000
)
def test_network(benchmark: BenchmarkFixture) -> None:
    run = measure(benchmark, network(), False)
    assert len(run.order) == network().n


@pytest.mark.measures(NETWORK, "OpenPNM", package="openpnm", items=283_000)
def test_network_openpnm(benchmark: BenchmarkFixture) -> None:
    compare(benchmark, network, False, ROUNDS)


@pytest.mark.measures(
    TRAPS, "castsim", bar="≥ 10 × OpenPNM", at_least={"OpenPNM": 10}, items=SIZE**3
)
def test_traps(benchmark: BenchmarkFixture) -> None:
    run = measure(benchmark, lattice(), True)
    assert len(run.order) < lattice().n


@pytest.mark.measures(TRAPS, "OpenPNM", package="openpnm", items=SIZE**3)
def test_traps_openpnm(benchmark: BenchmarkFixture) -> None:
    compare(benchmark, lattice, True)


def compare(
    benchmark: BenchmarkFixture, make: Callable[[], Case], trapping: bool, rounds: int = ROUNDS
) -> None:
    """Time OpenPNM, and check that castsim gives the same order of all but the outlets."""
    peer_network(make)
    steps = benchmark.pedantic(
        invade_peer, (make, trapping), rounds=rounds, warmup_rounds=0 if trapping else 1
    )
    case = make()
    threshold = np.append(case.threshold, np.full(len(case.outlets), 9.0))
    run = percolate(
        case.mesh(),
        load_agent("Onyx 18"),
        case.tip,
        threshold=threshold,
        trapping=trapping,
        leave=False,
    )
    inner = case.n - len(case.outlets)
    theirs, ours = in_order(steps), run.order
    np.testing.assert_array_equal(ours[ours < inner], theirs[theirs < inner])
