"""One step of an injection: connect, solve, fill, let time pass."""

import math
from typing import NamedTuple

from castsim.kernels.arrays import Agent, FloatArray, Graph, IntArray, Source, State
from castsim.kernels.connectivity import cut_off, find_drains, find_fed
from castsim.kernels.detachment import slip_plug, tear_off
from castsim.kernels.elimination import Elimination
from castsim.kernels.filling import fill, stamp_times
from castsim.kernels.pressure import FILLED, TOUCHED, Solution, Work, solve
from castsim.kernels.region import NEEDED_RINGS, Region, widen
from castsim.kernels.seam import Plan, Solved, enclose, variant
from castsim.kernels.solidification import age_gates, age_gel
from geometry.kernels.compiling import kernel, law

RATE_CHANGE = 0.1
"""Largest relative change of the inflow within one step (hub pressure charging or discharging)."""
RATE_FLOOR = 0.02
"""Of the last pushed rate: inflow changes below it need no step of their own."""
CLOSED_STEP = 0.25
"""s, longest step in which a cast that does not flow waits for the hub pressure to open it."""
LATE = 1e-3
"""s, by which it is opened late, so that round-off does not keep it shut."""


class Drive(NamedTuple):
    """What the operator does during a step."""

    tip: int
    catheter_resistance: float  # Pa s mm^-3
    compliance: float  # mm3/Pa of syringe and catheter; 0: incompliant
    hub_limit: float  # Pa
    push_rate: float  # mm3/s at the syringe; 0: a pause
    last_rate: float  # mm3/s of the last push, a scale for the discharge
    step_volume: float  # mm3, at most injected in one step
    step_time: float  # s, at most
    push_left: float  # mm3 that the syringe still pushes in this line; inf: a pause


class StepResult(NamedTuple):
    """What one step did."""

    injected: float  # mm3 out of the tip
    dt: float  # s
    pushed: float  # mm3 at the syringe
    hub_pressure: float  # Pa at the end
    tip_pressure: float  # Pa, reduced, in this step (burst pressures included)
    inflow: float  # mm3/s at the start
    torn: float  # mm3 broken off by blood
    slipped: bool  # the plug round the catheter gave way
    solves: int
    stalled: bool  # nothing can open below the pressure limit
    converged: bool


@kernel
def volume_after(dt: float, inflow: float, settled: float, tau: float) -> float:
    """Volume out of the tip in `dt` s while the inflow relaxes to `settled` with constant `tau`."""
    if tau <= 0.0:
        return inflow * dt
    return settled * dt - (inflow - settled) * tau * math.expm1(-dt / tau)


@kernel
def time_for(volume: float, inflow: float, settled: float, tau: float, most: float) -> float:
    """Inverse of :func:`volume_after` by bisection-guarded Newton steps, at most `most` s."""
    if tau <= 0.0:
        return min(most, volume / inflow)
    low = 0.0
    high = most
    if volume_after(high, inflow, settled, tau) <= volume:
        return high
    dt = min(most, volume / max(inflow, settled))
    for _ in range(100):
        excess = volume_after(dt, inflow, settled, tau) - volume
        if excess > 0.0:
            high = dt
        else:
            low = dt
        if abs(excess) <= 1e-14 * volume:
            break
        speed = settled + (inflow - settled) * math.exp(-dt / tau)
        dt = dt - excess / speed if speed > 0.0 else 0.5 * (low + high)
        if not low < dt < high:
            dt = 0.5 * (low + high)
    return dt


@law
def at_limit(drive: Drive, hub_pressure: float) -> bool:
    """Whether the hub bears no more."""
    return hub_pressure >= drive.hub_limit * (1.0 - 1e-12)


@kernel
def pace(drive: Drive, found: Solution, inflow: float) -> tuple[float, float, float]:
    """Longest step in which the inflow changes little, what it relaxes to, and how fast.

    Returns
    -------
    dt : s, until the line ends at the latest
    settled : mm3/s, to which the inflow relaxes
    tau : s, with which; 0: it does not change
    """
    dt = drive.step_time
    hub = found.hub_pressure
    if drive.compliance <= 0.0 or (at_limit(drive, hub) and drive.push_rate > inflow):
        # an incompliant syringe, or a thumb that holds the limit
        if drive.push_rate > 0.0 and inflow > 0.0:
            dt = min(dt, drive.push_left / inflow)
        return dt, inflow, 0.0
    if drive.push_rate > 0.0:
        dt = min(dt, drive.push_left / drive.push_rate)
    if found.slope <= 0.0:
        return dt, inflow, 0.0
    tau = drive.compliance / found.slope
    settled = drive.push_rate
    change = abs(settled - inflow)
    allowed = RATE_CHANGE * max(inflow, settled, RATE_FLOOR / RATE_CHANGE * drive.last_rate)
    if change > allowed:
        dt = min(dt, -tau * math.log1p(-allowed / change))
    hub_end = (settled - found.intercept) / found.slope
    if hub_end > drive.hub_limit:
        share = (drive.hub_limit - hub) / (hub_end - hub)
        dt = min(dt, max(-tau * math.log1p(-share), 1e-9 * tau))
    return dt, settled, tau


