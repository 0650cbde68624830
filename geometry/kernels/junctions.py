"""How far side branches reach into the wider veins that they join: :mod:`geometry.branch_cut`."""

import math

import numpy as np
from numpy.typing import NDArray

from geometry.kernels.compiling import kernel

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@kernel
def trims(node: IntArray, order: IntArray, radius: FloatArray, direction: FloatArray) -> FloatArray:
    """Millimetres (e,) of each branch end that lie inside a wider vein at its node.

    Parameters
    ----------
    node : (e,) nodes of the branch ends, rising
    order : (e,) those ends, at each node the widest first
    radius : (e,) mm, area radius at each end, by its own number, as the next
    direction : (e, 3) unit vectors from each end into its branch
    """
    trim = np.zeros(len(order))
    first = 0
    while first < len(order):
        after = first + 1
        while after < len(order) and node[after] == node[first]:
            after += 1
        if after - first > 2:  # where two meet, one goes on as the other
            for i in range(first, after):
                for j in range(i + 1, after):
                    wide, side = order[i], order[j]
                    cosine = (
                        direction[wide, 0] * direction[side, 0]
                        + direction[wide, 2] * direction[side, 2]
                        + direction[wide, 1] * direction[side, 1]
                    )
                    to_wall = radius[wide] - radius[side] ** 2 / (8 * radius[wide])
                    if cosine >= 0:
                        reach = to_wall * (1 / math.sqrt(max(1 - cosine**2, 0.25)))
                    else:
                        reach = to_wall * (1 + cosine)
                    trim[side] = max(trim[side], reach)
        first = after
    return trim
