"""Signed distance to the solids of the spine: bodies, pedicles, laminae, processes, discs.

A solid is a shape with eight sizes in a frame (:mod:`geometry.bones` says what they mean), and
the box about it. Distances are to first order: exact at the surface.

Superellipses: with f = ((x/a)^p + (y/b)^p)^(1/p) the distance is (f - 1) over the length of
grad f, which is never less than (f - 1) min(a, b): that bound spares most of the work.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geometry.kernels.compiling import kernel, law

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

BODY, PEDICLE, LAMINA, PROCESS = range(4)
"""Codes of the shapes."""

LEAST = 1e-6
"""At the centre of an ellipse itself there is no gradient: coordinates are held off it."""


SIZE, BOX, HEIGHT, ORIGIN, AXES, SHAPE, FRAME, COLUMNS = 0, 8, 14, 16, 19, 28, 29, 30
"""Columns of a solid: eight sizes (mm); lower and upper corner of its box in the frame (mm); least
and greatest world z of the box (mm); origin (mm) and axes (rows x, y, z in world) of the frame;
code of the shape; number of the frame."""


class Bodies(NamedTuple):
    """Solids grouped by the frames that they share."""

    solid: FloatArray  # (s, COLUMNS); those of one frame are neighbours
    frame_start: IntArray  # (f+1,) first solid of each frame
    frame_box: FloatArray  # (f, 6) mm, lower and upper corner in world


@kernel
def ellipse_distance(x: float, y: float, a: float, b: float) -> float:
    """Signed distance to (x/a)^2 + (y/b)^2 = 1."""
    u, v = max(abs(x / a), LEAST), max(abs(y / b), LEAST)
    f = math.sqrt(u * u + v * v)
    p, q = u / a, v / b
    return (f - 1.0) * f / math.sqrt(p * p + q * q)


@kernel
def quartic_distance(x: float, y: float, a: float, b: float) -> float:
    """Signed distance to (x/a)^4 + (y/b)^4 = 1."""
    u, v = max(abs(x / a), LEAST), max(abs(y / b), LEAST)
    f = math.sqrt(math.sqrt(u * u * u * u + v * v * v * v))
    p, q = u * u * u / a, v * v * v / b
    return (f - 1.0) * f * f * f / math.sqrt(p * p + q * q)


@kernel
def _cap(side: float, along: float) -> float:
    """Distance to a straight cylinder from the distances to its side and to its ends."""
    if side > 0.0 and along > 0.0:
        return math.sqrt(side * side + along * along)
    return max(side, along)


@kernel
def _process_distance(solid: FloatArray, s: int, x: float, y: float, z: float) -> float:
    x, y, z = x - solid[s, 0], y - solid[s, 1], z - solid[s, 2]
    dx, dy, dz = solid[s, 3], solid[s, 4], solid[s, 5]
    t = (x * dx + y * dy + z * dz) / (dx * dx + dy * dy + dz * dz)
    t = min(max(t, 0.0), 1.0)
    x, y, z = x - t * dx, y - t * dy, z - t * dz
    return math.sqrt(x * x + y * y + z * z) - solid[s, 6]


@kernel
def _section(
    solid: FloatArray, s: int, x: float, y: float, z: float
) -> tuple[float, float, float, float, float, bool]:
    """Place of a point in the cross-section of a body, pedicle or lamina, and beyond its ends.

    Coordinates in the section and its semi-axes x, y, a, b; the distance beyond the nearer end;
    whether the section is a quartic there, else it is an ellipse.
    """
    shape = int(solid[s, SHAPE])
    if shape == BODY:
        return x, y, solid[s, 0], solid[s, 1], abs(z) - solid[s, 2], y <= 0.0
    if shape == PEDICLE:
        along = max(y - solid[s, 4], solid[s, 5] - y)
        return x - solid[s, 0], z - solid[s, 1], solid[s, 2], solid[s, 3], along, False
    along = max(solid[s, 4] - z, z - solid[s, 5])
    a, b = solid[s, 1] + solid[s, 3], solid[s, 2] + solid[s, 3]
    return x, y - solid[s, 0], a, b, along, False


@kernel
def solid_distance(solid: FloatArray, s: int, x: float, y: float, z: float, enough: float) -> float:
    """Signed distance to solid `s` of a point in its frame, mm; at `enough`, that or more."""
    shape = int(solid[s, SHAPE])
    if shape == PROCESS:
        return _process_distance(solid, s, x, y, z)
    x, y, a, b, along, quartic = _section(solid, s, x, y, z)
    if along >= enough or (shape == LAMINA and y >= enough):
        return enough
    u, v, f = x / a, y / b, 1.0 + max(enough, 0.0) / min(a, b)
    u, v, f = u * u, v * v, f * f
    if (quartic and u * u + v * v >= f * f) or (not quartic and u + v >= f):
        return enough
    side = quartic_distance(x, y, a, b) if quartic else ellipse_distance(x, y, a, b)
    if shape == LAMINA:
        side = max(side, -ellipse_distance(x, y, solid[s, 1], solid[s, 2]), y)
    return _cap(side, along)


@kernel
def box_gap(box: FloatArray, row: int, column: int, x: float, y: float, z: float) -> float:
    """Largest distance along an axis from a point to the box at a place of a table.

    Negative inside.
    """
    across = max(box[row, column] - x, x - box[row, column + 3])
    ahead = max(box[row, column + 1] - y, y - box[row, column + 4])
    up = max(box[row, column + 2] - z, z - box[row, column + 5])
    return max(across, ahead, up)


@law
def to_frame(solid: FloatArray, s: int, x: float, y: float, z: float) -> tuple[float, float, float]:
    """World point in the frame of solid `s`."""
    x, y, z = x - solid[s, ORIGIN], y - solid[s, ORIGIN + 1], z - solid[s, ORIGIN + 2]
    return (
        x * solid[s, AXES] + y * solid[s, AXES + 1] + z * solid[s, AXES + 2],
        x * solid[s, AXES + 3] + y * solid[s, AXES + 4] + z * solid[s, AXES + 5],
        x * solid[s, AXES + 6] + y * solid[s, AXES + 7] + z * solid[s, AXES + 8],
    )


@kernel
def distance_at(
    solid: FloatArray,
    frame_start: IntArray,
    frame_box: FloatArray,
    x: float,
    y: float,
    z: float,
    near: float,
) -> float:
    """Signed distance of a world point to the nearest solid, mm, at most `near`."""
    best = near
    for f in range(len(frame_box)):
        if box_gap(frame_box, f, 0, x, y, z) >= near:
            continue
        lx, ly, lz = to_frame(solid, frame_start[f], x, y, z)
        for s in range(frame_start[f], frame_start[f + 1]):
            if box_gap(solid, s, BOX, lx, ly, lz) < best:
                best = min(best, solid_distance(solid, s, lx, ly, lz, best))
    return best


@kernel
def distances(bodies: Bodies, xyz: FloatArray, near: float) -> FloatArray:
    """Signed distance (k,) of world points (k, 3) to the nearest solid, mm, at most `near`."""
    solid, frame_start, frame_box = bodies.solid, bodies.frame_start, bodies.frame_box
    result = np.empty(len(xyz))
    for k in range(len(xyz)):
        x, y, z = xyz[k, 0], xyz[k, 1], xyz[k, 2]
        result[k] = distance_at(solid, frame_start, frame_box, x, y, z, near)
    return result


@kernel
def _least_distance(solid: FloatArray, s: int, x: float, y: float, z: float) -> float:
    """Bound of :func:`solid_distance` outside a solid: it rises by no more than the point moves."""
    if solid[s, SHAPE] == PROCESS:
        return _process_distance(solid, s, x, y, z)
    lamina = solid[s, SHAPE] == LAMINA
    x, y, a, b, along, quartic = _section(solid, s, x, y, z)
    u, v = (x / a) ** 2, (y / b) ** 2
    f = math.sqrt(math.sqrt(u * u + v * v)) if quartic else math.sqrt(u + v)
    bound = max(along, (f - 1.0) * min(a, b))
    return max(bound, y) if lamina else bound


@kernel
def least_distances(solid: FloatArray, which: IntArray, xyz: FloatArray) -> FloatArray:
    """Bounds (k,) of the distances of world points (k, 3) to the solids `which` (k,), mm.

    A point that lies d mm from `xyz` and outside the solid is at least its bound - d from it.
    """
    result = np.empty(len(which))
    for k in range(len(which)):
        x, y, z = to_frame(solid, which[k], xyz[k, 0], xyz[k, 1], xyz[k, 2])
        result[k] = _least_distance(solid, which[k], x, y, z)
    return result
