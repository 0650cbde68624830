"""One pressure solve: fluxes, diodes, and the gates that open.

Agent, blood, fronts and the catheter are one symmetric linear system. Fronts and valves are
diodes; with them it is a convex complementarity problem with an M-matrix, solved by switching all
wrong diodes at once and, should that cycle, one by one in order of their index (Murty's rule,
which ends).
"""

from typing import NamedTuple

import numba as nb
import numpy as np

from castsim.kernels.arrays import Agent, FloatArray, Graph, IntArray, Source, State
from castsim.kernels.connectivity import face_law
from castsim.kernels.factor import Pattern, factorise, substitute
from castsim.kernels.laws import burst_pressure

CLOSED_LEAK = 1e-11
"""Share of its conductance left to a closed diode in the matrix, so that nothing floats; its flow
is zero."""
ROUND_OFF = 1e-13
"""Of the largest pressure: drives below it are noise."""
SWITCH_ALL = 12
"""Rounds in which all wrong diodes switch at once, before one at a time."""
HELD = 2
"""Role of a front face whose gate is unbroken."""


class Work(NamedTuple):
    """Scratch arrays, allocated once."""

    conductance: FloatArray  # (m,)
    drive: FloatArray  # (m,) Pa
    role: IntArray  # (m,) 0 free, 1 diode, 2 held by its gate
    direction: IntArray  # (m,)
    front: IntArray  # (m,) +1 owner is full, -1 neighbour is, 0 no front
    special: IntArray  # (m,) list of the faces with a role
    diagonal: FloatArray  # (n,) by rank
    entries: FloatArray  # (nnz,)
    base: FloatArray  # (n,) by rank, pressures with the hub at zero
    unit: FloatArray  # (n,) by rank, pressures for one Pa at the hub
    rate: FloatArray  # (n,) agent inflow of receiving cells per volume injected
    added: FloatArray  # (n,) mm3 received in this step
    before: FloatArray  # (n,) mm3 of agent before this step
    mixed: FloatArray  # (n,) flow-weighted gel number of the inflow
    inflow: FloatArray  # (n,) mm3/s
    receivers: IntArray  # (n,) cells that received agent in this step, in order
    terminal_rate: FloatArray  # (t,) per volume injected
    degree: IntArray  # (n,)
    stack: IntArray  # (n,)
    value: FloatArray  # (n,)


class Solution(NamedTuple):
    """What a solve found, besides state.pressure and state.flow."""

    inflow: float  # mm3/s out of the tip
    intercept: float  # inflow = intercept + slope * hub pressure
    slope: float
    hub_pressure: float  # Pa
    tip_pressure: float  # Pa, reduced
    burst_pressure: float  # Pa at the tip at which a closed cast opened; -inf: none did
    next_burst: float  # Pa at the tip that would open the weakest held gate of a closed cast
    specials: int  # faces listed in work.special
    broken: int  # gates that broke
    solves: int
    converged: bool


@nb.njit(cache=True)
def classify(graph: Graph, agent: Agent, state: State, work: Work) -> int:
    """Law of every face in the present state; list those with a role; return how many."""
    count = 0
    for f in range(len(graph.owner)):
        conductance, drive, role, direction, front = face_law(graph, agent, state, f)
        if role == 1 and front != 0 and state.broken[graph.gate[f]] == 0:
            role = HELD
        work.conductance[f] = conductance
        work.drive[f] = drive
        work.role[f] = role
        work.direction[f] = direction
        work.front[f] = front
        if role != 0:
            work.special[count] = f
            count += 1
    return count


