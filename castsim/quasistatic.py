"""Quasistatic injection: invasion percolation on a flow mesh, through one public entry."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from castsim.agents import AgentModel
from castsim.assembly import build_graph, empty_state
from castsim.disorder import gate_disorder
from castsim.errors import SolverError
from castsim.injection import BALANCE_BOUND, LOG_COLUMNS, Injection, TipSource, Watch
from castsim.kernels.arrays import Graph, State
from castsim.kernels.connectivity import find_drains
from castsim.kernels.heap import WAY
from castsim.kernels.merging import Mergers, drop_inner, measure, merge, one_each, unfold
from castsim.kernels.quasistatic import (
    Crossings,
    advance_front,
    bar_trapped,
    fill_up,
    last_drained,
    list_exits,
    list_gates,
    list_ways,
    strike_trapped,
)
from castsim.kernels.ranking import pack, radix_sort, split, split_point
from castsim.protocol import Protocol
from geometry.flowmesh import FlowMesh
from geometry.network import TerminalKind

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
WordArray = NDArray[np.uint64]

LOOPY = 1.25
"""Faces a cell above which ponds are merged; with fewer, mostly unbranched, the front is led."""
MOST_NODES = 2**29
"""Cells, or faces and terminals, that the kernels' 32-bit words can number."""


@dataclass(frozen=True)
class Invasion:
    """Order of an invasion.

    Attributes
    ----------
    order : (k,) cells in the order in which they filled
    gate : (k,) gate by which each was entered, -1 for the tip
    terminal : terminal through which agent left and ended it, -1: none
    injected : mm3
    part_cell, part_volume : cell left full in part (-1: none), and the mm3 in it
    """

    order: IntArray
    gate: IntArray
    terminal: int
    injected: float
    part_cell: int
    part_volume: float


def percolate(
    mesh: FlowMesh,
    agent: AgentModel,
    tip: int,
    *,
    volume: float = np.inf,
    threshold: FloatArray | None = None,
    trapping: bool = True,
    leave: bool = True,
    seed: int = 0,
) -> Invasion:
    """Fill a mesh from cell `tip` in the order of its gates' thresholds.

    The weakest gate that agent touches breaks next; of equal gates the one of lower index; what
    a broken gate leaves open goes before all gates, by the index of the face, terminals last.

    Parameters
    ----------
    volume : mm3 at most; infinite: until nothing is left to invade
    threshold : (g,) of the gates, in any unit; None: 2 sigma_0 xi / r of the agent
    trapping : whether blood without a way out stops agent (without: every cell has a sink)
    leave : whether agent may leave through terminals, which ends the invasion
    seed : of the gates' disorder

    Raises
    ------
    SolverError
        When `threshold` has not one number for each gate, or the tip is no cell.

    References
    ----------
    Wilkinson and Willemsen 1983, J. Phys. A 16:3365.
    """
    if not 0 <= tip < mesh.n_cells:
        raise SolverError(f"tip must be one of {mesh.n_cells} cells, got {tip}")
    if max(mesh.n_cells, mesh.n_faces + mesh.n_terminals, mesh.n_gates) >= MOST_NODES:
        raise SolverError(f"mesh too large: at most {MOST_NODES} cells, faces or gates")
    if threshold is None:
        xi = gate_disorder(mesh.gate_key, mesh.gate_stretch, seed=seed, spread=agent.disorder)
        threshold = 2.0 * agent.tension * xi / mesh.gate_radius
    threshold = np.ascontiguousarray(threshold, dtype=float)
    if threshold.shape != (mesh.n_gates,):
        raise SolverError(f"threshold must have one value for each of {mesh.n_gates} gates")
    if np.isnan(threshold).any():
        raise SolverError(f"threshold[{int(np.isnan(threshold).argmax())}] is not a number")
    ends = _ends(mesh, leave)
    if ends is None:
        order, gate, terminal = _lead_front(mesh, threshold, tip, trapping, leave)
    else:
        order, gate, terminal = _merge_ponds(mesh, threshold, tip, trapping, ends)
    count, part, injected = fill_up(order, mesh.cell_volume, volume)
    if count < len(order):
        terminal = -1
    part_cell = int(order[count]) if part > 0.0 else -1
    return Invasion(order[:count], gate[:count], terminal, injected, part_cell, part)


def _ends(mesh: FlowMesh, leave: bool) -> NDArray[np.int32] | None:
    """Nodes that each gate joins, (g, 2), where merging ponds is right and pays; else None."""
    if mesh.n_faces <= LOOPY * mesh.n_cells:
        return None
    ends = np.zeros((mesh.n_gates, 2), dtype=np.int32)
    plain = one_each(
        mesh.face_owner,
        mesh.face_neighbour,
        mesh.face_valve,
        mesh.face_gate,
        mesh.terminal_cell,
        mesh.terminal_gate,
        mesh.n_cells if leave else -1,
        ends,
    )
    return ends if plain else None


