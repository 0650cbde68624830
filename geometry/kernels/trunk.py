"""Trunks: each a smooth curve through waypoints, pushed out of bone, tapering, squeezed there."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geometry.kernels.compiling import kernel
from geometry.kernels.solids import Bodies, distance_at

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

STEP_MM = 2.5
"""Step between points of a trunk, along the chords of its waypoints."""
BONE_GAP_MM = 0.5
"""Least distance between the wall of a trunk and bone."""
PUSHES = 10
SMOOTHED_PUSHES = 5
"""Times a point in bone is moved out, and in how many of them its neighbours follow."""
LEAST_ROOM = 0.5
"""A trunk beside bone keeps at least this share of its calibre."""
DIFFERENCE_MM = 0.05
"""Half the step of the differences that gradients are taken by."""
LEAST_NOT_A_KNOT = 4
"""Knots from which the outer two pieces of a spline are one cubic; with fewer it ends straight."""


class Laid(NamedTuple):
    """Points of the branches of all trunks, ends included, branch after branch."""

    xyz: FloatArray  # (p, 3) mm
    major: FloatArray  # (p,) mm, semi-axes
    minor: FloatArray  # (p,) mm
    points: IntArray  # (b,) how many of them each branch has
    length: FloatArray  # (b,) mm


@kernel
def _slopes(knots: FloatArray, values: FloatArray) -> FloatArray:
    """Slopes (k, d) at the knots of the twice differentiable cubic, by elimination."""
    n = len(knots)
    h, m = np.diff(knots), np.empty((n - 1, values.shape[1]))
    for i in range(n - 1):
        m[i] = (values[i + 1] - values[i]) / h[i]
    lower, main, upper = np.zeros(n), np.empty(n), np.zeros(n)
    slope = np.empty_like(values)
    for i in range(1, n - 1):
        lower[i], main[i], upper[i] = h[i], 2 * (h[i - 1] + h[i]), h[i - 1]
        slope[i] = 3 * (h[i] * m[i - 1] + h[i - 1] * m[i])
    if n < LEAST_NOT_A_KNOT:  # no curvature at the ends
        main[0], upper[0] = 2 * h[0], h[0]
        slope[0] = 3 * (values[1] - values[0])
        main[-1], lower[-1] = 2 * h[-1], h[-1]
        slope[-1] = 3 * (values[-1] - values[-2])
    else:
        d = knots[2] - knots[0]
        main[0], upper[0] = h[1], d
        slope[0] = ((h[0] + 2 * d) * h[1] * m[0] + h[0] ** 2 * m[1]) / d
        d = knots[-1] - knots[-3]
        main[-1], lower[-1] = h[-2], d
        slope[-1] = (h[-1] ** 2 * m[-2] + (2 * d + h[-1]) * h[-2] * m[-1]) / d
    for i in range(1, n):
        factor = lower[i] / main[i - 1]
        main[i] -= factor * upper[i - 1]
        slope[i] -= factor * slope[i - 1]
    slope[-1] /= main[-1]
    for i in range(n - 2, -1, -1):
        slope[i] = (slope[i] - upper[i] * slope[i + 1]) / main[i]
    return slope


@kernel
def spline(knots: FloatArray, values: FloatArray, at: FloatArray) -> FloatArray:
    """Twice differentiable cubic through `values` (k, d) at `knots` (k,), k > 1; `at` rises."""
    slope, result = _slopes(knots, values), np.empty((len(at), values.shape[1]))
    i = 0
    for k in range(len(at)):
        while i < len(knots) - 2 and knots[i + 1] <= at[k]:
            i += 1
        h, s = knots[i + 1] - knots[i], at[k] - knots[i]
        for c in range(values.shape[1]):
            m = (values[i + 1, c] - values[i, c]) / h
            bend = (slope[i, c] + slope[i + 1, c] - 2 * m) / h
            quadratic = (m - slope[i, c]) / h - bend
            result[k, c] = values[i, c] + s * (slope[i, c] + s * (quadratic + s * (bend / h)))
    return result


@kernel
def _push(bodies: Bodies, points: FloatArray, radius: FloatArray, pinned: BoolArray) -> bool:
    """Move those points that are too near to bone once, but for pinned ones; False if none is."""
    solid, start, box = bodies.solid, bodies.frame_start, bodies.frame_box
    near = 0.0
    for k in range(len(points)):
        if not pinned[k]:
            near = max(near, radius[k])
    near += 2 * BONE_GAP_MM
    pushed, step = False, DIFFERENCE_MM
    for k in range(len(points)):
        if pinned[k]:
            continue
        x, y, z = points[k, 0], points[k, 1], points[k, 2]
        need = radius[k] + BONE_GAP_MM - distance_at(solid, start, box, x, y, z, near)
        if need <= 0.0:
            continue
        pushed = True
        gx = distance_at(solid, start, box, x + step, y, z, near)
        gx = (gx - distance_at(solid, start, box, x - step, y, z, near)) / (2 * step)
        gy = distance_at(solid, start, box, x, y + step, z, near)
        gy = (gy - distance_at(solid, start, box, x, y - step, z, near)) / (2 * step)
        gz = distance_at(solid, start, box, x, y, z + step, near)
        gz = (gz - distance_at(solid, start, box, x, y, z - step, near)) / (2 * step)
        size = max(math.sqrt(gx * gx + gy * gy + gz * gz), step)
        points[k, 0] += need * (gx / size)
        points[k, 1] += need * (gy / size)
        points[k, 2] += need * (gz / size)
    return pushed


@kernel
def clear_of_bone(
    bodies: Bodies, points: FloatArray, radius: FloatArray, pinned: BoolArray
) -> None:
    """Move points (k, 3) out (in place) until a vein of `radius` (k,) is free of bone."""
    start, moved = points.copy(), np.empty_like(points)
    for turn in range(PUSHES):
        if not _push(bodies, points, radius, pinned):
            break
        if turn < SMOOTHED_PUSHES:  # a push leaves a curve, not a kink
            moved[:] = points - start
            for k in range(1, len(points) - 1):
                if not pinned[k]:
                    for c in range(3):
                        around = moved[k - 1, c] + 2 * moved[k, c] + moved[k + 1, c]
                        points[k, c] = start[k, c] + around / 4


@kernel
def _pieces(xyz: FloatArray, i: int) -> tuple[float, int]:
    """Chord from waypoint `i` to the next, mm, and the steps that it is cut into."""
    dx, dy, dz = xyz[i + 1, 0] - xyz[i, 0], xyz[i + 1, 1] - xyz[i, 1], xyz[i + 1, 2] - xyz[i, 2]
    chord = math.sqrt(dx * dx + dy * dy + dz * dz)
    return chord, max(math.ceil(chord / STEP_MM), 2)


@kernel
def _lay_one(
    bodies: Bodies,
    xyz: FloatArray,
    scale: FloatArray,
    pinned: BoolArray,
    depth: FloatArray,
    calibre: FloatArray,
    flattening: float,
) -> tuple[FloatArray, FloatArray, FloatArray, IntArray]:
    """Points (n, 3) of one trunk, its semi-axes, and the point at each waypoint (w,)."""
    w = len(xyz)
    knots, first = np.zeros(w), np.zeros(w, np.int64)
    for i in range(w - 1):
        chord, pieces = _pieces(xyz, i)
        knots[i + 1], first[i + 1] = knots[i] + chord, first[i] + pieces
    n = first[-1] + 1
    arc, held = np.empty(n), np.zeros(n, np.bool_)
    for i in range(w - 1):
        pieces = first[i + 1] - first[i]
        for k in range(pieces):
            arc[first[i] + k] = knots[i] + k * ((knots[i + 1] - knots[i]) / pieces)
    arc[-1] = knots[-1]
    for i in range(w):
        held[first[i]] = pinned[i]
    points = spline(knots, xyz, arc)
    radius = np.interp(-points[:, 2], depth, calibre) * np.interp(arc, knots, scale)
    major, minor = radius * math.sqrt(flattening), radius / math.sqrt(flattening)
    clear_of_bone(bodies, points, minor, held)
    # a wide vein that joins a narrow one beside bone is narrow there
    solid, start, box, near = bodies.solid, bodies.frame_start, bodies.frame_box, minor.max()
    for k in range(n):
        room = distance_at(solid, start, box, points[k, 0], points[k, 1], points[k, 2], near)
        share = min(max(room / minor[k], LEAST_ROOM), 1.0)
        major[k] *= share
        minor[k] *= share
    return points, major, minor, first


@kernel
def lay(
    bodies: Bodies,
    first_waypoint: IntArray,
    xyz: FloatArray,
    scale: FloatArray,
    stop: BoolArray,
    pinned: BoolArray,
    first_height: IntArray,
    depth: FloatArray,
    calibre: FloatArray,
    flattening: FloatArray,
) -> Laid:
    """Lay trunks through waypoints.

    Parameters
    ----------
    first_waypoint : (t+1,)
    xyz, scale : (w, 3) mm and (w,), waypoints and the factor on the calibre there
    stop, pinned : (w,) where a branch ends and the next begins; which waypoints do not move
    first_height : (t+1,)
    depth, calibre : (h,) mm, rising in each trunk: calibre (radius of equal area) by -z
    flattening : (t,) major over minor semi-axis
    """
    rows, branches, trunks = 0, 0, len(flattening)
    for t in range(trunks):
        for i in range(first_waypoint[t], first_waypoint[t + 1] - 1):
            rows += _pieces(xyz, i)[1] + stop[i]
            branches += stop[i]
    out = np.empty((rows, 3)), np.empty(rows), np.empty(rows)
    points, length = np.zeros(branches, np.int64), np.zeros(branches)
    row, b = 0, -1
    for t in range(trunks):
        w0, w1, h0, h1 = (
            first_waypoint[t],
            first_waypoint[t + 1],
            first_height[t],
            first_height[t + 1],
        )
        way, major, minor, first = _lay_one(
            bodies, xyz[w0:w1], scale[w0:w1], pinned[w0:w1], depth[h0:h1], calibre[h0:h1],
            flattening[t],
        )  # fmt: skip
        for i in range(w1 - w0 - 1):
            if stop[w0 + i]:
                b += 1
            for k in range(first[i] if stop[w0 + i] else first[i] + 1, first[i + 1] + 1):
                out[0][row], out[1][row], out[2][row] = way[k], major[k], minor[k]
                if points[b] > 0:
                    dx, dy = way[k, 0] - way[k - 1, 0], way[k, 1] - way[k - 1, 1]
                    dz = way[k, 2] - way[k - 1, 2]
                    length[b] += math.sqrt(dx * dx + dy * dy + dz * dz)
                points[b] += 1
                row += 1
    return Laid(out[0], out[1], out[2], points, length)
