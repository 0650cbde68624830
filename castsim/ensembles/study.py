"""Study: what is asked of an ensemble. One arm is a plan, several arms are a comparison."""

import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from castsim import __version__
from castsim.ensembles.fingerprint import fingerprint
from castsim.ensembles.priors import Prior, bundled_priors
from castsim.ensembles.targets import plan_number
from castsim.errors import CastsimError, ScenarioError
from castsim.protocol import Pause, Step
from castsim.scenario import Scenario
from castsim.scenario_file import load_scenario, overridden, scenario_from

SCHEMA = "castsim.study/1"
SECTIONS = {"tip": "tip", "catheter": "catheter", "protocol": "injection", "patient": "patient"}
"""What ``--vary`` takes whole from other scenarios, and their table there."""
_SAME = {"catheter.tip": "tip"}
DECIDED = {
    "seed": "use --seed and --draws",
    "patient.seed": "use --seed and --draws",
    "patient.anatomy": "every patient is drawn",
    "injection.volume_mL": "use --up-to-ml",
}
"""Fields that an ensemble sets itself in every draw, and what to do instead. A scenario's file may
give them, for :func:`castsim.run`."""
_NAME_LIMIT = 120
"""Letters of a folder's name; the study within is checked in any case."""


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
            "code": fingerprint(),
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


def check_asked(
    draws: int, indices: int = 0, seed: int = 0, largest_mL: float | None = None
) -> float:
    """Return the largest volume, mL, if so much can be asked of an ensemble.

    Raises
    ------
    ScenarioError
        Naming the number that cannot be used.
    """
    if draws < 1:
        raise ScenarioError(f"--draws {draws}: must be 1 or more")
    if not 0 <= indices <= draws:
        raise ScenarioError(f"--indices {indices}: must lie between 0 and --draws {draws}")
    if seed < 0:
        raise ScenarioError(f"--seed {seed}: must be 0 or more")
    largest = float(plan_number("largest_mL") if largest_mL is None else largest_mL)
    step = plan_number("volume_step_mL")
    if not step <= largest < math.inf:
        raise ScenarioError(f"--up-to-ml {largest:g}: must be finite, and {step:g} mL or more")
    return largest


def check_common(common_mL: float | None, largest_mL: float) -> None:
    """Make sure, before anything is run, that arms can be compared at `common_mL`.

    Raises
    ------
    ScenarioError
        If it is beyond the largest volume.
    """
    if common_mL is not None and not 0.0 < common_mL <= largest_mL + 1e-9:
        raise ScenarioError(f"--at-ml {common_mL:g}: must lie between 0 and {largest_mL:g} mL")


def load_arm(scenario: str | Path, overrides: Sequence[str] = ()) -> Scenario:
    """Load a scenario for an ensemble: of drawn patients, so that `overrides` may set their traits.

    Errors as :func:`castsim.scenario_file.load_scenario`, and if `overrides` set what is `DECIDED`.
    """
    for override in overrides:
        _refuse_decided("--set", override)
    arm = load_scenario(scenario, ('patient.anatomy="drawn"', *overrides))
    if arm.mesh.kind != "centreline":
        raise ScenarioError(
            f'{arm.name}: mesh.kind = "{arm.mesh.kind}": takes minutes a draw; an ensemble runs on '
            '"centreline" meshes: leave mesh.kind out'
        )
    return arm


def arms_of(
    scenarios: Sequence[str], overrides: Sequence[str], variations: Sequence[str]
) -> Mapping[str, Scenario]:
    """Return the arms of a comparison: several scenarios, or the variations of one.

    Raises
    ------
    ScenarioError
        If there are not two arms or more, or one cannot be used.
    """
    if not variations:
        if len(scenarios) < 2:
            raise ScenarioError(
                f"{' '.join(scenarios)}: one arm only; name a second scenario, or --vary a field"
            )
        return name_arms(scenarios, overrides)
    if len(scenarios) > 1:
        raise ScenarioError(f"--vary varies one scenario; {len(scenarios)} are named")
    return vary(scenarios[0], overrides, variations)


def folder_name(scenarios: Sequence[str], variations: Sequence[str]) -> str:
    """Name of a comparison's folder, of letters that are safe anywhere.

    >>> folder_name(["right-t9"], ["agent=Onyx 18,PHIL 25"])
    'compare-right-t9-agent-Onyx-18-PHIL-25'
    """
    stems = [Path(name).stem if Path(name).is_file() else name for name in scenarios]
    text = "-".join(("compare", *stems, *variations))
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:_NAME_LIMIT].rstrip("-.")


