"""What draw k is: the same whatever the number of draws, workers, their order, or a resumption."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from castsim.agents import agent_prior
from castsim.ensembles.priors import Prior
from castsim.ensembles.study import Study
from castsim.scenario import MODEL_FIELDS, Scenario
from castsim.scenario_file import scenario_from

if TYPE_CHECKING:
    from scipy.stats import qmc

RATES = "injection.rate_mL_min"
PAUSES = "injection.pause_s"
_POINTS, _SEEDS, _SEEDS_B = 0, 1, 3
"""Spawn keys of the random streams; 2 is the bootstrap's (recommending.py)."""
A, B = "A", "B"
"""The plan's own draws, and a second independent set, by which indices are estimated."""
PATIENT, GATES = "patient_seed", "gate_seed"
"""Inputs without a prior: the rest of the anatomy, and the disorder of the fronts."""
_HALF_BIN = 2.0**-31
"""Sobol points are multiples of 2^-30; in the middle of their bin none is 0."""


@dataclass(frozen=True)
class Draw:
    """One random patient under random conditions; shared by all arms.

    Attributes
    ----------
    number : k
    point : (priors,) share of each prior that lies below its value
    patient_seed : of everything about the patient that no prior names
    gate_seed : of the disorder of the fronts
    """

    number: int
    point: NDArray[np.float64]
    patient_seed: int
    gate_seed: int


def draws(study: Study, first: int, last: int, matrix: str = A) -> list[Draw]:
    """Draws first … last - 1.

    Scrambled Sobol points (Owen 1998, as :class:`scipy.stats.qmc.Sobol` does it), two coordinates a
    prior: the second half makes the second set that indices need.

    Parameters
    ----------
    matrix : `A`; `B`, the second set; or one of :func:`index_inputs`: A with this input from B
    """
    dimension = len(study.priors)
    block = _sobol_block(study.seed, 2 * dimension, first, last - first)
    chosen = []
    for number, row in enumerate(block, start=first):
        one = Draw(number, row[:dimension], *_seeds(study.seed, _SEEDS, number))
        other = Draw(number, row[dimension:], *_seeds(study.seed, _SEEDS_B, number))
        chosen.append({A: one, B: other}.get(matrix) or _crossed(study, one, other, matrix))
    return chosen


def index_inputs(study: Study) -> tuple[str, ...]:
    """Inputs that vary between the draws: fields that a prior sets in any arm, and the seeds."""
    places = {place for arm in study.arms.values() for place in drawn_priors(arm, study.priors)}
    return (*(study.priors[place].field for place in sorted(places)), PATIENT, GATES)


def _crossed(study: Study, one: Draw, other: Draw, name: str) -> Draw:
    """Draw `one`, but its input `name` is that of `other`."""
    if name in (PATIENT, GATES):
        return replace(one, **{name: getattr(other, name)})
    swapped = np.array([prior.field == name for prior in study.priors])
    return replace(one, point=np.where(swapped, other.point, one.point))


def _seeds(seed: int, stream: int, number: int) -> tuple[int, int]:
    state = np.random.SeedSequence(seed, spawn_key=(stream, number)).generate_state(2, np.uint64)
    patient, gates = (int(word) >> 1 for word in state)
    return patient, gates


def _sobol_block(seed: int, dimension: int, first: int, count: int) -> NDArray[np.float64]:
    engine = copy.deepcopy(_sobol(seed, dimension))
    if first:
        engine.fast_forward(first)
    # asked for one by one, since scipy warns of first blocks that are no power of two
    return np.concatenate([engine.random(1) for _ in range(count)]) + _HALF_BIN


@lru_cache(maxsize=4)
def _sobol(seed: int, dimension: int) -> "qmc.Sobol":
    from scipy.stats import qmc

    stream = np.random.SeedSequence(seed, spawn_key=(_POINTS,))
    return qmc.Sobol(dimension, scramble=True, rng=np.random.default_rng(stream))


