"""Invasion percolation: the limit of slow injection, uniform pressure in each phase.

The weakest gate that agent touches breaks next, whatever its place. Gates, traps, valves and
terminals are those of the general kernel; viscosity, gravity, skin and sweeping are out.

A crossing is a face or, after the m faces, a terminal: agent leaves node by node by crossings.
Node n is all that lies beyond the terminals.
"""

import heapq
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from castsim.kernels.arrays import FlagArray, FloatArray, IntArray

Int32Array = NDArray[np.int32]

BLOOD, AGENT, BARRED = 0, 1, 2
"""What a node holds; barred: trapped blood, which agent will never enter."""
OUT, IN = 1, 2
"""Ways that blood may take through a crossing, as seen from the node whose row it is in."""
ABSENT, ENCLOSED = -2, -1
"""Not blood yet, and blood without a way out, in the array that :func:`last_drained` fills."""


class Crossings(NamedTuple):
    """Ways for agent, by rank: ascending threshold of the gate, then gate, then face."""

    crossing: Int32Array  # (r,) face, or m + terminal
    gate: Int32Array  # (r,) gate; its crossings are neighbours in rank
    rank: Int32Array  # (m+t,) rank of each face and terminal, -1: agent never enters
    first: Int32Array  # (n+1,) first exit of each cell
    exit_rank: Int32Array  # (e,) rank of the crossing by which agent may leave the cell
    exit_node: Int32Array  # (e,) node that it leads to


@nb.njit(cache=True, nogil=True)
def rank_crossings(
    order: IntArray, face_gate: IntArray, terminal_gate: IntArray, rank: Int32Array
) -> tuple[Int32Array, Int32Array]:
    """Rank the crossings by the order of their gates.

    Parameters
    ----------
    order : (g,) gates by ascending threshold
    terminal_gate : (t,) empty where agent may not leave
    rank : (m + t,) receives ranks; -1: agent never enters

    Returns
    -------
    crossing, gate : (r,) by rank
    """
    m = len(face_gate)
    place = np.zeros(len(order), dtype=np.int32)
    for f in range(m):
        if face_gate[f] >= 0:
            place[face_gate[f]] += 1
    for t in range(len(terminal_gate)):
        place[terminal_gate[t]] += 1
    total = 0
    for k in range(len(order)):
        g = order[k]
        total += place[g]
        place[g] = total - place[g]
    crossing, gate = np.empty(total, dtype=np.int32), np.empty(total, dtype=np.int32)
    for c in range(m + len(terminal_gate)):
        g = face_gate[c] if c < m else terminal_gate[c - m]
        if g < 0:
            rank[c] = -1
            continue
        r = place[g]
        rank[c] = r
        crossing[r] = c
        gate[r] = g
        place[g] += 1
    return crossing, gate


@nb.njit(cache=True, nogil=True)
def list_exits(
    n: int,
    owner: IntArray,
    neighbour: IntArray,
    valve: IntArray,
    terminal_cell: IntArray,
    rank: Int32Array,
) -> tuple[Int32Array, Int32Array, Int32Array]:
    """Exits of each cell for agent: `first`, `exit_rank` and `exit_node` of :class:`Crossings`."""
    m = len(owner)
    ends = len(rank) - m
    first = np.zeros(n + 1, dtype=np.int32)
    for f in range(m):
        if rank[f] >= 0:
            first[owner[f] + 1] += valve[f] >= 0
            first[neighbour[f] + 1] += valve[f] <= 0
    for t in range(ends):
        first[terminal_cell[t] + 1] += 1
    for i in range(n):
        first[i + 1] += first[i]
    place = first[:-1].copy()
    exit_rank = np.empty(first[n], dtype=np.int32)
    exit_node = np.empty(first[n], dtype=np.int32)
    for f in range(m):
        if rank[f] < 0:
            continue
        i, j = owner[f], neighbour[f]
        if valve[f] >= 0:
            exit_rank[place[i]] = rank[f]
            exit_node[place[i]] = j
            place[i] += 1
        if valve[f] <= 0:
            exit_rank[place[j]] = rank[f]
            exit_node[place[j]] = i
            place[j] += 1
    for t in range(ends):
        i = terminal_cell[t]
        exit_rank[place[i]] = rank[m + t]
        exit_node[place[i]] = n
        place[i] += 1
    return first, exit_rank, exit_node


@nb.njit(cache=True, nogil=True)
def free_stretch(
    crossings: Crossings,
    owner: IntArray,
    neighbour: IntArray,
    valve: IntArray,
    terminal_cell: IntArray,
    holds: FlagArray,
    broken: FlagArray,
    heap: list[int],
    rank: int,
) -> None:
    """Break the gate of a crossing; its other crossings that agent touches are free now."""
    gate, crossing = crossings.gate, crossings.crossing
    m, size = len(owner), len(owner) + len(terminal_cell)
    begin, end = rank, rank + 1
    while begin > 0 and gate[begin - 1] == gate[rank]:
        begin -= 1
    while end < len(gate) and gate[end] == gate[rank]:
        end += 1
    for r in range(begin, end):
        broken[r] = 1
        c = crossing[r]
        if r == rank:
            continue
        if c >= m:
            touched = holds[terminal_cell[c - m]] == AGENT
        else:
            from_owner = holds[owner[c]] == AGENT
            touched = from_owner != (holds[neighbour[c]] == AGENT) and (
                valve[c] == 0 or (valve[c] > 0) == from_owner
            )
        if touched:
            heapq.heappush(heap, np.int64(c - size))


