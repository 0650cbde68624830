"""Estimators and intervals of a plan against exact answers, and against what they promise.

Seeds are fixed. Each test of a promise says how often a random seed would fail it if the promise
were kept to the letter: `ONCE_IN` is one in a hundred thousand.
"""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from castsim.ensembles.curves import wilson
from castsim.ensembles.drivers import LEVEL, bonett_wright, correlate
from castsim.ensembles.indices import sobol_indices
from castsim.ensembles.recommending import recommend

FloatArray = np.ndarray
ONCE_IN = 1e-5
VOLUMES = 0.02 * np.arange(1, 101)


def assert_holds(hits: int, tries: int, promised: float = 0.95) -> None:
    """`hits` of `tries` intervals hold the truth; fails once in `1 / ONCE_IN` if as promised."""
    test = stats.binomtest(hits, tries, promised, alternative="less")
    assert test.pvalue > ONCE_IN, f"{hits} of {tries} intervals hold the truth"


@pytest.mark.parametrize("total", [1, 2, 10, 1000, 100_000])
def test_wilson_is_scipys(total: int) -> None:
    count = np.unique(np.linspace(0, total, 11).astype(int))
    one = wilson(count, total)
    for k, n in enumerate(count):
        exact = stats.binomtest(int(n), total).proportion_ci(0.95, method="wilson")
        assert one.low[k] == pytest.approx(exact.low, abs=1e-12)
        assert one.high[k] == pytest.approx(exact.high, abs=1e-12)


# -- the recommended volume ----------------------------------------------------------------------


class Doses:
    """Patients that are covered from one volume on and reflux from another, both lognormal."""

    def __init__(self, covers: tuple[float, float], refluxes: tuple[float, float]) -> None:
        self.covers, self.refluxes = covers, refluxes
        low, high = (
            stats.norm.cdf((np.log(VOLUMES) - np.log(middle)) / width)
            for middle, width in (covers, refluxes)
        )
        self.chance = low * (1.0 - high)
        self.best = VOLUMES[self.chance.argmax()]

    def draw(self, rng: np.random.Generator, draws: int) -> np.ndarray:
        low, high = (
            np.exp(rng.normal(np.log(middle), width, (draws, 1)))
            for middle, width in (self.covers, self.refluxes)
        )
        return (low <= VOLUMES) & (high > VOLUMES)


SHARP = Doses((0.3, 0.4), (0.8, 0.5))
"""74 % succeed at 0.48 mL."""
RARE = Doses((0.9, 1.0), (0.25, 0.8))
"""6 % succeed at 0.38 mL."""


@pytest.mark.parametrize(("doses", "draws"), [(SHARP, 128), (RARE, 512)])
def test_intervals_hold_the_best_and_the_recommended_volume(doses: Doses, draws: int) -> None:
    rng = np.random.default_rng(1)
    tries, hits, optimism, excess = 100, 0, [], []
    given, intervals = [], []
    for _ in range(tries):
        one = recommend(doses.draw(rng, draws), VOLUMES, 0)
        assert one is not None
        assert one.best_interval is not None
        assert one.interval is not None
        hits += one.best_interval[0] <= doses.best <= one.best_interval[1]
        optimism.append(one.optimism)
        given.append(one.volume)
        intervals.append(one.interval)
    assert_holds(hits, tries)
    # the rule's own truth: what it gives in the middle of all samples of this size
    rule = np.median(given)
    assert_holds(sum(low <= rule <= high for low, high in intervals), tries)
    # what is told of the optimism is what it is, within a third
    for _ in range(1000):
        success = doses.draw(rng, draws).mean(axis=0)
        excess.append(success.max() - doses.chance[success.argmax()])
    assert np.mean(optimism) == pytest.approx(np.mean(excess), rel=0.34)
    assert np.mean(excess) > 0.0


