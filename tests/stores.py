"""Small stores of made-up draws, for tests of what is read from them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from castsim.ensembles.outcome import FOUND, Outcome
from castsim.ensembles.priors import bundled_priors
from castsim.ensembles.sampling import Draw, drawn_priors, draws
from castsim.ensembles.store import CHUNK, Store
from castsim.ensembles.study import Study
from castsim.scenario import Scenario


def made_up_store(
    folder: Path,
    arms: Mapping[str, Scenario],
    n_draws: int = 128,
    *,
    failing: Mapping[str, set[int]] | None = None,
    covers: bool = True,
) -> Store:
    """A store in which agent covers early and refluxes late, later in later arms.

    Parameters
    ----------
    failing : arm → draws that failed in it
    covers : whether any draw is ever covered
    """
    study = Study(dict(arms), bundled_priors())
    store = Store(folder, study)
    wrong = failing or {}
    outcomes = [
        _outcome(study, label, draw, 1.0 + 0.4 * place, draw.number in wrong.get(label, ()), covers)
        for draw in draws(study, 0, n_draws)
        for place, label in enumerate(arms)
    ]
    rows = CHUNK * len(arms)
    with store.writing():
        for k in range(0, len(outcomes), rows):
            store.add(outcomes[k : k + rows])
    return store


def _outcome(
    study: Study, label: str, draw: Draw, factor: float, wrong: bool, covers: bool
) -> Outcome:
    priors = drawn_priors(study.arms[label], study.priors)
    inputs = {prior.field: prior.quantile(float(draw.point[k])) for k, prior in priors.items()}
    if wrong:
        return Outcome(
            draw.number, label, 1, 1, inputs, error=f"SolverError: <b>draw {draw.number}</b>"
        )
    chance = draw.point
    volume = study.volumes_mL()
    covered_mL, reflux_mL = 0.1 + 0.5 * chance[0], factor * (0.3 + 0.9 * chance[1])
    azygos = np.maximum(volume - reflux_mL, 0.0)
    kept = volume - azygos
    curves = {
        "coverage_deg": np.minimum(360.0 * volume / covered_mL, 360.0 if covers else 200.0),
        "azygos_mL": azygos,
        "embolised_mL": 0.5 * azygos,
        "hazard_mL": 0.0 * volume,
        "adjacent_mL": 0.1 * kept,
        "foraminal_mL": 0.3 * kept,
        "epidural_mL": 0.2 * kept,
        "segmental_mL": 0.4 * kept,
    }
    return Outcome(
        draw.number,
        label,
        draw.patient_seed,
        draw.gate_seed,
        inputs,
        found={name: float(1.0 + chance[k]) for k, name in enumerate(FOUND)},
        injected_mL=study.largest_mL,
        coverable_deg=360.0,
        max_tip_pressure_mmHg=50.0,
        over_pressure_mL=np.inf,
        catheter_reflux_mm=1.0,
        layered_fraction=0.5,
        volume_balance_error=0.0,
        curves={name: values.astype(np.float32) for name, values in curves.items()},
    )
