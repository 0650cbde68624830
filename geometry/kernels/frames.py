"""Points given by their places in the frames of neighbouring vertebrae."""

import numpy as np
from numpy.typing import NDArray

from geometry.kernels.compiling import kernel

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@kernel
def blended(
    origin: FloatArray,
    axes: FloatArray,
    pitch: FloatArray,
    s: FloatArray,
    upper: IntArray,
    place: FloatArray,
) -> FloatArray:
    """Points (k, 3) between two vertebrae: what either frame says, blended by a smooth step.

    Parameters
    ----------
    origin, axes : (v, 3), (v, 3, 3) frames, axes by rows
    pitch : (v-1,) mm from one centre to the next
    s : (k,) parameter, counted in vertebrae
    upper : (k,) vertebra above
    place : (4, k) mm: local x and y in the frame above, then in that below
    """
    xyz = np.empty((len(s), 3))
    for k in range(len(s)):
        i, u = upper[k], s[k] - upper[k]
        share = min(max(u, 0.0), 1.0)
        share = share * share * (3.0 - 2.0 * share)
        high, low = -u * pitch[i], (1.0 - u) * pitch[i]
        for c in range(3):
            above = origin[i, c] + (
                place[0, k] * axes[i, 0, c] + place[1, k] * axes[i, 1, c] + high * axes[i, 2, c]
            )
            below = origin[i + 1, c] + (
                place[2, k] * axes[i + 1, 0, c]
                + place[3, k] * axes[i + 1, 1, c]
                + low * axes[i + 1, 2, c]
            )
            xyz[k, c] = above + share * (below - above)
    return xyz
