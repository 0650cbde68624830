"""Quasistatic injection: invasion percolation on a flow mesh, through one public entry."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from castsim.agents import AgentModel
from castsim.assembly import build_graph, empty_state
from castsim.errors import SolverError
from castsim.injection import LOG_COLUMNS, Injection, TipSource, Watch
from castsim.kernels.arrays import Graph, State
from castsim.kernels.quasistatic import invade, threshold_ranks
from castsim.protocol import Protocol
from geometry.flowmesh import FlowMesh
from geometry.network import TerminalKind

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Invasion:
    """Order of an invasion.

    Attributes
    ----------
    order : (k,) cells in the order in which they filled
    terminal : terminal through which agent left and ended it, -1: none
    injected : mm3
    state, graph : as the kernels left them
    """

    order: IntArray
    terminal: int
    injected: float
    state: State
    graph: Graph


def percolate(
    mesh: FlowMesh,
    agent: AgentModel,
    tip: int,
    *,
    volume: float = np.inf,
    threshold: FloatArray | None = None,
    trapping: bool = True,
    leave: bool = True,
    seed: int = 0,
) -> Invasion:
    """Fill a mesh from cell `tip` in the order of its gates' thresholds.

    Parameters
    ----------
    volume : mm3 at most; infinite: until nothing is left to invade
    threshold : (g,) of the gates, in any unit; None: 2 sigma_0 xi / r of the agent
    trapping : whether blood without a way out stops agent (without: every cell has a sink)
    leave : whether agent may leave through terminals, which ends the invasion
    seed : of the gates' disorder

    References
    ----------
    Wilkinson and Willemsen 1983, J. Phys. A 16:3365.
    """
    if threshold is not None and np.shape(threshold) != (mesh.n_gates,):
        raise SolverError(f"threshold must have one value for each of {mesh.n_gates} gates")
    graph = build_graph(
        mesh, agent, blood_viscosity=1.0, blood_density=0.0, gravity=np.zeros(3), seed=seed
    )
    if threshold is None:
        threshold = 2.0 * agent.tension * graph.gate_disorder / graph.gate_radius
    state = empty_state(graph)
    order = np.empty(mesh.n_cells, dtype=np.int64)
    count, terminal, injected = invade(
        graph,
        state,
        threshold_ranks(np.asarray(threshold, dtype=float)),
        tip,
        volume,
        trapping,
        leave,
        order,
        np.empty(mesh.n_cells + 1, dtype=np.int64),
    )
    return Invasion(order[:count], terminal, injected, state, graph)


def inject_quasistatic(
    mesh: FlowMesh,
    agent: AgentModel,
    source: TipSource,
    protocol: Protocol,
    *,
    watch: Watch | None = None,
    seed: int = 0,
) -> Injection:
    """The protocol's whole volume, quasistatically: time is volume over the first rate.

    What is planned after agent has found a way out leaves there.
    """
    watch = watch or Watch.nothing(mesh)
    run = percolate(mesh, agent, source.cell, volume=protocol.volume, seed=seed)
    state, rate = run.state, protocol.first_rate
    leaves = run.terminal >= 0
    injected = protocol.volume if leaves else run.injected
    if leaves:
        state.terminal_out[run.terminal] = injected - run.injected
    start = source.dead_space / rate
    for volumes, times in (
        (state.first_volume, state.first_time),
        (state.full_volume, state.full_time),
    ):
        times[:] = start + volumes / rate
    volume = np.concatenate([[0.0], state.full_volume[run.order], [injected]])
    inside = np.concatenate([[0.0], np.cumsum((state.agent_volume * watch.azygos)[run.order])])
    out = np.maximum(0.0, volume - run.injected)
    lost = float(state.terminal_out.sum())
    hazard = leaves and mesh.terminal_kind[run.terminal] == TerminalKind.HAZARD
    log = {name: np.zeros(len(volume)) for name in LOG_COLUMNS}
    log["volume"] = volume
    log["time"] = start + volume / rate
    log["azygos"] = np.append(inside, inside[-1])
    log["terminal"] = out
    log["hazard"] = out * hazard
    cut = mesh.terminal_kind == TerminalKind.CUT
    return Injection(
        state=state,
        graph=run.graph,
        log=log,
        tears=(),
        injected=injected,
        syringe=2.0 * source.dead_space + injected,
        dmso=source.dead_space,
        stored=0.0,
        embolised=0.0,
        terminal=lost,
        hazard=lost * hazard,
        duration=float(log["time"][-1]),
        stop_reason="agent found a way out" if leaves else "protocol complete",
        truncated=bool(
            state.agent_volume[np.concatenate([mesh.terminal_cell[cut], watch.ports])].sum() > 0.0
        ),
        burst_pressure=0.0,
        longest_pause=0.0,
        largest_rate=protocol.largest_rate,
        first_rate=rate,
        slips=0,
        steps=len(run.order),
        solves=0,
    )
