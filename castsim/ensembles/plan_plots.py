"""Plots of a plan: chances against the injected volume."""

from typing import TYPE_CHECKING

from castsim.schema import DISCLAIMER

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from castsim.ensembles.planning import Plan


def dose_response(plan: "Plan") -> "Figure":
    """Chances to be covered, safe, and both, with their intervals, and the window."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 5.0), layout="constrained")
    axes = figure.add_subplot()
    for event in ("covered_and_safe", "covered", "azygos_reflux", "embolised"):
        one = plan.chances[event]
        (line,) = axes.plot(plan.volumes_mL, one.estimate, label=event.replace("_", " "))
        axes.fill_between(plan.volumes_mL, one.low, one.high, color=line.get_color(), alpha=0.2)
    if plan.window_mL is not None:
        axes.axvspan(*plan.window_mL, color="0.9", zorder=0)
    axes.set(xlabel="injected volume (mL)", ylabel="share of simulated patients", ylim=(0.0, 1.0))
    axes.legend()
    figure.supxlabel(DISCLAIMER, fontsize="small")
    return figure
