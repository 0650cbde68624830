"""One pressure solve: fluxes, diodes, and the gates that open.

Agent, blood, fronts and the catheter are one symmetric linear system. Fronts and valves are
diodes; with them it is a convex complementarity problem with an M-matrix, solved by switching all
wrong diodes at once and, should that cycle, one by one in order of their index (Murty's rule,
which ends).
"""

from typing import NamedTuple

import numpy as np

from castsim.kernels.arrays import Agent, FlagArray, FloatArray, Graph, IntArray, Source, State
from castsim.kernels.connectivity import end_viscosity
from castsim.kernels.elimination import Elimination
from castsim.kernels.heap import WAY, WayArray
from castsim.kernels.laws import burst_pressure
from castsim.kernels.region import (
    CELLS,
    FACES,
    Region,
    eliminate_region,
    hand_down,
    spread_both,
)
from castsim.kernels.seam import (
    Plan,
    Solved,
    foresee,
    linear_solve,
    noise,
    place_of,
    prepare,
    surrounded,
    variant,
)
from geometry.kernels.compiling import kernel, law

CLOSED_LEAK = 1e-11
"""Share of its conductance left to a closed diode in the matrix, so that nothing floats; its flow
is zero."""
HELD_PIVOT = 1e-12
"""Of the tip's own conductance: what joins it to a closed catheter, so that no cast floats."""
SWITCH_ALL = 12
"""Rounds in which all wrong diodes switch at once, before one at a time."""
HELD = 2
"""Role of a front face whose gate is unbroken."""


TOUCHED, GATES, FILLED, TORN = range(4)
"""Places of `Work.size`: how long the lists of that name are."""


class Work(NamedTuple):
    """Scratch arrays, allocated once, and lists of what a step must look at."""

    conductance: FloatArray  # (m,)
    drive: FloatArray  # (m,) Pa
    role: IntArray  # (m,) 0 free, 1 diode, 2 held by its gate
    direction: IntArray  # (m,)
    front: IntArray  # (m,) +1 owner is full, -1 neighbour is, 0 no front
    special: IntArray  # (m,) list of the faces with a role
    hold: FloatArray  # (n,) of the region's cells by number, as the next three
    inverse: FloatArray  # (n,)
    base: FloatArray  # (n,) pressures with the hub at zero
    unit: FloatArray  # (n,) pressures for one Pa at the hub
    entries: FloatArray  # (nnz,) of the region
    rate: FloatArray  # (n,) agent inflow of receiving cells per volume injected
    thread: FloatArray  # (n,) the same of all cells of a stream
    added: FloatArray  # (n,) mm3 received in this step
    before: FloatArray  # (n,) mm3 of agent before this step
    mixed: FloatArray  # (n,) flow-weighted gel number of the inflow
    inflow: FloatArray  # (n,) mm3/s
    receivers: IntArray  # (n,) cells that received agent in this step, in order
    receives: FlagArray  # (n,) 1: in that list
    terminal_rate: FloatArray  # (t,) per volume injected
    degree: IntArray  # (n,)
    current: FlagArray  # (n,) 1: its gel number is up to date
    stack: IntArray  # (n+1,)
    queue: IntArray  # (n,)
    best: FloatArray  # (n,) Pa, highest blood pressure that reaches a full cell
    come_from: IntArray  # (n,) by which cell
    heap: WayArray  # (n + around,) cells whose pressure waits to be handed on
    touched: IntArray  # (n,) cells that agent has entered, in order
    known: FlagArray  # (n,) 1: in that list
    gates: IntArray  # (g,) gates that agent has touched
    filled: IntArray  # (n,) cells that became full in this step, in order
    torn: IntArray  # (n,) cells that gave way in the last step
    torn_full: FloatArray  # (n,) mm3 injected when each of them had filled
    size: IntArray  # (4,) see TOUCHED, GATES, FILLED, TORN


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


