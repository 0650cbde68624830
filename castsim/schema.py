"""``castsim.cast/1``: what ``cast.json`` holds, declared once.

The JSON Schema in ``data/cast.schema.json``, the checks of every result and the table of the
reference page come from these models. Units are part of the names. To add a quantity: add it
here, then compute it in :mod:`castsim.metrics`; ``python -m castsim.schema`` prints the schema.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from castsim.scenario import Scenario

SCHEMA: Literal["castsim.cast/1"] = "castsim.cast/1"
DISCLAIMER = "Research and education, not a medical device."

Volume = Annotated[float, Field(ge=0.0)]
Degrees = Annotated[float, Field(ge=0.0, le=360.0)]
Seconds = Annotated[float, Field(ge=0.0)]


class Part(BaseModel):
    """A table of ``cast.json``."""

    model_config = ConfigDict(
        extra="forbid", allow_inf_nan=False, frozen=True, populate_by_name=True
    )


class TipPressure(Part):
    """Pressure at the tip."""

    max: float = Field(description="largest")
    final: float = Field(description="at the end")


class Coverage(Part):
    """How far the target root is wrapped, at the end."""

    deg: Degrees = Field(description="arc of the root sleeve that is wrapped")
    coverable_deg: Degrees = Field(description="the same with every foraminal vein full")
    fraction: float = Field(ge=0.0, le=1.0, description="deg / coverable_deg")
    stations: tuple[Degrees, Degrees, Degrees] = Field(
        description="arc in the medial, middle and lateral third of the foramen, degrees"
    )


class Reflux(Part):
    """Agent that went the wrong way."""

    azygos_mL: Volume = Field(
        description="all that entered the azygos system, stayed or carried off"
    )
    first_azygos_mL: Volume | None = Field(
        description="agent out of the tip when it first shows (0.01 mL); null: never"
    )
    first_azygos_s: Seconds | None = Field(description="time when it first shows")
    catheter_mm: float = Field(ge=0.0, description="length of catheter that agent surrounds")
    entrapment_mm: float = Field(
        ge=0.0, description="length of catheter held by solid agent at the end"
    )


class StructureFill(Part):
    """How far one vein is filled."""

    structure: str = Field(description="vein, for example foraminal")
    level: str = Field(description="C1 to S1; a root for foraminal veins")
    side: str = Field(description="right, left or midline")
    volume_mL: Volume = Field(description="agent in it")
    filled_fraction: float = Field(ge=0.0, le=1.0, description="share of its lumen")
    reach_mm: float = Field(
        ge=0.0, description="way along the vein from where agent first came into that piece of it"
    )


class DoseCurve(Part):
    """What had happened by each injected volume; lists of equal length."""

    volume_mL: list[Volume] = Field(description="agent out of the tip, increasing")
    coverage_deg: list[Degrees] = Field(description="arc of the target root that is wrapped")
    azygos_mL: list[Volume] = Field(description="agent that had entered the azygos system")
    embolised_mL: list[Volume] = Field(
        description="agent that left with the blood towards the lungs"
    )
    hazard_mL: list[Volume] = Field(description="agent that had reached intradural veins")
    foraminal_mL: list[Volume] = Field(description="agent in foraminal veins")
    epidural_mL: list[Volume] = Field(description="agent in epidural veins")
    segmental_mL: list[Volume] = Field(description="agent in segmental veins")


class MeshSize(Part):
    """Size of the flow mesh of the whole spine."""

    cells: int = Field(ge=1, description="finite volumes")
    faces: int = Field(ge=0, description="links between them")


class Timing(Part):
    """Wall clock; the only part of the file that differs between equal runs."""

    geometry: Seconds = Field(description="building the anatomy")
    mesh: Seconds = Field(description="cutting it into cells")
    flow: Seconds = Field(description="resting flow")
    injection: Seconds = Field(description="injection")
    output: Seconds = Field(description="metrics, files and pictures")


class CastReport(Part):
    """The result of one simulated injection. Research and education, not a medical device."""

    schema_: Literal["castsim.cast/1"] = Field(
        SCHEMA, alias="schema", description="name and version of this format"
    )
    scenario: Scenario = Field(description="what was simulated, every default filled in")
    seed: int = Field(ge=0, description="seed of the injection")
    version: str = Field(description="version of castsim")
    injected_mL: Volume = Field(description="agent out of the tip")
    syringe_mL: Volume = Field(description="what the operator pushed, solvent included")
    dmso_mL: Volume = Field(description="solvent from the dead space out of the tip")
    cast_mL: Volume = Field(description="agent that stayed in the veins")
    embolised_mL: Volume = Field(description="agent that left with the blood towards the lungs")
    terminal_mL: Volume = Field(description="agent that left through the ends of the model")
    volume_balance_error: float = Field(
        ge=0.0, description="|injected - cast - embolised - terminal| / injected"
    )
    duration_s: Seconds = Field(description="simulated time")
    stop_reason: str = Field(description="why the injection ended")
    truncated: bool = Field(description="whether agent reached a cut of the simulated window")
    tip_pressure_mmHg: TipPressure
    coverage: Coverage
    reflux: Reflux
    hazard_mL: Volume = Field(description="agent that reached intradural veins")
    layered_fraction: float = Field(
        ge=0.0,
        le=1.0,
        description="share of the cast where agent sinks ten times faster than it is pushed",
    )
    warnings: list[str] = Field(
        description="against the makers' instructions or the model, one line each"
    )
    structures: list[StructureFill]
    foramina_touched: list[str] = Field(description='roots whose foramen holds agent: "T9 right"')
    dose_curve: DoseCurve
    mesh: MeshSize
    timing_s: Timing


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of ``cast.json``."""
    schema = CastReport.model_json_schema(by_alias=True, mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        **schema,
    }


def schema_text() -> str:
    """Return the published text of ``data/cast.schema.json``."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(schema_text(), end="")  # noqa: T201
