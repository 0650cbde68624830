"""Ensembles made by hand: what happens in each draw is known, and nothing is simulated."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from castsim.ensembles.outcome import CURVES, FOUND, Outcome
from castsim.ensembles.planning import Plan, make_plan
from castsim.ensembles.priors import bundled_priors
from castsim.ensembles.sampling import A, draws
from castsim.ensembles.store import CHUNK, Store
from castsim.ensembles.study import Study, load_arm
from castsim.ensembles.targets import Targets

ARM = "right-t9"
LARGEST_ML = 1.0
NEVER = np.inf


def study(*fields: str) -> Study:
    """Of one arm, with the priors of these fields alone, or all of them."""
    priors = tuple(prior for prior in bundled_priors() if not fields or prior.field in fields)
    return Study({ARM: load_arm(ARM)}, priors, largest_mL=LARGEST_ML)


def store_of(
    folder: Path,
    covers: Sequence[float],
    refluxes: Sequence[float],
    *,
    errors: Mapping[int, str] | None = None,
    inputs: Mapping[str, Sequence[float]] | None = None,
    matrix: str = A,
    of: Study | None = None,
    **numbers: Sequence[float],
) -> Store:
    """Store of draws that cover from the volumes `covers` (mL) on, and reflux from `refluxes` on.

    `numbers` are further attributes of the outcomes, one a draw.
    """
    one = study() if of is None else of
    volumes = one.volumes_mL()
    store = Store(folder, one, matrix)
    outcomes = []
    for draw in draws(one, 0, len(covers), matrix):
        k = draw.number
        error = (errors or {}).get(k, "")
        if error:
            outcomes.append(Outcome(k, ARM, draw.patient_seed, draw.gate_seed, {}, error))
            continue
        curves = {name: np.zeros(len(volumes), dtype=np.float32) for name in CURVES}
        curves["coverage_deg"] = np.where(volumes >= covers[k], 360.0, 100.0).astype(np.float32)
        curves["azygos_mL"] = np.where(volumes >= refluxes[k], 0.1, 0.0).astype(np.float32)
        given = {"injected_mL": LARGEST_ML, "coverable_deg": 360.0, "over_pressure_mL": np.inf}
        outcomes.append(
            Outcome(
                k,
                ARM,
                draw.patient_seed,
                draw.gate_seed,
                {name: float(values[k]) for name, values in (inputs or {}).items()},
                found=dict.fromkeys(FOUND, 1.0),
                curves=curves,
                **{**given, **{name: values[k] for name, values in numbers.items()}},
            )
        )
    with store.writing():
        for first in range(0, len(outcomes), CHUNK):
            store.add(outcomes[first : first + CHUNK])
    return store


def plan_of(
    folder: Path, covers: Sequence[float], refluxes: Sequence[float], **further: object
) -> Plan:
    """Plan of such a store."""
    store = store_of(folder, covers, refluxes, **further)  # type: ignore[arg-type]
    return make_plan(store, ARM, len(covers), Targets.default())
