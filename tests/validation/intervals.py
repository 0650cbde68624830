"""Intervals of 95 % for shares and medians of independent draws."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom

Z = 1.959963984540054
RESAMPLES, RESAMPLE_SEED = 4000, 0


def wilson(count: int, draws: int) -> tuple[float, float]:
    """Wilson's score interval of a share (Wilson 1927, JASA 22:209)."""
    if draws == 0:
        return 0.0, 1.0
    share = count / draws
    middle = (share + Z**2 / (2 * draws)) / (1 + Z**2 / draws)
    half = Z / (1 + Z**2 / draws) * np.sqrt(share * (1 - share) / draws + (Z / (2 * draws)) ** 2)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def median_interval(values: ArrayLike) -> tuple[float, float, float]:
    """Median and the order statistics that hold it, whatever the distribution; inf is a value."""
    ordered = np.sort(np.asarray(values, dtype=float))
    n = len(ordered)
    if n == 0:
        return np.nan, np.nan, np.nan
    low = max(int(binom.ppf(0.025, n, 0.5)) - 1, 0)
    middle = (ordered[(n - 1) // 2], ordered[n // 2])
    # the mean of two infinities is one; their difference would be nan
    median = middle[0] if middle[0] == middle[1] else (middle[0] + middle[1]) / 2
    return float(median), float(ordered[low]), float(ordered[n - 1 - low])


def ratio_interval(above: ArrayLike, below: ArrayLike) -> tuple[float, float, float]:
    """Ratio of the sums of paired values with the bootstrap's percentiles over the pairs."""
    one, two = np.asarray(above, dtype=float), np.asarray(below, dtype=float)
    if len(one) == 0 or two.sum() == 0.0:
        return np.nan, np.nan, np.nan
    pick = np.random.default_rng(RESAMPLE_SEED).integers(len(one), size=(RESAMPLES, len(one)))
    low, high = np.percentile(
        one[pick].sum(axis=1) / np.maximum(two[pick].sum(axis=1), np.finfo(float).tiny),
        [2.5, 97.5],
    )
    return float(one.sum() / two.sum()), float(low), float(high)
