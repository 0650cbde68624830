"""Cylinder coordinates about root sleeves: place along the axis, distance from it, angle.

The angle is 0 cranial, positive towards anterior. Lengths are mm, angles rad.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geometry.kernels.compiling import kernel
from geometry.kernels.sketch import POINT_STEP_MM

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class SleeveFrames(NamedTuple):
    """Axes of sleeves, point by point; the frame of a segment stands beside its first point."""

    start: IntArray  # (m+1,) first point of each sleeve
    length: FloatArray  # (m,) of the axis within the foramen
    points: FloatArray  # (n, 3)
    arc: FloatArray  # (n,) along the axis, 0 at the medial mouth of the foramen
    tangent: FloatArray  # (n, 3) unit vectors, not used at the last point of a sleeve
    up: FloatArray  # (n, 3) cranial
    front: FloatArray  # (n, 3) anterior


@kernel
def _put(
    points: FloatArray, arc: FloatArray, up: FloatArray, front: FloatArray,
    first: int, last: int, s: float, rho: float, theta: float, out: FloatArray, row: int,
) -> None:  # fmt: skip
    """Write the world point at arc `s` of the sleeve of these points to a row of `out`."""
    low, high = first, last + 1
    while low < high:  # the first point that is not before s
        middle = (low + high) // 2
        if arc[middle] < s:
            low = middle + 1
        else:
            high = middle
    k = min(max(low - 1, first), last - 1)
    share = min(max((s - arc[k]) / (arc[k + 1] - arc[k]), 0.0), 1.0)
    cos, sin = math.cos(theta), math.sin(theta)
    for c in range(3):
        axis = points[k, c] + share * (points[k + 1, c] - points[k, c])
        out[row, c] = axis + rho * (cos * up[k, c] + sin * front[k, c])


@kernel
def surround(frames: SleeveFrames, which: IntArray, place: FloatArray) -> FloatArray:
    """World points (k, 3) at places (k, 3) about the sleeves `which` (k,).

    A place is a fraction of the length, the distance from the axis and the angle.
    """
    start, length, points, arc = frames.start, frames.length, frames.points, frames.arc
    up, front = frames.up, frames.front
    out = np.empty((len(which), 3))
    for i in range(len(which)):
        m = which[i]
        s = place[i, 0] * length[m]
        _put(
            points, arc, up, front, start[m], start[m + 1] - 1,
            s, place[i, 1], place[i, 2], out, i,
        )  # fmt: skip
    return out


@kernel
def lay_between(
    frames: SleeveFrames, which: IntArray, one: FloatArray, two: FloatArray
) -> tuple[FloatArray, IntArray]:
    """Inner points (p, 3) of veins about the sleeves `which` (v,), evenly from place to place.

    Returns the points and the first one of each vein (v+1,).
    """
    start, length, points, arc = frames.start, frames.length, frames.points, frames.arc
    up, front = frames.up, frames.front
    first = np.zeros(len(which) + 1, np.int64)
    for v in range(len(which)):
        along = (two[v, 0] - one[v, 0]) * length[which[v]]
        out, round_ = two[v, 1] - one[v, 1], (two[v, 2] - one[v, 2]) * one[v, 1]
        way = math.sqrt(along * along + out * out + round_ * round_)
        first[v + 1] = first[v] + max(int(np.rint(way / POINT_STEP_MM)), 1) - 1
    xyz = np.empty((first[-1], 3))
    for v in range(len(which)):
        m, pieces = which[v], first[v + 1] - first[v] + 1
        for k in range(1, pieces):
            t = k / pieces
            s = (one[v, 0] + t * (two[v, 0] - one[v, 0])) * length[m]
            rho = one[v, 1] + t * (two[v, 1] - one[v, 1])
            theta = one[v, 2] + t * (two[v, 2] - one[v, 2])
            _put(
                points, arc, up, front, start[m], start[m + 1] - 1,
                s, rho, theta, xyz, first[v] + k - 1,
            )  # fmt: skip
    return xyz, first


@kernel
def project(frames: SleeveFrames, which: IntArray, xyz: FloatArray) -> FloatArray:
    """Places (k, 3) of world points (k, 3) about the sleeves `which` (k,).

    The axis goes on straight beyond its ends.
    """
    start, length, points, arc = frames.start, frames.length, frames.points, frames.arc
    tangent, up, front = frames.tangent, frames.up, frames.front
    place = np.empty((len(xyz), 3))
    for i in range(len(xyz)):
        m, best = which[i], math.inf
        first, last = start[m], start[m + 1] - 1
        for k in range(first, last):
            x, y, z = xyz[i, 0] - points[k, 0], xyz[i, 1] - points[k, 1], xyz[i, 2] - points[k, 2]
            along = x * tangent[k, 0] + y * tangent[k, 1] + z * tangent[k, 2]
            if k > first:
                along = max(along, 0.0)
            if k < last - 1:
                along = min(along, arc[k + 1] - arc[k])
            x, y, z = (
                x - along * tangent[k, 0],
                y - along * tangent[k, 1],
                z - along * tangent[k, 2],
            )
            away = math.sqrt(x * x + y * y + z * z)
            if away < best:
                best = away
                rise = x * up[k, 0] + y * up[k, 1] + z * up[k, 2]
                ahead = x * front[k, 0] + y * front[k, 1] + z * front[k, 2]
                place[i, 0] = (arc[k] + along) / length[m]
                place[i, 1] = away
                place[i, 2] = math.atan2(ahead, rise)
    return place
