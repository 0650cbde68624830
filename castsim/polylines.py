"""Polylines: points by arc length, stretches of equal truth, fewer points for the same curve."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from geometry.network import FloatArray, IntArray


def arc_length(points: FloatArray) -> FloatArray:
    """Arc length from the first point to each, (k,) mm, for points (k, 3) mm."""
    step = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(step)])


def points_at(points: FloatArray, arc: FloatArray) -> FloatArray:
    """Points (j, 3) mm of a polyline (k, 3) at arc lengths (j,) mm; ends are not passed."""
    along = arc_length(points)
    return np.column_stack([np.interp(arc, along, points[:, axis]) for axis in range(3)])


def stretches(keep: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First index and one past the last of every unbroken run of True.

    Examples
    --------
    >>> list(stretches(np.array([True, True, False, True])))
    [(0, 2), (3, 4)]
    """
    edge = np.flatnonzero(np.diff(keep.astype(np.int8), prepend=0, append=0))
    yield from zip(edge[::2].tolist(), edge[1::2].tolist(), strict=True)


def simplified(points: FloatArray, radius: FloatArray, tolerance_mm: float) -> IntArray:
    """Points of a polyline to keep so that centreline and radius move by `tolerance_mm` at most.

    The rule of Douglas and Peucker in four dimensions, the fourth being the radius.

    Parameters
    ----------
    points : (k, 3) mm
    radius : (k,) mm

    Returns
    -------
    (j,) increasing indices, both ends among them
    """
    curve = np.column_stack([points, radius])
    keep = np.zeros(len(curve), dtype=bool)
    keep[[0, -1]] = True
    stack = [(0, len(curve) - 1)]
    while stack:
        first, last = stack.pop()
        if last - first < 2:
            continue
        chord = curve[last] - curve[first]
        inner = curve[first + 1 : last] - curve[first]
        length2 = chord @ chord
        share = (
            np.clip(inner @ chord / length2, 0.0, 1.0) if length2 > 0.0 else np.zeros(len(inner))
        )
        away = np.linalg.norm(inner - share[:, None] * chord, axis=1)
        worst = int(np.argmax(away))
        if away[worst] > tolerance_mm:
            middle = first + 1 + worst
            keep[middle] = True
            stack += [(first, middle), (middle, last)]
    return np.flatnonzero(keep)
