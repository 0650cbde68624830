"""Signed distance to tubes: the dural sac (swept ellipse) and the root sleeves.

Both are sampled along their axis; the nearest sample counts. Samples are searched from a first
guess to either side, for as long as one could still be nearer.
"""

import math

import numpy as np
from numpy.typing import NDArray

from geometry.kernels.compiling import kernel, law
from geometry.kernels.solids import box_gap, ellipse_distance

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Index = NDArray[np.int32]


Y, Z, A, B, DOWN_Y, DOWN_Z, FRONT_Y, FRONT_Z = range(8)
"""Columns of a swept ellipse: centre (mm, x = 0), semi-axes (mm; transverse, antero-posterior),
unit vectors along the sweep and across it, forwards. Centres fall all the way."""

SLEEVE_STEP_MM = 0.25
"""Most that two neighbouring samples of a sleeve's axis lie apart."""
BLOCK_MM = 2 * SLEEVE_STEP_MM
"""Most that the samples of a block of four lie from the second of them."""

ALONG = 3
"""Column of a sample of a sleeve's axis, behind x, y and z: how far it lies along the chord from
the first to the last of that sleeve, mm. It rises all the way."""

FIRST, AFTER, RADIUS, AXIS_BOX, CHORD, BULGE = 0, 1, 2, 3, 9, 12
"""Columns of a sleeve: its samples (first, and one past the last), radius (mm), lower and upper
corner of its axis (mm), unit vector along its chord, farthest that a sample lies from it (mm)."""


@kernel
def nearest_centre(sweep: FloatArray, guess: int, y: float, z: float) -> int:
    """Index of the centre that is nearest in the median plane."""
    nearest, best = guess, (sweep[guess, Y] - y) ** 2 + (sweep[guess, Z] - z) ** 2
    for step in (-1, 1):
        k = guess + step
        while 0 <= k < len(sweep):
            rise = sweep[k, Z] - z
            if rise * step < 0.0 and rise * rise >= best:
                break
            away = (sweep[k, Y] - y) ** 2 + rise * rise
            if away < best:
                nearest, best = k, away
            k += step
    return nearest


@kernel
def descend_to_centre(sweep: FloatArray, guess: int, y: float, z: float) -> int:
    """As :func:`nearest_centre`, for points nearer to the curve than it is bent."""
    nearest, best = guess, (sweep[guess, Y] - y) ** 2 + (sweep[guess, Z] - z) ** 2
    for step in (-1, 1):
        k = nearest + step
        while 0 <= k < len(sweep):
            away = (sweep[k, Y] - y) ** 2 + (sweep[k, Z] - z) ** 2
            if away >= best:
                break
            nearest, best = k, away
            k += step
        if nearest != guess:
            break
    return nearest


@kernel
def sweep_distance(sweep: FloatArray, k: int, x: float, y: float, z: float) -> float:
    """Signed distance of a world point to swept ellipses, mm, whose centre `k` is nearest.

    The ends are flat.
    """
    y, z = y - sweep[k, Y], z - sweep[k, Z]
    front = y * sweep[k, FRONT_Y] + z * sweep[k, FRONT_Z]
    distance = ellipse_distance(x, front, sweep[k, A], sweep[k, B])
    along = y * sweep[k, DOWN_Y] + z * sweep[k, DOWN_Z]
    if k == 0:
        distance = max(distance, -along)
    if k == len(sweep) - 1:
        distance = max(distance, along)
    return distance


@kernel
def distances(sweep: FloatArray, xyz: FloatArray) -> FloatArray:
    """Signed distance (k,) of world points (k, 3) to swept ellipses, mm."""
    result = np.empty(len(xyz))
    nearest = 0
    for k in range(len(xyz)):
        x, y, z = xyz[k, 0], xyz[k, 1], xyz[k, 2]
        nearest = nearest_centre(sweep, nearest, y, z)
        result[k] = sweep_distance(sweep, nearest, x, y, z)
    return result


@law
def nearest_on_sleeves(
    axis: FloatArray,
    sleeve: FloatArray,
    member: Index,
    least: FloatArray,
    first_member: int,
    after_member: int,
    x: float,
    y: float,
    z: float,
    from_centre: float,
    room: float,
) -> tuple[int, int, float]:
    """Sleeve and sample nearest to a world point, and how far that is, mm.

    Of the sleeves in a part of `member`; sleeve -1 where no surface can be nearer than `room`. The
    point lies `from_centre` mm from one that is no nearer than `least` to the members' axes.
    """
    reach = 0.0
    for i in range(first_member, after_member):
        reach = max(reach, room + sleeve[member[i], RADIUS])
    found, nearest, best = -1, -1, reach * reach
    bound = (reach + BLOCK_MM) ** 2
    for i in range(first_member, after_member):
        m = member[i]
        if least[i] - from_centre >= reach or box_gap(sleeve, m, AXIS_BOX, x, y, z) > reach:
            continue
        first, last = int(sleeve[m, FIRST]), int(sleeve[m, AFTER]) - 1
        dx, dy, dz = x - axis[first, 0], y - axis[first, 1], z - axis[first, 2]
        along = dx * sleeve[m, CHORD] + dy * sleeve[m, CHORD + 1] + dz * sleeve[m, CHORD + 2]
        beside = math.sqrt(max(dx * dx + dy * dy + dz * dz - along * along, 0.0))
        gap = max(beside - sleeve[m, BULGE], 0.0)  # no sample is nearer, across the chord
        if gap >= reach:
            continue
        share = min(max(along / axis[last, ALONG], 0.0), 1.0)
        guess = first + int(share * (last - first))
        for step in (-4, 4):  # blocks of four samples, of which the second is looked at first
            block = guess if step < 0 else guess + 4
            while first - 2 <= block <= last + 1:
                k = min(max(block, first), last)
                on = axis[k, ALONG] - along
                if on * step > 0.0 and on * on + gap * gap >= bound:
                    break
                dx, dy, dz = axis[k, 0] - x, axis[k, 1] - y, axis[k, 2] - z
                away = dx * dx + dy * dy + dz * dz
                if away < bound:
                    for j in range(max(block - 1, first), min(block + 2, last) + 1):
                        dx, dy, dz = axis[j, 0] - x, axis[j, 1] - y, axis[j, 2] - z
                        away = dx * dx + dy * dy + dz * dz
                        if away < best:
                            found, nearest, best = m, j, away
                            bound = (math.sqrt(best) + BLOCK_MM) ** 2
                block += step
    return found, nearest, math.sqrt(best)


@kernel
def distances_to_axes(
    axis: FloatArray, sleeve: FloatArray, which: IntArray, xyz: FloatArray
) -> FloatArray:
    """Distance (k,) of world points (k, 3) to the samples of the sleeves `which` (k,), mm."""
    result = np.empty(len(which))
    for k in range(len(which)):
        best = math.inf
        for j in range(int(sleeve[which[k], FIRST]), int(sleeve[which[k], AFTER])):
            dx, dy, dz = axis[j, 0] - xyz[k, 0], axis[j, 1] - xyz[k, 1], axis[j, 2] - xyz[k, 2]
            best = min(best, dx * dx + dy * dy + dz * dz)
        result[k] = math.sqrt(best)
    return result
