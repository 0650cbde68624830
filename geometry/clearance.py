"""Obstacles: all that veins must keep clear of, bone, disc, dural sac and root sleeves, as arrays.

The veins are settled between them by :mod:`geometry.kernels.settling`.
"""

from collections.abc import Callable
from functools import cache, partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from geometry.bones import Body, solid_rows
from geometry.kernels.settling import MOST_ROOM_MM, REACH_MM, ROUND_OFF_MM, Obstacles, clearances
from geometry.kernels.solids import AXES, BOX, FRAME, HEIGHT, ORIGIN, least_distances
from geometry.kernels.tubes import (
    AXIS_BOX,
    CHORD,
    RADIUS,
    SLEEVE_STEP_MM,
    A,
    B,
    Y,
    Z,
    distances_to_axes,
)
from geometry.levels import VERTEBRAE, Level
from geometry.root_sleeve import RootSleeve
from geometry.skeleton import Skeleton
from geometry.vertebra import Frame, Vertebra

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Index = NDArray[np.int32]

CELL_MM = 4.0

Bounds = Callable[[IntArray, FloatArray], FloatArray]
"""Least distances (k,) of obstacles, by number (k,), from points (k, 3), mm."""


@cache
def obstacles_of(skeleton: Skeleton) -> Obstacles:
    """Collect what veins must not enter: bones, discs and dens, dural sac, root sleeves."""
    solid, sac = _solids(skeleton), skeleton.sac.table
    axis, sleeve = _sleeves(list(skeleton.sleeves.values()))
    by_solid = _reach_of_solids(solid)
    beyond = MOST_ROOM_MM + sleeve[:, RADIUS].max()
    by_sleeve = sleeve[:, AXIS_BOX:CHORD].reshape(-1, 2, 3) + np.array([[-beyond], [beyond]])
    # the sac reaches this far from its centres, and its flat ends a little further
    bound = sac[:, A].max() * (1.0 + MOST_ROOM_MM / sac[:, B].min()) + MOST_ROOM_MM
    line = np.insert(sac[:, [Y, Z]], 0, 0.0, axis=1)
    by_sac = np.array([[line.min(axis=0) - bound, line.max(axis=0) + bound]])
    spans = np.concatenate([by_solid, by_sleeve, by_sac])
    corner = spans[:, 0].min(axis=0)
    shape = np.ceil((spans[:, 1].max(axis=0) - corner) / CELL_MM).astype(np.int64)
    return Obstacles(
        solid,
        sac,
        axis,
        sleeve,
        (float(corner[0]), float(corner[1]), float(corner[2])),
        CELL_MM,
        (int(shape[0]), int(shape[1]), int(shape[2])),
        *_listed(by_solid, partial(least_distances, solid), MOST_ROOM_MM, corner, shape),
        *_listed(by_sleeve, partial(distances_to_axes, axis, sleeve), beyond, corner, shape),
        _sac_rows(sac, float(corner[2]) + CELL_MM * np.arange(shape[2]), bound),
    )


def clearance(skeleton: Skeleton, xyz: FloatArray) -> FloatArray:
    """Distance (k,) to the nearest obstacle, mm, negative inside, at most `MOST_ROOM_MM`."""
    return clearances(obstacles_of(skeleton), xyz, np.full(len(xyz), MOST_ROOM_MM))


def _solids(skeleton: Skeleton) -> FloatArray:
    """Bones, the dens with its ligaments within C1, and the discs between the bodies.

    As rows of :data:`geometry.kernels.solids.COLUMNS`, from the top down.
    """
    atlas = skeleton.vertebra(Level.C1)
    dens = Body(atlas.body_width, atlas.body_depth, atlas.body_height, "dens")
    between = [
        (_disc(skeleton.vertebra(upper), skeleton.vertebra(lower)), number + 0.5)
        for number, (upper, lower) in enumerate(pairwise(VERTEBRAE))
        if upper is not Level.C1
    ]
    more = [solid_rows(atlas, [dens], 0)[0]]
    more += [solid_rows(frame, [disc], number)[0] for (frame, disc), number in between]
    rows = np.concatenate([skeleton.bones.arrays.solid, *more])
    return np.asarray(rows[np.argsort(rows[:, FRAME], kind="stable")])


def _disc(upper: Vertebra, lower: Vertebra) -> tuple[Frame, Body]:
    """Disc between two bodies, in the frame midway between theirs."""
    height = float(np.linalg.norm(upper.origin - lower.origin))
    disc = Body(
        (upper.body_width + lower.body_width) / 2,
        (upper.body_depth + lower.body_depth) / 2,
        height - (upper.body_height + lower.body_height) / 2,
        "disc",
    )
    # the two frames differ by a rotation about x
    cranial = upper.axes[2] + lower.axes[2]
    cranial = cranial / np.linalg.norm(cranial)
    right = np.array([1.0, 0.0, 0.0])
    axes = np.array([right, np.cross(cranial, right), cranial])
    return Frame((upper.origin + lower.origin) / 2, axes), disc


