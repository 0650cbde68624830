"""Bodies of agent that give way as a whole: torn off by blood, or slipping along the catheter.

Blood pressure is handed through a body of agent less the weight that it must lift and what the
gelled wall holds on the way, Sum (2/R) tau_w min(1, shell/0.1) dx. Where what arrives still exceeds
the blood pressure at another front, the way between the two gives: its fluid core is carried off,
its shell stays.
"""

import heapq

import numba as nb
import numpy as np

from castsim.kernels.arrays import Agent, FloatArray, Graph, IntArray, State
from castsim.kernels.connectivity import other_end
from castsim.kernels.laws import FULL_HOLD_SHELL, shell_fraction, solid_number
from castsim.kernels.pressure import TORN, TOUCHED, Work


@nb.njit(cache=True, inline="always")
def wall_hold(graph: Graph, agent: Agent, state: State, cell: int, length: float) -> float:
    """Pressure that the gelled wall of `length` mm of a cell holds, Pa.

    Force balance: 2 tau / R in a lumen; 2 tau / h in an annulus, whose gel radius is h/2. The way
    through a junction is at least its radius long, however small the cells are.
    """
    if graph.first[cell + 1] - graph.first[cell] > 2:
        length = max(length, graph.gel_radius[cell])
    annular = graph.annular[cell] == 1
    part = min(1.0, shell_fraction(state.gel[cell], annular) / FULL_HOLD_SHELL)
    sides = 1.0 if annular else 2.0
    return sides / graph.gel_radius[cell] * agent.wall_hold * part * length


@nb.njit(cache=True, nogil=True)
def tear_off(
    graph: Graph, agent: Agent, state: State, work: Work, length: FloatArray, tip: int
) -> float:
    """Tear off what the blood pressure takes; return the volume carried away, mm3.

    The cells are listed in `work.torn`.

    The highest pressure that reaches each full cell is spread by Dijkstra's algorithm from all
    fronts at once on which blood presses harder than agent. The tip's own cell is held by the
    catheter. Pressures are those of the step's solve: cells that filled since (still marked in
    `state.drains`) wait for the next step.
    """
    full = state.full
    n = len(full)
    best, come_from, touched = work.best, work.come_from, work.touched
    cells = work.size[TOUCHED]
    work.size[TORN] = 0
    for k in range(cells):
        best[touched[k]] = -np.inf
        come_from[touched[k]] = -1
    heap = [(0.0, 0)]
    heap.pop()
    highest = -np.inf
    lowest = np.inf
    for k in range(cells):
        c = touched[k]
        if state.full[c] == 0 or state.drains[c] == 1:
            continue
        for e in range(graph.first[c], graph.first[c + 1]):
            f = graph.around[e]
            far = other_end(graph, f, c)
            if far < n and state.full[far] == 0 and state.drains[far] == 1:
                p = state.pressure[far]
                highest = max(highest, p)
                lowest = min(lowest, p)
                weight = graph.face_weight[f] - graph.cell_weight[c]
                if state.fed[c] == 1 and state.pressure[c] + weight >= p:
                    continue  # agent pushes blood here, not blood agent
                p -= max(0.0, weight) + wall_hold(graph, agent, state, c, 0.5 * length[f])
                if p > best[c]:
                    best[c] = p
        if best[c] > -np.inf:
            heap.append((-best[c], c))
    if highest <= lowest or len(heap) == 0:
        return 0.0
    heapq.heapify(heap)
    while len(heap) > 0:
        negative, c = heapq.heappop(heap)
        if -negative < best[c]:
            continue
        for e in range(graph.first[c], graph.first[c + 1]):
            f = graph.around[e]
            far = other_end(graph, f, c)
            if far >= n or state.full[far] == 0 or state.drains[far] == 1 or graph.gate[f] < 0:
                continue
            half = 0.5 * length[f]
            p = best[c] - wall_hold(graph, agent, state, c, half)
            p -= wall_hold(graph, agent, state, far, half)
            # weight only resists: agent that sinks is not carried off
            p -= max(0.0, graph.cell_weight[c] - graph.cell_weight[far])
            if p > best[far]:
                best[far] = p
                come_from[far] = c
                heapq.heappush(heap, (-p, far))
    torn = 0.0
    for k in range(cells):
        c = touched[k]
        if full[c] == 0 or best[c] == -np.inf:
            continue
        gives = False
        for e in range(graph.first[c], graph.first[c + 1]):
            f = graph.around[e]
            far = other_end(graph, f, c)
            if far < n and state.full[far] == 0 and state.drains[far] == 1:
                hold = wall_hold(graph, agent, state, c, 0.5 * length[f])
                weight = graph.face_weight[f] - graph.cell_weight[c]
                if best[c] - max(0.0, -weight) - hold > state.pressure[far]:
                    gives = True
        if not gives:
            continue
        piece = c
        while piece >= 0:
            if state.full[piece] == 1 and piece != tip:
                torn += tear_cell(graph, state, work, piece)
            piece = come_from[piece]
    return torn


@nb.njit(cache=True, nogil=True)
def tear_cell(graph: Graph, state: State, work: Work, cell: int) -> float:
    """Carry the fluid core of one cell away; its gates are bare again. Returns mm3."""
    open_part = 1.0 - shell_fraction(state.gel[cell], graph.annular[cell] == 1)
    core = state.agent_volume[cell] * (
        open_part if graph.annular[cell] == 1 else open_part * open_part
    )
    if core <= 0.0:
        return 0.0
    work.torn[work.size[TORN]] = cell
    work.torn_full[work.size[TORN]] = state.full_volume[cell]
    work.size[TORN] += 1
    state.agent_volume[cell] -= core
    state.torn[cell] += core
    state.full[cell] = 0
    state.full_volume[cell] = np.inf
    state.full_time[cell] = np.inf
    for e in range(graph.first[cell], graph.first[cell + 1]):
        g = graph.gate[graph.around[e]]
        if g >= 0:
            state.broken[g] = 0
            state.age[g] = 0.0
            state.skin[g] = 0.0
    return core


@nb.njit(cache=True, nogil=True)
def slip_plug(
    graph: Graph, agent: Agent, state: State, length: FloatArray, route: IntArray, pressure: float
) -> bool:
    """Let the plug round the catheter slip when the tip's pressure passes what its wall holds.

    The plug is the run of full cells along `route` from the tip; only one with a solid cell in it
    is pushed as a whole (through an open core agent would flow). It holds Sum (2/R) tau_w dx
    against the blood at its far end. Where it slips its skin is torn and begins anew.
    """
    hold = 0.0
    solid = False
    for k in range(len(route) - 1):
        cell = route[k]
        if state.full[cell] == 0:
            return False
        if graph.annular[cell] == 1 and state.gel[cell] >= solid_number(True):
            solid = True
        after = route[k + 1]
        for e in range(graph.first[cell], graph.first[cell + 1]):
            f = graph.around[e]
            if other_end(graph, f, cell) != after:
                continue
            hold += wall_hold(graph, agent, state, cell, 0.5 * length[f])
            if state.full[after] == 1:
                hold += wall_hold(graph, agent, state, after, 0.5 * length[f])
                break
            if not solid or state.drains[after] == 0 or pressure - state.pressure[after] <= hold:
                return False
            for j in range(k + 1):
                state.gel[route[j]] = 0.0
            g = graph.gate[f]
            state.broken[g] = 1
            state.age[g] = 0.0
            state.skin[g] = 0.0
            state.moved[g] = 0.0
            state.window[g] = 0.0
            return True
    return False
