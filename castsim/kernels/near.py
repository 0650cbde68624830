"""Pressures near agent, where a mesh has too many cells to be eliminated: by multigrid.

Cells lie in *sections* of veins: a cell of a line is one, and the cubes of a voxel mesh that took
the place of a centreline cell are one together. Sections near agent are *awake*: their cells have
pressures of their own. In a section of blood farther off the pressure is taken as even, as it is
over the section of any tube in which flow is developed; these *sleeping* sections are joined by
the conductances of the centreline. So they are a network of lines, of which elimination leaves
the *ports*, sections that touch awake cells.

A solve improves the pressures of the one before, until the energy of the error is small beside that
of the injected flow. The residual is summed from flows, so that stiff ends cost no digits.
"""

from typing import NamedTuple

import numpy as np

from castsim.kernels.arrays import Agent, FlagArray, FloatArray, Graph, IntArray, Source, State
from castsim.kernels.filling import NO_FLOW, gives_way, receive
from castsim.kernels.grouping import IndexArray
from castsim.kernels.multigrid import (
    Levels,
    advance,
    change_link,
    cycle,
    dot,
    factorise,
    improve,
    refresh,
    times,
)
from castsim.kernels.pressure import FILLED, HELD, TOUCHED, Work
from castsim.kernels.seam import (
    enclose,
    foresee,
    hand_over,
    linear_solve,
    noise,
    place_of,
    prepare,
    surrounded,
    variant,
    wider,
)
from geometry.kernels.compiling import kernel

CELLS, FACES, AWAKE, EDGE, STALE, TURNS, FAILED, ASKED, KNOWN, FRONTS = range(10)
"""Places of `Near.size`: listed cells, faces, awake cells; 1 when agent has come near the edge; how
many cells have filled since all were grouped; turns of multigrid so far; 1 when one did not
converge; 1 when the answer to the hub is known in this solve; NOTHING, LOADED or SOLVED; how many
fronts and valves are listed."""
NOTHING, LOADED, SOLVED = range(3)
"""What is known of the next linear solve: its equations, or its pressures too."""
TURNED, DAMMED, TURNED_LIMIT, DAMMED_LIMIT = range(4)
"""Places of `Near.turned`."""
MOST_OF_VEIN = 0.5
"""Of a vein's blood at rest: a cell that dams up more is a dam by itself, as a cell of a line."""
SHUT_LEAK = 1e-9
"""Share of its conductance left to a closed diode, so that nothing floats."""
HELD_PIVOT = 1e-9
"""Of the tip's own conductance: what joins it to a closed catheter."""
STALE_SHARE = 1 / 200
"""Of the awake cells: when more have filled since they were grouped, they are grouped anew. Some
groups of agent with blood cost a tenth more turns; grouping at every step cost a fifth of all."""
MOST_TURNS = 5000
"""A solve takes about fifteen."""
MANY_TURNS = 60
"""After a solve of more, cells are grouped anew."""
MOST_FORESEEN = 30
"""Turns in which diodes may switch as pressures come near."""
SLOPE_EXACTNESS = 1e-3
"""Error of what the tip's pressure gains, by one Pa at the hub, at most."""
MOST_PASSES = 100
"""Times that agent is passed on, for each cell filled in a step: it may go round and round."""
NEGLIGIBLE = 1e-12
"""Of the inflow: less is not passed on further but shared out."""
NOISE = 1e-8
"""Of the largest pressure: drives below it are the solver's error."""
LARGEST_NOISE = 1e-6


