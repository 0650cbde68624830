"""What the drawn patients say about each criterion, at right T9 and over the case mix."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from castsim.ensembles.targets import Targets
from tests.validation.facts import Prediction, targets
from tests.validation.intervals import (
    Estimate,
    Strata,
    mean_difference,
    median,
    mixed_median,
    mixed_share,
    ratio,
    share,
)
from tests.validation.studies import Rows, case_mix, paired
from tests.validation.words import middle, number, percent

FloatArray = NDArray[np.float64]
Measure = Callable[[Rows], FloatArray]
Arms = Mapping[str, Rows]

READ_AT_ML = 1.0
"""Out of the tip when fillings are read: what right-t9 plans, amid the estimated 0.6-1.6 mL."""
COVERED = 0.9
"""Share of what can be covered that counts as covered (fact 5)."""
THREE_SECTORS_DEG = 135.0
"""Three eighths of the root (fact 4)."""
GOOD = Targets.default()
LEAST_ML, MOST_ML = 0.2, 4.0
"""Volumes of 95 % of runs (fact 16)."""
SEEN_ML = GOOD.adjacent_mL
"""As much as fluoroscopy shows."""
RIGHT_T9, CASE_MIX = "right T9", "case mix"
SEGMENTAL = "right T9, segmental tip"


def predictions(arms: Arms) -> list[Prediction]:
    """Everything that the study :func:`tests.validation.studies.patients` answers."""
    tip, segmental = arms["right-t9"], arms["segmental"]
    found = [*_tips(*paired(tip, segmental))]
    found += [
        *_population(arms, "adjacent", seen("adjacent_mL"), aside=segmental),
        *_population(arms, "one_level", next_level_only, among=seen("adjacent_mL")),
        _without_links(*paired(tip, arms["right-t9 without links"])),
        *_population(arms, "sectors", three_sectors, aside=segmental),
        *_population(arms, "coverage", covered, note=_ideal),
        *_population(arms, "epidural_reach", at("epidural_reach_mm")),
        *_population(arms, "segmental_reach", at("segmental_reach_mm")),
        *_population(arms, "azygos", at("azygos_mL")),
        *_population(arms, "basivertebral", seen("basivertebral_mL")),
        _harmless(tip),
        *_balloon(*paired(arms["unblocked"], arms["blocked"])),
        _overlap(*paired(tip, arms["blocked"])),
        *_population(arms, "volume", volume_to_cover, note=_when_covered),
        *_population(arms, "volume_range", volume_in_range),
        *_population(arms, "volume_operator", operator_volume, note=_why_stopped),
        *_population(arms, "operator_range", operator_in_range),
        _success(arms),
        balance(arms.values()),
    ]
    return found


# what is measured: each takes the runs of an arm and gives one number a run, (n,)


def at(column: str) -> Measure:
    """A curve when fillings are read."""
    return lambda rows: rows.at(column, READ_AT_ML)


def seen(column: str) -> Measure:
    """Whether agent is seen in what `column` counts."""
    return lambda rows: (rows.at(column, READ_AT_ML) >= SEEN_ML).astype(float)


def covered(rows: Rows) -> FloatArray:
    """Share of what can be covered that is."""
    return rows.at("coverage_deg", READ_AT_ML) / rows.numbers["coverable_deg"]


def three_sectors(rows: Rows) -> FloatArray:
    """Whether three of eight sectors of the root are reached."""
    return (rows.at("coverage_deg", READ_AT_ML) >= THREE_SECTORS_DEG).astype(float)


def next_level_only(rows: Rows) -> FloatArray:
    """Whether agent at other levels stays at the next one."""
    return (rows.at("adjacent_levels", READ_AT_ML) <= 1).astype(float)


def ideal(rows: Rows) -> FloatArray:
    """Whether all four numbers of the ideal cast lie in their bands."""
    good = np.ones(len(rows.draw), dtype=bool)
    for key, measure in (
        ("coverage", covered),
        ("epidural_reach", at("epidural_reach_mm")),
        ("segmental_reach", at("segmental_reach_mm")),
        ("azygos", at("azygos_mL")),
    ):
        band, value = targets()[key], measure(rows)
        good &= (band.low <= value) & (value <= band.high)
    return good.astype(float)


def volume_to_cover(rows: Rows) -> FloatArray:
    """Least volume that covers :data:`COVERED` of what can be, mL; inf: not by the largest."""
    enough = COVERED * rows.numbers["coverable_deg"]
    return rows.first(rows.curves["coverage_deg"] >= enough[:, None])


def volume_in_range(rows: Rows) -> FloatArray:
    """Whether that volume is one that has been used."""
    return _in_range(volume_to_cover(rows))


def _in_range(volume: FloatArray) -> FloatArray:
    return ((volume >= LEAST_ML) & (volume <= MOST_ML)).astype(float)


def operator_volume(rows: Rows) -> FloatArray:
    """Volume at which an operator stops who sees coverage and the azygos vein, mL."""
    ends = rows.curves["coverage_deg"] >= GOOD.coverage_deg
    ends |= rows.curves["azygos_mL"] >= GOOD.azygos_mL
    return np.minimum(rows.first(ends), rows.volumes_mL[-1])


def operator_in_range(rows: Rows) -> FloatArray:
    """Whether the operator's volume is one that has been used."""
    return _in_range(operator_volume(rows))


