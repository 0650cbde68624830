"""Invasion percolation: the limit of slow injection, uniform pressure in each phase.

The weakest gate that agent touches breaks next, whatever its place. Gates, traps, valves and
terminals are those of the general kernel; viscosity, gravity, skin and sweeping are out.

A crossing is a face or, after the m faces, a terminal: agent leaves node by node by crossings.
Node n is all that lies beyond the terminals.
"""

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from castsim.kernels.arrays import FlagArray, FloatArray, IntArray
from castsim.kernels.heap import WAY, WayArray, before, drop_top, push

Int32Array = NDArray[np.int32]

BLOOD, AGENT, BARRED = 0, 1, 2
"""What a node holds; barred: trapped blood, which agent will never enter."""
OUT, IN = 1, 2
"""Ways that blood may take through a crossing, as seen from the node whose row it is in."""
CROSSING_BITS = 32
FREE = np.int64(1 << CROSSING_BITS)
"""Ties are gate x FREE + crossing; a crossing of a broken gate has crossing - FREE."""
NOTHING = np.int64(2**63 - 1)
"""Tie of what is no crossing: after all others."""
ABSENT, ENCLOSED = -2, -1
"""Not blood yet, and blood without a way out, in the array that :func:`last_drained` fills."""


class Crossings(NamedTuple):
    """Ways for agent. A gate of one crossing has no list: its breaking frees nothing else."""

    first: Int32Array  # (n+1,) first exit of each cell
    exit: WayArray  # (e,) ways by which agent may leave the cells; their ties are not negative
    gate_first: Int32Array  # (g+1,) first crossing of each gate; (0,) if none is shared
    gate_crossing: Int32Array  # crossings of the gates; (0,) if none is shared


@nb.njit(cache=True, nogil=True)
def list_gates(
    n_gates: int, face_gate: IntArray, terminal_gate: IntArray
) -> tuple[Int32Array, Int32Array]:
    """Crossings of each gate: `gate_first` and `gate_crossing` of :class:`Crossings`."""
    first = np.zeros(n_gates + 1, dtype=np.int32)
    for g in face_gate:
        if g >= 0:
            first[g + 1] += 1
    for g in terminal_gate:
        first[g + 1] += 1
    most = 0
    for g in range(n_gates):
        most = max(most, first[g + 1])
        first[g + 1] += first[g]
    if most < 2:
        return first[:0], first[:0]
    place = first[:-1].copy()
    crossing = np.empty(first[n_gates], dtype=np.int32)
    m = len(face_gate)
    for c in range(m + len(terminal_gate)):
        g = face_gate[c] if c < m else terminal_gate[c - m]
        if g >= 0:
            crossing[place[g]] = c
            place[g] += 1
    return first, crossing


@nb.njit(cache=True, nogil=True)
def list_exits(
    owner: IntArray,
    neighbour: IntArray,
    valve: IntArray,
    gate: IntArray,
    terminal_cell: IntArray,
    terminal_gate: IntArray,
    threshold: FloatArray,
    first: Int32Array,
    exits: WayArray,
) -> None:
    """Exits of each cell for agent: `first` and `exit` of :class:`Crossings`.

    Parameters
    ----------
    terminal_cell, terminal_gate : (t,) no rows where agent may not leave
    threshold : (g,)
    first : (n+1,) zeros
    exits : room for two of each face and one of each terminal
    """
    n, m = len(first) - 1, len(owner)
    for f in range(m):
        if gate[f] >= 0:
            first[owner[f]] += valve[f] >= 0
            first[neighbour[f]] += valve[f] <= 0
    for cell in terminal_cell:
        first[cell] += 1
    for i in range(n):
        first[i + 1] += first[i]
    # from each cell's end down to its beginning, the last face first: so `first` ends up right
    for t in range(len(terminal_cell) - 1, -1, -1):
        e = first[terminal_cell[t]] - 1
        first[terminal_cell[t]] = e
        exits[e].threshold = threshold[terminal_gate[t]]
        exits[e].tie = terminal_gate[t] * FREE + m + t
        exits[e].node = n
    for f in range(m - 1, -1, -1):
        if gate[f] < 0:
            continue
        i, j = owner[f], neighbour[f]
        weight, tie = threshold[gate[f]], gate[f] * FREE + f
        if valve[f] <= 0:
            e = first[j] - 1
            first[j] = e
            exits[e].threshold = weight
            exits[e].tie = tie
            exits[e].node = i
        if valve[f] >= 0:
            e = first[i] - 1
            first[i] = e
            exits[e].threshold = weight
            exits[e].tie = tie
            exits[e].node = j


