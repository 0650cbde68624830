"""Intervals of 95 % for shares, medians and ratios over draws."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri
from scipy.stats import binom

FloatArray = NDArray[np.float64]

Z = float(ndtri(0.975))
RESAMPLES, RESAMPLE_SEED = 2000, 0


@dataclass(frozen=True)
class Estimate:
    """A number with its interval of 95 %, and of how many runs; inf is a value (never)."""

    value: float
    low: float
    high: float
    runs: int


def share(flags: ArrayLike) -> Estimate:
    """Share of independent runs in which something is so, with Wilson's interval."""
    flag = np.asarray(flags, dtype=float)
    if not len(flag):
        return Estimate(np.nan, 0.0, 1.0, 0)
    return Estimate(float(flag.mean()), *wilson(float(flag.mean()), len(flag)), len(flag))


def wilson(share: float, runs: float) -> tuple[float, float]:
    """Wilson's score interval (Wilson 1927, J Am Stat Assoc 22:209); `runs` need not be whole."""
    middle = (share + Z**2 / (2 * runs)) / (1 + Z**2 / runs)
    half = Z / (1 + Z**2 / runs) * np.sqrt(share * (1 - share) / runs + (Z / (2 * runs)) ** 2)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def median(values: ArrayLike) -> Estimate:
    """Median and the order statistics that hold it, whatever the distribution."""
    ordered = np.sort(np.asarray(values, dtype=float))
    n = len(ordered)
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    low = max(int(binom.ppf(0.025, n, 0.5)) - 1, 0)
    middle = (ordered[(n - 1) // 2], ordered[n // 2])
    # the mean of two infinities is one; their difference would be nan
    value = middle[0] if middle[0] == middle[1] else (middle[0] + middle[1]) / 2
    return Estimate(float(value), float(ordered[low]), float(ordered[n - 1 - low]), n)


def spread(values: ArrayLike) -> Estimate:
    """Median, and between what 95 % of the values lie: of one run that is not known well."""
    value = np.asarray(values, dtype=float)
    if not len(value):
        return Estimate(np.nan, np.nan, np.nan, 0)
    low, middle, high = np.quantile(value, [0.025, 0.5, 0.975])
    return Estimate(float(middle), float(low), float(high), len(value))


def ratio(above: ArrayLike, below: ArrayLike) -> Estimate:
    """Ratio of the sums of paired values with the bootstrap's percentiles over the pairs."""
    one, two = np.asarray(above, dtype=float), np.asarray(below, dtype=float)
    if len(one) == 0 or two.sum() == 0.0:
        return Estimate(np.nan, np.nan, np.nan, len(one))
    pick = _resamples(len(one))
    sums = np.maximum(two[pick].sum(axis=1), np.finfo(float).tiny)
    low, high = np.percentile(one[pick].sum(axis=1) / sums, [2.5, 97.5])
    return Estimate(float(one.sum() / two.sum()), float(low), float(high), len(one))


def mean_difference(one: ArrayLike, other: ArrayLike) -> Estimate:
    """Difference of the means of two groups of runs, normal with Welch's variance."""
    a, b = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    if min(len(a), len(b)) < 2:
        return Estimate(np.nan, -np.inf, np.inf, len(a) + len(b))
    value = float(a.mean() - b.mean())
    half = Z * float(np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)))
    return Estimate(value, value - half, value + half, len(a) + len(b))


Strata = list[tuple[float, NDArray[np.int64], FloatArray]]
"""Share of a stratum in the mix, (n,) numbers of its draws, (n,) values."""


def mixed_share(strata: Strata) -> Estimate:
    """Share in a mix of strata that have draws in common.

    Wilson's interval at the effective number of runs p (1 - p) / Var p (Korn and Graubard 1998,
    Survey Methodology 24:193); the variance is that of each draw's sum over the strata. Where all
    or none are so, the effective number is that of the draws.
    """
    draws = np.unique(np.concatenate([draw for _, draw, _ in strata]))
    n, residual, value = len(draws), np.zeros(len(draws)), 0.0
    for weight, draw, flag in strata:
        value += weight * float(flag.mean())
        residual[np.searchsorted(draws, draw)] += weight * (flag - flag.mean()) * n / len(flag)
    variance = float(residual.var(ddof=1)) / n
    runs = value * (1 - value) / variance if variance > 0.0 else float(n)
    value = min(max(value, 0.0), 1.0)
    return Estimate(value, *wilson(value, runs), sum(len(flag) for _, _, flag in strata))


def mixed_median(strata: Strata) -> Estimate:
    """Median in a mix of strata that have draws in common; bootstrap over the draws."""
    draws = np.unique(np.concatenate([draw for _, draw, _ in strata]))
    place = np.concatenate([np.searchsorted(draws, draw) for _, draw, _ in strata])
    value = np.concatenate([values for _, _, values in strata])
    weight = np.concatenate([np.full(len(v), share / len(v)) for share, _, v in strata])
    order = np.argsort(value, kind="stable")
    place, value, weight = place[order], value[order], weight[order]

    def weighted(times: FloatArray) -> float:
        total = np.cumsum(weight * times[place])
        return float(value[np.searchsorted(total, 0.5 * total[-1])])

    pick = _resamples(len(draws))
    found = [weighted(np.bincount(row, minlength=len(draws)).astype(float)) for row in pick]
    low, high = np.quantile(found, [0.025, 0.975], method="nearest")
    return Estimate(weighted(np.ones(len(draws))), float(low), float(high), len(value))


def _resamples(n: int) -> NDArray[np.int64]:
    return np.random.default_rng(RESAMPLE_SEED).integers(n, size=(RESAMPLES, n))
