"""``castsim.compare/1``: what ``compare.json`` holds: a plan for each arm, and how arms differ.

``python -m castsim.ensembles.compare_schema`` prints the schema.
"""

from typing import Literal

from pydantic import Field

from castsim.ensembles.plan_schema import PlanReport, schema_text
from castsim.schema import Part, Volume

SCHEMA: Literal["castsim.compare/1"] = "castsim.compare/1"


class Interval(Part):
    """A value or a difference with its 95 % interval; null: not known."""

    estimate: float = Field(description="over the pairs")
    low: float | None = Field(description="lower end of its 95 % interval")
    high: float | None = Field(description="upper end of its 95 % interval")


class Difference(Part):
    """One quantity in two arms, over the draws that came to their end in both."""

    quantity: str = Field(description="event or curve")
    meaning: str = Field(description="what it is")
    unit: Literal["share", "deg", "mL"] = Field(description="of all values")
    volume_mL: Volume = Field(description="at which the arm is read")
    against_volume_mL: Volume = Field(description="at which the first arm is read")
    value: Interval = Field(description="share or mean in the arm")
    against_value: Interval = Field(description="share or mean in the first arm")
    difference: Interval = Field(description="arm minus the first arm")
    excludes_zero: bool = Field(description="whether the interval leaves 0 out")


class Pairing(Part):
    """One arm against the first."""

    arm: str
    against: str = Field(description="the first arm")
    pairs: int = Field(ge=1, description="draws that came to their end in both")
    left_out: int = Field(ge=0, description="draws that failed in one or both")
    unreachable: int = Field(
        ge=0, description="further draws in which the tip cannot be placed in one or both"
    )
    own: list[Difference] = Field(description="each at the volume recommended for it")
    common: list[Difference] = Field(description="both at the same volume")


class CompareReport(Part):
    """Several ways to inject into the same random patients. Research and education only."""

    schema_: Literal["castsim.compare/1"] = Field(
        SCHEMA, alias="schema", description="name and version of this format"
    )
    disclaimer: str = Field(description="what this is not")
    version: str = Field(description="version of castsim")
    seed: int = Field(ge=0, description="of all random draws")
    common_mL: Volume = Field(description="volume at which all arms are compared")
    first: list[str] = Field(
        description="what must be known before the rest is believed, arm by arm"
    )
    summary: list[str] = Field(description="what to read first, a sentence or two each")
    limits: list[str] = Field(description="what the differences do and do not contain")
    arms: list[PlanReport] = Field(description="in the order asked for; the first is the reference")
    pairings: list[Pairing] = Field(description="each of the others against the first")


if __name__ == "__main__":
    print(schema_text(CompareReport, SCHEMA), end="")  # noqa: T201
