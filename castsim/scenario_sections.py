"""The sections of a scenario file, each field with its unit, its default and what it means.

The descriptions are the documentation: ``castsim show``, the JSON Schema of ``cast.json`` and
the reference page are printed from them. A value of None means "take the tabulated one";
:meth:`castsim.scenario.Scenario.resolved` fills it in.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from castsim.agents import AGENT_NAMES, agent_name
from castsim.catheters import CATHETER_NAMES
from castsim.errors import ScenarioError
from castsim.naming import match_name
from castsim.protocol import Pause, Protocol, Rule, RuleAction, RuleKind, Step
from castsim.tables import number, read_table
from castsim.units import (
    GRAVITY_MM_S2,
    Pa_from_mmHg,
    uL_from_mL,
    uL_s_from_mL_min,
)
from geometry.levels import ROOTS, Level, Side
from geometry.structures import Compartment, Structure
from geometry.traits import Traits

_RULE_DEFAULT = {
    (row["rule"], row["parameter"]): number(row, "value", table="operator_rules")
    for row in read_table("operator_rules")
}

TIP_STRUCTURES = tuple(s.label for s in Structure if s.compartment is not Compartment.HAZARD)
"""Veins that a tip or a waypoint can lie in: all but the intradural ones."""


def _named(what: str, known: tuple[str, ...]) -> BeforeValidator:
    """Return a validator that takes any letter case and suggests the nearest name."""

    def validate(value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError(f"must be the name of a {what}, one of: {', '.join(known)}")
        try:
            return match_name(value.replace("-", "_") if what == "vein" else value, known, what)
        except ScenarioError as error:
            raise ValueError(str(error)) from error

    return BeforeValidator(validate)


def _agent(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError(f"must be the name of an agent, one of: {', '.join(AGENT_NAMES)}")
    try:
        return agent_name(value)
    except ScenarioError as error:
        raise ValueError(str(error)) from error


def _enum(known: tuple[str, ...]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": list(known)})


_LEVELS = tuple(level.name for level in Level)
_ROOTS = tuple(root.name for root in ROOTS)
_BODY_SIDES = ("right", "left")
_SIDES = (*_BODY_SIDES, "midline")

LevelName = Annotated[str, _named("level", _LEVELS), _enum(_LEVELS)]
RootName = Annotated[str, _named("root", _ROOTS), _enum(_ROOTS)]
VeinName = Annotated[str, _named("vein", TIP_STRUCTURES), _enum(TIP_STRUCTURES)]
BodySide = Annotated[str, _named("side", _BODY_SIDES), _enum(_BODY_SIDES)]
AnySide = Annotated[str, _named("side", _SIDES), _enum(_SIDES)]
CatheterName = Annotated[str, _named("catheter", CATHETER_NAMES), _enum(CATHETER_NAMES)]
AgentName = Annotated[str, BeforeValidator(_agent), _enum(AGENT_NAMES)]
Positive = Annotated[float, Field(gt=0.0)]
NotNegative = Annotated[float, Field(ge=0.0)]


class Section(BaseModel):
    """A table of the scenario file: unknown keys, NaN and infinity are refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, validate_default=True
    )


class Target(Section):
    """The nerve root that the cast should wrap."""

    level: RootName = Field(description="nerve root to be covered, C2 to L5")
    side: BodySide = Field(description="right or left")

    @property
    def root(self) -> Level:
        """Root as a level code."""
        return Level[self.level]

    @property
    def side_code(self) -> Side:
        """Side as a code."""
        return Side[self.side.upper()]


class Waypoint(Section):
    """A vein that the catheter passes through."""

    structure: VeinName = Field(description="vein, for example foraminal or paraspinal")
    level: LevelName = Field(description="level of the vein, C1 to S1")
    side: AnySide = Field(description="right, left or midline")

    @property
    def code(self) -> tuple[Structure, Level, Side]:
        """Structure, level and side as codes."""
        return Structure[self.structure.upper()], Level[self.level], Side[self.side.upper()]

    def __str__(self) -> str:
        return f"{self.structure} {self.level} {self.side}"


class Tip(Waypoint):
    """Where the microcatheter ends."""

    station: Literal["medial", "middle", "lateral", "lower", "upper"] = Field(
        "middle",
        description="third of the vein in which the tip lies: medial, middle or lateral; "
        "lower, middle or upper in veins that run up and down",
    )
    offset_mm: float = Field(
        0.0,
        ge=-50.0,
        le=50.0,
        description="how far the tip lies from there: advanced along its vein's widest strands, at "
        "most to the vein's end (+), or withdrawn along the catheter, across junctions (-)",
    )


class Balloon(Section):
    """An inflated balloon, on this catheter or on a second one beside it, that shuts the vein."""

    distance_mm: NotNegative = Field(
        3.0, le=100.0, description="from the tip back to the near end of the balloon"
    )
    length_mm: float | None = Field(
        None, gt=0.0, le=50.0, description="length of vein that it shuts; the catheter's own"
    )
    diameter_mm: float | None = Field(
        None, gt=0.0, le=20.0, description="widest vein that it shuts; the catheter's own"
    )


