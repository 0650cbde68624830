"""Trunks: lays smooth, bone-free, tapering veins through waypoints into the network."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.calibres import Calibres, load_calibres
from geometry.curves import spline
from geometry.errors import GeometryError
from geometry.levels import VERTEBRAE, Level, Side
from geometry.network import NetworkBuilder
from geometry.skeleton import Skeleton
from geometry.structures import Structure

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

STEP_MM = 2.5
"""Step between points of a trunk, along the chords of its waypoints."""
BONE_GAP_MM = 0.5
"""Least distance between the wall of a trunk and bone."""
PUSHES = 10
SMOOTHED_PUSHES = 5
"""Times a point in bone is moved out, and in how many of them its neighbours follow."""
LEAST_ROOM = 0.5
"""A trunk beside bone keeps at least this share of its calibre."""


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
class Trunks:
    """What is needed to lay a trunk: the network so far, the bones and the calibres."""

    builder: NetworkBuilder
    skeleton: Skeleton
    calibres: Calibres

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
        knots = _chord(xyz)
        counts = np.maximum(np.ceil(np.diff(knots) / STEP_MM).astype(int), 2)
        arc = np.concatenate(
            [np.linspace(knots[i], knots[i + 1], n, endpoint=False) for i, n in enumerate(counts)]
            + [knots[-1:]]
        )
        at_waypoint = np.concatenate([[0], np.cumsum(counts)])
        points = spline(knots, xyz, arc)
        radius = self.radius(structure, side, points, part=part)
        radius = radius * np.interp(arc, knots, np.broadcast_to(scale, len(xyz)))
        flattening = self.calibres.flattening(structure, waypoints[0].level, side, part=part)
        major, minor = radius * np.sqrt(flattening), radius / np.sqrt(flattening)
        pinned = [at_waypoint[i] for i, w in enumerate(waypoints) if w.node is not None]
        points = self.clear_of_bone(points, minor, pinned=pinned)
        # a wide vein that joins a narrow one beside bone is narrow there
        distance = self.skeleton.bones.distance(points, near=float(minor.max()))
        room = np.maximum(distance / minor, LEAST_ROOM)
        squeezed = np.minimum(room, 1.0)
        major, minor = major * squeezed, minor * squeezed

        last = len(waypoints) - 1
        stops = [
            i for i, w in enumerate(waypoints) if w.stop or w.node is not None or i in (0, last)
        ]
        nodes = []
        for i in stops:
            node = waypoints[i].node
            nodes.append(self.builder.node(points[at_waypoint[i]]) if node is None else node)
        branches, lengths = [], []
        for k in range(len(stops) - 1):
            first, end = at_waypoint[stops[k]], at_waypoint[stops[k + 1]]
            branches.append(
                self.builder.branch(
                    nodes[k],
                    nodes[k + 1],
                    structure,
                    waypoints[stops[k]].level,
                    side,
                    radius=major[first : end + 1],
                    radius_minor=minor[first : end + 1],
                    via=points[first + 1 : end],
                )
            )
            lengths.append(float(_chord(points[first : end + 1])[-1]))
        return LaidTrunk(tuple(nodes), tuple(branches), tuple(lengths))

    def radius(
        self, structure: Structure, side: Side, points: FloatArray, *, part: str = ""
    ) -> FloatArray:
        """Calibre of the table (radius of equal area, mm) at the height of each point."""
        rows = [r for r in load_calibres() if (r.structure, r.part) == (structure, part)]
        if not rows:
            raise GeometryError(f"vein_calibres.csv: no row for {structure.label} {part}".rstrip())
        low, high = min(r.first_level for r in rows), max(r.last_level for r in rows)
        levels = [level for level in VERTEBRAE if low <= level <= high]
        known = [self.calibres.radius(structure, level, side, part=part) for level in levels]
        heights = [self.skeleton.vertebra(level).origin[2] for level in levels]
        return np.interp(-points[:, 2], -np.array(heights), known)

    def clear_of_bone(
        self, points: FloatArray, radius: FloatArray, *, pinned: Sequence[int] = ()
    ) -> FloatArray:
        """Move points (k, 3) out until the wall of a vein of `radius` (k,) is free of bone."""
        start, points = points, points.copy()
        free = np.delete(np.arange(len(points)), np.asarray(pinned, dtype=np.int64))
        for turn in range(PUSHES):
            if not self._push(points, radius, free):
                break
            if turn < SMOOTHED_PUSHES:  # a push leaves a curve, not a kink
                moved = points - start
                moved[1:-1] = (moved[:-2] + 2 * moved[1:-1] + moved[2:]) / 4
                points[free] = (start + moved)[free]
        return points

    def _push(self, points: FloatArray, radius: FloatArray, free: IntArray) -> bool:
        """Move those `free` points that are too near to bone once; False if there are none."""
        if len(free) == 0:
            return False
        bones, near = self.skeleton.bones, float(radius[free].max()) + 2 * BONE_GAP_MM
        need = radius[free] + BONE_GAP_MM - bones.distance(points[free], near=near)
        short = need > 0
        if not short.any():
            return False
        moving, need = free[short], need[short]
        step = 0.05
        probe = points[moving, None, :] + step * np.vstack([np.eye(3), -np.eye(3)])
        value = bones.distance(probe.reshape(-1, 3), near=near).reshape(-1, 6)
        slope = (value[:, :3] - value[:, 3:]) / (2 * step)
        slope /= np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), step)
        points[moving] += need[:, None] * slope
        return True

    def node_beside_bone(self, xyz: FloatArray, structure: Structure, side: Side) -> int:
        """Make a node for a vein of `structure`, moved out of bone if need be."""
        point = xyz[None, :]
        return self.builder.node(self.clear_of_bone(point, self.radius(structure, side, point))[0])


def _chord(xyz: FloatArray) -> FloatArray:
    """Chord length along a polyline, (k,) mm."""
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(xyz, axis=0), axis=1))])
