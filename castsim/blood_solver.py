"""Linear flow of blood in a mesh with Thevenin terminals and valves.

Solves, for every cell, the two equations at the head of :mod:`castsim.venous_flow`.

**Valves** are diodes. The pressures are those at which the content of the network

    f(P) = sum over faces g drop^2 / 2 + sum over valves g max(0, drop forward)^2 / 2 + ends

is least (Millar, Phil. Mag. 42, 1951): f is convex with continuous slope, and quadratic as long as
no valve turns over. Each solve with some valves shut is a Newton step for f; where it overshoots,
the step ends at the least f on its way, which needs the valves' own flows and drops only. So f
falls with every step, no set of shut valves returns, and the search ends. Blood enclosed by shut
valves without a terminal stands still at any pressure that keeps them shut; it is given the lowest
of these, where a vanishing leak to the lowest held pressure would leave it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from castsim.chains import Chained
from castsim.errors import SolverError
from castsim.kernels.blood import face_flows, face_resistances, hold_fixed
from castsim.laplacian import Laplacian
from geometry.flowmesh import BoolArray, FloatArray, FlowMesh, IntArray

VALVE_ROUNDS = 200
SLACK = 1e-12
"""A drop across a valve counts as none when it is less than this part of the highest pressure."""
BISECTIONS = 60
"""Halvings of a step in the search for the least content: to the last bit."""


def face_resistance(mesh: FlowMesh, viscosity: FloatArray) -> FloatArray:
    """Resistance mu_o h_o + mu_n h_n of every face, Pa s mm^-3."""
    blood = viscosity.view()
    blood.setflags(write=False)  # kernels are compiled for one kind
    return face_resistances(mesh.face_owner, mesh.face_neighbour, mesh.half_resistance, blood)


def face_conductance(mesh: FlowMesh, viscosity: FloatArray) -> FloatArray:
    """Conductance 1 / (mu_o h_o + mu_n h_n) of every face, uL s^-1 Pa^-1."""
    return 1 / face_resistance(mesh, viscosity)


@dataclass(frozen=True)
class State:
    """Pressures (n,) Pa, conductances (m,) with 0 at shut valves, and the valves."""

    pressure: FloatArray
    conductance: FloatArray
    valve_open: BoolArray


def face_flow(mesh: FlowMesh, state: State) -> FloatArray:
    """Flow from owner to neighbour of each face, uL/s."""
    return face_flows(mesh.face_owner, mesh.face_neighbour, state.conductance, state.pressure)


class BloodSolver:
    """Thevenin solves on one mesh topology, valves by damped Newton steps.

    Chains of cells are one link each; `laplacian` is that of the cells which are left.

    Parameters
    ----------
    mesh : its faces, valves and the cells of its terminals stay what they are in later solves
    keep : (n,) cells that are no part of a chain, besides those at terminals and valves
    """

    def __init__(self, mesh: FlowMesh, keep: BoolArray | None = None) -> None:
        valves = np.flatnonzero(mesh.face_valve)
        stays = np.zeros(mesh.n_cells, dtype=bool) if keep is None else keep.copy()
        stays[mesh.terminal_cell] = True
        stays[mesh.face_owner[valves]] = stays[mesh.face_neighbour[valves]] = True
        self._chained = Chained(mesh.n_cells, mesh.face_owner, mesh.face_neighbour, stays)
        small = self._chained
        self._ends = np.searchsorted(small.cells, mesh.terminal_cell)
        self._valves = np.searchsorted(small.faces, valves)
        self.laplacian = Laplacian(len(small.cells), small.owner, small.neighbour)
        self.valve_open = np.ones(mesh.n_faces, dtype=bool)
        self._last = np.zeros(len(small.cells))

    def solve(self, mesh: FlowMesh, viscosity: FloatArray) -> State:
        """Pressures for the terminals and viscosity of the moment.

        Cells with a terminal of no resistance hold its pressure exactly.

        Raises
        ------
        SolverError
            When part of the mesh has no terminal at all.
        """
        small, cell, n = self._chained, self._ends, self.laplacian.n
        # pressures above the lowest held one keep their digits in wide veins
        base = float(mesh.terminal_pressure.min())
        excess = mesh.terminal_pressure - base
        fixes = mesh.terminal_resistance == 0
        fixed = np.zeros(n, dtype=bool)
        fixed[cell[fixes]] = True
        grip = np.where(fixes, 0.0, 1 / np.where(fixes, 1.0, mesh.terminal_resistance))
        held, driven = sum_by(cell, grip, n), sum_by(cell, grip * excess, n)
        held[fixed] = 1.0
        driven[cell[fixes]] = excess[fixes]
        resistance = face_resistance(mesh, viscosity)
        system = _System(
            self.laplacian,
            1 / small.resistance(resistance),
            self._valves,
            mesh.face_valve[small.faces[self._valves]],
            cell,
            fixed,
            held,
            driven,
        )
        valves = small.faces[self._valves]
        pressure, opened = system.solve(self.valve_open[valves], self._last - base)
        self._last = pressure + base
        self.valve_open = np.ones(mesh.n_faces, dtype=bool)
        self.valve_open[valves] = opened
        conductance = 1 / resistance
        conductance[valves[~opened]] = 0.0
        return State(small.expand(pressure) + base, conductance, self.valve_open)


@dataclass(frozen=True)
class _System:
    """One network of conductances with valves, held and driven.

    conductance : (s,) of the faces, valves open
    valves, direction : (v,) faces that are valves, and +1 or -1
    ends : (t,) cells of terminals
    fixed : (k,) cells of fixed pressure: their `held` is 1 and `driven` the pressure
    held, driven : (k,) conductance to 0 Pa, and flow into it
    """

    laplacian: Laplacian
    conductance: FloatArray
    valves: IntArray
    direction: IntArray
    ends: IntArray
    fixed: BoolArray
    held: FloatArray
    driven: FloatArray

    def solve(self, opened: BoolArray, level: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Pressures (k,) and open valves (v,), starting from these."""
        owner, neighbour = self.laplacian.owner, self.laplacian.neighbour
        search = _Content(self)
        for _ in range(VALVE_ROUNDS):
            conductance = self.conductance.copy()
            conductance[self.valves[~opened]] = 0.0
            ground, right = self.held.copy(), self.driven.copy()
            inner = hold_fixed(
                owner, neighbour, conductance, self.fixed, self.driven, ground, right
            )
            loose = self.laplacian.factorise(inner, ground)
            pressure = self.laplacian.solve(right, level)
            forward = search.forward(pressure)
            slack = SLACK * float(np.abs(pressure).max())
            wanted = np.where(opened, forward >= -slack, forward > slack)
            if (wanted == opened).all():
                pressure = self.laplacian.refine(pressure, right)
                if loose:
                    self._settle(opened, pressure)
                return pressure, opened
            part = search.step(forward, opened)
            level = level + part * (pressure - level)
            opened = wanted if part == 1.0 else search.drop > 0.0
        raise SolverError(f"resting flow: the valves found no state in {VALVE_ROUNDS} rounds")

    def _settle(self, opened: BoolArray, pressure: FloatArray) -> None:
        """Give blood that shut valves enclose the lowest pressure they allow, >= 0, in place.

        Raises
        ------
        SolverError
            When no way, through valves either, leads from some cell to a terminal.
        """
        faces = np.ones(len(self.conductance), dtype=bool)
        if not self._reached(faces)[0].all():
            raise SolverError("the pressure system is singular: a region is closed off")
        shut, forward = self.valves[~opened], self.direction[~opened] > 0
        faces[shut] = False
        reached, region = self._reached(faces)
        owner, neighbour = self.laplacian.owner[shut], self.laplacian.neighbour[shut]
        upstream = np.where(forward, owner, neighbour)
        downstream = np.where(forward, neighbour, owner)
        enclosed = ~reached[downstream]
        upstream, downstream = upstream[enclosed], downstream[enclosed]
        level = np.zeros(region.max() + 1)
        for _ in shut:  # a way through pockets passes each valve once
            pressure[~reached] = level[region[~reached]]
            np.maximum.at(level, region[downstream], pressure[upstream])
        pressure[~reached] = level[region[~reached]]

    def _reached(self, faces: BoolArray) -> tuple[BoolArray, IntArray]:
        """Cells that these faces join to a terminal, (k,), and the region of each, (k,)."""
        owner, neighbour = self.laplacian.owner[faces], self.laplacian.neighbour[faces]
        graph = coo_array((np.ones(len(owner)), (owner, neighbour)), shape=(len(self.held),) * 2)
        region = connected_components(graph, directed=False)[1]
        return np.isin(region, region[self.ends]), region