def _merge_ponds(
    mesh: FlowMesh, threshold: FloatArray, tip: int, trapping: bool, ends: NDArray[np.int32]
) -> tuple[IntArray, IntArray, int]:
    """Order, gates and terminal where each gate has one face, by the tree of ponds."""
    outside = mesh.n_cells
    mergers, count = _mergers(outside + 1, threshold, ends)
    order = np.empty(outside + 1, dtype=np.int64)
    gate = np.empty(outside + 1, dtype=np.int64)
    place = np.zeros(outside + 1 + count, dtype=np.int32)
    entry, start = np.empty((2, count), dtype=np.int32)
    filled = unfold(mergers, count, tip, place, entry, start, order, gate)
    order, gate = order[:filled], gate[:filled]
    terminal = -1
    out = np.flatnonzero(order == outside)
    if len(out):
        terminal = int(np.flatnonzero(mesh.terminal_gate == gate[out[0]])[0])
        order, gate = order[: out[0]], gate[: out[0]]
    if trapping:
        kept = strike_trapped(order, gate, _until(mesh, _ways(mesh), order))
        order, gate = order[:kept], gate[:kept]
    return order, gate, terminal


def _mergers(n_nodes: int, threshold: FloatArray, ends: NDArray[np.int32]) -> tuple[Mergers, int]:
    """Mergers of all ponds, batch by batch of gates, and how many there are."""
    id_bits = len(threshold).bit_length()
    rest = np.empty(len(threshold), dtype=np.uint64)
    used = pack(threshold.view(np.uint64), id_bits, rest)
    parent = np.arange(n_nodes, dtype=np.int32)
    rows, pairs = (n_nodes,), (n_nodes, 2)
    mergers = Mergers(*(np.empty(s, np.int32) for s in (pairs, pairs, rows, pairs, rows, rows)))
    count = 0
    while len(rest) and count < n_nodes - 1:
        low, rest = _weakest(rest, used, n_nodes)
        low = _sorted_words(low, used, id_bits, threshold)
        count = merge(low, id_bits, ends, parent, mergers, count)
        rest = rest[: drop_inner(rest, id_bits, ends, parent)]
    measure(mergers, count, parent)
    return mergers, count


def _weakest(words: WordArray, used: int, wanted: int) -> tuple[WordArray, WordArray]:
    """The words of at least `wanted` weakest gates, and the others."""
    if len(words) <= LOOPY * wanted:
        return words, words[:0]
    point, count = split_point(words, used, wanted)
    low = np.empty(count + 1, dtype=np.uint64)
    high = np.empty(len(words) - count + 1, dtype=np.uint64)
    split(words, np.uint64(point), low, high)
    return low[:-1], high[:-1]


def _sorted_words(words: WordArray, used: int, id_bits: int, threshold: FloatArray) -> WordArray:
    """Words of :func:`pack` by ascending threshold, equal ones by index; overwrites them."""
    done = np.empty_like(words)
    if radix_sort(words, done, used, id_bits, threshold):
        return done
    index = np.sort(words & np.uint64(2**id_bits - 1))
    return index[np.argsort(threshold[index], kind="stable")]


def _lead_front(
    mesh: FlowMesh, threshold: FloatArray, tip: int, trapping: bool, leave: bool
) -> tuple[IntArray, IntArray, int]:
    """Order, gates and terminal on any mesh, by a heap."""
    exits = slice(None) if leave else slice(0)
    drained, terminal_gate = mesh.terminal_cell[exits], mesh.terminal_gate[exits]
    *gates, place = list_gates(mesh.n_gates, mesh.face_gate, terminal_gate)
    listed = len(place) > 0
    # to leave out what says nothing spares the kernels its traffic
    valve = mesh.face_valve if mesh.face_valve.any() else mesh.face_valve[:0]
    own = not listed and np.array_equal(mesh.face_gate, np.arange(mesh.n_faces))
    face_gate = mesh.face_gate[:0] if own else mesh.face_gate
    faces = mesh.face_owner, mesh.face_neighbour, valve, face_gate
    first = np.zeros(mesh.n_cells + 1, dtype=np.int32)
    ways = np.empty(2 * mesh.n_faces + len(drained), dtype=WAY)
    list_exits(*faces, drained, terminal_gate, threshold, place, first, ways)
    crossings = Crossings(first, ways, *gates)
    holds = np.zeros(mesh.n_cells + 1, dtype=np.uint8)
    order, gate = np.empty((2, mesh.n_cells), dtype=np.int64)
    blood = _ways(mesh) if trapping else None
    while True:
        broken = np.zeros(len(place), dtype=np.uint8)
        count, terminal = advance_front(crossings, *faces, drained, tip, holds, broken, order, gate)
        filled, entered = order[:count], gate[:count]
        if blood is None:
            return filled, entered, terminal
        until = _until(mesh, blood, filled)
        if not listed or not bar_trapped(
            crossings, *faces[:2], drained, filled, entered, until, holds
        ):
            kept = strike_trapped(filled, entered, until)
            return filled[:kept], entered[:kept], terminal