@nb.njit(cache=True)
def linear_solve(
    graph: Graph, state: State, work: Work, pattern: Pattern, source: Source, tip_open: bool
) -> tuple[float, float]:
    """Assemble and solve with the present diodes; return intercept and slope of the inflow."""
    n = len(graph.volume)
    work.diagonal[:] = 0.0
    work.entries[:] = 0.0
    work.base[:] = 0.0
    work.unit[:] = 0.0
    for f in range(len(graph.owner)):
        g = work.conductance[f]
        if g == 0.0:
            continue
        role = work.role[f]
        if role != 0 and (role == HELD or state.diode[f] == 0):
            g = min(g * CLOSED_LEAK, graph.leak[f])
        i = pattern.rank[graph.owner[f]]
        push = g * work.drive[f]
        work.diagonal[i] += g
        work.base[i] -= push
        j = graph.neighbour[f]
        if j < n:
            rank = pattern.rank[j]
            work.diagonal[rank] += g
            work.base[rank] += push
            work.entries[pattern.face_entry[f]] -= g
        else:
            work.base[i] += g * graph.terminal_pressure[j - n]
    tip = pattern.rank[source.tip]
    admittance = 1.0 / source.resistance
    if not tip_open:
        admittance *= CLOSED_LEAK
    work.diagonal[tip] += admittance
    work.unit[tip] = admittance
    for i in range(n):
        if work.diagonal[i] == 0.0:
            work.diagonal[i] = 1.0
    factorise(pattern, work.diagonal, work.entries)
    substitute(pattern, work.diagonal, work.entries, work.base)
    substitute(pattern, work.diagonal, work.entries, work.unit)
    return -work.base[tip] * admittance, admittance * (1.0 - work.unit[tip])


@nb.njit(cache=True)
def solve_diodes(
    graph: Graph, state: State, work: Work, pattern: Pattern, source: Source, specials: int
) -> tuple[float, float, float, float, int, bool]:
    """Pressures with every diode consistent: (inflow, intercept, slope, hub, solves, converged)."""
    n = len(graph.volume)
    tip_open = True
    inflow = 0.0
    intercept = 0.0
    slope = 0.0
    hub = source.hub_pressure
    limit = SWITCH_ALL + 4 * specials + 8
    for turn in range(limit):
        intercept, slope = linear_solve(graph, state, work, pattern, source, tip_open)
        if not np.isnan(source.rate):
            hub = (source.rate - intercept) / slope if slope > 0.0 else source.limit
            hub = min(hub, source.limit)
        inflow = intercept + slope * hub
        largest = 0.0
        for i in range(n):
            p = work.base[pattern.rank[i]] + hub * work.unit[pattern.rank[i]]
            state.pressure[i] = p
            largest = max(largest, abs(p))
        tolerance = ROUND_OFF * largest
        changed = False
        wanted_tip = tip_open
        if tip_open and inflow < -tolerance * slope:
            wanted_tip = False
        elif not tip_open and hub - state.pressure[source.tip] > tolerance:
            wanted_tip = True
        if wanted_tip != tip_open and turn < SWITCH_ALL:
            tip_open = wanted_tip
            changed = True
        for e in range(specials):
            f = work.special[e]
            if work.role[f] == HELD or work.conductance[f] == 0.0:
                continue
            j = graph.neighbour[f]
            far = state.pressure[j] if j < n else graph.terminal_pressure[j - n]
            push = work.direction[f] * (state.pressure[graph.owner[f]] - far + work.drive[f])
            if state.diode[f] == 1 and push < -tolerance:
                state.diode[f] = 0
                changed = True
            elif state.diode[f] == 0 and push > tolerance:
                state.diode[f] = 1
                changed = True
            if changed and turn >= SWITCH_ALL:
                break
        if not changed:
            if not tip_open:
                inflow = 0.0
            return inflow, intercept, slope, hub, turn + 1, True
    return inflow, intercept, slope, hub, limit, False


