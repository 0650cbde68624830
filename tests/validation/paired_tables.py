"""What the paired runs say, claim by claim: predicted, interval, expected, verdict.

The criteria were set before the ensemble was run: they are those of the published facts and of
the engineering estimates beside them in docs/validation.md.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tests.validation.intervals import median_interval, ratio_interval, wilson
from tests.validation.paired import COVERED, SECTORS, VISIBLE, Outcome

Pairs: TypeAlias = list[tuple[Outcome, Outcome]]

MOST = 0.8
"""Share of pairs that must go the expected way."""
BALANCE = 1e-9
SEEN = VISIBLE / 1000.0


@dataclass(frozen=True)
class Claim:
    """One row: `value` with its interval lies in `band`, or the claim fails."""

    key: str
    text: str
    value: float
    low: float
    high: float
    band: tuple[float, float]
    runs: int
    note: str = ""

    @property
    def agrees(self) -> bool | None:
        """Whether the value lies in the band; None where no run can tell."""
        return None if np.isnan(self.value) else self.band[0] <= self.value <= self.band[1]

    def row(self) -> str:
        """As a row of a Markdown table."""
        verdict = {True: "agrees", False: "**fails**", None: "not testable"}[self.agrees]
        cells = (
            self.text,
            f"{_say(self.value)} ({_say(self.low)}–{_say(self.high)})",
            _band(*self.band),
            str(self.runs),
            verdict,
            self.note,
        )
        return "| " + " | ".join(cells) + " |"


def claims(rows: Sequence[Outcome]) -> list[Claim]:
    """All that the paired runs can answer."""
    ran = [row for row in rows if not row.error]
    arms = {name: [row for row in ran if row.arm == name] for name in {row.arm for row in ran}}
    tips = pairs(ran, "foraminal", "segmental")
    shut = pairs(ran, "unblocked", "blocked")
    found = [*_tips(tips), *_balloon(shut)]
    for tip in ("foraminal", "segmental"):
        found += _links(tip, pairs(ran, tip, f"{tip} without links"))
        found += _single(tip, arms[tip])
    return found


def pairs(rows: Iterable[Outcome], one: str, other: str) -> Pairs:
    """Outcomes of two arms of the same patients, where both ran to their end."""
    by = {(row.arm, row.draw): row for row in rows}
    draws = sorted({draw for arm, draw in by if arm == one and (other, draw) in by})
    return [(by[one, draw], by[other, draw]) for draw in draws]


def _tips(tips: Pairs) -> list[Claim]:
    reached = [(f, s) for f, s in tips if np.isfinite([f.covered_at, s.covered_at]).any()]
    ratios = [f.covered_at / s.covered_at for f, s in reached]
    both = sum(np.isfinite([f.covered_at, s.covered_at]).all() for f, s in reached)
    neither = len(tips) - len(reached)
    note = f"neither reaches it in {neither} pairs, both in {both}"
    return [
        _share(
            "tip_volume",
            f"foraminal tip covers {COVERED} of what can be covered with less than the segmental",
            [f.covered_at < s.covered_at for f, s in reached],
            (MOST, 1.0),
            note,
        ),
        Claim(
            "tip_volume_ratio",
            "… median of the ratio of the two volumes",
            *median_interval(ratios),
            (0.3, 0.8),
            len(reached),
        ),
        _share(
            "tip_azygos",
            "foraminal tip puts less into the azygos, 1 mL each",
            [f.azygos < s.azygos for f, s in tips],
            (MOST, 1.0),
            f"equal in {sum(f.azygos == s.azygos for f, s in tips)}; medians "
            f"{_median(f.azygos for f, _ in tips)} and {_median(s.azygos for _, s in tips)} mL",
        ),
        _share(
            "tip_azygos_fraction",
            "… by share of all that was injected (1.5 mL planned)",
            [f.azygos_end / f.injected < s.azygos_end / s.injected for f, s in tips],
            (MOST, 1.0),
            f"medians {_median(f.azygos_end / f.injected for f, _ in tips)} and "
            f"{_median(s.azygos_end / s.injected for _, s in tips)}",
        ),
    ]


def _balloon(shut: Pairs) -> list[Claim]:
    def part(row: Outcome, deep: bool) -> float:
        return (row.beyond_tip_deep if deep else row.beyond_tip) / min(row.injected, 1.0)

    found = []
    for deep, what in ((False, "beyond the tip"), (True, "in foramen, epidural veins and bodies")):
        key = "deep" if deep else "retrograde"
        for number, (state, band) in enumerate((("unblocked", (0.0, 0.3)), ("blocked", (0.8, 1)))):
            shares = [part(pair[number], deep) for pair in shut]
            found.append(
                Claim(
                    f"{key}_{state}",
                    f"share of the agent {what}, {state}: median",
                    *median_interval(shares),
                    band,
                    len(shut),
                    f"azygos: median {_median(pair[number].azygos for pair in shut)} mL",
                )
            )
        found.append(
            _share(
                f"{key}_more",
                f"balloon raises the share {what}",
                [part(closed, deep) > part(opened, deep) for opened, closed in shut],
                (MOST, 1.0),
            )
        )
    return found


def _links(tip: str, both: Pairs) -> list[Claim]:
    without = [row.spread for _, row in both]
    seen = [sum(pair[k].spread >= SEEN for pair in both) for k in (0, 1)]
    return [
        Claim(
            f"links_{tip}",
            f"{tip} tip: agent at other levels without intersegmental veins, over that with them",
            *ratio_interval(without, [row.spread for row, _ in both]),
            (0.0, 0.5),
            len(both),
            f"visible (≥ {SEEN} mL) in {seen[0]} runs with, in {seen[1]} without",
        )
    ]


def _single(tip: str, rows: Sequence[Outcome]) -> list[Claim]:
    spread = [row for row in rows if row.spread >= SEEN]
    total = sum(row.spread for row in rows)
    route: dict[str, float] = {}
    for row in rows:
        for name, volume in row.spread_by.items():
            route[name] = route.get(name, 0.0) + volume / total
    ways = sorted(route.items(), key=lambda item: -item[1])
    way = ", ".join(f"{name} {_say(share)}" for name, share in ways if share >= 0.005)
    return [
        _share(
            f"spread_{tip}",
            f"{tip} tip: agent seen (≥ {SEEN} mL) in foraminal or segmental veins of another level",
            [row.spread >= SEEN for row in rows],
            (0.03, 0.25),
            f"came there from: {way}",
        ),
        _share(
            f"one_level_{tip}",
            "… not farther than one level",
            [row.spread_levels == 1 for row in spread],
            (0.9, 1.0),
        ),
        _share(
            f"basivertebral_{tip}",
            f"{tip} tip: basivertebral vein filled (≥ {SEEN} mL)",
            [row.basivertebral >= SEEN for row in rows],
            (0.05, 0.5),
            f"any agent in {sum(row.basivertebral > 0 for row in rows)} runs",
        ),
        _share(
            f"sectors_{tip}",
            f"{tip} tip: at least 3 of {SECTORS} sectors of the root reached",
            [row.sectors >= 3 for row in rows],
            (MOST, 1.0),
        ),
        Claim(
            f"volume_{tip}",
            f"{tip} tip: volume at which {COVERED} of what can be covered is, mL: median",
            *median_interval([row.covered_at for row in rows]),
            (0.4, 2.0),
            len(rows),
            f"never within 1.5 mL in {sum(np.isinf(row.covered_at) for row in rows)} runs",
        ),
    ]


def _share(
    key: str, text: str, flags: Sequence[bool], band: tuple[float, float], note: str = ""
) -> Claim:
    count, runs = int(sum(flags)), len(flags)
    value = count / runs if runs else np.nan
    return Claim(key, text, value, *wilson(count, runs), band, runs, note)


def health(rows: Sequence[Outcome]) -> list[str]:
    """How the runs themselves went, arm by arm, and every draw that failed."""
    lines = [
        "| arm | runs | errors | largest balance error | stalled | truncated | CPU s a run |",
        "|---|---|---|---|---|---|---|",
    ]
    for arm in dict.fromkeys(row.arm for row in rows):
        mine = [row for row in rows if row.arm == arm]
        ran = [row for row in mine if not row.error]
        worst = max((row.balance_error for row in ran), default=np.nan)
        lines.append(
            f"| {arm} | {len(mine)} | {len(mine) - len(ran)} | {worst:.1e} "
            f"| {sum(row.stalled for row in ran)} | {sum(row.truncated for row in ran)} "
            f"| {_median(row.seconds for row in ran)} |"
        )
    return lines + [f"draw {row.draw}, {row.arm}: {row.error}" for row in rows if row.error]


def tables(rows: Sequence[Outcome]) -> str:
    """Everything, as Markdown."""
    head = (
        "| claim | predicted (95 %) | expected | runs | verdict | beside |",
        "|---|" + 5 * "---|",
    )
    body = [claim.row() for claim in claims(rows)]
    return "\n".join([*head, *body, "", *health(rows), ""])


def _median(values: Iterable[float]) -> str:
    return _say(median_interval(list(values))[0])


def _band(low: float, high: float) -> str:
    if high == 1.0:
        return f"≥ {_say(low)}"
    return f"≤ {_say(high)}" if low == 0.0 else f"{_say(low)}–{_say(high)}"


def _say(value: float) -> str:
    if np.isnan(value):
        return "–"
    return "never" if np.isinf(value) else f"{value:.2g}"