def beyond_tip(rows: Rows) -> FloatArray:
    """Share of the agent that lies neither beside the catheter nor in the azygos, nor is lost."""
    return rows.at("beyond_tip_mL", READ_AT_ML) / _out(rows)


def deep(rows: Rows) -> FloatArray:
    """Share of the agent in foraminal, epidural and basivertebral veins."""
    parts = ("foraminal_mL", "epidural_mL", "basivertebral_mL")
    return np.asarray(sum(rows.at(part, READ_AT_ML) for part in parts) / _out(rows))


def epidural_end_point(rows: Rows) -> FloatArray:
    """Whether agent is ever seen in foramen and epidural veins: where Duke stops."""
    last = rows.volumes_mL[-1]
    inside = rows.at("foraminal_mL", last) >= SEEN_ML
    return (inside & (rows.at("epidural_mL", last) >= SEEN_ML)).astype(float)


def _out(rows: Rows) -> FloatArray:
    return np.minimum(rows.numbers["injected_mL"], READ_AT_ML)


# predictions that are more than one number of one arm


def _population(
    arms: Arms,
    key: str,
    measure: Measure,
    *,
    among: Measure | None = None,
    note: Callable[[Rows], str] = lambda rows: "",
    aside: Rows | None = None,
) -> list[Prediction]:
    """Share or median at right T9 and over the case mix, of all runs or `among` some.

    `note` is of right T9; the share of the runs `aside` is told there, too.
    """
    strata: Strata = []
    for site in case_mix():
        rows = arms[site.scenario]
        kept = np.ones(len(rows.draw), dtype=bool) if among is None else among(rows) > 0
        if kept.any():
            strata.append((site.share, rows.draw[kept], measure(rows)[kept]))
    beside = note(arms[case_mix()[0].scenario])
    if aside is not None:
        beside = f"segmental tip: {percent(share(measure(aside)))}"
    of_share = set(np.unique(np.concatenate([values for *_, values in strata]))) <= {0.0, 1.0}
    one, mixed = (share, mixed_share) if of_share else (median, mixed_median)
    return [
        Prediction(key, RIGHT_T9, one(strata[0][2]), beside),
        Prediction(key, CASE_MIX, mixed(strata)),
    ]


def _ideal(rows: Rows) -> str:
    return (
        f"all four numbers of the ideal cast in their bands at once: {percent(share(ideal(rows)))}"
    )


def _when_covered(rows: Rows) -> str:
    volume = volume_to_cover(rows)
    reached = volume[np.isfinite(volume)]
    got_there = percent(share(np.isfinite(volume)))
    return (
        f"{got_there} get there by {rows.volumes_mL[-1]:g} mL, half of them by {middle(reached)} mL"
    )


def _why_stopped(rows: Rows) -> str:
    """What the operator who stops at coverage or reflux sees first."""
    wrapped = rows.first(rows.curves["coverage_deg"] >= GOOD.coverage_deg)
    reflux = rows.first(rows.curves["azygos_mL"] >= GOOD.azygos_mL)
    first = share(np.isfinite(wrapped) & (wrapped <= reflux))
    return f"the root is covered before agent is seen in the azygos in {percent(first)}"


