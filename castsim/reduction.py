"""Networks with part of their cells eliminated, exactly.

Kept cells K, eliminated cells O, conductance matrix A with sources b::

    S = A_KK - A_KO A_OO^-1 A_OK,    b' = b_K - A_KO A_OO^-1 b_O

S is a network again: what O does to K is a link between some pairs of kept cells, a hold of some
of them, and a drive (a flow into them at 0 Pa). The elimination adds positive terms only
(:mod:`castsim.kernels.elimination`), so that nothing is lost to cancellation.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from castsim.blood_solver import BoolArray, State, face_conductance
from castsim.kernels.elimination import analyse, eliminate, load, pass_on, spread
from geometry.flowmesh import NO_GATE, FloatArray, FlowMesh, IntArray

CELL_FIELDS = (
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
TERMINAL_FIELDS = (
    "terminal_pressure",
    "terminal_resistance",
    "terminal_radius",
    "terminal_kind",
    "terminal_gate",
)


class Reduction:
    """The order and pattern of one elimination, whatever the conductances.

    Parameters
    ----------
    n : number of cells
    owner, neighbour : (m,) cells of each face
    stays : (n,) cells to keep
    junctions_stay : keep as well what has more than two neighbours when chains are gone

    Attributes
    ----------
    cells : (k,) kept cells, increasing
    faces : faces between kept cells: they are no part of what is eliminated
    first, second : (l,) the kept cells, by place in `cells`, that each link joins
    """

    def __init__(
        self,
        n: int,
        owner: IntArray,
        neighbour: IntArray,
        stays: BoolArray,
        *,
        junctions_stay: bool = False,
    ) -> None:
        self._plan = plan = analyse(n, owner, neighbour, stays, junctions_stay)
        head, entry = plan.head, plan.column[plan.head]
        self.cells = plan.order[head:].astype(np.int64)
        self.faces = np.flatnonzero(plan.face_entry >= entry)
        links = np.zeros(len(plan.row), dtype=bool)
        links[plan.target] = True
        links[:entry] = False
        self._links = np.flatnonzero(links)
        column = np.repeat(np.arange(len(self.cells)), np.diff(plan.column[head:]))
        self.first = column[self._links - entry]
        self.second = plan.row[self._links].astype(np.int64) - head
        self._inverse = np.zeros(n)

    def reduce(
        self, conductance: FloatArray, ground: FloatArray, source: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Strength (l,) of the links, hold (k,) and drive (k,) of the kept cells.

        Parameters
        ----------
        conductance : (m,) of the faces; those between kept cells are not counted
        ground, source : (n,) each cell's conductance to 0 Pa, and the flow into it; what kept
            cells have is handed on in hold and drive
        """
        plan = self._plan
        counted = conductance.copy()
        counted[self.faces] = 0.0
        self._shares, self._hold = load(plan, counted, ground)
        eliminate(plan, self._shares, self._hold, self._inverse)
        self._right = source[plan.order]
        pass_on(plan, self._shares, self._right)
        left = slice(plan.head, None)
        return self._shares[self._links], self._hold[left], self._right[left].copy()

    def expand(self, pressure: FloatArray) -> FloatArray:
        """Pressures (n,) of all cells, from those (k,) of the kept ones; after :meth:`reduce`."""
        right = self._right.copy()
        right[self._plan.head :] = pressure
        still = np.zeros(len(right))
        return spread(self._plan, self._shares, self._hold, self._inverse, right, still)


@dataclass(frozen=True)
class Links:
    """Connections that stand for what was eliminated, between cells numbered as in `part_of`."""

    first: IntArray
    second: IntArray
    strength: FloatArray


def part_of(
    mesh: FlowMesh,
    cells: IntArray,
    faces: IntArray,
    terminals: IntArray,
    links: Links,
    viscosity: FloatArray,
) -> FlowMesh:
    """Mesh of these cells, faces and terminals, and of the links as its last faces (unchecked).

    Links have no volume and no gate; their resistance holds for blood of `viscosity` (n,). Gates
    stay as they are, used or not.
    """
    inside = np.full(mesh.n_cells, -1)
    inside[cells] = np.arange(len(cells))
    pair = np.column_stack([links.first, links.second])
    ends = cells[pair]
    centroid = mesh.cell_centroid[ends]
    added = len(pair)

    def joined(name: str, more: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([getattr(mesh, name)[faces], more])

    return FlowMesh(
        **{name: getattr(mesh, name)[cells] for name in CELL_FIELDS},
        face_owner=np.concatenate([inside[mesh.face_owner[faces]], links.first]),
        face_neighbour=np.concatenate([inside[mesh.face_neighbour[faces]], links.second]),
        half_resistance=joined(
            "half_resistance", 0.5 / (links.strength[:, None] * viscosity[ends])
        ),
        face_centroid=joined("face_centroid", centroid.mean(axis=1)),
        face_length=joined("face_length", np.linalg.norm(centroid[:, 0] - centroid[:, 1], axis=1)),
        face_valve=joined("face_valve", np.zeros(added, dtype=np.int64)),
        face_gate=joined("face_gate", np.full(added, NO_GATE)),
        gate_radius=mesh.gate_radius,
        gate_branch=mesh.gate_branch,
        gate_stretch=mesh.gate_stretch,
        terminal_cell=inside[mesh.terminal_cell[terminals]],
        **{name: getattr(mesh, name)[terminals] for name in TERMINAL_FIELDS},
        terminal_name=tuple(mesh.terminal_name[t] for t in terminals) if mesh.terminal_name else (),
    )


class Skeleton:
    """The junctions of a mesh: every chain of cells between them is one link.

    What stays besides: cells with a terminal, at a valve, and `busy` ones. So terminals, and faces
    between busy cells, can change without a new reduction.

    Attributes
    ----------
    cells : (k,) its cells in the whole mesh
    faces : its own faces, the first ones, in the whole mesh
    """

    def __init__(self, mesh: FlowMesh, busy: BoolArray) -> None:
        stays = busy.copy()
        stays[mesh.terminal_cell] = True
        valves = np.flatnonzero(mesh.face_valve)
        stays[mesh.face_owner[valves]] = stays[mesh.face_neighbour[valves]] = True
        self._reduction = Reduction(
            mesh.n_cells, mesh.face_owner, mesh.face_neighbour, stays, junctions_stay=True
        )
        self.cells, self.faces = self._reduction.cells, self._reduction.faces

    def reduce(self, mesh: FlowMesh, viscosity: FloatArray) -> FlowMesh:
        """Skeleton of `mesh`, in which links hold for blood of this `viscosity` (n,)."""
        nothing = np.zeros(mesh.n_cells)
        strength, _, _ = self._reduction.reduce(face_conductance(mesh, viscosity), nothing, nothing)
        links = Links(self._reduction.first, self._reduction.second, strength)
        every = np.arange(mesh.n_terminals)
        return part_of(mesh, self.cells, self.faces, every, links, viscosity)

    def expand(self, mesh: FlowMesh, viscosity: FloatArray, state: State) -> State:
        """State of the whole `mesh` from that of the skeleton that was reduced last."""
        opened = np.ones(mesh.n_faces, dtype=bool)
        opened[self.faces] = state.valve_open[: len(self.faces)]
        conductance = face_conductance(mesh, viscosity)
        conductance[~opened] = 0.0
        return State(self._reduction.expand(state.pressure), conductance, opened)
