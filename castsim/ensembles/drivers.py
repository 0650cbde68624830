"""Drivers: which inputs the outcome hangs on, by rank correlation."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from castsim.ensembles.columns import FOUND
from castsim.ensembles.priors import bundled_priors
from castsim.ensembles.targets import plan_number

FloatArray = NDArray[np.float64]

OUTCOMES = {
    "covered_and_safe": "covered and safe",
    "coverage_deg": "coverage",
    "azygos_mL": "azygos reflux",
    "embolised_mL": "agent left towards the lungs",
}
"""What drivers are sought of, and what it is called."""
LEVEL = 0.05
_SEEDS = {
    "patient_seed": "the rest of the anatomy",
    "gate_seed": "disorder of the fronts",
}
_SECTIONS = {"model": "agent ", "patient": "", "tip": "tip ", "injection": "injection "}


@dataclass(frozen=True)
class Driver:
    """Rank correlation of one input with one outcome.

    Attributes
    ----------
    name : column, ``in.`` what was drawn, ``found.`` what the patient turned out to have
    rho : Spearman's, -1 to 1
    low, high : its 95 % interval
    p : chance of a correlation as strong as this without any dependence, by the normal
        approximation of Fisher's z, after Holm's correction for the number of inputs looked at
    draws : in which the input has a value
    """

    name: str
    rho: float
    low: float
    high: float
    p: float
    draws: int

    @property
    def clear(self) -> bool:
        """Whether it stands out among all inputs looked at."""
        return self.p < LEVEL


@dataclass(frozen=True)
class Drivers:
    """All inputs' rank correlations with one outcome, the strongest first.

    Attributes
    ----------
    outcome : of `OUTCOMES`
    volume_mL : at which the outcome is read
    rows : none where the outcome is the same in all draws, or the draws are too few
    """

    outcome: str
    volume_mL: float
    rows: tuple[Driver, ...]

    @property
    def clear(self) -> tuple[Driver, ...]:
        """Those that stand out after the correction for looking at many."""
        return tuple(row for row in self.rows if row.clear)


def find_drivers(
    inputs: Mapping[str, FloatArray], outcomes: Mapping[str, FloatArray], volume_mL: float
) -> dict[str, Drivers]:
    """Drivers of each outcome.

    Parameters
    ----------
    inputs : column → (draws,) values, NaN where there is none
    outcomes : of `OUTCOMES` → (draws,) values at `volume_mL`
    """
    return {
        name: Drivers(name, volume_mL, correlate(inputs, values))
        for name, values in outcomes.items()
    }


def correlate(inputs: Mapping[str, FloatArray], outcome: FloatArray) -> tuple[Driver, ...]:
    """Rank correlation of every input that varies with `outcome`, the strongest first.

    Notes
    -----
    Interval of Bonett and Wright (2000, Psychometrika 65:23): Fisher's z = atanh(rho) with the
    variance (1 + rho² / 2) / (n - 3); p by the variance 1 / (n - 3) that it has at rho = 0.
    Correction of Holm (1979, Scand J Stat 6:65): the chance that any input without influence is
    called clear is below one in twenty for each outcome.
    """
    from scipy.stats import norm, spearmanr  # half a second, which bad input need not wait for

    found = []
    for name, values in inputs.items():
        there = np.isfinite(values)
        x, y = values[there], outcome[there]
        if len(x) >= plan_number("driver_draws") and np.ptp(x) > 0.0 and np.ptp(y) > 0.0:
            found.append((name, float(spearmanr(x, y).statistic), len(x)))
    rho = np.array([one[1] for one in found])
    draws = np.array([one[2] for one in found])
    low, high = bonett_wright(rho, draws)
    p = holm(2.0 * norm.sf(np.abs(_z(rho)) * np.sqrt(draws - 3.0)))
    order = np.argsort(-np.abs(rho), kind="stable")
    return tuple(
        Driver(found[k][0], found[k][1], float(low[k]), float(high[k]), float(p[k]), found[k][2])
        for k in order
    )


def bonett_wright(rho: FloatArray, draws: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """95 % interval of Spearman's correlation.

    >>> low, high = bonett_wright(np.array([0.5]), np.array([103]))
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.329], [0.639])
    """
    half = float(ndtri(0.975)) * np.sqrt((1.0 + rho**2 / 2.0) / (draws - 3.0))
    return np.tanh(_z(rho) - half), np.tanh(_z(rho) + half)


def input_label(name: str) -> str:
    """Words for a column: ``in.model.viscosity_mPa_s`` is ``agent viscosity``."""
    kind, _, rest = name.partition(".")
    if kind == "found":
        return FOUND[rest]
    if rest in _SEEDS:
        return _SEEDS[rest]
    section, _, key = rest.partition(".")
    return _SECTIONS.get(section, f"{section} ") + _without_unit(key).replace("_", " ")


def _without_unit(key: str) -> str:
    """``viscosity_mPa_s`` is ``viscosity``, by the units that priors have; the longest goes."""
    units = {re.sub(r"\W", "_", prior.unit) for prior in bundled_priors()}
    ends = [f"_{unit}" for unit in units if key.endswith(f"_{unit}")]
    return key.removesuffix(max(ends, key=len, default=""))


def _z(rho: FloatArray) -> FloatArray:
    # a perfect rank order has no finite z
    return np.arctanh(np.clip(rho, -1.0 + 1e-12, 1.0 - 1e-12))


def holm(p: FloatArray) -> FloatArray:
    """Chances corrected for the number of them, after Holm.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected
