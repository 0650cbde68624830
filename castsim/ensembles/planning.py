"""Plan: the volume to inject, its window and its risks, read from an ensemble."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from castsim.ensembles.columns import CURVES, FOUND
from castsim.ensembles.curves import (
    COLUMNS,
    Chance,
    Mark,
    chance,
    column,
    events,
    mark,
    matrix,
    share,
)
from castsim.ensembles.drivers import Drivers, find_drivers
from castsim.ensembles.indices import Indices, read_indices
from castsim.ensembles.reading import outcomes_at, place_of, rows_of, succeeded
from castsim.ensembles.recommending import Interval, Recommendation, recommend
from castsim.ensembles.store import Store, table_schema
from castsim.ensembles.study import Study
from castsim.ensembles.targets import Targets, plan_number
from castsim.errors import ResultError, ScenarioError
from castsim.naming import match_name

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]
Shares = tuple[float, float, float]
"""Share of the draws and the ends of its 95 % interval."""


@dataclass(frozen=True)
class Plan:
    """What an ensemble says about one way to inject. Research and education only.

    Volumes in mL out of the tip. Chances are those of the patients in whom the tip can be brought
    to its place; draws that failed count nowhere but in `errors`.

    Attributes
    ----------
    study, arm : what was asked, and which of its arms this is
    targets : what counts as covered and safe
    draws : asked for
    errors : draw → what went wrong in those that failed
    unreachable : draw → what those patients lack in whom it cannot be done: a vein, or a way
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
    unreachable: Mapping[int, str]
    truncated: int
    volumes_mL: FloatArray
    chances: Mapping[str, Chance]
    coverable: Shares
    recommendation: Recommendation | None
    drivers: Mapping[str, Drivers]
    indices: Mapping[str, Indices]
    store: Store = field(repr=False, compare=False)

    @property
    def simulated(self) -> int:
        """Draws that came to their end."""
        return self.computed - len(self.unreachable)

    @property
    def computed(self) -> int:
        """Draws of which something is known: those that did not fail."""
        return self.draws - len(self.errors)

    @property
    def unreachable_share(self) -> Shares:
        """Share of the patients in whom it cannot be done, and its 95 % interval."""
        return share(np.arange(self.computed) < len(self.unreachable))

    @property
    def truncated_share(self) -> Shares:
        """Share of the simulated patients whose agent reached the edge, and its 95 % interval."""
        return share(np.arange(self.simulated) < self.truncated)

    @property
    def failures_told_first(self) -> bool:
        """Whether so many draws failed that the rest may not stand for all."""
        return len(self.errors) > plan_number("failures_told_first") * self.draws

    @property
    def truncated_told_first(self) -> bool:
        """Whether so many reached the edge of what is simulated that volumes may be too small."""
        return self.truncated > plan_number("truncated_told_first") * self.simulated

    @property
    def recommended_mL(self) -> float | None:
        """Least volume that is as good as the best, to be covered and safe; None: none ever was."""
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

    def at(self, event: str, volume_mL: float | None = None) -> Shares:
        """Chance of an event by a volume (None: `decided_mL`), and its 95 % interval.

        Raises
        ------
        ScenarioError
            If there is no such event (`curves.EVENTS`), or the volume is none of those simulated.
        """
        k = self._place(volume_mL)
        one = self.chances[match_name(event, self.chances, "event")]
        return float(one.estimate[k]), float(one.low[k]), float(one.high[k])

    def mark(self, event: str, share: float | None = None) -> Mark:
        """Least volume by which the chance of `event` is at least `share`, with its interval.

        None: ``unlikely`` of ``plan_targets.csv``. Below the mark of ``covered`` coverage is
        unlikely; from the mark of ``azygos_reflux`` on, reflux no longer is.
        """
        wanted = plan_number("unlikely") if share is None else share
        return mark(
            event, self.chances[match_name(event, self.chances, "event")], self.volumes_mL, wanted
        )

    def to_dataframe(self, volume_mL: float | None = None) -> "pd.DataFrame":
        """One row a draw, in order, be it simulated or not.

        ======================  ==============================================================
        columns                 meaning
        ======================  ==============================================================
        draw                    number of the draw
        arm, error              way to inject; why it did not come to its end, empty if it did
        patient_seed, gate_seed seeds of the anatomy and of the disorder of the fronts
        unreachable             what is wrong is that this patient lacks a vein or a way
        stalled, truncated      nothing would open any more; agent reached the simulated edge
        injected_mL …           numbers of the whole run, as in the store
        in.FIELD                value drawn for a field of the scenario; NaN: not drawn
        found.NAME              what the patient turned out to have
        volume_mL               volume at which the columns that follow are read
        coverage_deg …          each of ``outcome.CURVES`` by that volume
        covered …               each of ``curves.EVENTS`` by that volume; <NA> where not simulated
        ======================  ==============================================================

        Parameters
        ----------
        volume_mL : a volume of the grid is taken, the nearest; None: `decided_mL`

        Raises
        ------
        ScenarioError
            If the volume is none of those simulated.
        """
        import pandas as pd

        k = self._place(volume_mL)
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

    def _place(self, volume_mL: float | None) -> int:
        """Place on the grid of a volume; None: `decided_mL`."""
        volume = self.decided_mL if volume_mL is None else volume_mL
        largest = float(self.volumes_mL[-1])
        if not 0.0 < volume <= largest + 1e-9:
            raise ScenarioError(
                f"volume_mL = {volume:g}: must lie above 0 and go up to {largest:g} mL, beyond "
                "which nothing was injected (largest_mL)"
            )
        return place_of(self.volumes_mL, volume)


