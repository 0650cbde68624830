"""What is joined to what: agent to the tip, blood to a way out."""

import numpy as np

from castsim.kernels.arrays import Graph, IntArray, State
from castsim.kernels.laws import core_mobility, solid_number
from geometry.kernels.compiling import kernel, law


@law
def other_end(graph: Graph, face: int, cell: int) -> int:
    """The node at the far end of `face` seen from `cell`."""
    return graph.owner[face] + graph.neighbour[face] - cell


@kernel
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


@kernel
def find_drains(graph: Graph, state: State, queue: IntArray) -> None:
    """Mark in `state.drains` the not-full cells whose blood can reach a terminal, and by which way.

    Valves are walked against their direction, because the walk starts at the way out. Nearest cells
    come first: ways are short, so that few are in doubt when a cell fills.
    """
    first, around, owner, neighbour = graph.first, graph.around, graph.owner, graph.neighbour
    full, drains, valve, way = state.full, state.drains, graph.valve, state.way
    drains[:] = 0
    count = 0
    n = len(full)
    n_faces = len(owner)
    for f in range(n_faces - len(graph.terminal_pressure), n_faces):
        cell = owner[f]
        if full[cell] == 0 and drains[cell] == 0:
            drains[cell] = 1
            way[cell] = f
            queue[count] = cell
            count += 1
    place = 0
    while place < count:
        cell = queue[place]
        place += 1
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
            way[far] = f
            queue[count] = far
            count += 1


@kernel
def cut_off(graph: Graph, state: State, cell: int, stack: IntArray, queue: IntArray) -> None:
    """Bring `state.drains` up to date after `cell` has filled.

    In doubt are only the cells whose ways out led through it: a tree, since every cell keeps one
    way. Each hangs on again by any neighbour not in doubt, and takes those behind it along; what
    is left at last is trapped.
    """
    first, around, owner, neighbour = graph.first, graph.around, graph.owner, graph.neighbour
    drains, valve, way = state.drains, graph.valve, state.way
    n = len(drains)
    drains[cell] = 0
    stack[0] = cell
    doubtful = 1
    place = 0
    while place < doubtful:
        c = stack[place]
        place += 1
        for e in range(first[c], first[c + 1]):
            f = around[e]
            far = owner[f] + neighbour[f] - c
            if far < n and drains[far] == 1 and way[far] == f:
                drains[far] = 2
                stack[doubtful] = far
                doubtful += 1
    for s in range(1, doubtful):
        if drains[stack[s]] != 2:
            continue
        queue[0] = stack[s]
        count = 1
        place = 0
        while place < count:
            c = queue[place]
            place += 1
            if drains[c] == 2:
                for e in range(first[c], first[c + 1]):
                    f = around[e]
                    far = owner[f] + neighbour[f] - c
                    towards = 1 if owner[f] == c else -1
                    if (valve[f] == 0 or valve[f] == towards) and (far >= n or drains[far] == 1):
                        drains[c] = 1
                        way[c] = f
                        break
                if drains[c] == 2:
                    continue
            for e in range(first[c], first[c + 1]):
                f = around[e]
                far = owner[f] + neighbour[f] - c
                towards = 1 if owner[f] == far else -1
                if far < n and drains[far] == 2 and (valve[f] == 0 or valve[f] == towards):
                    drains[far] = 1
                    way[far] = f
                    queue[count] = far
                    count += 1
    for s in range(1, doubtful):
        if drains[stack[s]] == 2:
            drains[stack[s]] = 0


@law
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


@kernel
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
