"""Curves: how often a thing has happened by each injected volume, with 95 % intervals."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import ndtri

from castsim.ensembles.columns import CURVES
from castsim.ensembles.targets import Targets

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

EVENTS = {
    "covered": "the root is covered",
    "azygos_reflux": "agent has entered the azygos system",
    "embolised": "agent has left with the blood towards the lungs",
    "hazard": "agent has reached intradural veins",
    "over_pressure": "the tip's pressure has exceeded what the vein bears",
    "covered_and_safe": "covered; no azygos reflux, nothing towards the lungs, no intradural "
    "agent, no over-pressure",
    "adjacent": "agent is seen at another level",
    "stopped": "the injection has come to an end, nothing more goes in",
}
"""What may have happened by a volume. Coverage may be lost again, where blood tears a vein open."""
COLUMNS = (
    "arm",
    "error",
    "unreachable",
    "stalled",
    "truncated",
    "injected_mL",
    "coverable_deg",
    "over_pressure_mL",
    "coverage_deg",
    "azygos_mL",
    "embolised_mL",
    "hazard_mL",
    "adjacent_mL",
)
"""What of the store a plan reads, besides inputs."""


@dataclass(frozen=True)
class Chance:
    """Share of draws in which an event has happened by each volume, with its 95 % interval.

    The interval is Wilson's for independent draws. Seeds are independent; points of a scrambled
    Sobol sequence spread more evenly than independent ones (Owen 1997, SIAM J Numer Anal 34:1884),
    so that the interval errs on the wide side if on any. With fewer than about 128 points some
    pairs of coordinates are entangled, and it may err on either.

    Attributes
    ----------
    estimate, low, high : (v,) 0 to 1
    """

    estimate: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class Mark:
    """Volume by which the chance of an event has first reached a share.

    Attributes
    ----------
    event : of `EVENTS`
    share : 0 to 1
    volume_mL : None: not by the largest volume tried
    low_mL, high_mL : 95 % interval, where the upper and the lower end of the chance's own interval
        reach the share; None: not by the largest volume tried
    first : whether `volume_mL` is the least volume tried, so that it may as well lie below
    """

    event: str
    share: float
    volume_mL: float | None
    low_mL: float | None
    high_mL: float | None
    first: bool


def events(table: pa.Table, volumes_mL: FloatArray, targets: Targets) -> dict[str, BoolArray]:
    """Which of `EVENTS` has happened by each volume, (draws, volumes) each.

    Parameters
    ----------
    table : rows of one arm that came to their end, with `COLUMNS`
    """
    curve = {name: matrix(table, name, len(volumes_mL)) for name in COLUMNS if name in CURVES}
    covered = curve["coverage_deg"] >= targets.coverage_deg
    happened = {
        "azygos_reflux": curve["azygos_mL"] >= targets.azygos_mL,
        "embolised": curve["embolised_mL"] >= targets.embolised_mL,
        "hazard": curve["hazard_mL"] >= targets.hazard_mL,
        "over_pressure": column(table, "over_pressure_mL")[:, None] <= volumes_mL,
    }
    unsafe = np.logical_or.reduce(list(happened.values()))
    injected = column(table, "injected_mL")
    # what the catheter's slack holds back at the end is less than a step of the grid
    ended = table["stalled"].to_numpy() | (injected < volumes_mL[-1] - volumes_mL[0])
    return {
        "covered": covered,
        **happened,
        "covered_and_safe": covered & ~unsafe,
        "adjacent": curve["adjacent_mL"] >= targets.adjacent_mL,
        "stopped": ended[:, None] & (injected[:, None] < volumes_mL),
    }


def chance(happened: BoolArray) -> Chance:
    """Share of the rows of `happened` (draws, volumes), with the interval of Wilson (1927)."""
    return wilson(happened.sum(axis=0), happened.shape[0])


def wilson(count: NDArray[np.int64], total: int) -> Chance:
    """Interval of Wilson (1927, J Am Stat Assoc 22:209) for `count` of `total`, 95 %.

    >>> one = wilson(np.array([0, 5]), 10)
    >>> one.low.round(3).tolist(), one.high.round(3).tolist()
    ([0.0, 0.237], [0.278, 0.763])
    """
    z = float(ndtri(0.975))
    share = count / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z * np.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    half = half / (1 + z * z / total)
    # at none and at all the ends are exactly 0 and 1, which rounding misses
    low = np.where(count == 0, 0.0, middle - half)
    return Chance(share, low, np.where(count == total, 1.0, middle + half))


def share(happened: BoolArray) -> tuple[float, float, float]:
    """Share of the draws (draws,) in which something happened, and its interval of Wilson."""
    one = wilson(np.array([happened.sum()]), len(happened))
    return float(one.estimate[0]), float(one.low[0]), float(one.high[0])


def mark(event: str, one: Chance, volumes_mL: FloatArray, share: float) -> Mark:
    """Least volume by which the chance of `event` is at least `share`, with its interval."""
    low, volume, high = (
        _first(curve, volumes_mL, share) for curve in (one.high, one.estimate, one.low)
    )
    return Mark(event, share, volume, low, high, first=volume == volumes_mL[0])


def _first(curve: FloatArray, volumes_mL: FloatArray, share: float) -> float | None:
    reached = np.flatnonzero(curve >= share)
    return float(volumes_mL[reached[0]]) if len(reached) else None


def bands(
    table: pa.Table, names: Iterable[str], points: int, shares: tuple[float, ...]
) -> dict[str, FloatArray]:
    """Quantiles of curves over the draws, (shares, volumes) each."""
    return {name: np.quantile(matrix(table, name, points), shares, axis=0) for name in names}


def matrix(table: pa.Table, name: str, points: int) -> NDArray[np.float32]:
    """A column of curves as (draws, volumes)."""
    values = table[name].combine_chunks().flatten().to_numpy()
    return np.asarray(values).reshape(-1, points)


def column(table: pa.Table, name: str) -> FloatArray:
    """A column of numbers; NaN where there is none."""
    return np.asarray(table[name].to_numpy(), dtype=float)
