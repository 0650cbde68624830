"""FlowMesh and agent to the arrays that the kernels read."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array

from castsim.agents import AgentModel
from castsim.disorder import gate_disorder
from castsim.kernels.arrays import Agent, Graph, State
from castsim.kernels.connectivity import neighbours_first
from castsim.kernels.elimination import Elimination, analyse
from castsim.kernels.pressure import CLOSED_LEAK
from geometry.flowmesh import FlowMesh

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LOOSE_SHARE = 1e-6
"""The same where pressures are found by iteration: they have fewer digits."""
MOST_WAYS = 2
"""Ways through a cell that is no junction."""
FIXED_PRESSURE_SHARE = 1e-9
"""A terminal without resistance gets this share of the least resistance at its cell."""


def build_graph(
    mesh: FlowMesh,
    agent: AgentModel,
    *,
    blood_viscosity: ArrayLike,
    blood_density: float,
    gravity: ArrayLike,
    rest_flow: ArrayLike = 0.0,
    section: IntArray | None = None,
    stream: IntArray | None = None,
    seed: int = 0,
) -> Graph:
    """Arrays of one mesh for one agent.

    Parameters
    ----------
    blood_viscosity : (n,) or scalar, Pa s
    blood_density : g/mm3
    gravity : (3,) mm/s2 in the frame of the mesh
    rest_flow : (n,) or scalar, mm3/s of blood through each cell's section at rest (for sweeping)
    section : (n,) section of a vein that each cell is all or part of, 0 to n-1; None: its own
    stream : (n,) cells of one stream of agent, 0 to n-1; None: each has its own
    seed : of the gates' disorder
    """
    n, m, t = mesh.n_cells, mesh.n_faces, mesh.n_terminals
    g = np.asarray(gravity, dtype=float)
    contrast = agent.density - blood_density
    cell_weight = contrast * (mesh.cell_centroid @ g)
    viscosity = np.broadcast_to(np.asarray(blood_viscosity, dtype=float), n).copy()
    owner = np.concatenate([mesh.face_owner, mesh.terminal_cell]).astype(np.int64)
    neighbour = np.concatenate([mesh.face_neighbour, n + np.arange(t)]).astype(np.int64)
    half = np.vstack([mesh.half_resistance, np.zeros((t, 2))])
    resistance = (
        mesh.half_resistance[:, 0] * viscosity[mesh.face_owner]
        + mesh.half_resistance[:, 1] * viscosity[mesh.face_neighbour]
    )
    least = np.full(n, np.inf)
    np.minimum.at(least, mesh.face_owner, resistance)
    np.minimum.at(least, mesh.face_neighbour, resistance)
    least[~np.isfinite(least)] = 1.0
    end = np.where(
        mesh.terminal_resistance > 0,
        mesh.terminal_resistance,
        (FIXED_PRESSURE_SHARE if section is None else LOOSE_SHARE) * least[mesh.terminal_cell],
    )
    gate = np.concatenate([mesh.face_gate, mesh.terminal_gate]).astype(np.int64)
    order = np.argsort(gate, kind="stable")
    order = order[gate[order] >= 0]
    gate_first = np.searchsorted(gate[order], np.arange(mesh.n_gates + 1)).astype(np.int64)
    first, around = neighbours_first(n, owner, neighbour)
    own = np.arange(n) if section is None else section
    return Graph(
        owner=owner,
        neighbour=neighbour,
        half_owner=half[:, 0].copy(),
        half_neighbour=half[:, 1].copy(),
        extra=np.concatenate([np.zeros(m), end]),
        blood_conductance=1.0 / np.concatenate([resistance, end]),
        # a terminal of fixed pressure conducts so well that even a share of it would drain a cast
        leak=CLOSED_LEAK / np.concatenate([resistance, np.maximum(end, least[mesh.terminal_cell])]),
        valve=np.concatenate([mesh.face_valve, np.zeros(t, dtype=np.int64)]).astype(np.int64),
        gate=gate,
        face_weight=np.concatenate(
            [contrast * (mesh.face_centroid @ g), cell_weight[mesh.terminal_cell]]
        ),
        cell_weight=cell_weight,
        volume=np.array(mesh.cell_volume),
        gel_radius=gel_radius(mesh),
        annular=(mesh.cell_gap > 0).astype(np.uint8),
        blood_viscosity=viscosity,
        rest_flow=np.broadcast_to(np.asarray(rest_flow, dtype=float), n).copy(),
        section=own.astype(np.int64),
        stream=(np.arange(n) if stream is None else stream).astype(np.int64),
        section_cells=np.bincount(own, minlength=n).astype(np.int64),
        junction=_junctions(mesh, own),
        terminal_pressure=np.array(mesh.terminal_pressure),
        terminal_fixed=(mesh.terminal_resistance == 0).astype(np.uint8),
        gate_radius=np.array(mesh.gate_radius),
        gate_disorder=gate_disorder(
            mesh.gate_key, mesh.gate_stretch, seed=seed, spread=agent.disorder
        ),
        first=first,
        around=around,
        gate_first=gate_first,
        gate_faces=order.astype(np.int64),
    )


def _junctions(mesh: FlowMesh, section: IntArray) -> NDArray[np.uint8]:
    """Cells (n,) that are a whole section and have more than two sections or ends beside them."""
    n = mesh.n_cells
    near = np.concatenate([mesh.face_owner, mesh.face_neighbour])
    far = section[np.concatenate([mesh.face_neighbour, mesh.face_owner])]
    count = int(section.max()) + 1
    if count < n:
        met = coo_array((np.ones(len(near)), (near, far)), shape=(n, count)).tocsr()
        sections = np.diff(met.indptr)  # each once, however many faces lead there
    else:
        sections = np.bincount(near, minlength=n)
    ways = sections + np.bincount(mesh.terminal_cell, minlength=n)
    whole = np.bincount(section, minlength=n)[section] == 1
    return np.asarray((ways > MOST_WAYS) & whole, dtype=np.uint8)


def gel_radius(mesh: FlowMesh) -> FloatArray:
    """R of the gel number, mm: the circle that loses solvent as fast as the lumen does.

    1/R^2 = (1/a^2 + 1/b^2)/2 is the lowest mode of an ellipse to first order (exact for a circle);
    in an annulus it is half the gap.
    """
    lumen = np.sqrt(2.0 / (mesh.cell_radius**-2.0 + mesh.cell_radius_minor**-2.0))
    return np.where(mesh.cell_gap > 0, 0.5 * mesh.cell_gap, lumen)


def elimination_plan(graph: Graph) -> Elimination:
    """Order in which the cells are eliminated, and where their products go."""
    n = len(graph.volume)
    inner = len(graph.owner) - len(graph.terminal_pressure)
    stays = np.zeros(n, dtype=np.bool_)
    return analyse(n, graph.owner[:inner], graph.neighbour[:inner], stays)


def kernel_agent(agent: AgentModel) -> Agent:
    """The agent's numbers that the kernels need."""
    return Agent(
        viscosity=agent.viscosity,
        diffusivity=agent.diffusivity,
        swept_factor=agent.diffusivity_swept_factor,
        enclosed_factor=agent.diffusivity_enclosed_factor,
        onset=agent.skin_onset,
        skin_yield=agent.skin_yield,
        wall_hold=agent.wall_hold,
        tension=agent.tension,
        healing_time=agent.healing_time,
        healing_travel=agent.healing_travel,
        sweep_ratio=agent.sweep_ratio,
    )


def empty_state(graph: Graph) -> State:
    """No agent anywhere."""
    n, m = len(graph.volume), len(graph.owner)
    t, g = len(graph.terminal_pressure), len(graph.gate_radius)

    def flags(size: int) -> NDArray[np.uint8]:
        return np.zeros(size, dtype=np.uint8)

    def never(size: int) -> FloatArray:
        return np.full(size, np.inf)

    return State(
        agent_volume=np.zeros(n),
        full=flags(n),
        gel=np.zeros(n),
        first_volume=never(n),
        full_volume=never(n),
        first_time=never(n),
        full_time=never(n),
        swept=np.zeros(n),
        first_swept=never(n),
        torn=np.zeros(n),
        terminal_out=np.zeros(t),
        reached=flags(g),
        broken=flags(g),
        age=np.zeros(g),
        skin=np.zeros(g),
        moved=np.zeros(g),
        window=np.zeros(g),
        pressure=np.zeros(n),
        flow=np.zeros(m),
        diode=np.ones(m, dtype=np.uint8),
        fed=flags(n),
        drains=flags(n),
        way=np.full(n, -1, dtype=np.int64),
    )
