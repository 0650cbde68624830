"""Summary: what a plan says, in the words that a clinician reads first."""

import math
from dataclasses import dataclass

from castsim.ensembles.curves import Mark
from castsim.ensembles.drivers import LEVEL, OUTCOMES, Driver, input_label
from castsim.ensembles.indices import HELD, Share
from castsim.ensembles.planning import Plan
from castsim.ensembles.recommending import Interval, Recommendation
from castsim.ensembles.sampling import rules_left_out
from castsim.ensembles.wording import kinds_of, patients

MAIN = "covered_and_safe"
VALIDATION = (
    "Against published casts this model covers less of the root and refluxes more "
    "(docs/validation.md): take its volumes and chances for comparisons, not for doses."
)
"""What `make validate` shows; to be read again whenever its verdicts change."""
NAMED = 3
"""Drivers that are named in a line; the rest are in the plan."""


@dataclass(frozen=True)
class Summary:
    """Sentences about a plan, in the order in which they are to be read.

    Attributes
    ----------
    first : what must be known before the rest is believed; often nothing
    headline : volume, window, chance and risks, each with its interval
    marks : where coverage becomes likely, and where reflux does
    drivers : what the outcome hangs on
    limits : what the numbers do and do not contain
    """

    first: tuple[str, ...]
    headline: str
    marks: tuple[str, ...]
    drivers: tuple[str, ...]
    limits: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What is read first."""
        return " ".join((*self.first, self.headline))

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it."""
        return (*self.first, self.headline, *self.marks, *self.drivers, *self.limits)


def summarise(plan: Plan) -> Summary:
    """Put a plan in words: no volume without its window, no share without its interval."""
    return Summary(
        first=tuple(_told_first(plan)),
        headline=_headline(plan),
        marks=tuple(_marks(plan)),
        drivers=(*_drivers(plan), *_indices(plan)),
        limits=tuple(_limits(plan)),
    )


def percent(shares: tuple[float, float, float] | Share) -> str:
    """Share and interval: ``12 % [10–14 %]``.

    >>> percent((0.121, 0.1, 0.14)), percent((0.0, 0.0, 0.0038))
    ('12 % [10–14 %]', '0 % [0–0.4 %]')
    """
    ends = (shares.estimate, shares.low, shares.high) if isinstance(shares, Share) else shares
    share, low, high = (_short(100.0 * one) for one in ends)
    return f"{share} % [{low}–{high} %]"


def _short(value: float) -> str:
    """Whole percents, with as many digits more as it takes not to round to 0 or 100.

    >>> _short(12.3), _short(0.04), _short(99.96), _short(100.0)
    ('12', '0.04', '99.96', '100')
    """
    from_end = min(value, 100.0 - value)
    # less a little, since 100 - 99.999 is a little below 0.001
    digits = math.ceil(-math.log10(from_end) - 1e-9) if 0.0 < from_end < 1.0 else 0
    return f"{value:.{digits}f}"


def reservations(plan: Plan) -> list[str]:
    """Say of whom and of what the chances are not, where that must be known first."""
    lines = []
    if plan.failures_told_first:
        lines.append(
            f"{len(plan.errors)} of {plan.draws} draws failed and count nowhere below: "
            "the others may not stand for all."
        )
    if plan.unreachable:
        lines.append(_unreachable(plan))
    if plan.truncated_told_first:
        lines.append(_truncated(plan))
    if rules := rules_left_out(plan.study.arms[plan.arm]):
        lines.append(
            f"The scenario's rules that stop the injection ({', '.join(rules)}) are not followed: "
            f"every draw goes on to {plan.volumes_mL[-1]:.2f} mL, so that risks are those of going "
            "on."
        )
    return lines


def _told_first(plan: Plan) -> list[str]:
    lines = [*reservations(plan), VALIDATION]
    best = _largest(plan)
    if plan.recommendation is not None and best[0] < 0.5:
        likelier = "Failure is likelier than success at any volume"
        doubt = "" if best[2] < 0.5 else ", although the interval of the best chance reaches a half"
        lines.append(f"{likelier}{doubt}.")
    return lines


