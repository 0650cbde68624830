"""Drives the kernels through a protocol: pushes, pauses, rules, and the volume balance.

The loop here decides only what the operator does; each pass calls compiled steps.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from castsim.agents import AgentModel
from castsim.assembly import build_graph, elimination_plan, empty_state, kernel_agent
from castsim.errors import SolverError
from castsim.kernels.arrays import Graph, State
from castsim.kernels.connectivity import find_drains
from castsim.kernels.filling import tally
from castsim.kernels.line import Hub, Line, Lookout, Moment, catheter_reflux, follow
from castsim.kernels.pressure import TORN, Work, scratch
from castsim.kernels.region import eliminate_rest, include_valves, new_region, reveal_all
from castsim.near_field import NearField, Sections
from castsim.protocol import Protocol, Rule, RuleAction, RuleKind, Step
from geometry.flowmesh import FlowMesh
from geometry.network import TerminalKind

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

BALANCE_BOUND = 1e-9
"""Largest relative error of the volume balance that a run may have."""
SETTLE_CONSTANTS = 6.0
"""Hub time constants that are awaited after the last push (0.2 % of the pressure is left)."""
MOST_STEPS = 1_000_000
"""Guard against a run that no longer gets on; a millilitre takes about a thousand."""
STEPS_AT_ONCE = 256
"""Steps after which the kernel comes back to tell how far it is."""


@dataclass(frozen=True)
class TipSource:
    """Catheter and syringe as the network sees them.

    Attributes
    ----------
    cell : the tip's cell
    resistance : Pa s mm^-3 of the catheter filled with agent
    compliance : mm3/Pa of hub, syringe and catheter; 0: incompliant
    pressure_limit : Pa at the hub
    dead_space : mm3 of solvent that goes first, as blood
    """

    cell: int
    resistance: float
    compliance: float = 0.0
    pressure_limit: float = math.inf
    dead_space: float = 0.0


@dataclass(frozen=True)
class Watch:
    """What the operator and the log look at; empty arrays watch nothing.

    Attributes
    ----------
    azygos : (n,) flag, cells of the azygos system
    azygos_fraction : (n,) share of the blood from each cell that passes the azygos system
    visible_radius : (n,) mm, what fluoroscopy resolves is judged by it
    route : cells along the catheter, from the tip outwards
    route_length : mm of catheter that each route cell surrounds
    ports : cells at the cuts of the mesh; agent there makes a run truncated
    coverage : degrees of the target root covered by the cells flagged full, or None
    coverage_cells : cells on which `coverage` depends; None: all
    """

    azygos: NDArray[np.bool_]
    azygos_fraction: FloatArray
    visible_radius: FloatArray
    route: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    route_length: FloatArray = field(default_factory=lambda: np.zeros(0))
    ports: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    coverage: Callable[[NDArray[np.bool_]], float] | None = None
    coverage_cells: IntArray | None = None

    @classmethod
    def nothing(cls, mesh: FlowMesh) -> "Watch":
        """A watch on a network without anatomy."""
        n = mesh.n_cells
        return cls(np.zeros(n, dtype=bool), np.zeros(n), np.array(mesh.cell_radius))


@dataclass(frozen=True)
class Tear:
    """Cells whose core blood carried off at one moment.

    Attributes
    ----------
    cell : (k,) cells
    full_volume : (k,) mm3 out of the tip when each had filled
    at : mm3 out of the tip when it happened
    kept : (k,) share of each cell that stayed as shell
    """

    cell: IntArray
    full_volume: FloatArray
    at: float
    kept: FloatArray


LOG_COLUMNS = (
    "volume",
    "time",
    "tip_pressure",
    "hub_pressure",
    "azygos",
    "embolised",
    "terminal",
    "hazard",
)
"""Log of an injection: mm3, s, Pa, Pa and four cumulative mm3, one row a step."""


@dataclass(frozen=True)
class Injection:
    """What an injection left behind, on the mesh it ran on.

    Volumes in mm3 of agent out of the tip, times in s from the first push of agent (the
    solvent of the dead space goes first); inf where agent never came.
    """

    state: State
    graph: Graph
    log: dict[str, FloatArray]
    tears: tuple[Tear, ...]
    injected: float
    syringe: float
    dmso: float
    stored: float
    embolised: float
    terminal: float
    hazard: float
    duration: float
    stop_reason: str
    truncated: bool
    burst_pressure: float
    longest_pause: float
    largest_rate: float
    first_rate: float
    slips: int
    steps: int
    solves: int

    @property
    def cast(self) -> float:
        """Agent in the veins at the end, mm3."""
        return float(self.state.agent_volume.sum())

    @property
    def balance_error(self) -> float:
        """|injected - cast - left towards the lungs - out by terminals| over injected."""
        if self.injected == 0.0:
            return 0.0
        missing = self.injected - self.cast - self.embolised - self.terminal
        return abs(missing) / self.injected


@dataclass
class _Line:
    """One line of the protocol: a push up to a planned volume, or a pause up to a time."""

    rate: float
    planned: float = math.inf
    until: float = math.inf
    settle: bool = False


def inject(
    mesh: FlowMesh,
    agent: AgentModel,
    source: TipSource,
    protocol: Protocol,
    *,
    blood_viscosity: ArrayLike,
    blood_density: float,
    gravity: ArrayLike = (0.0, 0.0, 0.0),
    rest_flow: ArrayLike = 0.0,
    watch: Watch | None = None,
    seed: int = 0,
    eta: float = 0.01,
    sections: Sections | None = None,
    progress: Callable[[float, float], None] | None = None,
) -> Injection:
    """Inject an agent by a protocol.

    Parameters
    ----------
    mesh : with calibrated terminals (:func:`castsim.venous_flow.resting_flow`)
    source : the catheter's tip
    blood_viscosity : (n,) or scalar, Pa s
    blood_density : g/mm3
    gravity : (3,) mm/s2
    rest_flow : (n,) mm3/s through each cell's section at rest
    watch : what rules and log look at
    seed : of the gates' disorder
    eta : step over injected volume
    sections : of a mesh that is too large to be eliminated; None: pressures by elimination
    progress : called with (planned volume done, planned volume in all), mm3

    Raises
    ------
    SolverError
        When the diodes do not settle or the volume balance is broken.
    """
    graph = build_graph(
        mesh,
        agent,
        blood_viscosity=blood_viscosity,
        blood_density=blood_density,
        gravity=gravity,
        rest_flow=rest_flow,
        section=None if sections is None else sections.of,
        stream=None if sections is None else sections.stream,
        seed=seed,
    )
    watch = watch or Watch.nothing(mesh)
    run = _Run(mesh, graph, agent, source, protocol, watch, eta, sections)
    return run.to_end(progress)


class _Eliminated:
    """Pressures by elimination of what agent has changed; see :mod:`castsim.kernels.region`."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.plan = elimination_plan(graph)
        self.region = new_region(len(graph.owner), self.plan)

    def begin(self, state: State, work: Work) -> None:
        """Eliminate the network at rest; `state.drains` must be up to date."""
        eliminate_rest(self._graph, state, self.plan, self.region)
        include_valves(self._graph, self.plan, self.region)

    def check(self) -> None:
        """Nothing can go wrong."""

    def follow(self, state: State, work: Work) -> None:
        """It grows by itself."""

    def reveal(self, state: State) -> None:
        """Pressures and flows everywhere, in place."""
        reveal_all(self._graph, state, self.plan, self.region)


