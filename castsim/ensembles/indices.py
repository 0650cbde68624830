"""Indices: which share of an outcome's variance each input makes, alone and with the others.

Sobol' indices by the pick-freeze design (Saltelli et al. 2010, Comput Phys Commun 181:259): every
draw of the plan (A) is run again with one input taken from a second, independent draw (B). Inputs
are the fields that priors set, the rest of the anatomy, and the disorder of the fronts; they are
independent, so that shares are well defined. N rows cost N (inputs + 1) runs beyond the plan.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from castsim.ensembles.curves import COLUMNS, events
from castsim.ensembles.reading import outcomes_at, place_of, rows_of, succeeded
from castsim.ensembles.sampling import B, index_inputs
from castsim.ensembles.store import Store
from castsim.ensembles.targets import Targets, plan_number

FloatArray = NDArray[np.float64]

RESAMPLES = 1000
_STREAM = 4
"""Spawn key of the bootstrap's random numbers; see sampling.py for the others."""
_THREE = 3.0
"""What was seen in none of n rows happens in less than 3 / n of all, 95 % (Hanley 1983)."""

HELD = (
    "These intervals are a bootstrap's and may hold less than they promise: with 256 rows of "
    "functions whose shares are known the worst held the true one in 90 % of 300 trials."
)
"""Measured as in ``tests/verification/test_plan_statistics.py``: the worst is an event's."""


@dataclass(frozen=True)
class Share:
    """One index: share of the variance, with its 95 % interval."""

    estimate: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half of the interval."""
        return (self.high - self.low) / 2.0


@dataclass(frozen=True)
class Index:
    """Indices of one input.

    Attributes
    ----------
    name : field that a prior sets, or a seed
    first : share of the variance that the input makes alone; None: the rows do not support it
    total : share with all that it makes together with others; None: the rows do not support it
    rows_needed : at which both would be supported, by the width that they have now
    """

    name: str
    first: Share | None
    total: Share | None
    rows_needed: int


@dataclass(frozen=True)
class Indices:
    """Indices of all inputs for one outcome.

    Attributes
    ----------
    outcome : of `drivers.OUTCOMES`
    volume_mL : at which the outcome is read
    rows : of the design, without those in which a run failed
    rows_needed : at which all indices would be supported; twice as many as there are where the
        outcome does not vary
    inputs : the largest total first, then those without; none where the outcome does not vary
    """

    outcome: str
    volume_mL: float
    rows: int
    rows_needed: int
    inputs: tuple[Index, ...]


def index_stores(store: Store, rows: int) -> dict[Store, int]:
    """Stores of the runs beyond the plan's own, and the draws that each must have."""
    matrices = (B, *index_inputs(store.study)) if rows else ()
    return {Store(store.folder, store.study, matrix): rows for matrix in matrices}


def read_indices(
    store: Store, arm: str, rows: int, targets: Targets, volume_mL: float
) -> dict[str, Indices]:
    """Indices of every outcome by `volume_mL`, from runs that are all there."""
    names = index_inputs(store.study)
    stores = [store, *index_stores(store, rows)]
    read = [_outcomes(one, arm, rows, targets, volume_mL) for one in stores]
    return {
        outcome: indices_of(
            outcome, volume_mL, names, np.stack([one[outcome] for one in read]), store.study.seed
        )
        for outcome in read[0]
    }


def _outcomes(
    store: Store, arm: str, rows: int, targets: Targets, volume_mL: float
) -> dict[str, FloatArray]:
    """Outcomes of each row by a volume, NaN where the run failed."""
    volumes = store.study.volumes_mL()
    table = rows_of(store, COLUMNS, rows, arm)
    good = succeeded(table)
    kept = table.filter(good)
    happened = events(kept, volumes, targets)
    values: dict[str, FloatArray] = {}
    for name, there in outcomes_at(
        kept, happened, place_of(volumes, volume_mL), len(volumes)
    ).items():
        values[name] = np.full(rows, np.nan)
        values[name][good.to_numpy()] = there
    return values


