"""``castsim.plan/1``: what ``plan.json`` holds, declared once.

``data/plan.schema.json`` and the check of every plan come from these models; the page and the
pictures of a plan are drawn from what they hold. Units are part of the names.
``python -m castsim.ensembles.plan_schema`` prints the schema.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from castsim.errors import SolverError
from castsim.schema import Part, Volume

SCHEMA: Literal["castsim.plan/1"] = "castsim.plan/1"

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Correlation = Annotated[float, Field(ge=-1.0, le=1.0)]
Status = Literal["seen", "recalled", "estimate", "definition"]


class Share(Part):
    """A share of the simulated patients, and its 95 % interval."""

    estimate: Fraction = Field(description="of the draws that came to their end")
    low: Fraction = Field(description="lower end of its 95 % interval")
    high: Fraction = Field(description="upper end of its 95 % interval")


class ShareCurve(Part):
    """How often something had happened by each volume of the grid; lists of equal length."""

    meaning: str = Field(description="what had happened")
    estimate: list[Fraction] = Field(description="share of the draws")
    low: list[Fraction] = Field(description="lower end of its 95 % interval")
    high: list[Fraction] = Field(description="upper end of its 95 % interval")


class Band(Part):
    """Quantiles over the simulated patients at each volume of the grid; lists of equal length."""

    meaning: str = Field(description="what is measured")
    unit: str = Field(description="of all values")
    p5: list[float] = Field(description="5 % of the patients lie below")
    p25: list[float] = Field(description="25 % of the patients lie below")
    p50: list[float] = Field(description="median")
    p75: list[float] = Field(description="75 % of the patients lie below")
    p95: list[float] = Field(description="95 % of the patients lie below")


class Failure(Part):
    """A draw that did not come to its end; it counts nowhere else."""

    draw: int = Field(ge=0, description="its number")
    error: str = Field(description="what went wrong")


class Unreachable(Part):
    """A patient in whom the tip cannot be brought to its place."""

    draw: int = Field(ge=0, description="its number")
    reason: str = Field(description="what this patient lacks")


class Draws(Part):
    """Random patients under random conditions: failed, unreachable or simulated."""

    asked: int = Field(ge=1, description="asked for")
    simulated: int = Field(ge=0, description="that came to their end: of these all chances are")
    failed: list[Failure] = Field(description="that could not be computed")
    told_first: bool = Field(description="whether so many failed that the rest may be biased")
    unreachable: list[Unreachable] = Field(
        description="in which a vein or a way is missing that the scenario names"
    )
    unreachable_share: Share = Field(description="of those that did not fail")
    truncated: int = Field(ge=0, description="in which agent reached the edge of what is simulated")
    truncated_share: Share = Field(description="of those simulated")


class Recommended(Part):
    """The volume to inject, by the chance to be covered and safe."""

    volume_mL: Volume = Field(
        description="least of the window with a chance within one standard error of the largest"
    )
    best_mL: Volume = Field(description="where that chance is largest")
    interval_mL: tuple[Volume, Volume] | None = Field(
        description="bootstrap interval of volume_mL, 95 %; null: too few successes to say"
    )
    best_interval_mL: tuple[Volume, Volume] | None = Field(
        description="bootstrap interval of best_mL, 95 %; null: too few successes to say"
    )
    window_mL: tuple[Volume, Volume] = Field(
        description="stretch about best_mL in which that chance stays within 90 % of its largest"
    )
    other_windows_mL: list[tuple[Volume, Volume]] = Field(
        description="further stretches, with clearly worse volumes between"
    )
    optimism: float = Field(
        description="by how much the largest chance is too high, because it was chosen"
    )


class Summary(Part):
    """What to read, in this order; a sentence or two each."""

    first: list[str] = Field(description="what must be known before the rest is believed")
    headline: str = Field(description="volume, window, chance and risks")
    marks: list[str] = Field(description="where coverage, and reflux, become likely")
    drivers: list[str] = Field(description="what the outcome hangs on")
    limits: list[str] = Field(description="what the numbers do and do not contain")


class Mark(Part):
    """Least volume by which a chance reaches a share."""

    share: Fraction = Field(description="that is reached")
    volume_mL: Volume | None = Field(description="by which; null: not by the largest volume")
    low_mL: Volume | None = Field(description="lower end of its 95 % interval; null: as above")
    high_mL: Volume | None = Field(description="upper end of its 95 % interval; null: as above")


class Driver(Part):
    """Rank correlation of one input with one outcome."""

    input: str = Field(description="in.FIELD what was drawn, found.NAME what the patient has")
    label: str = Field(description="the same in words")
    rho: Correlation = Field(description="Spearman's")
    low: Correlation = Field(description="lower end of its 95 % interval")
    high: Correlation = Field(description="upper end of its 95 % interval")
    p: Fraction = Field(description="of no dependence, corrected for the number of inputs")
    clear: bool = Field(description="whether it stands out among all inputs looked at")
    draws: int = Field(ge=0, description="in which the input has a value")


class Drivers(Part):
    """What one outcome hangs on."""

    meaning: str = Field(description="the outcome in words")
    volume_mL: Volume = Field(description="at which the outcome is read")
    rows: list[Driver] = Field(description="the strongest first; empty: too few draws")


class Variance(Part):
    """Share of an outcome's variance; an estimate can leave 0 to 1 by chance."""

    estimate: float = Field(description="from the rows of the design")
    low: float = Field(description="lower end of its 95 % interval")
    high: float = Field(description="upper end of its 95 % interval")