@nb.njit(cache=True, nogil=True)
def free_stretch(
    crossings: Crossings,
    owner: IntArray,
    neighbour: IntArray,
    valve: IntArray,
    terminal_cell: IntArray,
    holds: FlagArray,
    gate: int,
    through: int,
    heap: WayArray,
    waiting: int,
) -> int:
    """Offer what else agent touches of a gate that breaks at the crossing `through`.

    Returns how many wait on the heap then.
    """
    n, m = len(holds), len(owner)
    for e in range(crossings.gate_first[gate], crossings.gate_first[gate + 1]):
        c = np.int64(crossings.gate_crossing[e])
        if c == through:
            continue
        if c >= m:
            if c - m < len(terminal_cell) and holds[terminal_cell[c - m]] == AGENT:
                waiting = push(heap, waiting, -np.inf, c - FREE, n)
            continue
        near, far = owner[c], neighbour[c]
        way = 1
        if holds[near] != AGENT:
            near, far, way = far, near, -1
        if holds[near] == AGENT and holds[far] == BLOOD and (valve[c] == 0 or valve[c] == way):
            waiting = push(heap, waiting, -np.inf, c - FREE, far)
    return waiting


@nb.njit(cache=True, nogil=True)
def advance_front(
    crossings: Crossings,
    owner: IntArray,
    neighbour: IntArray,
    valve: IntArray,
    face_gate: IntArray,
    terminal_cell: IntArray,
    tip: int,
    holds: FlagArray,
    broken: FlagArray,
    order: IntArray,
    entered: IntArray,
) -> tuple[int, int]:
    """Fill cells from `tip`, each by the weakest way that agent touches.

    The others wait on a heap. A cell whose weakest exit beats the heap is left by that exit at
    once, without a visit to the heap: so agent runs along an unbranched vein.

    Parameters
    ----------
    holds : (n,) BLOOD or BARRED
    broken : (g,) zeros; becomes 1 where a gate has broken
    order : (n,) receives the cells as they fill
    entered : (n,) receives the gate by which each was entered, -1 for the tip

    Returns
    -------
    count : cells filled
    terminal : terminal through which agent left, -1: none
    """
    first, exits = crossings.first, crossings.exit
    shared = len(crossings.gate_crossing) > 0
    n, m = len(holds), len(owner)
    heap = np.empty(len(exits) + len(crossings.gate_crossing) + 1, dtype=WAY)
    waiting, count, gate = 0, 0, -1
    node = np.int64(tip)
    while True:
        holds[node] = AGENT
        order[count] = node
        entered[count] = gate
        count += 1
        best, best_tie, best_node = np.inf, NOTHING, np.int64(-1)
        for e in range(first[node], first[node + 1]):
            far = exits[e].node
            if far < n and holds[far] != BLOOD:
                continue
            weight, tie = exits[e].threshold, exits[e].tie
            if shared and broken[tie >> CROSSING_BITS] == 1:
                weight, tie = -np.inf, (tie & (FREE - 1)) - FREE
            if before(weight, tie, best, best_tie):
                weight, best = best, weight
                tie, best_tie = best_tie, tie
                far, best_node = best_node, far
            if tie != NOTHING:
                waiting = push(heap, waiting, weight, tie, far)
        if waiting > 0 and before(heap[0].threshold, heap[0].tie, best, best_tie):
            if best_tie != NOTHING:
                waiting = push(heap, waiting, best, best_tie, best_node)
            best_node = np.int64(-1)
            while best_node < 0 and waiting > 0:
                best_tie, far = heap[0].tie, heap[0].node
                waiting = drop_top(heap, waiting)
                if far == n or holds[far] == BLOOD:
                    best_node = far
        if best_node < 0:
            return count, -1
        c = best_tie & (FREE - 1)
        if best_node == n:
            return count, c - m
        gate = best_tie >> CROSSING_BITS
        if gate < 0:
            gate = face_gate[c]
        elif shared:
            broken[gate] = 1
            waiting = free_stretch(
                crossings, owner, neighbour, valve, terminal_cell, holds, gate, c, heap, waiting
            )
        node = best_node


@nb.njit(cache=True, nogil=True)
def list_ways(
    n: int, owner: IntArray, neighbour: IntArray, valve: IntArray, terminal_cell: IntArray
) -> tuple[Int32Array, Int32Array]:
    """Ways of blood from and to each cell: `first`, and 4 x far node + OUT + IN of each way."""
    first = np.zeros(n + 1, dtype=np.int32)
    for f in range(len(owner)):
        first[owner[f] + 1] += 1
        first[neighbour[f] + 1] += 1
    for t in range(len(terminal_cell)):
        first[terminal_cell[t] + 1] += 1
    for i in range(n):
        first[i + 1] += first[i]
    place = first[:-1].copy()
    way = np.empty(first[n], dtype=np.int32)
    for f in range(len(owner)):
        i, j = owner[f], neighbour[f]
        forth = OUT if valve[f] >= 0 else 0
        back = OUT if valve[f] <= 0 else 0
        way[place[i]] = 4 * j + forth + IN * back
        place[i] += 1
        way[place[j]] = 4 * i + back + IN * forth
        place[j] += 1
    for t in range(len(terminal_cell)):
        i = terminal_cell[t]
        way[place[i]] = 4 * n + OUT
        place[i] += 1
    return first, way


