"""Resting flow against solvers that share no code with it, on the spine and on random networks.

The network handed over has a pore for every cell, one more for every terminal behind a
resistance, and no throat where a valve is shut; conductances are those of nominal blood.
"""

from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve

from castsim.blood_solver import face_conductance
from castsim.physiology import Physiology
from castsim.venous_flow import VenousFlow, resting_flow
from geometry.anatomy import Anatomy
from geometry.centerline_mesh import centreline_mesh
from geometry.flowmesh import FloatArray, FlowMesh, IntArray
from geometry.network import TerminalKind
from tests.verification.verdicts import Verdict

SUBJECT = "Resting flow beside other solvers"
REST = Physiology.default()
BOUND = 1e-8
PLACES = 400
"""Units in the last place of a pressure to which a peer knows the drop across a face: the diagonals
of its matrix are sums in which the small conductances beside large ones lose their digits."""

Solve = Callable[[IntArray, FloatArray, IntArray, FloatArray, FloatArray], FloatArray]
"""Pressures of pores from throats (t, 2), conductances, held pores, their pressures, places."""


def openpnm(
    throats: IntArray,
    conductance: FloatArray,
    held: IntArray,
    pressure: FloatArray,
    xyz: FloatArray,
) -> FloatArray:
    package = pytest.importorskip("openpnm", reason="openpnm is not installed: `make peers`")
    network = package.network.Network(coords=xyz, conns=np.sort(throats, axis=1))
    phase = package.phase.Phase(network=network)
    phase["throat.hydraulic_conductance"] = conductance
    flow = package.algorithms.StokesFlow(network=network, phase=phase)
    flow.set_value_BC(pores=held, values=pressure)
    flow.run(package.solvers.ScipySpsolve())
    return np.asarray(flow["pore.pressure"])


def superlu(
    throats: IntArray,
    conductance: FloatArray,
    held: IntArray,
    pressure: FloatArray,
    xyz: FloatArray,
) -> FloatArray:
    """Textbook assembly of the whole matrix with rows of the identity, and scipy's SuperLU."""
    n = len(xyz)
    i, j = throats.T
    free = np.ones(n, dtype=bool)
    free[held] = False
    rows = np.concatenate([i, i, j, j])
    columns = np.concatenate([i, j, j, i])
    values = np.concatenate([conductance, -conductance, conductance, -conductance])
    kept = free[rows]
    matrix = coo_array((values[kept], (rows[kept], columns[kept])), shape=(n, n)).tocsc()
    matrix += coo_array((1.0 - free, (np.arange(n), np.arange(n))), shape=(n, n)).tocsc()
    right = np.zeros(n)
    right[held] = pressure
    return np.asarray(spsolve(matrix, right))


PEERS = {"OpenPNM StokesFlow": openpnm, "SuperLU (scipy)": superlu}


def random_network(seed: int, *, valves: bool) -> FlowMesh:
    """Strands of 20 cells between 150 nodes drawn at random, two outlets, forty tributaries."""
    rng = np.random.default_rng(seed)
    nodes, length = 150, 20
    start = np.concatenate([np.arange(1, nodes), rng.integers(0, nodes, 60)])
    parent = (rng.uniform(size=nodes - 1) * np.arange(1, nodes)).astype(np.int64)
    stop = np.concatenate([parent, rng.integers(0, nodes, 60)])
    strands = start != stop
    start, stop = start[strands], stop[strands]
    inner = nodes + np.arange(len(start) * length).reshape(-1, length)
    way = np.column_stack([start, inner, stop])
    n = int(inner.max()) + 1
    radius = np.empty(n)
    radius[:nodes] = rng.uniform(0.3, 2, nodes)
    radius[nodes:] = np.repeat(rng.uniform(0.3, 2, len(start)), length)
    owner = way[:, :-1].ravel()
    valve = np.zeros(len(owner), dtype=np.int64)
    if valves:
        some = rng.choice(len(owner), 25, replace=False)
        valve[some] = rng.choice([-1, 1], 25)
    ends = rng.choice(np.arange(2, nodes), 40, replace=False)
    return FlowMesh.from_arrays(
        cell_volume=0.5 * np.pi * radius**2,
        cell_radius=radius,
        cell_centroid=rng.uniform(0, 100, (n, 3)),
        face_owner=owner,
        face_neighbour=way[:, 1:].ravel(),
        face_valve=valve,
        terminal_cell=np.concatenate([[0, 1], ends]),
        terminal_kind=np.array([TerminalKind.OUTLET] * 2 + [TerminalKind.TRIBUTARY] * 40),
        terminal_name=("right_atrium", "iliac right", *(["muscular T9 right"] * 40)),
    )


