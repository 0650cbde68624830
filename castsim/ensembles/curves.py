"""Curves: how often a thing has happened by each injected volume, with 95 % intervals."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import ndtri

from castsim.ensembles.targets import Targets

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

EVENTS = {
    "covered": "the root is covered",
    "azygos_reflux": "agent has entered the azygos system",
    "embolised": "agent has been carried off with the blood",
    "hazard": "agent has reached intradural veins",
    "over_pressure": "the tip's pressure has exceeded what the vein bears",
    "covered_and_safe": "covered, and none of the other four",
    "adjacent": "agent is seen at another level",
    "stopped": "the injection has stalled",
}
"""What may have happened by a volume."""
COLUMNS = (
    "arm",
    "error",
    "stalled",
    "injected_mL",
    "over_pressure_mL",
    "coverage_deg",
    "azygos_mL",
    "embolised_mL",
    "hazard_mL",
    "adjacent_mL",
)
"""What of the store :func:`events` reads."""


@dataclass(frozen=True)
class Chance:
    """Share of draws in which an event has happened by each volume, with its 95 % interval.

    Attributes
    ----------
    estimate, low, high : (v,) 0 to 1
    """

    estimate: FloatArray
    low: FloatArray
    high: FloatArray


def events(table: pa.Table, volumes_mL: FloatArray, targets: Targets) -> dict[str, BoolArray]:
    """Which of `EVENTS` has happened by each volume, (draws, volumes) each.

    Parameters
    ----------
    table : rows of one arm without errors, with `COLUMNS`
    """
    curve = {name: _matrix(table, name, len(volumes_mL)) for name in COLUMNS[5:]}
    covered = curve["coverage_deg"] >= targets.coverage_deg
    happened = {
        "azygos_reflux": curve["azygos_mL"] >= targets.azygos_mL,
        "embolised": curve["embolised_mL"] >= targets.embolised_mL,
        "hazard": curve["hazard_mL"] >= targets.hazard_mL,
        "over_pressure": _column(table, "over_pressure_mL")[:, None] <= volumes_mL,
    }
    unsafe = np.logical_or.reduce(list(happened.values()))
    stalled = table["stalled"].to_numpy()
    return {
        "covered": covered,
        **happened,
        "covered_and_safe": covered & ~unsafe,
        "adjacent": curve["adjacent_mL"] >= targets.adjacent_mL,
        "stopped": stalled[:, None] & (_column(table, "injected_mL")[:, None] < volumes_mL),
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
    return Chance(share, np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0))


def bands(
    table: pa.Table, names: Mapping[str, str], points: int, shares: tuple[float, ...]
) -> dict[str, FloatArray]:
    """Quantiles of curves over the draws, (shares, volumes) each."""
    return {name: np.quantile(_matrix(table, name, points), shares, axis=0) for name in names}


def _matrix(table: pa.Table, name: str, points: int) -> NDArray[np.float32]:
    """A column of curves as (draws, volumes)."""
    values = table[name].combine_chunks().flatten().to_numpy()
    return np.asarray(values).reshape(-1, points)


def _column(table: pa.Table, name: str) -> FloatArray:
    return np.asarray(table[name].to_numpy(), dtype=float)