def test_the_window_is_that_of_many_draws() -> None:
    one = recommend(SHARP.draw(np.random.default_rng(2), 100_000), VOLUMES, 0)
    assert one is not None
    inside = VOLUMES[SHARP.chance >= 0.9 * SHARP.chance.max()]
    assert one.window == pytest.approx((inside[0], inside[-1]), abs=0.021)
    assert one.volume == pytest.approx(SHARP.best, abs=0.041)
    assert one.other_stretches == ()
    assert abs(one.optimism) < 1e-3


# -- rank correlations ---------------------------------------------------------------------------


def related(rng: np.random.Generator, rho: float, draws: int) -> tuple[FloatArray, FloatArray]:
    x, noise = rng.normal(size=(2, draws))
    return x, rho * x + np.sqrt(1.0 - rho**2) * noise


@pytest.mark.parametrize("rho", [0.0, -0.3, 0.6, 0.9])
def test_spearman_of_a_normal_pair_is_known(rho: float) -> None:
    # Pearson 1907: rho_S = 6/pi asin(rho / 2)
    x, y = related(np.random.default_rng(0), rho, 200_000)
    (row,) = correlate({"in.x": x}, y)
    assert row.rho == pytest.approx(6.0 / np.pi * np.arcsin(rho / 2.0), abs=0.01)
    assert row.low <= 6.0 / np.pi * np.arcsin(rho / 2.0) <= row.high


def continuous(values: FloatArray) -> FloatArray:
    return values


def binary(values: FloatArray) -> FloatArray:
    return (values > 1.2).astype(float)


def mostly_nothing(values: FloatArray) -> FloatArray:
    return np.maximum(values, 0.5)


@pytest.mark.parametrize("rho", [0.0, 0.6])
@pytest.mark.parametrize("outcome", [continuous, binary, mostly_nothing])
def test_spearman_intervals_hold_the_truth(
    rho: float, outcome: Callable[[FloatArray], FloatArray]
) -> None:
    rng = np.random.default_rng(3)
    x, y = related(rng, rho, 1_000_000)
    truth = stats.spearmanr(x, outcome(y)).statistic
    tries, draws = 600, 128
    found = []
    for _ in range(tries):
        x, y = related(rng, rho, draws)
        found.append(stats.spearmanr(x, outcome(y)).statistic)
    low, high = bonett_wright(np.array(found), np.full(tries, draws))
    assert_holds(int(((low <= truth) & (truth <= high)).sum()), tries)


def test_of_many_inputs_without_influence_none_is_clear() -> None:
    rng = np.random.default_rng(4)
    tries, inputs, draws = 200, 27, 128
    alarms, excluded = 0, 0
    for _ in range(tries):
        rows = correlate(
            {f"in.{k}": rng.normal(size=draws) for k in range(inputs)}, rng.normal(size=draws)
        )
        alarms += any(row.clear for row in rows)
        excluded += sum(row.low > 0.0 or row.high < 0.0 for row in rows)
    # without the correction some input stands out in three of four ensembles
    assert_holds(tries - alarms, tries, 1.0 - LEVEL)
    assert excluded == pytest.approx(LEVEL * inputs * tries, rel=0.2)


# -- Sobol' indices ------------------------------------------------------------------------------


