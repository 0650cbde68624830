"""Comparing: how arms differ in the same simulated patients, draw by draw."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.special import stdtrit

from castsim.ensembles.curves import COLUMNS, events, matrix, share, wilson
from castsim.ensembles.planning import Plan
from castsim.ensembles.reading import place_of, rows_of, succeeded
from castsim.ensembles.study import check_common
from castsim.errors import ResultError, ScenarioError

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

OWN = ("covered_and_safe", "covered", "azygos_reflux", "embolised")
"""Events compared at each arm's own recommended volume."""
COMMON = (*OWN, "over_pressure", "hazard", "adjacent", "stopped")
"""Events compared at one volume for all arms."""
MEANS = {"coverage_deg": "deg", "azygos_mL": "mL", "embolised_mL": "mL"}
"""Quantities whose means are compared at that volume, and their units."""


@dataclass(frozen=True)
class Interval:
    """A value or a difference with its 95 % interval; None: not known, see `paired_means`."""

    estimate: float
    low: float | None
    high: float | None

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval leaves 0 out; one in twenty does without any difference."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Difference:
    """One quantity in two arms, over the draws that came to their end in both.

    Attributes
    ----------
    arm, against : labels; `difference` is arm minus against
    quantity : event or curve
    unit : "share", "deg" or "mL"
    volume_mL, against_volume_mL : at which it is read in each
    value, against_value : share or mean, over the pairs; means without an interval of their own
    """

    arm: str
    against: str
    quantity: str
    unit: str
    volume_mL: float
    against_volume_mL: float
    value: Interval
    against_value: Interval
    difference: Interval


@dataclass(frozen=True)
class Pairing:
    """One arm against the first.

    Attributes
    ----------
    pairs : draws that came to their end in both
    left_out : draws that failed in one or both
    unreachable : further draws in which one or both cannot be reached
    own : each arm at the volume recommended for it
    common : both at the same volume
    """

    arm: str
    against: str
    pairs: int
    left_out: int
    unreachable: int
    own: tuple[Difference, ...]
    common: tuple[Difference, ...]


@dataclass(frozen=True)
class Comparison:
    """Several ways to inject into the same random patients. Research and education only.

    Attributes
    ----------
    plans : label → plan, in the order asked for
    common_mL : volume at which all are compared
    pairings : each of the others against the first
    """

    plans: Mapping[str, Plan]
    common_mL: float
    pairings: tuple[Pairing, ...]


def compare_plans(plans: Mapping[str, Plan], *, common_mL: float | None = None) -> Comparison:
    """Compare each arm with the first one.

    Parameters
    ----------
    plans : of one study, on the same draws; two or more
    common_mL : the nearest volume of the grid is taken; None: that recommended for the first arm

    Raises
    ------
    ScenarioError
        If there is one arm only, or the volume is not on the grid.
    ResultError
        If no draw came to its end in both arms.
    """
    if len(plans) < 2:
        raise ScenarioError("a comparison needs two arms or more")
    first = next(iter(plans.values()))
    volumes = first.volumes_mL
    check_common(common_mL, float(volumes[-1]))
    wanted = first.decided_mL if common_mL is None else common_mL
    common = float(volumes[place_of(volumes, wanted)])
    others = [plan for plan in plans.values() if plan is not first]
    return Comparison(plans, common, tuple(_pair(plan, first, common) for plan in others))


def _pair(plan: Plan, against: Plan, common_mL: float) -> Pairing:
    tables = [rows_of(one.store, COLUMNS, one.draws, one.arm) for one in (plan, against)]
    good = pc.and_(*map(succeeded, tables))
    pairs = int(pc.sum(good).as_py() or 0)
    if not pairs:
        raise ResultError(f"{plan.arm} and {against.arm}: no draw came to its end in both")
    failed = {*plan.errors, *against.errors}
    kept = [table.filter(good) for table in tables]
    happened = [
        events(table, one.volumes_mL, one.targets)
        for table, one in zip(kept, (plan, against), strict=True)
    ]
    return Pairing(
        arm=plan.arm,
        against=against.arm,
        pairs=pairs,
        left_out=len(failed),
        unreachable=plan.draws - pairs - len(failed),
        own=tuple(_own(plan, against, happened)),
        common=tuple(_common(plan, against, happened, kept, common_mL)),
    )


