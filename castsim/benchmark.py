"""Have the predictions moved? Every bundled scenario against the numbers stored for it.

A baseline is one JSON file a scenario: what the report of a run says, rounded, with the tolerance
of each quantity and the version and commit that set the numbers. :func:`compare` gives the
differences, largest first; :mod:`castsim.benchmark_files` reads and writes.

Tolerances. They part round-off from change. With the agent's viscosity changed in its last digits
(by 8e-15 to 1e-9, relative) no volume of the thirteen scenarios moved by more than 1.5e-6 mL, and
no coverage at all; with 1 % most of them moved by 1e-4 to 0.024 mL and by up to 26 degrees. So
a volume may differ by 2e-5 mL and a ten-thousandth of itself: ten times what round-off does, a
fifth of what the least physics does. A run is a sequence of choices (which gate gives way first):
on another machine a near tie may fall the other way and is shown as a change, which it is.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field

from castsim.errors import CastsimError
from castsim.schema import DoseCurve
from geometry.errors import GeometryError

FloatArray = NDArray[np.float64]
Progress = Callable[[str, float], None]

DECIMALS = {"mL": 6, "deg": 3, "mm": 3}
"""Stored decimals by unit: a nanolitre, a thousandth of a degree, a micrometre."""
CURVE_STEP = 5
"""Every fifth of the 100 rows of a dose curve is stored."""
VOLUME = "volume_mL"
WORDS = ("seed", "stop_reason", "truncated")
"""Quantities that are the same or not."""


class Tolerance(BaseModel):
    """What counts as no change: |now - baseline| <= absolute + relative |baseline|."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    absolute: float = Field(ge=0.0)
    relative: float = Field(ge=0.0)

    def allows(self, baseline: ArrayLike) -> FloatArray:
        """Largest difference that is no change, in the quantity's unit."""
        return np.asarray(self.absolute + self.relative * np.abs(baseline))


_VOLUMES = Tolerance(absolute=2e-5, relative=1e-4)
_LENGTHS = Tolerance(absolute=0.01, relative=1e-4)
_ANGLES = Tolerance(absolute=0.01, relative=0.0)
_CURVE_ANGLES = Tolerance(absolute=0.5, relative=0.0)
"""250 degrees that come within 0.05 mL are 0.1 degrees where the injected volume moves 2e-5 mL."""
_BY_UNIT: Mapping[str, Tolerance] = {"mL": _VOLUMES, "mm": _LENGTHS, "deg": _ANGLES}


class Prediction(BaseModel):
    """What is kept of a run. Units are part of the names; None: it never happened."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    seed: int
    stop_reason: str
    truncated: bool
    injected_mL: float
    cast_mL: float
    embolised_mL: float
    hazard_mL: float
    coverage_deg: float
    coverage_stations_deg: tuple[float, float, float]
    azygos_mL: float
    first_azygos_mL: float | None
    catheter_mm: float
    entrapment_mm: float
    structures_mL: dict[str, float]
    curves: dict[str, list[float]]

    @classmethod
    def of(cls, report: Mapping[str, Any]) -> "Prediction":
        """Take the numbers from a report of the schema ``castsim.cast/1``."""
        curve = report["dose_curve"]
        coverage, reflux = report["coverage"], report["reflux"]
        first = reflux["first_azygos_mL"]
        return cls(
            seed=report["seed"],
            stop_reason=report["stop_reason"],
            truncated=report["truncated"],
            coverage_deg=_rounded(coverage["deg"], "deg"),
            coverage_stations_deg=tuple(_rounded(arc, "deg") for arc in coverage["stations"]),
            azygos_mL=_rounded(reflux["azygos_mL"], "mL"),
            first_azygos_mL=None if first is None else _rounded(first, "mL"),
            catheter_mm=_rounded(reflux["catheter_mm"], "mm"),
            entrapment_mm=_rounded(reflux["entrapment_mm"], "mm"),
            structures_mL={
                f"{fill['structure']} {fill['level']} {fill['side']}": _rounded(
                    fill["volume_mL"], "mL"
                )
                for fill in report["structures"]
            },
            curves={
                name: [_rounded(value, unit_of(name)) for value in values[::CURVE_STEP]]
                for name, values in curve.items()
            },
            **{
                name: _rounded(report[name], "mL")
                for name in ("injected_mL", "cast_mL", "embolised_mL", "hazard_mL")
            },
        )


Outcome = Prediction | CastsimError | GeometryError
"""What came of a run."""


class Origin(BaseModel):
    """Which code set the numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    commit: str | None


