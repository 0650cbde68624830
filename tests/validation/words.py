"""Numbers as the page writes them."""

import numpy as np
from numpy.typing import ArrayLike

from tests.validation.intervals import Estimate, median

THREE_DIGITS_FROM, WHOLE_FROM = 1.0, 100.0


def number(value: float) -> str:
    """Two digits that count, three from 1 on, whole from 100 on; never and nothing as words."""
    if np.isnan(value):
        return "–"
    if np.isinf(value):
        return "never" if value > 0 else "−never"
    if abs(value) >= WHOLE_FROM:
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) >= THREE_DIGITS_FROM else f"{value:.2g}"


def middle(values: ArrayLike) -> str:
    """The median in words."""
    return number(median(values).value)


def estimate(found: Estimate) -> str:
    """Value with its interval."""
    if found.low == found.high == found.value:
        return number(found.value)
    return f"{number(found.value)} ({number(found.low)} to {number(found.high)})"


def percent(found: Estimate) -> str:
    """A share in percent with its interval."""
    value, low, high = (f"{100 * one:.0f}" for one in (found.value, found.low, found.high))
    return f"{value} % ({low}–{high})"


def band(low: float, high: float) -> str:
    """The band of a target."""
    if np.isinf(low) and np.isinf(high):
        return ""
    if np.isinf(low) or low == 0.0:
        return f"≤ {high:g}"
    return f"≥ {low:g}" if np.isinf(high) or high == 1.0 else f"{low:g} to {high:g}"