@variant(enclose, Region)
@kernel
def widen_region(graph: Graph, work: Work, plan: Elimination, region: Region, tip: int) -> None:
    """`seam.enclose`.

    Blood that is cut off beyond it needs no place: without a terminal it has pressure 0 anyway.
    """
    touched, ring = work.touched, region.ring
    widen(graph, plan, region, tip)
    for k in range(work.size[TOUCHED]):
        if ring[touched[k]] < NEEDED_RINGS:
            widen(graph, plan, region, touched[k])


@kernel
def follow_blood(graph: Graph, state: State, work: Work, torn: bool) -> None:
    """Bring `state.drains` up to date after a step."""
    if torn:
        # blood has come back: search anew
        find_drains(graph, state, work.stack)
    else:
        for r in range(work.size[FILLED]):
            cut_off(graph, state, work.filled[r], work.stack, work.queue)


@kernel
def advance(
    graph: Graph,
    agent: Agent,
    state: State,
    work: Work,
    plan: Plan,
    region: Solved,
    length: FloatArray,
    route: IntArray,
    drive: Drive,
    hub_pressure: float,
    injected: float,
    time: float,
) -> StepResult:
    """One step from (`injected`, `time`, `hub_pressure`); changes `state`.

    `state.drains` must be up to date, and is kept so.

    Its length never looks at the final volume: only at `drive.step_volume`, the end of the
    protocol's present line, the healing time and the hub's own relaxation.
    """
    enclose(graph, work, plan, region, drive.tip)
    find_fed(graph, state, drive.tip, work.stack)
    rate = math.nan
    if drive.compliance <= 0.0:
        rate = drive.push_rate
    source = Source(drive.tip, hub_pressure, drive.catheter_resistance, rate, drive.hub_limit)
    found = solve(graph, agent, state, work, plan, region, source)
    inflow = max(0.0, found.inflow)
    hub = found.hub_pressure
    tip_pressure = max(found.tip_pressure, found.burst_pressure)
    open_front = state.full[drive.tip] == 0 and state.drains[drive.tip] == 1
    special, front, flow = work.special, work.front, state.flow
    for e in range(found.specials):
        if front[special[e]] != 0 and flow[special[e]] != 0.0:
            open_front = True
    if not open_front:
        inflow = 0.0
    elif drive.compliance <= 0.0:
        inflow = min(inflow, drive.push_rate)  # not its round-off, which in a pause is all of it
    dt, settled, tau = pace(drive, found, inflow)
    stalled = False
    done = 0.0
    count = 0
    work.size[FILLED] = 0
    if open_front and inflow > 0.0:
        volume = min(drive.step_volume, volume_after(dt, inflow, settled, tau))
        done, count = fill(
            graph,
            agent,
            state,
            work,
            plan,
            region,
            drive.tip,
            inflow,
            found.specials,
            injected,
            volume,
        )
        dt = time_for(done, inflow, settled, tau, dt)
    elif drive.push_rate > 0.0:
        if at_limit(drive, hub) or drive.compliance <= 0.0:
            stalled = True
            dt = 0.0
        else:
            opens = found.next_burst if state.full[drive.tip] == 1 else found.tip_pressure
            wait = (min(opens, drive.hub_limit) - hub) * drive.compliance / drive.push_rate
            dt = min(dt, CLOSED_STEP, max(wait, 0.0) + LATE)
    stamp_times(state, work, count, injected, done, time, dt)
    if dt > 0.0:
        scale = done / (inflow * dt) if inflow > 0.0 else 0.0
        age_gel(graph, agent, state, work, drive.tip, done / dt, count, scale, time, dt)
        age_gates(graph, agent, state, work, scale, dt)
    pushed = drive.push_rate * dt
    if drive.compliance > 0.0:
        after = hub + (pushed - done) / drive.compliance
        if after > drive.hub_limit:
            after = drive.hub_limit
            pushed = done + (after - hub) * drive.compliance
        hub = after
    else:
        pushed = done
    torn = tear_off(graph, agent, state, work, length, drive.tip)
    slipped = slip_plug(graph, agent, state, length, route, tip_pressure)
    # only now: until here a cell that has just filled still counts by what it was in the solve
    follow_blood(graph, state, work, torn > 0.0)
    return StepResult(
        done,
        dt,
        pushed,
        hub,
        tip_pressure,
        inflow,
        torn,
        slipped,
        found.solves,
        stalled,
        found.converged,
    )