class Near(NamedTuple):
    """Awake cells, ports and what joins them; "number" counts both, awake ones first.

    Cells beside the awake ones are listed behind them in `cell`: their pressure is their section's.
    """

    faces: IndexArray  # (f,) with an awake end, terminals too
    owner: IndexArray  # (f,) number
    neighbour: IndexArray  # (f,) number; -1: a terminal
    slot: IntArray  # (f, 2) both links of the finest level that the face is
    cell: IndexArray  # (c,)
    beside: IndexArray  # (c - awake,) number of each cell's section
    place: IndexArray  # (n,) number of awake cells, else -1
    deep: FlagArray  # (sections,) 1: everything around the section is awake
    port: IndexArray  # (p,) a cell of each port, the last p numbers
    port_hold: FloatArray  # (p,) mm3 s^-1 Pa^-1, what sleeps behind it: conductance to 0 Pa
    port_drive: FloatArray  # (p,) mm3/s, and flow into it
    link_slot: IntArray  # (l, 2) as `slot`, of links between ports
    link_ends: IndexArray  # (l, 2) ports
    link_strength: FloatArray  # (l,) mm3 s^-1 Pa^-1
    pressure: FloatArray  # (numbers,) Pa at the hub pressure `hub`
    unit: FloatArray  # (numbers,) for one Pa at the hub
    left: FloatArray  # (2, numbers) what is left over of both
    scratch: FloatArray  # (3, numbers)
    hub: FloatArray  # (1,) Pa
    goal: FloatArray  # (2,) (mm3 s^-1 Pa)^(1/2) root of the energy that an error of the pressures
    # may have; and the same of the answer to one Pa at the hub, for a catheter of 1 mm3 s^-1 Pa^-1
    turned: FloatArray  # (4,) share of the inflow turned aside since the last solve, mm3/s of blood
    # dammed up; most of the first, and most of the second over the vein's flow at rest
    front: IndexArray  # (f,) list of the diodes, by their place in `faces`
    size: IntArray  # (10,) see CELLS ... FRONTS


@variant(prepare, Near)
@kernel
def prepare_near(graph: Graph, plan: Levels, region: Near) -> None:
    """`seam.prepare`: all is listed."""
    region.size[ASKED] = 0
    region.size[KNOWN] = NOTHING
    region.turned[TURNED] = 0.0
    region.turned[DAMMED] = 0.0


@variant(place_of, Near)
@kernel
def number_near(plan: Levels, region: Near, cell: int) -> int:
    """`seam.place_of`."""
    return region.place[cell]


@variant(surrounded, Near)
@kernel
def is_awake(region: Near, cell: int) -> bool:
    """`seam.surrounded`."""
    return region.place[cell] >= 0


@variant(noise, Near)
@kernel
def solver_error(region: Near, rounds: int, largest: float) -> float:
    """`seam.noise`."""
    return min(NOISE * 10.0**rounds, LARGEST_NOISE) * largest


@variant(wider, Near)
@kernel
def at_edge(region: Near) -> bool:
    """`seam.wider`."""
    size = region.size
    return size[EDGE] == 1 or size[STALE] > STALE_SHARE * size[AWAKE]


@variant(enclose, Near)
@kernel
def look_around(graph: Graph, work: Work, plan: Levels, region: Near, tip: int) -> None:
    """`seam.enclose`: note when agent has come near the edge."""
    deep, section, touched = region.deep, graph.section, work.touched
    for k in range(work.size[TOUCHED]):
        if deep[section[touched[k]]] == 0:
            region.size[EDGE] = 1
            return


@kernel
def load_faces(
    graph: Graph, state: State, work: Work, levels: Levels, region: Near, tip: int
) -> float:
    """Links and holds of the finest level, and what is left over; conductance around the tip."""
    faces, owner, neighbour, slot = region.faces, region.owner, region.neighbour, region.slot
    conductance, drive, role, diode = work.conductance, work.drive, work.role, state.diode
    strength, hold, pressure, unit = levels.strength, levels.hold, region.pressure, region.unit
    left, other = region.left[0], region.left[1]
    far, terminal_pressure, leak = graph.neighbour, graph.terminal_pressure, graph.leak
    front = region.front
    n = len(graph.volume)
    fronts = 0
    left[:] = 0.0
    other[:] = 0.0
    hold[: len(pressure)] = 0.0
    around_tip = 0.0
    for k in range(region.size[FACES]):
        f = faces[k]
        g = conductance[f]
        if g > 0.0 and role[f] != 0:
            if role[f] != HELD:
                front[fronts] = k
                fronts += 1
            if role[f] == HELD or diode[f] == 0:
                g = min(g * SHUT_LEAK, leak[f])
        i = owner[k]
        j = neighbour[k]
        if j >= 0:
            strength[slot[k, 0]] = g
            strength[slot[k, 1]] = g
            flow = g * (pressure[i] - pressure[j] + drive[f])
            left[i] -= flow
            left[j] += flow
            flow = g * (unit[i] - unit[j])
            other[i] -= flow
            other[j] += flow
        else:
            hold[i] += g
            left[i] -= g * (pressure[i] - terminal_pressure[far[f] - n] + drive[f])
            other[i] -= g * unit[i]
        if i == tip or j == tip:
            around_tip += g
    region.size[FRONTS] = fronts
    return around_tip