def make_plan(
    store: Store, arm: str, n_draws: int, targets: Targets, *, index_rows: int = 0
) -> Plan:
    """Read the plan of one arm from the first `n_draws` draws of a store.

    `index_rows` of them have been run again for indices (:mod:`castsim.ensembles.indices`).

    Raises
    ------
    ResultError
        If no draw came to its end.
    """
    study = store.study
    inputs = [f"in.{prior.field}" for prior in study.priors] + [f"found.{name}" for name in FOUND]
    table = rows_of(store, [*COLUMNS, *inputs], n_draws, arm)
    errors, unreachable = _reasons(table, unreachable=False), _reasons(table, unreachable=True)
    kept, volumes = table.filter(succeeded(table)), study.volumes_mL()
    if not kept.num_rows:
        raise ResultError(_nothing_came(n_draws, errors, unreachable))
    happened = events(kept, volumes, targets)
    recommendation = recommend(happened["covered_and_safe"], volumes, study.seed)
    k = len(volumes) - 1 if recommendation is None else place_of(volumes, recommendation.volume)
    return Plan(
        study=study,
        arm=arm,
        targets=targets,
        draws=n_draws,
        errors=errors,
        unreachable=unreachable,
        truncated=int(kept["truncated"].to_numpy().sum()),
        volumes_mL=volumes,
        chances={name: chance(rows) for name, rows in happened.items()},
        coverable=share(column(kept, "coverable_deg") >= targets.coverage_deg),
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


def _reasons(table: pa.Table, *, unreachable: bool) -> dict[int, str]:
    """Draw → why it did not come to its end, of those that are `unreachable` or of the others."""
    ended = pc.and_not(pc.equal(table["unreachable"], unreachable), succeeded(table))
    some = table.filter(ended)
    return dict(zip(some["draw"].to_pylist(), some["error"].to_pylist(), strict=True))


def _nothing_came(n_draws: int, errors: Mapping[int, str], unreachable: Mapping[int, str]) -> str:
    """Tell why there is nothing to plan from."""
    told = [
        f"{len(why)} {what}, the first with: {next(iter(why.values()))}"
        for what, why in (("failed", errors), ("cannot be reached", unreachable))
        if why
    ]
    return f"none of {n_draws} draws came to its end: {'; '.join(told)}"
