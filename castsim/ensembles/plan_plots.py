"""Plots of a plan, drawn from what ``plan.json`` holds."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from castsim.ensembles.figures import (
    BLUE,
    DASHES,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    SHADE,
    SKY,
    VERMILION,
    disclaim,
    label_ends,
    shade_window,
)
from castsim.ensembles.wording import EVENT_NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Report = Mapping[str, Any]

LOOKS: dict[str, tuple[str, Any]] = {
    "covered_and_safe": (BLUE, DASHES[0]),
    "covered": (SKY, DASHES[1]),
    "adjacent": (GREEN, DASHES[2]),
    "azygos_reflux": (VERMILION, DASHES[0]),
    "embolised": (ORANGE, DASHES[1]),
    "over_pressure": (PURPLE, DASHES[2]),
    "hazard": (INK, DASHES[3]),
    "stopped": (SHADE, DASHES[4]),
}
"""Event → colour and dashes, the same in every picture."""
WANTED = ("covered", "covered_and_safe")
FEARED = ("azygos_reflux", "embolised", "over_pressure", "hazard", "adjacent", "stopped")
TITLES = {
    "coverage_deg": ("Coverage of the root", "wrapped (degrees)"),
    "foraminal_mL": ("Foraminal veins", "agent (mL)"),
    "epidural_mL": ("Epidural veins", "agent (mL)"),
    "segmental_mL": ("Segmental veins", "agent (mL)"),
    "azygos_mL": ("Azygos reflux", "agent (mL)"),
    "embolised_mL": ("Carried off with the blood", "agent (mL)"),
}
"""Band → title of its panel, and what its vertical axis shows."""
SHORT = EVENT_NAMES | {"hazard": "intradural", "adjacent": "other level", "stopped": "stalled"}
"""Names of events where there is little room."""
VOLUME_LABEL = "injected volume (mL)"
SHARE_LABEL = "simulated patients (%)"
LABEL_GAP = 7.0
"""Between the names of lines, in percent."""


def dose_response(figure: "Figure", report: Report) -> None:
    """Chances above, bands of dose and response below."""
    above, below = figure.subfigures(2, 1, height_ratios=(1.0, 1.7))
    wanted, feared = above.subplots(1, 2)
    chances(wanted, report, WANTED, "Wanted")
    chances(feared, report, FEARED, "Not wanted")
    for axes, name in zip(below.subplots(2, 3).flat, report["bands"], strict=True):
        band(axes, report, name)
    figure.suptitle(heading(report), fontsize=12.0, x=0.01, ha="left")
    disclaim(
        figure,
        f"Grey: window; dotted upright: {report['recommended']['volume_mL']:.2f} mL, recommended. "
        "Above: shares with 95 % intervals. Below: median, half and nine tenths of the patients.",
    )


def heading(report: Report) -> str:
    """Title of a plan's pictures."""
    done = report["draws"]["simulated"]
    return f"{report['title'] or report['name']} · {done} simulated patients"


def chances(axes: "Axes", report: Report, events: tuple[str, ...], title: str) -> None:
    """Shares of the patients with their 95 % intervals against volume; the window shaded."""
    volume = report["volume_mL"]
    ends = []
    for event in events:
        one = {key: [100.0 * v for v in report["chances"][event][key]] for key in _SHARE}
        colour, dashes = LOOKS[event]
        axes.plot(volume, one["estimate"], color=colour, linestyle=dashes, label=event)
        axes.fill_between(volume, one["low"], one["high"], color=colour, alpha=0.18, linewidth=0)
        ends.append((SHORT[event], one["estimate"][-1], colour))
    axes.set(xlim=(0.0, volume[-1]), ylim=(0.0, 100.0), title=title)
    axes.set(xlabel=VOLUME_LABEL, ylabel=SHARE_LABEL)
    axes.locator_params(axis="x", nbins=5)
    shade_window(axes, report["recommended"]["window_mL"], report["recommended"]["volume_mL"])
    label_ends(axes, ends, gap=LABEL_GAP)


def band(axes: "Axes", report: Report, name: str) -> None:
    """Median, half and nine tenths of the patients against injected volume."""
    one, volume = report["bands"][name], report["volume_mL"]
    axes.fill_between(volume, one["p5"], one["p95"], color=BLUE, alpha=0.2, linewidth=0)
    axes.fill_between(volume, one["p25"], one["p75"], color=BLUE, alpha=0.35, linewidth=0)
    axes.plot(volume, one["p50"], color=BLUE)
    title, label = TITLES[name]
    top = 360.0 if one["unit"] == "deg" else 1.05 * max(*one["p95"], 0.1)
    axes.set(xlim=(0.0, volume[-1]), ylim=(0.0, top), title=title)
    axes.set(xlabel=VOLUME_LABEL, ylabel=label)
    axes.locator_params(axis="x", nbins=5)
    if one["unit"] == "deg":
        axes.set_yticks(range(0, 361, 90))
        axes.axhline(_criterion(report, name), color=INK, linewidth=0.9, linestyle=DASHES[3])
    shade_window(axes, report["recommended"]["window_mL"], report["recommended"]["volume_mL"])


_SHARE = ("estimate", "low", "high")


def _criterion(report: Report, quantity: str) -> float:
    return next(row["value"] for row in report["criteria"] if row["quantity"] == quantity)