@kernel
def load_links(state: State, levels: Levels, region: Near) -> None:
    """Add what sleeps behind the ports whose blood has a way out."""
    slot, ends, port = region.link_slot, region.link_ends, region.port
    strength, pressure, unit, drains = levels.strength, region.pressure, region.unit, state.drains
    left, other = region.left[0], region.left[1]
    first = len(pressure) - len(port)
    for p in range(len(port)):
        if drains[port[p]] == 1:
            i = first + p
            levels.hold[i] += region.port_hold[p]
            left[i] += region.port_drive[p] - region.port_hold[p] * pressure[i]
            other[i] -= region.port_hold[p] * unit[i]
    for k in range(len(slot)):
        g = region.link_strength[k]
        if drains[port[ends[k, 0]]] == 0 or drains[port[ends[k, 1]]] == 0:
            g = 0.0
        strength[slot[k, 0]] = g
        strength[slot[k, 1]] = g
        i = first + ends[k, 0]
        j = first + ends[k, 1]
        flow = g * (pressure[i] - pressure[j])
        left[i] -= flow
        left[j] += flow
        flow = g * (unit[i] - unit[j])
        other[i] -= flow
        other[j] += flow


@kernel
def find_body(state: State, plan: Levels, region: Near) -> None:
    """The cast is a body: where its fronts hold, it hangs on the catheter only, or on leaks."""
    cell, body = region.cell, plan.body
    for i in range(region.size[AWAKE]):
        body[i] = state.full[cell[i]] == 1 and plan.inverse[i] > 0.0
    plan.body_hold[0] = times(plan, 0, body, plan.body_image, body)[0]


@kernel
def load(
    graph: Graph,
    state: State,
    work: Work,
    plan: Levels,
    region: Near,
    source: Source,
    tip: int,
    tip_open: bool,
) -> float:
    """Equations of the present diodes, and what the last pressures leave over of them.

    Returns the conductance of the catheter.
    """
    pressure, unit = region.pressure, region.unit
    for i in range(len(pressure)):
        pressure[i] += (source.hub_pressure - region.hub[0]) * unit[i]
    region.hub[0] = source.hub_pressure
    around_tip = load_faces(graph, state, work, plan, region, tip)
    load_links(state, plan, region)
    admittance = 1.0 / source.resistance
    if not tip_open:
        admittance = max(admittance * SHUT_LEAK, HELD_PIVOT * around_tip)
    plan.hold[tip] += admittance
    region.left[0, tip] += admittance * (source.hub_pressure - pressure[tip])
    region.left[1, tip] += admittance * (1.0 - unit[tip])
    refresh(plan)
    for i in range(len(pressure)):
        if plan.inverse[i] == 0.0:
            pressure[i] = 0.0
            unit[i] = 0.0
    find_body(state, plan, region)
    return admittance


@kernel
def switch(
    graph: Graph, state: State, work: Work, plan: Levels, region: Near, tolerance: float
) -> int:
    """Switch the diodes that the present pressures find wrong; return how many."""
    front, faces, owner, neighbour = region.front, region.faces, region.owner, region.neighbour
    conductance, drive, direction = work.conductance, work.drive, work.direction
    pressure, unit, left, slot = region.pressure, region.unit, region.left, region.slot
    diode, leak = state.diode, graph.leak
    switched = 0
    for e in range(region.size[FRONTS]):
        k = front[e]
        f = faces[k]
        i = owner[k]
        j = neighbour[k]
        if j < 0:
            continue
        push = pressure[i] - pressure[j] + drive[f]
        if diode[f] == 1 and direction[f] * push < -tolerance:
            diode[f] = 0
            g = min(conductance[f] * SHUT_LEAK, leak[f])
        elif diode[f] == 0 and direction[f] * push > tolerance:
            diode[f] = 1
            g = conductance[f]
        else:
            continue
        switched += 1
        more = g - plan.strength[slot[k, 0]]
        left[0, i] -= more * push
        left[0, j] += more * push
        left[1, i] -= more * (unit[i] - unit[j])
        left[1, j] += more * (unit[i] - unit[j])
        uneven = plan.body[i] - plan.body[j]
        plan.body_image[i] += more * uneven
        plan.body_image[j] -= more * uneven
        plan.body_hold[0] += more * uneven * uneven
        change_link(plan, i, j, slot[k, 0], slot[k, 1], g)
    return switched


