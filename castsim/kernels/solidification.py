"""Ageing of one step: gel numbers along the flow, skins and healing of the gates."""

import math

from castsim.kernels.arrays import Agent, FlagArray, FloatArray, Graph, IntArray, State
from castsim.kernels.pressure import FILLED, GATES, TOUCHED, Work
from geometry.kernels.compiling import kernel, law

STILL = 1e-15
"""Share of a cell that is renewed in a step below which it counts as standing still."""


@law
def relax_gel(gel: float, upstream: float, renewal: float, growth: float, dt: float) -> float:
    """Exact step of dF/dt = max(0, growth - renewal (F - upstream)) for frozen coefficients.

    `growth` is D/R^2 and `renewal` Q/V, both 1/s.
    """
    if renewal * dt < STILL:
        return gel + growth * dt
    settled = upstream + growth / renewal
    if settled <= gel:
        return gel
    return gel - (settled - gel) * math.expm1(-renewal * dt)


@law
def age_receiver(
    graph: Graph, agent: Agent, state: State, work: Work, cell: int, time: float, dt: float
) -> None:
    """Advance the gel number of a cell that received agent in the step of `dt` from `time`.

    The front is the oldest fluid in the cell, and the first to leave it: as in the steady flow, a
    cell's gel number is that of its far end (a mean would lag behind the front).
    """
    inflow = work.inflow[cell]
    upstream = work.mixed[cell] / inflow if inflow > 0.0 else 0.0
    growth = agent.diffusivity / graph.gel_radius[cell] ** 2
    front = state.gel[cell]
    entered = 0.0
    if work.before[cell] == 0.0:
        front = max(front, upstream)
        entered = min(max(state.first_time[cell] - time, 0.0), dt)
    filled = dt
    if state.full[cell] == 1:
        filled = min(max(state.full_time[cell] - time, entered), dt)
    front += growth * (filled - entered)
    renewal = inflow / graph.volume[cell]
    state.gel[cell] = relax_gel(front, upstream, renewal, growth, dt - filled)
    work.current[cell] = 1


@kernel
def age_gel(
    graph: Graph,
    agent: Agent,
    state: State,
    work: Work,
    tip: int,
    source: float,
    count: int,
    scale: float,
    time: float,
    dt: float,
) -> None:
    """Advance the gel number of every cell that holds agent from `time` by `dt`.

    Cells fed from the tip are visited along the flow (a potential flow has no loops), then those
    that became full in this step, the rest of its `count` receivers, and all others.
    `source` is the step's mean flow of fresh agent into the tip's cell, mm3/s; `scale` turns the
    solve's flows into the step's mean flows.
    """
    first, around, owner, neighbour = graph.first, graph.around, graph.owner, graph.neighbour
    volume, gel_radius = graph.volume, graph.gel_radius
    flow, fed, full, gel = state.flow, state.fed, state.full, state.gel
    mixed, inflow, degree, current = work.mixed, work.inflow, work.degree, work.current
    touched = work.touched
    n = len(volume)
    cells = work.size[TOUCHED]
    for k in range(cells):
        c = touched[k]
        mixed[c] = 0.0
        inflow[c] = 0.0
        degree[c] = 0
        current[c] = 0
    for k in range(cells):
        c = touched[k]
        if fed[c] == 0:
            continue
        for e in range(first[c], first[c + 1]):
            f = around[e]
            q = flow[f] if owner[f] == c else -flow[f]
            far = owner[f] + neighbour[f] - c
            if q > 0.0 and far < n and fed[far] == 1:
                degree[far] += 1
    depth = 0
    for k in range(cells):
        c = touched[k]
        if fed[c] == 1 and degree[c] == 0:
            work.stack[depth] = c
            depth += 1
    inflow[tip] = source  # fresh agent: gel number 0
    while depth > 0:
        depth -= 1
        c = work.stack[depth]
        upstream = mixed[c] / inflow[c] if inflow[c] > 0.0 else 0.0
        out = 0.0
        for e in range(first[c], first[c + 1]):
            f = around[e]
            q = flow[f] if owner[f] == c else -flow[f]
            if q > 0.0:
                out += q * scale
        renewal = max(inflow[c], out) / volume[c]
        growth = agent.diffusivity / gel_radius[c] ** 2
        gel[c] = relax_gel(gel[c], upstream, renewal, growth, dt)
        current[c] = 1
        for e in range(first[c], first[c + 1]):
            f = around[e]
            q = flow[f] if owner[f] == c else -flow[f]
            far = owner[f] + neighbour[f] - c
            if q <= 0.0 or far >= n:
                continue
            inflow[far] += q * scale
            mixed[far] += q * scale * gel[c]
            if fed[far] == 1:
                degree[far] -= 1
                if degree[far] == 0:
                    work.stack[depth] = far
                    depth += 1
    # those that became full in the order in which they did, so that each comes after what feeds it
    for r in range(work.size[FILLED]):
        c = work.filled[r]
        age_receiver(graph, agent, state, work, c, time, dt)
        for e in range(first[c], first[c + 1]):
            f = around[e]
            q = flow[f] if owner[f] == c else -flow[f]
            far = owner[f] + neighbour[f] - c
            if q > 0.0 and far < n and fed[far] == 0:
                inflow[far] += q * scale
                mixed[far] += q * scale * gel[c]
    for r in range(count):
        c = work.receivers[r]
        if full[c] == 0 and work.added[c] > 0.0:
            age_receiver(graph, agent, state, work, c, time, dt)
    agent_volume = state.agent_volume
    for k in range(cells):
        c = touched[k]
        if current[c] == 0 and agent_volume[c] > 0.0:
            gel[c] += agent.diffusivity / gel_radius[c] ** 2 * dt


