"""SweptEllipse: an ellipse swept along a curve in the median plane (sac, canal, skin)."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from geometry.curves import monotone

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

STEP_MM = 1.0


def superellipse_distance(
    x: FloatArray, y: FloatArray, *, a: ArrayLike, b: ArrayLike, power: ArrayLike = 2.0
) -> FloatArray:
    """Signed distance to |x/a|^p + |y/b|^p = 1, to first order; mm, negative inside.

    With f = (|x/a|^p + |y/b|^p)^(1/p) it is (f - 1) / |grad f|: exact on the curve.
    """
    a, b, power = np.asarray(a), np.asarray(b), np.asarray(power)
    # at the centre itself there is no gradient
    u, v = np.maximum(np.abs(x / a), 1e-6), np.maximum(np.abs(y / b), 1e-6)
    f = (u**power + v**power) ** (1 / power)
    gradient = np.hypot((u / f) ** (power - 1) / a, (v / f) ** (power - 1) / b)
    return np.asarray((f - 1) / gradient)


@dataclass(frozen=True)
class SweptEllipse:
    """Ellipses stacked along a smooth curve with x = 0, from the top down.

    Attributes
    ----------
    points : (k, 3) mm, centres
    semi_axes : (k, 2) mm, transverse and antero-posterior
    """

    points: FloatArray
    semi_axes: FloatArray

    @classmethod
    def through(cls, points: ArrayLike, semi_axes: ArrayLike) -> "SweptEllipse":
        """Smooth sweep through a few centres (k, 3) with semi-axes (k, 2)."""
        points = np.asarray(points, dtype=float)
        semi_axes = np.asarray(semi_axes, dtype=float)
        arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
        fine = np.linspace(0.0, arc[-1], int(np.ceil(arc[-1] / STEP_MM)) + 1)
        return cls(monotone(arc, points, fine), monotone(arc, semi_axes, fine))

    @cached_property
    def tangent(self) -> FloatArray:
        """Unit tangents, (k, 3), pointing down."""
        tangent = np.gradient(self.points, axis=0)
        return np.asarray(tangent / np.linalg.norm(tangent, axis=1, keepdims=True))

    @cached_property
    def anterior(self) -> FloatArray:
        """Unit vectors (k, 3) across the curve in the median plane, pointing forwards."""
        return np.asarray(np.cross(self.tangent, [1.0, 0.0, 0.0]) * -1.0)

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.points[:, 1:])

    def distance(self, xyz: ArrayLike) -> FloatArray:
        """Signed distance of points (k, 3), mm, negative inside; the ends are flat."""
        xyz = np.atleast_2d(np.asarray(xyz, dtype=float))
        _, nearest = self._tree.query(xyz[:, 1:])
        return self._distance_at(xyz, nearest)

    def near(self, xyz: FloatArray, reach: float) -> tuple[IntArray, FloatArray]:
        """Those of points (k, 3) that are nearer than `reach` mm, and their distances.

        By the first-order rule an ellipse with semi-axes a > b is nearer than that only within
        a (1 + reach / b) of its centre; the flat ends add at most `reach` along the curve.
        """
        bound = float(self.semi_axes.max() * (1.0 + reach / self.semi_axes.min()))
        rows = np.flatnonzero(np.abs(xyz[:, 0]) <= bound)
        away, nearest = self._tree.query(xyz[rows, 1:], distance_upper_bound=bound + reach)
        found = np.flatnonzero(np.isfinite(away))
        rows, nearest = rows[found], nearest[found]
        distance = self._distance_at(xyz[rows], nearest)
        return rows[distance < reach], distance[distance < reach]

    def _distance_at(self, xyz: FloatArray, nearest: IntArray) -> FloatArray:
        """Distance from the ellipses whose centres are `nearest` (k,)."""
        offset = xyz - self.points[nearest]
        front = np.einsum("ki,ki->k", offset, self.anterior[nearest])
        side = superellipse_distance(
            offset[:, 0], front, a=self.semi_axes[nearest, 0], b=self.semi_axes[nearest, 1]
        )
        along = np.einsum("ki,ki->k", offset, self.tangent[nearest])
        above = np.where(nearest == 0, -along, -np.inf)
        below = np.where(nearest == len(self.points) - 1, along, -np.inf)
        return np.asarray(np.maximum(side, np.maximum(above, below)))

    def mesh(self, around: int = 32) -> tuple[FloatArray, IntArray]:
        """Surface for pictures: vertices (v, 3) mm and triangles (t, 3)."""
        angle = np.linspace(0.0, 2 * np.pi, around, endpoint=False)
        keep = np.unique(np.r_[np.arange(0, len(self.points), 4), len(self.points) - 1])
        a, b = self.semi_axes[keep, 0], self.semi_axes[keep, 1]
        ring = self.points[keep, None, :] + np.sin(angle)[None, :, None] * (
            b[:, None, None] * self.anterior[keep, None, :]
        )
        ring[:, :, 0] += a[:, None] * np.cos(angle)
        return ring.reshape(-1, 3), tube_triangles(len(keep), around)


def tube_triangles(rings: int, around: int) -> IntArray:
    """Triangles (t, 3) of an open tube whose vertices are `rings` rings of `around` points."""
    ring, spoke = np.meshgrid(np.arange(rings - 1), np.arange(around), indexing="ij")
    here = (ring * around + spoke).ravel()
    beside = (ring * around + (spoke + 1) % around).ravel()
    lower = np.stack([here, beside, here + around], axis=1)
    upper = np.stack([beside, beside + around, here + around], axis=1)
    return np.concatenate([lower, upper]).astype(np.int64)
