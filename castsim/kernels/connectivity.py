"""What is joined to what: agent to the tip, blood to a way out."""

import numba as nb
import numpy as np

from castsim.kernels.arrays import Graph, IntArray, State
from castsim.kernels.laws import core_mobility, solid_number


@nb.njit(cache=True, inline="always")
def other_end(graph: Graph, face: int, cell: int) -> int:
    """The node at the far end of `face` seen from `cell`."""
    return graph.owner[face] + graph.neighbour[face] - cell


@nb.njit(cache=True)
def find_fed(graph: Graph, state: State, tip: int, stack: IntArray) -> int:
    """Mark the full cells that open agent joins to the tip in `state.fed`; return how many.

    A solid cell neither takes part nor passes anything on, but for the tip's own.
    """
    first, around, owner, neighbour = graph.first, graph.around, graph.owner, graph.neighbour
    full, fed, gel, annular = state.full, state.fed, state.gel, graph.annular
    fed[:] = 0
    if full[tip] == 0:
        return 0
    fed[tip] = 1
    if gel[tip] >= solid_number(annular[tip] == 1):
        return 1
    stack[0] = tip
    depth = 1
    count = 1
    n = len(full)
    while depth > 0:
        depth -= 1
        cell = stack[depth]
        for e in range(first[cell], first[cell + 1]):
            f = around[e]
            far = owner[f] + neighbour[f] - cell
            if far >= n or full[far] == 0 or fed[far] == 1:
                continue
            if gel[far] < solid_number(annular[far] == 1):
                fed[far] = 1
                stack[depth] = far
                depth += 1
                count += 1
    return count


@nb.njit(cache=True)
def find_drains(graph: Graph, state: State, stack: IntArray) -> None:
    """Mark in `state.drains` the not-full cells whose blood can reach a terminal.

    Valves are walked against their direction, because the walk starts at the way out.
    """
    first, around, owner, neighbour = graph.first, graph.around, graph.owner, graph.neighbour
    full, drains, valve = state.full, state.drains, graph.valve
    drains[:] = 0
    depth = 0
    n = len(full)
    n_faces = len(owner)
    for f in range(n_faces - len(graph.terminal_pressure), n_faces):
        cell = owner[f]
        if full[cell] == 0 and drains[cell] == 0:
            drains[cell] = 1
            stack[depth] = cell
            depth += 1
    while depth > 0:
        depth -= 1
        cell = stack[depth]
        for e in range(first[cell], first[cell + 1]):
            f = around[e]
            far = owner[f] + neighbour[f] - cell
            if far >= n or full[far] == 1 or drains[far] == 1:
                continue
            # blood would go from far to cell
            towards = 1 if owner[f] == far else -1
            if valve[f] != 0 and valve[f] != towards:
                continue
            drains[far] = 1
            stack[depth] = far
            depth += 1


@nb.njit(cache=True)
def update_drains(graph: Graph, state: State, cell: int, stack: IntArray) -> None:
    """Bring `state.drains` up to date after `cell` has filled.

    Blood is cut off only if the cell joined two or more ways; with one left, its own blood went
    out by that one, which therefore did not need it.
    """
    owner, neighbour, around = graph.owner, graph.neighbour, graph.around
    n = len(state.full)
    joined = 0
    for e in range(graph.first[cell], graph.first[cell + 1]):
        f = around[e]
        far = owner[f] + neighbour[f] - cell
        # a neighbour that filled in the same step and is still to be visited counts as blood
        if far >= n or state.drains[far] == 1:
            joined += 1
    state.drains[cell] = 0
    if joined > 1:
        find_drains(graph, state, stack)


@nb.njit(cache=True, inline="always")
def end_viscosity(
    share: float, thread: bool, gel: float, annular: int, agent: float, blood: float
) -> float:
    """Viscosity that one end of a face counts with, Pa s; negative: solid, nothing passes.

    Full, filling and empty ends obey one formula, with the agent's share s of the end's volume
    (1, between, 0): s mu_a / core + (1 - s) mu_b, so that a front that crosses a cell is an exact
    piston. Only where agent itself flows (`thread`) does the gelled shell narrow it.
    """
    if share == 0.0:
        return blood
    if thread:
        core = core_mobility(gel, annular == 1)
        if core == 0.0:
            return -1.0
        return share * agent / core + (1.0 - share) * blood
    return share * agent + (1.0 - share) * blood


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
