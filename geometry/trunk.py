"""Trunks: lays smooth, bone-free, tapering veins through waypoints into the network."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.calibres import Calibres, vein_kinds
from geometry.errors import GeometryError
from geometry.kernels import trunk as kernels
from geometry.levels import VERTEBRAE, Level, Side
from geometry.network import NetworkBuilder
from geometry.skeleton import Skeleton
from geometry.structures import Structure

FloatArray = NDArray[np.float64]


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
        """Lay a vein along a spline through `waypoints`, in the direction of its flow.

        Its calibre at every height is that of the table for the nearest levels, times `scale`
        (a number, or one per waypoint).
        """
        xyz = np.array([waypoint.xyz for waypoint in waypoints])
        pinned = np.array([waypoint.node is not None for waypoint in waypoints])
        stop = np.array([waypoint.stop for waypoint in waypoints]) | pinned
        stop[[0, -1]] = True
        taper = self.taper(structure, side, part=part)
        laid = kernels.lay(
            self.skeleton.bones.arrays, xyz, np.broadcast_to(scale, len(xyz)) * 1.0, stop, pinned,
            taper.depth, taper.radius,
            self.calibres.flattening(structure, waypoints[0].level, side, part=part),
        )  # fmt: skip
        after = np.cumsum(laid.points)
        ends = laid.xyz[np.append(after - laid.points, len(laid.xyz) - 1)]
        stops = [waypoints[i] for i in np.flatnonzero(stop).tolist()]
        nodes = [
            self.builder.node_xyz.add(end) if waypoint.node is None else waypoint.node
            for waypoint, end in zip(stops, ends, strict=True)
        ]
        node = np.array(nodes)
        laid.xyz[after - laid.points] = self.builder.node_xyz.xyz[node[:-1]]
        laid.xyz[after - 1] = self.builder.node_xyz.xyz[node[1:]]
        count = len(laid.points)
        first = self.builder.branches(
            node[:-1], node[1:], laid.points, laid.xyz, radius=laid.major, radius_minor=laid.minor,
            structure=np.full(count, structure), level=np.array([w.level for w in stops[:-1]]),
            side=np.full(count, side),
        )  # fmt: skip
        return LaidTrunk(
            tuple(nodes), tuple(range(first, first + count)), tuple(laid.length.tolist())
        )

    def taper(self, structure: Structure, side: Side, *, part: str = "") -> Taper:
        """Calibre of the table by height."""
        key = structure, side, part
        if key not in self._tapers:
            number = vein_kinds().by_level(structure, side, part=part)
            levels = [level for level in VERTEBRAE if number[level] >= 0]
            if not levels:
                name = f"{structure.label} {part}".rstrip()
                raise GeometryError(f"vein_calibres.csv: no row for {name} {side.name.lower()}")
            depth = np.array([-self.skeleton.vertebra(level).origin[2] for level in levels])
            self._tapers[key] = Taper(depth, self.calibres.radii[number[levels]])
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
