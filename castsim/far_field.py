"""Kron reduction: a window of the spine, and exactly what the rest of it does to the window.

Kept cells K, eliminated cells O, conductance matrix A with sources b (terminals included)::

    S = A_KK - A_KO A_OO^-1 A_OK,    b' = b_K - A_KO A_OO^-1 b_O

S couples only the *ports*, kept cells that touch O. With X = -A_OO^-1 A_OK >= 0 (the pressure
everywhere outside when one port is at 1 Pa and all ends at 0), each part of S is a sum of
positive terms, so that nothing is lost to cancellation:

    coupling of ports p and q   s_pq = sum over faces (o, q) of g_oq X_op        -> a face
    hold of port p              g_p  = sum over ends o of G_o X_op               -> a terminal
    its pressure                P_p  = sum over ends o of G_o X_op P_o / g_p

Blood viscosity and valves of the outside are frozen at rest: blood there never leaves its
resting state but in pressure. That is exact as long as no agent passes a port (a full port
cell counts as such) and no valve outside turns over.

The faces between ports have no volume behind them and no gate (NO_GATE): agent never enters
them, and their resistance holds for blood in both cells. Each port has one terminal of kind
CUT, whose gate has the key (branch of the port, -3).
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from castsim.blood_solver import BoolArray, face_conductance, sum_by
from castsim.errors import SolverError
from castsim.laplacian import Laplacian
from castsim.venous_flow import VenousFlow
from geometry.flowmesh import NO_GATE, FloatArray, FlowMesh, IntArray
from geometry.network import TerminalKind

NEGLIGIBLE = 1e-14
"""A coupling is dropped when it is less than this part of both its ports' own conductance:
then it moves their pressures by less than this part of any difference of pressure."""
CUT_STRETCH = -3
"""Gate key of a cut, beside -1 and -2 of the ends of a branch."""


@dataclass(frozen=True)
class Window:
    """A reduced mesh and where its cells come from.

    Attributes
    ----------
    mesh : kept cells, their faces and terminals, port-to-port faces and CUT terminals (last)
    cells : (k,) indices of its cells in the whole mesh, increasing
    faces : (f,) indices of its own faces (the first ones) in the whole mesh
    terminals : (t,) indices of its own terminals (the first ones) in the whole mesh
    ports : (p,) window cells that touch the outside
    """

    mesh: FlowMesh
    cells: IntArray
    faces: IntArray
    terminals: IntArray
    ports: IntArray


def window(
    mesh: FlowMesh,
    rest: VenousFlow,
    levels: Collection[int] = (),
    *,
    keep_cells: BoolArray | None = None,
) -> Window:
    """Keep the cells at `levels` (and those of `keep_cells`), reduce the rest to ports.

    Parameters
    ----------
    mesh : with calibrated terminals (`rest.mesh`)
    rest : resting flow on this mesh, for viscosity and valves
    levels : level codes to keep
    keep_cells : (n,) cells to keep besides

    Raises
    ------
    SolverError
        When nothing is kept.
    """
    keep = np.isin(mesh.cell_level, np.array(list(levels), dtype=np.int64))
    if keep_cells is not None:
        keep |= keep_cells
    if not keep.any():
        raise SolverError("window: no cell lies at the levels that were asked for")
    cells = np.flatnonzero(keep)
    inside = np.full(mesh.n_cells, -1)
    inside[cells] = np.arange(len(cells))
    faces = np.flatnonzero(keep[mesh.face_owner] & keep[mesh.face_neighbour])
    terminals = np.flatnonzero(keep[mesh.terminal_cell])
    ports, coupling, hold, pressure = _reduce(mesh, rest, keep)

    first, second = np.triu_indices(len(ports), 1)
    strength = coupling[first, second]
    own = np.maximum(hold + coupling.sum(axis=1) - np.diag(coupling), np.finfo(float).tiny)
    linked = strength > NEGLIGIBLE * np.minimum(own[first], own[second])
    first, second, strength = first[linked], second[linked], strength[linked]
    held = np.flatnonzero(hold > NEGLIGIBLE * own)
    blood = rest.viscosity[ports]
    half = 0.5 / (strength[:, None] * blood[np.column_stack([first, second])])
    centroid = mesh.cell_centroid[ports]
    cut = ports[held]
    gates = mesh.n_gates
    reduced = FlowMesh(
        **{name: getattr(mesh, name)[cells] for name in _CELL_FIELDS},
        face_owner=np.concatenate([inside[mesh.face_owner[faces]], inside[ports[first]]]),
        face_neighbour=np.concatenate([inside[mesh.face_neighbour[faces]], inside[ports[second]]]),
        half_resistance=np.concatenate([mesh.half_resistance[faces], half]),
        face_centroid=np.concatenate(
            [mesh.face_centroid[faces], 0.5 * (centroid[first] + centroid[second])]
        ),
        face_length=np.concatenate(
            [mesh.face_length[faces], np.linalg.norm(centroid[first] - centroid[second], axis=1)]
        ),
        face_valve=np.concatenate([mesh.face_valve[faces], np.zeros(len(first), dtype=np.int64)]),
        face_gate=np.concatenate([mesh.face_gate[faces], np.full(len(first), NO_GATE)]),
        gate_radius=np.concatenate([mesh.gate_radius, _curvature(mesh, cut)]),
        gate_branch=np.concatenate([mesh.gate_branch, mesh.cell_branch[cut]]),
        gate_stretch=np.concatenate([mesh.gate_stretch, np.full(len(cut), CUT_STRETCH)]),
        terminal_cell=np.concatenate([inside[mesh.terminal_cell[terminals]], inside[cut]]),
        terminal_pressure=np.concatenate([mesh.terminal_pressure[terminals], pressure[held]]),
        terminal_resistance=np.concatenate([mesh.terminal_resistance[terminals], 1 / hold[held]]),
        terminal_radius=np.concatenate(
            [
                mesh.terminal_radius[terminals],
                np.sqrt(mesh.cell_radius[cut] * mesh.cell_radius_minor[cut]),
            ]
        ),
        terminal_kind=np.concatenate(
            [mesh.terminal_kind[terminals], np.full(len(cut), int(TerminalKind.CUT))]
        ),
        terminal_gate=np.concatenate([mesh.terminal_gate[terminals], gates + np.arange(len(cut))]),
        terminal_name=tuple(mesh.terminal_name[t] for t in terminals)
        + tuple(f"cut {cell}" for cell in cut)
        if mesh.terminal_name
        else (),
    )
    reduced = _without_idle_gates(reduced)
    reduced.validate()
    return Window(mesh=reduced, cells=cells, faces=faces, terminals=terminals, ports=inside[ports])


_CELL_FIELDS = (
    "cell_volume",
    "cell_radius",
    "cell_radius_minor",
    "cell_gap",
    "cell_centroid",
    "cell_structure",
    "cell_level",
    "cell_side",
    "cell_branch",
)


def _reduce(
    mesh: FlowMesh, rest: VenousFlow, keep: BoolArray
) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
    """Ports, their couplings (p, p), holds (p,) and the pressures (p,) that hold them."""
    owner, neighbour = mesh.face_owner, mesh.face_neighbour
    conductance = np.where(rest.valve_open, face_conductance(mesh, rest.viscosity), 0.0)
    conducts = conductance > 0
    border = np.flatnonzero(conducts & (keep[owner] != keep[neighbour]))
    port_of = np.where(keep[owner], owner, neighbour)[border]
    beyond = np.where(keep[owner], neighbour, owner)[border]
    ports = np.unique(port_of)
    empty = np.zeros(len(ports))
    if not len(ports):
        return ports, np.zeros((0, 0)), empty, empty

    # what lies outside and touches no port is not heard inside
    outer = np.flatnonzero(conducts & ~keep[owner] & ~keep[neighbour])
    graph = coo_array(
        (np.ones(len(outer)), (owner[outer], neighbour[outer])), shape=(mesh.n_cells,) * 2
    )
    label = connected_components(graph, directed=False)[1]
    heard = ~keep & np.isin(label, label[beyond])
    number = np.full(mesh.n_cells, -1)
    number[heard] = np.arange(heard.sum())
    outer = outer[heard[owner[outer]]]
    n = int(heard.sum())

    end = np.flatnonzero(heard[mesh.terminal_cell])
    fixes = mesh.terminal_resistance[end] == 0
    end_cell, end_pressure = number[mesh.terminal_cell[end]], mesh.terminal_pressure[end]
    fixed = np.zeros(n, dtype=bool)
    fixed[end_cell[fixes]] = True
    fixed_pressure = np.zeros(n)
    fixed_pressure[end_cell[fixes]] = end_pressure[fixes]

    a, b, g = number[owner[outer]], number[neighbour[outer]], conductance[outer]
    to_fixed = fixed[a] != fixed[b]
    # ends: Thevenin terminals, and faces to cells of fixed pressure
    grip_cell = np.concatenate([end_cell[~fixes], np.where(fixed[a], b, a)[to_fixed]])
    grip = np.concatenate([1 / mesh.terminal_resistance[end[~fixes]], g[to_fixed]])
    grip_pressure = np.concatenate(
        [end_pressure[~fixes], fixed_pressure[np.where(fixed[a], a, b)[to_fixed]]]
    )
    free = ~fixed[grip_cell]
    grip_cell, grip, grip_pressure = grip_cell[free], grip[free], grip_pressure[free]

    row = np.searchsorted(ports, port_of)
    cell, across = number[beyond], conductance[border]
    at_fixed = fixed[cell]
    ground = sum_by(grip_cell, grip, n) + sum_by(cell, across, n)
    ground[fixed] = 1.0
    laplacian = Laplacian(n, a, b)
    laplacian.factorise(np.where(fixed[a] | fixed[b], 0.0, g), ground)

    coupling = np.zeros((len(ports), len(ports)))
    hold, drive = np.zeros(len(ports)), np.zeros(len(ports))
    # a port that touches a cell of fixed pressure is held by it directly
    np.add.at(hold, row[at_fixed], across[at_fixed])
    np.add.at(drive, row[at_fixed], across[at_fixed] * fixed_pressure[cell[at_fixed]])
    row, cell, across = row[~at_fixed], cell[~at_fixed], across[~at_fixed]
    for port in range(len(ports)):
        mine = row == port
        if not mine.any():
            continue
        source = sum_by(cell[mine], across[mine], n)
        response = laplacian.solve(source)
        coupling[port] = sum_by(row, across * response[cell], len(ports))
        held_by = grip * response[grip_cell]
        hold[port] += held_by.sum()
        drive[port] += held_by @ grip_pressure
    coupling = 0.5 * (coupling + coupling.T)
    pressure = np.divide(drive, hold, out=np.zeros(len(ports)), where=hold > 0)
    return ports, coupling, hold, pressure


def _curvature(mesh: FlowMesh, cells: IntArray) -> FloatArray:
    """Radius of curvature 2ab/(a+b) of the lumen, mm."""
    a, b = mesh.cell_radius[cells], mesh.cell_radius_minor[cells]
    return np.asarray(2 * a * b / (a + b))


def _without_idle_gates(mesh: FlowMesh) -> FlowMesh:
    """Leave out gates of which no face or terminal is left."""
    used = np.zeros(mesh.n_gates, dtype=bool)
    used[mesh.face_gate[mesh.face_gate != NO_GATE]] = True
    used[mesh.terminal_gate] = True
    number = np.cumsum(used) - 1
    return replace(
        mesh,
        face_gate=np.where(mesh.face_gate == NO_GATE, NO_GATE, number[mesh.face_gate]),
        gate_radius=mesh.gate_radius[used],
        gate_branch=mesh.gate_branch[used],
        gate_stretch=mesh.gate_stretch[used],
        terminal_gate=number[mesh.terminal_gate],
    )