@nb.njit(cache=True)
def weakest_gate(
    graph: Graph, agent: Agent, state: State, work: Work, source: Source, specials: int
) -> tuple[int, float, float]:
    """Most overdriven held gate, and what the tip must give to open the weakest.

    Returns
    -------
    gate : the gate whose drive passes its burst pressure the most, -1: none
    needed : Pa at the tip that opens that gate if the cast does not flow
    next_needed : Pa, the least of these over all held gates; inf: nothing is held
    """
    n = len(graph.volume)
    best = -1
    best_excess = 0.0
    best_burst = 0.0
    needed = np.inf
    next_needed = np.inf
    tip_weight = graph.cell_weight[source.tip]
    for e in range(specials):
        f = work.special[e]
        if work.role[f] != HELD:
            continue
        g = graph.gate[f]
        j = graph.neighbour[f]
        near = graph.owner[f]
        far = state.pressure[j] if j < n else graph.terminal_pressure[j - n]
        push = work.direction[f] * (state.pressure[near] - far + work.drive[f])
        blood = far
        if work.front[f] < 0:
            blood = state.pressure[near]
            near = j
        burst = burst_pressure(
            graph.gate_radius[g],
            graph.gate_disorder[g],
            state.skin[g],
            agent.tension,
            agent.skin_yield,
        )
        # agent at rest: P - weight is the same everywhere, so the tip needs
        at_tip = blood - work.direction[f] * work.drive[f] + burst
        at_tip += tip_weight - graph.cell_weight[near]
        next_needed = min(next_needed, at_tip)
        excess = push - burst
        if excess > best_excess or (
            excess == best_excess and best >= 0 and (burst, g) < (best_burst, best)
        ):
            best = g
            best_excess = excess
            best_burst = burst
            needed = at_tip
    return best, needed, next_needed


@nb.njit(cache=True)
def solve(
    graph: Graph, agent: Agent, state: State, work: Work, pattern: Pattern, source: Source
) -> Solution:
    """Pressures and flows of the present state; opens the gates that are overdriven.

    `state.fed` and `state.drains` must be up to date. Breaking is monotone within one call, so
    it ends after at most as many rounds as there are gates.
    """
    n = len(graph.volume)
    specials = classify(graph, agent, state, work)
    solves = 0
    broken = 0
    burst_at_tip = -np.inf
    inflow = 0.0
    intercept = 0.0
    slope = 0.0
    hub = 0.0
    next_needed = np.inf
    converged = True
    for _ in range(len(graph.gate_radius) + 1):
        inflow, intercept, slope, hub, count, converged = solve_diodes(
            graph, state, work, pattern, source, specials
        )
        solves += count
        if not converged:
            break
        gate, needed, next_needed = weakest_gate(graph, agent, state, work, source, specials)
        if gate < 0:
            break
        flowing = False
        for e in range(specials):
            f = work.special[e]
            if work.role[f] == 1 and work.front[f] != 0 and state.diode[f] == 1:
                flowing = True
        if not flowing:
            burst_at_tip = max(burst_at_tip, needed)
        state.broken[gate] = 1
        state.age[gate] = 0.0
        state.skin[gate] = 0.0
        state.moved[gate] = 0.0
        state.window[gate] = 0.0
        broken += 1
        for e in range(graph.gate_first[gate], graph.gate_first[gate + 1]):
            f = graph.gate_faces[e]
            if work.role[f] == HELD:
                work.role[f] = 1
                state.diode[f] = 1
    for f in range(len(graph.owner)):
        g = work.conductance[f]
        role = work.role[f]
        if g == 0.0 or role == HELD or (role == 1 and state.diode[f] == 0):
            state.flow[f] = 0.0
            continue
        j = graph.neighbour[f]
        far = state.pressure[j] if j < n else graph.terminal_pressure[j - n]
        q = g * (state.pressure[graph.owner[f]] - far + work.drive[f])
        if role == 1 and q * work.direction[f] < 0.0:
            q = 0.0
        state.flow[f] = q
    return Solution(
        inflow,
        intercept,
        slope,
        hub,
        state.pressure[source.tip],
        burst_at_tip,
        next_needed,
        specials,
        broken,
        solves,
        converged,
    )


def scratch(n: int, m: int, t: int, entries: int) -> Work:
    """Scratch arrays for `n` cells, `m` faces, `t` terminals and `entries` of L."""

    def floats(size: int) -> FloatArray:
        return np.zeros(size)

    def ints(size: int) -> IntArray:
        return np.zeros(size, dtype=np.int64)

    return Work(
        conductance=floats(m),
        drive=floats(m),
        role=ints(m),
        direction=ints(m),
        front=ints(m),
        special=ints(m),
        diagonal=floats(n),
        entries=floats(entries),
        base=floats(n),
        unit=floats(n),
        rate=floats(n),
        added=floats(n),
        before=floats(n),
        mixed=floats(n),
        inflow=floats(n),
        receivers=ints(n),
        terminal_rate=floats(t),
        degree=ints(n),
        stack=ints(n + 1),
        value=floats(n),
    )
