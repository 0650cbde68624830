"""The event queue of one step: frozen fluxes fill cells, cell after cell.

Volume, not time, is the clock here. The solver's fluxes only give fractions, normalised to
one, so that the volume balance does not hang on the solver's residual.
"""

import numpy as np

from castsim.kernels.arrays import Agent, FlagArray, FloatArray, Graph, State
from castsim.kernels.elimination import Elimination
from castsim.kernels.laws import burst_pressure
from castsim.kernels.pressure import FILLED, GATES, TOUCHED, Work
from castsim.kernels.region import NEEDED_RINGS, Region, reveal_flows
from castsim.kernels.seam import Plan, Solved, hand_over, variant
from geometry.kernels.compiling import kernel, law

FRESH = 2
"""`state.reached` of a gate touched within the present step, until its age is known."""
NO_FLOW = 1e-6
"""Of a cell's largest outflow: less may be round-off of a face in which nothing flows."""


@law
def receive(graph: Graph, state: State, work: Work, cell: int, rate: float, count: int) -> int:
    """Let `cell` take `rate` more of the injected volume; return the new number of receivers."""
    if work.receives[cell] == 0:
        work.receives[cell] = 1
        work.receivers[count] = cell
        work.added[cell] = 0.0
        work.before[cell] = state.agent_volume[cell]
        count += 1
        if work.known[cell] == 0:
            work.known[cell] = 1
            work.touched[work.size[TOUCHED]] = cell
            work.size[TOUCHED] += 1
    work.rate[cell] += rate
    work.thread[graph.stream[cell]] += rate
    return count


@kernel
def touch_gates(graph: Graph, state: State, work: Work, cell: int, at: float) -> None:
    """Agent fills `cell` and so meets the gates of its faces."""
    first, around, owner, neighbour = graph.first, graph.around, graph.owner, graph.neighbour
    gate, reached, full, window = graph.gate, state.reached, state.full, state.window
    gates, size = work.gates, work.size
    n = len(full)
    for e in range(first[cell], first[cell + 1]):
        f = around[e]
        g = gate[f]
        if g < 0 or reached[g] != 0:
            continue
        far = owner[f] + neighbour[f] - cell
        if far >= n or full[far] == 0:
            reached[g] = FRESH
            window[g] = at
            gates[size[GATES]] = g
            size[GATES] += 1


@kernel
def gives_way(graph: Graph, agent: Agent, state: State, cell: int, face: int, far: int) -> bool:
    """Break an untouched gate if it gives way at once to the pressure that drives the flow."""
    n = len(graph.volume)
    g = graph.gate[face]
    far_pressure = graph.terminal_pressure[far - n] if far >= n else state.pressure[far]
    push = state.pressure[cell] + graph.face_weight[face] - graph.cell_weight[cell] - far_pressure
    burst = burst_pressure(
        graph.gate_radius[g],
        graph.gate_disorder[g],
        state.skin[g],
        agent.tension,
        agent.skin_yield,
    )
    if push <= burst:
        return False
    state.broken[g] = 1
    state.age[g] = 0.0
    state.skin[g] = 0.0
    state.moved[g] = 0.0
    state.window[g] = 0.0
    state.reached[g] = 1
    return True


@variant(hand_over, Region)
@kernel
def hand_on(
    graph: Graph,
    agent: Agent,
    state: State,
    work: Work,
    plan: Elimination,
    region: Region,
    cell: int,
    inflow: float,
    count: int,
) -> tuple[int, bool]:
    """`seam.hand_over`; where an outflow goes to a cell that is full by now, solve again."""
    first, around, owner, neighbour = graph.first, graph.around, graph.owner, graph.neighbour
    flow, full, gate = state.flow, state.full, graph.gate
    broken, moved, gate_radius = state.broken, state.moved, graph.gate_radius
    n = len(full)
    if region.ring[cell] < NEEDED_RINGS:
        reveal_flows(graph, state, plan, region, cell)
        for e in range(first[cell], first[cell + 1]):
            far = owner[around[e]] + neighbour[around[e]] - cell
            if far < n:
                reveal_flows(graph, state, plan, region, far)
    least = 0.0
    for e in range(first[cell], first[cell + 1]):
        f = around[e]
        q = flow[f] if owner[f] == cell else -flow[f]
        least = max(least, NO_FLOW * q)
    out = 0.0
    through = 0.0
    held = False
    for e in range(first[cell], first[cell + 1]):
        f = around[e]
        q = flow[f] if owner[f] == cell else -flow[f]
        if q <= least:
            continue
        through += q
        far = owner[f] + neighbour[f] - cell
        g = gate[f]
        if g < 0 or (far < n and full[far] == 1):
            held = True
            continue
        if broken[g] == 0 and not gives_way(graph, agent, state, cell, f, far):
            held = True
            continue
        moved[g] += gate_radius[g]
        out += q
    rate = work.rate[cell]
    work.rate[cell] = 0.0
    work.thread[graph.stream[cell]] -= rate
    if held or out <= 0.0 or through - rate * inflow > inflow:
        return count, True
    for e in range(first[cell], first[cell + 1]):
        f = around[e]
        q = flow[f] if owner[f] == cell else -flow[f]
        if q <= least:
            continue
        far = owner[f] + neighbour[f] - cell
        if far >= n:
            work.terminal_rate[far - n] += rate * q / out
        else:
            count = receive(graph, state, work, far, rate * q / out, count)
    return count, False