class CatheterSection(Section):
    """The microcatheter and its way."""

    name: CatheterName = Field("Marathon", description="microcatheter")
    via: Annotated[tuple[Waypoint, ...], Field(strict=False)] = Field(
        (), max_length=20, description="veins it must pass, in order from the heart to the tip"
    )
    balloon: Balloon | None = Field(None, description="inflated balloon; none when left out")
    hub_compliance_uL_kPa: NotNegative | None = Field(
        None, description="volume stored in syringe and catheter per pressure at the hub"
    )
    hub_pressure_limit_mmHg: Positive | None = Field(
        None, description="largest pressure at the hub: the maker's rating or a thumb's force"
    )


class StepSection(Section):
    """A push at a set rate."""

    volume_mL: float = Field(gt=0.0, le=20.0, description="agent out of the tip")
    rate_mL_min: float = Field(gt=0.0, le=10.0, description="rate set at the syringe")


class PauseSection(Section):
    """A pause between pushes."""

    pause_s: float = Field(gt=0.0, le=3600.0, description="how long the syringe is held still")


def _step_tag(value: Any) -> str:
    has_pause = "pause_s" in value if isinstance(value, Mapping) else hasattr(value, "pause_s")
    return "<pause>" if has_pause else "<step>"


StepOrPause = Annotated[
    Annotated[StepSection, Tag("<step>")] | Annotated[PauseSection, Tag("<pause>")],
    Discriminator(_step_tag),
]


class _RuleSection(Section):
    """What every rule says besides its threshold."""

    action: Literal["stop", "pause"] = Field(
        "stop", description="stop for good, or pause and resume"
    )
    pause_s: float = Field(
        _RULE_DEFAULT["any", "pause_s"], gt=0.0, le=3600.0, description="length of a pause"
    )
    times: int = Field(
        int(_RULE_DEFAULT["any", "times"]), ge=1, le=1000, description="pauses at most"
    )

    def _rule(self, kind: RuleKind, threshold: float, visible_calibre: float = 0.0) -> Rule:
        return Rule(
            kind,
            threshold,
            action=RuleAction[self.action.upper()],
            pause=self.pause_s,
            times=self.times,
            visible_calibre=visible_calibre,
        )


class AzygosRefluxRule(_RuleSection):
    """When agent shows in the azygos system on fluoroscopy."""

    when: Literal["azygos_reflux"]
    volume_mL: NotNegative = Field(
        _RULE_DEFAULT["azygos_reflux", "volume_mL"], description="least volume that is noticed"
    )
    calibre_mm: NotNegative = Field(
        _RULE_DEFAULT["azygos_reflux", "calibre_mm"], description="thinnest vein that shows"
    )

    def rule(self) -> Rule:
        """As the kernels take it."""
        return self._rule(RuleKind.AZYGOS_REFLUX, uL_from_mL(self.volume_mL), self.calibre_mm)


class CatheterRefluxRule(_RuleSection):
    """When agent runs back along the catheter."""

    when: Literal["catheter_reflux"]
    length_mm: NotNegative = Field(
        _RULE_DEFAULT["catheter_reflux", "length_mm"], description="reflux along the catheter"
    )

    def rule(self) -> Rule:
        """As the kernels take it."""
        return self._rule(RuleKind.CATHETER_REFLUX, self.length_mm)


class TipPressureRule(_RuleSection):
    """When the pressure at the tip may tear the vein."""

    when: Literal["tip_pressure"]
    pressure_mmHg: Positive = Field(
        _RULE_DEFAULT["tip_pressure", "pressure_mmHg"], description="pressure at the tip"
    )

    def rule(self) -> Rule:
        """As the kernels take it."""
        return self._rule(RuleKind.TIP_PRESSURE, Pa_from_mmHg(self.pressure_mmHg))


class HubPressureRule(_RuleSection):
    """When the syringe is hard to push."""

    when: Literal["hub_pressure"]
    pressure_mmHg: Positive = Field(
        _RULE_DEFAULT["hub_pressure", "pressure_mmHg"],
        description="pressure at the hub; 1 psi is 51.7 mmHg",
    )

    def rule(self) -> Rule:
        """As the kernels take it."""
        return self._rule(RuleKind.HUB_PRESSURE, Pa_from_mmHg(self.pressure_mmHg))


class CoverageRule(_RuleSection):
    """When the root is wrapped far enough."""

    when: Literal["coverage"]
    coverage_deg: float = Field(
        _RULE_DEFAULT["coverage", "coverage_deg"],
        gt=0.0,
        le=360.0,
        description="arc of the target root that is wrapped",
    )

    def rule(self) -> Rule:
        """As the kernels take it."""
        return self._rule(RuleKind.COVERAGE, self.coverage_deg)


RuleSection = Annotated[
    AzygosRefluxRule | CatheterRefluxRule | TipPressureRule | HubPressureRule | CoverageRule,
    Field(discriminator="when"),
]
RULE_NAMES = ("azygos_reflux", "catheter_reflux", "tip_pressure", "hub_pressure", "coverage")


