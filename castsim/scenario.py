"""Scenario: one planned injection, read from a TOML file and checked.

A scenario says which root to cover, where the tip lies, what is injected through what and
how, in which patient. Everything but target and tip has a default. Units are part of the
field names; :mod:`castsim.units` turns them into mm, s, g.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, TypeVar

from pydantic import Field, model_validator

from castsim.agents import AgentModel, load_agent
from castsim.catheters import Catheter, load_catheter
from castsim.errors import ScenarioError
from castsim.physiology import Physiology
from castsim.scenario_sections import (
    DEFAULT_RATE_ML_MIN,
    DEFAULT_VOLUME_ML,
    AgentName,
    CatheterSection,
    Injection,
    NotNegative,
    Patient,
    Positive,
    Section,
    Target,
    Tip,
)
from castsim.units import (
    Pa_from_kPa,
    Pa_from_mmHg,
    Pa_s_from_mPa_s,
    g_mL_from_g_mm3,
    g_mm3_from_g_mL,
    kPa_from_Pa,
    mL_min_from_uL_s,
    mmHg_from_Pa,
    mPa_s_from_Pa_s,
    uL_s_from_mL_min,
)


class Model(Section):
    """Numbers of the physical model; left out, the agent's own from the tables."""

    viscosity_mPa_s: Positive | None = Field(None, description="viscosity of the agent at 37 °C")
    density_g_mL: Positive | None = Field(None, description="density of the liquid agent")
    diffusivity_mm2_s: Positive | None = Field(
        None, description="diffusivity of the solvent through agent and skin"
    )
    diffusivity_swept_factor: Positive | None = Field(
        None, description="multiplies the diffusivity where blood flows past"
    )
    diffusivity_enclosed_factor: Positive | None = Field(
        None, description="multiplies the diffusivity where blood is enclosed"
    )
    skin_onset_s: NotNegative | None = Field(
        None, description="time from contact with blood until a skin begins to form"
    )
    skin_yield_Pa: NotNegative | None = Field(None, description="yield stress of the skin")
    wall_hold_Pa: NotNegative | None = Field(
        None, description="shear stress at which gelled agent slips on the wall"
    )
    tension_Pa_mm: NotNegative | None = Field(
        None, description="floor of the threshold of a front, as an interfacial tension"
    )
    disorder: NotNegative | None = Field(
        None, description="spread of the thresholds: standard deviation of their logarithm"
    )
    healing_time_s: Positive | None = Field(
        None, description="time in which a front that stands still grows a new skin"
    )
    healing_travel: NotNegative | None = Field(
        None, description="share of the lumen radius below which a front stands still"
    )
    sweep_ratio: Positive | None = Field(
        None, description="resting blood flow over agent inflow above which agent is carried off"
    )
    wall_strength_kPa: Positive | None = Field(
        None, description="tip pressure that the wall of a small vein bears"
    )


class Mesh(Section):
    """How finely the veins and the injection are cut."""

    cell_mm: float = Field(0.5, ge=0.05, le=5.0, description="longest cell along a vein")
    eta: float = Field(
        0.01, ge=1e-4, le=0.5, description="injected share after which flow is solved again"
    )
    kind: Literal["centreline", "voxel"] = Field(
        "centreline",
        description="centreline: a vein fills as a whole; voxel: wide veins near the target are "
        "cubes, in which agent can lie on the floor (10 to 60 s instead of one)",
    )
    spacing_mm: float = Field(0.3, ge=0.05, le=2.0, description="side of the cubes")
    least_cubes: float = Field(
        2.0, ge=1.0, le=20.0, description="cubes in half a vein's width; below, it stays a line"
    )
    voxel_levels: int = Field(
        2, ge=0, le=26, description="levels above and below target and tip with veins of cubes"
    )
    window_levels: int = Field(
        3, ge=1, le=26, description="levels above and below target and tip that agent can reach"
    )


class Scenario(Section):
    """One planned injection."""

    name: str = Field(
        "scenario",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="short name, of the result folder too; left out, that of the file",
    )
    title: str = Field(
        "",
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="one line for lists and pictures",
    )
    agent: AgentName = Field("Onyx 18", description="liquid embolic agent")
    seed: int = Field(
        0, ge=0, lt=2**63, description="of everything random in the injection (not the patient)"
    )
    target: Target = Field(description="the nerve root to be covered")
    tip: Tip = Field(description="where the microcatheter ends")
    catheter: CatheterSection = Field(CatheterSection(), description="the catheter and its way")
    injection: Injection = Field(Injection(), description="what the operator does")
    patient: Patient = Field(Patient(), description="the patient on the table")
    model: Model = Field(Model(), description="overrides of the physical model")
    mesh: Mesh = Field(Mesh(), description="resolution")

    @model_validator(mode="after")
    def _balloon_has_a_length(self) -> "Scenario":
        balloon, name = self.catheter.balloon, self.catheter.name
        if balloon is not None and not load_catheter(name).balloon_length:
            for key in ("length_mm", "diameter_mm"):
                if getattr(balloon, key) is None:
                    raise ValueError(
                        f"catheter.balloon.{key}: missing; {name} carries no balloon of its own"
                    )
        return self

    @model_validator(mode="after")
    def _tributaries_bring_blood(self) -> "Scenario":
        upstream = self.patient.upstream_mmHg
        if upstream is not None:
            try:
                self.physiology()
            except ScenarioError as error:
                raise ValueError(
                    f"patient.upstream_mmHg = {upstream}: must exceed the pressure of the right "
                    "atrium and of the iliac veins at rest; raise it or lower "
                    "patient.right_atrium_mmHg"
                ) from error
        return self

    def agent_model(self) -> AgentModel:
        """Return the agent with the overrides of ``[model]``, in mm, s, g."""
        given: dict[str, Any] = {
            name: convert(value)
            for key, (name, convert, _) in MODEL_FIELDS.items()
            if (value := getattr(self.model, key)) is not None
        }
        return replace(load_agent(self.agent), **given)

    def catheter_model(self) -> Catheter:
        """Return the catheter with the overrides of ``[catheter]``, in mm, s, g."""
        catheter = load_catheter(self.catheter.name)
        compliance = self.catheter.hub_compliance_uL_kPa
        limit = self.catheter.hub_pressure_limit_mmHg
        if compliance is not None:
            catheter = replace(catheter, hub_compliance=compliance / Pa_from_kPa(1.0))
        if limit is not None:
            pressure = Pa_from_mmHg(limit)
            catheter = replace(catheter, pressure_limit=pressure, thumb_pressure=pressure)
        return catheter

    def physiology(self) -> Physiology:
        """Return the patient's resting state, in Pa and µL/s."""
        patient = self.patient
        given: dict[str, Any] = {}
        if patient.right_atrium_mmHg is not None:
            given["right_atrium_Pa"] = Pa_from_mmHg(patient.right_atrium_mmHg)
        if patient.azygos_outflow_mL_min is not None:
            given["azygos_outflow_uL_s"] = uL_s_from_mL_min(patient.azygos_outflow_mL_min)
        if patient.csf_pressure_mmHg is not None:
            given["csf_pressure_Pa"] = Pa_from_mmHg(patient.csf_pressure_mmHg)
        if patient.upstream_mmHg is not None:
            given["upstream_Pa"] = Pa_from_mmHg(patient.upstream_mmHg)
        if patient.blood_viscosity_mPa_s is not None:
            given["blood_viscosity_Pa_s"] = Pa_s_from_mPa_s(patient.blood_viscosity_mPa_s)
        return replace(
            Physiology.default(),
            blood_model=patient.blood,
            abdominal_pressure_Pa=Pa_from_mmHg(patient.abdominal_pressure_mmHg),
            **given,
        )

    def resolved(self) -> "Scenario":
        """Return this scenario with every None that has a tabulated value filled in.

        Runs start from the resolved scenario, so that the copy in ``cast.json`` gives the
        same cast again, bit for bit.
        """
        agent = load_agent(self.agent)
        catheter = self.catheter_model()
        one_push = {"volume_mL": DEFAULT_VOLUME_ML, "rate_mL_min": DEFAULT_RATE_ML_MIN}
        model = {
            key: _short(back(getattr(agent, name))) for key, (name, _, back) in MODEL_FIELDS.items()
        }
        rest = self.physiology()
        patient = {
            "right_atrium_mmHg": _short(mmHg_from_Pa(rest.right_atrium_Pa)),
            "azygos_outflow_mL_min": _short(mL_min_from_uL_s(rest.azygos_outflow_uL_s)),
            "csf_pressure_mmHg": _short(mmHg_from_Pa(rest.csf_pressure_Pa)),
            "upstream_mmHg": _short(mmHg_from_Pa(rest.upstream_Pa)),
            "blood_viscosity_mPa_s": _short(mPa_s_from_Pa_s(rest.blood_viscosity_Pa_s)),
        }
        hub: dict[str, object] = {
            "hub_compliance_uL_kPa": _short(catheter.hub_compliance * Pa_from_kPa(1.0)),
            "hub_pressure_limit_mmHg": _short(mmHg_from_Pa(catheter.hub_pressure_limit)),
        }
        filled_catheter = _filled(self.catheter, hub)
        if (balloon := self.catheter.balloon) is not None:
            own = {
                "length_mm": catheter.balloon_length,
                "diameter_mm": catheter.balloon_diameter,
            }
            filled_catheter = filled_catheter.model_copy(update={"balloon": _filled(balloon, own)})
        return self.model_copy(
            update={
                "injection": _filled(self.injection, {} if self.injection.steps else one_push),
                "catheter": filled_catheter,
                "patient": _filled(self.patient, patient),
                "model": _filled(self.model, model),
            }
        )


_Convert = Callable[[float], float]

MODEL_FIELDS: dict[str, tuple[str, _Convert, _Convert]] = {
    "viscosity_mPa_s": ("viscosity", Pa_s_from_mPa_s, mPa_s_from_Pa_s),
    "density_g_mL": ("density", g_mm3_from_g_mL, g_mL_from_g_mm3),
    "diffusivity_mm2_s": ("diffusivity", float, float),
    "diffusivity_swept_factor": ("diffusivity_swept_factor", float, float),
    "diffusivity_enclosed_factor": ("diffusivity_enclosed_factor", float, float),
    "skin_onset_s": ("skin_onset", float, float),
    "skin_yield_Pa": ("skin_yield", float, float),
    "wall_hold_Pa": ("wall_hold", float, float),
    "tension_Pa_mm": ("tension", float, float),
    "disorder": ("disorder", float, float),
    "healing_time_s": ("healing_time", float, float),
    "healing_travel": ("healing_travel", float, float),
    "sweep_ratio": ("sweep_ratio", float, float),
    "wall_strength_kPa": ("wall_strength", Pa_from_kPa, kPa_from_Pa),
}
"""Field of ``[model]`` → field of AgentModel, its conversion inwards and outwards."""


def _short(value: float) -> float:
    """Drop the last digits, which are rounding of the unit conversion."""
    return float(f"{value:.12g}")


_S = TypeVar("_S", bound=Section)


def _filled(section: _S, values: Mapping[str, object]) -> _S:
    """Return `section` with `values` where it holds None."""
    missing = {key: value for key, value in values.items() if getattr(section, key) is None}
    return section.model_copy(update=missing)