@nb.njit(cache=True, nogil=True)
def last_drained(
    first: Int32Array, way: Int32Array, order: IntArray, until: Int32Array, stack: Int32Array
) -> None:
    """For how long the blood of each cell had a way out of the mesh.

    Backwards in time: cells turn from agent to blood, and blood that has found a way out keeps
    it, so each cell is passed on to once (after Masson 2016, Comput. Geosci. 90:81; blood that
    reaches a way out needs no union-find, and may be bound to valves).

    Parameters
    ----------
    order : (k,) cells as they filled
    until : (n+1,) receives the greatest k such that the cell's blood had a way out when the
        first k cells were full; ENCLOSED: never
    stack : (n,) scratch
    """
    n, k = len(until) - 1, len(order)
    until[:] = ENCLOSED
    until[n] = k
    for step in range(k):
        until[order[step]] = ABSENT
    for step in range(n + k - 1, -1, -1):
        # first the cells that never filled, then the others, last filled first
        cell = step - k if step >= k else order[step]
        if step >= k and until[cell] != ENCLOSED:
            continue
        until[cell] = ENCLOSED
        for e in range(first[cell], first[cell + 1]):
            if way[e] & OUT and until[way[e] >> 2] >= 0:
                until[cell] = min(step, k)
                break
        if until[cell] == ENCLOSED:
            continue
        stack[0] = cell
        depth = 1
        while depth > 0:
            depth -= 1
            cell = stack[depth]
            for e in range(first[cell], first[cell + 1]):
                far = way[e] >> 2
                if way[e] & IN and until[far] == ENCLOSED:
                    until[far] = min(step, k)
                    stack[depth] = far
                    depth += 1


@nb.njit(cache=True, nogil=True)
def bar_trapped(
    crossings: Crossings,
    owner: IntArray,
    neighbour: IntArray,
    terminal_cell: IntArray,
    order: IntArray,
    entered: IntArray,
    until: Int32Array,
    holds: FlagArray,
) -> bool:
    """Bar trapped blood whose invasion broke a gate that other blood was still to meet.

    Agent in trapped blood touches nothing but trapped blood, so that striking its cells from the
    order leaves the others in theirs, unless a gate broke there that has a face elsewhere.

    Parameters
    ----------
    until : of :func:`last_drained`
    holds : (n,) becomes BARRED where blood was trapped at the first such event, BLOOD instead of
        AGENT, else stays

    Returns
    -------
    Whether there was such an event: the front must be led again.
    """
    n, m, k = len(holds), len(owner), len(order)
    gate_first, gate_crossing = crossings.gate_first, crossings.gate_crossing
    since = np.full(n, k, dtype=np.int32)
    for step in range(k):
        since[order[step]] = step
        holds[order[step]] = BLOOD
    broken = np.zeros(len(gate_first), dtype=np.uint8)
    for step in range(1, k):
        g = entered[step]
        if broken[g] == 1:
            continue
        if until[order[step]] >= step:
            broken[g] = 1
            continue
        for e in range(gate_first[g], gate_first[g + 1]):
            c = gate_crossing[e]
            i = owner[c] if c < m else terminal_cell[c - m]
            j = neighbour[c] if c < m else i
            if since[i] < step or since[j] < step or max(until[i], until[j]) < step:
                continue
            for cell in range(n):
                if since[cell] >= step and until[cell] < step:
                    holds[cell] = BARRED
            return True
    return False


@nb.njit(cache=True, nogil=True)
def strike_trapped(order: IntArray, gate: IntArray, until: Int32Array) -> int:
    """Keep, in `order` and `gate`, the cells that were not trapped when agent came; how many.

    The tip fills whether its blood has a way out or not.
    """
    kept = 1
    for step in range(1, len(order)):
        cell = order[step]
        if until[cell] >= step:
            order[kept] = cell
            gate[kept] = gate[step]
            kept += 1
    return kept


@nb.njit(cache=True, nogil=True)
def fill_up(order: IntArray, volume: FloatArray, limit: float) -> tuple[int, float, float]:
    """Fill cells in their order until `limit` (mm3) is in.

    Returns
    -------
    count : cells full
    part : mm3 in the cell that comes next and is full in part, 0: none is
    done : mm3 in all
    """
    done = 0.0
    for k in range(len(order)):
        part = min(volume[order[k]], limit - done)
        done += part
        if part < volume[order[k]]:
            return k, part, done
        if done >= limit:
            return k + 1, 0.0, done
    return len(order), 0.0, done
