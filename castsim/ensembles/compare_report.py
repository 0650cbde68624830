"""What ``compare.json`` says, from a comparison, and its differences in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from castsim import __version__
from castsim.ensembles.compare_schema import SCHEMA, CompareReport
from castsim.ensembles.comparing import Comparison, Difference, Interval, Pairing
from castsim.ensembles.curves import EVENTS
from castsim.ensembles.plan_report import BANDS, plan_report, rounded
from castsim.ensembles.plan_schema import checked
from castsim.ensembles.planning import Plan
from castsim.ensembles.summary import percent, reservations
from castsim.ensembles.wording import EVENT_NAMES, millilitres
from castsim.schema import DISCLAIMER

Report = Mapping[str, Any]


def compare_report(comparison: Comparison) -> dict[str, Any]:
    """Content of ``compare.json``, checked against ``castsim.compare/1``."""
    plans = comparison.plans.values()
    arms = [plan_report(plan) for plan in plans]
    values = {
        "schema": SCHEMA,
        "disclaimer": DISCLAIMER,
        "version": __version__,
        "seed": arms[0]["seed"],
        "common_mL": rounded(comparison.common_mL),
        "first": [f"{plan.arm}: {line}" for plan in plans for line in reservations(plan)],
        "summary": [_sentence(comparison, pairing) for pairing in comparison.pairings],
        "limits": list(_limits(comparison)),
        "arms": arms,
        "pairings": [_pairing(pairing) for pairing in comparison.pairings],
    }
    return checked(CompareReport, values)


def change_text(row: Report) -> str:
    """A difference and its interval, shares in percentage points: ``+9.0 [+4.1 to +14.2]``."""
    text = _text(row["difference"], row["unit"], "+")
    return text if "[" in text else f"{text} [not known]"


def value_text(value: Report, unit: str) -> str:
    """A share as ``12 % [10–14 %]``, or a mean as ``0.512``."""
    if unit == "share":
        return percent((value["estimate"], value["low"], value["high"]))
    return _text(value, unit, "")


def _text(one: Report, unit: str, sign: str) -> str:
    scale, digits = _SCALE[unit]
    estimate, low, high = (
        "" if one[key] is None else _signed(f"{scale * one[key]:{sign}.{digits}f}")
        for key in ("estimate", "low", "high")
    )
    return f"{estimate} [{low} to {high}]" if low else estimate


def _signed(text: str) -> str:
    """Take the sign of zero away, and write minus as minus."""
    return (text[1:] if text[0] in "+-" and not float(text) else text).replace("-", "−")


RISKS = ("azygos_reflux", "embolised", "over_pressure", "hazard")
"""Events that tell two arms apart where their success does not."""
_SCALE = {"share": (100.0, 1), "deg": (1.0, 0), "mL": (1.0, 3)}
"""Factor and decimals with which a quantity is told."""


def _sentence(comparison: Comparison, pairing: Pairing) -> str:
    here, there = comparison.plans[pairing.arm], comparison.plans[pairing.against]
    one = _difference(pairing.own[0])
    return (
        f"{pairing.arm} ({_volume(here)}) against {pairing.against} ({_volume(there)}): "
        f"covered and safe in "
        f"{value_text(one['value'], 'share')} and {value_text(one['against_value'], 'share')} "
        f"of the same {pairing.pairs} simulated patients, {change_text(one)} percentage points."
        f"{_verdict(pairing)}"
    )


def _volume(plan: Plan) -> str:
    if plan.recommended_mL is None:
        return f"no volume to recommend: covered and safe in no draw up to {plan.decided_mL:.2f} mL"
    window = "" if plan.window_mL is None else f", window {millilitres(*plan.window_mL)}"
    return f"at its own {plan.recommended_mL:.2f} mL{window}"


def _verdict(pairing: Pairing) -> str:
    """What is left to say where the main outcome does not decide: which risks differ."""
    success, *risks = pairing.own
    # an arm without a volume of its own has risks at the common one only
    risks = risks or [one for one in pairing.common if one.quantity in RISKS]
    differ = [
        f"{EVENT_NAMES[one.quantity]} {change_text(_difference(one))}"
        for one in risks
        if one.quantity in RISKS and one.difference.excludes_zero
    ]
    if success.difference.excludes_zero:
        return ""
    if not differ:
        return " By this these draws cannot tell which is the better, nor by the risks."
    where = "" if len(pairing.own) > 1 else f" by {pairing.common[0].volume_mL:.2f} mL in both"
    return (
        " By this these draws cannot tell which is the better, but risks differ"
        f"{where}: {'; '.join(differ)} percentage points."
    )


def _limits(comparison: Comparison) -> Iterator[str]:
    yield (
        "In brackets: 95 % intervals, of differences between pairs of the same simulated patient. "
        "Shares: Newcombe 1998, method 10; means: Student's t. One in twenty such intervals "
        "leaves 0 out where nothing differs."
    )
    yield (
        "Each arm's own volume was chosen from these draws; the intervals do not contain that "
        "choice, and both chances read a little too high."
    )
    for pairing in comparison.pairings:
        asked = pairing.left_out + pairing.unreachable + pairing.pairs
        for count, what in (
            (pairing.unreachable, "patients cannot be reached"),
            (pairing.left_out, "draws failed"),
        ):
            if count:
                yield (
                    f"{pairing.arm} against {pairing.against}: {count} of {asked} {what} in one "
                    "or both and are left out of the differences."
                )


def _pairing(pairing: Pairing) -> dict[str, Any]:
    return {
        "arm": pairing.arm,
        "against": pairing.against,
        "pairs": pairing.pairs,
        "left_out": pairing.left_out,
        "unreachable": pairing.unreachable,
        "own": [_difference(one) for one in pairing.own],
        "common": [_difference(one) for one in pairing.common],
    }


def _difference(one: Difference) -> dict[str, Any]:
    meaning = EVENTS[one.quantity] if one.unit == "share" else f"mean {BANDS[one.quantity][0]}"
    return {
        "quantity": one.quantity,
        "meaning": meaning,
        "unit": one.unit,
        "volume_mL": rounded(one.volume_mL),
        "against_volume_mL": rounded(one.against_volume_mL),
        "value": _interval(one.value),
        "against_value": _interval(one.against_value),
        "difference": _interval(one.difference),
        "excludes_zero": one.difference.excludes_zero,
    }


def _interval(one: Interval) -> dict[str, float | None]:
    ends = {"estimate": one.estimate, "low": one.low, "high": one.high}
    return {key: None if value is None else rounded(value) for key, value in ends.items()}
