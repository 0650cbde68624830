"""CanalCurve: smooth curves along the spine, given by a place in the frame of each vertebra.

Their parameter s counts vertebrae from the top: s = 0 is the middle of C1, s = 15 that of T9,
half-integers are the discs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.bones import LAMINA_SPAN
from geometry.kernels.frames import blended
from geometry.levels import VERTEBRAE, Level
from geometry.skeleton import Skeleton
from geometry.vertebra import Vertebra

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


Place = Callable[[IntArray], tuple[FloatArray, FloatArray]]
"""Local x and y (k,) of the points of a curve in the frames of the vertebrae with numbers (k,)."""


@dataclass(frozen=True, eq=False)
class SpineAxis:
    """Frames of all vertebrae as arrays.

    Attributes
    ----------
    origin : (25, 3) mm
    axes : (25, 3, 3) rows x, y, z
    pitch : (24,) mm from the centre of a vertebra to that of the next
    """

    vertebrae: tuple[Vertebra, ...]
    origin: FloatArray
    axes: FloatArray
    pitch: FloatArray

    @classmethod
    @cache
    def of(cls, skeleton: Skeleton) -> "SpineAxis":
        """Collect the frames of a skeleton."""
        vertebrae = tuple(skeleton.vertebra(level) for level in VERTEBRAE)
        origin = np.array([v.origin for v in vertebrae])
        axes = np.array([v.axes for v in vertebrae])
        return cls(vertebrae, origin, axes, np.linalg.norm(np.diff(origin, axis=0), axis=1))

    @cached_property
    def body_width(self) -> FloatArray:
        """Transverse widths of the bodies, (25,) mm."""
        return self.table(lambda v: v.body_width)

    @cached_property
    def body_depth(self) -> FloatArray:
        """Depths of the bodies, front to back, (25,) mm."""
        return self.table(lambda v: v.body_depth)

    @cached_property
    def body_height(self) -> FloatArray:
        """Posterior heights of the bodies, (25,) mm."""
        return self.table(lambda v: v.body_height)

    @cached_property
    def canal_centre_y(self) -> FloatArray:
        """Local y of the centre of the canal, (25,) mm."""
        return self.table(lambda v: v.canal_centre_y)

    @cached_property
    def epidural_semi_axes(self) -> FloatArray:
        """Semi-axes (25, 2) of the ellipse midway between dural sac and canal wall, mm."""
        sac = np.array([v.sac_semi_axes for v in self.vertebrae])
        canal = np.array([(v.canal_width, v.canal_depth) for v in self.vertebrae]) / 2
        return np.asarray((sac + canal) / 2)

    def table(self, rule: Callable[[Vertebra], float]) -> FloatArray:
        """One number per vertebra, (25,)."""
        return np.array([rule(vertebra) for vertebra in self.vertebrae])

    def world(self, s: ArrayLike, place: Place) -> FloatArray:
        """Points (k, 3) at `s` (k,) whose `place` in each vertebra's frame is known.

        Between two vertebrae the places that the upper and the lower frame give are blended.
        """
        s = np.atleast_1d(np.asarray(s, dtype=float))
        upper = np.clip(s.astype(np.int64), 0, len(self.pitch) - 1)
        places = np.empty((4, len(s)))
        places[0], places[1] = place(upper)
        places[2], places[3] = place(upper + 1)
        return blended(self.origin, self.axes, self.pitch, s, upper, places)

    def flaval_s(self, index: IntArray) -> FloatArray:
        """Parameters (k,) of the gaps between the laminae of vertebrae (k,) and of the next."""
        low, high = LAMINA_SPAN
        height, pitch = self.body_height, self.pitch[index]
        middle = (-low * height[index] + pitch - high * height[index + 1]) / 2
        return np.asarray(index + middle / pitch)

    def s_of_height(self, level_index: int, z: float) -> float:
        """Parameter of a local height `z` (mm) above the centre of a vertebra."""
        gap = level_index - 1 if z > 0 else level_index
        return level_index - z / float(self.pitch[int(np.clip(gap, 0, len(self.pitch) - 1))])

    def s_of_points(self, xyz: FloatArray) -> FloatArray:
        """Parameters (k,) of world points (k, 3), by their height along the spine."""
        along = np.einsum("kvi,vi->kv", xyz[:, None] - self.origin, self.axes[:, 2])
        numbers = np.where(along <= 0, np.arange(len(self.origin)), 0)
        above = np.clip(numbers.max(axis=1), 0, len(self.pitch) - 1)
        rows = np.arange(len(xyz))
        drop = np.maximum(-along[rows, above], 0.0)
        rise = np.maximum(along[rows, above + 1], 0.0)
        return np.asarray(above + drop / np.maximum(drop + rise, 1e-9))


def index_of(level: Level) -> int:
    """Place of a vertebra in the column, which is its s."""
    return VERTEBRAE.index(level)
