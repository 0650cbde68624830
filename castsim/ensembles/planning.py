"""Plan: the volume to inject, its window and its risks, read from an ensemble."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from castsim.ensembles.curves import (
    COLUMNS,
    Chance,
    Mark,
    chance,
    column,
    events,
    mark,
    matrix,
    wilson,
)
from castsim.ensembles.drivers import Drivers, find_drivers
from castsim.ensembles.indices import Indices, read_indices
from castsim.ensembles.outcome import CURVES, FOUND
from castsim.ensembles.reading import outcomes_at, place_of, rows_of, succeeded
from castsim.ensembles.recommending import Interval, Recommendation, recommend
from castsim.ensembles.store import Store, table_schema
from castsim.ensembles.study import Study
from castsim.ensembles.targets import Targets, plan_number
from castsim.errors import ResultError

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Plan:
    """What an ensemble says about one way to inject. Research and education only.

    Volumes in mL out of the tip. Draws that failed count nowhere but in `errors`.

    Attributes
    ----------
    study, arm : what was asked, and which of its arms this is
    targets : what counts as covered and safe
    draws : asked for
    errors : draw → what went wrong in those that failed
    truncated : draws in which agent reached the edge of what is simulated
    volumes_mL : (v,) grid of the curves
    chances : event → its chance by each volume
    coverable : share of draws in which filling every vein would cover the root, and its interval
    recommendation : by the chance to be covered and safe; None: none ever was
    drivers : outcome → rank correlations with all inputs, at `decided_mL`
    indices : outcome → Sobol' indices of all inputs there; empty if they were not asked for
    """

    study: Study
    arm: str
    targets: Targets
    draws: int
    errors: Mapping[int, str]
    truncated: int
    volumes_mL: FloatArray
    chances: Mapping[str, Chance]
    coverable: tuple[float, float, float]
    recommendation: Recommendation | None
    drivers: Mapping[str, Drivers]
    indices: Mapping[str, Indices]
    store: Store = field(repr=False, compare=False)

    @property
    def simulated(self) -> int:
        """Draws that came to their end."""
        return self.draws - len(self.errors)

    @property
    def failures_told_first(self) -> bool:
        """Whether so many draws failed that the rest may not stand for all."""
        return len(self.errors) > plan_number("failures_told_first") * self.draws

    @property
    def recommended_mL(self) -> float | None:
        """Volume with the largest chance to be covered and safe; None: none ever was."""
        return None if self.recommendation is None else self.recommendation.volume

    @property
    def recommended_interval_mL(self) -> Interval | None:
        """95 % bootstrap interval of the recommended volume; None: too few successes to say."""
        return None if self.recommendation is None else self.recommendation.interval

    @property
    def window_mL(self) -> Interval | None:
        """Where the chance to be covered and safe stays within 90 % of its largest."""
        return None if self.recommendation is None else self.recommendation.window

    @property
    def decided_mL(self) -> float:
        """The recommended volume, or the largest tried where none can be recommended."""
        return float(self.volumes_mL[-1]) if self.recommended_mL is None else self.recommended_mL

    def at(self, event: str, volume_mL: float | None = None) -> tuple[float, float, float]:
        """Chance of an event by a volume (None: `decided_mL`), and its 95 % interval."""
        volume = self.decided_mL if volume_mL is None else volume_mL
        k = place_of(self.volumes_mL, volume)
        one = self.chances[event]
        return float(one.estimate[k]), float(one.low[k]), float(one.high[k])

    def mark(self, event: str, share: float | None = None) -> Mark:
        """Least volume by which the chance of `event` is at least `share`, with its interval.

        None: ``unlikely`` of ``plan_targets.csv``. Below the mark of ``covered`` coverage is
        unlikely; from the mark of ``azygos_reflux`` on, reflux no longer is.
        """
        wanted = plan_number("unlikely") if share is None else share
        return mark(event, self.chances[event], self.volumes_mL, wanted)

    def to_dataframe(self, volume_mL: float | None = None) -> "pd.DataFrame":
        """One row a draw, failed ones too, in order.

        ======================  ==============================================================
        columns                 meaning
        ======================  ==============================================================
        draw                    number of the draw
        arm, error              way to inject; what went wrong, empty if nothing
        patient_seed, gate_seed seeds of the anatomy and of the disorder of the fronts
        stalled, truncated      nothing would open any more; agent reached the simulated edge
        injected_mL …           numbers of the whole run, as in the store
        in.FIELD                value drawn for a field of the scenario; NaN: not drawn
        found.NAME              what the patient turned out to have
        volume_mL               volume at which the columns that follow are read
        coverage_deg …          each of ``outcome.CURVES`` by that volume
        covered …               each of ``curves.EVENTS`` by that volume; <NA> in failed draws
        ======================  ==============================================================

        Parameters
        ----------
        volume_mL : a volume of the grid is taken, the nearest; None: `decided_mL`
        """
        import pandas as pd

        k = place_of(self.volumes_mL, self.decided_mL if volume_mL is None else volume_mL)
        names = [name for name in table_schema(self.study).names[1:] if name not in CURVES]
        frame: pd.DataFrame = rows_of(self.store, names, self.draws, self.arm).to_pandas()
        frame["volume_mL"] = float(self.volumes_mL[k])
        table = rows_of(self.store, COLUMNS, self.draws, self.arm)
        good = succeeded(table)
        came = good.to_numpy()
        kept = table.filter(good)
        for name in CURVES:
            values = rows_of(self.store, [name], self.draws, self.arm).filter(good)
            frame.loc[came, name] = matrix(values, name, len(self.volumes_mL))[:, k].astype(float)
        for name, rows in events(kept, self.volumes_mL, self.targets).items():
            frame[name] = pd.array([pd.NA] * len(frame), dtype="boolean")
            frame.loc[came, name] = rows[:, k]
        return frame


def make_plan(
    store: Store, arm: str, n_draws: int, targets: Targets, *, index_rows: int = 0
) -> Plan:
    """Read the plan of one arm from the first `n_draws` draws of a store.

    `index_rows` of them have been run again for indices (:mod:`castsim.ensembles.indices`).

    Raises
    ------
    ResultError
        If every draw failed.
    """
    study = store.study
    inputs = [f"in.{prior.field}" for prior in study.priors] + [f"found.{name}" for name in FOUND]
    table = rows_of(store, [*COLUMNS, *inputs], n_draws, arm)
    good = succeeded(table)
    bad = table.filter(pa.compute.invert(good))
    errors = dict(zip(bad["draw"].to_pylist(), bad["error"].to_pylist(), strict=True))
    if len(errors) == n_draws:
        raise ResultError(
            f"all {n_draws} draws failed, the first with: {next(iter(errors.values()))}"
        )
    kept, volumes = table.filter(good), study.volumes_mL()
    happened = events(kept, volumes, targets)
    recommendation = recommend(happened["covered_and_safe"], volumes, study.seed)
    k = len(volumes) - 1 if recommendation is None else place_of(volumes, recommendation.volume)
    return Plan(
        study=study,
        arm=arm,
        targets=targets,
        draws=n_draws,
        errors=errors,
        truncated=int(kept["truncated"].to_numpy().sum()),
        volumes_mL=volumes,
        chances={name: chance(rows) for name, rows in happened.items()},
        coverable=_share(column(kept, "coverable_deg") >= targets.coverage_deg),
        recommendation=recommendation,
        drivers=find_drivers(
            {name: column(kept, name) for name in inputs},
            outcomes_at(kept, happened, k, len(volumes)),
            float(volumes[k]),
        ),
        indices=read_indices(store, arm, index_rows, targets, float(volumes[k]))
        if index_rows
        else {},
        store=store,
    )


def _share(happened: BoolArray) -> tuple[float, float, float]:
    one = wilson(np.array([happened.sum()]), len(happened))
    return float(one.estimate[0]), float(one.low[0]), float(one.high[0])
