"""How branches are cut into equal segments, and where side branches begin.

**Junctions.** A side branch of area radius r starts inside the lumen of the wider veins it
joins.  With phi the angle between it and a wider vein of area radius R, its first

    t = (R - r^2 / 8R) / max(sin phi, 1/2)   for phi <= 90 degrees,
    t = (R - r^2 / 8R) (1 + cos phi)         for phi > 90 degrees

millimetres add no volume, and their resistance is that of a vein as wide as the wider one.
R - r^2/8R is the mean distance from the axis to the wall over the mouth of a perpendicular
tube, to second order in r/R. (Own construction; tested against unions of cylinders.) Where
only two branches meet, one goes on as the other and nothing is cut.
"""

from dataclasses import dataclass

import numpy as np

from geometry.flowmesh import FloatArray, IntArray
from geometry.kernels.junctions import trims
from geometry.network import VesselNetwork

MOST_TRIMMED = 0.9
"""Largest part of a branch that may lie inside the veins it joins."""
EQUAL_DECIMALS = 6
"""Of radii in mm: veins whose radii are equal but for round-off are equally wide."""


@dataclass(frozen=True)
class Cut:
    """How every branch is cut: `segments` equal ones between `trim_start` and `length - trim_end`.

    `wide_start`, `wide_end` (b, 2): semi-axes of the widest vein at either end, mm.
    """

    length: FloatArray
    point_arc: FloatArray
    trim_start: FloatArray
    trim_end: FloatArray
    segments: IntArray
    wide_start: FloatArray
    wide_end: FloatArray
    widest_branch: IntArray  # (nodes,) -1 where no branch ends

    @property
    def segment_mm(self) -> FloatArray:
        """Length of the segments of each branch, (b,) mm."""
        return np.asarray((self.length - self.trim_start - self.trim_end) / self.segments)

    @property
    def halves(self) -> IntArray:
        """First half segment of each branch, (b+1,)."""
        return np.concatenate([[0], np.cumsum(2 * self.segments)])


def cut_branches(network: VesselNetwork, cell_mm: float) -> Cut:
    """Lengths, the parts that lie inside wider veins, and the number of segments."""
    first, last = network.point_offset[:-1], network.point_offset[1:] - 1
    step = _lengths(np.diff(network.point_xyz, axis=0))
    step[last[:-1]] = 0.0
    running = np.concatenate([[0.0], np.cumsum(step)])
    point_arc = running - np.repeat(running[first], np.diff(network.point_offset))
    length = point_arc[last]

    branches = network.n_branches
    end_node = np.concatenate([network.branch_start, network.branch_end])
    end_point = np.concatenate([first, last])
    towards = np.concatenate([first + 1, last - 1])
    direction = network.point_xyz[towards] - network.point_xyz[end_point]
    direction /= _lengths(direction)[:, None]
    axes = np.column_stack([network.point_radius[end_point], network.point_radius_minor[end_point]])
    radius = np.sqrt(axes[:, 0] * axes[:, 1])

    # widest first at each node; ties by branch, so that the order does not hang on rounding
    width = np.round(radius, EQUAL_DECIMALS)
    order = np.lexsort((np.arange(2 * branches) % branches, -width, end_node))
    node = end_node[order]
    starts_node = np.concatenate([[True], node[1:] != node[:-1]])
    leader = order[np.maximum.accumulate(np.where(starts_node, np.arange(len(order)), 0))]
    trim = trims(node, order, radius, direction)
    too_much = np.maximum(1.0, (trim[:branches] + trim[branches:]) / (MOST_TRIMMED * length))
    trim_start, trim_end = trim[:branches] / too_much, trim[branches:] / too_much

    rest = length - trim_start - trim_end
    # tolerance: a branch of 5 mm is ten segments of 0.5 mm in spite of rounding
    segments = np.maximum(1, np.ceil(rest / cell_mm - 1e-9)).astype(np.int64)
    loop = network.branch_start == network.branch_end
    segments[loop] = np.maximum(2, segments[loop])
    wide_axes = np.empty_like(axes)
    wide_axes[order] = axes[leader]
    widest_branch = np.full(network.n_nodes, -1)
    widest_branch[node[starts_node]] = order[starts_node] % branches
    return Cut(
        length=length,
        point_arc=point_arc,
        trim_start=trim_start,
        trim_end=trim_end,
        segments=segments,
        wide_start=wide_axes[:branches],
        wide_end=wide_axes[branches:],
        widest_branch=widest_branch,
    )


def _lengths(vectors: FloatArray) -> FloatArray:
    """Lengths (k,) of vectors (k, 3); `norm` takes rows of three one by one."""
    x, y, z = vectors.T
    return np.asarray(np.sqrt(x * x + y * y + z * z))


def mean_radius(network: VesselNetwork, cut: Cut) -> FloatArray:
    """Mean area radius of each branch along its arc, mm; it does not hang on `cell_mm`."""
    radius = np.sqrt(network.point_radius * network.point_radius_minor)
    step = np.diff(cut.point_arc)
    area = np.concatenate([0.5 * (radius[1:] + radius[:-1]) * np.maximum(step, 0.0), [0.0]])
    area[network.point_offset[1:] - 1] = 0.0
    return np.asarray(np.add.reduceat(area, network.point_offset[:-1]) / cut.length)
