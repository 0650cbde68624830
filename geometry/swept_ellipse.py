"""SweptEllipse: an ellipse swept along a curve in the median plane (sac, canal, skin)."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.curves import monotone
from geometry.kernels.tubes import distances

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

STEP_MM = 1.0


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
    def table(self) -> FloatArray:
        """The ellipses for the kernels (:mod:`geometry.kernels.tubes`), (k, 8)."""
        unit = self.tangent[:, 1:], self.anterior[:, 1:]
        return np.hstack([self.points[:, 1:], self.semi_axes, *unit])

    def distance(self, xyz: ArrayLike) -> FloatArray:
        """Signed distance of points (k, 3), mm, negative inside; the ends are flat.

        To first order in the distance: exact at the surface.
        """
        return distances(self.table, np.atleast_2d(np.asarray(xyz, dtype=float)))

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