def peer_pressure(rest: VenousFlow, solve: Solve) -> FloatArray:
    """Pressures of the cells by another solver, for the terminals and valves of `rest`."""
    mesh, n = rest.mesh, rest.mesh.n_cells
    behind = np.flatnonzero(mesh.terminal_resistance > 0)
    held = np.flatnonzero(mesh.terminal_resistance == 0)
    added = n + np.arange(len(behind))
    opened = rest.valve_open
    throats = np.vstack(
        [
            np.column_stack([mesh.face_owner, mesh.face_neighbour])[opened],
            np.column_stack([mesh.terminal_cell[behind], added]),
        ]
    )
    conductance = np.concatenate(
        [face_conductance(mesh, rest.viscosity)[opened], 1 / mesh.terminal_resistance[behind]]
    )
    pores = np.concatenate([mesh.terminal_cell[held], added])
    pressure = np.concatenate([mesh.terminal_pressure[held], mesh.terminal_pressure[behind]])
    xyz = np.vstack([mesh.cell_centroid, mesh.cell_centroid[mesh.terminal_cell[behind]]])
    return solve(throats, conductance, pores, pressure, xyz)[:n]


def compare(rest: VenousFlow, peer: str, verdict: Verdict, where: str) -> None:
    """Pressures, flows of terminals, flows of faces.

    A face's flow is a difference of two pressures, of which few digits may be left: all are held
    to the bound times the largest flow, and to the bound times themselves where the drop is known.
    """
    mesh = rest.mesh
    pressure = peer_pressure(rest, PEERS[peer])
    package = "openpnm" if peer.startswith("OpenPNM") else "scipy"
    source = f"{peer} {version(package)}"
    verdict(
        SUBJECT,
        f"{where}: pressure of every cell, Pa",
        rest.pressure,
        pressure,
        source=source,
        rtol=BOUND,
    )
    behind = mesh.terminal_resistance > 0
    inflow = (mesh.terminal_pressure - pressure[mesh.terminal_cell])[behind]
    inflow /= mesh.terminal_resistance[behind]
    largest = np.abs(rest.face_flow).max()
    verdict(
        SUBJECT,
        f"{where}: inflow of every tributary over the largest, µL/s",
        -rest.terminal_flow[behind] / np.abs(inflow).max(),
        inflow / np.abs(inflow).max(),
        source=source,
        atol=BOUND,
    )
    drop = pressure[mesh.face_owner] - pressure[mesh.face_neighbour]
    conductance = np.where(rest.valve_open, face_conductance(mesh, rest.viscosity), 0.0)
    flow = conductance * drop
    verdict(
        SUBJECT,
        f"{where}: flow of every face over the largest",
        rest.face_flow / largest,
        flow / largest,
        source=source,
        atol=BOUND,
    )
    place = np.finfo(float).eps * pressure[mesh.face_owner]
    known = rest.valve_open & (BOUND * np.abs(drop) > PLACES * place)
    verdict.at_least(
        SUBJECT,
        f"{where}: share of the faces whose drop a peer knows to {BOUND:g}",
        known.mean(),
        0.6,
        source=source,
    )
    verdict(
        SUBJECT,
        f"{where}: flow of each of these faces, µL/s",
        rest.face_flow[known],
        flow[known],
        source=source,
        rtol=BOUND,
    )


def imbalance(mesh: FlowMesh, flow: FloatArray) -> FloatArray:
    """By how much blood is out of balance at the worse end of each face, (m,); not at terminals."""
    net = np.bincount(mesh.face_owner, flow, mesh.n_cells)
    net -= np.bincount(mesh.face_neighbour, flow, mesh.n_cells)
    net[mesh.terminal_cell] = 0.0
    return np.maximum(np.abs(net[mesh.face_owner]), np.abs(net[mesh.face_neighbour]))


def test_blood_is_balanced_at_every_cell(spine: VenousFlow, verdict: Verdict) -> None:
    verdict.at_most(
        SUBJECT,
        "whole spine: blood out of balance at any cell over the largest flow",
        imbalance(spine.mesh, spine.face_flow) / np.abs(spine.face_flow).max(),
        1e-10,
        source="conservation of volume",
    )


@pytest.fixture(scope="module")
def spine() -> VenousFlow:
    return resting_flow(centreline_mesh(Anatomy.typical().network).flow, REST)


@pytest.mark.parametrize("peer", PEERS)
def test_whole_spine(peer: str, spine: VenousFlow, verdict: Verdict) -> None:
    assert spine.mesh.n_cells >= 40_000
    compare(spine, peer, verdict, "whole spine")


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize(
    ("seed", "valves"), [(0, False), (1, False), (2, False), (3, True), (5, True), (7, True)]
)
def test_random_networks(seed: int, valves: bool, peer: str, verdict: Verdict) -> None:
    """Half of them with valves, some of which shut and none of which cuts a part off.

    OpenPNM refuses a network in two parts.
    """
    rest = resting_flow(random_network(seed, valves=valves), REST)
    assert (~rest.valve_open).any() == valves
    compare(rest, peer, verdict, "random networks")
