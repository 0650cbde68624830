"""The lumen as a signed distance on a regular grid: a union of tapered, flattened capsules.

**A piece of vein** runs between two consecutive points of a centreline. Its section across the
centreline is the network's ellipse, with semi-axes a >= b linear between the points, so that the
volume of a straight vein is the integral of pi a b ds, as on the centreline mesh. Beyond an end the
section is turned about its centre (which fills the wedge at a bend) and is round, of radius
sqrt(ab), at its tip.

**Distance** of a point with offsets u, v along the semi-axes, F^2 = (u/a)^2 + (v/b)^2:

    d = (F - 1) F / sqrt(u^2 / a^4 + v^2 / b^4),   at least -b and sqrt(u^2 + v^2) - a

It is exact for a round vein and on the axes of an ellipse, and otherwise to first order in the
distance, hence exact at the wall. It is measured across the centreline: where a vein tapers by
slope m it is the true one times sqrt(1 + m^2).

**Union.** The least distance; or, with a length k, smooth: d = -k ln(sum exp(-d_i / k)), which
rounds off the crotch of two strands by k ln 2 at most, and leaves a strand alone as it is. A strand
is a run of branches through the nodes where they go on straightest.

**Approximations.** A network says how flat a vein is, not which way. The minor axis points to what
pressed the vein flat, the nearest of bone, disc, dural sac and root sleeve; out of their reach it
is the antero-posterior one. It turns linearly between points. A section that bends sharply
may be wider than the network's on the outside of the bend.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.clearance import clearance
from geometry.errors import GeometryError
from geometry.kernels.bricks import BRICK, NOWHERE, Bricks, spread
from geometry.kernels.lumen import (
    Capsules,
    fill_bricks,
    join_strands,
    list_near,
    nearest_of,
)
from geometry.network import VesselNetwork
from geometry.skeleton import Skeleton

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
Index = NDArray[np.int32]

ANTERIOR = np.array([0.0, 1.0, 0.0])
"""Minor axis of a flat vein that nothing is near: the great veins lie flat on the back."""
EVERYWHERE = (-np.inf, np.inf)
"""Heights, mm, that cut nothing off."""
GRADIENT_STEP_MM = 0.05
LEAST_GRADIENT = 0.3
"""Of the room about a point: below it, no wall is near or two are equally so."""
MOST_ALIGNED = 0.99
"""Cosine between a minor axis and the centreline beyond which the axis says nothing."""
UNKNOWN_WEIGHT = 1e-6
"""Of the antero-posterior axis, which counts where nothing else is known."""
SMOOTHINGS = 3
"""Times that the direction of the minor axis is averaged with that of both neighbours."""


@dataclass(frozen=True)
class Grid:
    """A regular grid of nodes: node (i, j, k) lies at `origin + spacing * (i, j, k)`, mm, RAS."""

    origin: tuple[float, float, float]
    spacing: float
    shape: tuple[int, int, int]

    @classmethod
    def around(cls, low: ArrayLike, high: ArrayLike, spacing: float) -> "Grid":
        """Grid from `low` (3,) to at least `high` (3,), mm.

        Raises
        ------
        GeometryError
            If the spacing is not positive, or the box is empty.
        """
        low, high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
        if not (np.isfinite(spacing) and spacing > 0):
            raise GeometryError(f"spacing = {spacing} must be finite and > 0 mm")
        if not (low < high).all():
            raise GeometryError(f"the box from {low} to {high} mm is empty")
        shape = np.ceil((high - low) / spacing).astype(int) + 1
        x, y, z = (float(value) for value in low)
        return cls((x, y, z), float(spacing), (int(shape[0]), int(shape[1]), int(shape[2])))

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return int(np.prod(self.shape, dtype=np.int64))

    def axis(self, number: int) -> FloatArray:
        """Coordinates of the nodes along x, y or z (0, 1, 2), mm."""
        return np.asarray(self.origin[number] + self.spacing * np.arange(self.shape[number]))


@dataclass(frozen=True)
class Lumen:
    """Signed distance to the walls of veins.

    Attributes
    ----------
    grid : of nx, ny, nz nodes
    bricks : mm, negative inside, `band` where no vein is nearer
    capsules : pieces of vein, with branch and arc
    band : mm
    first, member : capsules near each brick of the grid (:func:`geometry.kernels.lumen.list_near`)
    """

    grid: Grid
    bricks: Bricks
    capsules: Capsules
    band: float
    first: IntArray
    member: Index

    @cached_property
    def distance(self) -> SingleArray:
        """Distance at all nodes, (nx, ny, nz) mm."""
        dense = np.full(self.grid.shape, self.band, dtype=np.float32)
        spread(self.bricks, dense)
        dense.setflags(write=False)
        return dense

    def nearest(self, xyz: FloatArray) -> Index:
        """Number (k,) of the capsule nearest to points (k, 3), -1 where none is in the band."""
        grid = self.grid
        return nearest_of(
            self.capsules, np.array(grid.origin), grid.spacing, np.array(grid.shape),
            self.first, self.member, self.band, np.ascontiguousarray(xyz, dtype=float),
        )  # fmt: skip

    def arc(self, capsule: IntArray | Index, xyz: FloatArray) -> FloatArray:
        """Arc (k,) mm from the start of its branch of the place on capsules (k,) nearest xyz."""
        along, start = self.capsules.along[capsule], self.capsules.start[capsule]
        squared = np.einsum("ki,ki->k", along, along)
        part = np.clip(np.einsum("ki,ki->k", xyz - start, along) / squared, 0.0, 1.0)
        return np.asarray(self.capsules.arc[capsule] + part * np.sqrt(squared))


def lumen(
    capsules: Capsules,
    grid: Grid,
    *,
    band_mm: float,
    blend_mm: float = 0.0,
    heights: tuple[float, float] = EVERYWHERE,
    off_wall_mm: float = 0.0,
    threads: int = 1,
) -> Lumen:
    """Signed distance to the union of `capsules` on the nodes of `grid`, within a band.

    Parameters
    ----------
    capsules : of :func:`capsules_of`
    band_mm : distances are known up to here outside, and everywhere inside
    blend_mm : length of the smooth union of strands; 0 takes the least distance
    heights : mm, the lumen is cut off below the first and above the second
    off_wall_mm : nodes that are nearer to the wall are moved this far off, to their own side
    threads : that share the work; the result does not hang on them

    Raises
    ------
    GeometryError
        If band or blend are not lengths, or there is no capsule.
    """
    if not (np.isfinite(band_mm) and band_mm > 0):
        raise GeometryError(f"band_mm = {band_mm} must be finite and > 0 mm")
    if not (np.isfinite(blend_mm) and blend_mm >= 0):
        raise GeometryError(f"blend_mm = {blend_mm} must be finite and >= 0 mm")
    if not len(capsules.start):
        raise GeometryError("a lumen needs at least one piece of vein")
    origin, step, shape = np.array(grid.origin), grid.spacing, np.array(grid.shape)
    first, member = list_near(capsules, origin, step, shape, band_mm)
    count = -(-shape // BRICK)
    listed = np.flatnonzero(np.diff(first))
    row = np.full(count, NOWHERE, dtype=np.int32)
    row.flat[listed] = np.arange(len(listed))
    place = np.stack(np.unravel_index(listed, count), axis=1).astype(np.int32)
    value = np.full((len(listed), BRICK, BRICK, BRICK), band_mm, dtype=np.float32)
    parts = np.linspace(0, len(listed), threads + 1).astype(np.int64)

    def fill(part: int) -> None:
        fill_bricks(
            capsules, origin, step, shape, place, first, member, band_mm, blend_mm, *heights,
            off_wall_mm, parts[part : part + 2], value,
        )  # fmt: skip

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(fill, range(threads)))
    for array in (row, place, value, first, member):
        array.setflags(write=False)
    bricks = Bricks(grid.shape, row, place, value, band_mm)
    return Lumen(grid, bricks, capsules, band_mm, first, member)


def capsules_of(network: VesselNetwork, minor_axis: FloatArray | None = None) -> Capsules:
    """Cut a network into pieces, strand by strand.

    Parameters
    ----------
    minor_axis : (p, 3) direction of the minor semi-axis at every point, such as that of
        :func:`minor_axes`; None takes the antero-posterior one everywhere
    """
    if minor_axis is None:
        minor_axis = np.broadcast_to(ANTERIOR, network.point_xyz.shape)
    branch = np.repeat(np.arange(network.n_branches), np.diff(network.point_offset))
    first = np.flatnonzero(network.step_length > 0)
    strand = strands(network)[branch[first]]
    order = np.argsort(strand, kind="stable")
    first, strand = first[order], strand[order]
    pair = np.stack([first, first + 1], axis=1)
    along = network.point_xyz[first + 1] - network.point_xyz[first]
    running = np.concatenate([[0.0], np.cumsum(network.step_length)])
    start = network.point_offset[branch[first]]
    return Capsules(
        start=network.point_xyz[first],
        along=along,
        major=network.point_radius[pair],
        minor=network.point_radius_minor[pair],
        flat=_across(minor_axis[pair], along),
        strand=strand,
        branch=branch[first],
        arc=running[first] - running[start],
    )


def at_least(capsules: Capsules, radius_mm: float) -> Capsules:
    """Widen the semi-axes of capsules that are less than `radius_mm`."""
    return capsules._replace(
        major=np.maximum(capsules.major, radius_mm), minor=np.maximum(capsules.minor, radius_mm)
    )


def minor_axes(
    network: VesselNetwork, skeleton: Skeleton, heights: tuple[float, float] = EVERYWHERE
) -> FloatArray:
    """Direction (p, 3) of the minor semi-axis at every point: away from what is nearest.

    Unit vectors, evened out along each branch; antero-posterior beyond the `heights`, mm, of which
    nothing is asked.
    """
    points, offset = network.point_xyz, network.point_offset
    own = np.flatnonzero((points[:, 2] >= heights[0]) & (points[:, 2] <= heights[1]))
    branch = np.repeat(np.arange(network.n_branches), np.diff(offset))[own]
    xyz, step = points[own], GRADIENT_STEP_MM * np.eye(3)
    room = np.stack(
        [clearance(skeleton, xyz + way) - clearance(skeleton, xyz - way) for way in step], axis=1
    ) / (2 * GRADIENT_STEP_MM)
    room[np.sqrt(np.einsum("pi,pi->p", room, room)) < LEAST_GRADIENT] = 0.0
    # an axis has no sign: its square has none either, and can be averaged
    square = np.einsum("pi,pj->pij", room, room)
    here = np.arange(len(own))
    before, after = np.maximum(here - 1, 0), np.minimum(here + 1, len(own) - 1)
    before = np.where(branch[before] == branch, before, here)
    after = np.where(branch[after] == branch, after, here)
    for _ in range(SMOOTHINGS):
        square = 0.5 * square + 0.25 * (square[before] + square[after])
    square += UNKNOWN_WEIGHT * np.outer(ANTERIOR, ANTERIOR)
    axes = np.tile(ANTERIOR, (len(points), 1))
    axes[own] = np.linalg.eigh(square)[1][:, :, -1]
    return axes


def strands(network: VesselNetwork) -> IntArray:
    """Strand (b,) of every branch: at each node the two branches that go on straightest are one."""
    first, last = network.point_offset[:-1], network.point_offset[1:] - 1
    node = np.concatenate([network.branch_start, network.branch_end])
    away = network.point_xyz[np.concatenate([first + 1, last - 1])]
    away = away - network.point_xyz[np.concatenate([first, last])]
    away /= np.sqrt(np.einsum("ei,ei->e", away, away))[:, None]
    order = np.argsort(node, kind="stable")
    return join_strands(node[order], order % network.n_branches, away[order], network.n_branches)


def _across(direction: FloatArray, along: FloatArray) -> FloatArray:
    """Unit vectors (s, 2, 3) across `along` (s, 3) nearest to the directions, of like sign."""
    unit = along / np.sqrt(np.einsum("si,si->s", along, along))[:, None]
    # where the direction runs along the vein, the axis of space that does so least
    spare = np.eye(3)[np.abs(unit).argmin(axis=1)]
    aligned = np.abs(np.einsum("sei,si->se", direction, unit)) > MOST_ALIGNED
    flat = np.where(aligned[..., None], spare[:, None], direction)
    flat = flat - np.einsum("sei,si->se", flat, unit)[..., None] * unit[:, None]
    flat /= np.sqrt(np.einsum("sei,sei->se", flat, flat))[..., None]
    flat[np.einsum("si,si->s", flat[:, 0], flat[:, 1]) < 0, 1] *= -1.0
    return np.asarray(flat)
