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
from castsim.kernels.connectivity import end_viscosity
from castsim.kernels.factor import Pattern, factorise, substitute
from castsim.kernels.laws import burst_pressure

CLOSED_LEAK = 1e-11
"""Share of its conductance left to a closed diode in the matrix, so that nothing floats; its flow
is zero."""
ROUND_OFF = 1e-13
"""Of the largest pressure: drives below it are noise."""
LARGEST_ROUND_OFF = 1e-9
"""Noise at most: ten times more whenever diodes have switched in vain for a while."""
HELD_PIVOT = 1e-12
"""Of the tip's own conductance: what joins it to a closed catheter, so that no cast floats."""
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
    next_burst: float  # Pa at the tip that would open the weakest front of a closed cast
    specials: int  # faces listed in work.special
    broken: int  # gates that broke
    solves: int
    converged: bool


@nb.njit(cache=True)
def classify(graph: Graph, agent: Agent, state: State, work: Work) -> int:
    """Law of every face in the present state; list those with a role; return how many.

    Q = conductance (P_owner - P_neighbour + drive), owner to neighbour, with the weight drive
    s (w_face - w_cell) of each end by its share s of agent. Full cells that are not fed and blood
    that does not drain take no part. A front (full to not full) is a diode for agent towards
    blood only; a valve is one too, and stays shut to a front on its wrong side.
    """
    owner, neighbour, valve, gate = graph.owner, graph.neighbour, graph.valve, graph.gate
    half_owner, half_neighbour, extra = graph.half_owner, graph.half_neighbour, graph.extra
    face_weight, cell_weight, volume = graph.face_weight, graph.cell_weight, graph.volume
    blood, annular, at_rest = graph.blood_viscosity, graph.annular, graph.blood_conductance
    agent_volume, full, gel = state.agent_volume, state.full, state.gel
    fed, drains, broken = state.fed, state.drains, state.broken
    out_conductance, out_drive, out_role = work.conductance, work.drive, work.role
    out_direction, out_front, special = work.direction, work.front, work.special
    viscosity = agent.viscosity
    n = len(volume)
    count = 0
    for f in range(len(owner)):
        i = owner[f]
        j = neighbour[f]
        inner = j < n
        out_conductance[f] = 0.0
        out_drive[f] = 0.0
        out_role[f] = 0
        out_front[f] = 0
        i_full = full[i] == 1
        j_full = inner and full[j] == 1
        if (fed[i] if i_full else drains[i]) == 0:
            continue
        if inner and (fed[j] if j_full else drains[j]) == 0:
            continue
        if agent_volume[i] == 0.0 and (not inner or agent_volume[j] == 0.0):
            out_conductance[f] = at_rest[f]
        else:
            front = 0
            if i_full and not j_full:
                front = 1
            elif j_full and not i_full:
                front = -1
            if (i_full or j_full) and gate[f] < 0:
                continue
            if front != 0 and valve[f] != 0 and valve[f] != front:
                continue
            share = agent_volume[i] / volume[i]
            mu = end_viscosity(
                share, i_full or front == -1, gel[i], annular[i], viscosity, blood[i]
            )
            if mu < 0.0:
                continue
            resistance = half_owner[f] * mu + extra[f]
            drive = share * (face_weight[f] - cell_weight[i])
            if inner:
                share = agent_volume[j] / volume[j]
                mu = end_viscosity(
                    share, j_full or front == 1, gel[j], annular[j], viscosity, blood[j]
                )
                if mu < 0.0:
                    continue
                resistance += half_neighbour[f] * mu
                drive += share * (cell_weight[j] - face_weight[f])
            out_conductance[f] = 1.0 / resistance
            out_drive[f] = drive
            if front != 0:
                out_front[f] = front
                out_direction[f] = front
                out_role[f] = 1 if broken[gate[f]] == 1 else HELD
        if out_role[f] == 0 and valve[f] != 0:
            out_role[f] = 1
            out_direction[f] = valve[f]
        if out_role[f] != 0:
            special[count] = f
            count += 1
    return count


