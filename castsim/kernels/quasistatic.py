"""Invasion percolation: the limit of slow injection, uniform pressure in each phase.

The weakest gate that agent touches breaks next, whatever its place. Gates, traps, valves and
terminals are those of the general kernel; viscosity, gravity, skin and sweeping are out.

A crossing is a face or, after the m faces, a terminal: agent leaves node by node by crossings.
Node n is all that lies beyond the terminals.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from castsim.kernels.arrays import FlagArray, FloatArray, IntArray
from castsim.kernels.heap import WAY, WayArray, before, drop_top, push
from geometry.kernels.compiling import kernel

Int32Array = NDArray[np.int32]

BLOOD, AGENT, BARRED = 0, 1, 2
"""What a node holds; barred: trapped blood, which agent will never enter."""
OUT, IN = 1, 2
"""Ways that blood may take through a crossing, as seen from the node whose row it is in."""
NOTHING = np.int32(2**31 - 1)
"""Tie of what is no way: after all others."""
ABSENT, ENCLOSED = -2, -1
"""Not blood yet, and blood without a way out, in the array that :func:`last_drained` fills."""


class Crossings(NamedTuple):
    """Ways for agent.

    Ties between gates of equal threshold go to the lower gate, then to the lower crossing: to the
    crossing's place in the list by gates. Where each gate has one crossing at most and gates
    ascend with them, that list says nothing that crossings do not, and has no rows.
    """

    first: Int32Array  # (n+1,) first exit of each cell
    exit: WayArray  # (e,) ways by which agent may leave the cells; tie: crossing, or its place
    gate_first: Int32Array  # (g+1,) first place of each gate in the list by gates; or (0,)
    gate_crossing: Int32Array  # (c,) crossings by gate; or (0,)


@kernel
def list_gates(
    n_gates: int, face_gate: IntArray, terminal_gate: IntArray
) -> tuple[Int32Array, Int32Array, Int32Array]:
    """The list by gates: `gate_first`, `gate_crossing`, and the place of each crossing in it.

    None has rows where the list would say nothing.
    """
    m, size = len(face_gate), len(face_gate) + len(terminal_gate)
    last, plain = -1, True
    for c in range(size):
        g = face_gate[c] if c < m else terminal_gate[c - m]
        if g >= 0:
            plain &= g > last
            last = g
    if plain:
        nothing = np.empty(0, dtype=np.int32)
        return nothing, nothing, nothing
    first = np.zeros(n_gates + 1, dtype=np.int32)
    for c in range(size):
        g = face_gate[c] if c < m else terminal_gate[c - m]
        if g >= 0:
            first[g + 1] += 1
    for g in range(n_gates):
        first[g + 1] += first[g]
    free = first[:-1].copy()
    crossing = np.empty(first[n_gates], dtype=np.int32)
    place = np.full(size, -1, dtype=np.int32)
    for c in range(size):
        g = face_gate[c] if c < m else terminal_gate[c - m]
        if g >= 0:
            crossing[free[g]] = c
            place[c] = free[g]
            free[g] += 1
    return first, crossing, place


@kernel
def list_exits(
    owner: IntArray,
    neighbour: IntArray,
    valve: IntArray,
    face_gate: IntArray,
    terminal_cell: IntArray,
    terminal_gate: IntArray,
    threshold: FloatArray,
    place: Int32Array,
    first: Int32Array,
    exits: WayArray,
) -> None:
    """Exits of each cell for agent: `first` and `exit` of :class:`Crossings`.

    Parameters
    ----------
    valve : (m,) or, where there is none, (0,)
    face_gate : (m,) or, where each face is its own gate, (0,)
    terminal_cell, terminal_gate : (t,) no rows where agent may not leave
    threshold : (g,)
    place : (m+t,) of each crossing in the list by gates, or (0,)
    first : (n+1,) zeros
    exits : room for two of each face and one of each terminal
    """
    n, m = len(first) - 1, len(owner)
    listed, valves, own = len(place) > 0, len(valve) > 0, len(face_gate) == 0
    for f in range(m):
        if own or face_gate[f] >= 0:
            way = valve[f] if valves else 0
            first[owner[f]] += way >= 0
            first[neighbour[f]] += way <= 0
    for cell in terminal_cell:
        first[cell] += 1
    for i in range(n):
        first[i + 1] += first[i]
    # from each cell's end down to its beginning, the last face first: so `first` ends up right
    for t in range(len(terminal_cell) - 1, -1, -1):
        e = first[terminal_cell[t]] - 1
        first[terminal_cell[t]] = e
        exits[e].threshold = threshold[terminal_gate[t]]
        exits[e].tie = place[m + t] if listed else m + t
        exits[e].node = n
    for f in range(m - 1, -1, -1):
        g = f if own else face_gate[f]
        if g < 0:
            continue
        way = valve[f] if valves else 0
        i, j = owner[f], neighbour[f]
        weight, tie = threshold[g], place[f] if listed else f
        if way <= 0:
            e = first[j] - 1
            first[j] = e
            exits[e].threshold = weight
            exits[e].tie = tie
            exits[e].node = i
        if way >= 0:
            e = first[i] - 1
            first[i] = e
            exits[e].threshold = weight
            exits[e].tie = tie
            exits[e].node = j


@kernel
def free_stretch(
    crossings: Crossings,
    owner: IntArray,
    neighbour: IntArray,
    valve: IntArray,
    terminal_cell: IntArray,
    holds: FlagArray,
    gate: int,
    through: int,
    broken: FlagArray,
    heap: WayArray,
    waiting: int,
) -> int:
    """Break a gate at the crossing `through`, and offer what else agent touches of it.

    Returns how many wait on the heap then.
    """
    n, m = len(holds) - 1, len(owner)
    size = m + len(terminal_cell)
    for e in range(crossings.gate_first[gate], crossings.gate_first[gate + 1]):
        broken[e] = 1
        c = crossings.gate_crossing[e]
        if c == through:
            continue
        if c >= m:
            near, far, may = terminal_cell[c - m], n, True
        else:
            way = valve[c] if len(valve) > 0 else 0
            near, far, may = owner[c], neighbour[c], way >= 0
            if holds[near] != AGENT:
                near, far, may = far, near, way <= 0
        if may and holds[near] == AGENT and holds[far] == BLOOD:
            waiting = push(heap, waiting, -np.inf, np.int32(c - size), np.int32(far))
    return waiting


@kernel
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
    once, without a visit to the heap: so agent runs along an unbranched vein. A way through a
    broken gate has threshold -inf, and as its tie the crossing less m + t: negative, so first.

    Parameters
    ----------
    valve, face_gate, terminal_cell : as for :func:`list_exits`
    holds : (n+1,) BLOOD or BARRED; the node outside holds BLOOD for ever
    broken : (c,) zeros, like `gate_crossing`; becomes 1 where the gate has broken
    order : (n,) receives the cells as they fill
    entered : (n,) receives the gate by which each was entered, -1 for the tip

    Returns
    -------
    count : cells filled
    terminal : terminal through which agent left, -1: none
    """
    first, exits, crossing = crossings.first, crossings.exit, crossings.gate_crossing
    listed = len(crossing) > 0
    n, m = len(holds) - 1, len(owner)
    size = m + len(terminal_cell)
    heap = np.empty(len(exits) + len(crossing) + 1, dtype=WAY)
    waiting, count, through, terminal = 0, 0, -1, -1
    node = np.int32(tip)
    while True:
        holds[node] = AGENT
        order[count] = node
        entered[count] = through
        count += 1
        best, best_tie, best_node = np.inf, NOTHING, np.int32(-1)
        for e in range(first[node], first[node + 1]):
            far = exits[e].node
            if holds[far] != BLOOD:
                continue
            weight, tie = exits[e].threshold, exits[e].tie
            if listed and broken[tie] == 1:
                weight, tie = -np.inf, np.int32(crossing[tie] - size)
            if before(weight, tie, best, best_tie):
                weight, best = best, weight
                tie, best_tie = best_tie, tie
                far, best_node = best_node, far
            if tie != NOTHING:
                waiting = push(heap, waiting, weight, tie, far)
        if waiting > 0 and before(heap[0]["threshold"], heap[0]["tie"], best, best_tie):
            if best_tie != NOTHING:
                waiting = push(heap, waiting, best, best_tie, best_node)
            best_node = np.int32(-1)
            while best_node < 0 and waiting > 0:
                best_tie, far = heap[0]["tie"], heap[0]["node"]
                waiting = drop_top(heap, waiting)
                if holds[far] == BLOOD:
                    best_node = far
        if best_node < 0:
            break
        through = int(best_tie)
        if best_tie < 0:
            through += size
        elif listed:
            through = int(crossing[best_tie])
        if best_node == n:
            terminal = through - m
            break
        if listed and best_tie >= 0:
            g = face_gate[through]
            waiting = free_stretch(
                crossings,
                owner,
                neighbour,
                valve,
                terminal_cell,
                holds,
                g,
                through,
                broken,
                heap,
                waiting,
            )
        node = best_node
    if len(face_gate) > 0:
        for step in range(1, count):
            entered[step] = face_gate[entered[step]]
    return count, terminal


@kernel
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


@kernel
def last_drained(
    first: Int32Array, way: Int32Array, order: IntArray, until: Int32Array, stack: Int32Array
) -> None:
    """For how long the blood of each cell had a way out of the mesh.

    Backwards in time: cells turn from agent to blood, and blood that has found a way out keeps
    it, so each cell is passed on to once (after Masson 2016, Comput. Geosci. 90:41; blood that
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


@kernel
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
    holds : (n+1,) becomes BARRED where blood was trapped at the first such event, BLOOD instead of
        AGENT, else stays

    Returns
    -------
    Whether there was such an event: the front must be led again.
    """
    n, m, k = len(holds) - 1, len(owner), len(order)
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


@kernel
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


@kernel
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
