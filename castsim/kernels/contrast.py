"""Contrast medium carried along by blood in a network: upwind in space, implicit in time."""

import numpy as np
from numpy.typing import NDArray

from geometry.kernels.compiling import kernel

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@kernel
def downstream_order(
    n: int, owner: IntArray, neighbour: IntArray, flow: FloatArray
) -> tuple[IntArray, IntArray, IntArray]:
    """Cells in an order in which blood comes to each from earlier ones only, and their inflows.

    Blood runs down the pressure, so there is no way round a loop. Returns the order (n,), and the
    faces by the cell that they bring blood to: `faces[first[i] : first[i + 1]]`. In a loop, which
    pressures never make, cells would be missing at the end of the order: their number is -1.
    """
    m = len(owner)
    first = np.zeros(n + 1, dtype=np.int64)
    waits = np.zeros(n, dtype=np.int64)
    leaves = np.zeros(n + 1, dtype=np.int64)
    for f in range(m):
        if flow[f] != 0.0:
            up, down = (owner[f], neighbour[f]) if flow[f] > 0.0 else (neighbour[f], owner[f])
            first[down + 1] += 1
            waits[down] += 1
            leaves[up + 1] += 1
    for i in range(n):
        first[i + 1] += first[i]
        leaves[i + 1] += leaves[i]
    faces = np.empty(first[n], dtype=np.int64)
    targets = np.empty(leaves[n], dtype=np.int64)
    fill, fill_out = first[:n].copy(), leaves[:n].copy()
    for f in range(m):
        if flow[f] != 0.0:
            up, down = (owner[f], neighbour[f]) if flow[f] > 0.0 else (neighbour[f], owner[f])
            faces[fill[down]] = f
            fill[down] += 1
            targets[fill_out[up]] = down
            fill_out[up] += 1
    order = np.full(n, -1, dtype=np.int64)
    count = 0
    for i in range(n):
        if waits[i] == 0:
            order[count] = i
            count += 1
    k = 0
    while k < count:
        i = order[k]
        k += 1
        for e in range(leaves[i], leaves[i + 1]):
            waits[targets[e]] -= 1
            if waits[targets[e]] == 0:
                order[count] = targets[e]
                count += 1
    return order, first, faces


@kernel
def carry(
    order: IntArray,
    first: IntArray,
    faces: IntArray,
    owner: IntArray,
    neighbour: IntArray,
    flow: FloatArray,
    volume: FloatArray,
    leaving: FloatArray,
    source: FloatArray,
    step: float,
    steps: int,
    share: FloatArray,
) -> None:
    """Advance the share of contrast medium in every cell, (n,), in place.

    V (c' - c) / dt = source + sum over inflows |q| c'_up - leaving c', by one sweep downstream a
    step: what comes in has already been found.

    Parameters
    ----------
    order, first, faces : of :func:`downstream_order`
    volume, leaving : (n,) mm3, and mm3/s that leave each cell by faces and terminals
    source : (n,) mm3/s of undiluted contrast medium that enter
    step, steps : s, and how many
    """
    for _ in range(steps):
        for k in range(len(order)):
            i = order[k]
            held = volume[i] / step
            comes = source[i] + held * share[i]
            for e in range(first[i], first[i + 1]):
                f = faces[e]
                up = owner[f] if flow[f] > 0.0 else neighbour[f]
                comes += abs(flow[f]) * share[up]
            share[i] = comes / (held + leaving[i])
