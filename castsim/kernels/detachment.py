"""Bodies of agent that give way as a whole: torn off by blood, or slipping along the catheter.

Blood pressure is handed through a body of agent less the weight that it must lift and what the
gelled wall holds on the way, Sum (2/R) tau_w min(1, shell/0.1) dx. Where what arrives still exceeds
the blood pressure at another front, the way between the two gives: its fluid core is carried off,
its shell stays.
"""

import numpy as np

from castsim.kernels.arrays import Agent, FloatArray, Graph, IntArray, State
from castsim.kernels.connectivity import other_end
from castsim.kernels.heap import drop_top, push
from castsim.kernels.laws import FULL_HOLD_SHELL, shell_fraction, solid_number
from castsim.kernels.pressure import TORN, TOUCHED, Work
from geometry.kernels.compiling import kernel, law


@law
def wall_hold(
    gel: float, annular: bool, radius: float, junction: int, length: float, strength: float
) -> float:
    """Pressure that the gelled wall of `length` mm of a cell holds, Pa.

    Force balance: 2 tau / R in a lumen; 2 tau / h in an annulus, whose gel radius is h/2. The way
    through a junction is at least its radius long, however small the cells are.
    """
    if junction == 1:
        length = max(length, radius)
    part = min(1.0, shell_fraction(gel, annular) / FULL_HOLD_SHELL)
    sides = 1.0 if annular else 2.0
    return sides / radius * strength * part * length


@kernel
def cell_hold(graph: Graph, agent: Agent, state: State, cell: int, length: float) -> float:
    """`wall_hold` of a cell."""
    return wall_hold(
        state.gel[cell],
        graph.annular[cell] == 1,
        graph.gel_radius[cell],
        graph.junction[cell],
        length,
        agent.wall_hold,
    )


@kernel
def press_fronts(
    graph: Graph, agent: Agent, state: State, work: Work, length: FloatArray
) -> tuple[int, float, float]:
    """Blood pressure that enters agent at each front where blood presses harder than agent.

    Agent that leaves part of its section to blood does not count: blood flows past it. Sets
    `work.best` of all cells with agent and, in `work.degree`, how many cells of each of their
    sections are full; lists the cells entered in `work.stack`, and returns how many they are, the
    highest pressure that enters, and the least with which agent would give way at any front.
    """
    first, around, owner, neighbour = graph.first, graph.around, graph.owner, graph.neighbour
    face_weight, cell_weight, radius = graph.face_weight, graph.cell_weight, graph.gel_radius
    full, drains, fed, gel = state.full, state.drains, state.fed, state.gel
    pressure = state.pressure
    best, come_from, touched, entered = work.best, work.come_from, work.touched, work.stack
    section, cells, filled = graph.section, graph.section_cells, work.degree
    annular, ways = graph.annular, graph.junction
    n = len(full)
    count = 0
    highest = -np.inf
    least = np.inf
    for k in range(work.size[TOUCHED]):
        filled[section[touched[k]]] = 0
    for k in range(work.size[TOUCHED]):
        filled[section[touched[k]]] += full[touched[k]]
    for k in range(work.size[TOUCHED]):
        c = touched[k]
        best[c] = -np.inf
        come_from[c] = -1
        if full[c] == 0 or drains[c] == 1 or filled[section[c]] < cells[section[c]]:
            continue
        for e in range(first[c], first[c + 1]):
            f = around[e]
            far = owner[f] + neighbour[f] - c
            if far >= n or full[far] == 1 or drains[far] == 0:
                continue
            p = pressure[far]
            weight = face_weight[f] - cell_weight[c]
            hold = wall_hold(
                gel[c], annular[c] == 1, radius[c], ways[c], 0.5 * length[f], agent.wall_hold
            )
            least = min(least, p + max(0.0, -weight) + hold)
            if fed[c] == 0 or pressure[c] + weight < p:
                # blood pushes agent here, not agent blood
                best[c] = max(best[c], p - max(0.0, weight) - hold)
        if best[c] > -np.inf:
            entered[count] = c
            count += 1
            highest = max(highest, best[c])
    return count, highest, least


