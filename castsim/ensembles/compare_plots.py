"""Plots of a comparison, drawn from what ``compare.json`` holds: arms side by side."""

from typing import TYPE_CHECKING, Any

from castsim.ensembles.plan_plots import (
    SHARE_LABEL,
    TITLES,
    Report,
    scale_text,
)
from castsim.ensembles.volume_axis import focus_of, set_volume_axis
from castsim.ensembles.wording import EVENT_NAMES
from castsim.pages.figures import ARMS, DASHES, INK, disclaim

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = ("covered_and_safe", "covered", "azygos_reflux", "embolised")
"""Events whose chances are shown side by side."""
MEANS = {
    "coverage_deg": "mean coverage",
    "azygos_mL": "mean azygos reflux",
    "embolised_mL": "mean towards the lungs",
}
"""Quantities whose means are compared, in words."""


def side_by_side(figure: "Figure", report: Report) -> None:
    """Chances and coverage of all arms, and the differences at the common volume."""
    axes = figure.subplots(2, 3).flat
    for panel, event in zip(axes, PANELS, strict=False):
        chances(panel, report, event)
    coverage(figure.axes[4], report)
    differences(figure.axes[5], report)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper left", ncols=min(len(labels), 3), fontsize=10.0
    )
    disclaim(
        figure,
        f"The same simulated patients in each arm. Bands: 95 % intervals, of coverage half of the "
        f"patients. Dotted: volume of the differences, {report['common_mL']:.2f} mL. "
        f"{scale_text(focus(report), report['arms'][0]['volume_mL'][-1])}",
    )


def focus(report: Report) -> float:
    """Volume up to which there is more room in the pictures of a comparison."""
    arms = report["arms"]
    return focus_of([arm["recommended"] for arm in arms], arms[0]["volume_mL"][-1])


def look(place: int) -> tuple[str, Any]:
    """Colour and dashes of an arm."""
    return ARMS[place % len(ARMS)], DASHES[(place + place // len(ARMS)) % len(DASHES)]


def chances(axes: "Axes", report: Report, event: str) -> None:
    """Share of the patients in every arm, with 95 % intervals, against volume."""
    for place, arm in enumerate(report["arms"]):
        curve = {key: [100.0 * v for v in arm["chances"][event][key]] for key in _SHARE}
        colour, dashes = look(place)
        volume = arm["volume_mL"]
        axes.plot(volume, curve["estimate"], color=colour, linestyle=dashes, label=arm["name"])
        axes.fill_between(volume, curve["low"], curve["high"], color=colour, alpha=0.15, lw=0)
    axes.set(ylim=(0.0, 100.0), title=EVENT_NAMES[event].capitalize(), ylabel=SHARE_LABEL)
    _finish(axes, report)


def coverage(axes: "Axes", report: Report) -> None:
    """Median and half of the patients of every arm."""
    for place, arm in enumerate(report["arms"]):
        colour, dashes = look(place)
        one = arm["bands"]["coverage_deg"]
        axes.plot(arm["volume_mL"], one["p50"], color=colour, linestyle=dashes, label=arm["name"])
        axes.fill_between(arm["volume_mL"], one["p25"], one["p75"], color=colour, alpha=0.15, lw=0)
    title, label = TITLES["coverage_deg"]
    axes.set(ylim=(0.0, 360.0), title=title, ylabel=label)
    axes.set_yticks(range(0, 361, 90))
    _finish(axes, report)


def differences(axes: "Axes", report: Report) -> None:
    """Differences of chances at the common volume with their intervals; one row an event."""
    events = [one["quantity"] for one in report["pairings"][0]["common"] if one["unit"] == "share"]
    step = 0.7 / len(report["pairings"])
    for place, pairing in enumerate(report["pairings"], start=1):
        colour, _ = look(place)
        shown = {one["quantity"]: one["difference"] for one in pairing["common"]}
        for row, event in enumerate(events):
            one = {key: 100.0 * shown[event][key] for key in _SHARE}
            y = row + step * (place - 0.5 - len(report["pairings"]) / 2)
            axes.plot((one["low"], one["high"]), (y, y), color=colour, linewidth=1.6)
            axes.plot(one["estimate"], y, "o", color=colour, markersize=4.0, label=event)
    axes.axvline(0.0, color=INK, linewidth=0.9)
    axes.set_yticks(range(len(events)), [EVENT_NAMES[event] for event in events])
    axes.set(ylim=(len(events) - 0.5, -0.5), xlabel="minus the first arm (percentage points)")
    widest = max(map(abs, axes.get_xlim()))
    axes.set_xlim(-widest, widest)
    axes.set_title(f"Differences by {report['common_mL']:.2f} mL")
    axes.grid(visible=False, axis="y")


def _finish(axes: "Axes", report: Report) -> None:
    set_volume_axis(axes, focus(report), report["arms"][0]["volume_mL"][-1])
    axes.axvline(report["common_mL"], color=INK, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)


_SHARE = ("estimate", "low", "high")
