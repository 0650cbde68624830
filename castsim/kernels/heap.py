"""A binary heap of ways: least threshold first, of equal ones the lower tie.

Each way is one record, so that a look at it touches one place in memory. The heap's array has room
for all that may ever wait; the caller keeps the size.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geometry.kernels.compiling import kernel, law

WAY = np.dtype([("threshold", np.float64), ("tie", np.int32), ("node", np.int32)])
"""Threshold of the gate; what decides between equal ones; the node that the way leads to."""
WayArray = NDArray[Any]


@law
def before(threshold: float, tie: np.int32, other_threshold: float, other_tie: np.int32) -> bool:
    """Whether the first way goes before the other."""
    if threshold == other_threshold:
        return bool(tie < other_tie)
    return threshold < other_threshold


@kernel
def push(heap: WayArray, size: int, threshold: float, tie: np.int32, node: np.int32) -> int:
    """Add a way to the heap; returns its new size."""
    place = size
    while place > 0:
        above = (place - 1) >> 1
        if not before(threshold, tie, heap[above]["threshold"], heap[above]["tie"]):
            break
        heap[place] = heap[above]
        place = above
    heap[place]["threshold"] = threshold
    heap[place]["tie"] = tie
    heap[place]["node"] = node
    return size + 1


@kernel
def drop_top(heap: WayArray, size: int) -> int:
    """Remove the way at index 0, which goes first; returns the new size."""
    size -= 1
    threshold, tie = heap[size]["threshold"], heap[size]["tie"]
    place = 0
    below = 1
    while below < size:
        if below + 1 < size and before(
            heap[below + 1]["threshold"],
            heap[below + 1]["tie"],
            heap[below]["threshold"],
            heap[below]["tie"],
        ):
            below += 1
        if not before(heap[below]["threshold"], heap[below]["tie"], threshold, tie):
            break
        heap[place] = heap[below]
        place = below
        below = 2 * place + 1
    heap[place] = heap[size]
    return size