@kernel
def hand_through(
    graph: Graph,
    agent: Agent,
    state: State,
    work: Work,
    length: FloatArray,
    count: int,
    least: float,
) -> None:
    """Spread the pressures of `press_fronts` through agent, by Dijkstra's algorithm.

    Pressures of at most `least` make nothing give way, here or farther on, and are not followed.
    Pressures only fall on the way, so each cell is passed once and `work.heap` has room for all.
    """
    first, around, owner, neighbour = graph.first, graph.around, graph.owner, graph.neighbour
    cell_weight, radius, gate = graph.cell_weight, graph.gel_radius, graph.gate
    full, drains, gel, annular = state.full, state.drains, state.gel, graph.annular
    best, come_from, entered, heap = work.best, work.come_from, work.stack, work.heap
    ways, section, cells, filled = graph.junction, graph.section, graph.section_cells, work.degree
    strength = agent.wall_hold
    n = len(full)
    waiting = 0
    for k in range(count):
        c = entered[k]
        if best[c] > least:
            waiting = push(heap, waiting, -best[c], np.int32(c), np.int32(c))
    while waiting > 0:
        c, pressure = heap[0]["node"], -heap[0]["threshold"]
        waiting = drop_top(heap, waiting)
        if pressure < best[c]:
            continue
        for e in range(first[c], first[c + 1]):
            f = around[e]
            far = owner[f] + neighbour[f] - c
            if far >= n or full[far] == 0 or drains[far] == 1 or gate[f] < 0:
                continue
            if filled[section[far]] < cells[section[far]]:
                continue
            half = 0.5 * length[f]
            p = best[c] - wall_hold(gel[c], annular[c] == 1, radius[c], ways[c], half, strength)
            p -= wall_hold(gel[far], annular[far] == 1, radius[far], ways[far], half, strength)
            # weight only resists: agent that sinks is not carried off
            p -= max(0.0, cell_weight[c] - cell_weight[far])
            if p > best[far] and p > least:
                best[far] = p
                come_from[far] = c
                waiting = push(heap, waiting, -p, np.int32(far), np.int32(far))


@kernel
def next_giving(
    graph: Graph, agent: Agent, state: State, work: Work, length: FloatArray, place: int
) -> int:
    """Place in `work.touched`, from `place` on, of a cell at one of whose fronts agent gives way.

    It does where what arrives at the cell exceeds the blood pressure there. -1: there is none.
    """
    first, around, owner, neighbour = graph.first, graph.around, graph.owner, graph.neighbour
    face_weight, cell_weight, radius = graph.face_weight, graph.cell_weight, graph.gel_radius
    full, drains, pressure, gel = state.full, state.drains, state.pressure, state.gel
    best, touched, annular, ways = work.best, work.touched, graph.annular, graph.junction
    n = len(full)
    for k in range(place, work.size[TOUCHED]):
        c = touched[k]
        if full[c] == 0 or best[c] == -np.inf:
            continue
        for e in range(first[c], first[c + 1]):
            f = around[e]
            far = owner[f] + neighbour[f] - c
            if far >= n or full[far] == 1 or drains[far] == 0:
                continue
            hold = wall_hold(
                gel[c], annular[c] == 1, radius[c], ways[c], 0.5 * length[f], agent.wall_hold
            )
            weight = face_weight[f] - cell_weight[c]
            if best[c] - max(0.0, -weight) - hold > pressure[far]:
                return k
    return -1


@kernel
def tear_off(
    graph: Graph, agent: Agent, state: State, work: Work, length: FloatArray, tip: int
) -> float:
    """Tear off what the blood pressure takes; return the volume carried away, mm3.

    The highest pressure that reaches each full cell is spread by Dijkstra's algorithm from all
    fronts at once on which blood presses harder than agent. The tip's own cell is held by the
    catheter. Pressures are those of the step's solve: cells that filled since (still marked in
    `state.drains`) wait for the next step. The cells torn are listed in `work.torn`.
    """
    work.size[TORN] = 0
    count, highest, least = press_fronts(graph, agent, state, work, length)
    if highest <= least:
        return 0.0
    hand_through(graph, agent, state, work, length, count, least)
    torn = 0.0
    place = next_giving(graph, agent, state, work, length, 0)
    while place >= 0:
        piece = work.touched[place]
        while piece >= 0:
            if state.full[piece] == 1 and piece != tip:
                torn += tear_cell(graph, state, work, piece)
            piece = work.come_from[piece]
        place = next_giving(graph, agent, state, work, length, place + 1)
    return torn


@kernel
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


@kernel
def open_gates(graph: Graph, state: State, cell: int, after: int) -> None:
    """Break the gates of all faces that join two cells."""
    for e in range(graph.first[cell], graph.first[cell + 1]):
        f = graph.around[e]
        g = graph.gate[f]
        if g >= 0 and other_end(graph, f, cell) == after:
            state.broken[g] = 1
            state.age[g] = 0.0
            state.skin[g] = 0.0
            state.moved[g] = 0.0
            state.window[g] = 0.0


@kernel
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
            hold += cell_hold(graph, agent, state, cell, 0.5 * length[f])
            if state.full[after] == 1:
                hold += cell_hold(graph, agent, state, after, 0.5 * length[f])
                break
            if not solid or state.drains[after] == 0 or pressure - state.pressure[after] <= hold:
                return False
            for j in range(k + 1):
                state.gel[route[j]] = 0.0
            open_gates(graph, state, cell, after)
            return True
    return False