class Baseline(BaseModel):
    """The numbers stored for one scenario."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scenario: str
    set_by: Origin
    tolerances: dict[str, Tolerance]
    prediction: Prediction


@dataclass(frozen=True)
class Difference:
    """One number that moved.

    Attributes
    ----------
    quantity : name in the baseline, with the vein or the injected volume where there are many
    group : the quantity without them; tolerances are kept by it
    unit : mL, deg, mm, or empty for words
    baseline, now : numbers, words, or None: never
    tolerance : the most that is no change; None for words
    """

    quantity: str
    group: str
    unit: str
    baseline: float | str | None
    now: float | str | None
    tolerance: float | None

    @property
    def excess(self) -> float:
        """Difference over tolerance: above 1 the prediction has changed."""
        numbers = (self.baseline, self.now, self.tolerance)
        if not all(isinstance(number, float) for number in numbers):
            return np.inf
        base, now, allowed = (float(number or 0.0) for number in numbers)
        return abs(now - base) / allowed if allowed > 0.0 else np.inf

    @property
    def beyond(self) -> bool:
        """Whether it moved by more than its tolerance."""
        return self.excess > 1.0


@dataclass(frozen=True)
class Comparison:
    """One scenario, then and now: what moved, by quantity and then by excess."""

    scenario: str
    set_by: Origin
    differences: tuple[Difference, ...]

    @property
    def changes(self) -> tuple[Difference, ...]:
        """Those beyond tolerance."""
        return tuple(one for one in self.differences if one.beyond)


def unit_of(name: str) -> str:
    """Return the unit in which the name of a quantity ends.

    >>> unit_of("first_azygos_mL")
    'mL'
    """
    return name.rpartition("_")[2]


def _rounded(value: float, unit: str) -> float:
    # adding zero makes -0.0 plain zero
    return round(float(value), DECIMALS[unit]) + 0.0


def curve_names() -> tuple[str, ...]:
    """Return the curves that are stored, without the injected volume that they run over."""
    return tuple(name for name in DoseCurve.model_fields if name != VOLUME)


def tolerance_names() -> tuple[str, ...]:
    """Return the quantities that have a tolerance: all but words."""
    plain = (name for name in Prediction.model_fields if name not in (*WORDS, "curves"))
    return (*plain, *(f"curves.{name}" for name in curve_names()))


def default_tolerances() -> dict[str, Tolerance]:
    """Return the tolerances of a new baseline."""
    plain = {name: _BY_UNIT[unit_of(name)] for name in tolerance_names()}
    return plain | {"curves.coverage_deg": _CURVE_ANGLES}


def compare(baseline: Baseline, now: Prediction) -> Comparison:
    """Return every number in which `now` differs from the baseline."""
    found = [
        difference
        for name in Prediction.model_fields
        for difference in sorted(
            _differences(name, baseline, now), key=lambda one: one.excess, reverse=True
        )
    ]
    return Comparison(baseline.scenario, baseline.set_by, tuple(found))


def _differences(name: str, baseline: Baseline, now: Prediction) -> Iterator[Difference]:
    """Differences in one field of the prediction."""
    then, new = getattr(baseline.prediction, name), getattr(now, name)
    if name == "curves":
        for curve in curve_names():
            yield from _curve_difference(curve, baseline, now)
    elif name == "structures_mL":
        for vein in sorted(then.keys() | new.keys()):
            values = then.get(vein, 0.0), new.get(vein, 0.0)
            yield from _difference(f"structures_mL {vein}", name, baseline, *values)
    elif name == "coverage_stations_deg":
        for station, values in enumerate(zip(then, new, strict=True), start=1):
            yield from _difference(f"{name} {station}", name, baseline, *values)
    elif name in WORDS:
        if then != new:
            yield Difference(name, name, "", str(then), str(new), None)
    else:
        yield from _difference(name, name, baseline, then, new)


def _difference(
    quantity: str, group: str, baseline: Baseline, then: float | None, new: float | None
) -> Iterator[Difference]:
    if then == new:
        return
    allowed = float(baseline.tolerances[group].allows(then or 0.0))
    yield Difference(quantity, group, unit_of(group), then, new, allowed)


def _curve_difference(curve: str, baseline: Baseline, now: Prediction) -> Iterator[Difference]:
    """The point of one curve that moved farthest, in tolerances.

    Both are read at the baseline's injected volumes; after its end a run stays as it is.
    """
    old, new = baseline.prediction.curves, now.curves
    volume, then = np.array(old[VOLUME]), np.array(old[curve])
    values = np.interp(volume, new[VOLUME], new[curve])
    group = f"curves.{curve}"
    allowed = baseline.tolerances[group].allows(then)
    gap = np.abs(values - then)
    moved = gap > 0.0
    if not moved.any():
        return
    excess = np.divide(gap, allowed, out=np.where(moved, np.inf, 0.0), where=allowed > 0.0)
    k = int(excess.argmax())
    place = f"{group} at {volume[k]:.3g} mL"
    numbers = float(then[k]), float(values[k]), float(allowed[k])
    yield Difference(place, group, unit_of(curve), *numbers)


def failed(baseline: Baseline, error: Exception) -> Comparison:
    """Return the comparison with a run that came to no end: a change like any other."""
    told = " ".join(str(error).split())
    then = baseline.prediction.stop_reason
    stop = Difference("stop_reason", "stop_reason", "", then, told, None)
    return Comparison(baseline.scenario, baseline.set_by, (stop,))


def predict(scenario: str, progress: Progress | None = None) -> Prediction:
    """Run a bundled scenario as it is, and keep what is compared."""
    from castsim.metrics import summarise
    from castsim.simulate import run

    return Prediction.of(summarise(run(scenario, progress=progress)))


def predict_all(scenarios: Sequence[str], progress: Progress | None = None) -> dict[str, Outcome]:
    """Run scenarios one after the other.

    Parameters
    ----------
    scenarios : names of bundled ones
    progress : told the stage, and the share of all runs that is done

    Returns
    -------
    dict
        By scenario. A run that fails gives its error, for it must not hide the others.
    """
    outcomes: dict[str, Outcome] = {}
    for number, scenario in enumerate(scenarios):
        try:
            outcomes[scenario] = predict(scenario, _part(number, len(scenarios), progress))
        except (CastsimError, GeometryError) as error:
            outcomes[scenario] = error
    return outcomes


def _part(number: int, count: int, progress: Progress | None) -> Progress | None:
    """Turn the progress of run `number` of `count` into that of all of them."""
    if progress is None:
        return None

    def told(stage: str, done: float) -> None:
        # the injection is nearly all of a run
        progress(stage, (number + (done if stage == "injection" else 0.0)) / count)

    return told


def report(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Return what ``--json`` prints: every number that moved, and whether that is a change."""
    return {
        "schema": "castsim.benchmark/1",
        "changed": any(one.changes for one in comparisons),
        "scenarios": [
            {
                "scenario": one.scenario,
                "changed": bool(one.changes),
                "baseline_set_by": one.set_by.model_dump(),
                "differences": [
                    {
                        "quantity": moved.quantity,
                        "unit": moved.unit,
                        "baseline": moved.baseline,
                        "now": moved.now,
                        "tolerance": moved.tolerance,
                        "changed": moved.beyond,
                    }
                    for moved in one.differences
                ],
            }
            for one in comparisons
        ],
    }
