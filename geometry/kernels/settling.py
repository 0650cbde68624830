"""Settling: veins are pushed out of bone, dural sac and root sleeves, round by round.

Veins are chains of points (`line`, cut at `line_start`) whose ends, nodes, they may share. In
each round a point that has less room than it needs is pushed along the gradients of the
distances to the nearest solid, to the sac and to the nearest sleeve; displacements are smoothed
along each vein, so that a push leaves a curve and not a kink.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geometry.kernels.compiling import kernel, law
from geometry.kernels.solids import AXES, BOX, FRAME, HEIGHT, box_gap, solid_distance, to_frame
from geometry.kernels.tubes import (
    RADIUS,
    A,
    B,
    descend_to_centre,
    nearest_on_sleeves,
    sweep_distance,
)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Index = NDArray[np.int32]

REACH_MM = 5.0
"""A solid whose box is no nearer than that, along an axis of its frame, is not looked at."""
MOST_ROOM_MM = 3.5
"""No local vein wants more room: distances are looked up so far only."""
BONE_PUSH_MM = 2.5
SAC_PUSH_MM = 1.25
"""Bone and sac push only what is nearer than that."""
SETTLE_ROUNDS = 4
UNSMOOTHED_ROUNDS = 1
RELAXATION = 0.8
"""Share of a push that is applied: below 1, a vein between two walls comes to rest midway."""
SMOOTHING = 0.3
EXTRA_ROOM_MM = 0.15
"""Clearance that settling aims at beyond the minor semi-axis."""
DIFFERENCE_MM = 0.02
"""Step of the one-sided differences that gradients are taken by."""
ROUND_OFF_MM = 1e-9
"""More than what rounding takes from a bound."""
FLAT = 1e-9
"""Least length of a gradient to divide by."""
STRETCHED = 1.4
"""A vein is spaced anew when its longest step exceeds the mean by this factor."""
REPAIRS = 3
"""Times that veins which still touch something are given more points and settled again."""
REPAIR_SHARE = 0.7
"""A vein is repaired where it has less than this share of the room it needs."""


class Obstacles(NamedTuple):
    """All that veins must keep clear of, sorted into cubic cells.

    A cell lists what may be within `MOST_ROOM_MM` of a point in it, and how near at least it is
    to the cell's centre: it is no nearer to a point than that less the way from the centre.
    Nothing is within reach of what lies outside the cells. Cells are numbered with z running
    fastest.
    """

    solid: FloatArray  # (s, COLUMNS), as in `solids`
    sac: FloatArray  # (k, 8), as in `tubes`
    axis: FloatArray  # (n, 4) mm, samples of the axes of the sleeves, as in `tubes`
    sleeve: FloatArray  # (m, 13), as in `tubes`
    corner: tuple[float, float, float]  # mm, lower corner of the first cell
    step: float  # mm
    shape: tuple[int, int, int]  # cells along x, y, z
    solid_start: Index  # (c+1,), first member of each cell
    solid_member: Index  #
    solid_bound: FloatArray  # mm from the centre of the cell, by member
    sleeve_start: Index  # (c+1,)
    sleeve_member: Index  #
    sleeve_bound: FloatArray  # mm from the axis to the centre of the cell, by member
    sac_row: FloatArray  # (nz, 3) centre nearest in height; least, greatest y of those in reach


@law
def _cell(
    corner: tuple[float, float, float], step: float, shape: tuple[int, int, int],
    x: float, y: float, z: float,
) -> tuple[int, int, float]:  # fmt: skip
    """Cell that holds a point (-1: none), its place along z, and mm from its centre, rounded up."""
    i, j, k = (x - corner[0]) / step, (y - corner[1]) / step, (z - corner[2]) / step
    if min(i, j, k) < 0.0 or i >= shape[0] or j >= shape[1] or k >= shape[2]:
        return -1, 0, 0.0
    a, b, c = int(i), int(j), int(k)
    dx, dy, dz = i - a - 0.5, j - b - 0.5, k - c - 0.5
    away = step * math.sqrt(dx * dx + dy * dy + dz * dz) + ROUND_OFF_MM
    return (a * shape[1] + b) * shape[2] + c, c, away


@law
def _nearest_solid(
    solid: FloatArray,
    member: Index,
    least: FloatArray,
    first: int,
    after: int,
    x: float,
    y: float,
    z: float,
    from_centre: float,
    within: float,
) -> tuple[int, float]:
    """The nearest solid of a part of `member`, and its distance, mm; of two, the first.

    Solid -1 where none is nearer than `within`. Solids whose box is out of reach do not count. The
    point lies `from_centre` mm from one that is no nearer than `least` to the members.
    """
    nearest, best, frame = -1, within, -1.0
    lx, ly, lz = 0.0, 0.0, 0.0
    for i in range(first, after):
        if least[i] - from_centre >= max(best, 0.0):
            continue
        s = member[i]
        if solid[s, FRAME] != frame:
            lx, ly, lz = to_frame(solid, s, x, y, z)
            frame = solid[s, FRAME]
        here = solid_distance(solid, s, lx, ly, lz, best)
        if (
            here < best
            and box_gap(solid, s, BOX, lx, ly, lz) < REACH_MM
            and solid[s, HEIGHT] - REACH_MM <= z < solid[s, HEIGHT + 1] + REACH_MM
        ):
            nearest, best = s, here
    return nearest, best


@law
def _may_be_near_sac(
    widest: float, narrowest: float, sac_row: FloatArray, row: int, x: float, y: float, reach: float
) -> bool:
    """Whether the sac can be nearer than `reach`.

    By the first-order rule an ellipse with semi-axes a > b is that only within a (1 + reach / b)
    of its centre; the flat ends add at most `reach` along the curve.
    """
    bound = widest * (1.0 + max(reach, 0.0) / narrowest)
    beside = bound + reach
    return abs(x) <= bound and sac_row[row, 1] - beside <= y <= sac_row[row, 2] + beside


@kernel
def clearances(obstacles: Obstacles, xyz: FloatArray, within: FloatArray) -> FloatArray:
    """Distance (k,) of points (k, 3) to the nearest obstacle, mm, at most `within` (k,).

    `within` must not exceed `MOST_ROOM_MM`.
    """
    solid, sac, axis, sleeve = obstacles.solid, obstacles.sac, obstacles.axis, obstacles.sleeve
    corner, step, shape, sac_row = (
        obstacles.corner, obstacles.step, obstacles.shape, obstacles.sac_row,
    )  # fmt: skip
    solid_start, solid_member = obstacles.solid_start, obstacles.solid_member
    sleeve_start, sleeve_member = obstacles.sleeve_start, obstacles.sleeve_member
    solid_bound, sleeve_bound = obstacles.solid_bound, obstacles.sleeve_bound
    widest_sac, narrowest_sac = sac[:, A].max(), sac[:, B].min()
    result = within.copy()
    for k in range(len(xyz)):
        x, y, z = xyz[k, 0], xyz[k, 1], xyz[k, 2]
        cell, row, from_centre = _cell(corner, step, shape, x, y, z)
        if cell < 0:
            continue
        _, best = _nearest_solid(
            solid, solid_member, solid_bound, solid_start[cell], solid_start[cell + 1],
            x, y, z, from_centre, within[k],
        )  # fmt: skip
        if _may_be_near_sac(widest_sac, narrowest_sac, sac_row, row, x, y, best):
            centre = descend_to_centre(sac, int(sac_row[row, 0]), y, z)
            best = min(best, sweep_distance(sac, centre, x, y, z))
        m, _, away = nearest_on_sleeves(
            axis, sleeve, sleeve_member, sleeve_bound, sleeve_start[cell], sleeve_start[cell + 1],
            x, y, z, from_centre, max(best, 0.0),
        )  # fmt: skip
        if m >= 0:
            best = min(best, away - sleeve[m, RADIUS])
        result[k] = best
    return result


@kernel
def _along(missing: float, gx: float, gy: float, gz: float) -> tuple[float, float, float]:
    """Push of `missing` mm along a gradient of any length."""
    share = missing / max(math.sqrt(gx * gx + gy * gy + gz * gz), FLAT)
    return share * gx, share * gy, share * gz


@kernel
def _push_from_solid(
    solid: FloatArray, s: int, x: float, y: float, z: float, here: float, wanted: float
) -> tuple[float, float, float]:
    """Push on a point that is `here` mm from solid `s`."""
    lx, ly, lz = to_frame(solid, s, x, y, z)
    step, far = DIFFERENCE_MM, math.inf
    sx = (solid_distance(solid, s, lx + step, ly, lz, far) - here) / step
    sy = (solid_distance(solid, s, lx, ly + step, lz, far) - here) / step
    sz = (solid_distance(solid, s, lx, ly, lz + step, far) - here) / step
    return _along(
        wanted - here,
        sx * solid[s, AXES] + sy * solid[s, AXES + 3] + sz * solid[s, AXES + 6],
        sx * solid[s, AXES + 1] + sy * solid[s, AXES + 4] + sz * solid[s, AXES + 7],
        sx * solid[s, AXES + 2] + sy * solid[s, AXES + 5] + sz * solid[s, AXES + 8],
    )


@kernel
def _push_from_sac(
    sac: FloatArray, k: int, x: float, y: float, z: float, here: float, wanted: float
) -> tuple[float, float, float]:
    """Push on a point that is `here` mm from the sac, whose centre `k` is nearest."""
    step = DIFFERENCE_MM
    gx = (sweep_distance(sac, k, x + step, y, z) - here) / step
    j = descend_to_centre(sac, k, y + step, z)
    gy = (sweep_distance(sac, j, x, y + step, z) - here) / step
    j = descend_to_centre(sac, k, y, z + step)
    gz = (sweep_distance(sac, j, x, y, z + step) - here) / step
    return _along(wanted - here, gx, gy, gz)


@kernel
def _points_of(points: int, line: IntArray, line_start: IntArray, chosen: IntArray) -> Index:
    """Points of the chosen veins, each once."""
    seen, index, count = np.zeros(points, np.bool_), np.empty(points, np.int32), 0
    for v in chosen:
        for at in range(line_start[v], line_start[v + 1]):
            k = line[at]
            if not seen[k]:
                seen[k] = True
                index[count] = k
                count += 1
    return index[:count]


@kernel
def _smooth(
    moved: FloatArray, movable: BoolArray, line: IntArray, line_start: IntArray, chosen: IntArray
) -> None:
    """Draw the displacements (k, 3) of inner points towards those of their neighbours (in place).

    An inner point has one vein, and nodes keep theirs: so veins are smoothed one by one.
    """
    for v in chosen:
        k, two = line[line_start[v]], line[line_start[v] + 1]
        x, y, z = moved[k, 0], moved[k, 1], moved[k, 2]  # of the point before, as it was
        for at in range(line_start[v] + 1, line_start[v + 1] - 1):
            k, two = two, line[at + 1]
            own_x, own_y, own_z = moved[k, 0], moved[k, 1], moved[k, 2]
            if movable[k]:
                moved[k, 0] = own_x + SMOOTHING * ((x + moved[two, 0]) / 2 - own_x)
                moved[k, 1] = own_y + SMOOTHING * ((y + moved[two, 1]) / 2 - own_y)
                moved[k, 2] = own_z + SMOOTHING * ((z + moved[two, 2]) / 2 - own_z)
            x, y, z = own_x, own_y, own_z


@kernel
def settle(
    obstacles: Obstacles,
    xyz: FloatArray,
    need: FloatArray,
    movable: BoolArray,
    free: BoolArray,
    line: IntArray,
    line_start: IntArray,
    chosen: IntArray,
) -> None:
    """Move the points of the chosen veins (in place), for a fixed number of rounds.

    `xyz` (k, 3) mm, `need` (k,) mm of room, `movable` (k,) flags. `free` (k,) flags points that
    are known to want no push where they lie; it is brought up to date.
    """
    solid, sac, axis, sleeve = obstacles.solid, obstacles.sac, obstacles.axis, obstacles.sleeve
    corner, step, shape, sac_row = (
        obstacles.corner, obstacles.step, obstacles.shape, obstacles.sac_row,
    )  # fmt: skip
    solid_start, solid_member = obstacles.solid_start, obstacles.solid_member
    sleeve_start, sleeve_member = obstacles.sleeve_start, obstacles.sleeve_member
    solid_bound, sleeve_bound = obstacles.solid_bound, obstacles.sleeve_bound
    widest_sac, narrowest_sac = sac[:, A].max(), sac[:, B].min()

    index = _points_of(len(xyz), line, line_start, chosen)
    moved = np.zeros(xyz.shape)
    for rounds_left in range(SETTLE_ROUNDS, 0, -1):
        for k in index:
            rests = moved[k, 0] == 0.0 and moved[k, 1] == 0.0 and moved[k, 2] == 0.0
            if not movable[k] or (free[k] and rests):
                continue
            x, y, z = xyz[k, 0] + moved[k, 0], xyz[k, 1] + moved[k, 1], xyz[k, 2] + moved[k, 2]
            cell, row, from_centre = _cell(corner, step, shape, x, y, z)
            if cell < 0:
                continue
            wanted = need[k] + EXTRA_ROOM_MM
            pushed = False
            s, here = _nearest_solid(
                solid, solid_member, solid_bound, solid_start[cell], solid_start[cell + 1],
                x, y, z, from_centre, min(wanted, BONE_PUSH_MM),
            )  # fmt: skip
            px, py, pz = 0.0, 0.0, 0.0
            if s >= 0:
                pushed = True
                px, py, pz = _push_from_solid(solid, s, x, y, z, here, wanted)
            within = min(wanted, SAC_PUSH_MM)
            if _may_be_near_sac(widest_sac, narrowest_sac, sac_row, row, x, y, within):
                centre = descend_to_centre(sac, int(sac_row[row, 0]), y, z)
                here = sweep_distance(sac, centre, x, y, z)
                if here < within:
                    pushed = True
                    qx, qy, qz = _push_from_sac(sac, centre, x, y, z, here, wanted)
                    px, py, pz = px + qx, py + qy, pz + qz
            m, sample, away = nearest_on_sleeves(
                axis, sleeve, sleeve_member, sleeve_bound, sleeve_start[cell],
                sleeve_start[cell + 1], x, y, z, from_centre, wanted,
            )  # fmt: skip
            if m >= 0 and away - sleeve[m, RADIUS] < wanted:
                pushed = True
                long = max(away, DIFFERENCE_MM)
                gx, gy, gz = x - axis[sample, 0], y - axis[sample, 1], z - axis[sample, 2]
                missing = wanted - (away - sleeve[m, RADIUS])
                qx, qy, qz = _along(missing, gx / long, gy / long, gz / long)
                px, py, pz = px + qx, py + qy, pz + qz
            free[k] = rests and not pushed
            moved[k, 0] += RELAXATION * px
            moved[k, 1] += RELAXATION * py
            moved[k, 2] += RELAXATION * pz
        if rounds_left > UNSMOOTHED_ROUNDS:  # the last pushes stand as they are
            _smooth(moved, movable, line, line_start, chosen)
    for k in index:
        if moved[k, 0] != 0.0 or moved[k, 1] != 0.0 or moved[k, 2] != 0.0:
            free[k] = False
            for c in range(3):
                xyz[k, c] += moved[k, c]


@kernel
def space_evenly(
    xyz: FloatArray, free: BoolArray, line: IntArray, line_start: IntArray, chosen: IntArray
) -> None:
    """Space the inner points of those chosen veins evenly (in place) that have a long step.

    Their `free` flags are taken down.
    """
    longest = 0
    for v in chosen:
        longest = max(longest, line_start[v + 1] - line_start[v])
    arc, old = np.empty(longest), np.empty((longest, 3))
    for v in chosen:
        first, count = line_start[v], line_start[v + 1] - line_start[v]
        arc[0], widest = 0.0, 0.0
        old[0] = xyz[line[first]]
        for i in range(1, count):
            old[i] = xyz[line[first + i]]
            dx, dy, dz = (
                old[i, 0] - old[i - 1, 0],
                old[i, 1] - old[i - 1, 1],
                old[i, 2] - old[i - 1, 2],
            )
            step = math.sqrt(dx * dx + dy * dy + dz * dz)
            arc[i] = arc[i - 1] + step
            widest = max(widest, step)
        if widest <= STRETCHED * (arc[count - 1] / (count - 1)):
            continue
        even, piece = arc[count - 1] / (count - 1), 0
        for i in range(1, count - 1):
            at = i * even
            while piece < count - 2 and arc[piece + 1] <= at:
                piece += 1
            share = (at - arc[piece]) / (arc[piece + 1] - arc[piece])
            free[line[first + i]] = False
            for c in range(3):
                xyz[line[first + i], c] = old[piece, c] + share * (
                    old[piece + 1, c] - old[piece, c]
                )


@kernel
def _look(
    obstacles: Obstacles,
    xyz: FloatArray,
    need: FloatArray,
    free: BoolArray,
    minor: FloatArray,
    line: IntArray,
    line_start: IntArray,
    chosen: IntArray,
    room: FloatArray,
) -> IntArray:
    """Look at the room about each chord of the chosen veins; return those that have too little.

    Sets `room` (k,) of their points: the least about the chords that end there, as far as it is
    less than the point's need.
    """
    count = 0
    for v in chosen:
        count += line_start[v + 1] - line_start[v]
    seen = np.zeros(len(xyz), np.bool_)
    index, points = np.empty(count, np.int64), 0
    one, two, of = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count, np.int64)
    chords = 0
    for v in chosen:
        for at in range(line_start[v], line_start[v + 1]):
            k = line[at]
            if not seen[k]:
                seen[k] = True
                room[k] = min(need[k], MOST_ROOM_MM)
                if not free[k] or need[k] > SAC_PUSH_MM:
                    index[points] = k
                    points += 1
            if at + 1 < line_start[v + 1]:
                one[chords], two[chords], of[chords] = k, line[at + 1], v
                chords += 1
    looked_at, within = np.empty((points + chords, 3)), np.empty(points + chords)
    for i in range(points):
        looked_at[i], within[i] = xyz[index[i]], room[index[i]]
    for i in range(chords):
        for c in range(3):
            looked_at[points + i, c] = (xyz[one[i], c] + xyz[two[i], c]) / 2
        # what is wide enough for its own vein may be narrow for another one at the same node
        within[points + i] = min(max(need[one[i]], need[two[i]]), MOST_ROOM_MM)
    distance = clearances(obstacles, looked_at, within)
    for i in range(points):
        room[index[i]] = distance[i]
    tight = np.zeros(len(minor), np.bool_)
    for i in range(chords):
        here = min(distance[points + i], room[one[i]], room[two[i]])
        if here < REPAIR_SHARE * minor[of[i]]:
            tight[of[i]] = True
    for i in range(chords):
        room[one[i]] = min(room[one[i]], distance[points + i])
        room[two[i]] = min(room[two[i]], distance[points + i])
    return np.flatnonzero(tight)


@kernel
def _refine(
    xyz: FloatArray, line: IntArray, line_start: IntArray, chosen: IntArray
) -> tuple[FloatArray, IntArray, IntArray]:
    """Add a point in the middle of every chord of the chosen veins."""
    veins, more = len(line_start) - 1, np.zeros(len(line_start), np.int64)
    for v in chosen:
        more[v + 1] = line_start[v + 1] - line_start[v] - 1
    start = line_start + np.cumsum(more)
    new_line = np.empty(start[-1], np.int64)
    new_xyz = np.empty((len(xyz) + start[-1] - line_start[-1], 3))
    new_xyz[: len(xyz)] = xyz
    count = len(xyz)
    for v in range(veins):
        stride = 2 if more[v + 1] else 1
        for i in range(line_start[v + 1] - line_start[v]):
            k = line[line_start[v] + i]
            new_line[start[v] + stride * i] = k
            if stride == 2 and i > 0:
                new_line[start[v] + 2 * i - 1] = count
                before = line[line_start[v] + i - 1]
                for c in range(3):
                    new_xyz[count, c] = (xyz[before, c] + xyz[k, c]) / 2
                count += 1
    return new_xyz, new_line, start


@kernel
def settle_veins(
    obstacles: Obstacles,
    xyz: FloatArray,
    line: IntArray,
    line_start: IntArray,
    minor: FloatArray,
    buried: BoolArray,
    fixed: BoolArray,
) -> tuple[FloatArray, FloatArray, IntArray, IntArray]:
    """Settle all veins that are not buried in bone between the obstacles.

    Parameters
    ----------
    xyz : (k, 3) mm
    line, line_start : points of the veins in a row, and where each of the v veins begins
    minor : (v,) mm, minor semi-axes: the room that the veins need
    buried : (v,) veins that stay where they are
    fixed : (k,) points that stay where they are

    Returns
    -------
    xyz : (m, 3) mm, m >= k: veins that touched something have more points
    room : (m,) mm; exact where it is less than the minor semi-axis of a vein at the point,
        infinite where nothing was looked at
    line, line_start
    """
    xyz, chosen = xyz.copy(), np.flatnonzero(~buried)
    need = np.zeros(len(xyz))
    for v in chosen:
        for at in range(line_start[v], line_start[v + 1]):
            need[line[at]] = max(need[line[at]], minor[v])
    movable = (need > 0.0) & ~fixed  # what only buried veins touch stays in bone
    free = np.zeros(len(xyz), np.bool_)
    for _ in range(2):
        settle(obstacles, xyz, need, movable, free, line, line_start, chosen)
        space_evenly(xyz, free, line, line_start, chosen)
    room = np.full(len(xyz), np.inf)
    tight = _look(obstacles, xyz, need, free, minor, line, line_start, chosen, room)
    for _ in range(REPAIRS):
        if len(tight) == 0:
            break
        old = len(xyz)
        xyz, line, line_start = _refine(xyz, line, line_start, tight)
        more = len(xyz) - old
        need = np.concatenate((need, np.zeros(more)))
        for v in tight:
            for at in range(line_start[v], line_start[v + 1]):
                if line[at] >= old:
                    need[line[at]] = minor[v]
        movable = np.concatenate((movable, np.ones(more, np.bool_)))
        free = np.concatenate((free, np.zeros(more, np.bool_)))
        room = np.concatenate((room, np.full(more, np.inf)))
        settle(obstacles, xyz, need, movable, free, line, line_start, tight)
        space_evenly(xyz, free, line, line_start, tight)
        tight = _look(obstacles, xyz, need, free, minor, line, line_start, tight, room)
    return xyz, room, line, line_start
