"""Signed distance to a union of tapered elliptic capsules, on a regular grid, near them only.

The grid is taken in bricks (:mod:`geometry.kernels.bricks`). Each brick lists the capsules that may
be near it, in their order, and is filled on its own: neither the order of bricks nor the number of
threads moves a bit.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geometry.kernels.bricks import BRICK, NOWHERE, SingleArray
from geometry.kernels.compiling import kernel, law

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Index = NDArray[np.int32]


class Capsules(NamedTuple):
    """Straight pieces of vein, s of them; those of one strand follow one another."""

    start: FloatArray  # (s, 3) mm
    along: FloatArray  # (s, 3) mm, from the start to the end
    major: FloatArray  # (s, 2) mm, semi-axis at start and end, linear between
    minor: FloatArray  # (s, 2) mm, at most `major`
    flat: FloatArray  # (s, 2, 3) unit vectors of the minor axis at both ends, across `along`
    strand: IntArray  # (s,) pieces of one strand meet without a fillet
    branch: IntArray  # (s,) of the network
    arc: FloatArray  # (s,) mm from the start of the branch to that of the piece


class Piece(NamedTuple):
    """One capsule as scalars, which stay in registers: its point, way, semi-axes and flat sides."""

    x: float
    y: float
    z: float
    ax: float
    ay: float
    az: float
    inverse: float  # mm^-2, one over the squared length of the way
    a: float
    a_more: float  # mm, from start to end
    b: float
    b_more: float
    nx: float
    ny: float
    nz: float
    nx_more: float
    ny_more: float
    nz_more: float


@law
def piece_of(capsules: Capsules, s: int) -> Piece:
    """Take one capsule out of its arrays."""
    start, along, flat = capsules.start, capsules.along, capsules.flat
    ax, ay, az = along[s, 0], along[s, 1], along[s, 2]
    a, b = capsules.major[s, 0], capsules.minor[s, 0]
    nx, ny, nz = flat[s, 0, 0], flat[s, 0, 1], flat[s, 0, 2]
    return Piece(
        start[s, 0], start[s, 1], start[s, 2], ax, ay, az, 1.0 / (ax * ax + ay * ay + az * az),
        a, capsules.major[s, 1] - a, b, capsules.minor[s, 1] - b,
        nx, ny, nz, flat[s, 1, 0] - nx, flat[s, 1, 1] - ny, flat[s, 1, 2] - nz,
    )  # fmt: skip


@law
def piece_distance(piece: Piece, x: float, y: float, z: float, band: float) -> float:
    """Signed distance of a point to one capsule, mm, at most `band`; see :mod:`geometry.lumen`."""
    ax, ay, az = piece.ax, piece.ay, piece.az
    dx, dy, dz = x - piece.x, y - piece.y, z - piece.z
    t = min(max((dx * ax + dy * ay + dz * az) * piece.inverse, 0.0), 1.0)
    a, b = piece.a + t * piece.a_more, piece.b + t * piece.b_more
    dx, dy, dz = dx - t * ax, dy - t * ay, dz - t * az
    away = dx * dx + dy * dy + dz * dz
    if away >= (a + band) * (a + band):
        return band
    if a == b or away == 0.0:
        return math.sqrt(away) - b
    nx, ny, nz = (
        piece.nx + t * piece.nx_more, piece.ny + t * piece.ny_more, piece.nz + t * piece.nz_more,
    )  # fmt: skip
    v = dx * nx + dy * ny + dz * nz
    v = min(v * v / (nx * nx + ny * ny + nz * nz), away)
    beyond = 0.0
    if t == 0.0 or t == 1.0:
        w = dx * ax + dy * ay + dz * az
        beyond = min(w * w * piece.inverse, away - v)
    u = away - v - beyond
    p, q = 1.0 / (a * a), 1.0 / (b * b)
    # an end goes on as the section turned about its centre, and is round at its tip
    tip = (u * p + v * q + beyond / (a * b)) / away
    f = u * p + v * q + beyond * tip
    slope = u * p * p + v * q * q + beyond * tip * tip
    return min(max((f - math.sqrt(f)) / math.sqrt(slope), -b, math.sqrt(away) - a), band)


@law
def nodes_in(
    one: float, way: float, reach: float, brick: int, origin: float, step: float
) -> tuple[int, int]:
    """First node of a brick, and one past the last, that a capsule's box touches along an axis."""
    low = (min(one, one + way) - reach - origin) / step - brick * BRICK
    high = (max(one, one + way) + reach - origin) / step - brick * BRICK
    return max(math.ceil(low), 0), min(math.floor(high) + 1, BRICK)


