"""Plan: the volume to inject, its window and its risks, read from an ensemble."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from castsim.ensembles.curves import COLUMNS, Chance, chance, events
from castsim.ensembles.store import Store, table_schema
from castsim.ensembles.study import Study
from castsim.ensembles.targets import Targets, plan_number
from castsim.errors import ResultError

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

RESAMPLES = 1000
"""Bootstrap samples: 25 on each side of a 95 % interval."""
_BOOTSTRAP_STREAM = 2
"""Spawn key of the bootstrap's random numbers; points and seeds have 0 and 1."""


@dataclass(frozen=True)
class Plan:
    """What an ensemble says about one way to inject. Research and education only.

    Volumes in mL out of the tip.

    Attributes
    ----------
    study, arm : what was asked, and which of its arms this is
    targets : what counts as covered and safe
    draws : asked for
    errors : draw → what went wrong in those that failed; they count nowhere else
    volumes_mL : (v,) grid of the curves
    chances : event → its chance by each volume
    recommended_mL : where the chance to be covered and safe is largest (the least such volume)
    recommended_interval_mL : 95 % of bootstrap samples recommend a volume inside it
    window_mL : where that chance stays within 90 % of its largest
    optimism : by how much the chance at the recommended volume is too high because the volume was
        chosen by it (mean over the bootstrap)
    """

    study: Study
    arm: str
    targets: Targets
    draws: int
    errors: Mapping[int, str]
    volumes_mL: FloatArray
    chances: Mapping[str, Chance]
    recommended_mL: float
    recommended_interval_mL: tuple[float, float]
    window_mL: tuple[float, float]
    optimism: float
    store: Store = field(repr=False, compare=False)

    @property
    def simulated(self) -> int:
        """Draws that came to their end."""
        return self.draws - len(self.errors)

    def at(self, event: str, volume_mL: float | None = None) -> tuple[float, float, float]:
        """Chance of an event by a volume (the recommended one), and its 95 % interval."""
        volume = self.recommended_mL if volume_mL is None else volume_mL
        k = int(np.abs(self.volumes_mL - volume).argmin())
        one = self.chances[event]
        return float(one.estimate[k]), float(one.low[k]), float(one.high[k])

    def to_dataframe(self) -> "pd.DataFrame":
        """One row a draw: seeds, inputs (``in.``), what the patient has (``found.``), numbers.

        Curves are columns of arrays along `volumes_mL`.
        """
        table = self.store.read(table_schema(self.study).names[1:], self.draws)
        frame: pd.DataFrame = table.to_pandas()
        return frame[frame["arm"] == self.arm].reset_index(drop=True)

    def first_volume(self, event: str, share: float) -> float | None:
        """Least volume by which the chance of `event` is at least `share`; None: never."""
        reached = np.flatnonzero(self.chances[event].estimate >= share)
        return float(self.volumes_mL[reached[0]]) if len(reached) else None


def make_plan(store: Store, arm: str, n_draws: int, targets: Targets) -> Plan:
    """Read the plan of one arm from the first `n_draws` draws of a store.

    Raises
    ------
    ResultError
        If every draw failed.
    """
    study = store.study
    table = store.read(COLUMNS, n_draws)
    table = table.filter(pa.compute.equal(table["arm"], arm))
    failed = pa.compute.not_equal(table["error"], "")
    bad = table.filter(failed)
    errors = dict(zip(bad["draw"].to_pylist(), bad["error"].to_pylist(), strict=True))
    if len(errors) == n_draws:
        raise ResultError(
            f"all {n_draws} draws failed, the first with: {next(iter(errors.values()))}"
        )
    volumes = study.volumes_mL()
    happened = events(table.filter(pa.compute.invert(failed)), volumes, targets)
    success = happened["covered_and_safe"]
    best, interval, optimism = _recommend(success, study.seed)
    share = success.mean(axis=0)
    return Plan(
        study=study,
        arm=arm,
        targets=targets,
        draws=n_draws,
        errors=errors,
        volumes_mL=volumes,
        chances={name: chance(rows) for name, rows in happened.items()},
        recommended_mL=float(volumes[best]),
        recommended_interval_mL=(float(volumes[interval[0]]), float(volumes[interval[1]])),
        window_mL=_window(share, best, volumes),
        optimism=optimism,
        store=store,
    )


def _window(share: FloatArray, best: int, volumes: FloatArray) -> tuple[float, float]:
    """Stretch about the best volume on which the share stays high."""
    low = share < plan_number("window_share") * share[best]
    below, above = np.flatnonzero(low[:best]), np.flatnonzero(low[best:])
    first = below[-1] + 1 if len(below) else 0
    last = best + above[0] - 1 if len(above) else len(share) - 1
    return float(volumes[first]), float(volumes[last])


def _recommend(success: BoolArray, seed: int) -> tuple[int, tuple[int, int], float]:
    """Column with most successes; 95 % bootstrap interval of it; optimism of its share."""
    stream = np.random.SeedSequence(seed, spawn_key=(_BOOTSTRAP_STREAM,))
    rng = np.random.default_rng(stream)
    draws = success.shape[0]
    weights = success.astype(np.float32)
    share = success.mean(axis=0)
    chosen = np.empty(RESAMPLES, dtype=np.int64)
    gain = np.empty(RESAMPLES)
    for k in range(RESAMPLES):
        count = np.bincount(rng.integers(draws, size=draws), minlength=draws).astype(np.float32)
        resampled = count @ weights / draws
        chosen[k] = int(resampled.argmax())
        gain[k] = resampled[chosen[k]] - share[chosen[k]]
    low, high = np.quantile(chosen, [0.025, 0.975], method="nearest")
    return int(share.argmax()), (int(low), int(high)), float(gain.mean())


def sentence(plan: Plan) -> str:
    """What a clinician reads first: volume, window, chance and risks, none without its interval."""
    low, high = plan.window_mL
    lines = [
        f"Inject {plan.recommended_mL:.2f} mL (window {low:.2f}–{high:.2f} mL): "
        f"covered and safe in {_percent(plan.at('covered_and_safe'))} of simulated patients; "
        f"azygos reflux {_percent(plan.at('azygos_reflux'))}; "
        f"embolised {_percent(plan.at('embolised'))}."
    ]
    return " ".join(lines)


def _percent(shares: tuple[float, float, float]) -> str:
    """``12 % [10–14 %]``; intervals keep a digit where they would round to 0 or 100."""
    share, low, high = (100 * one for one in shares)
    return f"{_short(share)} % [{_short(low)}–{_short(high)} %]"


def _short(percent: float) -> str:
    near_end = 0.0 < percent < 1.0 or 99.0 < percent < 100.0
    return f"{percent:.1f}" if near_end else f"{percent:.0f}"
