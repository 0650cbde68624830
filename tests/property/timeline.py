"""What was full, and what blood had a way out, at any volume of an injection that has ended.

Nothing here knows the kernels: it is told once more, from arrivals alone, in plain Python.
"""

import numpy as np
from numpy.typing import NDArray

from castsim.injection import Injection
from geometry.flowmesh import NO_GATE, FlowMesh

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def ways_in(mesh: FlowMesh, cell: int) -> NDArray[np.int64]:
    """Cells from which agent could come into `cell`, by valves and faces barred to agent."""
    owner, neighbour, valve = mesh.face_owner, mesh.face_neighbour, mesh.face_valve
    open_way = mesh.face_gate != NO_GATE
    forward = open_way & (neighbour == cell) & (valve != -1)
    backward = open_way & (owner == cell) & (valve != 1)
    return np.concatenate([owner[forward], neighbour[backward]])


def with_a_way_out(mesh: FlowMesh, full: BoolArray) -> BoolArray:
    """Flag of every cell that is not full and whose blood reaches a terminal, valves respected."""
    out = np.zeros(mesh.n_cells, dtype=bool)
    out[mesh.terminal_cell] = True
    out &= ~full
    while True:
        before = out.sum()
        for a, b, valve in zip(mesh.face_owner, mesh.face_neighbour, mesh.face_valve, strict=True):
            if out[b] and valve >= 0 and not full[a]:
                out[a] = True
            if out[a] and valve <= 0 and not full[b]:
                out[b] = True
        if out.sum() == before:
            return out


def full_volumes(run: Injection) -> FloatArray:
    """Volume at which each cell was full for the first time, whether it was torn later or not."""
    full = run.state.full_volume.copy()
    for tear in run.tears:
        np.minimum.at(full, tear.cell, tear.full_volume)
    return full


class Timeline:
    """Ways out at the beginning of each step of a run, by the volume that its log shows there."""

    def __init__(self, mesh: FlowMesh, run: Injection) -> None:
        self.mesh = mesh
        self.steps = np.unique(run.log["volume"])
        spans = [
            (cell, full, tear.at)
            for tear in run.tears
            for cell, full in zip(tear.cell, tear.full_volume, strict=True)
        ]
        spans += [(cell, full, np.inf) for cell, full in enumerate(run.state.full_volume)]
        self.spans = spans
        self.known: dict[tuple[float, bool], BoolArray] = {}

    def _ways_out(self, volume: float, torn: bool) -> BoolArray:
        """At `volume`, after (`torn`) or before what tears just there."""
        key = (volume, torn)
        if key not in self.known:
            full = np.zeros(self.mesh.n_cells, dtype=bool)
            for cell, since, until in self.spans:
                full[cell] |= since <= volume and (until > volume or (until == volume and not torn))
            self.known[key] = with_a_way_out(self.mesh, full)
        return self.known[key]

    def drained(self, cell: int, volume: float) -> bool:
        """Whether blood could leave `cell` when the step began in which `volume` came out.

        A volume at which one step ends and the next begins may belong to either.
        """
        k = int(np.searchsorted(self.steps, volume, side="left"))
        begins = {self.steps[max(k - 1, 0)]}
        if k < len(self.steps) and self.steps[k] == volume:
            begins.add(volume)
        # volumes repeat in pauses, in which something may tear before the next push
        return any(self._ways_out(v, torn)[cell] for v in begins for torn in (True, False))