@nb.njit(cache=True)
def linear_solve(
    graph: Graph, state: State, work: Work, pattern: Pattern, source: Source, tip_open: bool
) -> tuple[float, float]:
    """Assemble and solve with the present diodes; return intercept and slope of the inflow."""
    owner, neighbour, rank = graph.owner, graph.neighbour, pattern.rank
    conductance, drive, role, diode = work.conductance, work.drive, work.role, state.diode
    diagonal, entries, base, unit = work.diagonal, work.entries, work.base, work.unit
    face_entry, terminal_pressure = pattern.face_entry, graph.terminal_pressure
    leak = graph.leak
    n = len(diagonal)
    diagonal[:] = 0.0
    entries[:] = 0.0
    base[:] = 0.0
    unit[:] = 0.0
    for f in range(len(owner)):
        g = conductance[f]
        if g == 0.0:
            continue
        if role[f] != 0 and (role[f] == HELD or diode[f] == 0):
            g = min(g * CLOSED_LEAK, leak[f])
        i = rank[owner[f]]
        push = g * drive[f]
        diagonal[i] += g
        base[i] -= push
        if neighbour[f] < n:
            j = rank[neighbour[f]]
            diagonal[j] += g
            base[j] += push
            entries[face_entry[f]] -= g
        else:
            base[i] += g * terminal_pressure[neighbour[f] - n]
    tip = rank[source.tip]
    admittance = 1.0 / source.resistance
    if not tip_open:
        admittance = max(admittance * CLOSED_LEAK, HELD_PIVOT * diagonal[tip])
    diagonal[tip] += admittance
    unit[tip] = admittance
    for i in range(n):
        if diagonal[i] == 0.0:
            diagonal[i] = 1.0
    work.value[:] = diagonal
    factorise(pattern, diagonal, entries, work.value)
    substitute(pattern, diagonal, entries, base, unit)
    return -base[tip] * admittance, max(0.0, admittance * (1.0 - unit[tip]))


@nb.njit(cache=True)
def solve_diodes(
    graph: Graph, state: State, work: Work, pattern: Pattern, source: Source, specials: int
) -> tuple[float, float, float, float, int, bool]:
    """Pressures with every diode consistent: (inflow, intercept, slope, hub, solves, converged)."""
    rank, base, unit, pressure = pattern.rank, work.base, work.unit, state.pressure
    n = len(pressure)
    tip_open = True
    inflow = 0.0
    intercept = 0.0
    slope = 0.0
    hub = source.hub_pressure
    limit = 5 * SWITCH_ALL + 4 * specials
    for turn in range(limit):
        intercept, slope = linear_solve(graph, state, work, pattern, source, tip_open)
        if not np.isnan(source.rate):
            hub = (source.rate - intercept) / slope if slope > 0.0 else source.limit
            hub = min(hub, source.limit)
        inflow = intercept + slope * hub
        largest = 0.0
        for i in range(n):
            p = base[rank[i]] + hub * unit[rank[i]]
            pressure[i] = p
            largest = max(largest, abs(p))
        noise = min(ROUND_OFF * 10.0 ** (turn // SWITCH_ALL), LARGEST_ROUND_OFF)
        tolerance = noise * largest
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
    next_needed : Pa, the least of these over all fronts, held or not; inf: there is none
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
        held = work.role[f] == HELD
        if not held and work.front[f] == 0:
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
        burst = 0.0  # an open front that blood holds back needs no more than its pressure
        if held:
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
        if not held:
            continue
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
def flows(graph: Graph, state: State, work: Work) -> None:
    """Flow of every face from the pressures; nothing through held gates and shut diodes."""
    owner, neighbour, pressure, flow = graph.owner, graph.neighbour, state.pressure, state.flow
    conductance, drive, role = work.conductance, work.drive, work.role
    direction, diode, terminal_pressure = work.direction, state.diode, graph.terminal_pressure
    n = len(pressure)
    for f in range(len(owner)):
        flow[f] = 0.0
        if conductance[f] == 0.0 or role[f] == HELD or (role[f] == 1 and diode[f] == 0):
            continue
        j = neighbour[f]
        far = pressure[j] if j < n else terminal_pressure[j - n]
        q = conductance[f] * (pressure[owner[f]] - far + drive[f])
        if role[f] == 0 or q * direction[f] > 0.0:
            flow[f] = q


@nb.njit(cache=True)
def solve(
    graph: Graph, agent: Agent, state: State, work: Work, pattern: Pattern, source: Source
) -> Solution:
    """Pressures and flows of the present state; opens the gates that are overdriven.

    `state.fed` and `state.drains` must be up to date. Breaking is monotone within one call, so
    it ends after at most as many rounds as there are gates.
    """
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
    flows(graph, state, work)
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
