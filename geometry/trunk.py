"""Trunks: lays smooth, bone-free, tapering veins through waypoints into the network."""

from collections.abc import Iterable, Sequence, Sized
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.calibres import Calibres, vein_kinds
from geometry.errors import GeometryError
from geometry.kernels import trunk as kernels
from geometry.levels import Level, Side
from geometry.network import UNPLACED, NetworkBuilder
from geometry.skeleton import Skeleton
from geometry.structures import Structure

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Waypoint:
    """A point on the way of a trunk.

    Attributes
    ----------
    xyz : (3,) mm, world
    level : label of the branch that begins here, where it is a stop
    stop : make a node here and begin a new branch
    node : an existing node to pass through (a stop)
    """

    xyz: FloatArray
    level: Level
    stop: bool = False
    node: int | None = None


class Course(NamedTuple):
    """A trunk to be laid: what it is, its waypoints, its calibre over that of the table.

    `place` is that among the trunks of its labels, where one of them may be missing.
    """

    structure: Structure
    side: Side
    waypoints: Sequence[Waypoint]
    part: str = ""
    scale: ArrayLike = 1.0
    place: int = UNPLACED


@dataclass(frozen=True)
class LaidTrunk:
    """Nodes of the stops (first and last waypoint included), branches between them, mm."""

    nodes: tuple[int, ...]
    branches: tuple[int, ...]
    lengths: tuple[float, ...]


@dataclass(frozen=True)
class Taper:
    """Calibre of a trunk by height, from the table.

    Attributes
    ----------
    depth : (h,) mm, rising: -z of the vertebrae
    radius : (h,) mm, of equal area
    """

    depth: FloatArray
    radius: FloatArray


@dataclass(frozen=True)
class Trunks:
    """What is needed to lay a trunk: the network so far, the bones and the calibres."""

    builder: NetworkBuilder
    skeleton: Skeleton
    calibres: Calibres
    _tapers: dict[tuple[Structure, Side, str], Taper] = field(default_factory=dict)

    def at(self, node: int, level: Level) -> Waypoint:
        """Waypoint at an existing node."""
        return Waypoint(self.builder.node_xyz[node], level, node=node)

    def lay(
        self,
        structure: Structure,
        side: Side,
        waypoints: Sequence[Waypoint],
        *,
        part: str = "",
        scale: ArrayLike = 1.0,
    ) -> LaidTrunk:
        """Lay a trunk through `waypoints`, in the direction of its flow.

        Its calibre at every height is that of the table for the nearest levels, times `scale`
        (a number, or one per waypoint).
        """
        return self.lay_all([Course(structure, side, waypoints, part, scale)])[0]

    def lay_all(self, courses: Sequence[Course]) -> list[LaidTrunk]:
        """Lay several trunks, none of which passes through a node that another one makes."""
        ways = [waypoint for course in courses for waypoint in course.waypoints]
        first = _starts(course.waypoints for course in courses)
        pinned = np.array([way.node is not None for way in ways])
        stop = np.array([way.stop for way in ways]) | pinned
        stop[first[:-1]] = stop[first[1:] - 1] = True
        scale = np.empty(len(ways))
        for course, begin, end in zip(courses, first[:-1], first[1:], strict=True):
            scale[begin:end] = course.scale
        tapers = [self.taper(course.structure, course.side, course.part) for course in courses]
        laid = kernels.lay(
            self.skeleton.bones.arrays, first, np.array([way.xyz for way in ways]), scale, stop,
            pinned, _starts(taper.depth for taper in tapers),
            np.concatenate([taper.depth for taper in tapers]),
            np.concatenate([taper.radius for taper in tapers]),
            np.array([self._flattening(course) for course in courses]),
        )  # fmt: skip
        return self._add(courses, first, ways, stop, laid)

    def _flattening(self, course: Course) -> float:
        """Major over minor semi-axis, the same all along."""
        level = course.waypoints[0].level
        return self.calibres.flattening(course.structure, level, course.side, part=course.part)

    def _add(
        self,
        courses: Sequence[Course],
        first: IntArray,
        ways: list[Waypoint],
        stop: BoolArray,
        laid: kernels.Laid,
    ) -> list[LaidTrunk]:
        """Add laid trunks to the network: a node at each stop, a branch from each to the next."""
        builder, after = self.builder, np.cumsum(laid.points)
        begin = after - laid.points
        first_branch, lengths = len(builder), laid.length.tolist()
        start: list[int] = []
        end: list[int] = []
        codes: list[tuple[int, int, int, int]] = []
        trunks: list[LaidTrunk] = []
        for course, one, two in zip(courses, first[:-1], first[1:], strict=True):
            stops = [ways[i] for i in range(one, two) if stop[i]]
            nodes: list[int] = []
            branch = len(start)
            for i, way in enumerate(stops):
                if way.node is None:
                    last = i == len(stops) - 1
                    row = after[branch + i - 1] - 1 if last else begin[branch + i]
                    nodes.append(builder.node_xyz.add(laid.xyz[row]))
                else:
                    nodes.append(way.node)
            start += nodes[:-1]
            end += nodes[1:]
            codes += [
                (course.structure, way.level, course.side, course.place) for way in stops[:-1]
            ]
            here = range(first_branch + branch, first_branch + len(start))
            trunks.append(LaidTrunk(tuple(nodes), tuple(here), tuple(lengths[branch : len(start)])))
        # existing nodes are met exactly, not to rounding
        laid.xyz[begin], laid.xyz[after - 1] = (
            builder.node_xyz.xyz[start],
            builder.node_xyz.xyz[end],
        )
        structure, level, side, place = np.array(codes, dtype=np.int64).T
        builder.branches(
            np.array(start), np.array(end), laid.points, laid.xyz, radius=laid.major,
            radius_minor=laid.minor, structure=structure, level=level, side=side, place=place,
        )  # fmt: skip
        return trunks

    def taper(self, structure: Structure, side: Side, part: str = "") -> Taper:
        """Calibre of the table by height."""
        key = structure, side, part
        if key not in self._tapers:
            levels, z = self.skeleton.level_z
            number = vein_kinds().by_level(structure, side, part=part)[list(levels)]
            simulated = number >= 0
            if not simulated.any():
                name = f"{structure.label} {part}".rstrip()
                raise GeometryError(f"vein_calibres.csv: no row for {name} {side.name.lower()}")
            radius = self.calibres.radii[number[simulated]]
            self._tapers[key] = Taper(-z[simulated], radius)
        return self._tapers[key]

    def radius(self, structure: Structure, side: Side, xyz: FloatArray) -> float:
        """Calibre of the table (radius of equal area, mm) at the height of a point (3,)."""
        taper = self.taper(structure, side)
        return float(np.interp(-xyz[2], taper.depth, taper.radius))

    def node_beside_bone(self, xyz: FloatArray, structure: Structure, side: Side) -> int:
        """Make a node for a vein of `structure`, moved out of bone if need be."""
        point, radius = xyz[None, :].copy(), np.array([self.radius(structure, side, xyz)])
        kernels.clear_of_bone(self.skeleton.bones.arrays, point, radius, np.zeros(1, dtype=bool))
        return self.builder.node(point[0])


def _starts(parts: Iterable[Sized]) -> IntArray:
    """Where each part begins when they are put in a row, and the end."""
    return np.array(list(accumulate(map(len, parts), initial=0)))
