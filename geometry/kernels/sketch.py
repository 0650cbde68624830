"""Points of the veins that the rooms have sketched, and which of them stay.

A vein is a row of a table (:data:`COLUMNS`): two nodes, and a piece of a curve or a bow between
them.
"""

import math

import numpy as np
from numpy.typing import NDArray

from geometry.kernels.compiling import kernel

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

START, END, KIND, SCALE, BURIED, FIRM, VALVE, WAY, FIRST, AFTER, FROM, TO, COLUMNS = range(13)
"""Columns of a vein: its nodes; number of its kind (calibres), factor on that calibre; whether it
runs in bone, is never missing, has a valve near its end; one of the ways below; rows of its curve
(first, one past the last); the part of that curve, as fractions of its length."""

GIVEN, ALONG, BOWED = range(3)
"""Ways: the rows are its inner points; it runs along them; between its nodes, as a parabola whose
middle is moved by the one row (none: straight)."""

POINT_STEP_MM = 0.8
"""Spacing of centreline points."""


@kernel
def _distance(xyz: FloatArray, i: int, other: FloatArray, j: int) -> float:
    dx, dy, dz = xyz[i, 0] - other[j, 0], xyz[i, 1] - other[j, 1], xyz[i, 2] - other[j, 2]
    return math.sqrt(dx * dx + dy * dy + dz * dz)


@kernel
def _length(vein: FloatArray, v: int, node_xyz: FloatArray, curve: FloatArray) -> float:
    """Length by which a vein that is not given is cut into steps, mm."""
    first, after = int(vein[v, FIRST]), int(vein[v, AFTER])
    if vein[v, WAY] == BOWED:
        length = _distance(node_xyz, int(vein[v, END]), node_xyz, int(vein[v, START]))
        if after > first:
            bow = curve[first]
            length += math.sqrt(bow[0] ** 2 + bow[1] ** 2 + bow[2] ** 2)
        return length
    whole = 0.0
    for i in range(first + 1, after):
        whole += _distance(curve, i, curve, i - 1)
    return (vein[v, TO] - vein[v, FROM]) * whole


@kernel
def _lay_along(
    curve: FloatArray, first: int, after: int, begin: float, end: float, out: FloatArray
) -> None:
    """Lay points evenly on a part of a curve, ends excluded, (k, 3)."""
    whole = 0.0
    for i in range(first + 1, after):
        whole += _distance(curve, i, curve, i - 1)
    pieces, i, here = len(out) + 1, first, 0.0
    step = _distance(curve, i + 1, curve, i)
    for k in range(1, pieces):
        at = whole * (begin + (end - begin) * (k / pieces))
        while i < after - 2 and here + step <= at:
            here += step
            i += 1
            step = _distance(curve, i + 1, curve, i)
        share = (at - here) / step
        for c in range(3):
            out[k - 1, c] = curve[i, c] + share * (curve[i + 1, c] - curve[i, c])


@kernel
def lay(
    vein: FloatArray, node_xyz: FloatArray, curve: FloatArray
) -> tuple[FloatArray, IntArray, IntArray]:
    """Lay the points of all veins.

    Parameters
    ----------
    vein : (v, COLUMNS)
    node_xyz : (n, 3) mm
    curve : (c, 3) mm, rows of all curves

    Returns
    -------
    xyz : (k, 3) mm, the nodes and then the inner points, vein by vein
    line : (m,) points of the veins in a row, nodes included
    line_start : (v+1,) where in it each vein begins
    """
    count, total = np.empty(len(vein), np.int64), 0
    for v in range(len(vein)):
        if vein[v, WAY] == GIVEN:
            count[v] = int(vein[v, AFTER] - vein[v, FIRST])
        else:
            length = _length(vein, v, node_xyz, curve)
            count[v] = max(int(np.rint(length / POINT_STEP_MM)), 1) - 1
        total += count[v]
    nodes = len(node_xyz)
    xyz = np.empty((nodes + total, 3))
    xyz[:nodes] = node_xyz
    line, line_start = np.empty(total + 2 * len(vein), np.int64), np.zeros(len(vein) + 1, np.int64)
    at, place = nodes, 0
    for v in range(len(vein)):
        start, end, first = int(vein[v, START]), int(vein[v, END]), int(vein[v, FIRST])
        after, inner = int(vein[v, AFTER]), count[v]
        line[place], line[place + inner + 1] = start, end
        for k in range(inner):
            line[place + 1 + k] = at + k
        if vein[v, WAY] == GIVEN:
            xyz[at : at + inner] = curve[first:after]
        elif vein[v, WAY] == ALONG:
            _lay_along(curve, first, after, vein[v, FROM], vein[v, TO], xyz[at : at + inner])
        else:
            for k in range(inner):
                t = (k + 1) / (inner + 1)
                for c in range(3):
                    bow = curve[first, c] if after > first else 0.0
                    one, two = node_xyz[start, c], node_xyz[end, c]
                    xyz[at + k, c] = one + t * (two - one) + 4 * t * (1 - t) * bow
        at += inner
        place += inner + 2
        line_start[v + 1] = place
    return xyz, line, line_start


@kernel
def _root(group: IntArray, node: int) -> int:
    while group[node] != node:
        group[node] = group[group[node]]
        node = group[node]
    return node


@kernel
def thin(
    start: IntArray,
    end: IntArray,
    missing: BoolArray,
    order: IntArray,
    anchored: BoolArray,
    kept_end: BoolArray,
) -> BoolArray:
    """Veins (v,) that stay: those not `missing` (v,), and a tree through all nodes they join.

    Parameters
    ----------
    start, end : (v,) nodes
    order : (v,) veins in the order in which they are asked to join the tree
    anchored : (n,) nodes that are joined outside
    kept_end : (n,) nodes at which a vein may end: dead ends elsewhere go too
    """
    outside = len(anchored)
    group = np.arange(outside + 1)
    for node in range(outside):
        if anchored[node]:
            group[node] = outside
    stays = ~missing
    for v in order:
        one, two = _root(group, start[v]), _root(group, end[v])
        if one != two:
            group[one] = two
            stays[v] = True
    degree = np.zeros(outside, np.int64)
    for v in range(len(start)):
        if stays[v]:
            degree[start[v]] += 1
            degree[end[v]] += 1
    pruned = True
    while pruned:
        pruned = False
        for v in range(len(start)):
            if stays[v] and (
                (degree[start[v]] == 1 and not kept_end[start[v]])
                or (degree[end[v]] == 1 and not kept_end[end[v]])
            ):
                stays[v], pruned = False, True
                degree[start[v]] -= 1
                degree[end[v]] -= 1
    return stays
