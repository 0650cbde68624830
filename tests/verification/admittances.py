"""What the ends of a flow mesh exchange, whatever its cells are."""

import numpy as np

from castsim.multigrid import Multigrid
from geometry.flowmesh import FloatArray, FlowMesh

STIFF = 1e4
"""mm3 s^-1 Pa^-1 by which an end holds its pressure."""


def admittance(flow: FlowMesh) -> FloatArray:
    """Flow out of every end (columns) when one (rows) is at 1 Pa and the others at 0; 1 Pa s."""
    n, ends = flow.n_cells, flow.terminal_cell
    conductance = 1.0 / flow.half_resistance.sum(axis=1)
    ground = np.bincount(ends, np.full(len(ends), STIFF), n)
    grids = Multigrid(n, flow.face_owner, flow.face_neighbour, conductance, ground)
    pressures = [grids.solve(STIFF * np.eye(1, n, e)[0], tolerance=1e-13)[0][ends] for e in ends]
    return STIFF * (np.array(pressures) - np.eye(len(ends)))
