"""Intervals against published numbers, exact cases, and their own coverage."""

import numpy as np
import pytest

from tests.validation.intervals import (
    mean_difference,
    median,
    mixed_median,
    mixed_share,
    ratio,
    share,
    spread,
)


def test_wilson() -> None:
    found = share([True] * 10 + [False] * 90)  # Brown, Cai, DasGupta 2001, Stat Sci 16:101
    assert (found.value, found.runs) == (0.1, 100)
    assert (found.low, found.high) == pytest.approx((0.0552, 0.1744), abs=1e-4)
    assert share([False] * 10).low == 0.0
    assert np.isnan(share([]).value)


def test_median_takes_never_for_a_value() -> None:
    assert median([1.0, 2.0, np.inf]).value == 2.0
    assert median([1.0, np.inf]).value == np.inf
    assert np.isnan(median([]).value)
    found = median(np.arange(100.0))
    # order statistics 40 and 61 of 100 (binomial quantiles; Hahn & Meeker, table A.15)
    assert (found.low, found.high) == (39.0, 60.0)


def test_ratio_and_spread() -> None:
    found = ratio([1.0, 1.0], [2.0, 2.0])
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)
    assert np.isnan(ratio([1.0], [0.0]).value)
    found = spread(np.arange(1001.0))
    assert (found.value, found.low, found.high) == (500.0, 25.0, 975.0)


def test_difference_of_means() -> None:
    rng = np.random.default_rng(0)
    found = mean_difference(rng.normal(3.0, 1.0, 400), rng.normal(1.0, 2.0, 400))
    assert found.low < 2.0 < found.high
    # 1.96 sqrt(1/400 + 4/400)
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(5 / 400), rel=0.1)
    assert np.isinf(mean_difference([1.0], [2.0, 3.0]).high)


def test_one_stratum_is_no_mix() -> None:
    flags = np.array([1.0] * 30 + [0.0] * 70)
    one, mixed = share(flags), mixed_share([(1.0, np.arange(100), flags)])
    assert mixed.value == pytest.approx(one.value)
    assert (mixed.low, mixed.high) == pytest.approx((one.low, one.high), abs=2e-3)
    values = np.random.default_rng(0).normal(size=101)
    assert mixed_median([(1.0, np.arange(101), values)]).value == median(values).value


def test_all_or_none_still_has_an_interval() -> None:
    none = [(0.5, np.arange(20), np.zeros(20)), (0.5, np.arange(20), np.zeros(20))]
    assert mixed_share(none).value == 0.0
    assert mixed_share(none).high == pytest.approx(share(np.zeros(20)).high)


def test_mixed_share_covers_the_truth() -> None:
    """Strata that share their draws: about 95 of 100 intervals hold the share of the mix."""
    rng, held, times, n = np.random.default_rng(3), 0, 400, 120
    for _ in range(times):
        common = rng.normal(size=n)  # makes the strata of a draw alike
        strata = []
        for weight, middle in ((0.6, -0.5), (0.4, 0.5)):
            flag = (0.7 * common + np.sqrt(0.51) * rng.normal(size=n) < middle).astype(float)
            strata.append((weight, np.arange(n), flag))
        found = mixed_share(strata)
        truth = 0.6 * 0.3085 + 0.4 * 0.6915  # normal distribution function at -0.5 and 0.5
        held += found.low <= truth <= found.high
    # two standard errors of 400 are 0.022
    assert held / times == pytest.approx(0.95, abs=0.03)


def test_mixed_median_weighs_its_strata() -> None:
    low, high = np.linspace(0, 1, 51), np.linspace(10, 11, 11)
    strata = [(0.3, np.arange(51), low), (0.7, np.arange(11), high)]
    found = mixed_median(strata)
    assert 10.0 < found.value < 11.0
    assert found.low <= found.value <= found.high
