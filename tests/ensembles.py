"""Ensembles made by hand: what happens in each draw is known, and nothing is simulated."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from castsim.ensembles.columns import CURVES, FOUND, Outcome
from castsim.ensembles.planning import Plan, make_plan
from castsim.ensembles.priors import bundled_priors
from castsim.ensembles.sampling import A, Draw, drawn_priors, drawn_values, draws
from castsim.ensembles.store import CHUNK, Store
from castsim.ensembles.study import Study, load_arm
from castsim.ensembles.targets import Targets
from castsim.scenario import Scenario

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
    unreachable: Mapping[int, str] | None = None,
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
    failing, lacking = errors or {}, unreachable or {}
    outcomes = []
    for draw in draws(one, 0, len(covers), matrix):
        k = draw.number
        drawn = {name: float(values[k]) for name, values in (inputs or {}).items()}
        if k in failing or k in lacking:
            text = failing.get(k) or lacking[k]
            outcomes.append(_not_simulated(draw, ARM, drawn, text, lacks=k in lacking))
            continue
        curves = dict.fromkeys(CURVES, 0.0 * volumes)
        curves["coverage_deg"] = np.where(volumes >= covers[k], 360.0, 100.0)
        curves["azygos_mL"] = np.where(volumes >= refluxes[k], 0.1, 0.0)
        given = {name: values[k] for name, values in numbers.items()}
        found = dict.fromkeys(FOUND, 1.0)
        outcomes.append(_simulated(one, draw, ARM, drawn, found, curves, **given))
    return _filled(Store(folder, one, matrix), outcomes)


def plan_of(
    folder: Path, covers: Sequence[float], refluxes: Sequence[float], **further: object
) -> Plan:
    """Plan of such a store."""
    store = store_of(folder, covers, refluxes, **further)  # type: ignore[arg-type]
    return make_plan(store, ARM, len(covers), Targets.default())


def made_up_store(
    folder: Path,
    arms: Mapping[str, Scenario],
    n_draws: int = 128,
    *,
    failing: Mapping[str, Collection[int]] | None = None,
    lacking: Mapping[str, Collection[int]] | None = None,
    covers: bool | Mapping[str, bool] = True,
) -> Store:
    """A store in which agent covers early and refluxes late, later in later arms.

    Parameters
    ----------
    failing : arm → draws that failed in it
    lacking : arm → draws in which the tip cannot be placed
    covers : whether any draw is ever covered, in all arms or by arm
    """
    one = Study(dict(arms), bundled_priors())
    outcomes = []
    for draw in draws(one, 0, n_draws):
        for place, (label, arm) in enumerate(one.arms.items()):
            inputs = drawn_values(drawn_priors(arm, one.priors), draw)
            lacks = draw.number in (lacking or {}).get(label, ())
            if lacks or draw.number in (failing or {}).get(label, ()):
                kind = "UnreachableError" if lacks else "SolverError"
                text = f"{kind}: <b>draw {draw.number}</b>"
                outcomes.append(_not_simulated(draw, label, inputs, text, lacks=lacks))
                continue
            ever = covers if isinstance(covers, bool) else covers[label]
            curves = _made_up(one.volumes_mL(), draw.point, 1.0 + 0.4 * place, ever=ever)
            found = {name: float(1.0 + draw.point[k]) for k, name in enumerate(FOUND)}
            outcomes.append(_simulated(one, draw, label, inputs, found, curves))
    return _filled(Store(folder, one), outcomes)


def _made_up(
    volume: NDArray[np.float64], chance: NDArray[np.float64], factor: float, *, ever: bool
) -> dict[str, NDArray[np.float64]]:
    """Curves of one draw, by its first two coordinates."""
    covered_mL, reflux_mL = 0.1 + 0.5 * chance[0], factor * (0.3 + 0.9 * chance[1])
    azygos = np.maximum(volume - reflux_mL, 0.0)
    kept = volume - azygos
    return {
        "coverage_deg": np.minimum(360.0 * volume / covered_mL, 360.0 if ever else 200.0),
        "azygos_mL": azygos,
        "embolised_mL": 0.5 * azygos,
        "hazard_mL": 0.0 * volume,
        "adjacent_mL": 0.1 * kept,
        "foraminal_mL": 0.3 * kept,
        "epidural_mL": 0.2 * kept,
        "segmental_mL": 0.4 * kept,
    }


def _simulated(
    of: Study,
    draw: Draw,
    label: str,
    inputs: Mapping[str, float],
    found: Mapping[str, float],
    curves: Mapping[str, NDArray[np.float64]],
    **numbers: float,
) -> Outcome:
    """A run that came to its end; `numbers` take the place of the usual ones."""
    usual = {
        "injected_mL": of.largest_mL,
        "coverable_deg": 360.0,
        "max_tip_pressure_mmHg": 50.0,
        "over_pressure_mL": np.inf,
        "catheter_reflux_mm": 1.0,
        "layered_fraction": 0.5,
        "volume_balance_error": 0.0,
    }
    return Outcome(
        draw.number,
        label,
        draw.patient_seed,
        draw.gate_seed,
        inputs,
        found=found,
        curves={name: values.astype(np.float32) for name, values in curves.items()},
        **{**usual, **numbers},  # type: ignore[arg-type]
    )


def _not_simulated(
    draw: Draw, label: str, inputs: Mapping[str, float], text: str, *, lacks: bool
) -> Outcome:
    seeds = draw.patient_seed, draw.gate_seed
    return Outcome(draw.number, label, *seeds, inputs, error=text, unreachable=lacks)


def _filled(store: Store, outcomes: Sequence[Outcome]) -> Store:
    rows = CHUNK * len(store.study.arms)
    with store.writing():
        for first in range(0, len(outcomes), rows):
            store.add(outcomes[first : first + rows])
    return store
