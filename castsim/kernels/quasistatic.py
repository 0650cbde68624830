"""Invasion percolation: the limit of slow injection, uniform pressure in each phase.

The weakest gate that agent touches breaks next, whatever its place. Gates, traps, valves and
terminals are those of the general kernel; viscosity, gravity, skin and sweeping are out.
"""

import heapq

import numba as nb
import numpy as np

from castsim.kernels.arrays import Graph, IntArray, State
from castsim.kernels.connectivity import find_drains, other_end, update_drains


@nb.njit(cache=True)
def offer_faces(
    graph: Graph, state: State, rank: IntArray, heap: list[tuple[int, int]], cell: int, leave: bool
) -> None:
    """Put the faces of a cell that has just filled on the heap, by the rank of their gates."""
    n = len(graph.volume)
    for e in range(graph.first[cell], graph.first[cell + 1]):
        f = graph.around[e]
        g = graph.gate[f]
        far = other_end(graph, f, cell)
        if g < 0 or (far < n and state.full[far] == 1) or (far >= n and not leave):
            continue
        towards = 1 if graph.owner[f] == cell else -1
        if graph.valve[f] != 0 and graph.valve[f] != towards:
            continue
        state.reached[g] = 1
        heapq.heappush(heap, (rank[g] if state.broken[g] == 0 else -1, f))


@nb.njit(cache=True)
def invade(
    graph: Graph,
    state: State,
    rank: IntArray,
    tip: int,
    volume: float,
    trapping: bool,
    leave: bool,
    order: IntArray,
    stack: IntArray,
) -> tuple[int, int, float]:
    """Fill cells from `tip` until `volume` (mm3) is in, by the ranks of the gates' thresholds.

    Parameters
    ----------
    rank : (g,) rank of each gate, smaller breaks earlier
    trapping : whether blood without a way out stops agent
    leave : whether agent may leave through a terminal, which ends the run
    order : (n,) receives the cells in the order in which they filled
    stack : (n+1,) scratch

    Returns
    -------
    count : cells filled
    terminal : terminal through which agent left, -1: none
    done : mm3 injected
    """
    n = len(graph.volume)
    find_drains(graph, state, stack)
    if not trapping:
        state.drains[:] = 1
    heap = [(0, 0)]
    heap.pop()
    count = 0
    done = 0.0
    cell = tip
    while True:
        # fill `cell`, or what is left of the volume
        state.first_volume[cell] = done
        part = min(graph.volume[cell], volume - done)
        state.agent_volume[cell] = part
        done += part
        if part < graph.volume[cell]:
            return count, -1, done
        state.full[cell] = 1
        state.full_volume[cell] = done
        order[count] = cell
        count += 1
        offer_faces(graph, state, rank, heap, cell, leave)
        if trapping:
            update_drains(graph, state, cell, stack)
        found = -1
        while len(heap) > 0:
            f = heapq.heappop(heap)[1]
            j = graph.neighbour[f]
            if j >= n:
                return count, j - n, done
            i = graph.owner[f]
            far = j if state.full[j] == 0 else i
            if state.full[far] == 1 or state.drains[far] == 0:
                continue
            g = graph.gate[f]
            if state.broken[g] == 0:
                state.broken[g] = 1
                # the rest of the stretch is free now
                for e in range(graph.gate_first[g], graph.gate_first[g + 1]):
                    other = graph.gate_faces[e]
                    k = graph.neighbour[other]
                    if other == f or k >= n:
                        continue
                    towards = 1 if state.full[k] == 0 else -1
                    if graph.valve[other] != 0 and graph.valve[other] != towards:
                        continue
                    if state.full[graph.owner[other]] != state.full[k]:
                        heapq.heappush(heap, (-1, other))
            found = far
            break
        if found < 0 or done >= volume:
            return count, -1, done
        cell = found


def threshold_ranks(threshold: np.ndarray) -> IntArray:
    """Rank of each gate by its threshold, ties by index."""
    order = np.argsort(threshold, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank
