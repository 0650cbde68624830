"""The event queue of one step: frozen fluxes fill cells, cell after cell.

Volume, not time, is the clock here. The solver's fluxes only give fractions, normalised to
one, so that the volume balance does not hang on the solver's residual.
"""

import numba as nb
import numpy as np

from castsim.kernels.arrays import Agent, FlagArray, FloatArray, Graph, State
from castsim.kernels.connectivity import other_end
from castsim.kernels.factor import Pattern
from castsim.kernels.laws import burst_pressure
from castsim.kernels.pressure import FILLED, GATES, TOUCHED, Work
from castsim.kernels.region import NEEDED_RINGS, Region, reveal_flows

FRESH = 2
"""`state.reached` of a gate touched within the present step, until its age is known."""
NO_FLOW = 1e-6
"""Of a cell's largest outflow: less may be round-off of a face in which nothing flows."""


@nb.njit(cache=True, nogil=True)
def receive(
    graph: Graph,
    agent: Agent,
    state: State,
    work: Work,
    cell: int,
    rate: float,
    inflow: float,
    at: float,
    count: int,
) -> int:
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
    if graph.rest_flow[cell] >= agent.sweep_ratio * work.rate[cell] * inflow:
        if state.first_swept[cell] > at:
            state.first_swept[cell] = at
    elif state.first_volume[cell] > at:
        state.first_volume[cell] = at
    return count


@nb.njit(cache=True, nogil=True)
def touch_gates(graph: Graph, state: State, work: Work, cell: int, at: float) -> None:
    """Agent fills `cell` and so meets the gates of its faces."""
    n = len(graph.volume)
    for e in range(graph.first[cell], graph.first[cell + 1]):
        f = graph.around[e]
        g = graph.gate[f]
        if g < 0 or state.reached[g] != 0:
            continue
        far = other_end(graph, f, cell)
        if far >= n or state.full[far] == 0:
            state.reached[g] = FRESH
            state.window[g] = at
            work.gates[work.size[GATES]] = g
            work.size[GATES] += 1


@nb.njit(cache=True, nogil=True)
def pass_on(
    graph: Graph,
    agent: Agent,
    state: State,
    work: Work,
    pattern: Pattern,
    region: Region,
    cell: int,
    inflow: float,
    at: float,
    count: int,
) -> tuple[int, bool]:
    """Hand a filled cell's inflow to its outflows; return receivers and whether to solve again."""
    n = len(graph.volume)
    if region.ring[cell] < NEEDED_RINGS:
        reveal_flows(graph, state, pattern, region, cell)
        for e in range(graph.first[cell], graph.first[cell + 1]):
            far = other_end(graph, graph.around[e], cell)
            if far < n:
                reveal_flows(graph, state, pattern, region, far)
    least = 0.0
    for e in range(graph.first[cell], graph.first[cell + 1]):
        f = graph.around[e]
        q = state.flow[f] if graph.owner[f] == cell else -state.flow[f]
        least = max(least, NO_FLOW * q)
    out = 0.0
    through = 0.0
    held = False
    for e in range(graph.first[cell], graph.first[cell + 1]):
        f = graph.around[e]
        q = state.flow[f] if graph.owner[f] == cell else -state.flow[f]
        if q <= least:
            continue
        through += q
        far = other_end(graph, f, cell)
        g = graph.gate[f]
        if g < 0 or (far < n and state.full[far] == 1):
            held = True
            continue
        if state.broken[g] == 0:
            # an untouched gate may give way at once to the pressure that drives the flow
            far_pressure = graph.terminal_pressure[far - n] if far >= n else state.pressure[far]
            push = state.pressure[cell] + graph.face_weight[f] - graph.cell_weight[cell]
            push -= far_pressure
            burst = burst_pressure(
                graph.gate_radius[g],
                graph.gate_disorder[g],
                state.skin[g],
                agent.tension,
                agent.skin_yield,
            )
            if push <= burst:
                held = True
                continue
            state.broken[g] = 1
            state.age[g] = 0.0
            state.skin[g] = 0.0
            state.moved[g] = 0.0
            state.window[g] = 0.0
            state.reached[g] = 1
        state.moved[g] += graph.gate_radius[g]
        out += q
    rate = work.rate[cell]
    work.rate[cell] = 0.0
    if held or out <= 0.0 or through - rate * inflow > inflow:
        return count, True
    for e in range(graph.first[cell], graph.first[cell + 1]):
        f = graph.around[e]
        q = state.flow[f] if graph.owner[f] == cell else -state.flow[f]
        if q <= least:
            continue
        far = other_end(graph, f, cell)
        if far >= n:
            work.terminal_rate[far - n] += rate * q / out
        else:
            count = receive(graph, agent, state, work, far, rate * q / out, inflow, at, count)
    return count, False


@nb.njit(cache=True, nogil=True)
def fill(
    graph: Graph,
    agent: Agent,
    state: State,
    work: Work,
    pattern: Pattern,
    region: Region,
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
    work.terminal_rate[:] = 0.0
    work.size[FILLED] = 0
    count = 0
    if state.full[tip] == 0:
        count = receive(graph, agent, state, work, tip, 1.0, inflow, injected, count)
    else:
        total = 0.0
        for e in range(specials):
            f = work.special[e]
            if work.front[f] != 0:
                total += abs(state.flow[f])
        if total <= 0.0:
            return 0.0, 0
        for e in range(specials):
            f = work.special[e]
            if work.front[f] == 0 or state.flow[f] == 0.0:
                continue
            share = abs(state.flow[f]) / total
            far = graph.neighbour[f] if work.front[f] > 0 else graph.owner[f]
            if far >= n:
                work.terminal_rate[far - n] += share
            else:
                count = receive(graph, agent, state, work, far, share, inflow, injected, count)
    done = 0.0
    again = False
    while not again:
        step = volume - done
        filled = -1
        for r in range(count):
            cell = work.receivers[r]
            rate = work.rate[cell]
            if rate <= 0.0 or graph.rest_flow[cell] >= agent.sweep_ratio * rate * inflow:
                continue
            need = (graph.volume[cell] - state.agent_volume[cell]) / rate
            if need < step:
                step = need
                filled = cell
        step = max(step, 0.0)
        for r in range(count):
            cell = work.receivers[r]
            rate = work.rate[cell]
            if rate <= 0.0:
                continue
            if graph.rest_flow[cell] >= agent.sweep_ratio * rate * inflow:
                state.swept[cell] += rate * step
            else:
                state.agent_volume[cell] += rate * step
                work.added[cell] += rate * step
        for t in range(len(work.terminal_rate)):
            state.terminal_out[t] += work.terminal_rate[t] * step
        done += step
        if filled < 0:
            break
        state.agent_volume[filled] = graph.volume[filled]
        state.full[filled] = 1
        work.filled[work.size[FILLED]] = filled
        work.size[FILLED] += 1
        state.full_volume[filled] = injected + done
        touch_gates(graph, state, work, filled, done)
        count, again = pass_on(
            graph, agent, state, work, pattern, region, filled, inflow, injected + done, count
        )
    for r in range(count):
        work.rate[work.receivers[r]] = 0.0
        work.receives[work.receivers[r]] = 0
    return done, count


@nb.njit(cache=True, nogil=True)
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


@nb.njit(cache=True, nogil=True)
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