def _own(plan: Plan, against: Plan, happened: list[dict[str, BoolArray]]) -> Iterator[Difference]:
    both = (plan, against)
    places = [place_of(one.volumes_mL, one.decided_mL) for one in both]
    # an arm that is never covered and safe is so at any volume, but its risks need a volume
    told = OWN if all(one.recommendation is not None for one in both) else OWN[:1]
    for event in told:
        yield _shares(
            plan,
            against,
            event,
            (plan.decided_mL, against.decided_mL),
            happened[0][event][:, places[0]],
            happened[1][event][:, places[1]],
        )


def _common(
    plan: Plan,
    against: Plan,
    happened: list[dict[str, BoolArray]],
    kept: list[pa.Table],
    common_mL: float,
) -> Iterator[Difference]:
    k = place_of(plan.volumes_mL, common_mL)
    volumes = (common_mL, common_mL)
    for event in COMMON:
        yield _shares(
            plan, against, event, volumes, happened[0][event][:, k], happened[1][event][:, k]
        )
    for name, unit in MEANS.items():
        x, y = (
            matrix(table, name, len(plan.volumes_mL))[:, k].astype(np.float64) for table in kept
        )
        yield Difference(
            arm=plan.arm,
            against=against.arm,
            quantity=name,
            unit=unit,
            volume_mL=common_mL,
            against_volume_mL=common_mL,
            value=Interval(float(x.mean()), None, None),
            against_value=Interval(float(y.mean()), None, None),
            difference=paired_means(x, y),
        )


def _shares(
    plan: Plan,
    against: Plan,
    event: str,
    volumes: tuple[float, float],
    here: BoolArray,
    there: BoolArray,
) -> Difference:
    return Difference(
        arm=plan.arm,
        against=against.arm,
        quantity=event,
        unit="share",
        volume_mL=volumes[0],
        against_volume_mL=volumes[1],
        value=Interval(*share(here)),
        against_value=Interval(*share(there)),
        difference=paired_shares(here, there),
    )


def paired_shares(here: BoolArray, there: BoolArray) -> Interval:
    """Difference of two shares of the same draws, here minus there.

    Newcombe (1998, Stat Med 17:2635), method 10: Wilson's intervals of both shares, put together
    with their correlation phi, which is taken a little towards 0 for small samples.

    Parameters
    ----------
    here, there : (draws,) what happened in each

    Examples
    --------
    >>> here, there = np.array([True] * 9 + [False]), np.array([True] * 5 + [False] * 5)
    >>> one = paired_shares(here, there)
    >>> round(one.estimate, 3), round(one.low, 3), round(one.high, 3)
    (0.4, -0.002, 0.676)
    """
    n = len(here)
    both, only_here = int((here & there).sum()), int((here & ~there).sum())
    only_there = int((~here & there).sum())
    neither = n - both - only_here - only_there
    one = wilson(np.array([both + only_here, both + only_there]), n)
    (p1, p2), (l1, l2), (u1, u2) = (
        (float(ends[0]), float(ends[1])) for ends in (one.estimate, one.low, one.high)
    )
    phi = _phi(both, only_here, only_there, neither)
    below = (p1 - l1) ** 2 - 2.0 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2
    above = (p2 - l2) ** 2 - 2.0 * phi * (p2 - l2) * (u1 - p1) + (u1 - p1) ** 2
    difference = (only_here - only_there) / n
    return Interval(
        difference,
        max(difference - float(np.sqrt(max(below, 0.0))), -1.0),
        min(difference + float(np.sqrt(max(above, 0.0))), 1.0),
    )


def _phi(a: int, b: int, c: int, d: int) -> float:
    """Correlation of a table of two by two, with Newcombe's correction for continuity."""
    scale = (a + b) * (c + d) * (a + c) * (b + d)
    if scale == 0:
        return 0.0
    product = float(a * d - b * c)
    if product > 0.0:
        product = max(product - (a + b + c + d) / 2, 0.0)
    return product / float(np.sqrt(float(scale)))


def paired_means(here: FloatArray, there: FloatArray) -> Interval:
    """Mean of the differences of the same draws, with the interval of Student (1908).

    One pair, or pairs that all differ by the same (as by nothing at all), tell no interval.

    >>> one = paired_means(np.array([2.0, 3.0, 4.0]), np.array([1.0, 1.0, 1.0]))
    >>> round(one.estimate, 3), round(one.low, 3), round(one.high, 3)
    (2.0, -0.484, 4.484)
    """
    change = here - there
    n = len(change)
    if n < 2 or np.ptp(change) == 0.0:
        return Interval(float(change.mean()), None, None)
    half = float(stdtrit(n - 1, 0.975)) * float(change.std(ddof=1)) / float(np.sqrt(n))
    return Interval(float(change.mean()), float(change.mean()) - half, float(change.mean()) + half)
