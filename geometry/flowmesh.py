"""FlowMesh: the one finite-volume mesh that every solver reads.

It is arrays only and can be built from arrays alone, so that any network can be
simulated. :meth:`FlowMesh.validate` names each way in which arrays can be wrong.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NO_GATE = -1
"""Gate code of a link that agent never enters: a port-to-port face of a reduced far field."""


@dataclass(frozen=True)
class FlowMesh:
    """Cells, faces, gates and terminals of one flow domain.

    A face carries Q = (P_owner - P_neighbour) / (mu_owner h_owner + mu_neighbour h_neighbour),
    positive from owner to neighbour, with h the two columns of `half_resistance`.

    Cells
    -----
    cell_volume : (n,) mm3, lumen open to agent (without the catheter); > 0
    cell_radius, cell_radius_minor : (n,) mm, semi-axes of the lumen, major >= minor > 0
    cell_gap : (n,) mm, width of the annulus round a catheter, 0 where there is none
    cell_centroid : (n, 3) mm
    cell_structure, cell_level, cell_side, cell_branch : (n,) codes
        (a junction cell takes the labels of its widest branch)

    Faces
    -----
    face_owner, face_neighbour : (m,) cells
    half_resistance : (m, 2) mm^-3, owner's and neighbour's part; >= 0 and their sum > 0
    face_centroid : (m, 3) mm
    face_length : (m,) mm of vein that the face stands for (centre to centre)
    face_valve : (m,) +1 lets through from owner to neighbour only, -1 the other way, 0 no valve
    face_gate : (m,) gate index, or NO_GATE

    Gates (stretches of one branch, two radii long, that share one skin)
    -----
    gate_radius : (g,) mm, lumen radius there
    gate_branch, gate_stretch : (g,) key of the gate's disorder: it survives refinement

    Terminals (each is one more face, out of its cell)
    -----
    terminal_cell : (t,)
    terminal_pressure : (t,) Pa
    terminal_resistance : (t,) Pa s mm^-3, 0 = fixed pressure
    terminal_radius : (t,) mm
    terminal_kind : (t,) :class:`geometry.network.TerminalKind` codes
    terminal_gate : (t,) gate index
    terminal_name : (t,) names, or () for none
    """

    cell_volume: FloatArray
    cell_radius: FloatArray
    cell_radius_minor: FloatArray
    cell_gap: FloatArray
    cell_centroid: FloatArray
    cell_structure: IntArray
    cell_level: IntArray
    cell_side: IntArray
    cell_branch: IntArray
    face_owner: IntArray
    face_neighbour: IntArray
    half_resistance: FloatArray
    face_centroid: FloatArray
    face_length: FloatArray
    face_valve: IntArray
    face_gate: IntArray
    gate_radius: FloatArray
    gate_branch: IntArray
    gate_stretch: IntArray
    terminal_cell: IntArray
    terminal_pressure: FloatArray
    terminal_resistance: FloatArray
    terminal_radius: FloatArray
    terminal_kind: IntArray
    terminal_gate: IntArray
    terminal_name: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.cell_volume)

    @property
    def n_faces(self) -> int:
        """Number of faces."""
        return len(self.face_owner)

    @property
    def n_gates(self) -> int:
        """Number of gates."""
        return len(self.gate_radius)
