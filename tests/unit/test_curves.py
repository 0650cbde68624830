"""Curves through knots: the same numbers as SciPy's, which they stand in for."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline, PchipInterpolator

from geometry.curves import monotone
from geometry.kernels.trunk import LEAST_NOT_A_KNOT, spline


def uneven(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Knots at uneven steps, values with a level stretch and turns, and places between."""
    rng = np.random.default_rng(count)
    knots = np.cumsum(rng.uniform(0.1, 3.0, count))
    values = rng.normal(size=(count, 3))
    values[1, 0] = values[0, 0]
    return knots, values, np.linspace(knots[0], knots[-1], 101)


@pytest.mark.parametrize("count", [3, 4, 5, 26])
def test_monotone_is_scipys(count: int) -> None:
    knots, values, at = uneven(count)
    expected = PchipInterpolator(knots, values)(at)
    np.testing.assert_allclose(monotone(knots, values, at), expected, rtol=0, atol=1e-13)
    column = monotone(knots, values[:, 1], at)
    np.testing.assert_allclose(column, expected[:, 1], rtol=0, atol=1e-13)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 26])
def test_spline_is_scipys(count: int) -> None:
    knots, values, at = uneven(count)
    ends = "natural" if count < LEAST_NOT_A_KNOT else "not-a-knot"
    expected = CubicSpline(knots, values, bc_type=ends)(at)
    np.testing.assert_allclose(spline(knots, values, at), expected, rtol=0, atol=1e-13)