@law
def brick_range(
    capsules: Capsules, s: int, reach: float, axis: int, origin: float, step: float, bricks: int
) -> tuple[int, int]:
    """First brick, and one past the last, that a capsule's box may touch along an axis."""
    one = capsules.start[s, axis]
    two = one + capsules.along[s, axis]
    low, high = (min(one, two) - reach - origin) / step, (max(one, two) + reach - origin) / step
    first = max(math.floor(low) // BRICK, 0)
    after = min(math.floor(high) // BRICK + 1, bricks)
    return first, after


@law
def misses(capsules: Capsules, s: int, x: float, y: float, z: float, reach: float) -> bool:
    """Whether the centreline of a capsule is farther from a point than `reach`."""
    ax, ay, az = capsules.along[s, 0], capsules.along[s, 1], capsules.along[s, 2]
    dx, dy, dz = (
        x - capsules.start[s, 0], y - capsules.start[s, 1], z - capsules.start[s, 2],
    )  # fmt: skip
    t = (dx * ax + dy * ay + dz * az) / (ax * ax + ay * ay + az * az)
    t = min(max(t, 0.0), 1.0)
    dx, dy, dz = dx - t * ax, dy - t * ay, dz - t * az
    return dx * dx + dy * dy + dz * dz > reach * reach


@kernel
def list_near(
    capsules: Capsules, origin: FloatArray, step: float, shape: IntArray, band: float
) -> tuple[IntArray, Index]:
    """Capsules that may come within `band` of a point in each brick, in their order.

    A brick holds its nodes and the space up to the next bricks' nodes.

    Returns the first row of each brick, (bricks + 1,), and the rows. Bricks are numbered with z
    running fastest.
    """
    bx, by, bz = (
        (shape[0] + BRICK - 1) // BRICK,
        (shape[1] + BRICK - 1) // BRICK,
        (shape[2] + BRICK - 1) // BRICK,
    )
    half = 0.5 * BRICK * step
    corner = half * math.sqrt(3.0)
    first = np.zeros(bx * by * bz + 1, dtype=np.int64)
    member = np.empty(0, dtype=np.int32)
    # once to count, once to list
    for listing in range(2):
        for s in range(len(capsules.start)):
            reach = max(capsules.major[s, 0], capsules.major[s, 1]) + band
            i0, i1 = brick_range(capsules, s, reach, 0, origin[0], step, bx)
            j0, j1 = brick_range(capsules, s, reach, 1, origin[1], step, by)
            k0, k1 = brick_range(capsules, s, reach, 2, origin[2], step, bz)
            for i in range(i0, i1):
                x = origin[0] + i * BRICK * step + half
                for j in range(j0, j1):
                    y = origin[1] + j * BRICK * step + half
                    for k in range(k0, k1):
                        z = origin[2] + k * BRICK * step + half
                        if misses(capsules, s, x, y, z, reach + corner):
                            continue
                        brick = (i * by + j) * bz + k
                        if listing == 0:
                            first[brick + 1] += 1
                        else:
                            member[first[brick]] = s
                            first[brick] += 1
        if listing == 0:
            for brick in range(bx * by * bz):
                first[brick + 1] += first[brick]
            member = np.empty(first[-1], dtype=np.int32)
    # filling moved every first row to the next brick's
    for brick in range(bx * by * bz, 0, -1):
        first[brick] = first[brick - 1]
    first[0] = 0
    return first, member


@law
def approach(
    capsules: Capsules,
    s: int,
    corner: tuple[int, int, int],
    origin: FloatArray,
    step: float,
    band: float,
    least: FloatArray,
    nearest: Index,
) -> None:
    """Lower `least` at the nodes of a brick to the distance of capsule `s`, and name it `nearest`.

    Parameters
    ----------
    corner : the brick, counted along each axis
    least : (BRICK^3,) mm, at most `band`, z running fastest
    nearest : (BRICK^3,)
    """
    piece = piece_of(capsules, s)
    reach = max(capsules.major[s, 0], capsules.major[s, 1]) + band
    i, j, k = corner
    p0, p1 = nodes_in(piece.x, piece.ax, reach, i, origin[0], step)
    q0, q1 = nodes_in(piece.y, piece.ay, reach, j, origin[1], step)
    r0, r1 = nodes_in(piece.z, piece.az, reach, k, origin[2], step)
    for p in range(p0, p1):
        x = origin[0] + (i * BRICK + p) * step
        for q in range(q0, q1):
            y = origin[1] + (j * BRICK + q) * step
            for r in range(r0, r1):
                z = origin[2] + (k * BRICK + r) * step
                here = piece_distance(piece, x, y, z, band)
                node = (p * BRICK + q) * BRICK + r
                if here < least[node]:
                    least[node], nearest[node] = here, s


@kernel
def fill_bricks(
    capsules: Capsules,
    origin: FloatArray,
    step: float,
    shape: IntArray,
    place: Index,
    first: IntArray,
    member: Index,
    band: float,
    blend: float,
    low: float,
    high: float,
    off_wall: float,
    rows: IntArray,
    value: SingleArray,
) -> None:
    """Signed distance of the nodes of bricks `rows[0]` to `rows[1]`.

    Parameters
    ----------
    shape : (3,) nodes of the grid
    place : (m, 3) of each brick
    first, member : of :func:`list_near`
    band : mm, beyond which nothing counts
    blend : mm, of the smooth union of strands, -blend ln(sum exp(-d / blend)); 0 takes the least
    low, high : mm, heights beyond which there is no lumen
    off_wall : mm, least size of a distance; nearer nodes are moved off the wall, to their side
    value : (m, BRICK, BRICK, BRICK) mm, filled with `band` before; left so where nothing is near,
        and beyond the grid
    """
    by, bz = (shape[1] + BRICK - 1) // BRICK, (shape[2] + BRICK - 1) // BRICK
    nodes = BRICK**3
    least, own, total = np.empty(nodes), np.empty(nodes), np.empty(nodes)
    nearest = np.empty(nodes, dtype=np.int32)
    for m in range(rows[0], rows[1]):
        i, j, k = place[m, 0], place[m, 1], place[m, 2]
        brick = (i * by + j) * bz + k
        least[:], own[:], total[:] = band, band, 0.0
        strand = capsules.strand[member[first[brick]]]
        for row in range(first[brick], first[brick + 1]):
            s = member[row]
            if capsules.strand[s] != strand:
                strand = capsules.strand[s]
                _add_strand(own, least, total, band, blend)
            approach(capsules, s, (i, j, k), origin, step, band, own, nearest)
        _add_strand(own, least, total, band, blend)
        node = 0
        for p in range(BRICK):
            for q in range(BRICK):
                for r in range(BRICK):
                    here = least[node]
                    inner = i * BRICK + p < shape[0] and j * BRICK + q < shape[1]
                    if inner and k * BRICK + r < shape[2] and here < band:
                        if blend > 0.0:
                            here = -blend * math.log(total[node])
                        z = origin[2] + (k * BRICK + r) * step
                        here = max(here, low - z, z - high)
                        if abs(here) < off_wall:
                            here = math.copysign(off_wall, here)
                        value[m, p, q, r] = here
                    node += 1


@law
def _add_strand(
    own: FloatArray, least: FloatArray, total: FloatArray, band: float, blend: float
) -> None:
    """Add the finished strand's distances to the union, smooth or not, and begin another."""
    for node in range(len(own)):
        if own[node] < band:
            least[node] = min(least[node], own[node])
            if blend > 0.0:
                total[node] += math.exp(-own[node] / blend)
            own[node] = band


@kernel
def nearest_of(
    capsules: Capsules,
    origin: FloatArray,
    step: float,
    shape: IntArray,
    first: IntArray,
    member: Index,
    band: float,
    xyz: FloatArray,
) -> Index:
    """Nearest capsule (k,) of points (k, 3), `NOWHERE` outside the grid and the band.

    `first` and `member` are those of :func:`list_near`; of equally near ones the first counts.
    """
    by, bz = (shape[1] + BRICK - 1) // BRICK, (shape[2] + BRICK - 1) // BRICK
    result = np.full(len(xyz), NOWHERE, dtype=np.int32)
    for n in range(len(xyz)):
        x, y, z = xyz[n, 0], xyz[n, 1], xyz[n, 2]
        i = math.floor((x - origin[0]) / step)
        j = math.floor((y - origin[1]) / step)
        k = math.floor((z - origin[2]) / step)
        if not (0 <= i < shape[0] and 0 <= j < shape[1] and 0 <= k < shape[2]):
            continue
        brick = ((i // BRICK) * by + j // BRICK) * bz + k // BRICK
        least = band
        for row in range(first[brick], first[brick + 1]):
            here = piece_distance(piece_of(capsules, member[row]), x, y, z, band)
            if here < least:
                least, result[n] = here, member[row]
    return result


@kernel
def join_strands(node: IntArray, branch: IntArray, away: FloatArray, branches: int) -> IntArray:
    """Strand (b,) of every branch, named by its first: straightest pairs at nodes are one.

    Parameters
    ----------
    node : (e,) nodes of the branch ends, rising
    branch : (e,) their branches
    away : (e, 3) unit vectors from each end into its branch
    branches : how many there are
    """
    strand = np.arange(branches)
    first = 0
    while first < len(node):
        after = first + 1
        while after < len(node) and node[after] == node[first]:
            after += 1
        one, two, straightest = -1, -1, 0.0
        for e in range(first, after):
            for o in range(e + 1, after):
                cosine = away[e, 0] * away[o, 0] + away[e, 1] * away[o, 1] + away[e, 2] * away[o, 2]
                if cosine < straightest:
                    one, two, straightest = branch[e], branch[o], cosine
        if one >= 0:
            # names fall along the way to the first of a strand
            while strand[one] != one:
                one = strand[one]
            while strand[two] != two:
                two = strand[two]
            strand[max(one, two)] = min(one, two)
        first = after
    for b in range(branches):
        strand[b] = strand[strand[b]]
    return strand
