"""One line of the protocol, a push or a pause, step by step, until somebody must decide."""

import math
from typing import NamedTuple

from castsim.kernels.arrays import Agent, FlagArray, FloatArray, Graph, IntArray, State
from castsim.kernels.filling import tally
from castsim.kernels.pressure import FILLED, TORN, Work
from castsim.kernels.seam import Plan, Solved, wider
from castsim.kernels.step import Drive, advance
from geometry.kernels.compiling import kernel

FIRST_VOLUME = 10.0
"""uL, the step is eta times the injected volume, but not less than eta times this."""
NEGLIGIBLE = 1e-9
"""Of the planned volume or time: a line this close to its end has ended."""
AZYGOS_REFLUX, CATHETER_REFLUX, TIP_PRESSURE, HUB_PRESSURE, COVERAGE = range(5)
"""Kinds of rule: the values of `castsim.protocol.RuleKind`."""


class Hub(NamedTuple):
    """Syringe and catheter."""

    tip: int  # cell
    resistance: float  # Pa s mm^-3
    compliance: float  # mm3/Pa
    limit: float  # Pa


class Line(NamedTuple):
    """A push up to a planned volume, or a pause of a given length."""

    rate: float  # mm3/s at the syringe; 0: a pause
    planned: float  # mm3 out of the tip, with what is stored in the hub
    duration: float  # s of a pause
    last_rate: float  # mm3/s of the last push


class Moment(NamedTuple):
    """How far the injection is."""

    injected: float  # mm3 out of the tip
    pushed: float  # mm3 at the syringe
    time: float  # s
    elapsed: float  # s of the present line, of which a clock that has run long has no digits left
    hub: float  # Pa


class Lookout(NamedTuple):
    """What the log sums up, and the rules for which somebody must be called."""

    azygos: FlagArray  # (n,)
    azygos_fraction: FloatArray  # (n,) share of what is carried off here that the azygos takes
    hazard: FlagArray  # (t,)
    route: IntArray  # (k,) cells along the catheter from the tip
    route_length: FloatArray  # (k,) mm of catheter in each
    kind: IntArray  # (r,)
    level: FloatArray  # (r,) uL, mm, Pa, Pa, degrees
    armed: FlagArray  # (r,) 1: may act in this line
    cells: FlagArray  # (r, n) cells that the rule looks at


class Stretch(NamedTuple):
    """What the steps came to, and why they paused."""

    moment: Moment
    steps: int
    solves: int
    slips: int
    burst: float  # Pa, highest tip pressure
    first_pressure: float  # Pa at the tip in the first step
    ended: bool  # the line has come to its end
    stalled: bool  # nothing opens below the pressure limit
    settled: bool  # False: the diodes did not
    tore: bool  # blood has torn off the cells of `work.torn` in the last step
    met: bool  # a rule may be
    wider: bool  # the solver has to look at the state before the next step


@kernel
def catheter_reflux(state: State, route: IntArray, route_length: FloatArray) -> float:
    """Length of catheter that agent surrounds, mm, by whatever way it came."""
    length = 0.0
    for r in range(len(route)):
        if state.full[route[r]] == 1:
            length += route_length[r]
    return length


@kernel
def may_be_met(
    graph: Graph,
    state: State,
    work: Work,
    lookout: Lookout,
    tip_pressure: float,
    hub_pressure: float,
    first: bool,
) -> bool:
    """Whether some armed rule is met; where coverage is watched, whether it may have changed."""
    for k in range(len(lookout.kind)):
        if lookout.armed[k] == 0:
            continue
        kind = lookout.kind[k]
        value = 0.0
        if kind == AZYGOS_REFLUX:
            value = tally(
                graph, state, work, lookout.cells[k], lookout.azygos_fraction, lookout.hazard
            )[0]
        elif kind == CATHETER_REFLUX:
            value = catheter_reflux(state, lookout.route, lookout.route_length)
        elif kind == TIP_PRESSURE:
            value = tip_pressure
        elif kind == HUB_PRESSURE:
            value = hub_pressure
        else:
            if first:
                return True
            for r in range(work.size[FILLED]):
                if lookout.cells[k, work.filled[r]] == 1:
                    return True
        if value >= lookout.level[k] and value != 0.0:
            return True
    return False


@kernel
def follow(
    graph: Graph,
    agent: Agent,
    state: State,
    work: Work,
    plan: Plan,
    region: Solved,
    length: FloatArray,
    hub: Hub,
    line: Line,
    moment: Moment,
    lookout: Lookout,
    eta: float,
    log: FloatArray,
) -> Stretch:
    """Step along `line` from `moment` until it ends, `log` is full, or something has happened.

    `log` (rows, 8) receives one row a step: injected, time, tip and hub pressure, and the four
    sums of `tally`.
    """
    injected, pushed, time, pressure = moment.injected, moment.pushed, moment.time, moment.hub
    elapsed = moment.elapsed
    steps = 0
    solves = 0
    slips = 0
    burst = 0.0
    first_pressure = 0.0
    ended = False
    stalled = False
    settled = True
    tore = False
    met = False
    at_edge = False
    while steps < len(log) and settled and not (stalled or tore or met or at_edge):
        if line.rate > 0.0:
            # what is stored in the hub will still come out
            left = line.planned - injected - hub.compliance * max(pressure, 0.0)
            ended = left <= NEGLIGIBLE * line.planned
            limit = math.inf
        else:
            left = math.inf
            limit = line.duration - elapsed
            ended = limit <= NEGLIGIBLE * line.duration
        if ended:
            break
        drive = Drive(
            hub.tip,
            hub.resistance,
            hub.compliance,
            hub.limit,
            line.rate,
            line.last_rate,
            eta * max(injected, FIRST_VOLUME),
            min(limit, agent.healing_time),
            left,
        )
        result = advance(
            graph,
            agent,
            state,
            work,
            plan,
            region,
            length,
            lookout.route,
            drive,
            pressure,
            injected,
            time,
        )
        settled = result.converged
        stalled = result.stalled
        injected += result.injected
        pushed += result.pushed
        time += result.dt
        elapsed += result.dt
        pressure = result.hub_pressure
        solves += result.solves
        slips += result.slipped
        burst = max(burst, result.tip_pressure)
        tore = work.size[TORN] > 0
        if steps == 0:
            first_pressure = result.tip_pressure
        entered, lost, out, intradural = tally(
            graph, state, work, lookout.azygos, lookout.azygos_fraction, lookout.hazard
        )
        log[steps, 0] = injected
        log[steps, 1] = time
        log[steps, 2] = result.tip_pressure
        log[steps, 3] = pressure
        log[steps, 4] = entered
        log[steps, 5] = lost
        log[steps, 6] = out
        log[steps, 7] = intradural
        met = may_be_met(graph, state, work, lookout, result.tip_pressure, pressure, steps == 0)
        at_edge = wider(region)
        steps += 1
    return Stretch(
        Moment(injected, pushed, time, elapsed, pressure),
        steps,
        solves,
        slips,
        burst,
        first_pressure,
        ended,
        stalled,
        settled,
        tore,
        met,
        at_edge,
    )
