"""``docs/validation.md``, whole, from what was found."""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

import numpy as np

from tests.validation import anatomy_facts, honeycomb, side_branch
from tests.validation.claims import COVERED, READ_AT_ML, SEEN_ML
from tests.validation.facts import Fact, Prediction, Target, Verdict, facts, overall, targets
from tests.validation.intervals import share, spread
from tests.validation.sensitivity import HEADER
from tests.validation.studies import Rows, case_mix
from tests.validation.words import band, estimate, middle, number, percent
from tests.verification.page import markdown, setting

PAGE = Path(__file__).resolve().parents[2] / "docs" / "validation.md"


@dataclass(frozen=True)
class Findings:
    """Everything that the page tells.

    Attributes
    ----------
    predictions : of all criteria that have any
    arms : runs of the drawn patients
    sensitivity : rows of the table of one number held
    typical, rests : resting flow of the typical patient and of random ones
    held : draws of that table
    ways : resistance from one segmental vein to the next, Pa s/mm3
    rooms : what the veins of right T9 hold in random patients, mL
    """

    predictions: Sequence[Prediction]
    arms: dict[str, Rows]
    sensitivity: Sequence[Sequence[str]]
    held: int
    typical: anatomy_facts.Rest
    rests: Sequence[anatomy_facts.Rest]
    ways: dict[str, float]
    rooms: Sequence[dict[str, float]]


def page(found: Findings) -> str:
    """All of it."""
    by: dict[str, list[Prediction]] = {key: [] for key in targets()}
    for one in found.predictions:
        by[one.key].append(one)
    tables = {
        "facts": _facts(by),
        "mix": _mix(),
        "criteria": _criteria(by),
        "reasons": _reasons(by),
        "sensitivity": markdown(HEADER, found.sensitivity),
        "rest": _rest(found.typical, found.rests),
        "health": _health(found.arms.values()),
    }
    words = {
        "setting": setting(),
        "ways": _ways(found.ways),
        "rooms": _rooms(found.rooms),
        "largest": f"{next(iter(found.arms.values())).volumes_mL[-1]:g}",
        "read_at": f"{READ_AT_ML:g}",
        "seen": f"{SEEN_ML:g}",
        "covered": f"{COVERED:g}",
        "held": str(found.held),
        "section": f"{honeycomb.SECTION_UL:g}",
        "trunk": f"{honeycomb.TRUNK_MM:g}",
        "calibres": _from_to(honeycomb.CALIBRE_MM),
        "pressures": _from_to(honeycomb.PRESSURE_PA),
        "vessel": _from_to(side_branch.CALIBRE_MM),
        "side": _from_to(side_branch.SIDE_SHARE),
    }
    template = Template((Path(__file__).parent / "page.md").read_text(encoding="utf-8"))
    return template.substitute(words, **{name: "\n".join(lines) for name, lines in tables.items()})


def verdicts(by: dict[str, list[Prediction]], target: Target) -> list[Verdict]:
    """One for each prediction of a target, or one for the lack of any."""
    return [target.verdict(one.estimate) for one in by[target.key]] or [target.verdict(None)]


def _of(fact: Fact) -> list[Target]:
    return [target for target in targets().values() if target.fact == fact.number]


def _facts(by: dict[str, list[Prediction]]) -> list[str]:
    lines, count = [], dict.fromkeys(Verdict, 0)
    for fact in facts():
        kinds = [verdict for target in _of(fact) for verdict in verdicts(by, target)]
        whole = overall(kinds)
        count[whole] += 1
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
        lines.append(
            (
                str(fact.number),
                fact.title,
                fact.published,
                f"{fact.source} ({fact.status})",
                str(whole) if len(kinds) == 1 else f"{whole} ({counts})",
            )
        )
    told = ", ".join(f"{n} {str(kind).strip('*')}" for kind, n in count.items() if n)
    table = markdown(("fact", "what", "published", "source", "verdict"), lines)
    return [f"{len(lines)} facts: {told}.", "", *table]


def _mix() -> list[str]:
    lines = [(s.levels, f"{100 * s.share:.1f} %", f"`{s.scenario}`") for s in case_mix()]
    return markdown(("sites", "share", "scenario that stands for them"), lines)


def _criteria(by: dict[str, list[Prediction]]) -> list[str]:
    lines = []
    notes = {fact.number: fact.note for fact in facts()}
    for target in targets().values():
        edges = band(target.low, target.high)
        head = (str(target.fact), target.says)
        wanted = f"{edges} {target.unit} ({target.band})" if edges else ""
        if not by[target.key]:
            verdict = str(target.verdict(None))
            lines.append((*head, wanted, "", "", "", verdict, notes[target.fact]))
        for one in by[target.key]:
            runs = str(one.estimate.runs)
            verdict = str(target.verdict(one.estimate))
            cells = (wanted, estimate(one.estimate), one.population, runs, verdict, one.note)
            lines.append((*head, *cells))
    header = ("fact", "criterion", "band", "predicted (95 %)", "of", "runs", "verdict", "beside")
    return markdown(header, lines)


