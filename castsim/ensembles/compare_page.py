"""The page of a comparison: which arm does better, and how sure that is, first."""

from collections.abc import Iterator
from functools import partial
from html import escape

from castsim.ensembles import page_sections as sections
from castsim.ensembles.compare_plots import (
    MEANS,
    PANELS,
    chances,
    coverage,
    differences,
    focus,
    look,
)
from castsim.ensembles.compare_report import change_text, value_text
from castsim.ensembles.page_sections import Report
from castsim.ensembles.plan_plots import scale_text
from castsim.ensembles.wording import EVENT_NAMES, millilitres
from castsim.pages import parts

CHART_IN = (4.4, 3.0)


def compare_page(report: Report) -> str:
    """Text of ``compare.html``, from the content of ``compare.json``."""
    names = ", ".join(arm["name"] for arm in report["arms"])
    return parts.page(f"Comparison: {names}", _body(report))


def _body(report: Report) -> Iterator[str]:
    arms = report["arms"]
    yield f"<h1>{len(arms)} ways to inject, in the same simulated patients</h1>"
    yield (
        f'<p class="soft">{arms[0]["draws"]["asked"]} random patients, each injected in every way '
        f"up to {arms[0]['largest_mL']:.2f} mL; seed {report['seed']}, castsim "
        f"{escape(report['version'])}.</p>"
    )
    yield parts.paragraphs(report["first"], "warn")
    for arm in arms:
        if arm["draws"]["told_first"]:
            yield sections.failed(arm["draws"], escape(arm["name"]))
    yield parts.paragraphs(report["summary"], "first")
    yield _arms_table(arms)
    yield parts.paragraphs(report["limits"], "soft")
    yield "<h2>Side by side</h2>"
    yield (
        f"<p>{_key(arms)}. Bands: 95 % intervals, of coverage half of the patients. "
        f"Dotted: {report['common_mL']:.2f} mL. "
        f"{scale_text(focus(report), arms[0]['volume_mL'][-1])}</p>"
    )
    yield '<div class="charts">'
    for event in PANELS:
        yield parts.panel(
            partial(chances, report=report, event=event),
            CHART_IN,
            name=event,
            title=f"{EVENT_NAMES[event]}: share of the simulated patients against volume",
        )
    yield parts.panel(
        partial(coverage, report=report), CHART_IN, name="coverage", title="Coverage of the root"
    )
    yield parts.panel(
        partial(differences, report=report),
        CHART_IN,
        name="differences",
        title=f"Differences from the first arm by {report['common_mL']:.2f} mL",
    )
    yield "</div>"
    yield "<h2>Differences</h2>"
    for pairing in report["pairings"]:
        yield from _pairing(pairing)
    for arm in arms:
        yield sections.unreachable(arm["draws"], escape(arm["name"]))
        if not arm["draws"]["told_first"]:
            yield sections.failed(arm["draws"], escape(arm["name"]))
    yield from sections.assumptions(arms[0])
    for arm in arms[1:]:
        yield from _other_assumptions(arm, arms[0])


def _arms_table(arms: list[Report]) -> str:
    rows = []
    for arm in arms:
        best = arm["recommended"]
        place = next((at for at in arm["at"] if "recommended" in at["what"]), arm["at"][0])
        volume = "none" if best is None else f"{best['volume_mL']:.2f} mL"
        window = "" if best is None else f" <span>[{millilitres(*best['window_mL'])}]</span>"
        rows.append(
            (
                escape(arm["name"]),
                volume + window,
                *(sections.share_cell(place["chances"][event]) for event in PANELS),
            )
        )
    head = ("Arm", "volume [window]", *(EVENT_NAMES[event] for event in PANELS))
    note = "Each arm by the volume recommended for it; where there is none, by the largest tried."
    return parts.table(head, rows, kind="cards arms", caption=note)


def _key(arms: list[Report]) -> str:
    """Names of the arms in their colours."""
    return ", ".join(
        f'<b style="border-bottom: 3px solid {look(place)[0]}">{escape(arm["name"])}</b>'
        for place, arm in enumerate(arms)
    )


def _pairing(pairing: Report) -> Iterator[str]:
    here, there = escape(pairing["arm"]), escape(pairing["against"])
    yield f"<h3>{here} minus {there}</h3>"
    own = pairing["own"][0]
    yield _table(
        pairing["own"],
        (here, there),
        f"Each at its own volume: {own['volume_mL']:.2f} and {own['against_volume_mL']:.2f} mL; "
        f"{pairing['pairs']} pairs.",
    )
    common = pairing["common"][0]["volume_mL"]
    yield _table(
        pairing["common"], (here, there), f"Both at {common:.2f} mL; {pairing['pairs']} pairs."
    )


def _table(rows: list[Report], names: tuple[str, str], caption: str) -> str:
    return parts.table(
        ("Quantity", *names, "difference [95 %]"),
        (
            (
                escape(quantity_name(row)),
                parts.interval_cell(value_text(row["value"], row["unit"])),
                parts.interval_cell(value_text(row["against_value"], row["unit"])),
                _change(row),
            )
            for row in rows
        ),
        kind="differences",
        caption=caption,
    )


def _change(row: Report) -> str:
    text = parts.interval_cell(change_text(row))
    return f"<b>{text}</b>" if row["excludes_zero"] else text


def quantity_name(row: Report) -> str:
    """What is compared, in words."""
    if row["unit"] == "share":
        return EVENT_NAMES[row["quantity"]]
    return f"{MEANS[row['quantity']]} ({row['unit']})"


def _other_assumptions(arm: Report, first: Report) -> Iterator[str]:
    """What is drawn otherwise than in the first arm."""
    before = {one["field"]: one for one in first["assumptions"]}
    other = [one for one in arm["assumptions"] if one != before[one["field"]]]
    if other:
        yield f"<h3>Drawn otherwise in {escape(arm['name'])}</h3>"
        yield sections.assumptions_table(other)
