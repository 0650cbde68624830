"""CanalCurve: smooth curves along the spine, given by a place in the frame of each vertebra.

Their parameter s counts vertebrae from the top: s = 0 is the middle of C1, s = 15 that of T9,
half-integers are the discs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.bones import LAMINA_SPAN
from geometry.levels import VERTEBRAE, Level
from geometry.skeleton import Skeleton
from geometry.vertebra import Vertebra

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
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
    def of(cls, skeleton: Skeleton) -> "SpineAxis":
        """Collect the frames of a skeleton."""
        vertebrae = tuple(skeleton.vertebra(level) for level in VERTEBRAE)
        origin = np.array([v.origin for v in vertebrae])
        axes = np.array([v.axes for v in vertebrae])
        return cls(vertebrae, origin, axes, np.linalg.norm(np.diff(origin, axis=0), axis=1))

    def table(self, rule: Callable[[Vertebra], float]) -> FloatArray:
        """One number per vertebra, (25,)."""
        return np.array([rule(vertebra) for vertebra in self.vertebrae])

    def world(self, s: ArrayLike, x: FloatArray, y: FloatArray) -> FloatArray:
        """Points (k, 3) at `s` (k,) with x and y (25,) or (25, k) given in each vertebra's frame.

        Between two vertebrae the places that the upper and the lower frame give are blended.
        """
        s = np.atleast_1d(np.asarray(s, dtype=float))
        upper = np.clip(np.floor(s).astype(int), 0, len(self.pitch) - 1)
        u = s - upper
        blend = np.clip(u, 0.0, 1.0)
        blend = blend * blend * (3 - 2 * blend)
        at_upper = self._in_frame(upper, x, y, -u * self.pitch[upper])
        at_lower = self._in_frame(upper + 1, x, y, (1 - u) * self.pitch[upper])
        return np.asarray(at_upper + blend[:, None] * (at_lower - at_upper))

    def _in_frame(self, i: IntArray, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        row = (i,) if x.ndim == 1 else (i, np.arange(len(i)))
        local = np.stack([x[row], y[row], z], axis=1)
        return np.asarray(self.origin[i] + np.einsum("ki,kij->kj", local, self.axes[i]))

    def flaval_s(self, index: int) -> float:
        """Parameter of the gap between the laminae of a vertebra and of the next."""
        low, high = LAMINA_SPAN
        upper, lower = self.vertebrae[index], self.vertebrae[index + 1]
        pitch = float(self.pitch[index])
        middle = (-low * upper.body_height + pitch - high * lower.body_height) / 2
        return index + middle / pitch

    def s_of_height(self, level_index: int, z: float) -> float:
        """Parameter of a local height `z` (mm) above the centre of a vertebra."""
        gap = level_index - 1 if z > 0 else level_index
        return level_index - z / float(self.pitch[int(np.clip(gap, 0, len(self.pitch) - 1))])

    def s_of_point(self, xyz: FloatArray) -> float:
        """Parameter of a world point, by its height along the spine."""
        along = np.einsum("vi,vi->v", xyz - self.origin, self.axes[:, 2])
        above = int(np.clip(np.flatnonzero(along <= 0).max(initial=0), 0, len(self.pitch) - 1))
        drop, rise = max(-along[above], 0.0), max(float(along[above + 1]), 0.0)
        return above + float(drop / max(drop + rise, 1e-9))


def index_of(level: Level) -> int:
    """Place of a vertebra in the column, which is its s."""
    return VERTEBRAE.index(level)