def _reasons(by: dict[str, list[Prediction]]) -> list[str]:
    """Each reason once, with the criteria that it stands for; then what has none."""
    failing = [target for target in targets().values() if Verdict.FAILS in verdicts(by, target)]
    reasons = _read_reasons()
    grouped: dict[str, list[Target]] = {}
    for target in failing:
        grouped.setdefault(reasons.get(target.key, "**Not explained yet.**"), []).append(target)
    return [
        f"- {reason} (Fact {', '.join(dict.fromkeys(str(one.fact) for one in behind))}.)"
        for reason, behind in grouped.items()
    ] or ["None does."]


def _read_reasons() -> dict[str, str]:
    """Key of a target → why it fails, on one line."""
    text = (Path(__file__).parent / "reasons.toml").read_text(encoding="utf-8")
    return {
        key: " ".join(one["text"].split())
        for one in tomllib.loads(text)["reason"]
        for key in one["keys"]
    }


def _ways(ways: dict[str, float]) -> str:
    total = sum(1 / value for value in ways.values())
    return ", ".join(
        f"{name} {number(value)} ({100 / value / total:.0f} % of the conductance)"
        for name, value in ways.items()
    )


def _rooms(rooms: Sequence[dict[str, float]]) -> str:
    """Median, and between what 95 % of the patients lie."""
    return "; ".join(
        f"{name} {estimate(spread([one[name] for one in rooms]))}" for name in rooms[0]
    )


def _from_to(ends: tuple[float, float]) -> str:
    return f"{ends[0]:g}–{ends[1]:g}"


def _rest(typical: anatomy_facts.Rest, rests: Sequence[anatomy_facts.Rest]) -> list[str]:
    def range_(values: Iterable[float]) -> str:
        found = list(values)
        return f"{number(min(found))}–{number(max(found))}"

    segmental = f"{middle(typical.segmental)} ({range_(typical.segmental)})"
    medians = range_(float(np.median(one.segmental)) for one in rests)
    lines = [
        (
            "Azygos outflow at the SVC, mL/min",
            "165–320",
            f"{typical.azygos:.0f} (calibrated to 200)",
            range_(one.azygos for one in rests),
        ),
        (
            "Segmental veins T5–T11, paraspinal part, mL/min",
            "5–18",
            segmental,
            f"medians {medians} ({range_(np.concatenate([one.segmental for one in rests]))})",
        ),
        (
            "Epidural pressure, mmHg",
            "4–11, below CSF (12)",
            range_(typical.epidural),
            range_(np.concatenate([one.epidural for one in rests])),
        ),
        (
            "Epidural flow at L2, mL/min upwards, at rest",
            "either way",
            number(typical.upward),
            range_(one.upward for one in rests),
        ),
        (
            "… with abdominal pressure + 20 mmHg (Batson 1940)",
            "upwards",
            number(typical.strained),
            range_(one.strained for one in rests),
        ),
    ]
    header = ("quantity", "published", "typical anatomy", f"{len(rests)} random patients")
    return markdown(header, lines)


def _health(arms: Iterable[Rows]) -> list[str]:
    """How the runs themselves went, arm by arm."""
    lines = []
    for rows in arms:
        why: dict[str, int] = {}
        for text in rows.errors.values():
            why[_kind(text)] = why.get(_kind(text), 0) + 1
        lines.append(
            (
                rows.arm,
                str(rows.draws),
                "; ".join(f"{n} {kind}" for kind, n in sorted(why.items())) or "0",
                f"{rows.numbers['volume_balance_error'].max():.1e}",
                str(int(rows.numbers["stalled"].sum())),
                str(int(rows.numbers["truncated"].sum())),
                percent(share(np.isfinite(rows.numbers["over_pressure_mL"]))),
            )
        )
    header = (
        "arm",
        "draws",
        "refused",
        "largest balance error",
        "stalled",
        "truncated",
        "tip pressure beyond what a small vein bears",
    )
    return markdown(header, lines)


def _kind(error: str) -> str:
    """The fault in a few words."""
    for sign, words in (
        ("too small for a vein", "balloon too small"),
        ("no way to the tip", "no way to the tip"),
        (" in this anatomy", "no such vein"),
    ):
        if sign in error:
            return words
    return error.partition(":")[0]