def vary(
    scenario: str, overrides: Sequence[str], variations: Sequence[str]
) -> Mapping[str, Scenario]:
    """Return the arms of ``field=value,value`` variations: every combination of them.

    ``tip``, ``catheter``, ``protocol`` and ``patient`` name scenarios whose table is taken
    (``catheter.tip`` is ``tip``); any other field is set as by ``--set``, and after those tables.

    Raises
    ------
    ScenarioError
        If a variation cannot be read, or says something twice, or an arm is no scenario; if arms
        differ only in what the ensemble decides.
    """
    for override in overrides:
        _refuse_decided("--set", override)
    choices = [_choices(variation) for variation in variations]
    fields = [_SAME.get(one[0][0], one[0][0]) for one in choices]
    for field in fields:
        if fields.count(field) > 1:
            raise ScenarioError(f"--vary {field}: given twice; name all its values in one --vary")
    arms: dict[str, Scenario] = {}
    for combination in itertools.product(*choices):
        values = load_arm(scenario).model_dump(mode="json", exclude_unset=True)
        texts = list(overrides)
        for field, value in combination:
            section = SECTIONS.get(_SAME.get(field, field))
            if section is None:
                _refuse_decided("--vary", f"{field}={value}")
                texts.append(f"{field}={value}")
            else:
                donor = load_arm(value).model_dump(mode="json", exclude_unset=True)
                values[section] = donor.get(section, {})
        arms[", ".join(f"{field}={value}" for field, value in combination)] = scenario_from(
            overridden(values, texts, source=scenario), source=scenario
        )
    return all_different(arms)


def name_arms(scenarios: Sequence[str], overrides: Sequence[str]) -> Mapping[str, Scenario]:
    """Return scenarios as arms under their names; under what was typed where names are alike.

    Raises
    ------
    ScenarioError
        If one cannot be used, or two are the same.
    """
    loaded = [(text, load_arm(text, overrides)) for text in scenarios]
    names = [arm.name for _, arm in loaded]
    arms: dict[str, Scenario] = {}
    for text, arm in loaded:
        label = arm.name if names.count(arm.name) == 1 else text
        if label in arms:
            raise ScenarioError(f"{label}: given twice; name different scenarios")
        arms[label] = arm
    return all_different(arms)


def all_different(arms: Mapping[str, Scenario]) -> Mapping[str, Scenario]:
    """Return `arms` if no two say the same, or are run the same, whatever they are called.

    Raises
    ------
    ScenarioError
        Naming the first two that do.
    """
    seen: dict[str, str] = {}
    runs: dict[str, str] = {}
    for label, arm in arms.items():
        # only what is given counts: a default that is written down is held, and not drawn
        text = arm.model_dump_json(exclude_unset=True, exclude={"name", "title"})
        if text in seen:
            raise ScenarioError(f"{label}: the same as {seen[text]}; arms must differ")
        seen[text] = label
        course = _as_run(arm)
        if course in runs:
            raise ScenarioError(
                f"{label}: runs as {runs[course]} does in every draw: volume (--up-to-ml), seeds "
                "(--seed, --draws), anatomy and where to stop are decided by the ensemble"
            )
        runs[course] = label
    return arms


def _as_run(arm: Scenario) -> str:
    """What one draw makes of an arm; arms of which it makes the same differ in no draw."""
    from castsim.ensembles.sampling import drawn_priors, drawn_scenario, draws

    study = Study({"": arm}, bundled_priors())
    (draw,) = draws(study, 0, 1)
    try:
        drawn, _ = drawn_scenario(arm, drawn_priors(arm, study.priors), draw, study.largest_mL)
    except CastsimError:  # this draw fails, and is told as failed
        return arm.model_dump_json(exclude={"name", "title"})
    steps: list[Step | Pause] = []
    for step in drawn.injection.protocol().steps:
        last = steps[-1] if steps else None
        # the last push is lengthened by a further one, wherever it ended before
        if isinstance(step, Step) and isinstance(last, Step) and step.rate == last.rate:
            steps[-1] = Step(last.volume + step.volume, step.rate)
        else:
            steps.append(step)
    told = [(round(one.volume, 6), one.rate) if isinstance(one, Step) else one for one in steps]
    values = drawn.model_dump(mode="json", exclude={"name", "title"})
    for key in ("volume_mL", "rate_mL_min", "steps"):
        del values["injection"][key]
    return f"{told} {json.dumps(values)}"


def _refuse_decided(option: str, override: str) -> None:
    """Raise if ``field=value`` sets what the ensemble decides, be it within a whole table."""
    if "=" not in override:
        return  # told with all else that cannot be read
    values = overridden({}, [override])
    for field, remedy in DECIDED.items():
        inner: Any = values
        for key in field.split("."):
            inner = inner.get(key) if isinstance(inner, Mapping) else None
        if inner is not None:
            raise ScenarioError(
                f"{option} {field}: decided by the plan in every draw, and not by the scenario: "
                f"{remedy}"
            )


def _choices(variation: str) -> list[tuple[str, str]]:
    field, equals, texts = variation.partition("=")
    values = [text.strip() for text in texts.split(",") if text.strip()]
    if not equals or not field.strip() or len(values) < 2:
        raise ScenarioError(
            f"--vary {variation}: must read field=value,value with two values or more, "
            "for example agent=Onyx 18,PHIL 25"
        )
    for value in values:
        if values.count(value) > 1:
            raise ScenarioError(f"--vary {variation}: {value} is named twice")
    return [(field.strip(), value) for value in values]
