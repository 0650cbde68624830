"""VesselNetwork: every vein as a centreline with two semi-axes, joined at nodes.

All venous compartments add their branches to one :class:`NetworkBuilder`; the
meshers read the frozen :class:`VesselNetwork`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.errors import GeometryError
from geometry.levels import Level, Side
from geometry.structures import Structure

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


UNPLACED = -1
"""Of a branch whose place among those with its labels is that in which it was added."""
KEY_SPAN = 64
MOST_PLACES = 2**20
"""Bounds on levels or sides, and on branches that share their labels, in a branch's key."""


class TerminalKind(IntEnum):
    """Where a network ends, and what blood does there."""

    OUTLET = 0  # pressure held: right atrium, iliac ends
    TRIBUTARY = 1  # Thevenin source of blood: muscular ends, bone, skull, organs
    HAZARD = 2  # radiculomedullary vein: the way into the dura
    CUT = 3  # where a mesh was cut out of a larger one


@dataclass(frozen=True)
class VesselNetwork:
    """Branches (centreline polylines with calibre and labels) between nodes.

    Branch ``b`` owns the points ``point_offset[b]:point_offset[b+1]``; its first point
    lies on node ``branch_start[b]``, its last on node ``branch_end[b]``.

    Attributes
    ----------
    node_xyz : (k, 3) mm
    point_xyz : (p, 3) mm, RAS, origin at the centre of T8
    point_radius, point_radius_minor : (p,) mm, semi-axes of the lumen, major >= minor > 0
    point_offset : (b+1,) first point of each branch
    branch_start, branch_end : (b,) node indices
    branch_structure, branch_level, branch_side : (b,) codes
    branch_key : (b,) name of each branch, made of these codes and its place among the branches
        that share them, as first drawn: it does not hang on which other branches are missing
    terminal_node : (t,) nodes where the network ends
    terminal_kind : (t,) :class:`TerminalKind` codes
    terminal_name : (t,) such as ``"right_atrium"`` or ``"muscular T9 right"``
    valve_branch : (v,) branches that carry a valve
    valve_arc : (v,) mm from the branch's start
    valve_direction : (v,) +1 lets blood pass from start to end, -1 the other way
    """

    node_xyz: FloatArray
    point_xyz: FloatArray
    point_radius: FloatArray
    point_radius_minor: FloatArray
    point_offset: IntArray
    branch_start: IntArray
    branch_end: IntArray
    branch_structure: IntArray
    branch_level: IntArray
    branch_side: IntArray
    branch_key: IntArray
    terminal_node: IntArray
    terminal_kind: IntArray
    terminal_name: tuple[str, ...]
    valve_branch: IntArray
    valve_arc: FloatArray
    valve_direction: IntArray

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    @property
    def n_branches(self) -> int:
        """Number of branches."""
        return len(self.branch_start)

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.node_xyz)

    def points(self, branch: int) -> FloatArray:
        """Centreline of one branch, (k, 3) mm."""
        return self.point_xyz[self.point_offset[branch] : self.point_offset[branch + 1]]

    def branches(
        self,
        structure: Structure | None = None,
        level: Level | None = None,
        side: Side | None = None,
    ) -> IntArray:
        """Indices of the branches with these labels (None matches all)."""
        keep = np.ones(self.n_branches, dtype=bool)
        if structure is not None:
            keep &= self.branch_structure == structure
        if level is not None:
            keep &= self.branch_level == level
        if side is not None:
            keep &= self.branch_side == side
        return np.flatnonzero(keep)

    def select(self, branches: IntArray) -> "VesselNetwork":
        """Network of these branches alone, in this order; nodes and terminals stay.

        Raises
        ------
        GeometryError
            If a node that has a terminal would be left without a branch.
        """
        place = np.full(self.n_branches, -1)
        place[branches] = np.arange(len(branches))
        joined = np.concatenate([self.branch_start[branches], self.branch_end[branches]])
        bare = np.setdiff1d(self.terminal_node, joined)
        if len(bare):
            name = self.terminal_name[int(np.flatnonzero(self.terminal_node == bare[0])[0])]
            raise GeometryError(f"terminal {name!r} would be left without a branch")
        rows = [np.arange(self.point_offset[b], self.point_offset[b + 1]) for b in branches]
        valves = place[self.valve_branch] >= 0
        point = np.concatenate(rows)
        return replace(
            self,
            point_xyz=self.point_xyz[point],
            point_radius=self.point_radius[point],
            point_radius_minor=self.point_radius_minor[point],
            point_offset=np.concatenate([[0], np.cumsum([len(row) for row in rows])]),
            branch_start=self.branch_start[branches],
            branch_end=self.branch_end[branches],
            branch_structure=self.branch_structure[branches],
            branch_level=self.branch_level[branches],
            branch_side=self.branch_side[branches],
            branch_key=self.branch_key[branches],
            valve_branch=place[self.valve_branch[valves]],
            valve_arc=self.valve_arc[valves],
            valve_direction=self.valve_direction[valves],
        )

    @cached_property
    def step_length(self) -> FloatArray:
        """Distance from each point to the next, (p-1,) mm; 0 from one branch to another."""
        step = np.diff(self.point_xyz, axis=0)
        length = np.sqrt(np.einsum("pi,pi->p", step, step))
        length[self.point_offset[1:-1] - 1] = 0.0
        length.setflags(write=False)
        return np.asarray(length)

    def branch_length(self) -> FloatArray:
        """Centreline length of every branch, (b,) mm."""
        arc = np.concatenate([[0.0], np.cumsum(self.step_length)])
        return np.asarray(arc[self.point_offset[1:] - 1] - arc[self.point_offset[:-1]])