class Injection(Section):
    """What the operator does."""

    volume_mL: float | None = Field(
        None, gt=0.0, le=20.0, description="agent out of the tip in one push (1.0)"
    )
    rate_mL_min: float | None = Field(
        None, gt=0.0, le=10.0, description="rate of that push (0.1); makers allow up to 0.3"
    )
    steps: Annotated[tuple[StepOrPause, ...], Field(strict=False)] = Field(
        (), max_length=1000, description="pushes and pauses in order, instead of one push"
    )
    rules: Annotated[tuple[RuleSection, ...], Field(strict=False)] = Field(
        (), max_length=100, description="when to stop, or to pause and resume"
    )
    mode: Literal["dynamic", "quasistatic"] = Field(
        "dynamic",
        description="dynamic: the whole physics; quasistatic: the weakest front opens first",
    )

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> "Injection":
        if self.steps and (self.volume_mL is not None or self.rate_mL_min is not None):
            raise ValueError("give either volume_mL and rate_mL_min, or steps, not both")
        if self.steps and not any(isinstance(step, StepSection) for step in self.steps):
            raise ValueError("steps must hold at least one push with volume_mL and rate_mL_min")
        return self

    def protocol(self) -> Protocol:
        """Steps and rules in µL, µL/s, s, mm and Pa."""
        rules = tuple(section.rule() for section in self.rules)
        if not self.steps:
            volume = DEFAULT_VOLUME_ML if self.volume_mL is None else self.volume_mL
            rate = DEFAULT_RATE_ML_MIN if self.rate_mL_min is None else self.rate_mL_min
            return Protocol((Step(uL_from_mL(volume), uL_s_from_mL_min(rate)),), rules)
        steps = tuple(
            Pause(step.pause_s)
            if isinstance(step, PauseSection)
            else Step(uL_from_mL(step.volume_mL), uL_s_from_mL_min(step.rate_mL_min))
            for step in self.steps
        )
        return Protocol(steps, rules)


DEFAULT_VOLUME_ML = 1.0
DEFAULT_RATE_ML_MIN = 0.1


_TRAITS = tuple(trait.name for trait in fields(Traits))


class Patient(Section):
    """The patient on the table."""

    position: Literal["supine", "prone", "right_decubitus", "left_decubitus"] = Field(
        "supine", description="how the patient lies; right_decubitus: on the right side"
    )
    anatomy: Literal["typical", "drawn"] = Field(
        "typical", description="the commonest anatomy, or a random patient"
    )
    seed: int = Field(
        0, ge=0, lt=2**63, description="which patient: of the plexus strands, and of the draw"
    )
    blood: Literal["nominal", "shear"] = Field(
        "nominal", description="viscosity of blood: one value, or by shear rate"
    )
    right_atrium_mmHg: float | None = Field(
        None, ge=-10.0, le=15.0, description="pressure in the right atrium"
    )
    abdominal_pressure_mmHg: float = Field(
        0.0, ge=-20.0, le=200.0, description="rise of abdominal pressure, as in straining"
    )
    azygos_outflow_mL_min: float | None = Field(
        None, gt=0.0, le=2000.0, description="flow of the azygos vein into the superior vena cava"
    )
    csf_pressure_mmHg: float | None = Field(
        None, ge=-30.0, le=60.0, description="pressure of the cerebrospinal fluid"
    )
    upstream_mmHg: float | None = Field(
        None, gt=0.0, le=60.0, description="pressure that drives blood into every tributary"
    )
    blood_viscosity_mPa_s: float | None = Field(
        None, ge=0.5, le=50.0, description="nominal viscosity of blood"
    )
    calibre_factor: float | None = Field(
        None, gt=0.2, lt=5.0, description="factor that all veins of a drawn patient share"
    )
    strand_probability: float | None = Field(
        None,
        ge=0.3,
        le=1.0,
        description="of each strand of a drawn patient's plexuses to be there",
    )
    intersegmental_probability: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        description="of two neighbouring segmental veins of a drawn patient to be joined",
    )
    azygos_shift_mm: float | None = Field(
        None, ge=-30.0, le=30.0, description="shift of a drawn patient's azygos, + to the right"
    )
    valve_incompetence: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        description="probability that a valve of a drawn patient leaks and stops nothing; else 0",
    )

    @field_validator(*_TRAITS)
    @classmethod
    def _only_a_drawn_patient(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and info.data.get("anatomy") == "typical":
            raise ValueError(
                'only a drawn patient has it; set patient.anatomy = "drawn" or leave it out'
            )
        return value

    def traits(self) -> Traits:
        """Traits of a drawn patient; none given: all as drawn."""
        return Traits(**{name: getattr(self, name) for name in _TRAITS})

    def gravity(self) -> NDArray[np.float64]:
        """Gravity in patient RAS (+x right, +y anterior, +z cranial), (3,) mm/s²."""
        direction = {
            "supine": (0.0, -1.0, 0.0),
            "prone": (0.0, 1.0, 0.0),
            "right_decubitus": (1.0, 0.0, 0.0),
            "left_decubitus": (-1.0, 0.0, 0.0),
        }
        return np.array(direction[self.position]) * GRAVITY_MM_S2
