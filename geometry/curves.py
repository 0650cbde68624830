"""Smooth curves through knots without overshoot: monotone cubics.

The rule is that of SciPy's ``PchipInterpolator``, whose module takes longer to load than all
curves of the skeleton take to lay. Splines are in :mod:`geometry.kernels.trunk`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def monotone(knots: ArrayLike, values: ArrayLike, at: ArrayLike) -> FloatArray:
    """Cubic without overshoot through `values` (k,) or (k, d) at `knots` (k,), k > 2.

    Fritsch & Butland, SIAM J. Sci. Stat. Comput. 5 (1984) 300: the slope at a knot is the
    weighted harmonic mean of those beside it, 0 at an extreme.
    """
    x, y, t = (np.asarray(a, dtype=float) for a in (knots, values, at))
    h, columns = np.diff(x)[:, None], y.reshape(len(x), -1)
    m = np.diff(columns, axis=0) / h
    turns = (np.sign(m[1:]) != np.sign(m[:-1])) | (m[1:] == 0) | (m[:-1] == 0)
    w1, w2 = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (w1 / m[:-1] + w2 / m[1:]) / (w1 + w2)
        slope = np.zeros_like(columns)
        slope[1:-1] = np.where(turns, 0.0, 1.0 / mean)
    slope[0] = _end_slope(h[0], h[1], m[0], m[1])
    slope[-1] = _end_slope(h[-1], h[-2], m[-1], m[-2])
    return _hermite(x, columns, slope, t).reshape(t.shape + y.shape[1:])


def _end_slope(h0: FloatArray, h1: FloatArray, m0: FloatArray, m1: FloatArray) -> FloatArray:
    """Slope of the end knot from three points, held so that the piece stays monotone."""
    slope = ((2 * h0 + h1) * m0 - h0 * m1) / (h0 + h1)
    turned = np.sign(slope) != np.sign(m0)
    steep = (np.sign(m0) != np.sign(m1)) & (np.abs(slope) > 3.0 * np.abs(m0))
    return np.where(turned, 0.0, np.where(steep, 3.0 * m0, slope))


def _hermite(x: FloatArray, y: FloatArray, slope: FloatArray, at: FloatArray) -> FloatArray:
    """Piecewise cubic of given values and slopes (k, d) at `at` (j,), as (j, d)."""
    h = np.diff(x)[:, None]
    m = np.diff(y, axis=0) / h
    bend = (slope[:-1] + slope[1:] - 2 * m) / h
    piece = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(h) - 1)
    s = (at - x[piece])[:, None]
    square = s * s
    cubic, quadratic = bend / h, (m - slope[:-1]) / h - bend
    return np.asarray(
        y[piece] + slope[piece] * s + quadratic[piece] * square + cubic[piece] * (square * s)
    )