class Points:
    """Points that are added one by one or many at once, and read as one array."""

    def __init__(self) -> None:
        self._xyz: FloatArray = np.empty((1024, 3))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> FloatArray:
        return np.asarray(self._xyz[index])

    @property
    def xyz(self) -> FloatArray:
        """All points so far, (k, 3) mm."""
        return self._xyz[: self._count]

    def add(self, xyz: ArrayLike) -> int:
        """Add one point; returns its index."""
        if self._count == len(self._xyz):
            self._grow(1)
        self._xyz[self._count] = xyz
        self._count += 1
        return self._count - 1

    def extend(self, xyz: FloatArray) -> int:
        """Add points (k, 3); returns the index of the first."""
        if self._count + len(xyz) > len(self._xyz):
            self._grow(len(xyz))
        first, self._count = self._count, self._count + len(xyz)
        self._xyz[first : self._count] = xyz
        return first

    def _grow(self, least: int) -> None:
        more = np.empty((max(least, len(self._xyz)), 3))
        self._xyz = np.concatenate([self._xyz, more])


@dataclass(frozen=True)
class _Block:
    """Branches that were added together; arrays by branch, but for the points and their radii."""

    start: Sequence[int] | IntArray
    end: Sequence[int] | IntArray
    count: Sequence[int] | IntArray
    xyz: FloatArray
    major: FloatArray
    minor: FloatArray
    structure: Sequence[int] | IntArray
    level: Sequence[int] | IntArray
    side: Sequence[int] | IntArray
    place: Sequence[int] | IntArray


