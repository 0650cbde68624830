"""Recommending: which volume succeeds most often, and how sure that is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from castsim.ensembles.targets import plan_number

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
Interval = tuple[float, float]

RESAMPLES = 1000
"""Bootstrap samples: 25 on each side of a 95 % interval."""
_STREAM = 2
"""Spawn key of the bootstrap's random numbers; points and seeds have 0 and 1."""


@dataclass(frozen=True)
class Recommendation:
    """The volume to inject, by its chance to succeed. Volumes in mL.

    Attributes
    ----------
    volume : the least of the window at which the chance is not lower than the largest by more than
        one standard error (of the difference in the same draws): the rule of Breiman et al. 1984,
        Classification and Regression Trees, 3.4.3. What more agent risks is not in the chance of
        success, so that of volumes that cannot be told apart the least is taken
    best : the least of those with the largest chance
    interval : bootstrap interval of `volume`, 95 %; None: there are too few successes
        (``interval_successes``) to say
    best_interval : the same of `best`
    window : stretch about `best` in which the chance stays within 90 % of its largest. In few
        draws rather too narrow, as the largest of noisy chances is too large
    other_stretches : further ones, with volumes between that are clearly worse
    optimism : by how much the chance at `best` is too high because `best` was chosen by it
        (Efron 1983, J Am Stat Assoc 78:316, mean over the bootstrap)
    """

    volume: float
    best: float
    interval: Interval | None
    best_interval: Interval | None
    window: Interval
    other_stretches: tuple[Interval, ...]
    optimism: float


def recommend(success: BoolArray, volumes: FloatArray, seed: int) -> Recommendation | None:
    """Least volume with as good as most successes; None if there is no success at any volume.

    The bootstrap draws rows with replacement. It does so by their patterns, so that the order of
    the rows has no say.

    Parameters
    ----------
    success : (draws, v)
    volumes : (v,) rising
    seed : of the bootstrap
    """
    draws = len(success)
    successes = success.sum(axis=0)
    best = int(successes.argmax())
    if successes[best] == 0:
        return None
    patterns, count = np.unique(success, axis=0, return_counts=True)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_STREAM,)))
    # whole numbers, so that their sums are exact in whatever order they are taken
    weights = rng.multinomial(draws, count / draws, size=RESAMPLES)
    resampled = weights @ patterns.astype(float)
    chosen = resampled.argmax(axis=1)
    worse = (resampled < _enough(resampled[:, [best]])).mean(axis=0) >= 0.95
    stretches = _stretches(successes >= _enough(successes[best]), worse)
    run = next(one for one in stretches if one[0] <= best <= one[1])
    interval = best_interval = None
    if successes[best] >= plan_number("interval_successes"):
        given = [_given(patterns, *one, worse) for one in zip(weights, resampled, strict=True)]
        interval, best_interval = _middle(np.array(given), volumes), _middle(chosen, volumes)
    return Recommendation(
        volume=float(volumes[_given(patterns, count, successes, worse)]),
        best=float(volumes[best]),
        interval=interval,
        best_interval=best_interval,
        window=_ends(run, volumes),
        other_stretches=tuple(_ends(other, volumes) for other in stretches if other is not run),
        optimism=float((resampled.max(axis=1) - successes[chosen]).mean() / draws),
    )


def _given(patterns: BoolArray, count: IntArray, successes: FloatArray, worse: BoolArray) -> int:
    """Place of the volume that is recommended to draws of which `count` have each of `patterns`.

    The least of the stretch about the best that is worse by no more than a standard error. The
    error is that of no difference (McNemar 1947): of as many draws in which only one of the two
    volumes succeeds, so many fall to either by chance.
    """
    best = int(successes.argmax())
    stretches = _stretches(successes >= _enough(successes[best]), worse)
    first = next(low for low, high in stretches if low <= best <= high)
    lost = patterns[:, [best]].astype(int) - patterns[:, first : best + 1]
    return first + int(np.argmax((count @ lost) ** 2 <= count @ lost**2))


def _middle(place: IntArray, volumes: FloatArray) -> Interval:
    """Volumes between which 95 % of the places of bootstrap samples lie."""
    low, high = np.quantile(place, [0.025, 0.975], method="nearest")
    return float(volumes[low]), float(volumes[high])


def _enough(most: FloatArray) -> FloatArray:
    """Successes that a volume of the window has at the least; 18 of 20 are 90 % for certain."""
    return np.ceil(plan_number("window_share") * most - 1e-9)


def _stretches(good: BoolArray, worse: BoolArray) -> list[tuple[int, int]]:
    """First and last place of each run of `good`; runs with nothing `worse` between are one.

    A dip that is not clear is taken for noise, so that noise does not cut a window in pieces.

    >>> good = np.array([1, 0, 1, 0, 1, 1, 0], dtype=bool)
    >>> _stretches(good, np.array([0, 0, 0, 1, 0, 0, 1], dtype=bool))
    [(0, 2), (4, 5)]
    """
    places = np.flatnonzero(good)
    cuts = [k for k in range(1, len(places)) if worse[places[k - 1] + 1 : places[k]].any()]
    return [(int(run[0]), int(run[-1])) for run in np.split(places, cuts)]


def _ends(run: tuple[int, int], volumes: FloatArray) -> Interval:
    return float(volumes[run[0]]), float(volumes[run[1]])