def _largest(plan: Plan) -> tuple[float, float, float]:
    """Chance to be covered and safe where it is largest, which the recommended volume's is near."""
    return plan.at(MAIN, None if plan.recommendation is None else plan.recommendation.best)


def _unreachable(plan: Plan) -> str:
    """In how many it cannot be done, why mostly, and of whom all else is."""
    name = plan.study.arms[plan.arm].name
    ((why, count), *_) = kinds_of(name, plan.unreachable.values())
    often = "" if count == len(plan.unreachable) else f"{count} of {len(plan.unreachable)}: "
    return (
        f"In {percent(plan.unreachable_share)} of {plan.computed} random patients this cannot be "
        f"carried out ({often}{why}). All chances are those of the {_patients(plan)}."
    )


def _truncated(plan: Plan) -> str:
    return (
        f"Agent came to the edge of what is simulated in {percent(plan.truncated_share)} of "
        f"{_patients(plan)}; what it does beyond is not counted (--set mesh.window_levels=N "
        "simulates more)."
    )


def _headline(plan: Plan) -> str:
    one = plan.recommendation
    if one is None:
        return (
            f"No volume up to {plan.volumes_mL[-1]:.2f} mL can be recommended: covered and safe in "
            f"none of {_patients(plan)}, {percent(plan.at('covered_and_safe'))} "
            f"at each volume."
        )
    risks = "; ".join(
        f"{words} {percent(plan.at(event))}"
        for event, words in (
            ("azygos_reflux", "azygos reflux"),
            ("embolised", "left towards the lungs"),
        )
    )
    return (
        f"{_start(plan, one)} {one.volume:.2f} mL{_between(one.interval)} out of the tip "
        f"({_window(one)}): "
        f"covered and safe in {percent(plan.at(MAIN))} of {_whom(plan)}; {risks}. "
        "Window: the chance to be covered and safe stays near its largest; not a safe range."
    )


def _start(plan: Plan, one: Recommendation) -> str:
    """Nobody is told to inject what is likelier to fail."""
    if one.interval is None:
        return "Best of the volumes tried, on few successes:"
    return "Inject" if _largest(plan)[0] >= 0.5 else "The least bad volume is"


def _patients(plan: Plan) -> str:
    return patients({"simulated": plan.simulated, "unreachable": plan.unreachable})


def _whom(plan: Plan) -> str:
    return "patients reached" if plan.unreachable else "simulated patients"


def _between(interval: Interval | None) -> str:
    return "" if interval is None else f" [{_range(interval)}]"


def _window(one: Recommendation) -> str:
    return f"window {_range(one.window)}"


def _range(ends: Interval) -> str:
    return f"{ends[0]:.2f}–{ends[1]:.2f} mL"


def _marks(plan: Plan) -> list[str]:
    covered, reflux = plan.mark("covered"), plan.mark("azygos_reflux")
    most = f"{plan.volumes_mL[-1]:.2f} mL"
    unlikely = f"{100 * covered.share:.0f} %"
    if covered.volume_mL is None:
        coverage = (
            f"Coverage is unlikely (less than {unlikely}) at every volume up to {most}"
            f"{_reached_from(covered)}."
        )
    elif covered.first:
        coverage = (
            f"Coverage is at no volume unlikely (less than {unlikely}), not even by the least "
            f"tried, {covered.volume_mL:.2f} mL."
        )
    else:
        coverage = (
            f"Below {covered.volume_mL:.2f} mL {_mark_range(covered)} "
            f"coverage is unlikely (less than {unlikely})."
        )
    if reflux.volume_mL is None:
        climbs = (
            f"Azygos reflux stays unlikely (less than {unlikely}) up to {most}"
            f"{_reached_from(reflux)}."
        )
    elif reflux.first:
        climbs = (
            f"Azygos reflux is at no volume unlikely: {unlikely} or more by the least tried, "
            f"{reflux.volume_mL:.2f} mL."
        )
    else:
        climbs = (
            f"From {reflux.volume_mL:.2f} mL {_mark_range(reflux)} on, "
            f"azygos reflux climbs to {unlikely} and more."
        )
    return [coverage, climbs]


def _reached_from(one: Mark) -> str:
    """What the interval allows where the estimate never reaches the share."""
    return (
        ""
        if one.low_mL is None
        else f", though its interval allows more from {one.low_mL:.2f} mL on"
    )