class _Run:
    """The loop of one injection and what it keeps between steps."""

    def __init__(
        self,
        mesh: FlowMesh,
        graph: Graph,
        agent: AgentModel,
        source: TipSource,
        protocol: Protocol,
        watch: Watch,
        eta: float,
        sections: Sections | None = None,
    ) -> None:
        self.mesh, self.graph, self.source = mesh, graph, source
        self.protocol, self.watch, self.eta = protocol, watch, eta
        self.model = agent
        self.agent = kernel_agent(agent)
        self.state = empty_state(graph)
        self.solver: _Eliminated | NearField
        if sections is None:
            self.solver = _Eliminated(graph)
            self.work = scratch(graph, self.solver.plan)
        else:
            self.solver = NearField(graph, sections, source.cell, protocol.least_rate, eta)
            self.work = scratch(graph)
        find_drains(graph, self.state, self.work.stack)
        self.solver.begin(self.state, self.work)
        self.length = np.concatenate([mesh.face_length, np.zeros(mesh.n_terminals)])
        self.injected = self.elapsed = 0.0
        self.pushed = 0.0
        self.time = source.dead_space / protocol.first_rate
        # the solvent's flow has charged the hub by the time agent comes out
        self.hub = min(protocol.first_rate * source.resistance, source.pressure_limit)
        self.charge = source.compliance * self.hub
        self.last_rate = protocol.first_rate
        self.tau = source.compliance * source.resistance
        self.log = np.empty((STEPS_AT_ONCE, len(LOG_COLUMNS)))
        self.rows: list[FloatArray] = []
        self.steps = self.solves = self.slips = 0
        self.burst = 0.0
        self.stop_reason = "protocol complete"
        self.lines = self._lines(protocol)
        self.azygos = watch.azygos.astype(np.uint8)
        self.hazard = (mesh.terminal_kind == TerminalKind.HAZARD).astype(np.uint8)
        self.used = [0] * len(protocol.rules)
        self.level = np.array([rule.threshold for rule in protocol.rules], dtype=float)
        self.longest_pause = 0.0
        self.stopped = False
        self.tears: list[Tear] = []
        self.lookout = self._lookout()

    def _lines(self, protocol: Protocol) -> list[_Line]:
        lines: list[_Line] = []
        planned = 0.0
        for item in protocol.steps:
            if isinstance(item, Step):
                planned += item.volume
                lines.append(_Line(rate=item.rate, planned=planned))
            else:
                lines.append(_Line(rate=0.0, until=item.duration))
        if self.tau > 0.0:
            lines.append(_Line(rate=0.0, until=SETTLE_CONSTANTS * self.tau, settle=True))
        return lines

    def _lookout(self) -> Lookout:
        """What the kernel watches; `level` is shared with it, `armed` is set for each line."""
        watch, rules = self.watch, self.protocol.rules
        cells = np.zeros((len(rules), self.mesh.n_cells), dtype=np.uint8)
        for k, rule in enumerate(rules):
            if rule.kind is RuleKind.AZYGOS_REFLUX:
                cells[k] = self._visible(rule)
            elif rule.kind is RuleKind.COVERAGE:
                cells[k, slice(None) if watch.coverage_cells is None else watch.coverage_cells] = 1
        return Lookout(
            azygos=self.azygos,
            azygos_fraction=np.array(watch.azygos_fraction, dtype=float),
            hazard=self.hazard,
            route=np.array(watch.route, dtype=np.int64),
            route_length=np.array(watch.route_length, dtype=float),
            kind=np.array([rule.kind for rule in rules], dtype=np.int64),
            level=self.level,
            armed=np.zeros(len(rules), dtype=np.uint8),
            cells=cells,
        )

    def to_end(self, progress: Callable[[float, float], None] | None) -> Injection:
        """Carry all lines out."""
        while self.lines:
            line = self.lines.pop(0)
            if not self._follow(line, progress):
                break
        return self._result()

    def _follow(self, line: _Line, progress: Callable[[float, float], None] | None) -> bool:
        """Carry one line out; False ends the run."""
        self.elapsed = 0.0
        if line.rate > 0.0:
            self.last_rate = line.rate
        ended = False
        while not ended:
            ended, stalled, met = self._stretch(line)
            if progress is not None:
                progress(self.injected, self.protocol.volume)
            if stalled:
                self.stop_reason = "stalled: nothing opens below the pressure limit"
                return False
            verdict = self._rules(pushing=line.rate > 0.0) if met else None
            if verdict is not None:
                if verdict.action is RuleAction.PAUSE:
                    self.lines = [_Line(rate=0.0, until=verdict.pause), line, *self.lines]
                    return True
                self.stop_reason = f"rule: {verdict.kind.name.lower()}"
                self.stopped = True
                # the thumb lets go, but what the hub stores still comes out
                if not line.settle:
                    self.lines = [one for one in self.lines if one.settle]
                    return True
        if line.rate == 0.0 and not line.settle:
            self.longest_pause = max(self.longest_pause, self.elapsed)
        return True

    def _stretch(self, line: _Line) -> tuple[bool, bool, bool]:
        """Steps of one line: whether it has ended, has stalled, and may have met a rule."""
        for k, rule in enumerate(self.protocol.rules):
            self.lookout.armed[k] = self._may_act(k, rule, pushing=line.rate > 0.0)
        stretch = follow(
            self.graph,
            self.agent,
            self.state,
            self.work,
            self.solver.plan,
            self.solver.region,
            self.length,
            Hub(
                self.source.cell,
                self.source.resistance,
                self.source.compliance,
                self.source.pressure_limit,
            ),
            Line(line.rate, line.planned, line.until, self.last_rate),
            Moment(self.injected, self.pushed, self.time, self.elapsed, self.hub),
            self.lookout,
            self.eta,
            self.log,
        )
        self.solver.check()
        if not stretch.settled:
            raise SolverError("the fronts' diodes did not settle; please report this scenario")
        if self.steps > MOST_STEPS:
            raise SolverError(f"more than {MOST_STEPS} steps; please report this scenario")
        if not self.rows and stretch.steps > 0:
            self._first_row(stretch.first_pressure)
        if stretch.steps > 0:
            self.rows.append(self.log[: stretch.steps].copy())
        self.injected, self.pushed, self.time, self.elapsed, self.hub = stretch.moment
        self.steps += stretch.steps
        self.solves += stretch.solves
        self.slips += stretch.slips
        self.burst = max(self.burst, stretch.burst)
        if stretch.tore:
            self._note_tear()
        if stretch.wider or stretch.tore:
            self.solver.follow(self.state, self.work)
        return stretch.ended, stretch.stalled, stretch.met

    def _first_row(self, tip_pressure: float) -> None:
        """The log begins before the first step, with the pressure that starts it."""
        row = np.zeros((1, len(LOG_COLUMNS)))
        row[0, 1:4] = self.time, tip_pressure, self.hub
        self.rows.append(row)

    def _note_tear(self) -> None:
        work = self.work
        count = work.size[TORN]
        order = np.argsort(work.torn[:count])
        cell = work.torn[:count][order]
        kept = self.state.agent_volume[cell] / self.graph.volume[cell]
        self.tears.append(Tear(cell, work.torn_full[:count][order], self.injected, kept))

    def catheter_reflux(self) -> float:
        """Length of catheter that agent surrounds, mm, by whatever way it came."""
        # the kernel's own sum: another order of adding up could miss a threshold by round-off
        return float(catheter_reflux(self.state, self.lookout.route, self.lookout.route_length))

    def _visible(self, rule: Rule) -> NDArray[np.uint8]:
        """Flags of the azygos system's veins that are wide enough for the rule."""
        wide = 2.0 * self.watch.visible_radius >= rule.visible_calibre
        return (self.watch.azygos & wide).astype(np.uint8)

    def _may_act(self, number: int, rule: Rule, *, pushing: bool) -> bool:
        """Whether a rule can act now; none does once a rule has stopped the injection."""
        if rule.action is RuleAction.PAUSE and (self.used[number] >= rule.times or not pushing):
            return False
        return not self.stopped

    def _watched(self, rule: Rule) -> float:
        if rule.kind is RuleKind.AZYGOS_REFLUX:
            flags, fraction = self._visible(rule), self.lookout.azygos_fraction
            return float(tally(self.graph, self.state, self.work, flags, fraction, self.hazard)[0])
        if rule.kind is RuleKind.CATHETER_REFLUX:
            return self.catheter_reflux()
        if rule.kind is RuleKind.TIP_PRESSURE:
            return float(self.rows[-1][-1, 2])
        if rule.kind is RuleKind.HUB_PRESSURE:
            return self.hub
        if self.watch.coverage is None:
            return 0.0
        return self.watch.coverage(self.state.full.view(np.bool_))

    def _rules(self, *, pushing: bool) -> Rule | None:
        """The first rule that is met now, if any."""
        for k, rule in enumerate(self.protocol.rules):
            if not self._may_act(k, rule, pushing=pushing):
                continue
            value = self._watched(rule)
            if value < self.level[k] or value == 0.0:
                continue
            self.used[k] += 1
            if rule.kind in (RuleKind.AZYGOS_REFLUX, RuleKind.CATHETER_REFLUX):
                self.level[k] = value + rule.threshold
            return rule
        return None

    def _result(self) -> Injection:
        rows = np.concatenate(self.rows)
        log = {name: rows[:, k].copy() for k, name in enumerate(LOG_COLUMNS)}
        if not self.rows:
            self._first_row(0.0)
        self.solver.reveal(self.state)
        cut = self.mesh.terminal_kind == TerminalKind.CUT
        edge = np.concatenate([self.mesh.terminal_cell[cut], self.watch.ports])
        reached = self.state.agent_volume[edge].sum()
        stored = self.source.compliance * self.hub
        # the syringe pushed the solvent, filled the catheter, charged the hub and then this
        syringe = 2.0 * self.source.dead_space + self.charge + self.pushed
        injection = Injection(
            state=self.state,
            graph=self.graph,
            log=log,
            tears=tuple(self.tears),
            injected=self.injected,
            syringe=syringe,
            dmso=self.source.dead_space,
            stored=stored,
            embolised=float(log["embolised"][-1]),
            terminal=float(self.state.terminal_out.sum()),
            hazard=float(log["hazard"][-1]),
            duration=self.time,
            stop_reason=self.stop_reason,
            truncated=bool(reached > 0.0 or self.state.terminal_out[cut].sum() > 0.0),
            burst_pressure=self.burst,
            longest_pause=self.longest_pause,
            largest_rate=self.protocol.largest_rate,
            first_rate=self.protocol.first_rate,
            slips=self.slips,
            steps=self.steps,
            solves=self.solves,
        )
        self._check_balance(injection)
        return injection

    def _check_balance(self, injection: Injection) -> None:
        if injection.balance_error > BALANCE_BOUND:
            raise SolverError(
                f"volume balance broken: {injection.balance_error:.2e} of the injected volume"
            )
        dead_space = self.source.dead_space
        told = injection.dmso + injection.injected + dead_space + injection.stored
        if abs(injection.syringe - told) > BALANCE_BOUND * injection.syringe:
            raise SolverError(
                f"syringe balance broken: pushed {injection.syringe} uL, accounted {told} uL"
            )