class NetworkBuilder:
    """Collects nodes, branches, terminals and valves; :meth:`build` freezes them."""

    def __init__(self) -> None:
        self.node_xyz = Points()
        self._blocks: list[_Block] = []
        self._branch_count = 0
        self._terminals: list[tuple[int, int, str]] = []
        self._valves: list[tuple[int, float, int]] = []

    def __len__(self) -> int:
        """Branches so far."""
        return self._branch_count

    def node(self, xyz: ArrayLike) -> int:
        """Add a node at `xyz` (mm) and return its index."""
        point = np.asarray(xyz, dtype=float)
        if point.shape != (3,) or not np.isfinite(point).all():
            raise GeometryError(f"node position must be three finite numbers in mm, got {xyz!r}")
        return self.node_xyz.add(point)

    def branch(
        self,
        start: int,
        end: int,
        structure: Structure,
        level: Level,
        side: Side,
        *,
        radius: ArrayLike,
        radius_minor: ArrayLike | None = None,
        via: ArrayLike = (),
    ) -> int:
        """Add a branch from node `start` to node `end` through the points `via`.

        `radius` (mm, semi-major) and `radius_minor` (mm; None: round) are scalars or one
        value a point, ends included. Returns the branch index.
        """
        inner = np.asarray(via, dtype=float).reshape(-1, 3)
        xyz = np.concatenate([[self.node_xyz[start]], inner, [self.node_xyz[end]]])
        major = np.empty(len(xyz))
        major[:] = radius
        minor = np.minimum(radius if radius_minor is None else radius_minor, major)
        return self._add(
            _Block(
                [start], [end], [len(xyz)], xyz, major, minor,
                [int(structure)], [int(level)], [int(side)], [UNPLACED],
            )
        )  # fmt: skip

    def branches(
        self,
        start: IntArray,
        end: IntArray,
        count: IntArray,
        xyz: FloatArray,
        *,
        radius: FloatArray,
        radius_minor: FloatArray,
        structure: IntArray,
        level: IntArray,
        side: IntArray,
        place: IntArray | None = None,
    ) -> int:
        """Add many branches and return the index of the first.

        The first `count[0]` of the points `xyz` (p, 3), with their semi-axes (p,), run from node
        `start[0]` to node `end[0]`, these included, and so on. `place` is that of each among those
        drawn with its labels; None: in the order in which they are added.
        """
        if place is None:
            place = np.full(len(start), UNPLACED)
        return self._add(
            _Block(start, end, count, xyz, radius, radius_minor, structure, level, side, place)
        )

    def _add(self, block: _Block) -> int:
        self._blocks.append(block)
        first, self._branch_count = self._branch_count, self._branch_count + len(block.start)
        return first

    def terminal(self, node: int, kind: TerminalKind, name: str) -> None:
        """End the network at `node`."""
        self._terminals.append((node, int(kind), name))

    def valve(self, branch: int, arc_mm: float, direction: int) -> None:
        """Put a valve on `branch`, `arc_mm` from its start; +1 opens from start to end."""
        self._valves.append((branch, float(arc_mm), direction))

    def build(self) -> VesselNetwork:
        """Freeze into a :class:`VesselNetwork`.

        Raises
        ------
        GeometryError
            If there is no branch, one has points or radii that cannot be, or two have one key.
        """
        if not self._blocks:
            raise GeometryError("a network needs at least one branch")

        def whole(name: str) -> NDArray[Any]:
            return np.concatenate([getattr(block, name) for block in self._blocks])

        network = VesselNetwork(
            node_xyz=self.node_xyz.xyz.copy(),
            point_xyz=whole("xyz"),
            point_radius=whole("major"),
            point_radius_minor=whole("minor"),
            point_offset=np.concatenate([[0], np.cumsum(whole("count"))]),
            branch_start=whole("start"),
            branch_end=whole("end"),
            branch_structure=whole("structure"),
            branch_level=whole("level"),
            branch_side=whole("side"),
            branch_key=_keys(whole("structure"), whole("level"), whole("side"), whole("place")),
            terminal_node=np.array([t[0] for t in self._terminals], dtype=np.int64),
            terminal_kind=np.array([t[1] for t in self._terminals], dtype=np.int64),
            terminal_name=tuple(t[2] for t in self._terminals),
            valve_branch=np.array([v[0] for v in self._valves], dtype=np.int64),
            valve_arc=np.array([v[1] for v in self._valves], dtype=float),
            valve_direction=np.array([v[2] for v in self._valves], dtype=np.int64),
        )
        _check_branches(network)
        key = np.sort(network.branch_key)
        if (key[1:] == key[:-1]).any():
            raise GeometryError("two branches with the same labels were drawn at the same place")
        return network


def labels(structure: IntArray, level: IntArray, side: IntArray) -> IntArray:
    """One number for the three codes of every branch, (b,)."""
    return (structure * KEY_SPAN + level) * KEY_SPAN + side + 1


def places(label: IntArray) -> IntArray:
    """Place of every branch among those of its label (b,), counted from 0 in their order, (b,)."""
    order = np.argsort(label, kind="stable")
    inside = np.arange(len(label))
    begins = np.flatnonzero(np.diff(label[order], prepend=label[order][:1] - 1))
    inside -= np.repeat(begins, np.diff(np.append(begins, len(label))))
    place = np.empty(len(label), dtype=np.int64)
    place[order] = inside
    return place


def _keys(structure: IntArray, level: IntArray, side: IntArray, place: IntArray) -> IntArray:
    """Name of every branch (b,); one added without a place comes after all that have one."""
    label = labels(structure, level, side)
    own = np.where(place == UNPLACED, MOST_PLACES + places(2 * label + (place == UNPLACED)), place)
    return np.asarray(label * (2 * MOST_PLACES) + own)


def _check_branches(network: VesselNetwork) -> None:
    """Refuse points that are not finite or coincide, and radii that are not positive."""
    first, last = network.point_offset[:-1], network.point_offset[1:] - 1
    minor, xyz = network.point_radius_minor, network.point_xyz
    # not `all(axis=1)`, which takes rows of three one by one
    finite, same = np.isfinite(xyz).T, (xyz[1:] == xyz[:-1]).T
    wrong = ~(finite[0] & finite[1] & finite[2] & np.isfinite(minor) & (minor > 0))
    still = np.append(same[0] & same[1] & same[2], False)
    still[last] = False  # the next branch may begin where this one ends
    for fault, flags in (
        ("points and radii must be finite, radii > 0 mm", wrong),
        ("two neighbouring points coincide", still),
    ):
        if flags.any():
            branch = int(np.searchsorted(first, flags.argmax(), side="right")) - 1
            structure = Structure(network.branch_structure[branch]).label
            level = Level(network.branch_level[branch]).name
            side = Side(network.branch_side[branch]).name.lower()
            raise GeometryError(f"branch {structure} {level} {side}: {fault}")