def _mark_range(one: Mark) -> str:
    low = "0.00" if one.low_mL is None else f"{one.low_mL:.2f}"
    return f"[{low}–{one.high_mL:.2f} mL]" if one.high_mL is not None else f"[{low} mL or more]"


def _drivers(plan: Plan) -> list[str]:
    lines = []
    looked_at = 0
    for outcome, drivers in plan.drivers.items():
        looked_at = max(looked_at, len(drivers.rows))
        named = [_driver(plan, one) for one in drivers.clear[:NAMED]]
        if named:
            words = OUTCOMES[outcome]
            lines.append(f"{words[0].upper()}{words[1:]} goes with: {'; '.join(named)}.")
    if not looked_at:
        return ["What drives the outcome cannot be told from so few draws."]
    if not lines:
        return [f"No single one of {looked_at} inputs stands out."]
    by_chance = LEVEL * looked_at
    lines.append(
        f"Of {looked_at} inputs looked at, only those are named that stand out after Holm's "
        f"correction; without it about {by_chance:.1f} would by chance, for each outcome."
    )
    return lines


def _driver(plan: Plan, one: Driver) -> str:
    return (
        f"{input_label(one.name)} "
        f"(rank correlation {one.rho:+.2f} [{one.low:+.2f} to {one.high:+.2f}])"
    )


def _indices(plan: Plan) -> list[str]:
    """Largest total indices of the main outcome, or how many rows it would take."""
    if MAIN not in plan.indices:
        return []
    one = plan.indices[MAIN]
    words = OUTCOMES[MAIN]
    labels = {index.name: input_label(f"in.{index.name}") for index in one.inputs}
    supported = [
        f"{labels[index.name]} {percent(index.total)}"
        for index in one.inputs
        if index.total is not None
    ]
    missing = [labels[index.name] for index in one.inputs if index.total is None]
    lines = []
    if supported:
        lines.append(
            f"Share of the variance of {words} in which an input takes part (total Sobol' index): "
            f"{'; '.join(supported[:NAMED])}. {HELD}"
        )
    if missing or not supported:
        of = f" of {', '.join(missing)}" if supported else ""
        lines.append(
            f"Sobol' indices{of} are not given: {one.rows} rows do not support them, about "
            f"{one.rows_needed} may (--indices {one.rows_needed}, with as many --draws)."
        )
    return lines


def _limits(plan: Plan) -> list[str]:
    lines = []
    one = plan.recommendation
    if one is not None:
        lines.append(_sureness(one, plan))
    if plan.coverable[2] < 1.0:
        lines.append(
            f"Filling every vein would cover the root in {percent(plan.coverable)} of "
            f"{_whom(plan)}: no volume does better."
        )
    most = float(plan.volumes_mL[-1])
    if plan.at("covered", most)[0] < 0.5:
        lines.append(
            f"More agent does not help: by {most:.2f} mL the root is covered in "
            f"{percent(plan.at('covered', most))}."
        )
    if plan.errors and not plan.failures_told_first:
        lines.append(f"{len(plan.errors)} of {plan.draws} draws failed and count nowhere.")
    if plan.truncated and not plan.truncated_told_first:
        lines.append(_truncated(plan))
    lines.append(
        f"Intervals are 95 % and tell what chance does to {_patients(plan)}. "
        "The spread of patients, agent and practice is in the shares, as far as the priors "
        "know it; errors of the model and of the priors are in neither."
    )
    return lines


def _sureness(one: Recommendation, plan: Plan) -> str:
    if one.best_interval is None:
        text = "Successes are too few to say how sure the volume is"
    else:
        text = (
            f"The chance is largest at {one.best:.2f} mL{_between(one.best_interval)}; at the "
            "volume given it is lower by no more than a standard error"
        )
    if one.other_stretches:
        others = " and ".join(_range(ends) for ends in one.other_stretches)
        text += f"; about as good: {others}"
    if one.volume == plan.volumes_mL[-1]:
        text += "; more than this was not tried"
    return (
        f"{text}. Being chosen as the best, the largest chance reads too high by about "
        f"{100 * one.optimism:.1f} percentage points."
    )
