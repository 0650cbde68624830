"""Runs that were never run, with numbers that are known, to test what is read from runs."""

import numpy as np

from castsim.ensembles.columns import CURVES
from tests.validation.studies import NUMBERS, Rows, arms

VOLUMES_ML = np.arange(1, 101) * 0.02


def rows(arm: str = "right-t9", n: int = 4, failed: tuple[int, ...] = (), **ends: object) -> Rows:
    """Curves that grow evenly to `ends` (scalar or one a run, reached at 2 mL), else stay 0."""
    draw = np.array([k for k in range(n + len(failed)) if k not in failed])
    grown = VOLUMES_ML / VOLUMES_ML[-1]
    columns = {name: np.broadcast_to(np.asarray(ends.get(name, 0.0), float), n) for name in CURVES}
    numbers = dict.fromkeys(NUMBERS, np.zeros(n))
    numbers |= {"coverable_deg": np.full(n, 360.0), "injected_mL": np.full(n, VOLUMES_ML[-1])}
    numbers |= {"over_pressure_mL": np.full(n, np.inf)}
    return Rows(
        arm,
        n + len(failed),
        draw,
        numbers,
        {name: np.outer(end, grown) for name, end in columns.items()},
        VOLUMES_ML,
        dict.fromkeys(failed, "ScenarioError: right-t9: tip: no such vein in this anatomy"),
    )


def all_arms(n: int = 6) -> dict[str, Rows]:
    """Every arm of the study, with curves that differ from run to run and arm to arm."""
    rng = np.random.default_rng(1)
    made = {}
    for label in arms():
        ends = {name: rng.uniform(0.0, 1.0, n) for name in CURVES}
        ends["coverage_deg"] = rng.uniform(100.0, 360.0, n)
        made[label] = rows(label, n, **ends)
    return made
