"""Room for veins: distances to bone, disc, dural sac and root sleeves, and settling between them.

Veins are first drawn by rule, then :func:`settle` moves them out of whatever they touch.
Displacements are smoothed along each vein, so that a push leaves a curve and not a kink.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from geometry.bones import Body, Solid
from geometry.levels import Level, vertebra_below
from geometry.near_solids import DIFFERENCE_MM, NearSolids, PlacedSolid, PlacedSolids
from geometry.skeleton import Skeleton
from geometry.vertebra import Frame

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

REACH_MM = 5.0
"""Only obstacles this near to a point's first position are looked at while it settles."""
SETTLE_ROUNDS = 4
"""Rounds of pushing; a sketch is settled twice."""
UNSMOOTHED_ROUNDS = 1
RELAXATION = 0.8
"""Share of a push that is applied: below 1, a vein between two walls comes to rest midway."""
SMOOTHING = 0.3
SLEEVE_STEP_MM = 0.25
EXTRA_ROOM_MM = 0.15
"""Clearance that settling aims at beyond the minor semi-axis."""


@dataclass(frozen=True)
class Obstacles:
    """What veins must not enter: bone, discs and dens, dural sac, root sleeves."""

    skeleton: Skeleton
    _solids: PlacedSolids
    _sleeve_tree: cKDTree
    _sleeve_points: FloatArray
    _sleeve_radius: FloatArray

    @classmethod
    def of(cls, skeleton: Skeleton) -> "Obstacles":
        """Collect the obstacles of a skeleton; discs and dens are added to its bones."""
        solids = PlacedSolids.of(PlacedSolid.of(*placed) for placed in _solids(skeleton))
        points, radius = [], []
        for sleeve in skeleton.sleeves.values():
            count = int(np.ceil((sleeve.arc[-1] - sleeve.arc[0]) / SLEEVE_STEP_MM)) + 1
            fraction = np.linspace(sleeve.arc[0], sleeve.arc[-1], count) / sleeve.length
            points.append(sleeve.at(fraction))
            radius.append(np.full(count, sleeve.radius))
        axis = np.vstack(points)
        return cls(skeleton, solids, cKDTree(axis), axis, np.concatenate(radius))

    def distances(self, xyz: FloatArray) -> FloatArray:
        """Distance (k,) to the nearest obstacle, mm, negative inside, at most `REACH_MM`."""
        distance = NearSolids(self._solids, xyz, REACH_MM).distance(xyz)
        for rows, here in (
            self.skeleton.sac.near(xyz, REACH_MM),
            self.near_sleeve(xyz, REACH_MM)[:2],
        ):
            distance[rows] = np.minimum(distance[rows], here)
        return distance

    def near_sleeve(self, xyz: FloatArray, reach: float) -> tuple[IntArray, FloatArray, FloatArray]:
        """Points that are nearer than `reach` mm to a sleeve, of points (k, 3).

        Returns their indices (n,), distances (n,) and the gradients (n, 3) of these.
        """
        bound = reach + float(self._sleeve_radius.max())
        from_axis, nearest = self._sleeve_tree.query(xyz, distance_upper_bound=bound)
        rows = np.flatnonzero(np.isfinite(from_axis))
        distance = from_axis[rows] - self._sleeve_radius[nearest[rows]]
        rows, distance = rows[distance < reach], distance[distance < reach]
        away = xyz[rows] - self._sleeve_points[nearest[rows]]
        return rows, distance, away / np.maximum(from_axis[rows], DIFFERENCE_MM)[:, None]


class Neighbourhood:
    """The obstacles near each of a set of points, for repeated looks while these move a little."""

    def __init__(self, obstacles: Obstacles, xyz: FloatArray) -> None:
        self._obstacles = obstacles
        self._solids = NearSolids(obstacles._solids, xyz, REACH_MM)
        self._by_sac, _ = obstacles.skeleton.sac.near(xyz, REACH_MM)
        self._by_sleeve, _, _ = obstacles.near_sleeve(xyz, REACH_MM)

    def look(self, xyz: FloatArray, within: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Distance (k,) and its gradient (k, 3) for bone, for the sac and for sleeves.

        Gradients are looked at where the distance is less than `within` (k,).
        """
        yield self._solids.look(xyz, np.minimum(within, REACH_MM / 2))
        yield self._sac(xyz, np.minimum(within, REACH_MM / 4))
        yield self._sleeve(xyz, float(within.max(initial=0.0)))

    def _sac(self, xyz: FloatArray, within: FloatArray) -> tuple[FloatArray, FloatArray]:
        distance, gradient = _nothing(len(xyz))
        sac = self._obstacles.skeleton.sac
        near, here = sac.near(xyz[self._by_sac], float(within.max(initial=0.0)))
        rows = self._by_sac[near]
        distance[rows] = here
        close = here < within[rows]
        rows, here = rows[close], here[close]
        for axis, step in enumerate(np.eye(3) * DIFFERENCE_MM):
            gradient[rows, axis] = (sac.distance(xyz[rows] + step) - here) / DIFFERENCE_MM
        return distance, gradient

    def _sleeve(self, xyz: FloatArray, reach: float) -> tuple[FloatArray, FloatArray]:
        distance, gradient = _nothing(len(xyz))
        near, here, slope = self._obstacles.near_sleeve(xyz[self._by_sleeve], reach)
        distance[self._by_sleeve[near]] = here
        gradient[self._by_sleeve[near]] = slope
        return distance, gradient


def settle(
    obstacles: Obstacles,
    xyz: FloatArray,
    need: FloatArray,
    movable: BoolArray,
    before: IntArray,
    after: IntArray,
) -> FloatArray:
    """Move points until each has `need` mm to every obstacle, where there is that much room.

    Parameters
    ----------
    xyz : (k, 3) mm
    need : (k,) mm
    movable : (k,) points that may move
    before, after : (k,) neighbours along the vein; a point that is its own neighbour (a node)
        keeps its displacement unsmoothed

    Returns
    -------
    xyz : (k, 3) mm
    """
    around = Neighbourhood(obstacles, xyz)
    first, moved = xyz, np.zeros_like(xyz)
    wanted = np.where(movable, need + EXTRA_ROOM_MM, -np.inf)
    for rounds_left in range(SETTLE_ROUNDS, 0, -1):
        push = np.zeros_like(xyz)
        for distance, gradient in around.look(first + moved, wanted):
            short = np.flatnonzero(distance < wanted)
            steep = np.maximum(np.linalg.norm(gradient[short], axis=1), 1e-9)
            missing = wanted[short] - distance[short]
            push[short] += (missing / steep)[:, None] * gradient[short]
        moved += RELAXATION * push
        if rounds_left > UNSMOOTHED_ROUNDS:  # the last pushes stand as they are
            middle = (moved[before] + moved[after]) / 2
            moved += SMOOTHING * np.where(movable[:, None], middle - moved, 0.0)
    return first + moved


def _nothing(count: int) -> tuple[FloatArray, FloatArray]:
    return np.full(count, REACH_MM), np.zeros((count, 3))


def _solids(skeleton: Skeleton) -> Iterator[tuple[Frame, Solid]]:
    """Bones, the discs between the bodies, and the dens with its ligaments within C1."""
    for level, vertebra in skeleton.vertebrae.items():
        for solid in skeleton.bones.solids[level]:
            yield vertebra, solid
        if not vertebra.has_body:
            dens = Body(vertebra.body_width, vertebra.body_depth, vertebra.body_height, "dens")
            yield vertebra, dens
        elif level is not Level.S1:
            below = skeleton.vertebra(vertebra_below(level) if level > Level.C7 else _next(level))
            middle = Frame((vertebra.origin + below.origin) / 2, _mean_axes(vertebra, below))
            height = float(np.linalg.norm(vertebra.origin - below.origin))
            yield (
                middle,
                Body(
                    (vertebra.body_width + below.body_width) / 2,
                    (vertebra.body_depth + below.body_depth) / 2,
                    height - (vertebra.body_height + below.body_height) / 2,
                    "disc",
                ),
            )


def _next(level: Level) -> Level:
    return Level.T1 if level is Level.C7 else Level(level + 1)


def _mean_axes(upper: Frame, lower: Frame) -> FloatArray:
    """Axes midway between two frames that differ by a rotation about x."""
    cranial = upper.axes[2] + lower.axes[2]
    cranial = cranial / np.linalg.norm(cranial)
    right = np.array([1.0, 0.0, 0.0])
    return np.array([right, np.cross(cranial, right), cranial])
