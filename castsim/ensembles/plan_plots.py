"""Plots of a plan, drawn from what ``plan.json`` holds."""

from collections.abc import Mapping
from textwrap import fill
from typing import TYPE_CHECKING, Any

from castsim.ensembles.volume_axis import focus_of, set_volume_axis
from castsim.ensembles.wording import EVENT_NAMES, patients
from castsim.pages.figures import (
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
    shade,
)

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
    "embolised_mL": ("Left towards the lungs", "agent (mL)"),
}
"""Band → title of its panel, and what its vertical axis shows."""
SHARE_LABEL = "simulated patients (%)"
DRIVERS_SHOWN = 8
LABEL_WIDTH = 28
"""Letters in a line of a driver's name."""
LABEL_GAP = 7.0
"""Between the names of lines, in percent."""


def dose_response(figure: "Figure", report: Report) -> None:
    """Chances above, bands of dose and response below."""
    halves: Any = figure.subfigures(2, 1, height_ratios=(1.0, 1.7))
    above, below = halves
    wanted, feared = above.add_subplot(1, 2, 1), above.add_subplot(1, 2, 2)
    chances(wanted, report, WANTED, "Wanted")
    chances(feared, report, FEARED, "What else happens")
    for axes, name in zip(below.subplots(2, 3).flat, report["bands"], strict=True):
        band(axes, report, name)
    figure.suptitle(heading(report), fontsize=12.0, x=0.01, ha="left")
    best = report["recommended"]
    marks = (
        "" if best is None else f"Grey: window; dotted: recommended {best['volume_mL']:.2f} mL. "
    )
    disclaim(
        figure,
        f"{marks}{scale_text(focus(report), report['volume_mL'][-1])}"
        "Above: shares with 95 % intervals. "
        "Below: median, half and nine tenths of the patients.",
    )


def focus(report: Report) -> float:
    """Volume up to which there is more room in the pictures of a plan."""
    return focus_of([report["recommended"]], report["volume_mL"][-1])


def heading(report: Report) -> str:
    """Title of a plan's pictures."""
    return f"{report['title'] or report['name']} · {patients(report['draws'])}"


def chances(axes: "Axes", report: Report, events: tuple[str, ...], title: str) -> None:
    """Shares of the patients with their 95 % intervals against volume; the window shaded."""
    volume = report["volume_mL"]
    ends = []
    for event in events:
        one = {key: [100.0 * v for v in report["chances"][event][key]] for key in _SHARE}
        colour, dashes = LOOKS[event]
        axes.plot(volume, one["estimate"], color=colour, linestyle=dashes, label=event)
        axes.fill_between(volume, one["low"], one["high"], color=colour, alpha=0.18, linewidth=0)
        ends.append((EVENT_NAMES[event], one["estimate"][-1], colour))
    axes.set(ylim=(0.0, 100.0), title=title, ylabel=SHARE_LABEL)
    _volume_axis(axes, report)
    label_ends(axes, ends, gap=LABEL_GAP)


def band(axes: "Axes", report: Report, name: str) -> None:
    """Median, half and nine tenths of the patients against injected volume."""
    one, volume = report["bands"][name], report["volume_mL"]
    axes.fill_between(volume, one["p5"], one["p95"], color=BLUE, alpha=0.2, linewidth=0)
    axes.fill_between(volume, one["p25"], one["p75"], color=BLUE, alpha=0.35, linewidth=0)
    axes.plot(volume, one["p50"], color=BLUE)
    title, label = TITLES[name]
    top = 360.0 if one["unit"] == "deg" else 1.05 * max(*one["p95"], 0.1)
    axes.set(ylim=(0.0, top), title=title, ylabel=label)
    if one["unit"] == "deg":
        axes.set_yticks(range(0, 361, 90))
        axes.axhline(_criterion(report, name), color=INK, linewidth=0.9, linestyle=DASHES[3])
    _volume_axis(axes, report)


def drivers(axes: "Axes", report: Report, outcome: str) -> None:
    """Rank correlations of the strongest inputs, with 95 % intervals; clear ones in colour."""
    one = report["drivers"][outcome]
    rows = one["rows"][:DRIVERS_SHOWN]
    for place, row in enumerate(rows):
        colour = (BLUE if row["rho"] > 0 else VERMILION) if row["clear"] else SHADE
        axes.barh(place, row["rho"], height=0.62, color=colour, alpha=0.85)
        axes.plot((row["low"], row["high"]), (place, place), color=INK, linewidth=1.0)
    axes.axvline(0.0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(rows)), [fill(row["label"], LABEL_WIDTH) for row in rows])
    axes.set(xlim=(-1.0, 1.0), ylim=(len(rows) - 0.4, -0.6), xlabel="rank correlation (-1 to 1)")
    axes.set_title(f"{one['meaning'].capitalize()} by {one['volume_mL']:.2f} mL")
    axes.grid(visible=False, axis="y")


def scale_text(focus_mL: float, largest_mL: float) -> str:
    """Say where the scale of volumes changes, if it does."""
    if focus_mL >= largest_mL:
        return ""
    return f"The scale of volumes changes at {focus_mL:g} mL (//). "


def _volume_axis(axes: "Axes", report: Report) -> None:
    best = report["recommended"]
    set_volume_axis(axes, focus(report), report["volume_mL"][-1])
    if best is not None:
        for window in (best["window_mL"], *best["other_windows_mL"]):
            shade(axes, window)
        axes.axvline(best["volume_mL"], color=INK, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)


_SHARE = ("estimate", "low", "high")


def _criterion(report: Report, quantity: str) -> float:
    return next(float(row["value"]) for row in report["criteria"] if row["quantity"] == quantity)
