"""What ``plan.json`` says, from a plan. The page, the pictures and the terminal read it there."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from castsim import __version__
from castsim.ensembles.curves import EVENTS, bands
from castsim.ensembles.drivers import OUTCOMES, input_label
from castsim.ensembles.indices import Share
from castsim.ensembles.plan_schema import SCHEMA, PlanReport, checked
from castsim.ensembles.planning import Plan
from castsim.ensembles.priors import Prior
from castsim.ensembles.reading import rows_of, succeeded
from castsim.ensembles.sampling import PAUSES, drawn_priors
from castsim.ensembles.summary import summarise
from castsim.ensembles.targets import TABLE
from castsim.ensembles.wording import reason
from castsim.scenario import Scenario
from castsim.schema import DISCLAIMER
from castsim.tables import number, read_table

SHARES = {"p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}
"""Quantiles of the bands: nine patients of ten, half of them, and the median."""
INNER = (0.025, 0.975)
"""Shares of a prior below the ends of its range of 95 %."""
BANDS = {
    "coverage_deg": ("arc of the target root that is wrapped", "deg"),
    "foraminal_mL": ("agent in foraminal veins", "mL"),
    "epidural_mL": ("agent in epidural veins", "mL"),
    "segmental_mL": ("agent in segmental and intersegmental veins", "mL"),
    "azygos_mL": ("agent that entered the azygos system", "mL"),
    "embolised_mL": ("agent that left towards the lungs", "mL"),
}
"""Curve → what it measures and its unit."""
LAYERING = {
    "centreline": "Layering: in wide veins agent is heavier than blood and runs along the floor; a "
    "vein is filled here as a whole, from wall to wall.",
    "voxel": "Layering in narrow or distant veins: agent runs along the floor of veins that are "
    "cubes, the wide ones near target and tip; any other is filled as a whole, from wall to wall.",
}
"""What is left out of it on either kind of mesh."""
NOT_MODELLED = (
    "Moving veins: they are rigid but for the catheter in them; breathing and pulse are left out, "
    "and pressures are means over minutes.",
    "The operator's eyes: every injection goes on to the largest volume. A real one ends when "
    "reflux is seen, so risks at large volumes are those of not stopping.",
    "Intradural veins: agent that reaches them is counted as a hazard and not followed.",
    "What agent does in heart and lungs, and whether a covered root stays sealed: "
    "covered is a shape, not a cure.",
    "Punctures, spasm, rupture, DMSO's harm to the wall, and agent dissolving an earlier cast.",
)
"""What no interval of a plan contains on any mesh (docs/theory.md, section 13)."""
MARKS = ("covered", "azygos_reflux")
"""Events of which is told by which volume they become likely."""
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
        "agent": arm.agent,
        "scenario": arm.model_dump(mode="json", exclude_unset=True),
        "seed": study.seed,
        "largest_mL": study.largest_mL,
        "draws": {
            "asked": plan.draws,
            "simulated": plan.simulated,
            "failed": [{"draw": draw, "error": text} for draw, text in plan.errors.items()],
            "told_first": plan.failures_told_first,
            "unreachable": [
                {"draw": draw, "reason": reason(text)} for draw, text in plan.unreachable.items()
            ],
            "unreachable_share": share(plan.unreachable_share),
            "truncated": plan.truncated,
            "truncated_share": share(plan.truncated_share),
        },
        "summary": asdict(summarise(plan)),
        "recommended": _recommended(plan),
        "marks": {event: _mark(plan, event) for event in MARKS},
        "coverable": share(plan.coverable),
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
        "drivers": {outcome: _drivers(plan, outcome) for outcome in plan.drivers},
        "indices": {outcome: _indices(plan, outcome) for outcome in plan.indices},
        "criteria": list(_criteria(plan)),
        "assumptions": list(_assumptions(plan)),
        "not_modelled": [LAYERING[arm.mesh.kind], *NOT_MODELLED],
    }
    return checked(PlanReport, values)


def rounded(values: float | tuple[float, ...] | NDArray[np.floating[Any]]) -> Any:
    """Numbers as they go into files."""
    # adding zero turns -0.0 into 0.0
    return (np.round(np.asarray(values, dtype=float), _DECIMALS) + 0.0).tolist()


def share(shares: tuple[float, float, float]) -> dict[str, float]:
    """A chance and its interval as they go into files."""
    return dict(zip(("estimate", "low", "high"), rounded(shares), strict=True))


def _recommended(plan: Plan) -> dict[str, Any] | None:
    one = plan.recommendation
    if one is None:
        return None
    return {
        "volume_mL": rounded(one.volume),
        "best_mL": rounded(one.best),
        "interval_mL": None if one.interval is None else rounded(one.interval),
        "best_interval_mL": None if one.best_interval is None else rounded(one.best_interval),
        "window_mL": rounded(one.window),
        "other_windows_mL": [rounded(stretch) for stretch in one.other_stretches],
        "optimism": rounded(one.optimism),
    }


def _mark(plan: Plan, event: str) -> dict[str, float | None]:
    one = plan.mark(event)
    ends = {"volume_mL": one.volume_mL, "low_mL": one.low_mL, "high_mL": one.high_mL}
    return {"share": one.share} | {
        key: None if value is None else rounded(value) for key, value in ends.items()
    }


def _drivers(plan: Plan, outcome: str) -> dict[str, Any]:
    drivers = plan.drivers[outcome]
    rows = [
        {
            "input": one.name,
            "label": input_label(one.name),
            **{key: rounded(getattr(one, key)) for key in ("rho", "low", "high", "p")},
            "clear": one.clear,
            "draws": one.draws,
        }
        for one in drivers.rows
    ]
    return {"meaning": OUTCOMES[outcome], "volume_mL": rounded(drivers.volume_mL), "rows": rows}


def _indices(plan: Plan, outcome: str) -> dict[str, Any]:
    one = plan.indices[outcome]
    inputs = [
        {
            "input": index.name,
            "label": input_label(f"in.{index.name}"),
            "first": _variance(index.first),
            "total": _variance(index.total),
            "rows_needed": index.rows_needed,
        }
        for index in one.inputs
    ]
    return {
        "meaning": OUTCOMES[outcome],
        "volume_mL": rounded(one.volume_mL),
        "rows": one.rows,
        "rows_needed": one.rows_needed,
        "inputs": inputs,
    }


def _variance(one: Share | None) -> dict[str, float] | None:
    return None if one is None else share((one.estimate, one.low, one.high))


def _volumes(plan: Plan) -> dict[float, str]:
    """The volumes at which chances are told, in order, and what they are."""
    one = plan.recommendation
    if one is None:
        return {plan.decided_mL: "largest tried"}
    names: dict[float, str] = {}
    for volume, what in (
        (one.window[0], "window begins"),
        (one.volume, "recommended"),
        (one.window[1], "window ends"),
    ):
        names[volume] = f"{names[volume]}, {what}" if volume in names else what
    return names


def _at(plan: Plan, volume_mL: float, what: str) -> dict[str, Any]:
    chances = {event: share(plan.at(event, volume_mL)) for event in plan.chances}
    return {"volume_mL": rounded(volume_mL), "what": what, "chances": chances}


def _band(plan: Plan, name: str) -> dict[str, Any]:
    # one curve at a time: all of them at once would be most of the store
    meaning, unit = BANDS[name]
    table = rows_of(plan.store, (name,), plan.draws, plan.arm)
    rows = bands(
        table.filter(succeeded(table)), (name,), len(plan.volumes_mL), tuple(SHARES.values())
    )[name]
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
            "meaning": prior.reason if prior.relative else meaning(prior.field),
            "distribution": used.distribution,
            "inner_range": [rounded(used.quantile(share)) for share in INNER]
            if place in drawn
            else None,
            "drawn": place in drawn,
            "held": None if place in drawn else _held(prior, given),
        }


def meaning(field: str) -> str:
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
