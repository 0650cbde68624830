"""Sections that the pages of plans and of comparisons share."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from castsim.ensembles.summary import percent
from castsim.ensembles.wording import without_numbers
from castsim.pages import parts
from castsim.pages.parts import number

Report = Mapping[str, Any]
NOTHING = 1e-3
"""Of a range: an end as near to nothing is written as 0."""


def share_cell(share: Mapping[str, float]) -> str:
    """A share and its interval, which goes into a line of its own where there is little room."""
    return parts.interval_cell(percent(_ends(share)))


def _ends(share: Mapping[str, float]) -> tuple[float, float, float]:
    return share["estimate"], share["low"], share["high"]


def failed(draws: Report, whose: str = "") -> str:
    """What failed, if anything did; `whose` arm, as HTML."""
    if not draws["failed"]:
        return ""
    count, asked = len(draws["failed"]), draws["asked"]
    text = (
        f"{count} of {asked} simulated patients could not be computed and count nowhere. If they "
        "failed for a reason that matters, the shares on this page are biased."
    )
    rows = ((str(one["draw"]), escape(one["error"])) for one in draws["failed"][:_SHOWN_FAILURES])
    more = count - _SHOWN_FAILURES
    rest = f"<p>and {more} more in plan.json</p>" if more > 0 else ""
    listed = parts.table(("draw", "what went wrong"), rows, kind="cards")
    return (
        f'<section class="{"warn" if draws["told_first"] else "failures"}" >'
        f"<h2>Failed draws{whose and f': {whose}'}</h2><p>{text}</p>"
        f"{listed}{rest}</section>"
    )


_SHOWN_FAILURES = 20


def unreachable(draws: Report, whose: str = "") -> str:
    """In which patients it cannot be done and why, if there are any; `whose` arm, as HTML."""
    reasons: dict[str, list[int]] = {}
    for one in draws["unreachable"]:
        reasons.setdefault(without_numbers(one["reason"]), []).append(one["draw"])
    if not reasons:
        return ""
    text = (
        f"Of {draws['asked'] - len(draws['failed'])} random patients these lack a vein or a way "
        f"that the scenario names: {percent(_ends(draws['unreachable_share']))}. All chances are "
        "those of the others."
    )
    rows = (
        (str(len(found)), escape(why), _numbers(found))
        for why, found in sorted(reasons.items(), key=lambda one: -len(one[1]))
    )
    listed = parts.table(("patients", "what is missing", "draws"), rows, kind="cards")
    return f"<section><h2>Not reached{whose and f': {whose}'}</h2><p>{text}</p>{listed}</section>"


def _numbers(found: Sequence[int]) -> str:
    more = len(found) - _SHOWN_FAILURES
    shown = ", ".join(map(str, found[:_SHOWN_FAILURES]))
    return f"{shown} and {more} more in the JSON file" if more > 0 else shown


def assumptions(report: Report) -> Iterator[str]:
    """What was drawn, from which source, what was held fixed, and what is left out."""
    groups: dict[str, list[Report]] = {}
    for one in report["assumptions"]:
        groups.setdefault(one["group"], []).append(one)
    yield "<h2>Assumptions</h2>"
    yield (
        "<p>Every simulated patient has an anatomy of their own, and one value of each of these. "
        "“estimate” means that nobody has measured it.</p>"
    )
    for group, members in groups.items():
        yield f"<h3>{escape(group.capitalize())}</h3>"
        yield assumptions_table(members)
    yield "<h3>What counts as covered, safe and likely</h3>"
    yield parts.table(
        ("Criterion", "Value", "Source"),
        (
            (
                escape(one["meaning"]),
                escape(_value(one)),
                f'<span class="tag">{one["status"]}</span> {escape(one["source"])}',
            )
            for one in report["criteria"]
        ),
        kind="cards",
    )
    yield "<h2>What is not modelled</h2>"
    yield f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in report['not_modelled'])}</ul>"


def assumptions_table(members: Iterable[Report]) -> str:
    """What is drawn, from what, and why."""
    return parts.table(
        ("Quantity", "Range (95 %)", "Source", "Reason"),
        (
            (
                f"{escape(one['meaning'])}<br>{parts.field_name(one['field'])}",
                escape(range_of(one)),
                f'<span class="tag">{one["status"]}</span> {escape(one["source"])}',
                escape(one["reason"]),
            )
            for one in members
        ),
        kind="cards",
    )


def range_of(one: Report) -> str:
    """Write what a prior is: its range, or at what it was held."""
    if not one["drawn"]:
        return f"not drawn: {one['held']}"
    unit = parts.unit_after(one["unit"])
    low, high = one["inner_range"]
    low = low if abs(low) > NOTHING * abs(high - low) else 0.0
    text = f"{number(low)} to {number(high)}"
    flat = one["distribution"] == "uniform"
    text = f"{text}{unit}" if flat else f"{number(one['median'])}{unit} ({text})"
    factor = "times what the scenario says, " if one["relative"] else ""
    cut = [
        f"{word} {number(one[key])}"
        for word, key in (("above", "minimum"), ("below", "maximum"))
        if one[key] is not None
    ]
    return f"{text}, {factor}{one['distribution']}" + (f", cut to {' and '.join(cut)}" * bool(cut))


def _value(one: Report) -> str:
    unit = parts.unit_after(one["unit"])
    changed = "" if one["value"] == one["default"] else f" (default {number(one['default'])}{unit})"
    return f"{number(one['value'])}{unit}{changed}"