@kernel
def renewal(
    first: IntArray,
    around: IntArray,
    owner: IntArray,
    neighbour: IntArray,
    flow: FloatArray,
    full: FlagArray,
    volume: FloatArray,
    cell: int,
) -> float:
    """Blood that leaves a not-full cell by the flows of the last solve over its volume, 1/s."""
    n = len(full)
    out = 0.0
    for e in range(first[cell], first[cell + 1]):
        f = around[e]
        q = flow[f] if owner[f] == cell else -flow[f]
        far = owner[f] + neighbour[f] - cell
        if q > 0.0 and (far >= n or full[far] == 0):
            out += q
    return out / volume[cell]


@kernel
def age_gates(
    graph: Graph, agent: Agent, state: State, work: Work, scale: float, dt: float
) -> None:
    """Grow the skins of the unbroken gates that agent touches; heal the broken ones that rest.

    The diffusivity of a skin is that of its far side: blood sweeps the solvent away where it renews
    the cell faster than the solvent crosses its lumen; where blood is trapped the solvent stays.
    Of a gate with several fronts the one that loses solvent the fastest counts.
    """
    gates, broken, age, skin = work.gates, state.broken, state.age, state.skin
    moved, window, full, flow = state.moved, state.window, state.full, state.flow
    gate_first, gate_faces, gate_radius = graph.gate_first, graph.gate_faces, graph.gate_radius
    first, around, owner, neighbour = graph.first, graph.around, graph.owner, graph.neighbour
    drains, cell_volume, gel_radius = state.drains, graph.volume, graph.gel_radius
    n = len(full)
    for k in range(work.size[GATES]):
        g = gates[k]
        older = age[g] + dt
        growing = min(dt, max(0.0, older - agent.onset)) if broken[g] == 0 else 0.0
        fronts = 0
        volume = 0.0
        factor = 0.0
        for e in range(gate_first[g], gate_first[g + 1]):
            f = gate_faces[e]
            i = owner[f]
            j = neighbour[f]
            j_full = j < n and full[j] == 1
            if (full[i] == 1) == j_full:
                continue
            fronts += 1
            volume += abs(flow[f]) * scale * dt
            if growing == 0.0:
                continue
            blood = i if j_full else j
            if blood < n and drains[blood] == 0:
                own = agent.enclosed_factor
            elif (
                blood >= n
                or renewal(first, around, owner, neighbour, flow, full, cell_volume, blood)
                > agent.diffusivity / gel_radius[blood] ** 2
            ):
                own = agent.swept_factor
            else:
                own = 1.0
            factor = max(factor, own)
        if fronts == 0:
            continue
        if broken[g] == 1:
            moved[g] += volume / (math.pi * gate_radius[g] ** 2)
            window[g] += dt
            if window[g] >= agent.healing_time:
                if moved[g] < agent.healing_travel * gate_radius[g]:
                    broken[g] = 0
                    age[g] = 0.0
                    skin[g] = 0.0
                moved[g] = 0.0
                window[g] = 0.0
            continue
        skin[g] += agent.diffusivity * factor * growing
        age[g] = older
