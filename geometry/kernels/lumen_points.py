"""Points of a regular grid that fill the lumen: a sparse list of bricks, and their nodes inside."""

import math

import numpy as np
from numpy.typing import NDArray

from geometry.kernels.bricks import BRICK, NOWHERE
from geometry.kernels.compiling import kernel
from geometry.kernels.lumen import Capsules, approach, brick_range, misses, piece_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Index = NDArray[np.int32]
BoolArray = NDArray[np.bool_]


@kernel
def pair_bricks(
    capsules: Capsules, origin: FloatArray, step: float, bricks: IntArray, band: float
) -> tuple[IntArray, Index]:
    """Pairs of a brick of a grid and a capsule that may come within `band` of its nodes.

    Parameters
    ----------
    bricks : (3,) of the grid along each axis; they are numbered with z running fastest

    Returns
    -------
    Brick and capsule of every pair; those of a capsule follow one another.
    """
    half = 0.5 * BRICK * step
    corner = half * math.sqrt(3.0)
    count = 0
    brick, member = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int32)
    # once to count, once to list
    for listing in range(2):
        if listing == 1:
            brick, member = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int32)
            count = 0
        for s in range(len(capsules.start)):
            reach = max(capsules.major[s, 0], capsules.major[s, 1]) + band
            i0, i1 = brick_range(capsules, s, reach, 0, origin[0], step, bricks[0])
            j0, j1 = brick_range(capsules, s, reach, 1, origin[1], step, bricks[1])
            k0, k1 = brick_range(capsules, s, reach, 2, origin[2], step, bricks[2])
            for i in range(i0, i1):
                x = origin[0] + i * BRICK * step + half
                for j in range(j0, j1):
                    y = origin[1] + j * BRICK * step + half
                    for k in range(k0, k1):
                        z = origin[2] + k * BRICK * step + half
                        if misses(capsules, s, x, y, z, reach + corner):
                            continue
                        if listing == 1:
                            brick[count] = (i * bricks[1] + j) * bricks[2] + k
                            member[count] = s
                        count += 1
    return brick, member


@kernel
def nodes_inside(
    capsules: Capsules,
    wanted: BoolArray,
    origin: FloatArray,
    step: float,
    bricks: IntArray,
    brick: IntArray,
    first: IntArray,
    member: Index,
    band: float,
) -> tuple[FloatArray, FloatArray, Index, FloatArray]:
    """Nodes about which there is lumen, and whose nearest capsule is wanted.

    Parameters
    ----------
    wanted : (s,)
    bricks : (3,) of the grid along each axis
    brick : (m,) numbers of those to look at
    first, member : capsules near the m-th are `member[first[m] : first[m + 1]]`
    band : mm, half a step at least

    Returns
    -------
    Places (k, 3) mm, share (k,) of the cube about each that is lumen, nearest capsule (k,), and
    share (k,) of the way along it.
    """
    most = len(brick) * BRICK**3
    xyz, share, part = np.empty((most, 3)), np.empty(most), np.empty(most)
    own = np.empty(most, dtype=np.int32)
    least, nearest = np.empty(BRICK**3), np.empty(BRICK**3, dtype=np.int32)
    count = 0
    for m in range(len(brick)):
        k = brick[m] % bricks[2]
        j = brick[m] // bricks[2] % bricks[1]
        i = brick[m] // (bricks[2] * bricks[1])
        least[:], nearest[:] = band, NOWHERE
        for row in range(first[m], first[m + 1]):
            approach(capsules, member[row], (i, j, k), origin, step, band, least, nearest)
        node = 0
        for p in range(i * BRICK, i * BRICK + BRICK):
            for q in range(j * BRICK, j * BRICK + BRICK):
                for r in range(k * BRICK, k * BRICK + BRICK):
                    s, inside = nearest[node], 0.5 - least[node] / step
                    node += 1
                    if s == NOWHERE or inside <= 0.0 or not wanted[s]:
                        continue
                    x, y, z = origin[0] + p * step, origin[1] + q * step, origin[2] + r * step
                    piece = piece_of(capsules, s)
                    t = (x - piece.x) * piece.ax + (y - piece.y) * piece.ay
                    t = (t + (z - piece.z) * piece.az) * piece.inverse
                    xyz[count, 0], xyz[count, 1], xyz[count, 2] = x, y, z
                    share[count], own[count] = min(inside, 1.0), s
                    part[count] = min(max(t, 0.0), 1.0)
                    count += 1
    return xyz[:count], share[:count], own[:count], part[:count]