def _tips(foraminal: Rows, segmental: Rows) -> Iterable[Prediction]:
    """What the place of the tip changes in one patient."""
    first, second = volume_to_cover(foraminal), volume_to_cover(segmental)
    tells = np.isfinite(first) | np.isfinite(second)
    both = int((np.isfinite(first) & np.isfinite(second)).sum())
    largest = foraminal.volumes_mL[-1]
    # a tip that does not get there would need more than the largest volume, how much is not known
    most = median(first[tells] / np.minimum(second[tells], largest))
    least = median(np.where(np.isfinite(second), first / np.minimum(second, largest), 0.0)[tells])
    note = (
        f"at most: by {largest:g} mL neither covers so much in {int((~tells).sum())} pairs, both "
        f"do in {both}; the foraminal tip needs less in "
        f"{percent(share((first < second)[tells]))} of the pairs that can tell"
    )
    bounds = Estimate(most.value, least.low, most.high, most.runs)
    yield Prediction("tip_volume", RIGHT_T9, bounds, note)
    azygos = [rows.at("azygos_mL", READ_AT_ML) for rows in (foraminal, segmental)]
    note = f"medians {middle(azygos[0])} and {middle(azygos[1])} mL"
    yield Prediction("tip_azygos", RIGHT_T9, share(azygos[0] < azygos[1]), note)


def _without_links(whole: Rows, bare: Rows) -> Prediction:
    """What deleting the intersegmental veins leaves of the spread."""
    before, after = (rows.at("adjacent_mL", READ_AT_ML) for rows in (whole, bare))
    left = ratio(after, before)
    note = (
        f"with them {percent(share(before >= SEEN_ML))}; of the agent at other levels deletion "
        f"leaves {number(left.value)} ({number(left.low)}–{number(left.high)})"
    )
    return Prediction("without_links", RIGHT_T9, share(after >= SEEN_ML), note)


def _harmless(rows: Rows) -> Prediction:
    filled = seen("basivertebral_mL")(rows) > 0
    degrees = rows.at("coverage_deg", READ_AT_ML)
    return Prediction(
        "basivertebral_harmless", RIGHT_T9, mean_difference(degrees[filled], degrees[~filled])
    )


def _balloon(opened: Rows, shut: Rows) -> Iterable[Prediction]:
    """What a balloon in the segmental vein changes in one patient; same catheter, same tip."""
    more = share(beyond_tip(shut) > beyond_tip(opened))
    for key, rows in (("retrograde_unblocked", opened), ("retrograde_blocked", shut)):
        azygos = middle(rows.at("azygos_mL", READ_AT_ML))
        note = f"azygos: median {azygos} mL"
        if rows is shut:
            note += f"; more beyond the tip than unblocked in {percent(more)} of pairs"
        yield Prediction(key, SEGMENTAL, median(beyond_tip(rows)), note)
    yield Prediction("deep_blocked", SEGMENTAL, median(deep(shut)))


def _overlap(free: Rows, shut: Rows) -> Prediction:
    medians = [middle(covered(rows)) for rows in (shut, free)]
    note = f"covered of what can be: medians {medians[0]} and {medians[1]}"
    return Prediction("foramen_overlap", RIGHT_T9, share(covered(shut) > covered(free)), note)


def _success(arms: Arms) -> Prediction:
    """Foraminal tip, else segmental tip, else balloon."""
    tries = [arms[name] for name in ("right-t9", "segmental", "blocked")]
    reached = np.zeros(tries[0].draws)
    alone = []
    for rows in tries:
        good = epidural_end_point(rows)
        reached[rows.draw] = np.maximum(reached[rows.draw], good)
        alone.append(f"{rows.arm} {percent(share(good))}")
    strata: Strata = []
    for site in case_mix():
        rows = arms[site.scenario]
        good = np.zeros(rows.draws)  # where the catheter does not get there, nothing is reached
        good[rows.draw] = epidural_end_point(rows)
        strata.append((site.share, np.arange(rows.draws), good))
    note = (
        f"each alone: {', '.join(alone)}; over the case mix, by the foraminal tip alone, and "
        f"failing where there is no way to it: {percent(mixed_share(strata))}"
    )
    return Prediction("success", RIGHT_T9, share(reached), note)


def balance(runs: Iterable[Rows]) -> Prediction:
    """Largest error of all runs: no sample, so that it is its own interval."""
    errors = np.concatenate([rows.numbers["volume_balance_error"] for rows in runs])
    worst = float(errors.max())
    return Prediction("balance", "all runs", Estimate(worst, worst, worst, len(errors)))
