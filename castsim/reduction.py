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

from castsim.blood_solver import State, face_conductance, face_resistance
from castsim.chains import Chained
from castsim.kernels.elimination import analyse, eliminate, load, pass_on
from geometry.flowmesh import NO_GATE, BoolArray, FloatArray, FlowMesh, IntArray

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

    Attributes
    ----------
    cells : (k,) kept cells, increasing
    first, second : (l,) the kept cells, by place in `cells`, that each link joins
    """

    def __init__(self, n: int, owner: IntArray, neighbour: IntArray, stays: BoolArray) -> None:
        self._plan = plan = analyse(n, owner, neighbour, stays)
        head, entry = plan.head, plan.column[plan.head]
        self.cells = plan.order[head:].astype(np.int64)
        self.first = np.repeat(np.arange(len(self.cells)), np.diff(plan.column[head:]))
        self.second = plan.row[entry:].astype(np.int64) - head

    def reduce(
        self, conductance: FloatArray, ground: FloatArray, source: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Strength (l,) of the links, hold (k,) and drive (k,) of the kept cells.

        Parameters
        ----------
        conductance : (m,) of the faces
        ground, source : (n,) each cell's conductance to 0 Pa, and the flow into it
        """
        plan = self._plan
        entries, hold = load(plan, conductance, ground)
        eliminate(plan, entries, hold, np.zeros(len(hold)))
        right = source[plan.order]
        pass_on(plan, entries, right)
        return entries[plan.column[plan.head] :], hold[plan.head :], right[plan.head :]


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
        branch_key=mesh.branch_key,
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
        self._chained = Chained(mesh.n_cells, mesh.face_owner, mesh.face_neighbour, stays)
        self.cells, self.faces = self._chained.cells, self._chained.faces

    def reduce(self, mesh: FlowMesh, viscosity: FloatArray) -> FlowMesh:
        """Skeleton of `mesh`, in which links hold for blood of this `viscosity` (n,)."""
        resistance = self._chained.resistance(face_resistance(mesh, viscosity))
        first, own = len(self.faces), self._chained
        links = Links(own.owner[first:], own.neighbour[first:], 1 / resistance[first:])
        every = np.arange(mesh.n_terminals)
        return part_of(mesh, self.cells, self.faces, every, links, viscosity)

    def expand(self, mesh: FlowMesh, viscosity: FloatArray, state: State) -> State:
        """State of the whole `mesh` from that of the skeleton that was reduced last."""
        opened = np.ones(mesh.n_faces, dtype=bool)
        opened[self.faces] = state.valve_open[: len(self.faces)]
        conductance = face_conductance(mesh, viscosity)
        conductance[~opened] = 0.0
        return State(self._chained.expand(state.pressure), conductance, opened)
