"""A round tube as short cylinders, cut so that they neither overlap nor gape at its bends."""

import numpy as np
from numpy.typing import NDArray

from geometry.kernels.chords import Pieces

FloatArray = NDArray[np.float64]

LEAST_STEP_MM = 1e-6
"""Two points that are nearer are one."""


def tube_pieces(points: FloatArray, radius_mm: float) -> Pieces:
    """Cut a tube into cylinders from point to point, two by the plane that halves their angle.

    Parameters
    ----------
    points : (k, 3) mm, k > 1; one that coincides with the one before is left out
    """
    step = np.linalg.norm(np.diff(points, axis=0), axis=1)
    points = points[np.concatenate([[True], step > LEAST_STEP_MM])]
    along = np.diff(points, axis=0)
    unit = along / np.linalg.norm(along, axis=1)[:, None]
    joint = np.concatenate([unit[:1], unit[1:] + unit[:-1], unit[-1:]])
    return Pieces(points[:-1].copy(), along, radius_mm, joint[:-1].copy(), -joint[1:])
