"""The page of a plan: what a clinician reads first, first."""

from collections.abc import Iterator
from functools import partial
from html import escape
from typing import TYPE_CHECKING

from castsim.ensembles import page_parts as parts
from castsim.ensembles.page_parts import Report
from castsim.ensembles.plan_plots import FEARED, TITLES, WANTED, band, chances
from castsim.ensembles.wording import EVENT_NAMES, millilitres, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHART_IN = (4.6, 3.1)
SMALL_IN = (3.9, 2.6)


def plan_page(report: Report) -> str:
    """Text of ``plan.html``, from the content of ``plan.json``."""
    return parts.page(f"Plan: {report['title'] or report['name']}", _body(report))


def _body(report: Report) -> Iterator[str]:
    draws, best = report["draws"], report["recommended"]
    yield f"<h1>{escape(report['title'] or report['name'])}</h1>"
    yield (
        f'<p class="soft">Injection plan for {escape(report["scenario"].get("agent", "Onyx 18"))}, '
        f"from {draws['simulated']} simulated patients, each injected up to "
        f"{report['largest_mL']:.2f} mL; seed {report['seed']}, castsim "
        f"{escape(report['version'])}.</p>"
    )
    if draws["told_first"]:
        yield parts.failed(draws)
    yield parts.paragraphs(report["summary"], "first")
    yield _chances_table(report)
    yield (
        '<p class="soft">In brackets: 95 % intervals from the number of simulated patients alone. '
        "They say nothing about whether the model is right.</p>"
    )
    yield "<h2>Chances by injected volume</h2>"
    yield (
        f"<p>Grey: the window, {millilitres(*best['window_mL'])}. Dotted: the recommended "
        f"{best['volume_mL']:.2f} mL; with other patients of the same kind it would come out between "
        f"{millilitres(*best['interval_mL'])} (95 %). Nothing stops the operator here: risks at "
        "large volumes are those of going on.</p>"
    )
    yield '<div class="charts wide">'
    for name, events, title in (
        ("wanted", WANTED, "Wanted"),
        ("feared", FEARED, "Not wanted"),
    ):
        yield parts.chart(
            _alone(partial(chances, report=report, events=events, title=title)),
            CHART_IN,
            name=name,
            title=f"{title}: share of the simulated patients against injected volume",
            below="; ".join(
                f"{EVENT_NAMES[one]}: {report['chances'][one]['meaning']}" for one in events
            )
            + ".",
        )
    yield "</div>"
    yield "<h2>Dose and response</h2>"
    yield "<p>Line: median patient; dark: half of the patients; light: nine of ten.</p>"
    yield '<div class="charts">'
    for name in report["bands"]:
        yield parts.chart(
            _alone(partial(band, report=report, name=name)),
            SMALL_IN,
            name=name,
            title=f"{TITLES[name][0]} against injected volume",
            below=_explained(report, name),
        )
    yield "</div>"
    if not draws["told_first"]:
        yield parts.failed(draws)
    yield from parts.assumptions(report)


def _alone(draw: "partial[None]") -> parts.Draw:
    """A panel as a figure of its own."""

    def on(figure: "Figure") -> None:
        axes: Axes = figure.add_subplot()
        draw(axes)

    return on


def _explained(report: Report, name: str) -> str:
    """What a panel's title leaves open."""
    if name != "coverage_deg":
        return ""
    wanted = next(row["value"] for row in report["criteria"] if row["quantity"] == name)
    return f"Dotted: {number(wanted)} degrees, from which on the root counts as covered."


def _chances_table(report: Report) -> str:
    head = [f"{at['what']}<br>{at['volume_mL']:.2f} mL" for at in report["at"]]
    rows = (
        (escape(name), *(parts.share_cell(at["chances"][event]) for at in report["at"]))
        for event, name in EVENT_NAMES.items()
    )
    return parts.table(("By this volume", *head), rows, kind="chances")