@variant(foresee, Near)
@kernel
def settle(
    graph: Graph,
    state: State,
    work: Work,
    plan: Levels,
    region: Near,
    source: Source,
    tip: int,
) -> None:
    """`seam.foresee`: switch diodes after every turn, while pressures come near.

    Were all solved for before diodes switch, most would switch in vain: agent that has advanced by
    a cell has a little more pressure, until the first fronts give way.
    """
    pressure, left, scratch = region.pressure, region.left[0], region.scratch
    load(graph, state, work, plan, region, source, tip, True)
    region.size[KNOWN] = LOADED
    largest = 0.0
    for p in pressure:
        largest = max(largest, abs(p))
    tolerance = NOISE * largest
    goal = region.goal[0]
    scratch[:] = 0.0
    strength = 1.0
    for _ in range(MOST_FORESEEN):
        cycle(plan, left, scratch[0])
        energy = dot(scratch[0], left)
        if energy > 0.0:
            strength = advance(plan, left, pressure, scratch, strength)
        region.size[TURNS] += 1
        switched = switch(graph, state, work, plan, region, tolerance)
        if switched > 0:
            factorise(plan)
            scratch[1:] = 0.0
        if np.isnan(source.rate) and source.hub_pressure < pressure[tip]:
            return  # the catheter may have to close
        if switched == 0 and energy <= goal * goal:
            region.size[KNOWN] = SOLVED
            return


@variant(linear_solve, Near)
@kernel
def iterate(
    graph: Graph,
    state: State,
    work: Work,
    plan: Levels,
    region: Near,
    source: Source,
    tip: int,
    tip_open: bool,
) -> tuple[float, float]:
    """`seam.linear_solve` from the pressures of the last one.

    What is solved is the pressure at the present hub pressure; that for one Pa more only says how
    it will change, unless the rate is given. The tip's share u of it is off by at most
    sqrt(u / admittance) times the error's energy norm.
    """
    pressure, unit, base = region.pressure, region.unit, work.base
    admittance = 1.0 / source.resistance
    known = region.size[KNOWN] if tip_open else NOTHING
    region.size[KNOWN] = NOTHING
    if known == NOTHING:
        admittance = load(graph, state, work, plan, region, source, tip, tip_open)
    turns, done = 0, True
    if known != SOLVED:
        goal = region.goal[0]
        turns, done = improve(plan, region.left[0], pressure, region.scratch, goal, MOST_TURNS)
    if region.size[ASKED] == 0 or not np.isnan(source.rate):
        if np.isnan(source.rate):
            goal = SLOPE_EXACTNESS * np.sqrt(admittance)
        else:
            goal = region.goal[1] * admittance
        more, well = improve(plan, region.left[1], unit, region.scratch, goal, MOST_TURNS)
        turns += more
        done = done and well
        region.size[ASKED] = 1
    region.size[TURNS] += turns
    if turns > MANY_TURNS:
        region.size[STALE] = region.size[AWAKE]
    if not done:
        region.size[FAILED] = 1
    awake = region.size[AWAKE]
    for k in range(region.size[CELLS]):
        i = k if k < awake else region.beside[k - awake]
        base[k] = pressure[i] - source.hub_pressure * unit[i]
        work.unit[k] = unit[i]
    slope = max(0.0, admittance * (1.0 - unit[tip]))
    # so that the inflow is that of the pressures, whatever the error of the slope
    inflow = admittance * (source.hub_pressure - pressure[tip])
    return inflow - slope * source.hub_pressure, slope


@kernel
def share_out(graph: Graph, work: Work, count: int, factor: float) -> None:
    """Give all that receive agent `factor` times as much; what fills and hands on is among them."""
    receivers, rates, thread, stream = work.receivers, work.rate, work.thread, graph.stream
    for r in range(count):
        thread[stream[receivers[r]]] = 0.0
    for r in range(count):
        cell = receivers[r]
        rates[cell] *= factor
        thread[stream[cell]] += rates[cell]
    for t in range(len(work.terminal_rate)):
        work.terminal_rate[t] *= factor


