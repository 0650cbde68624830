"""Lengths of straight rays in tubes and bones, from a point source to every pixel of a flat image.

A ray is source + t d with d from the source to the centre of a pixel, t from 0 to 1. Every solid
is made of convex parts, in each of which a ray has one interval of t; what intervals of one
vertebra have in common counts once.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geometry.kernels.compiling import kernel, law
from geometry.kernels.solids import AXES, BODY, ORIGIN, PEDICLE, PROCESS, SHAPE

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_PARTS = 48
"""Convex parts of one vertebra that a ray may cross: more than there are."""
NEWTON_ROUNDS = 60
"""Enough for the quartic from any start; it takes about six."""
NEWTON_ENOUGH = 1e-12
NEVER = 1e30


class Rays(NamedTuple):
    """Rays of one view. Pixel (row i, column j) has its centre at corner + i down + j across."""

    source: FloatArray  # (3,) mm
    corner: FloatArray  # (3,) mm, centre of pixel (0, 0)
    across: FloatArray  # (3,) mm from one column to the next
    down: FloatArray  # (3,) mm from one row to the next


class Pieces(NamedTuple):
    """Straight pieces of a tube, s of them: round cylinders between two planes."""

    start: FloatArray  # (s, 3) mm
    along: FloatArray  # (s, 3) mm, from the start to the end
    radius: float  # mm
    start_plane: FloatArray  # (s, 3) normal of the plane that cuts it at its start, inwards
    end_plane: FloatArray  # (s, 3) the same at its end


@law
def _between(a: float, b: float, low: float, high: float) -> tuple[float, float]:
    """Where a + b t >= 0, within [low, high]."""
    if b > 0.0:
        return max(low, -a / b), high
    if b < 0.0:
        return low, min(high, -a / b)
    return (low, high) if a >= 0.0 else (NEVER, -NEVER)


@law
def _round(a: float, half_b: float, c: float, low: float, high: float) -> tuple[float, float]:
    """Where a t^2 + 2 half_b t + c <= 0, within [low, high]; a >= 0."""
    if a <= 0.0:
        return (low, high) if c <= 0.0 else (NEVER, -NEVER)
    inside = half_b * half_b - a * c
    if inside <= 0.0:
        return NEVER, -NEVER
    root = math.sqrt(inside)
    return max(low, (-half_b - root) / a), min(high, (-half_b + root) / a)


@kernel
def add_tube_paths(rays: Rays, pieces: Pieces, bounds: IntArray, image: FloatArray) -> None:
    """Add the length, mm, of every ray in each piece to `image` (rows, columns).

    Parameters
    ----------
    bounds : (s, 4) first row and one past the last, first column and one past the last, that a
        piece can lie before
    """
    source, corner, across, down = rays.source, rays.corner, rays.across, rays.down
    for s in range(len(pieces.start)):
        if bounds[s, 0] >= bounds[s, 1] or bounds[s, 2] >= bounds[s, 3]:
            continue
        ux, uy, uz = pieces.along[s, 0], pieces.along[s, 1], pieces.along[s, 2]
        squared = ux * ux + uy * uy + uz * uz
        sx, sy, sz = (
            source[0] - pieces.start[s, 0], source[1] - pieces.start[s, 1],
            source[2] - pieces.start[s, 2],
        )  # fmt: skip
        p0x, p0y, p0z = (
            pieces.start_plane[s, 0], pieces.start_plane[s, 1], pieces.start_plane[s, 2],
        )  # fmt: skip
        p1x, p1y, p1z = pieces.end_plane[s, 0], pieces.end_plane[s, 1], pieces.end_plane[s, 2]
        before = sx * p0x + sy * p0y + sz * p0z
        behind = (sx - ux) * p1x + (sy - uy) * p1y + (sz - uz) * p1z
        # source and ray across the axis
        at = (sx * ux + sy * uy + sz * uz) / squared
        sx, sy, sz = sx - at * ux, sy - at * uy, sz - at * uz
        c = sx * sx + sy * sy + sz * sz - pieces.radius * pieces.radius
        for i in range(bounds[s, 0], bounds[s, 1]):
            for j in range(bounds[s, 2], bounds[s, 3]):
                dx = corner[0] + i * down[0] + j * across[0] - source[0]
                dy = corner[1] + i * down[1] + j * across[1] - source[1]
                dz = corner[2] + i * down[2] + j * across[2] - source[2]
                at = (dx * ux + dy * uy + dz * uz) / squared
                vx, vy, vz = dx - at * ux, dy - at * uy, dz - at * uz
                low, high = _round(
                    vx * vx + vy * vy + vz * vz, vx * sx + vy * sy + vz * sz, c, 0.0, 1.0
                )
                if low >= high:
                    continue
                low, high = _between(before, dx * p0x + dy * p0y + dz * p0z, low, high)
                low, high = _between(behind, dx * p1x + dy * p1y + dz * p1z, low, high)
                if low < high:
                    image[i, j] += (high - low) * math.sqrt(dx * dx + dy * dy + dz * dz)


@law
def _quartic_end(
    x: float, dx: float, y: float, dy: float, t: float, towards: float
) -> tuple[float, bool]:
    """Root of f = x(t)^4 + y(t)^4 - 1 from `t` outside on, and whether there is one.

    f is convex: Newton's steps from outside come ever nearer to the root, and where there is none
    the slope turns.
    """
    for _ in range(NEWTON_ROUNDS):
        u, v = x + t * dx, y + t * dy
        u3, v3 = u * u * u, v * v * v
        f = u3 * u + v3 * v - 1.0
        if f <= NEWTON_ENOUGH:
            return t, True
        slope = 4.0 * (u3 * dx + v3 * dy)
        if slope * towards >= 0.0:
            return t, False
        t -= f / slope
    return t, True


@law
def _quartic(
    x: float, dx: float, y: float, dy: float, low: float, high: float
) -> tuple[float, float]:
    """Where x(t)^4 + y(t)^4 <= 1, within [low, high]."""
    # the square about it bounds the search
    low, high = _between(x + 1.0, dx, low, high)
    low, high = _between(1.0 - x, -dx, low, high)
    low, high = _between(y + 1.0, dy, low, high)
    low, high = _between(1.0 - y, -dy, low, high)
    if low >= high:
        return NEVER, -NEVER
    low, seen = _quartic_end(x, dx, y, dy, low, 1.0)
    if not seen or low >= high:
        return NEVER, -NEVER
    high, seen = _quartic_end(x, dx, y, dy, high, -1.0)
    return low, high


@law
def _note(low: float, high: float, first: FloatArray, last: FloatArray, count: int) -> int:
    """Note an interval, kept in the order of their starts; how many there are now."""
    if low >= high:
        return count
    k = count
    while k > 0 and first[k - 1] > low:
        first[k], last[k] = first[k - 1], last[k - 1]
        k -= 1
    first[k], last[k] = low, high
    return count + 1


@kernel
def _note_parts(
    solid: FloatArray,
    s: int,
    o: FloatArray,
    d: FloatArray,
    first: FloatArray,
    last: FloatArray,
    count: int,
) -> int:
    """Note the intervals of a ray o + t d, in the frame of solid `s`, in its convex parts."""
    shape = int(solid[s, SHAPE])
    x, y, z, dx, dy, dz = o[0], o[1], o[2], d[0], d[1], d[2]
    if shape == PROCESS:
        return _note_rod(solid, s, o, d, first, last, count)
    if shape == PEDICLE:
        low, high = _between(solid[s, 4] - y, -dy, 0.0, 1.0)
        low, high = _between(y - solid[s, 5], dy, low, high)
        x, z = (x - solid[s, 0]) / solid[s, 2], (z - solid[s, 1]) / solid[s, 3]
        dx, dz = dx / solid[s, 2], dz / solid[s, 3]
        low, high = _round(dx * dx + dz * dz, x * dx + z * dz, x * x + z * z - 1.0, low, high)
        return _note(low, high, first, last, count)
    if shape == BODY:
        low, high = _between(solid[s, 2] - z, -dz, 0.0, 1.0)
        low, high = _between(solid[s, 2] + z, dz, low, high)
        front, front_end = _between(y, dy, low, high)
        back, back_end = _between(-y, -dy, low, high)
        x, y, dx, dy = x / solid[s, 0], y / solid[s, 1], dx / solid[s, 0], dy / solid[s, 1]
        front, front_end = _round(
            dx * dx + dy * dy, x * dx + y * dy, x * x + y * y - 1.0, front, front_end
        )
        count = _note(front, front_end, first, last, count)
        if back < back_end:
            back, back_end = _quartic(x, dx, y, dy, back, back_end)
        return _note(back, back_end, first, last, count)
    # lamina: the hind half of a shell between two ellipses
    low, high = _between(z - solid[s, 4], dz, 0.0, 1.0)
    low, high = _between(solid[s, 5] - z, -dz, low, high)
    y -= solid[s, 0]
    low, high = _between(-y, -dy, low, high)
    a, b = solid[s, 1] + solid[s, 3], solid[s, 2] + solid[s, 3]
    u, v, du, dv = x / a, y / b, dx / a, dy / b
    low, high = _round(du * du + dv * dv, u * du + v * dv, u * u + v * v - 1.0, low, high)
    u, v, du, dv = x / solid[s, 1], y / solid[s, 2], dx / solid[s, 1], dy / solid[s, 2]
    hole, hole_end = _round(du * du + dv * dv, u * du + v * dv, u * u + v * v - 1.0, low, high)
    if hole >= hole_end:
        return _note(low, high, first, last, count)
    count = _note(low, hole, first, last, count)
    return _note(hole_end, high, first, last, count)


@kernel
def _note_rod(
    solid: FloatArray,
    s: int,
    o: FloatArray,
    d: FloatArray,
    first: FloatArray,
    last: FloatArray,
    count: int,
) -> int:
    """As :func:`_note_parts`, for a rod with round ends: a cylinder and two balls."""
    ux, uy, uz = solid[s, 3], solid[s, 4], solid[s, 5]
    radius, squared = solid[s, 6], ux * ux + uy * uy + uz * uz
    dx, dy, dz = d[0], d[1], d[2]
    size = dx * dx + dy * dy + dz * dz
    # most rays miss the ball about it
    x, y, z = o[0] - solid[s, 0] - 0.5 * ux, o[1] - solid[s, 1] - 0.5 * uy, (
        o[2] - solid[s, 2] - 0.5 * uz
    )  # fmt: skip
    along, reach = x * dx + y * dy + z * dz, 0.5 * math.sqrt(squared) + radius
    if (x * x + y * y + z * z - reach * reach) * size > along * along:
        return count
    low, high = NEVER, -NEVER
    for end in range(2):
        x, y, z = o[0] - solid[s, 0] - end * ux, o[1] - solid[s, 1] - end * uy, (
            o[2] - solid[s, 2] - end * uz
        )  # fmt: skip
        one, other = _round(
            size, x * dx + y * dy + z * dz, x * x + y * y + z * z - radius * radius, 0.0, 1.0
        )
        if one < other:
            low, high = min(low, one), max(high, other)
    x, y, z = o[0] - solid[s, 0], o[1] - solid[s, 1], o[2] - solid[s, 2]
    at, slope = (x * ux + y * uy + z * uz) / squared, (dx * ux + dy * uy + dz * uz) / squared
    one, other = _between(at, slope, 0.0, 1.0)
    one, other = _between(1.0 - at, -slope, one, other)
    x, y, z = x - at * ux, y - at * uy, z - at * uz
    dx, dy, dz = dx - slope * ux, dy - slope * uy, dz - slope * uz
    one, other = _round(
        dx * dx + dy * dy + dz * dz, x * dx + y * dy + z * dz,
        x * x + y * y + z * z - radius * radius, one, other,
    )  # fmt: skip
    if one < other:
        low, high = min(low, one), max(high, other)
    # the three overlap, and their union is convex
    return _note(low, high, first, last, count)


@law
def _union(first: FloatArray, last: FloatArray, count: int) -> float:
    """Length of the union of intervals that are in the order of their starts."""
    total, end = 0.0, -NEVER
    for k in range(count):
        if last[k] > end:
            total += last[k] - max(first[k], end)
            end = last[k]
    return total


@kernel
def add_bone_paths(
    rays: Rays, solid: FloatArray, frame_start: IntArray, bounds: IntArray, image: FloatArray
) -> None:
    """Add the length, mm, of every ray in the solids to `image` (rows, columns).

    Parameters
    ----------
    solid, frame_start : as in :class:`geometry.kernels.solids.Bodies`
    bounds : (s, 4) first row and one past the last, first column and one past the last, that a
        solid can lie before
    """
    source, corner, across, down = rays.source, rays.corner, rays.across, rays.down
    first, last = np.empty(MOST_PARTS), np.empty(MOST_PARTS)
    o, d, met = np.empty(3), np.empty(3), np.empty(len(solid), dtype=np.int64)
    for f in range(len(frame_start) - 1):
        begin, end = frame_start[f], frame_start[f + 1]
        sx, sy, sz = (
            source[0] - solid[begin, ORIGIN], source[1] - solid[begin, ORIGIN + 1],
            source[2] - solid[begin, ORIGIN + 2],
        )  # fmt: skip
        axes = solid[begin, AXES : AXES + 9]
        for axis in range(3):
            o[axis] = sx * axes[3 * axis] + sy * axes[3 * axis + 1] + sz * axes[3 * axis + 2]
        for i in range(bounds[begin:end, 0].min(), bounds[begin:end, 1].max()):
            # the solids that this row may meet, and the columns in which it does
            here, column, column_after = 0, bounds[begin, 3], 0
            for s in range(begin, end):
                if bounds[s, 0] <= i < bounds[s, 1]:
                    met[here] = s
                    here += 1
                    column = min(column, bounds[s, 2])
                    column_after = max(column_after, bounds[s, 3])
            for j in range(column, column_after):
                count, aimed, size = 0, False, 0.0
                for k in range(here):
                    s = met[k]
                    if not bounds[s, 2] <= j < bounds[s, 3]:
                        continue
                    if not aimed:
                        aimed = True
                        dx = corner[0] + i * down[0] + j * across[0] - source[0]
                        dy = corner[1] + i * down[1] + j * across[1] - source[1]
                        dz = corner[2] + i * down[2] + j * across[2] - source[2]
                        size = math.sqrt(dx * dx + dy * dy + dz * dz)
                        for axis in range(3):
                            d[axis] = (
                                dx * axes[3 * axis]
                                + dy * axes[3 * axis + 1]
                                + dz * axes[3 * axis + 2]
                            )
                    count = _note_parts(solid, s, o, d, first, last, count)
                if count > 0:
                    image[i, j] += _union(first, last, count) * size
