"""Pressures in meshes too large to eliminate: the gate to :mod:`castsim.kernels.multigrid`."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from castsim.blood_solver import sum_by
from castsim.errors import SolverError
from castsim.kernels import grouping
from castsim.kernels import multigrid as kernels
from castsim.kernels.elimination import analyse
from geometry.flowmesh import FloatArray, IntArray

TOLERANCE = 1e-10
"""Residual over the sources, at which a solve ends."""
MOST_TURNS = 500
FEW = 0.02
"""Share of the faces up to which those that have changed are changed one by one."""
PAIRINGS = 2
"""Pairings from one level to the next."""


class Pattern:
    """Which cells are linked, whatever the conductances; see `grouping.link_cells`.

    Cells are swept in the order of their numbers.

    Attributes
    ----------
    place : (m, 2) where each face is a link of its owner and of its neighbour
    face : (links,) of which each link is an end; m: room without a link
    """

    def __init__(self, n: int, owner: IntArray, neighbour: IntArray) -> None:
        self.first, self.middle, self.beside, self.place = grouping.link_cells(n, owner, neighbour)
        self.face = np.full(len(self.beside), len(owner), dtype=np.int32)
        self.face[self.place[:, 0]] = self.face[self.place[:, 1]] = np.arange(len(owner))

    def by_link(self, values: FloatArray) -> FloatArray:
        """Values of the faces (m,) at every link (links,), 0 where there is room without one."""
        return np.append(values, 0.0)[self.face]


class Multigrid:
    """A network of cells whose conductances change and whose faces do not.

    Equation, for every cell i:  sum_j g_ij (P_i - P_j) + ground_i P_i = source_i.

    Parameters
    ----------
    n : number of cells
    owner, neighbour : (m,) cells of each face
    conductance : (m,) uL s^-1 Pa^-1
    ground : (n,) each cell's conductance to 0 Pa; from every cell some way must lead to one.
        By these first ones cells are grouped, once

    Attributes
    ----------
    levels : arrays of the kernels
    """

    def __init__(
        self,
        n: int,
        owner: IntArray,
        neighbour: IntArray,
        conductance: FloatArray,
        ground: FloatArray,
    ) -> None:
        self._begin(Pattern(n, owner, neighbour), conductance, ground)
        self._ends = np.stack([owner, neighbour], axis=1).astype(np.int64)
        self._set_all(conductance, ground)

    @classmethod
    def of(cls, pattern: "Pattern", bond: FloatArray, hold: FloatArray) -> Self:
        """Only group the cells of a pattern, by bonds (m,) and holds (n,); kernels set the rest."""
        made = cls.__new__(cls)
        made._begin(pattern, bond, hold)
        return made

    def _begin(self, pattern: "Pattern", bond: FloatArray, hold: FloatArray) -> None:
        """Group the cells, level by level."""
        self._pattern = pattern
        strength = pattern.by_link(bond)
        levels = [_Level(pattern.first, pattern.middle, pattern.beside, strength, hold)]
        while levels[-1].size > kernels.DIRECT:
            least = kernels.LEAST_GAIN * levels[-1].size
            coarser, into, goes = _coarser(levels[-1])
            if coarser.size > least:
                # hardly a link suits, but what is large cannot be eliminated
                coarser, into, goes = _coarser(levels[-1], suiting=0.0)
            if coarser.size > least:
                break
            levels[-1].into, levels[-1].goes = into, goes
            levels.append(coarser)
        self.levels = _stored(levels)

    @property
    def sizes(self) -> list[int]:
        """Number of cells of each level."""
        return [int(size) for size in np.diff(self.levels.cell)]

    def set(self, conductance: FloatArray, ground: FloatArray) -> None:
        """Change conductances (m,) and grounds (n,); who is grouped with whom stays."""
        changed = np.flatnonzero(conductance != self._conductance)
        if len(changed) > FEW * len(conductance) or not np.array_equal(ground, self._ground):
            self._set_all(conductance, ground)
            return
        ends, place = self._ends[changed], self._pattern.place[changed]
        kernels.change_links(self.levels, ends, place, conductance[changed])
        self._conductance[changed] = conductance[changed]

    def _set_all(self, conductance: FloatArray, ground: FloatArray) -> None:
        levels = self.levels
        self._conductance, self._ground = conductance.copy(), ground.copy()
        levels.strength[: levels.entry[1]] = self._pattern.by_link(conductance)
        levels.hold[: levels.cell[1]] = ground
        kernels.refresh(levels)

    def solve(
        self, source: FloatArray, start: FloatArray | None = None, *, tolerance: float = TOLERANCE
    ) -> tuple[FloatArray, int]:
        """Pressures (n,) Pa for sources (n,) uL/s, from `start` (n,) on; and turns taken.

        Raises
        ------
        SolverError
            When the residual stays above `tolerance` times the sources.
        """
        pressure = np.zeros(len(source)) if start is None else start.astype(np.float64)
        turns, left = kernels.solve(self.levels, source, pressure, tolerance, MOST_TURNS)
        if not left <= tolerance:
            raise SolverError(f"multigrid: a residual of {left:.1e} is left after {turns} turns")
        return pressure, turns


class _Level:
    """One level while the levels are found; see :class:`castsim.kernels.multigrid.Levels`."""

    def __init__(
        self,
        first: grouping.NumberArray,
        middle: grouping.NumberArray,
        beside: grouping.NumberArray,
        strength: FloatArray,
        hold: FloatArray,
    ) -> None:
        self.first, self.middle, self.beside = first, middle, beside
        self.strength, self.hold = strength, hold
        self.into = np.zeros(self.size, dtype=np.uint32)
        self.goes = np.full(len(beside), -1, dtype=np.int32)

    @property
    def size(self) -> int:
        return len(self.first) - 1


def _coarser(
    fine: _Level, suiting: float = grouping.SUITING
) -> tuple[_Level, grouping.NumberArray, grouping.IndexArray]:
    """Next level, and where cells (n,) and links of this one go."""
    links = fine.first, fine.beside, fine.strength
    into, groups = np.arange(fine.size, dtype=np.uint32), fine.size
    for _ in range(PAIRINGS):
        pairs, groups = grouping.pair(*links, fine.hold, into, groups, suiting)
        into = pairs[into]
    into, first, middle, beside, strength, goes = grouping.contract(*links, into, groups)
    hold = sum_by(into.astype(np.int64), fine.hold, groups)
    return _Level(first, middle, beside, strength, hold), into, goes


def _stored(levels: list[_Level]) -> kernels.Levels:
    """All levels in one set of arrays."""

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(level, name) for level in levels])

    def offsets(sizes: list[int]) -> IntArray:
        return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    cells, coarsest = sum(level.size for level in levels), levels[-1]
    near = np.repeat(np.arange(coarsest.size), np.diff(coarsest.first))
    face = np.flatnonzero(near < coarsest.beside)
    ends = near[face], coarsest.beside[face].astype(np.int64)
    plan = analyse(coarsest.size, *ends, np.zeros(coarsest.size, dtype=np.bool_))
    return kernels.Levels(
        cell=offsets([level.size for level in levels]),
        entry=offsets([len(level.beside) for level in levels]),
        first=joined("first"),
        middle=joined("middle"),
        beside=joined("beside"),
        goes=joined("goes"),
        into=joined("into"),
        strength=joined("strength"),
        hold=np.zeros(cells),
        inverse=np.zeros(cells),
        plan=plan,
        face=face,
        entries=np.zeros(len(plan.row)),
        grip=np.zeros(coarsest.size),
        pivot=np.zeros(coarsest.size),
        passed=np.zeros(coarsest.size),
        right=np.zeros(cells),
        x=np.zeros(cells),
        step=np.zeros((2, cells)),
        image=np.zeros(cells),
        other=np.zeros(cells),
        turn=np.zeros(len(levels), dtype=np.int64),
        stored=np.zeros((2, len(levels))),
        body=np.zeros(levels[0].size),
        body_image=np.zeros(levels[0].size),
        body_hold=np.zeros(1),
    )
