"""What of the centreline mesh cubes would lose: veins that lie in others, or between them."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from geometry.centerline_mesh import CentrelineMesh
from geometry.cubes import Passages
from geometry.flowmesh import BoolArray, IntArray

AROUND = 3
"""Steps from cell to cell of the centreline mesh by which cubes may go round where none touch."""
LEAST_ROOM = 0.5
"""Share of its volume that a vein must have in points of its own, or it lies in others."""


def covered(lines: CentrelineMesh, resolved: BoolArray, line: IntArray, spacing: float) -> IntArray:
    """Branches of whose place most belongs to other veins.

    Of their cells that are `resolved` (n,); `line` (p,): cell of each point of the lumen.
    """
    flow, count = lines.flow, len(lines.polyline_offset) - 1
    own = np.flatnonzero(resolved)
    points = np.bincount(line, minlength=flow.n_cells)[own]
    branch = flow.cell_branch[own]
    room = np.bincount(branch, points, count) * spacing**3
    volume = np.bincount(branch, flow.cell_volume[own], count)
    return np.flatnonzero(room < LEAST_ROOM * volume)


@dataclass(frozen=True)
class Gaps:
    """Where cubes do not join what the centreline mesh joins.

    cells : of whose place most belongs to other veins, and that stay lines
    faces : both of whose ends have cubes
    """

    cells: IntArray
    faces: IntArray

    @classmethod
    def of(
        cls, lines: CentrelineMesh, resolved: BoolArray, lumens: Passages, line: IntArray
    ) -> "Gaps":
        """Find them, if the cells `resolved` (n,) become cubes; `line` (p,) of each point."""
        flow, n = lines.flow, lines.flow.n_cells
        room = np.bincount(line, lumens.share, n) * lumens.spacing**3
        empty = resolved & (room < LEAST_ROOM * flow.cell_volume)
        ends = np.stack([flow.face_owner, flow.face_neighbour])
        inner = np.flatnonzero(resolved[ends].all(axis=0))
        asked = np.unique(ends[:, inner])
        within = inner[empty[ends[:, inner]].all(axis=0)]
        run = connected_components(linked(n, *ends[:, within]), directed=False)[1]
        branches = np.unique(flow.cell_branch[resolved & ~empty])
        cubed = resolved.copy()
        while True:
            near = _Near.of(lumens, cubed, line, asked, n)
            cells: list[int] = []
            for which in np.unique(run[empty & cubed]):
                own = np.flatnonzero(empty & (run == which))
                beside = np.setdiff1d(ends[:, np.isin(ends, own).any(axis=0)], own)
                some = beside[cubed[beside]]
                first, second = (ways.ravel() for ways in np.meshgrid(some, some))
                alone = ~np.isin(flow.cell_branch[own], branches)
                lines_only = len(some) < len(beside) and (alone.any() or not len(some))
                if lines_only or not near.joins(first, second).all():
                    cells.extend(own)
            if not cells:
                break
            # a run that stays a line may have been what joined others
            cubed[cells] = False
        direct = inner[~empty[ends[:, inner]].any(axis=0)]
        faces = direct[~near.joins(*ends[:, direct])]
        return cls(np.flatnonzero(resolved & ~cubed), faces)


@dataclass(frozen=True)
class _Near:
    """Which cells of the centreline mesh are joined by their cubes within some steps.

    row : (n,) of each cell in `ways`, -1 if it was not asked for
    ways : (asked, n)
    """

    row: IntArray
    ways: csr_array

    @classmethod
    def of(
        cls, lumens: Passages, resolved: BoolArray, line: IntArray, asked: IntArray, n: int
    ) -> "_Near":
        touch = _touching(lumens, resolved, line, n)
        ways = touch[asked]
        for _ in range(AROUND - 1):
            ways = ways + ways @ touch
        row = np.full(n, -1)
        row[asked] = np.arange(len(asked))
        return cls(row, ways)

    def joins(self, one: IntArray, two: IntArray) -> BoolArray:
        if not len(one):  # scipy's selections of nothing are no arrays
            return np.zeros(0, dtype=bool)
        return np.asarray((self.ways[self.row[one], two] > 0).ravel() | (one == two), dtype=bool)


def _touching(lumens: Passages, resolved: BoolArray, line: IntArray, n: int) -> csr_array:
    """Cells (n, n) of the centreline mesh whose cubes touch."""
    one, two = line[lumens.owner], line[lumens.neighbour]
    own = np.flatnonzero(resolved[one] & resolved[two])
    owner, count = lumens.owner[own], len(line)
    faces = coo_array((np.ones(len(own)), (owner, lumens.neighbour[own])), shape=(count, count))
    # crumbs of a cell that only touch other crumbs join nothing
    part = connected_components(faces, directed=False)[1]
    size, most = np.bincount(part)[part], np.zeros(n, dtype=np.int64)
    np.maximum.at(most, line, size)
    across = own[(size == most[line])[owner] & (one[own] != two[own])]
    return linked(n, one[across], two[across])


def linked(n: int, one: IntArray, two: IntArray) -> csr_array:
    """Which of n cells are linked by these pairs."""
    pairs = np.concatenate([one, two]), np.concatenate([two, one])
    return coo_array((np.ones(2 * len(one)), pairs), shape=(n, n)).tocsr()
