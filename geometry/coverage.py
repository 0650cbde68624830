"""Coverage: how far round its root the filled foraminal veins reach.

A filled vein inside the foramen whose wall lies close to the root sleeve covers the arc
theta +- asin(min(1, (R + w) / rho)) of the circle about the sleeve's axis; the union of the arcs,
in degrees, is the coverage. Lengths of the rule come from ``data/coverage.csv``.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from geometry.root_sleeve import RootSleeve

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

STATIONS = 3
"""Medial, middle and lateral third of the foramen."""


@cache
def coverage_rule() -> dict[str, float]:
    """The lengths of the rule, mm, by their names in ``data/coverage.csv``."""
    text = files("geometry").joinpath("data/coverage.csv").read_text("utf-8")
    return {row["quantity"]: float(row["value"]) for row in csv.DictReader(text.splitlines())}


@dataclass(frozen=True)
class RootCoverage:
    """Arcs that cells would cover of one root sleeve.

    Attributes
    ----------
    cell : (k,) cells near enough to the sleeve
    start, stop : (k,) rad, arc of each, start in [-pi, pi), stop > start
    station : (k,) 0 medial, 1 middle, 2 lateral third of the foramen
    """

    cell: IntArray
    start: FloatArray
    stop: FloatArray
    station: IntArray

    def degrees(self, full: NDArray[np.bool_], station: int | None = None) -> float:
        """Union of the arcs of the cells flagged in `full` (n,), degrees."""
        chosen = full[self.cell]
        if station is not None:
            chosen = chosen & (self.station == station)
        return float(np.degrees(union_length(self.start[chosen], self.stop[chosen])))


def union_length(start: FloatArray, stop: FloatArray) -> float:
    """Exact length of the union of arcs on a circle, rad.

    Parameters
    ----------
    start, stop : (k,) rad, start in [-pi, pi), stop in (start, start + 2 pi]

    Examples
    --------
    >>> float(union_length(np.array([-0.5, 0.25]), np.array([0.5, 1.0])))
    1.5
    """
    turn = 2.0 * np.pi
    past = stop > np.pi
    # arcs that cross the cut are taken apart there
    low = np.concatenate([start, np.full(past.sum(), -np.pi)])
    high = np.concatenate([np.minimum(stop, np.pi), stop[past] - turn])
    order = np.argsort(low, kind="stable")
    low, high = low[order], high[order]
    if len(low) == 0:
        return 0.0
    reach = np.concatenate([[-np.pi], np.maximum.accumulate(high)[:-1]])
    return float(np.minimum(np.maximum(high - np.maximum(low, reach), 0.0).sum(), turn))


def root_coverage(
    sleeve: RootSleeve,
    cell: IntArray,
    xyz: FloatArray,
    radius: FloatArray,
    radius_minor: FloatArray,
) -> RootCoverage:
    """Arcs of the foraminal cells about one sleeve.

    Parameters
    ----------
    cell : (k,) cell indices, kept as they are
    xyz : (k, 3) mm, their centres
    radius, radius_minor : (k,) mm. Veins are flattened against the sleeve: the minor semi-axis
        points to it, the major one lies along its circumference.
    """
    rule = coverage_rule()
    fraction, rho, theta = sleeve.project(xyz)
    wall = rho - radius_minor - sleeve.radius
    near = (fraction >= 0) & (fraction <= 1) & (wall <= rule["wall_distance_mm"]) & (rho > 0)
    rho = np.where(near, rho, 1.0)
    reach = np.arcsin(np.minimum(1.0, (radius + rule["arc_margin_mm"]) / rho))
    start = theta - reach
    start = np.where(start < -np.pi, start + 2 * np.pi, start)
    station = np.clip((fraction * STATIONS).astype(np.int64), 0, STATIONS - 1)
    return RootCoverage(cell[near], start[near], (start + 2 * reach)[near], station[near])