@kernel
def classify(graph: Graph, agent: Agent, state: State, work: Work, region: Solved) -> int:
    """Law of the region's faces in the present state; list those with a role; return how many.

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
    faces = region.faces
    n = len(volume)
    count = 0
    for k in range(region.size[FACES]):
        f = faces[k]
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


@variant(linear_solve, Region)
@kernel
def solve_exactly(
    graph: Graph,
    state: State,
    work: Work,
    plan: Elimination,
    region: Region,
    source: Source,
    tip: int,
    tip_open: bool,
) -> tuple[float, float]:
    """`linear_solve` by elimination of the region."""
    faces, face_owner, face_neighbour = region.faces, region.face_owner, region.face_neighbour
    face_entry, column, row = region.face_entry, region.column, region.row
    conductance, drive, role, diode = work.conductance, work.drive, work.role, state.diode
    hold, inverse, entries = work.hold, work.inverse, work.entries
    base, unit = work.base, work.unit
    neighbour, terminal_pressure, leak = graph.neighbour, graph.terminal_pressure, graph.leak
    cells = region.size[CELLS]
    n = len(hold)
    hold[:cells] = region.hold[:cells]
    base[:cells] = region.right[:cells]
    unit[:cells] = 0.0
    entries[: column[cells]] = region.entries[: column[cells]]
    around_tip = 0.0
    for k in range(region.size[FACES]):
        f = faces[k]
        g = conductance[f]
        if g == 0.0:
            continue
        if role[f] != 0 and (role[f] == HELD or diode[f] == 0):
            g = min(g * CLOSED_LEAK, leak[f])
        i = face_owner[k]
        j = face_neighbour[k]
        push = g * drive[f]
        base[i] -= push
        if j >= 0:
            base[j] += push
            entries[face_entry[k]] += g
        else:
            hold[i] += g
            base[i] += g * terminal_pressure[neighbour[f] - n]
        if i == tip or j == tip:
            around_tip += g
    admittance = 1.0 / source.resistance
    if not tip_open:
        admittance = max(admittance * CLOSED_LEAK, HELD_PIVOT * around_tip)
    hold[tip] += admittance
    unit[tip] = admittance
    eliminate_region(region, entries, hold, inverse)
    hand_down(0, cells, column, row, entries, base)
    hand_down(tip, cells, column, row, entries, unit)
    spread_both(cells, column, row, entries, inverse, base, unit)
    return -base[tip] * admittance, max(0.0, admittance * (1.0 - unit[tip]))


@kernel
def solve_diodes(
    graph: Graph,
    state: State,
    work: Work,
    plan: Plan,
    region: Solved,
    source: Source,
    specials: int,
) -> tuple[float, float, float, float, int, bool]:
    """Pressures with every diode consistent: (inflow, intercept, slope, hub, solves, converged)."""
    base, unit, pressure, cell = work.base, work.unit, state.pressure, region.cell
    owner, neighbour, terminal_pressure = graph.owner, graph.neighbour, graph.terminal_pressure
    special, role, conductance = work.special, work.role, work.conductance
    direction, drive, diode = work.direction, work.drive, state.diode
    n = len(pressure)
    tip = place_of(plan, region, source.tip)
    tip_open = True
    inflow = 0.0
    intercept = 0.0
    slope = 0.0
    hub = source.hub_pressure
    foresee(graph, state, work, plan, region, source, tip)
    limit = 5 * SWITCH_ALL + 4 * specials
    for turn in range(limit):
        intercept, slope = linear_solve(graph, state, work, plan, region, source, tip, tip_open)
        if not np.isnan(source.rate):
            hub = (source.rate - intercept) / slope if slope > 0.0 else source.limit
            hub = min(hub, source.limit)
        inflow = intercept + slope * hub
        largest = 0.0
        for k in range(region.size[CELLS]):
            p = base[k] + hub * unit[k]
            pressure[cell[k]] = p
            largest = max(largest, abs(p))
        tolerance = noise(region, turn // SWITCH_ALL, largest)
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
            f = special[e]
            if role[f] == HELD or conductance[f] == 0.0:
                continue
            j = neighbour[f]
            far = pressure[j] if j < n else terminal_pressure[j - n]
            push = direction[f] * (pressure[owner[f]] - far + drive[f])
            if diode[f] == 1 and push < -tolerance:
                diode[f] = 0
                changed = True
            elif diode[f] == 0 and push > tolerance:
                diode[f] = 1
                changed = True
            if changed and turn >= SWITCH_ALL:
                break
        if not changed:
            if not tip_open:
                inflow = 0.0
            return inflow, intercept, slope, hub, turn + 1, True
    return inflow, intercept, slope, hub, limit, False


@kernel
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
    owner, neighbour, gate = graph.owner, graph.neighbour, graph.gate
    gate_radius, gate_disorder, skin = graph.gate_radius, graph.gate_disorder, state.skin
    special, role, front = work.special, work.role, work.front
    direction, drive, pressure = work.direction, work.drive, state.pressure
    terminal_pressure = graph.terminal_pressure
    n = len(graph.volume)
    best = -1
    best_excess = 0.0
    best_burst = 0.0
    needed = np.inf
    next_needed = np.inf
    tip_weight = graph.cell_weight[source.tip]
    for e in range(specials):
        f = special[e]
        held = role[f] == HELD
        if not held and front[f] == 0:
            continue
        g = gate[f]
        j = neighbour[f]
        far = pressure[j] if j < n else terminal_pressure[j - n]
        push = direction[f] * (pressure[owner[f]] - far + drive[f])
        near = owner[f] if front[f] > 0 else j
        blood = far if front[f] > 0 else pressure[owner[f]]
        burst = 0.0  # an open front that blood holds back needs no more than its pressure
        if held:
            burst = burst_pressure(
                gate_radius[g], gate_disorder[g], skin[g], agent.tension, agent.skin_yield
            )
        # agent at rest: P - weight is the same everywhere, so the tip needs
        at_tip = blood - direction[f] * drive[f] + burst
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


@law
def can_follow(source: Source, needed: float) -> bool:
    """Whether the catheter gives agent when the tip is at `needed` Pa.

    If not, nothing that opens can flow: agent fills the cast and does not yield. What its pressure
    is then, no balance tells, since it hangs on what closed diodes are left with.
    """
    if np.isnan(source.rate):
        return source.hub_pressure > needed
    return source.rate > 0.0 and source.limit > needed


@kernel
def flows(graph: Graph, state: State, work: Work, region: Solved) -> None:
    """Flow of the region's faces from the pressures; nothing through held gates and shut diodes."""
    owner, neighbour, pressure, flow = graph.owner, graph.neighbour, state.pressure, state.flow
    conductance, drive, role = work.conductance, work.drive, work.role
    direction, diode, terminal_pressure = work.direction, state.diode, graph.terminal_pressure
    faces = region.faces
    n = len(pressure)
    for k in range(region.size[FACES]):
        f = faces[k]
        flow[f] = 0.0
        if conductance[f] == 0.0 or role[f] == HELD or (role[f] == 1 and diode[f] == 0):
            continue
        j = neighbour[f]
        far = pressure[j] if j < n else terminal_pressure[j - n]
        q = conductance[f] * (pressure[owner[f]] - far + drive[f])
        if role[f] == 0 or q * direction[f] > 0.0:
            flow[f] = q


