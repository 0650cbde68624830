"""Which way agent came to each cell: the tree of arrivals of a finished run.

A cell takes agent from a neighbour that is full; of several, from the one that filled last. A
body of agent that broke off leaves its cells to be filled anew, so that the source's last filling
may come after the cell's first: then it is the neighbour that agent reached last before it.
"""

import numpy as np
from numpy.typing import NDArray

from castsim.cast import Cast

IntArray = NDArray[np.int64]

ROUND_OFF = 1e-9
"""Relative slack between the volume at which a cell fills and its neighbour begins to."""


def parents(cast: Cast) -> IntArray:
    """Cell from which agent came, (n,); the tip's cell is its own, -1: never or unknown."""
    flow, first, full = cast.mesh.flow, cast.first_volume, cast.full_volume
    source = np.concatenate([flow.face_owner, flow.face_neighbour])
    target = np.concatenate([flow.face_neighbour, flow.face_owner])
    parent = np.full(flow.n_cells, -1)
    for key, came in (
        (first, first[source] < first[target]),
        (full, full[source] <= first[target] * (1 + ROUND_OFF)),
    ):
        rows = np.flatnonzero(came & np.isfinite(first[target]))
        rows = rows[np.argsort(key[source[rows]], kind="stable")]  # the last one written wins
        parent[target[rows]] = source[rows]
    parent[cast.mesh.tip_cell] = cast.mesh.tip_cell
    return parent


def by_arrival(cast: Cast) -> IntArray:
    """Cells that agent reached, in the order in which it did, the tip's first."""
    reached = np.flatnonzero(np.isfinite(cast.first_volume))
    order = reached[np.lexsort([cast.full_volume[reached], cast.first_volume[reached]])]
    return np.concatenate([[cast.mesh.tip_cell], order[order != cast.mesh.tip_cell]])


def last_outside(cast: Cast, inside: NDArray[np.bool_]) -> IntArray:
    """Cell from which agent entered the group `inside` on its way to each cell of it, (n,).

    -1: outside the group, never reached, or unknown.
    """
    parent = parents(cast)
    entry = np.full(len(parent), -1)
    for cell in by_arrival(cast):
        before = parent[cell]
        if inside[cell] and before >= 0 and before != cell:
            entry[cell] = entry[before] if inside[before] else before
    return entry


def ahead_of_tip(cast: Cast) -> NDArray[np.bool_]:
    """Cells that agent reached without passing a vein beside the catheter, (n,)."""
    parent = parents(cast)
    ahead = np.zeros(len(parent), dtype=bool)
    behind = np.zeros(len(parent), dtype=bool)
    behind[cast.mesh.route_cells[1:]] = True
    for cell in by_arrival(cast):
        if parent[cell] >= 0 and not behind[cell]:
            ahead[cell] = parent[cell] == cell or ahead[parent[cell]]
    return ahead
