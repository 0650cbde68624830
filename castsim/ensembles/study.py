"""Study: what is asked of an ensemble. One arm is a plan, several arms are a comparison."""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from castsim import __version__
from castsim.ensembles.priors import Prior
from castsim.ensembles.targets import plan_number
from castsim.errors import ScenarioError
from castsim.scenario import Scenario
from castsim.scenario_file import load_scenario, scenario_from

SCHEMA = "castsim.study/1"
SECTIONS = {"tip": "tip", "catheter": "catheter", "protocol": "injection", "patient": "patient"}
"""What ``--vary`` takes whole from other scenarios, and their table there."""


@dataclass(frozen=True)
class Study:
    """Everything that decides what draw k comes to.

    Attributes
    ----------
    arms : label → scenario, with only those fields set that its author gave
    priors : all of them; the place of each is its random coordinate
    seed : of points, patients and gates
    largest_mL : volume up to which every draw is injected
    """

    arms: Mapping[str, Scenario]
    priors: tuple[Prior, ...]
    seed: int = 0
    largest_mL: float = plan_number("largest_mL")

    def volumes_mL(self) -> NDArray[np.float64]:
        """Grid on which curves are kept, from one step to the largest volume."""
        step = plan_number("volume_step_mL")
        return np.asarray(step * np.arange(1, round(self.largest_mL / step) + 1), dtype=float)

    def to_json(self) -> str:
        """Text from which :meth:`from_json` makes this study again; the store's manifest too."""
        content = {
            "schema": SCHEMA,
            "version": __version__,
            "seed": self.seed,
            "largest_mL": self.largest_mL,
            "arms": {
                label: arm.model_dump(mode="json", exclude_unset=True)
                for label, arm in self.arms.items()
            },
            "priors": [prior.model_dump(mode="json", exclude_none=True) for prior in self.priors],
        }
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Study":
        """Make the study of :meth:`to_json` again."""
        content = json.loads(text)
        return cls(
            arms={
                label: scenario_from(values, source=label)
                for label, values in content["arms"].items()
            },
            priors=tuple(Prior.model_validate(prior) for prior in content["priors"]),
            seed=content["seed"],
            largest_mL=content["largest_mL"],
        )


def load_arm(scenario: str | Path, overrides: Sequence[str] = ()) -> Scenario:
    """Load a scenario for an ensemble: of drawn patients, so that `overrides` may set their traits.

    Errors as :func:`castsim.scenario_file.load_scenario`.
    """
    return load_scenario(scenario, ('patient.anatomy="drawn"', *overrides))


def vary(scenario: str, overrides: Sequence[str], variations: Sequence[str]) -> dict[str, Scenario]:
    """Return the arms of ``field=value,value`` variations: every combination of them.

    ``tip``, ``catheter``, ``protocol`` and ``patient`` name scenarios whose table is taken;
    any other field is set as by ``--set``.

    Raises
    ------
    ScenarioError
        If a variation cannot be read, or an arm is no scenario.
    """
    choices = [_choices(variation) for variation in variations]
    arms: dict[str, Scenario] = {}
    for combination in itertools.product(*choices):
        base: dict[str, Any] = {}
        texts = list(overrides)
        for field, value in combination:
            section = SECTIONS.get(
                field.removeprefix("catheter.") if field == "catheter.tip" else field
            )
            if section is None:
                texts.append(f"{field}={value}")
            else:
                donor = load_scenario(value)
                base[section] = getattr(donor, section)
        arm = load_arm(scenario, texts)
        if base:
            values = {**arm.model_dump(exclude_unset=True)}
            for section, given in base.items():
                values[section] = given.model_dump(exclude_unset=True)
            arm = scenario_from(values, source=scenario)
        arms[", ".join(f"{field}={value}" for field, value in combination)] = arm
    return arms


def _choices(variation: str) -> list[tuple[str, str]]:
    field, equals, texts = variation.partition("=")
    values = [text.strip() for text in texts.split(",") if text.strip()]
    if not equals or not field.strip() or len(values) < 2:
        raise ScenarioError(
            f"--vary {variation}: must read field=value,value with two values or more, "
            "for example agent=Onyx 18,PHIL 25"
        )
    return [(field.strip(), value) for value in values]