def drawn_priors(arm: Scenario, priors: tuple[Prior, ...]) -> dict[int, Prior]:
    """Place → prior of what is drawn in this arm.

    Left out is what the scenario gives as known, and what has nothing to act on.
    """
    given = arm.model_dump(exclude_unset=True)
    chosen = {}
    for place, prior in enumerate(priors):
        if prior.relative:
            if prior.field == PAUSES and not _has_pauses(arm):
                continue
        elif _lookup(given, prior.field) is not None:
            continue
        if prior.distribution == "agent":
            quantity = MODEL_FIELDS[prior.field.partition(".")[2]][0]
            chosen[place] = prior.of_agent(agent_prior(arm.agent, quantity))
        else:
            chosen[place] = prior
    return chosen


def drawn_values(priors: Mapping[int, Prior], draw: Draw) -> dict[str, float]:
    """Field → the value that one draw gives it."""
    return {prior.field: prior.quantile(float(draw.point[k])) for k, prior in priors.items()}


def drawn_scenario(
    arm: Scenario, priors: Mapping[int, Prior], draw: Draw, largest_mL: float
) -> tuple[Scenario, dict[str, float]]:
    """Scenario of an arm in one draw, and the values drawn, by field.

    The patient is random, nothing stops the operator, and the last push goes on to `largest_mL`.
    """
    values = arm.model_dump(exclude_unset=True)
    inputs = drawn_values(priors, draw)
    values["injection"] = _to_the_end(arm, largest_mL)
    for prior in priors.values():
        value = inputs[prior.field]
        if prior.field in (RATES, PAUSES):
            _multiply(values["injection"], prior.field.partition(".")[2], value)
        else:
            section, _, key = prior.field.partition(".")
            values[section] = {**values.get(section, {}), key: value}
    values["patient"] = {
        **values.get("patient", {}),
        "anatomy": "drawn",
        "seed": draw.patient_seed,
    }
    values["seed"] = draw.gate_seed
    return scenario_from(values, source=arm.name), inputs


def _to_the_end(arm: Scenario, largest_mL: float) -> dict[str, Any]:
    """The arm's injection without rules that stop it, its last push lengthened to `largest_mL`."""
    section: dict[str, Any] = arm.resolved().injection.model_dump()
    section["rules"] = [rule for rule in section["rules"] if rule["action"] != "stop"]
    if not section["steps"]:
        section.pop("steps")
        return {**section, "volume_mL": largest_mL}
    section = {key: section[key] for key in ("steps", "rules", "mode")}
    pushes = [step for step in section["steps"] if "volume_mL" in step]
    missing = largest_mL - sum(step["volume_mL"] for step in pushes)
    if missing > 0.0:
        last = pushes[-1]
        # what follows the last push is a pause, after which it goes on
        further = {"volume_mL": missing, "rate_mL_min": last["rate_mL_min"]}
        section["steps"] = [*section["steps"], further]
    return section


def rules_left_out(arm: Scenario) -> tuple[str, ...]:
    """What the arm's rules watch that stop the injection, which no draw follows."""
    stopping = (rule.when for rule in arm.resolved().injection.rules if rule.action == "stop")
    return tuple(dict.fromkeys(stopping))


def _multiply(injection: dict[str, Any], key: str, factor: float) -> None:
    """Multiply `key` wherever the injection has it: in its one push, its steps and its rules."""
    for table in (injection, *injection.get("steps", ()), *injection.get("rules", ())):
        if table.get(key) is not None:
            table[key] *= factor


def _has_pauses(arm: Scenario) -> bool:
    injection = arm.injection
    return any(hasattr(step, "pause_s") for step in injection.steps) or any(
        rule.action == "pause" for rule in injection.rules
    )


def _lookup(values: Mapping[str, Any], field: str) -> Any:
    inner: Any = values
    for key in field.split("."):
        inner = inner.get(key) if isinstance(inner, Mapping) else None
    return inner