@variant(hand_over, Near)
@kernel
def pass_on(
    graph: Graph,
    agent: Agent,
    state: State,
    work: Work,
    plan: Levels,
    region: Near,
    cell: int,
    inflow: float,
    count: int,
) -> tuple[int, bool]:
    """`seam.hand_over`; what flows into a cell that filled earlier in this step passes through it.

    A front of cubes advances unevenly, so that this happens all the time. The flow is that of a
    potential but for weight: between cells that are partly filled, it may go round, and comes back
    weaker by what left on the way. What would go through a gate that holds is turned
    aside, to the cell's other outflows or, where it has none, to all receivers; only when that adds
    up to a share of the inflow does it take a new solve, or when as large a share of the vein's
    blood is dammed up.
    """
    first, around, owner, neighbour = graph.first, graph.around, graph.owner, graph.neighbour
    flow, full, gate = state.flow, state.full, graph.gate
    broken, moved, gate_radius = state.broken, state.moved, graph.gate_radius
    queue, rates, turned = work.queue, work.rate, region.turned
    n = len(full)
    queue[0] = cell
    waiting = 1
    most = MOST_PASSES * work.size[FILLED]
    place = 0
    scattered = 0.0
    region.size[STALE] += 1
    while place < waiting:
        c = queue[place]
        place += 1
        rate = rates[c]
        rates[c] = 0.0
        work.thread[graph.stream[c]] -= rate
        if rate <= NEGLIGIBLE:
            scattered += rate
            continue
        if region.deep[graph.section[c]] == 0:
            region.size[EDGE] = 1
            return count, True
        least = 0.0
        for e in range(first[c], first[c + 1]):
            f = around[e]
            q = flow[f] if owner[f] == c else -flow[f]
            least = max(least, NO_FLOW * q)
        for e in range(first[c], first[c + 1]):
            f = around[e]
            q = flow[f] if owner[f] == c else -flow[f]
            far = owner[f] + neighbour[f] - c
            g = gate[f]
            if far < n and full[far] == 1:
                continue
            # agent will go where blood went
            state.diode[f] = q > least
            if q > least and g >= 0 and broken[g] == 0:
                gives_way(graph, agent, state, c, f, far)
        # only now: one face may break the gate of another
        out = 0.0
        through = 0.0
        barred = 0.0
        for e in range(first[c], first[c + 1]):
            f = around[e]
            q = flow[f] if owner[f] == c else -flow[f]
            if q <= least:
                continue
            through += q
            far = owner[f] + neighbour[f] - c
            g = gate[f]
            if far < n and full[far] == 1:
                out += q
            elif g < 0 or broken[g] == 0:
                barred += q
            else:
                moved[g] += gate_radius[g]
                out += q
        aside = rate if out <= 0.0 else rate * barred / (barred + out)
        turned[TURNED] += aside
        lost = through - rate * inflow
        dam = False
        # only what has just filled: cells that agent passes through again are dams already
        if place == 1 and lost > inflow:
            turned[DAMMED] += lost
            dam = turned[DAMMED] > turned[DAMMED_LIMIT] * graph.rest_flow[c]
            dam = dam or lost > MOST_OF_VEIN * graph.rest_flow[c]
        no_room = place > most or waiting + first[c + 1] - first[c] > n
        if dam or no_room or turned[TURNED] > turned[TURNED_LIMIT]:
            return count, True
        if out <= 0.0:
            share_out(graph, work, count, 1.0 / (1.0 - rate))
            continue
        for e in range(first[c], first[c + 1]):
            f = around[e]
            q = flow[f] if owner[f] == c else -flow[f]
            if q <= least:
                continue
            far = owner[f] + neighbour[f] - c
            if (far >= n or full[far] == 0) and (gate[f] < 0 or broken[gate[f]] == 0):
                continue
            share = rate * q / out
            if far >= n:
                work.terminal_rate[far - n] += share
            elif full[far] == 1:
                if rates[far] == 0.0:
                    queue[waiting] = far
                    waiting += 1
                rates[far] += share
                work.thread[graph.stream[far]] += share
            else:
                count = receive(graph, state, work, far, share, count)
    if scattered > 0.0:
        share_out(graph, work, count, 1.0 / (1.0 - scattered))
    return count, False
