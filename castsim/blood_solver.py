"""Linear flow of blood in a mesh with Thevenin terminals and valves.

Solves, for every cell, the two equations at the head of :mod:`castsim.venous_flow`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from castsim.errors import SolverError
from castsim.laplacian import Laplacian
from geometry.flowmesh import FloatArray, FlowMesh, IntArray

BoolArray = NDArray[np.bool_]

VALVE_ROUNDS = 200
PATIENT_ROUNDS = 20


def face_conductance(mesh: FlowMesh, viscosity: FloatArray) -> FloatArray:
    """Conductance 1 / (mu_o h_o + mu_n h_n) of every face, uL s^-1 Pa^-1."""
    half = mesh.half_resistance
    return np.asarray(
        1 / (viscosity[mesh.face_owner] * half[:, 0] + viscosity[mesh.face_neighbour] * half[:, 1])
    )


@dataclass(frozen=True)
class State:
    """Pressures (n,) Pa, conductances (m,) with 0 at shut valves, and the valves."""

    pressure: FloatArray
    conductance: FloatArray
    valve_open: BoolArray


def face_flow(mesh: FlowMesh, state: State) -> FloatArray:
    """Flow from owner to neighbour of each face, uL/s."""
    drop = state.pressure[mesh.face_owner] - state.pressure[mesh.face_neighbour]
    return np.asarray(state.conductance * drop)


class BloodSolver:
    """Thevenin solves on one mesh topology, valves by active set."""

    def __init__(self, mesh: FlowMesh) -> None:
        self.laplacian = Laplacian(mesh.n_cells, mesh.face_owner, mesh.face_neighbour)
        self.valve_open = np.ones(mesh.n_faces, dtype=bool)

    def solve(self, mesh: FlowMesh, viscosity: FloatArray) -> State:
        """Pressures for the terminals and viscosity of the moment.

        Cells with a terminal of no resistance hold its pressure exactly.
        """
        cell, n = mesh.terminal_cell, mesh.n_cells
        owner, neighbour, valve = mesh.face_owner, mesh.face_neighbour, mesh.face_valve
        # pressures above the lowest held one keep their digits in wide veins
        base = float(mesh.terminal_pressure.min())
        excess = mesh.terminal_pressure - base
        fixes = mesh.terminal_resistance == 0
        fixed = np.zeros(n, dtype=bool)
        fixed[cell[fixes]] = True
        fixed_pressure = np.zeros(n)
        fixed_pressure[cell[fixes]] = excess[fixes]
        grip = np.where(fixes, 0.0, 1 / np.where(fixes, 1.0, mesh.terminal_resistance))
        ground = np.where(fixed, 1.0, sum_by(cell, grip, n))
        source = np.where(fixed, fixed_pressure, sum_by(cell, grip * excess, n))
        inner = ~(fixed[owner] | fixed[neighbour])
        to_fixed = fixed[owner] ^ fixed[neighbour]
        free = np.where(fixed[owner], neighbour, owner)
        held = np.where(fixed[owner], owner, neighbour)
        full = face_conductance(mesh, viscosity)
        opened = self.valve_open.copy()
        for round_ in range(VALVE_ROUNDS):
            conductance = np.where(opened, full, 0.0)
            edge = np.where(to_fixed, conductance, 0.0)
            self.laplacian.factorise(
                np.where(inner, conductance, 0.0), ground + sum_by(free, edge, n)
            )
            right = source + sum_by(free, edge * fixed_pressure[held], n)
            pressure = self.laplacian.solve(right)
            forward = valve * (pressure[owner] - pressure[neighbour])
            slack = 1e-12 * float(np.abs(pressure).max())
            wanted = (valve == 0) | np.where(opened, forward >= -slack, forward > slack)
            if round_ >= PATIENT_ROUNDS and (wanted != opened).any():
                # all at once may swing for ever; one at a time descends the dissipation
                worst = np.argmax(np.where(wanted != opened, np.abs(forward), -1.0))
                wanted = opened.copy()
                wanted[worst] = not opened[worst]
            wanted |= _last_way_out(mesh, wanted, ground > 0)
            if (wanted == opened).all():
                self.valve_open = opened
                pressure = self.laplacian.refine(pressure, right)
                return State(pressure + base, conductance, opened)
            opened = wanted
        raise SolverError(f"resting flow: the valves found no state in {VALVE_ROUNDS} rounds")


def sum_by(index: IntArray, values: NDArray[Any], size: int) -> FloatArray:
    """Sum of the values with each index, (size,)."""
    return np.bincount(index, weights=values, minlength=size).astype(np.float64)


def _last_way_out(mesh: FlowMesh, opened: BoolArray, grounded: BoolArray) -> BoolArray:
    """Shut faces that must stay open lest cells lose every way to a held pressure.

    Such a face carries no flow at the end, so that open and shut are the same state.
    """
    saved = np.zeros(mesh.n_faces, dtype=bool)
    while not (opened | saved).all():
        faces = np.flatnonzero(opened | saved)
        graph = coo_array(
            (np.ones(len(faces)), (mesh.face_owner[faces], mesh.face_neighbour[faces])),
            shape=(mesh.n_cells, mesh.n_cells),
        )
        label = connected_components(graph, directed=False)[1]
        held = np.zeros(label.max() + 1, dtype=bool)
        held[label[grounded]] = True
        shut = np.flatnonzero(~(opened | saved))
        owner_held, other_held = (
            held[label[mesh.face_owner[shut]]],
            held[label[mesh.face_neighbour[shut]]],
        )
        bridge = shut[owner_held != other_held]
        if not len(bridge):
            break
        saved[bridge[0]] = True
    return saved
