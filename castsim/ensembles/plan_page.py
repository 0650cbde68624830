"""The page of a plan: what a clinician reads first, first."""

from collections.abc import Iterator
from functools import partial
from html import escape

from castsim.ensembles import page_sections as sections
from castsim.ensembles.indices import HELD
from castsim.ensembles.page_sections import Report
from castsim.ensembles.plan_plots import (
    FEARED,
    TITLES,
    WANTED,
    band,
    chances,
    drivers,
    focus,
    scale_text,
)
from castsim.ensembles.wording import EVENT_NAMES, millilitres, patients
from castsim.pages import parts
from castsim.pages.parts import number

CHART_IN = (4.6, 3.1)
SMALL_IN = (3.9, 2.6)
DRIVERS_IN = (4.8, 3.6)


def plan_page(report: Report) -> str:
    """Text of ``plan.html``, from the content of ``plan.json``."""
    return parts.page(f"Plan: {report['title'] or report['name']}", _body(report))


def _body(report: Report) -> Iterator[str]:
    draws, summary = report["draws"], report["summary"]
    yield f"<h1>{escape(report['title'] or report['name'])}</h1>"
    yield (
        f'<p class="soft">Injection plan for {escape(report["agent"])}, '
        f"from {patients(draws)} of {draws['asked']} drawn, each injected up to "
        f"{report['largest_mL']:.2f} mL; seed {report['seed']}, castsim "
        f"{escape(report['version'])}.</p>"
    )
    yield parts.paragraphs(summary["first"], "warn")
    if draws["told_first"]:
        yield sections.failed(draws)
    yield parts.paragraphs([summary["headline"], *summary["marks"]], "first")
    yield _chances_table(report)
    yield parts.paragraphs(summary["limits"], "soft")
    yield from _chances(report)
    yield from _dose_and_response(report)
    yield from _drivers(report)
    yield sections.unreachable(draws)
    if not draws["told_first"]:
        yield sections.failed(draws)
    yield from sections.assumptions(report)


def _chances(report: Report) -> Iterator[str]:
    best = report["recommended"]
    marks = ""
    if best is not None:
        marks = (
            f"Grey: the window, {millilitres(*best['window_mL'])}. "
            f"Dotted: the recommended {best['volume_mL']:.2f} mL. "
        )
    yield "<h2>Chances by injected volume</h2>"
    yield (
        f"<p>{marks}{scale_text(focus(report), report['volume_mL'][-1])}"
        "Bands: 95 % intervals. Nothing stops the operator here: risks at large "
        "volumes are those of going on.</p>"
    )
    yield '<div class="charts wide">'
    for name, events, title in (
        ("wanted", WANTED, "Wanted"),
        ("feared", FEARED, "What else happens"),
    ):
        meanings = (f"{EVENT_NAMES[one]}: {report['chances'][one]['meaning']}" for one in events)
        yield parts.panel(
            partial(chances, report=report, events=events, title=title),
            CHART_IN,
            name=name,
            title=f"{title}: share of the simulated patients against injected volume",
            below=f"{'; '.join(meanings)}.",
        )
    yield "</div>"


def _dose_and_response(report: Report) -> Iterator[str]:
    yield "<h2>Dose and response</h2>"
    yield "<p>Line: median patient; dark: half of the patients; light: nine of ten.</p>"
    yield '<div class="charts">'
    for name in report["bands"]:
        yield parts.panel(
            partial(band, report=report, name=name),
            SMALL_IN,
            name=name,
            title=f"{TITLES[name][0]} against injected volume",
            below=_explained(report, name),
        )
    yield "</div>"


def _drivers(report: Report) -> Iterator[str]:
    yield "<h2>What the outcome hangs on</h2>"
    yield parts.paragraphs(report["summary"]["drivers"], "plain")
    shown = [outcome for outcome, one in report["drivers"].items() if one["rows"]]
    if not shown:
        return
    yield (
        '<p class="soft">The strongest of all inputs, with 95 % intervals. In colour: stands out '
        "among all inputs looked at (Holm); blue: more with more of it, orange: less. Grey: may be "
        "chance.</p>"
    )
    yield '<div class="charts wide">'
    for outcome in shown:
        yield parts.panel(
            partial(drivers, report=report, outcome=outcome),
            DRIVERS_IN,
            name=f"drivers-{outcome}",
            title=f"Rank correlations of inputs with {report['drivers'][outcome]['meaning']}",
        )
    yield "</div>"
    for one in report["indices"].values():
        yield from _indices(one)


def _indices(one: Report) -> Iterator[str]:
    what = f"{escape(one['meaning'])} by {one['volume_mL']:.2f} mL"
    yield f"<h3>Shares of the variance of {what}</h3>"
    rows = (
        (escape(index["label"]), *(_index(index, index[kind]) for kind in ("first", "total")))
        for index in one["inputs"]
    )
    note = f"Sobol' indices from {one['rows']} rows, with 95 % intervals. {HELD}"
    yield parts.table(("Input", "alone", "with others"), rows, kind="indices", caption=note)


def _index(index: Report, one: Report | None) -> str:
    if one is None:
        return f"not supported; about {index['rows_needed']} rows may"
    return sections.share_cell(one)


def _explained(report: Report, name: str) -> str:
    """What a panel's title leaves open."""
    if name != "coverage_deg":
        return ""
    wanted = next(row["value"] for row in report["criteria"] if row["quantity"] == name)
    return f"Dotted: {number(wanted)} degrees, from which on the root counts as covered."


def _chances_table(report: Report) -> str:
    head = [f"{at['what']}<br>{at['volume_mL']:.2f} mL" for at in report["at"]]
    rows = (
        (escape(name), *(sections.share_cell(at["chances"][event]) for at in report["at"]))
        for event, name in EVENT_NAMES.items()
    )
    return parts.table(("By this volume", *head), rows, kind="chances")
