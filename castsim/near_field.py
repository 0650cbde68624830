"""Which cells of a large mesh are solved one by one: the gate to :mod:`castsim.kernels.near`."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from castsim.blood_solver import sum_by
from castsim.errors import SolverError
from castsim.kernels.arrays import Graph, State
from castsim.kernels.multigrid import Levels
from castsim.kernels.near import AWAKE, EDGE, FAILED, STALE, TURNS, Near
from castsim.kernels.pressure import TORN, TOUCHED, Work
from castsim.multigrid import Multigrid, Pattern
from castsim.reduction import Reduction
from geometry.flowmesh import BoolArray, FloatArray, IntArray

NEEDED_RADII = 2.0
"""Way from agent, in radii of the veins, within which cells are awake: what is uneven over a
section of a tube fades to 1/e in less than half a radius."""
SPARE_RADII = 0.7
"""Radii more that are woken at once, so that it happens seldom."""
NEEDED_SECTIONS = 2
"""Sections about one with agent that are awake, however long they are."""
NEXT = 1e-3
"""Radii between sections whose cubes touch, but which are no neighbours on the centreline."""
TURNED_STEPS = 5.0
"""Share of the inflow that gates may turn aside before a new solve, over eta."""
MOST_TURNED = 0.5
DAMMED_STEPS = 30.0
"""Share of a vein's blood at rest that cells may dam up before a new solve, over eta. It may be as
much as nearly all of it, since cubes along a stream dam up the same blood: casts differ mostly less
by it than by where the grid begins (docs/voxel_injection.md)."""
MOST_DAMMED = 0.9
FRONT_HOLD = 1e-6
"""Of its conductance, by which a front holds cells when they are grouped: enough to tell those that
nothing else links from those that take no part."""
EXACTNESS = 1e-5
"""Largest error of the flow through a common face of a cube, over the injected flow."""
UNIT_EXACTNESS = 1e-6
"""The same of the answer to a pressure at the hub, over the flow that it drives, where the rate is
given: after a pause the pressures that are solved for are those of another hub pressure."""


@dataclass(frozen=True)
class Sections:
    """Sections of veins and what joins them; a cell of a line is a section of its own.

    Attributes
    ----------
    of : (n,) section of every cell of the mesh, 0 to s-1
    cubes : (n,) cells that are only part of their section
    stream : (n,) first cube of the branch that each cube is part of; of a line, the cell itself
    beside : (2, b) sections that are neighbours on the centreline mesh; numbers from s on are cells
        there in whose place no cube came
    radii : (b,) how far apart they are, in radii of the vein
    links : (2, l) sections of cubes between which blood flows, the numberless eliminated
    conductance : (l,) uL s^-1 Pa^-1 of blood there
    pressure : (n,) Pa at rest, from which the first solve starts
    """

    of: IntArray
    cubes: BoolArray
    stream: IntArray
    beside: IntArray
    radii: FloatArray
    links: IntArray
    conductance: FloatArray
    pressure: FloatArray

    @property
    def count(self) -> int:
        """Number of sections, those without cubes included."""
        return 1 + int(max(self.of.max(), self.beside.max(initial=-1)))


class NearField:
    """The awake cells, which grow with the cast.

    Parameters
    ----------
    graph : of the mesh
    sections : of its cells
    tip : cell of the catheter's tip
    rate : mm3/s, the slowest push, for the exactness
    eta : of a step

    Attributes
    ----------
    plan, region : what the kernels take
    turns : of multigrid so far
    """

    plan: Levels
    region: Near

    def __init__(self, graph: Graph, sections: Sections, tip: int, rate: float, eta: float) -> None:
        self._graph, self._sections = graph, sections
        self._rate = rate
        self._most = min(TURNED_STEPS * eta, MOST_TURNED), min(DAMMED_STEPS * eta, MOST_DAMMED)
        n, count = len(graph.volume), sections.count
        self._pressure, self._unit = sections.pressure.copy(), np.zeros(n)
        # a stiff end that starts elsewhere would leave nothing but round-off
        fixed = np.flatnonzero(graph.terminal_fixed)
        held = graph.owner[len(graph.owner) - len(graph.terminal_fixed) + fixed]
        self._pressure[held] = graph.terminal_pressure[fixed]
        self._hub = 0.0
        self.turns = 0
        inner = len(graph.owner) - len(graph.terminal_pressure)
        owner, neighbour = graph.owner[:inner], graph.neighbour[:inner]
        ends = sections.of[owner], sections.of[neighbour]
        apart = ends[0] != ends[1]
        self._near = _matrix(count, ends[0][apart], ends[1][apart], np.ones(apart.sum()))
        self._near.data[:] = 1.0  # however many faces join two sections
        known = _matrix(count, sections.beside[0], sections.beside[1], sections.radii)
        extra = NEXT * self._near
        # the longer of two where both are given: touching cubes of neighbours are as far as these
        self._way = known.maximum(extra)
        member = np.full(count, -1)
        member[sections.of] = np.arange(n)
        self._member = member
        self._size = np.bincount(sections.of, minlength=count)
        self._first = np.concatenate([[0], np.cumsum(self._size)])
        self._cells = np.argsort(sections.of, kind="stable")
        cubes = sections.cubes[owner] & sections.cubes[neighbour]
        conductance = graph.blood_conductance[:inner]
        self._common = float(np.median(conductance[cubes]))
        # of the faces between cubes of two sections the links take the place
        self._ways = np.concatenate([[side[~cubes] for side in ends], sections.links], axis=1)
        self._conductance = np.concatenate([conductance[~cubes], sections.conductance])
        self._awake = np.zeros(count, dtype=bool)
        self._place = np.full(n, -1, dtype=np.int32)
        self._solved = np.zeros(inner, dtype=bool)
        # valves turn without agent
        valves = np.flatnonzero(graph.valve[:inner])
        for side in ends:
            self._awake[side[valves]] = True
        self._tip = tip

    def begin(self, state: State, work: Work) -> None:
        """Wake what is near the tip; `state.drains` must be up to date."""
        self._wake(np.array([self._sections.of[self._tip]]))
        self._group(state, work)

    def follow(self, state: State, work: Work) -> None:
        """Group the cells anew, and wake what is near agent if it is at the edge."""
        torn = work.torn[: work.size[TORN]]
        if len(torn):
            # blood has come back, where the last solve may have seen none, or gel
            inner = len(self._solved)
            faces = _of_rows(self._graph.first, self._graph.around, torn)
            self._solved &= work.conductance[:inner] > 0.0
            self._solved[faces[faces < inner]] = False
        if self.region.size[EDGE]:
            self._store()
            self._wake(np.unique(self._sections.of[work.touched[: work.size[TOUCHED]]]))
        self._group(state, work)

    def check(self) -> None:
        """Raise :class:`SolverError` if a solve did not converge."""
        if self.region.size[FAILED]:
            raise SolverError(
                "the pressures near agent did not converge; please report this scenario"
            )

    def reveal(self, state: State) -> None:
        """Give the cells of ports their section's pressure, and all that sleeps that of rest."""
        self._store()
        state.pressure[:] = self._pressure

    def _store(self) -> None:
        """Keep pressures and answers of the last solve by cell."""
        region, awake = self.region, self.region.size[AWAKE]
        ports = self._sections.of[self._cell[awake:]]
        cells = np.concatenate([self._cell[:awake], self._of(ports)])
        for kept, found in ((self._pressure, region.pressure), (self._unit, region.unit)):
            kept[cells] = np.concatenate(
                [found[:awake], np.repeat(found[awake:], self._size[ports])]
            )
        self._hub = float(region.hub[0])
        self.turns += int(region.size[TURNS])

    def _of(self, sections: IntArray) -> IntArray:
        """Cells of these sections, one section after the other."""
        return _of_rows(self._first, self._cells, sections)

    def _wake(self, reached: IntArray) -> None:
        """Wake sections within so many radii of those `reached`, and list everything anew."""
        far = dijkstra(self._way, indices=reached, min_only=True, limit=NEEDED_RADII + SPARE_RADII)
        self._awake |= np.isfinite(far)
        # however long the sections are, so many on, or agent would be at the edge for ever
        rings = np.zeros(self._sections.count)
        rings[reached] = 1.0
        for _ in range(NEEDED_SECTIONS + 1):
            rings += self._near @ (rings > 0)
        self._awake |= rings > 0
        asleep = np.flatnonzero(~self._awake)
        deep = self._awake.copy()
        if len(asleep):
            edge = dijkstra(self._way, indices=asleep, min_only=True, limit=NEEDED_RADII)
            deep &= ~np.isfinite(edge)
            rings = (~self._awake).astype(float)
            for _ in range(NEEDED_SECTIONS):
                rings += self._near @ (rings > 0)
            deep &= rings == 0
        self._list(deep)

    def _list(self, deep: BoolArray) -> None:
        """Make the arrays of the kernels."""
        # in time that goes with what is awake: the mesh may be a hundred times as large
        graph, of, place = self._graph, self._sections.of, self._place
        m = len(graph.owner) - len(graph.terminal_pressure)
        cells = np.sort(self._of(np.flatnonzero(self._awake)))
        place[cells] = np.arange(len(cells))  # what is awake stays so
        faces = np.sort(_of_rows(graph.first, graph.around, cells))
        faces = faces[np.diff(faces, prepend=-1) > 0]  # numpy's unique takes ten times as long
        inner = faces[: np.searchsorted(faces, m)]
        both = np.concatenate([graph.owner[inner], graph.neighbour[inner]])
        beside = np.unique(both[place[both] < 0])
        ports = np.unique(of[beside])
        number_of_section = np.full(self._sections.count, -1)
        number_of_section[ports] = len(cells) + np.arange(len(ports))

        def number(some: IntArray) -> IntArray:
            return np.where(place[some] >= 0, place[some], number_of_section[of[some]])

        self._cell = np.concatenate([cells, self._member[ports]])
        owner, neighbour = number(graph.owner[faces]), np.full(len(faces), -1)
        neighbour[: len(inner)] = number(graph.neighbour[inner])
        links, strength, hold, drive = self._asleep(ports)
        self._ends = np.concatenate(
            [[owner[: len(inner)], neighbour[: len(inner)]], len(cells) + links], axis=1
        )
        size = len(self._cell)
        self._inner, self._strength = inner, strength
        self._hold = sum_by(owner[len(inner) :], graph.blood_conductance[faces[len(inner) :]], size)
        self._hold[len(cells) :] += hold
        self._pattern = Pattern(size, *self._ends)
        slots = self._pattern.place
        slot = np.zeros((len(faces), 2), dtype=np.int64)
        slot[: len(inner)] = slots[: len(inner)]
        counts = [len(cells) + len(beside), len(faces), len(cells), 0, 0, 0, 0, 0, 0, 0]
        self.region = Near(
            faces=faces.astype(np.int32),
            owner=owner.astype(np.int32),
            neighbour=neighbour.astype(np.int32),
            slot=slot,
            cell=np.concatenate([cells, beside]).astype(np.int32),
            beside=number(beside).astype(np.int32),
            place=place,
            deep=deep.astype(np.uint8),
            port=self._member[ports].astype(np.int32),
            port_hold=hold,
            port_drive=drive,
            link_slot=slots[len(inner) :].copy(),
            link_ends=np.ascontiguousarray(links.T, dtype=np.int32),
            link_strength=strength,
            pressure=self._pressure[self._cell],
            unit=self._unit[self._cell],
            left=np.zeros((2, size)),
            scratch=np.zeros((3, size)),
            hub=np.array([self._hub]),
            goal=np.array([EXACTNESS * self._rate, UNIT_EXACTNESS]) / np.sqrt(self._common),
            turned=np.array([0.0, 0.0, *self._most]),
            front=np.zeros(len(faces), dtype=np.int32),
            size=np.array(counts),
        )

    def _asleep(self, ports: IntArray) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
        """Eliminate what sleeps but the `ports`: links (2, l), strengths, holds and drives."""
        graph, count, awake = self._graph, self._sections.count, self._awake
        ways = ~awake[self._ways].any(axis=0)
        first, second = self._ways[:, ways]
        m = len(graph.owner) - len(graph.terminal_pressure)
        end = self._sections.of[graph.owner[m:]]
        ends = np.flatnonzero(~awake[end])
        end, grip = end[ends], graph.blood_conductance[m:][ends]
        push = grip * graph.terminal_pressure[ends]
        stays = np.zeros(count, dtype=bool)
        stays[ports] = True
        reduction = Reduction(count, first, second, stays)
        strength, hold, drive = reduction.reduce(
            self._conductance[ways], sum_by(end, grip, count), sum_by(end, push, count)
        )
        strong = strength > 0.0
        pairs = np.stack([reduction.first, reduction.second])[:, strong]
        return pairs, strength[strong], hold, drive

    def _group(self, state: State, work: Work) -> None:
        """Group agent with agent and blood with blood, whatever their fronts let through.

        By the conductances of the last solve, where it had them: gel may conduct a millionth of
        what fresh agent does.
        """
        full = state.full[self._cell] == 1
        inner, (one, two) = self._inner, self._ends
        rest = self._graph.blood_conductance[inner]
        bond = np.where(self._solved[inner], work.conductance[inner], rest)
        bond = np.concatenate([bond, self._strength])
        apart = full[one] != full[two]
        hold, front = self._hold.copy(), FRONT_HOLD * bond[apart]
        for side in (one, two):
            hold += sum_by(side[apart], front, len(hold))
        bond[apart] = 0.0
        self.plan = Multigrid.of(self._pattern, bond, hold).levels
        self._solved[inner] = True
        self.region.size[STALE] = 0


def _matrix(n: int, one: IntArray, two: IntArray, weight: FloatArray) -> coo_array:
    """Symmetric sparse matrix of the pairs."""
    return coo_array(
        (np.concatenate([weight, weight]), (np.r_[one, two], np.r_[two, one])), shape=(n, n)
    ).tocsr()


def _of_rows(first: IntArray, items: IntArray, rows: IntArray) -> IntArray:
    """Items of some rows of a compressed list, one row after the other."""
    begin, count = first[rows], first[rows + 1] - first[rows]
    shift = begin - (np.cumsum(count) - count)
    return np.asarray(items[np.repeat(shift, count) + np.arange(count.sum())])