class _Content:
    """The content f along a Newton step, from what the valves see of it.

    A point of the search is told by the `drop` (v,) in each valve's own direction and the flow
    (v,) that valves were given there: it is a mean of solutions, each with flows of its own, so
    that the rest of the network is in balance with that flow, and only the valves are not.
    """

    def __init__(self, system: _System) -> None:
        laplacian, valves = system.laplacian, system.valves
        self._start, self._stop = laplacian.owner[valves], laplacian.neighbour[valves]
        self._sign = system.direction
        self._conductance = system.conductance[valves]
        self.drop: FloatArray = np.zeros(len(valves))
        self._flow: FloatArray | None = None

    def forward(self, pressure: FloatArray) -> FloatArray:
        """Drop of pressure across each valve in the direction in which it opens, (v,) Pa."""
        return np.asarray(self._sign * (pressure[self._start] - pressure[self._stop]))

    def step(self, drop: FloatArray, opened: BoolArray) -> float:
        """Go towards the solution with this `drop` for valves `opened`; the part of the way.

        The first step is taken whole: it has no point to come from.
        """
        flow = np.where(opened, self._conductance * drop, 0.0)
        part = 1.0
        if self._flow is not None:
            part = self._least(drop, flow, self._flow)
            drop = self.drop + part * (drop - self.drop)
            flow = self._flow + part * (flow - self._flow)
        self.drop, self._flow = drop, flow
        return part

    def _least(self, drop: FloatArray, flow: FloatArray, last_flow: FloatArray) -> float:
        """Part of the way at which the content is least: its slope along it only grows."""
        change = drop - self.drop

        def slope(part: float) -> float:
            passed = self._conductance * np.maximum(self.drop + part * change, 0.0)
            return float(change @ (passed - last_flow - part * (flow - last_flow)))

        low, part = 0.0, 1.0
        if slope(part) > 0.0:
            for _ in range(BISECTIONS):
                middle = 0.5 * (low + part)
                low, part = (low, middle) if slope(middle) > 0.0 else (middle, part)
        return part


def sum_by(index: IntArray, values: NDArray[Any], size: int) -> FloatArray:
    """Sum of the values with each index, (size,)."""
    return np.bincount(index, weights=values, minlength=size).astype(np.float64)
