"""Drives the kernels through a protocol: pushes, pauses, rules, and the volume balance.

The loop here decides only what the operator does; each pass calls one compiled step.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from castsim.agents import AgentModel
from castsim.assembly import build_graph, build_pattern, empty_state, kernel_agent
from castsim.errors import SolverError
from castsim.kernels.arrays import Graph, State
from castsim.kernels.connectivity import find_drains
from castsim.kernels.filling import tally
from castsim.kernels.pressure import scratch
from castsim.kernels.region import factorise_rest, include_valves, new_region, reveal_all
from castsim.kernels.step import Drive, StepResult, advance
from castsim.protocol import Protocol, Rule, RuleAction, RuleKind, Step
from geometry.flowmesh import FlowMesh
from geometry.network import TerminalKind

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

BALANCE_BOUND = 1e-9
"""Largest relative error of the volume balance that a run may have."""
FIRST_VOLUME = 10.0
"""uL, the step is eta times the injected volume, but not less than eta times this."""
SETTLE_CONSTANTS = 6.0
"""Hub time constants that are awaited after the last push (0.2 % of the pressure is left)."""
MOST_STEPS = 1_000_000
"""Guard against a run that no longer gets on; a millilitre takes about a thousand."""
NEGLIGIBLE = 1e-9
"""Of the planned volume: a push this close to its end has ended."""


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
    """

    azygos: NDArray[np.bool_]
    azygos_fraction: FloatArray
    visible_radius: FloatArray
    route: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    route_length: FloatArray = field(default_factory=lambda: np.zeros(0))
    ports: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    coverage: Callable[[NDArray[np.bool_]], float] | None = None

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
        """|injected - cast - embolised - out by terminals| over injected."""
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
    rest_flow : (n,) mm3/s through each cell at rest
    watch : what rules and log look at
    seed : of the gates' disorder
    eta : step over injected volume
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
        seed=seed,
    )
    run = _Run(mesh, graph, agent, source, protocol, watch or Watch.nothing(mesh), eta)
    return run.to_end(progress)


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
    ) -> None:
        self.mesh, self.graph, self.source = mesh, graph, source
        self.protocol, self.watch, self.eta = protocol, watch, eta
        self.model = agent
        self.agent = kernel_agent(agent)
        self.state = empty_state(graph)
        self.pattern = build_pattern(graph)
        n, m, t = mesh.n_cells, mesh.n_faces, mesh.n_terminals
        self.work = scratch(graph, self.pattern)
        find_drains(graph, self.state, self.work.stack)
        self.region = new_region(n, m + t, self.pattern)
        factorise_rest(graph, self.state, self.pattern, self.region)
        include_valves(graph, self.pattern, self.region)
        self.length = np.concatenate([mesh.face_length, np.zeros(t)])
        self.injected = 0.0
        self.pushed = 0.0
        self.time = source.dead_space / protocol.first_rate
        # the solvent's flow has charged the hub by the time agent comes out
        self.hub = min(protocol.first_rate * source.resistance, source.pressure_limit)
        self.charge = source.compliance * self.hub
        self.last_rate = protocol.first_rate
        self.tau = source.compliance * source.resistance
        self.rows: list[tuple[float, ...]] = []
        self.steps = self.solves = self.slips = 0
        self.burst = 0.0
        self.stop_reason = "protocol complete"
        self.lines = self._lines(protocol)
        self.azygos = watch.azygos.astype(np.uint8)
        self.hazard = (mesh.terminal_kind == TerminalKind.HAZARD).astype(np.uint8)
        self.used = [0] * len(protocol.rules)
        self.level = [rule.threshold for rule in protocol.rules]
        self.longest_pause = 0.0
        self.stopped = False
        self.tears: list[Tear] = []

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

    def to_end(self, progress: Callable[[float, float], None] | None) -> Injection:
        self._log(0.0)
        while self.lines:
            line = self.lines.pop(0)
            if not self._follow(line, progress):
                break
        return self._result()

    def _follow(self, line: _Line, progress: Callable[[float, float], None] | None) -> bool:
        """Carry one line out; False ends the run."""
        began = self.time
        if line.rate > 0.0:
            self.last_rate = line.rate
        while True:
            if line.rate > 0.0:
                # what is stored in the hub will still come out
                stored = self.source.compliance * max(self.hub, 0.0)
                left = line.planned - self.injected - stored
                if left <= NEGLIGIBLE * line.planned:
                    return True
                limit = left / line.rate
            else:
                limit = line.until - (self.time - began)
                if limit <= NEGLIGIBLE * line.until:
                    break
            result = self._step(line.rate, limit)
            if progress is not None:
                progress(self.injected, self.protocol.volume)
            if result.stalled:
                self.stop_reason = "stalled: nothing opens below the pressure limit"
                return False
            verdict = self._rules(pushing=line.rate > 0.0)
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
        if not line.settle:
            self.longest_pause = max(self.longest_pause, self.time - began)
        return True

    def _step(self, rate: float, limit: float) -> StepResult:
        drive = Drive(
            tip=self.source.cell,
            catheter_resistance=self.source.resistance,
            compliance=self.source.compliance,
            hub_limit=self.source.pressure_limit,
            push_rate=rate,
            last_rate=self.last_rate,
            step_volume=self._step_volume(rate, limit),
            step_time=min(limit, self.model.healing_time),
        )
        full_before = self.state.full_volume.copy()
        result: StepResult = advance(
            self.graph,
            self.agent,
            self.state,
            self.work,
            self.pattern,
            self.region,
            self.length,
            self.watch.route,
            drive,
            self.hub,
            self.injected,
            self.time,
        )
        if not result.converged:
            raise SolverError("the fronts' diodes did not settle; please report this scenario")
        if self.steps > MOST_STEPS:
            raise SolverError(f"more than {MOST_STEPS} steps; please report this scenario")
        self.injected += result.injected
        if result.torn > 0.0:
            self._note_tear(full_before)
        self.pushed += result.pushed
        self.time += result.dt
        self.hub = result.hub_pressure
        if self.steps == 0:
            self.rows[0] = (*self.rows[0][:2], result.tip_pressure, *self.rows[0][3:])
        self.steps += 1
        self.solves += result.solves
        self.slips += int(result.slipped)
        self.burst = max(self.burst, result.tip_pressure)
        self._log(result.tip_pressure)
        return result

    def _note_tear(self, full_before: FloatArray) -> None:
        state = self.state
        cell = np.flatnonzero(np.isfinite(full_before) & np.isinf(state.full_volume))
        kept = state.agent_volume[cell] / self.graph.volume[cell]
        self.tears.append(Tear(cell, full_before[cell], self.injected, kept))

    def _step_volume(self, rate: float, limit: float) -> float:
        volume = self.eta * max(self.injected, FIRST_VOLUME)
        if rate > 0.0 and self.source.compliance <= 0.0:
            volume = min(volume, rate * limit)
        return volume

    def _log(self, tip_pressure: float) -> None:
        sums = tally(
            self.graph,
            self.state,
            self.work,
            self.azygos,
            self.watch.azygos_fraction,
            self.hazard,
        )
        self.rows.append((self.injected, self.time, tip_pressure, self.hub, *sums))

    def catheter_reflux(self) -> float:
        """Length of catheter that agent surrounds, mm, by whatever way it came."""
        return float(self.watch.route_length[self.state.full[self.watch.route] == 1].sum())

    def _watched(self, rule: Rule) -> float:
        if rule.kind is RuleKind.AZYGOS_REFLUX:
            seen = self.watch.azygos & (2.0 * self.watch.visible_radius >= rule.visible_calibre)
            flags = seen.astype(np.uint8)
            fraction = self.watch.azygos_fraction
            return float(tally(self.graph, self.state, self.work, flags, fraction, self.hazard)[0])
        if rule.kind is RuleKind.CATHETER_REFLUX:
            return self.catheter_reflux()
        if rule.kind is RuleKind.TIP_PRESSURE:
            return self.rows[-1][2]
        if rule.kind is RuleKind.HUB_PRESSURE:
            return self.hub
        if self.watch.coverage is None:
            return 0.0
        return self.watch.coverage(self.state.full == 1)

    def _rules(self, *, pushing: bool) -> Rule | None:
        """The first rule that is met now, if any; none once a rule has stopped the injection."""
        if self.stopped:
            return None
        for k, rule in enumerate(self.protocol.rules):
            pauses = rule.action is RuleAction.PAUSE
            if pauses and (self.used[k] >= rule.times or not pushing):
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
        log = {name: np.array([row[k] for row in self.rows]) for k, name in enumerate(LOG_COLUMNS)}
        reveal_all(self.graph, self.state, self.pattern, self.region)
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