def _sleeves(sleeves: list[RootSleeve]) -> tuple[FloatArray, FloatArray]:
    """Sample the axes of the sleeves at even steps; the samples and the table of sleeves."""
    samples: list[FloatArray] = []
    rows, first = [], 0
    for sleeve in sleeves:
        count = int(np.ceil((sleeve.arc[-1] - sleeve.arc[0]) / SLEEVE_STEP_MM)) + 1
        fraction = np.linspace(sleeve.arc[0], sleeve.arc[-1], count) / sleeve.length
        axis = sleeve.at(fraction)
        chord = (axis[-1] - axis[0]) / np.linalg.norm(axis[-1] - axis[0])
        along = (axis - axis[0]) @ chord
        bulge = np.linalg.norm(axis - axis[0] - along[:, None] * chord, axis=1).max() + ROUND_OFF_MM
        low, high = axis.min(axis=0), axis.max(axis=0)
        rows.append([first, first + count, sleeve.radius, *low, *high, *chord, bulge])
        first += count
        samples.append(np.column_stack([axis, along]))
    return np.vstack(samples), np.array(rows)


def _reach_of_solids(solid: FloatArray) -> FloatArray:
    """World boxes (s, 2, 3) of all points within reach of each solid's box along its axes."""
    box, axes = solid[:, BOX : BOX + 6].reshape(-1, 2, 3), solid[:, AXES : AXES + 9]
    axes = axes.reshape(-1, 3, 3)
    centre, half = box.mean(axis=1), np.diff(box, axis=1)[:, 0] / 2 + REACH_MM
    middle = solid[:, ORIGIN : ORIGIN + 3] + np.einsum("si,sij->sj", centre, axes)
    beyond = np.einsum("si,sij->sj", half, np.abs(axes))
    span = np.stack([middle - beyond, middle + beyond], axis=1)
    span[:, 0, 2] = np.maximum(span[:, 0, 2], solid[:, HEIGHT] - REACH_MM)
    span[:, 1, 2] = np.minimum(span[:, 1, 2], solid[:, HEIGHT + 1] + REACH_MM)
    return span


def _cells(spans: FloatArray, corner: FloatArray, shape: IntArray) -> tuple[IntArray, IntArray]:
    """Cells (k,) that the boxes `spans` (s, 2, 3) touch, and the box (k,) that does."""
    low, high = ((spans - corner) / CELL_MM).transpose(1, 0, 2).astype(np.int64)
    count = np.minimum(high + 1, shape) - low
    total = count.prod(axis=1)
    one = np.repeat(np.arange(len(spans)), total)
    rank = np.arange(total.sum()) - np.repeat(np.cumsum(total) - total, total)
    rank, k = np.divmod(rank, count[one, 2])
    i, j = np.divmod(rank, count[one, 1])
    cell = ((low[one, 0] + i) * shape[1] + low[one, 1] + j) * shape[2] + low[one, 2] + k
    return cell, one


def _listed(
    spans: FloatArray, bounds: Bounds, reach: float, corner: FloatArray, shape: IntArray
) -> tuple[Index, Index, FloatArray]:
    """List the obstacles that may be within `reach` of the cells that `spans` (s, 2, 3) touch.

    First member of each cell, the members in their order, and their bounds at its centre.
    """
    cell, one = _cells(spans, corner, shape)
    place = np.stack(np.unravel_index(cell, shape), axis=1)
    bound = bounds(one, corner + CELL_MM * (place + 0.5))
    near = bound < reach + CELL_MM * np.sqrt(0.75)
    entries = bound[near], (cell[near], one[near])
    table = coo_array(entries, shape=(int(shape.prod()), len(spans))).tocsr()
    return table.indptr.astype(np.int32), table.indices.astype(np.int32), table.data


def _sac_rows(sac: FloatArray, floor: FloatArray, bound: float) -> FloatArray:
    """For each row of cells along z: centre nearest in height, least and greatest y in reach."""
    y, z = sac[:, Y], sac[:, Z]
    beside = (z > floor[:, None] - bound) & (z < floor[:, None] + CELL_MM + bound)
    nearest = np.abs(z - floor[:, None] - CELL_MM / 2).argmin(axis=1)
    low = np.where(beside, y, np.inf).min(axis=1)
    return np.stack([nearest, low, np.where(beside, y, -np.inf).max(axis=1)], axis=1)