def indices_of(
    outcome: str, volume_mL: float, names: tuple[str, ...], values: FloatArray, seed: int
) -> Indices:
    """Indices of one outcome, those that its rows support.

    Parameters
    ----------
    values : (2 + inputs, rows) outcome in A, in B, and in A with each input from B; NaN: failed
    """
    whole = values[:, np.isfinite(values).all(axis=0)]
    rows = whole.shape[1]
    least = int(plan_number("index_rows"))
    if rows < 2 or np.ptp(whole[:2]) == 0.0:
        return Indices(outcome, volume_mL, rows, max(least, 2 * rows), ())
    first, total = sobol_indices(whole[0], whole[1], whole[2:], seed)
    inputs = []
    for name, alone, joint in zip(names, first, total, strict=True):
        needed = max(_needed(alone, rows), _needed(joint, rows), least)
        inputs.append(
            Index(
                name,
                alone if max(_needed(alone, rows), least) <= rows else None,
                joint if max(_needed(joint, rows), least) <= rows else None,
                needed,
            )
        )
    inputs.sort(key=lambda one: -np.inf if one.total is None else one.total.estimate, reverse=True)
    return Indices(outcome, volume_mL, rows, max(one.rows_needed for one in inputs), tuple(inputs))


def _needed(share: Share, rows: int) -> int:
    """Rows at which the interval would be narrow enough: widths fall as one over their root."""
    if share.half_width <= plan_number("index_half_width"):
        return rows
    return int(np.ceil(rows * (share.half_width / plan_number("index_half_width")) ** 2))


def sobol_indices(
    f_a: FloatArray, f_b: FloatArray, f_ab: FloatArray, seed: int
) -> tuple[list[Share], list[Share]]:
    """First-order and total index of each input.

    With V the variance of f over A and B, and f_i that of A with input i from B,

        first = < f_B (f_i - f_A) > / V        total = < (f_i - f_A)^2 > / (2 V)

    the estimators of Saltelli et al. 2010, table 2 (b) and (f, Jansen 1999), that
    :func:`scipy.stats.sobol_indices` has too; that one takes powers of two alone, which failed
    runs do not leave. Intervals are percentiles of a bootstrap over the rows. As the bootstrap
    cannot know of changes that no row shows, the upper ends are at least those that the largest
    change seen of any input would make in 3 of `rows`: an input is not said to have no influence
    because so few rows were run. A first-order index is never above its total one, so this holds
    for both.

    Parameters
    ----------
    f_a, f_b : (rows,), not all the same
    f_ab : (inputs, rows)
    seed : of the bootstrap
    """
    # an order of the rows that is theirs, so that their order in the store has no say
    order = np.lexsort(np.vstack([f_ab, f_b, f_a]))
    f_a, f_b, f_ab = f_a[order], f_b[order], f_ab[:, order]
    middle = np.concatenate([f_a, f_b]).mean()
    f_a, f_b, f_ab = f_a - middle, f_b - middle, f_ab - middle
    rows = len(f_a)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_STREAM,)))
    weights = rng.multinomial(rows, np.full(rows, 1.0 / rows), size=RESAMPLES) / rows
    weights = np.vstack([np.full(rows, 1.0 / rows), weights])
    change = f_ab - f_a
    mean = weights @ (f_a + f_b) / 2.0
    variance = weights @ (f_a**2 + f_b**2) / 2.0 - mean**2
    alone = weights @ (f_b * change).T - mean[:, None] * (weights @ change.T)
    joint = weights @ (change**2).T / 2.0
    varies = variance > 1e-9 * variance[0]
    unseen = float(_THREE / rows * (change**2).max() / (2.0 * variance[0]))
    first, total = (
        [_share(column, unseen) for column in (part[varies] / variance[varies, None]).T]
        for part in (alone, joint)
    )
    return first, total


def _share(values: FloatArray, unseen: float) -> Share:
    """The first of `values` with the percentiles of the others."""
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return Share(float(values[0]), float(low), float(max(high, unseen)))