def _ways(mesh: FlowMesh) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Ways of blood, as :func:`last_drained` reads them."""
    return list_ways(
        mesh.n_cells, mesh.face_owner, mesh.face_neighbour, mesh.face_valve, mesh.terminal_cell
    )


def _until(
    mesh: FlowMesh, ways: tuple[NDArray[np.int32], NDArray[np.int32]], order: IntArray
) -> NDArray[np.int32]:
    """For how many steps of `order` the blood of each cell had a way out, (n+1,)."""
    until = np.empty(mesh.n_cells + 1, dtype=np.int32)
    last_drained(*ways, order, until, np.empty(mesh.n_cells, dtype=np.int32))
    return until


def _state(mesh: FlowMesh, graph: Graph, run: Invasion) -> State:
    """What the run left, as the general kernel would have told it (but for pressure and times)."""
    state = empty_state(graph)
    done = np.cumsum(mesh.cell_volume[run.order])
    state.agent_volume[run.order] = mesh.cell_volume[run.order]
    state.full[run.order] = 1
    state.full_volume[run.order] = done
    state.first_volume[run.order] = np.append(0.0, done)[:-1]
    if run.part_cell >= 0:
        state.agent_volume[run.part_cell] = run.part_volume
        state.first_volume[run.part_cell] = run.injected - run.part_volume
    state.broken[run.gate[run.gate >= 0]] = 1
    owner, neighbour, valve = mesh.face_owner, mesh.face_neighbour, mesh.face_valve
    since = state.full_volume
    touched = (since[owner] < since[neighbour]) & (valve >= 0)
    touched |= (since[neighbour] < since[owner]) & (valve <= 0)
    reached = mesh.face_gate[touched & (mesh.face_gate >= 0)]
    state.reached[reached] = 1
    state.reached[mesh.terminal_gate[state.full[mesh.terminal_cell] == 1]] = 1
    find_drains(graph, state, np.empty(mesh.n_cells + 1, dtype=np.int64))
    return state


def inject_quasistatic(
    mesh: FlowMesh,
    agent: AgentModel,
    source: TipSource,
    protocol: Protocol,
    *,
    watch: Watch | None = None,
    seed: int = 0,
) -> Injection:
    """The protocol's whole volume, quasistatically: time is volume over the first rate.

    What is planned after agent has found a way out leaves there.
    """
    watch = watch or Watch.nothing(mesh)
    run = percolate(mesh, agent, source.cell, volume=protocol.volume, seed=seed)
    graph = build_graph(
        mesh, agent, blood_viscosity=1.0, blood_density=0.0, gravity=np.zeros(3), seed=seed
    )
    state, rate = _state(mesh, graph, run), protocol.first_rate
    leaves = run.terminal >= 0
    injected = protocol.volume if leaves else run.injected
    if leaves:
        state.terminal_out[run.terminal] = injected - run.injected
    start = source.dead_space / rate
    for volumes, times in (
        (state.first_volume, state.first_time),
        (state.full_volume, state.full_time),
    ):
        times[:] = start + volumes / rate
    volume = np.concatenate([[0.0], state.full_volume[run.order], [injected]])
    inside = np.concatenate([[0.0], np.cumsum((state.agent_volume * watch.azygos)[run.order])])
    out = np.maximum(0.0, volume - run.injected)
    lost = float(state.terminal_out.sum())
    hazard = leaves and mesh.terminal_kind[run.terminal] == TerminalKind.HAZARD
    log = {name: np.zeros(len(volume)) for name in LOG_COLUMNS}
    log["volume"] = volume
    log["time"] = start + volume / rate
    part = run.part_volume * watch.azygos[run.part_cell] if run.part_cell >= 0 else 0.0
    gone = lost if leaves and watch.azygos[mesh.terminal_cell[run.terminal]] else 0.0
    log["azygos"] = np.append(inside, inside[-1] + part + gone)
    log["terminal"] = out
    log["hazard"] = out * hazard
    cut = mesh.terminal_kind == TerminalKind.CUT
    stop_reason = "protocol complete"
    if leaves:
        stop_reason = "agent found a way out"
    elif injected < protocol.volume * (1.0 - BALANCE_BOUND):
        stop_reason = "stalled: nothing is left to invade"
    return Injection(
        state=state,
        graph=graph,
        log=log,
        tears=(),
        injected=injected,
        syringe=2.0 * source.dead_space + injected,
        dmso=source.dead_space,
        stored=0.0,
        embolised=0.0,
        terminal=lost,
        hazard=lost * hazard,
        duration=float(log["time"][-1]),
        stop_reason=stop_reason,
        truncated=bool(
            state.agent_volume[np.concatenate([mesh.terminal_cell[cut], watch.ports])].sum() > 0.0
        ),
        burst_pressure=0.0,
        longest_pause=0.0,
        largest_rate=protocol.largest_rate,
        first_rate=rate,
        slips=0,
        steps=len(run.order),
        solves=0,
    )