class Known:
    """A function of independent uniform inputs whose indices are known."""

    def __init__(
        self, function: Callable[[FloatArray], FloatArray], first: FloatArray, total: FloatArray
    ) -> None:
        self.function, self.first, self.total = function, first, total

    def design(self, a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        crossed = []
        for k in range(len(self.first)):
            mixed = a.copy()
            mixed[k] = b[k]
            crossed.append(self.function(mixed))
        return self.function(a), self.function(b), np.stack(crossed)


def ishigami() -> Known:
    """Ishigami and Homma 1990: sin x1 + 7 sin² x2 + 0.1 x3⁴ sin x1 on [-pi, pi]."""

    def function(share: FloatArray) -> FloatArray:
        x = np.pi * (2.0 * share - 1.0)
        return np.sin(x[0]) + 7.0 * np.sin(x[1]) ** 2 + 0.1 * x[2] ** 4 * np.sin(x[0])

    b = 0.1
    one, two = 0.5 * (1.0 + b * np.pi**4 / 5.0) ** 2, 49.0 / 8.0
    joint = 8.0 * b**2 * np.pi**8 / 225.0
    variance = one + two + joint
    return Known(
        function,
        np.array([one, two, 0.0]) / variance,
        np.array([one + joint, two, joint]) / variance,
    )


def g_function() -> Known:
    """Sobol' g: product of (|4 x - 2| + a) / (1 + a) (Saltelli et al. 2010, eq. 12)."""
    a = np.array([0.0, 1.0, 4.5, 9.0, 99.0, 99.0])
    parts = 1.0 / (3.0 * (1.0 + a) ** 2)
    variance = np.prod(1.0 + parts) - 1.0
    return Known(
        lambda x: np.prod((np.abs(4.0 * x - 2.0) + a[:, None]) / (1.0 + a[:, None]), axis=0),
        parts / variance,
        parts * np.prod(1.0 + parts) / (1.0 + parts) / variance,
    )


def linear() -> Known:
    """x1 + 2 x2 + 3 x3 + 4 x4: nothing is made jointly."""
    weight = np.arange(1.0, 5.0)
    shares = weight**2 / (weight**2).sum()
    return Known(lambda x: weight @ x, shares, shares)


def both() -> Known:
    """Whether x1 and x2 lie below a third: an event of one in nine."""
    third = 1.0 / 3.0
    variance = third**2 * (1.0 - third**2)
    # variance of the mean given x1: (1/3)² (1/3)(2/3)
    alone = third**2 * third * (1.0 - third) / variance
    return Known(
        lambda x: ((x[0] < third) & (x[1] < third)).astype(float),
        np.array([alone, alone, 0.0]),
        np.array([1.0 - alone, 1.0 - alone, 0.0]),
    )


KNOWN = {"ishigami": ishigami, "g": g_function, "linear": linear, "both": both}


@pytest.mark.parametrize("name", KNOWN)
def test_indices_are_exact_for_many_rows(name: str) -> None:
    one = KNOWN[name]()
    inputs = len(one.first)
    points = stats.qmc.Sobol(2 * inputs, rng=np.random.default_rng(0)).random(2**13).T
    first, total = sobol_indices(*one.design(points[:inputs], points[inputs:]), 0)
    assert [share.estimate for share in first] == pytest.approx(one.first, abs=0.02)
    assert [share.estimate for share in total] == pytest.approx(one.total, abs=0.02)


@pytest.mark.parametrize("name", KNOWN)
def test_indices_are_scipys(name: str) -> None:
    one = KNOWN[name]()
    f_a, f_b, f_ab = one.design(*np.random.default_rng(1).random((2, len(one.first), 256)))
    ours = sobol_indices(f_a, f_b, f_ab, 0)
    theirs = stats.sobol_indices(
        func={"f_A": f_a[None], "f_B": f_b[None], "f_AB": f_ab[:, None]}, n=256
    )
    for mine, yours in zip(ours, (theirs.first_order, theirs.total_order), strict=True):
        assert [share.estimate for share in mine] == pytest.approx(np.ravel(yours), abs=1e-12)


@pytest.mark.parametrize("name", KNOWN)
def test_index_intervals_hold_the_truth(name: str) -> None:
    one = KNOWN[name]()
    rng = np.random.default_rng(2)
    tries, rows = 60, 256
    hits = np.zeros((2, len(one.first)), dtype=int)
    for _ in range(tries):
        shares = sobol_indices(*one.design(*rng.random((2, len(one.first), rows))), 0)
        for k, truth in enumerate((one.first, one.total)):
            hits[k] += [
                share.low - 1e-12 <= value <= share.high + 1e-12
                for share, value in zip(shares[k], truth, strict=True)
            ]
    # percentile intervals of 256 rows hold somewhat less than they promise: 0.90 at the least
    for count in hits.ravel():
        assert_holds(int(count), tries, 0.90)