@kernel
def fill(
    graph: Graph,
    agent: Agent,
    state: State,
    work: Work,
    plan: Plan,
    region: Solved,
    tip: int,
    inflow: float,
    specials: int,
    injected: float,
    volume: float,
) -> tuple[float, int]:
    """Distribute up to `volume` (mm3) of agent; return what went in and the number of receivers.

    It stops early, so that a new solve follows, when a newly reached gate holds, or when a
    filled cell carried more blood than the tip delivers (a dam). 0 means that no front is open.
    """
    n = len(graph.volume)
    owner, neighbour, flow = graph.owner, graph.neighbour, state.flow
    special, front = work.special, work.front
    work.terminal_rate[:] = 0.0
    work.size[FILLED] = 0
    count = 0
    if state.full[tip] == 0:
        count = receive(graph, state, work, tip, 1.0, count)
    else:
        total = 0.0
        for e in range(specials):
            f = special[e]
            if front[f] != 0:
                total += abs(flow[f])
        if total <= 0.0:
            return 0.0, 0
        for e in range(specials):
            f = special[e]
            if front[f] == 0 or flow[f] == 0.0:
                continue
            share = abs(flow[f]) / total
            far = neighbour[f] if front[f] > 0 else owner[f]
            if far >= n:
                work.terminal_rate[far - n] += share
            else:
                count = receive(graph, state, work, far, share, count)
    done = 0.0
    again = False
    receivers, rates, added = work.receivers, work.rate, work.added
    agent_volume, cell_volume, swept = state.agent_volume, graph.volume, state.swept
    rest_flow, terminal_rate, terminal_out = graph.rest_flow, work.terminal_rate, state.terminal_out
    stream, thread = graph.stream, work.thread
    first_volume, first_swept = state.first_volume, state.first_swept
    carried = agent.sweep_ratio * inflow
    while not again:
        step = volume - done
        filled = -1
        for r in range(count):
            cell = receivers[r]
            rate = rates[cell]
            if rate <= 0.0:
                continue
            if rest_flow[cell] >= carried * thread[stream[cell]]:
                first_swept[cell] = min(first_swept[cell], injected + done)
                continue
            first_volume[cell] = min(first_volume[cell], injected + done)
            need = (cell_volume[cell] - agent_volume[cell]) / rate
            if need < step:
                step = need
                filled = cell
        step = max(step, 0.0)
        for r in range(count):
            cell = receivers[r]
            rate = rates[cell]
            if rate <= 0.0:
                continue
            if rest_flow[cell] >= carried * thread[stream[cell]]:
                swept[cell] += rate * step
            else:
                agent_volume[cell] += rate * step
                added[cell] += rate * step
        for t in range(len(terminal_rate)):
            terminal_out[t] += terminal_rate[t] * step
        done += step
        if filled < 0:
            break
        agent_volume[filled] = cell_volume[filled]
        state.full[filled] = 1
        work.filled[work.size[FILLED]] = filled
        work.size[FILLED] += 1
        state.full_volume[filled] = injected + done
        touch_gates(graph, state, work, filled, done)
        count, again = hand_over(graph, agent, state, work, plan, region, filled, inflow, count)
    for r in range(count):
        work.rate[work.receivers[r]] = 0.0
        work.thread[stream[work.receivers[r]]] = 0.0
        work.receives[work.receivers[r]] = 0
    return done, count


@kernel
def stamp_times(
    state: State, work: Work, count: int, injected: float, done: float, time: float, dt: float
) -> None:
    """Times of what this step reached and filled, by their share of the step's volume."""
    per_volume = dt / done if done > 0.0 else 0.0
    for r in range(count):
        cell = work.receivers[r]
        if np.isinf(state.first_time[cell]) and not np.isinf(state.first_volume[cell]):
            state.first_time[cell] = time + (state.first_volume[cell] - injected) * per_volume
        if np.isinf(state.full_time[cell]) and state.full[cell] == 1:
            state.full_time[cell] = time + (state.full_volume[cell] - injected) * per_volume
    place = work.size[GATES]
    # the fresh ones are the last of the list
    while place > 0:
        place -= 1
        g = work.gates[place]
        if state.reached[g] == FRESH:
            state.reached[g] = 1
            # age is counted from the step's start by the caller: subtract the wait
            state.age[g] = -state.window[g] * per_volume
            state.skin[g] = 0.0
            state.moved[g] = 0.0
            state.window[g] = 0.0


@kernel
def tally(
    graph: Graph,
    state: State,
    work: Work,
    azygos: FlagArray,
    azygos_fraction: FloatArray,
    hazard: FlagArray,
) -> tuple[float, float, float, float]:
    """Agent that entered the azygos system, was carried off, left by terminals, and by hazards."""
    agent_volume, swept, torn = state.agent_volume, state.swept, state.torn
    touched, terminal_out, owner = work.touched, state.terminal_out, graph.owner
    entered = 0.0
    lost = 0.0
    for k in range(work.size[TOUCHED]):
        c = touched[k]
        gone = swept[c] + torn[c]
        lost += gone
        entered += gone * azygos_fraction[c]
        if azygos[c] == 1:
            entered += agent_volume[c]
    out = 0.0
    intradural = 0.0
    first = len(owner) - len(hazard)
    for t in range(len(hazard)):
        gone = terminal_out[t]
        if gone > 0.0:
            out += gone
            if azygos[owner[first + t]] == 1:
                entered += gone
            if hazard[t] == 1:
                intradural += gone
    return entered, lost, out, intradural
