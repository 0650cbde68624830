"""Kron reduction: a window of the spine, and exactly what the rest of it does to the window.

The outside is eliminated (:mod:`castsim.reduction`). That couples only the *ports*, kept cells
that touch it. With X >= 0 the pressure everywhere outside when one port is at 1 Pa and all ends
at 0, and G the conductance of an end::

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

from castsim.blood_solver import face_conductance, sum_by
from castsim.chains import Chained
from castsim.errors import SolverError
from castsim.kernels.blood import hold_fixed
from castsim.reduction import Links, Reduction, part_of
from castsim.venous_flow import VenousFlow
from geometry.flowmesh import NO_GATE, BoolArray, FloatArray, FlowMesh, IntArray
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
    faces = np.flatnonzero(keep[mesh.face_owner] & keep[mesh.face_neighbour])
    terminals = np.flatnonzero(keep[mesh.terminal_cell])
    ports, coupling, hold, pressure = _reduce(mesh, rest, keep)

    size = len(ports)
    own = hold + sum_by(coupling.first, coupling.strength, size)
    own = np.maximum(own + sum_by(coupling.second, coupling.strength, size), np.finfo(float).tiny)
    weaker = np.minimum(own[coupling.first], own[coupling.second])
    linked = coupling.strength > NEGLIGIBLE * weaker
    place = np.searchsorted(cells, ports)
    links = Links(
        place[coupling.first[linked]], place[coupling.second[linked]], coupling.strength[linked]
    )
    held = np.flatnonzero(hold > NEGLIGIBLE * own)
    reduced = part_of(mesh, cells, faces, terminals, links, rest.viscosity)
    reduced = _with_cuts(mesh, reduced, ports[held], place[held], pressure[held], 1 / hold[held])
    reduced = _without_idle_gates(reduced)
    reduced.validate()
    return Window(mesh=reduced, cells=cells, faces=faces, terminals=terminals, ports=place)


def _with_cuts(
    mesh: FlowMesh,
    reduced: FlowMesh,
    cut: IntArray,
    place: IntArray,
    pressure: FloatArray,
    resistance: FloatArray,
) -> FlowMesh:
    """Add a CUT terminal at each of the cells `cut` of `mesh`, which are `place` in `reduced`."""
    count, gates = len(cut), reduced.n_gates
    radius = np.sqrt(mesh.cell_radius * mesh.cell_radius_minor)[cut]
    added: dict[str, FloatArray | IntArray] = {
        "gate_radius": _curvature(mesh, cut),
        "gate_branch": mesh.cell_branch[cut],
        "gate_stretch": np.full(count, CUT_STRETCH),
        "terminal_cell": place,
        "terminal_pressure": pressure,
        "terminal_resistance": resistance,
        "terminal_radius": radius,
        "terminal_kind": np.full(count, int(TerminalKind.CUT)),
        "terminal_gate": gates + np.arange(count),
    }
    names = reduced.terminal_name + tuple(f"cut {cell}" for cell in cut)
    return replace(
        reduced,
        **{name: np.concatenate([getattr(reduced, name), more]) for name, more in added.items()},
        terminal_name=names if mesh.terminal_name else (),
    )


def _reduce(
    mesh: FlowMesh, rest: VenousFlow, keep: BoolArray
) -> tuple[IntArray, Links, FloatArray, FloatArray]:
    """Ports, their couplings (by place in the ports), holds (p,), and the pressures they hold."""
    owner, neighbour = mesh.face_owner, mesh.face_neighbour
    conductance = np.where(rest.valve_open, face_conductance(mesh, rest.viscosity), 0.0)
    outer = np.flatnonzero((conductance > 0) & ~(keep[owner] & keep[neighbour]))
    touched = np.zeros(mesh.n_cells, dtype=bool)
    touched[owner[outer]] = touched[neighbour[outer]] = True
    ports = np.flatnonzero(touched & keep)
    heard = ~keep
    heard[ports] = True
    number = np.cumsum(heard) - 1
    end = np.flatnonzero(~keep[mesh.terminal_cell])
    stays = np.zeros(int(heard.sum()), dtype=bool)
    stays[number[ports]] = stays[number[mesh.terminal_cell[end]]] = True
    a, b = number[owner[outer]], number[neighbour[outer]]
    for ends in (a, b):
        ends.setflags(write=False)  # as in a FlowMesh: kernels are compiled for one kind
    small = Chained(len(stays), a, b, stays)
    n = len(small.cells)

    cell = np.searchsorted(small.cells, number[mesh.terminal_cell[end]])
    end_pressure, end_resistance = mesh.terminal_pressure[end], mesh.terminal_resistance[end]
    # a pressure is a sum of what the ends do to it: measured from the lowest of them, all push
    base = float(end_pressure.min()) if len(end) else 0.0
    excess = end_pressure - base
    fixes = end_resistance == 0
    fixed = np.zeros(n, dtype=bool)
    fixed[cell[fixes]] = True
    fixed_pressure = np.zeros(n)
    fixed_pressure[cell[fixes]] = excess[fixes]
    grip = np.where(fixed[cell], 0.0, 1 / np.where(fixes, 1.0, end_resistance))
    ground, source = sum_by(cell, grip, n), sum_by(cell, grip * excess, n)
    strength = 1 / small.resistance(1 / conductance[outer])
    inner = hold_fixed(
        small.owner, small.neighbour, strength, fixed, fixed_pressure, ground, source
    )

    is_port = np.zeros(n, dtype=bool)
    is_port[np.searchsorted(small.cells, number[ports])] = True
    reduction = Reduction(n, small.owner, small.neighbour, is_port)
    strength, hold, drive = reduction.reduce(inner, ground, source)
    pressure = base + np.divide(drive, hold, out=np.zeros(len(ports)), where=hold > 0)
    return ports, Links(reduction.first, reduction.second, strength), hold, pressure


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