class Index(Part):
    """Sobol' indices of one input."""

    input: str = Field(description="field that a prior sets, or a seed")
    label: str = Field(description="the same in words")
    first: Variance | None = Field(description="made alone; null: the rows do not support it")
    total: Variance | None = Field(description="with others; null: the rows do not support it")
    rows_needed: int = Field(ge=0, description="at which both may be supported")


class Indices(Part):
    """Sobol' indices of all inputs for one outcome."""

    meaning: str = Field(description="the outcome in words")
    volume_mL: Volume = Field(description="at which the outcome is read")
    rows: int = Field(ge=0, description="of the design, without those in which a run failed")
    rows_needed: int = Field(ge=0, description="at which all may be supported")
    inputs: list[Index] = Field(description="largest total first; empty: the outcome is constant")


class At(Part):
    """All chances at one volume."""

    volume_mL: Volume = Field(description="agent out of the tip")
    what: str = Field(description="which volume it is")
    chances: dict[str, Share] = Field(description="by event")


class Criterion(Part):
    """One number that decides what counts as covered, safe or likely."""

    quantity: str = Field(description="row of plan_targets.csv")
    value: float = Field(description="as used in this plan")
    unit: str = Field(description="of the value")
    meaning: str = Field(description="what it decides")
    source: str = Field(description="where the default is from")
    status: Status = Field(description="how well the default is known")
    default: float = Field(description="of the table")


class Assumption(Part):
    """What is believed about one number that a plan cannot know."""

    field: str = Field(description="its place in the scenario")
    meaning: str = Field(description="what the field is")
    group: str = Field(description="anatomy, physiology, agent or practice")
    drawn: bool = Field(description="whether it was drawn; if not, see held")
    held: str | None = Field(description="why it was not drawn, with the value it was held at")
    distribution: str = Field(description="normal, lognormal or uniform")
    median: float | None = Field(description="half of the draws lie below")
    low: float | None = Field(description="95 % lie between low and high; all of a uniform one")
    high: float | None = Field(description="see low")
    inner_range: tuple[float, float] | None = Field(
        description="95 % of the draws lie between, after any cut; null: not drawn"
    )
    minimum: float | None = Field(description="cut below; null: not cut")
    maximum: float | None = Field(description="cut above; null: not cut")
    relative: bool = Field(description="whether it multiplies what the scenario says")
    unit: str = Field(description="of all values")
    status: Status = Field(description="how well it is known")
    source: str = Field(description="where it is from")
    reason: str = Field(description="why it is drawn so")


class PlanReport(Part):
    """What an ensemble says about one way to inject. Research and education only."""

    schema_: Literal["castsim.plan/1"] = Field(
        SCHEMA, alias="schema", description="name and version of this format"
    )
    disclaimer: str = Field(description="what this is not")
    version: str = Field(description="version of castsim")
    name: str = Field(description="of the scenario, or of the arm of a comparison")
    title: str = Field(description="of the scenario")
    agent: str = Field(description="what is injected")
    scenario: dict[str, Any] = Field(description="the fields that its author gave")
    seed: int = Field(ge=0, description="of all random draws")
    largest_mL: Volume = Field(description="volume up to which every draw is injected")
    draws: Draws
    summary: Summary
    recommended: Recommended | None = Field(description="null: no draw was covered and safe")
    marks: dict[str, Mark] = Field(description="by event")
    coverable: Share = Field(description="patients whose root full veins would cover")
    at: list[At] = Field(
        description="chances at the recommended volume and the window's ends, or the largest volume"
    )
    volume_mL: list[Volume] = Field(description="grid of all curves")
    chances: dict[str, ShareCurve] = Field(description="by event")
    bands: dict[str, Band] = Field(description="dose and response, by quantity")
    drivers: dict[str, Drivers] = Field(description="by outcome")
    indices: dict[str, Indices] = Field(description="by outcome; empty: not asked for")
    criteria: list[Criterion]
    assumptions: list[Assumption]
    not_modelled: list[str]


_Report = TypeVar("_Report", bound=BaseModel)


def checked(model: type[_Report], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` in the declared order, checked against `model`.

    Raises
    ------
    SolverError
        If a quantity is missing, undeclared, not finite or out of its range.
    """
    try:
        report = model.model_validate(values)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        field = ".".join(str(key) for key in fault["loc"])
        raise SolverError(f"{model.__name__}: {field}: {fault['msg']}") from error
    return report.model_dump(mode="json", by_alias=True)


def schema_text(model: type[BaseModel] = PlanReport, name: str = SCHEMA) -> str:
    """Return the published JSON Schema (draft 2020-12) of a report."""
    schema = model.model_json_schema(by_alias=True, mode="serialization")
    published = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": name, **schema}
    return json.dumps(published, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(schema_text(), end="")  # noqa: T201
