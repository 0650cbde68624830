"""What ``plan.json`` says, from a plan. The page, the pictures and the terminal read it there."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from castsim import __version__
from castsim.ensembles.curves import EVENTS, bands
from castsim.ensembles.plan_schema import SCHEMA, PlanReport, checked
from castsim.ensembles.planning import Plan, sentence
from castsim.ensembles.priors import Prior
from castsim.ensembles.sampling import PAUSES, drawn_priors
from castsim.ensembles.targets import TABLE, plan_number
from castsim.scenario import Scenario
from castsim.schema import DISCLAIMER
from castsim.tables import number, read_table

SHARES = {"p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}
"""Quantiles of the bands: nine patients of ten, half of them, and the median."""
BANDS = {
    "coverage_deg": ("arc of the target root that is wrapped", "deg"),
    "foraminal_mL": ("agent in foraminal veins", "mL"),
    "epidural_mL": ("agent in epidural veins", "mL"),
    "segmental_mL": ("agent in segmental and intersegmental veins", "mL"),
    "azygos_mL": ("agent that entered the azygos system", "mL"),
    "embolised_mL": ("agent carried off with the blood", "mL"),
}
"""Curve → what it measures and its unit."""
NOT_MODELLED = (
    "Layering: in wide veins agent is heavier than blood and runs along the floor; a vein is "
    "filled here as a whole, from wall to wall.",
    "Moving veins: they are rigid but for the catheter in them; breathing and pulse are left out, "
    "and pressures are means over minutes.",
    "The operator's eyes: every injection goes on to the largest volume. A real one ends when "
    "reflux is seen, so risks at large volumes are those of not stopping.",
    "Intradural veins: agent that reaches them is counted as a hazard and not followed.",
    "What embolised agent does in heart and lungs, and whether a covered root stays sealed: "
    "covered is a shape, not a cure.",
    "Punctures, spasm, rupture, DMSO's harm to the wall, and agent dissolving an earlier cast.",
)
"""What no interval of a plan contains (docs/theory.md, section 11)."""
_DECIMALS = 6
"""Of numbers in files: a millionth of a millilitre is no news."""


def plan_report(plan: Plan) -> dict[str, Any]:
    """Content of ``plan.json``, checked against ``castsim.plan/1``."""
    study = plan.study
    arm = study.arms[plan.arm]
    values = {
        "schema": SCHEMA,
        "disclaimer": DISCLAIMER,
        "version": __version__,
        "name": plan.arm,
        "title": arm.title,
        "scenario": arm.model_dump(mode="json", exclude_unset=True),
        "seed": study.seed,
        "largest_mL": study.largest_mL,
        "draws": {
            "asked": plan.draws,
            "simulated": plan.simulated,
            "failed": [{"draw": draw, "error": text} for draw, text in plan.errors.items()],
            "told_first": len(plan.errors) > plan_number("failures_told_first") * plan.draws,
        },
        "summary": sentence(plan).splitlines(),
        "recommended": {
            "volume_mL": rounded(plan.recommended_mL),
            "interval_mL": rounded(plan.recommended_interval_mL),
            "window_mL": rounded(plan.window_mL),
            "optimism": rounded(plan.optimism),
        },
        "at": [_at(plan, volume, what) for volume, what in _volumes(plan).items()],
        "volume_mL": rounded(plan.volumes_mL),
        "chances": {
            event: {
                "meaning": EVENTS[event],
                "estimate": rounded(one.estimate),
                "low": rounded(one.low),
                "high": rounded(one.high),
            }
            for event, one in plan.chances.items()
        },
        "bands": {name: _band(plan, name) for name in BANDS},
        "criteria": list(_criteria(plan)),
        "assumptions": list(_assumptions(plan)),
        "not_modelled": list(NOT_MODELLED),
    }
    return checked(PlanReport, values)


def good_rows(plan: Plan, columns: tuple[str, ...]) -> pa.Table:
    """Columns of the draws of a plan's arm that came to their end."""
    table = plan.store.read(("arm", "error", *columns), plan.draws)
    mine = pa.compute.and_(
        pa.compute.equal(table["arm"], plan.arm), pa.compute.equal(table["error"], "")
    )
    return table.filter(mine)


def rounded(values: float | tuple[float, ...] | NDArray[np.floating[Any]]) -> Any:
    """Numbers as they go into files."""
    # adding zero turns -0.0 into 0.0
    return (np.round(np.asarray(values, dtype=float), _DECIMALS) + 0.0).tolist()


def _volumes(plan: Plan) -> dict[float, str]:
    """The volumes at which chances are told, in order, and what they are."""
    low, high = plan.window_mL
    names: dict[float, str] = {}
    for volume, what in (
        (low, "window begins"),
        (plan.recommended_mL, "recommended"),
        (high, "window ends"),
    ):
        names[volume] = f"{names[volume]}, {what}" if volume in names else what
    return names


def _at(plan: Plan, volume_mL: float, what: str) -> dict[str, Any]:
    chances = {
        event: dict(
            zip(("estimate", "low", "high"), rounded(plan.at(event, volume_mL)), strict=True)
        )
        for event in plan.chances
    }
    return {"volume_mL": rounded(volume_mL), "what": what, "chances": chances}


def _band(plan: Plan, name: str) -> dict[str, Any]:
    # one curve at a time: all of them at once would be most of the store
    meaning, unit = BANDS[name]
    table = good_rows(plan, (name,))
    rows = bands(table, {name: meaning}, len(plan.volumes_mL), tuple(SHARES.values()))[name]
    return {"meaning": meaning, "unit": unit} | dict(zip(SHARES, rounded(rows), strict=True))


def _criteria(plan: Plan) -> Iterator[dict[str, Any]]:
    """Rows of ``plan_targets.csv``, with what this plan took instead."""
    for row in read_table(TABLE):
        quantity, default = row["quantity"], number(row, "value", table=TABLE)
        used = getattr(plan.targets, quantity, getattr(plan.study, quantity, default))
        yield {
            "quantity": quantity,
            "value": used,
            "unit": row["unit"],
            "meaning": row["note"] or row["source"],
            "source": row["source"],
            "status": row["status"],
            "default": default,
        }


def _assumptions(plan: Plan) -> Iterator[dict[str, Any]]:
    """Every prior, as it was drawn from in this arm or why it was not."""
    arm = plan.study.arms[plan.arm]
    drawn = drawn_priors(arm, plan.study.priors)
    given = arm.model_dump(exclude_unset=True)
    for place, prior in enumerate(plan.study.priors):
        used = drawn.get(place, prior)
        numbers = used.model_dump(mode="json", exclude={"distribution"})
        yield numbers | {
            "meaning": _meaning(prior.field),
            "distribution": used.distribution,
            "drawn": place in drawn,
            "held": None if place in drawn else _held(prior, given),
        }


def _meaning(field: str) -> str:
    """What the scenario says of one of its fields."""
    section, _, key = field.partition(".")
    table = Scenario.model_fields[section].annotation
    described = getattr(table, "model_fields", {}).get(key)
    return "" if described is None else str(described.description or "")


def _held(prior: Prior, given: dict[str, Any]) -> str:
    if prior.field == PAUSES:
        return "the protocol has no pauses"
    value: Any = given
    for key in prior.field.split("."):
        value = value[key]
    return f"the scenario gives {value} {prior.unit}"
