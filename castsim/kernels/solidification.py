"""Ageing of one step: gel numbers along the flow, skins and healing of the gates."""

import math

import numba as nb

from castsim.kernels.arrays import Agent, Graph, State
from castsim.kernels.connectivity import blood_through, other_end
from castsim.kernels.pressure import Work


@nb.njit(cache=True, inline="always")
def relax_gel(gel: float, upstream: float, renewal: float, growth: float, dt: float) -> float:
    """Exact step of dF/dt = max(0, growth - renewal (F - upstream)) for frozen coefficients.

    `growth` is D/R^2 and `renewal` Q/V, both 1/s.
    """
    if renewal * dt < 1e-12:
        return gel + growth * dt
    settled = upstream + growth / renewal
    if settled <= gel:
        return gel
    return settled + (gel - settled) * math.exp(-renewal * dt)


@nb.njit(cache=True)
def age_gel(
    graph: Graph,
    agent: Agent,
    state: State,
    work: Work,
    tip: int,
    source: float,
    count: int,
    scale: float,
    dt: float,
) -> None:
    """Advance the gel number of every cell that holds agent by `dt`.

    Cells fed from the tip are visited along the flow (a potential flow has no loops), then
    the `count` cells that received agent in this step in the order in which they did, then all others.
    `source` is the step's mean flow of fresh agent into the tip's cell, mm3/s; `scale` turns the
    solve's flows into the step's mean flows.
    """
    n = len(graph.volume)
    work.mixed[:] = 0.0
    work.inflow[:] = 0.0
    work.degree[:] = 0
    work.value[:] = 0.0  # 1 where the gel number is up to date
    for c in range(n):
        if state.fed[c] == 0:
            continue
        for e in range(graph.first[c], graph.first[c + 1]):
            f = graph.around[e]
            q = state.flow[f] if graph.owner[f] == c else -state.flow[f]
            far = other_end(graph, f, c)
            if q > 0.0 and far < n and state.fed[far] == 1:
                work.degree[far] += 1
    depth = 0
    for c in range(n):
        if state.fed[c] == 1 and work.degree[c] == 0:
            work.stack[depth] = c
            depth += 1
    work.inflow[tip] = source  # fresh agent: gel number 0
    while depth > 0:
        depth -= 1
        c = work.stack[depth]
        inflow = work.inflow[c]
        upstream = work.mixed[c] / inflow if inflow > 0.0 else 0.0
        out = 0.0
        for e in range(graph.first[c], graph.first[c + 1]):
            f = graph.around[e]
            q = state.flow[f] if graph.owner[f] == c else -state.flow[f]
            if q > 0.0:
                out += q * scale
        renewal = max(inflow, out) / graph.volume[c]
        growth = agent.diffusivity / graph.gel_radius[c] ** 2
        state.gel[c] = relax_gel(state.gel[c], upstream, renewal, growth, dt)
        work.value[c] = 1.0
        for e in range(graph.first[c], graph.first[c + 1]):
            f = graph.around[e]
            q = state.flow[f] if graph.owner[f] == c else -state.flow[f]
            if q <= 0.0:
                continue
            far = other_end(graph, f, c)
            if far >= n:
                continue
            work.inflow[far] += q * scale
            work.mixed[far] += q * scale * state.gel[c]
            if state.fed[far] == 1:
                work.degree[far] -= 1
                if work.degree[far] == 0:
                    work.stack[depth] = far
                    depth += 1
    for r in range(count):
        c = work.receivers[r]
        added = work.added[c]
        if added <= 0.0:
            continue
        upstream = work.mixed[c] / work.inflow[c] if work.inflow[c] > 0.0 else 0.0
        growth = agent.diffusivity / graph.gel_radius[c] ** 2
        share = added / (work.before[c] + added)
        state.gel[c] = (1.0 - share) * (state.gel[c] + growth * dt) + share * (
            upstream + 0.5 * growth * dt
        )
        work.value[c] = 1.0
        if state.full[c] == 1:
            for e in range(graph.first[c], graph.first[c + 1]):
                f = graph.around[e]
                q = state.flow[f] if graph.owner[f] == c else -state.flow[f]
                far = other_end(graph, f, c)
                if q > 0.0 and far < n and state.fed[far] == 0:
                    work.inflow[far] += q * scale
                    work.mixed[far] += q * scale * state.gel[c]
    for c in range(n):
        if work.value[c] == 0.0 and state.agent_volume[c] > 0.0:
            state.gel[c] += agent.diffusivity / graph.gel_radius[c] ** 2 * dt


@nb.njit(cache=True, inline="always")
def solvent_diffusivity(graph: Graph, agent: Agent, state: State, blood: int) -> float:
    """Effective diffusivity of a skin whose far side is the not-full cell `blood`, mm2/s.

    Blood sweeps the solvent away where it renews the cell faster than the solvent crosses its
    lumen; where blood is trapped the solvent stays.
    """
    if blood >= len(graph.volume):
        return agent.diffusivity * agent.swept_factor
    if state.drains[blood] == 0:
        return agent.diffusivity * agent.enclosed_factor
    renewal = blood_through(graph, state, blood) / graph.volume[blood]
    if renewal > agent.diffusivity / graph.gel_radius[blood] ** 2:
        return agent.diffusivity * agent.swept_factor
    return agent.diffusivity


@nb.njit(cache=True)
def age_gates(graph: Graph, agent: Agent, state: State, scale: float, dt: float) -> None:
    """Grow the skins of the unbroken gates that agent touches; heal the broken ones that rest."""
    n = len(graph.volume)
    for g in range(len(graph.gate_radius)):
        if state.reached[g] == 0:
            continue
        blood = -1
        volume = 0.0
        for e in range(graph.gate_first[g], graph.gate_first[g + 1]):
            f = graph.gate_faces[e]
            i = graph.owner[f]
            j = graph.neighbour[f]
            j_full = j < n and state.full[j] == 1
            if (state.full[i] == 1) == j_full:
                continue
            blood = i if j_full else j
            volume += abs(state.flow[f]) * scale * dt
        if blood < 0:
            continue
        if state.broken[g] == 1:
            state.moved[g] += volume / (math.pi * graph.gate_radius[g] ** 2)
            state.window[g] += dt
            if state.window[g] >= agent.healing_time:
                if state.moved[g] < agent.healing_travel * graph.gate_radius[g]:
                    state.broken[g] = 0
                    state.age[g] = 0.0
                    state.skin[g] = 0.0
                state.moved[g] = 0.0
                state.window[g] = 0.0
            continue
        older = state.age[g] + dt
        growing = min(dt, max(0.0, older - agent.onset))
        state.skin[g] += solvent_diffusivity(graph, agent, state, blood) * growing
        state.age[g] = older
