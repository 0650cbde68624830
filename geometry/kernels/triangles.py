"""Closed triangle meshes: their connected parts, and what each encloses."""

import numpy as np
from numpy.typing import NDArray

from geometry.kernels.compiling import kernel

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@kernel
def parts(triangles: IntArray, vertices: int) -> IntArray:
    """Connected part (v,) of every vertex, named by the first vertex of it."""
    part = np.arange(vertices)
    for t in range(len(triangles)):
        one = triangles[t, 0]
        for corner in range(1, 3):
            two = triangles[t, corner]
            # every look halves the way to the name
            while part[one] != one:
                part[one] = part[part[one]]
                one = part[one]
            while part[two] != two:
                part[two] = part[part[two]]
                two = part[two]
            if one < two:
                part[two] = one
            else:
                part[one] = two
                one = two
    for v in range(vertices):
        part[v] = part[part[v]]
    return part


@kernel
def part_volumes(points: FloatArray, triangles: IntArray, part: IntArray) -> FloatArray:
    """Signed volume (v,) that a part encloses, mm3, at the vertex that names it, else 0.

    The sum of cones from its triangles to that vertex (divergence theorem): positive where
    triangles run counter-clockwise as seen from outside.
    """
    volume = np.zeros(len(points))
    for t in range(len(triangles)):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        p = part[i]
        x, y, z = points[p, 0], points[p, 1], points[p, 2]
        ax, ay, az = points[i, 0] - x, points[i, 1] - y, points[i, 2] - z
        bx, by, bz = points[j, 0] - x, points[j, 1] - y, points[j, 2] - z
        cx, cy, cz = points[k, 0] - x, points[k, 1] - y, points[k, 2] - z
        volume[p] += (
            ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)
        ) / 6.0
    return volume