@nb.njit(cache=True, nogil=True)
def advance_front(
    crossings: Crossings,
    owner: IntArray,
    neighbour: IntArray,
    valve: IntArray,
    terminal_cell: IntArray,
    tip: int,
    holds: FlagArray,
    broken: FlagArray,
    order: IntArray,
    via: Int32Array,
) -> tuple[int, int]:
    """Fill cells from `tip`, each through the weakest crossing of the front.

    What waits on the heap is a rank, or where the gate is broken already, c - m - t of the
    crossing c: negative, so it goes first. A cell whose weakest exit beats the heap is left by
    that exit at once, without a visit to the heap: so agent runs along an unbranched vein.

    Parameters
    ----------
    holds : (n,) BLOOD or BARRED
    broken : (r,) zeros; becomes 1 where the crossing's gate has broken
    order : (n,) receives the cells as they fill
    via : (n,) receives the rank of the crossing by which each was entered, -1 for the tip

    Returns
    -------
    count : cells filled
    terminal : terminal through which agent left, -1: none
    """
    crossing, gate, ranks = crossings.crossing, crossings.gate, crossings.rank
    first, exit_rank, exit_node = crossings.first, crossings.exit_rank, crossings.exit_node
    n, m = len(holds), len(owner)
    size = m + len(terminal_cell)
    shares = False
    for r in range(1, len(gate)):
        shares |= gate[r] == gate[r - 1]
    none = np.int64(len(gate))
    heap = [none]
    heap.pop()
    count = 0
    node = tip
    rank = -1
    while True:
        holds[node] = AGENT
        order[count] = node
        via[count] = rank
        count += 1
        best, best_node = none, -1
        for e in range(first[node], first[node + 1]):
            far = exit_node[e]
            if far < n and holds[far] != BLOOD:
                continue
            key = np.int64(exit_rank[e])
            if broken[key] == 1:
                key = np.int64(crossing[key] - size)
            if key < best:
                if best != none:
                    heapq.heappush(heap, best)
                best, best_node = key, far
            else:
                heapq.heappush(heap, key)
        if len(heap) > 0 and heap[0] < best:
            if best != none:
                heapq.heappush(heap, best)
            best = none
            while len(heap) > 0:
                key = heapq.heappop(heap)
                c = crossing[key] if key >= 0 else key + size
                if c >= m:
                    best, best_node = key, n
                    break
                i, j = owner[c], neighbour[c]
                far = j if holds[j] == BLOOD else i
                if holds[far] == BLOOD:
                    best, best_node = key, far
                    break
        if best == none:
            return count, -1
        if best_node == n:
            return count, (crossing[best] if best >= 0 else best + size) - m
        rank = best
        if best < 0:
            rank = ranks[best + size]
        elif shares:
            free_stretch(
                crossings, owner, neighbour, valve, terminal_cell, holds, broken, heap, best
            )
        else:
            broken[best] = 1
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
    via: Int32Array,
    until: Int32Array,
    holds: FlagArray,
) -> bool:
    """Bar trapped blood whose invasion broke a gate that other blood was still to meet.

    Agent in trapped blood touches nothing but trapped blood, so that striking its cells from the
    order leaves the others in theirs, unless a gate broke there that has a face elsewhere.

    Parameters
    ----------
    until : of :func:`last_drained`
    holds : (n,) receives BARRED where blood was trapped at the first such event, else BLOOD as
        far as it was not barred already

    Returns
    -------
    Whether there was one: the front must be run again.
    """
    n, m, k = len(holds), len(owner), len(order)
    gate, crossing = crossings.gate, crossings.crossing
    since = np.full(n, k, dtype=np.int32)
    for step in range(k):
        since[order[step]] = step
        if holds[order[step]] == AGENT:
            holds[order[step]] = BLOOD
    broken = np.zeros(len(gate), dtype=np.uint8)
    for step in range(1, k):
        r = via[step]
        trapped = until[order[step]] < step
        begin, end = r, r + 1
        while begin > 0 and gate[begin - 1] == gate[r]:
            begin -= 1
        while end < len(gate) and gate[end] == gate[r]:
            end += 1
        if broken[begin] == 1:
            continue
        if not trapped:
            broken[begin] = 1
            continue
        harm = False
        for other in range(begin, end):
            c = crossing[other]
            i = owner[c] if c < m else terminal_cell[c - m]
            j = neighbour[c] if c < m else i
            apart = since[i] >= step and since[j] >= step
            harm |= other != r and apart and max(until[i], until[j]) >= step
        if harm:
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
