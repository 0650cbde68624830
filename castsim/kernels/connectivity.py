"""What is joined to what: agent to the tip, blood to a way out."""

import numba as nb
import numpy as np

from castsim.kernels.arrays import Agent, Graph, IntArray, State
from castsim.kernels.laws import core_mobility


@nb.njit(cache=True, inline="always")
def other_end(graph: Graph, face: int, cell: int) -> int:
    """The node at the far end of `face` seen from `cell`."""
    if graph.owner[face] == cell:
        return graph.neighbour[face]
    return graph.owner[face]


@nb.njit(cache=True)
def find_fed(graph: Graph, state: State, tip: int, stack: IntArray) -> int:
    """Mark the full cells that open agent joins to the tip in `state.fed`; return how many."""
    state.fed[:] = 0
    if state.full[tip] == 0:
        return 0
    state.fed[tip] = 1
    stack[0] = tip
    depth = 1
    count = 1
    n = len(graph.volume)
    while depth > 0:
        depth -= 1
        cell = stack[depth]
        if core_mobility(state.gel[cell], graph.annular[cell] == 1) == 0.0 and cell != tip:
            continue  # solid: joined, but nothing passes on
        for e in range(graph.first[cell], graph.first[cell + 1]):
            far = other_end(graph, graph.around[e], cell)
            if far < n and state.full[far] == 1 and state.fed[far] == 0:
                if core_mobility(state.gel[far], graph.annular[far] == 1) == 0.0:
                    continue
                state.fed[far] = 1
                stack[depth] = far
                depth += 1
                count += 1
    return count


@nb.njit(cache=True)
def find_drains(graph: Graph, state: State, stack: IntArray) -> None:
    """Mark in `state.drains` the not-full cells whose blood can reach a terminal.

    Valves are walked against their direction, because the walk starts at the way out.
    """
    state.drains[:] = 0
    depth = 0
    n = len(graph.volume)
    n_faces = len(graph.owner)
    for f in range(n_faces - len(graph.terminal_pressure), n_faces):
        cell = graph.owner[f]
        if state.full[cell] == 0 and state.drains[cell] == 0:
            state.drains[cell] = 1
            stack[depth] = cell
            depth += 1
    while depth > 0:
        depth -= 1
        cell = stack[depth]
        for e in range(graph.first[cell], graph.first[cell + 1]):
            f = graph.around[e]
            far = other_end(graph, f, cell)
            if far >= n or state.full[far] == 1 or state.drains[far] == 1:
                continue
            # blood would go from far to cell
            towards = 1 if graph.owner[f] == far else -1
            if graph.valve[f] != 0 and graph.valve[f] != towards:
                continue
            state.drains[far] = 1
            stack[depth] = far
            depth += 1


@nb.njit(cache=True)
def face_law(
    graph: Graph, agent: Agent, state: State, f: int
) -> tuple[float, float, int, int, int]:
    """Conductance, weight drive and role of one face in the present state.

    Q = conductance * (P_owner - P_neighbour + drive), owner to neighbour. Full, filling and
    empty ends obey one formula, with the agent's share s of each end (1, between, 0): resistance
    half * (s mu_a / core + (1 - s) mu_b) and drive s (w_face - w_cell), so that a front
    that crosses a cell is an exact piston.

    Returns
    -------
    conductance : mm3 s^-1 Pa^-1, 0: nothing passes
    drive : Pa
    role : 0 joined freely, 1 diode (a front or a valve)
    direction : +1 owner to neighbour, -1 the other way, the only one a diode lets through
    front : +1 the owner is the full side of a front, -1 the neighbour is, 0 no front
    """
    n = len(graph.volume)
    i = graph.owner[f]
    j = graph.neighbour[f]
    weight = graph.face_weight[f]
    j_full = j < n and state.full[j] == 1
    i_full = state.full[i] == 1
    front = 0
    if i_full and not j_full:
        front = 1
    elif j_full and not i_full:
        front = -1

    # which ends take part at all
    if i_full:
        if state.fed[i] == 0:
            return 0.0, 0.0, 0, 0, front
    elif state.drains[i] == 0:
        return 0.0, 0.0, 0, 0, front
    if j < n:
        if j_full:
            if state.fed[j] == 0:
                return 0.0, 0.0, 0, 0, front
        elif state.drains[j] == 0:
            return 0.0, 0.0, 0, 0, front
    if front != 0 and graph.gate[f] < 0:
        return 0.0, 0.0, 0, 0, front
    if i_full and j_full and graph.gate[f] < 0:
        return 0.0, 0.0, 0, 0, 0

    share = state.agent_volume[i] / graph.volume[i]
    if i_full:
        share = 1.0
    viscosity = share * agent.viscosity
    if i_full or front == -1:
        core = core_mobility(state.gel[i], graph.annular[i] == 1) if share > 0.0 else 1.0
        if core == 0.0:
            return 0.0, 0.0, 0, 0, front
        viscosity /= core
    viscosity += (1.0 - share) * graph.blood_viscosity[i]
    resistance = graph.half_owner[f] * viscosity + graph.extra[f]
    drive = share * (weight - graph.cell_weight[i])
    if j < n:
        share = state.agent_volume[j] / graph.volume[j]
        if j_full:
            share = 1.0
        viscosity = share * agent.viscosity
        if j_full or front == 1:
            core = core_mobility(state.gel[j], graph.annular[j] == 1) if share > 0.0 else 1.0
            if core == 0.0:
                return 0.0, 0.0, 0, 0, front
            viscosity /= core
        viscosity += (1.0 - share) * graph.blood_viscosity[j]
        resistance += graph.half_neighbour[f] * viscosity
        if share > 0.0:
            drive += share * (graph.cell_weight[j] - weight)

    valve = graph.valve[f]
    if front != 0:
        if valve != 0 and valve != front:
            return 0.0, 0.0, 0, 0, front  # a valve that faces the front never opens to it
        return 1.0 / resistance, drive, 1, front, front
    if valve != 0:
        return 1.0 / resistance, drive, 1, valve, 0
    return 1.0 / resistance, drive, 0, 0, 0


@nb.njit(cache=True)
def blood_through(graph: Graph, state: State, cell: int) -> float:
    """Blood that leaves a not-full cell, mm3/s, by the flows of the last solve."""
    out = 0.0
    n = len(graph.volume)
    for e in range(graph.first[cell], graph.first[cell + 1]):
        f = graph.around[e]
        q = state.flow[f] if graph.owner[f] == cell else -state.flow[f]
        far = other_end(graph, f, cell)
        if q > 0.0 and (far >= n or state.full[far] == 0):
            out += q
    return out


@nb.njit(cache=True)
def neighbours_first(
    n_nodes: int, owner: IntArray, neighbour: IntArray
) -> tuple[IntArray, IntArray]:
    """Compressed list of the faces around each cell (virtual nodes left out)."""
    first = np.zeros(n_nodes + 1, dtype=np.int64)
    for f in range(len(owner)):
        first[owner[f] + 1] += 1
        if neighbour[f] < n_nodes:
            first[neighbour[f] + 1] += 1
    for i in range(n_nodes):
        first[i + 1] += first[i]
    place = first[:-1].copy()
    around = np.empty(first[n_nodes], dtype=np.int64)
    for f in range(len(owner)):
        around[place[owner[f]]] = f
        place[owner[f]] += 1
        if neighbour[f] < n_nodes:
            around[place[neighbour[f]]] = f
            place[neighbour[f]] += 1
    return first, around