@kernel
def balance_fixed_ends(
    graph: Graph, state: State, work: Work, region: Solved, tip: int, inflow: float
) -> None:
    """Let a terminal of fixed pressure carry off what its cell gets from elsewhere.

    Its own drop of pressure is lost in the round-off of the pressures. `inflow`, mm3/s, enters
    at the cell `tip`.
    """
    first, around, owner, neighbour = graph.first, graph.around, graph.owner, graph.neighbour
    conductance, role, direction = work.conductance, work.role, work.direction
    flow, diode, fixed = state.flow, state.diode, graph.terminal_fixed
    n = len(state.pressure)
    first_end = len(owner) - len(fixed)
    for t in range(len(fixed)):
        c = owner[first_end + t]
        # all flows around the cell are known where the region goes on beyond it
        if fixed[t] == 0 or not surrounded(region, c):
            continue
        net = inflow if c == tip else 0.0
        ends = 0
        for e in range(first[c], first[c + 1]):
            f = around[e]
            if neighbour[f] < n or fixed[neighbour[f] - n] == 0:
                net += flow[f] if neighbour[f] == c else -flow[f]
            elif conductance[f] > 0.0 and (role[f] == 0 or (role[f] == 1 and diode[f] == 1)):
                ends += 1
        f = first_end + t
        if conductance[f] > 0.0 and (role[f] == 0 or (role[f] == 1 and diode[f] == 1)):
            flow[f] = net / ends if role[f] == 0 or net * direction[f] > 0.0 else 0.0


@kernel
def solve(
    graph: Graph,
    agent: Agent,
    state: State,
    work: Work,
    plan: Plan,
    region: Solved,
    source: Source,
) -> Solution:
    """Pressures and flows of the present state; opens the gates that are overdriven.

    `state.fed` and `state.drains` must be up to date, and the region wide enough. Breaking is
    monotone within one call, so it ends after at most as many rounds as there are gates.
    """
    prepare(graph, plan, region)
    specials = classify(graph, agent, state, work, region)
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
            graph, state, work, plan, region, source, specials
        )
        solves += count
        if not converged:
            break
        gate, needed, next_needed = weakest_gate(graph, agent, state, work, source, specials)
        if gate < 0 or not can_follow(source, needed):
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
    flows(graph, state, work, region)
    balance_fixed_ends(graph, state, work, region, source.tip, inflow)
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


def scratch(graph: Graph, plan: Elimination | None = None) -> Work:
    """Scratch arrays for a graph and its elimination."""
    n, m = len(graph.volume), len(graph.owner)
    t, g = len(graph.terminal_pressure), len(graph.gate_radius)

    def floats(size: int) -> FloatArray:
        return np.zeros(size)

    def ints(size: int) -> IntArray:
        return np.zeros(size, dtype=np.int64)

    def flags(size: int) -> FlagArray:
        return np.zeros(size, dtype=np.uint8)

    return Work(
        conductance=floats(m),
        drive=floats(m),
        role=ints(m),
        direction=ints(m),
        front=ints(m),
        special=ints(m),
        hold=floats(n),
        inverse=floats(n),
        base=floats(n),
        unit=floats(n),
        entries=floats(0 if plan is None else len(plan.row)),
        rate=floats(n),
        thread=floats(n),
        added=floats(n),
        before=floats(n),
        mixed=floats(n),
        inflow=floats(n),
        receivers=ints(n),
        receives=flags(n),
        terminal_rate=floats(t),
        degree=ints(n),
        current=flags(n),
        stack=ints(n + 1),
        queue=ints(n),
        best=floats(n),
        come_from=ints(n),
        heap=np.empty(n + len(graph.around), dtype=WAY),
        touched=ints(n),
        known=flags(n),
        gates=ints(g),
        filled=ints(n),
        torn=ints(n),
        torn_full=floats(n),
        size=ints(4),
    )
