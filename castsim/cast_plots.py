"""Plots of one cast, drawn on axes of matplotlib."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from castsim.drawn import log_at
from castsim.pages.figures import (
    BLUE,
    DASHES,
    GREEN,
    INK,
    ORANGE,
    PAPER,
    PURPLE,
    SHADE,
    SKY,
    VERMILION,
    YELLOW,
    label_ends,
)
from castsim.units import PA_PER_MMHG, UL_PER_ML
from geometry.structures import Compartment

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from castsim.drawn import DrawnCast, FloatArray

POINTS = 60
"""Volumes at which a curve is read."""
PAUSE_S = 1.0
"""Least time without agent out of the tip that counts as a pause."""
BREAK_SHARE, BREAK_LEAST_MMHG = 0.2, 1.0
"""A breakthrough: within a step the tip's pressure falls by this share and by this at least."""
SHOWN_ML = 5e-4
"""Less agent than this makes no line."""
LEFT = "towards the lungs"
"""Agent that left with the blood, in the plots."""
LOOKS: dict[str, tuple[str, Any]] = {
    Compartment.FORAMINAL.value: (BLUE, DASHES[0]),
    Compartment.EPIDURAL.value: (GREEN, DASHES[1]),
    Compartment.SEGMENTAL.value: (SKY, DASHES[2]),
    Compartment.INTERSEGMENTAL.value: (SHADE, DASHES[3]),
    Compartment.EXTERNAL.value: (ORANGE, DASHES[4]),
    Compartment.VERTEBRAL_BODY.value: (PURPLE, DASHES[1]),
    Compartment.AZYGOS.value: (VERMILION, DASHES[0]),
    Compartment.NECK.value: (PURPLE, DASHES[3]),
    Compartment.GREAT.value: (YELLOW, DASHES[0]),
    Compartment.HAZARD.value: (INK, DASHES[3]),
    LEFT: (INK, DASHES[1]),
}
"""Compartment, or `LEFT` → colour and dashes."""
NAMES = {Compartment.HAZARD.value: "to the cord"}
"""Compartments that the plots call by another name."""


@dataclass(frozen=True)
class Curves:
    """What had happened by each injected volume.

    Attributes
    ----------
    volume_mL : (v,)
    coverage_deg : (v,) of the target root
    contents_mL : (v,) of agent in each compartment that holds some, and `LEFT`; what has left
        towards the spinal cord counts as held in the veins that lead there
    azygos_mL : (v,) that had entered the azygos system, whether it stayed or not
    """

    volume_mL: "FloatArray"
    coverage_deg: "FloatArray"
    contents_mL: "dict[str, FloatArray]"
    azygos_mL: "FloatArray"


def curves(cast: "DrawnCast") -> Curves:
    """Read the curves of a cast."""
    volume = np.linspace(0.0, cast.injected, POINTS + 1)
    cells, room = cast.cells, cast.cells.volume
    parts = {one: np.flatnonzero(cells.in_compartment(one)) for one in Compartment}
    held: dict[str, list[float]] = {one.value: [] for one in Compartment}
    coverage = []
    for one in volume:
        share = cells.saturation_at(one)
        coverage.append(cells.coverage_at(one))
        for compartment, own in parts.items():
            held[compartment.value].append(float((share[own] * room[own]).sum()) / UL_PER_ML)
    contents = {name: np.array(values) for name, values in held.items()}
    contents[Compartment.HAZARD.value] += log_at(cast, "hazard", volume) / UL_PER_ML
    contents[LEFT] = log_at(cast, "embolised", volume) / UL_PER_ML
    return Curves(
        volume / UL_PER_ML,
        np.array(coverage),
        {name: values for name, values in contents.items() if values[-1] >= SHOWN_ML},
        log_at(cast, "azygos", volume) / UL_PER_ML,
    )


def coverage(axes: "Axes", read: Curves, *, coverable_deg: float, wanted_deg: float) -> None:
    """Degrees of the root that are wrapped, by volume."""
    axes.plot(read.volume_mL, read.coverage_deg, color=BLUE, drawstyle="steps-post")
    axes.axhline(coverable_deg, color=SHADE, linewidth=1.0)
    axes.axhline(wanted_deg, color=INK, linewidth=0.9, linestyle=DASHES[3])
    axes.set(ylim=(0.0, 370.0), title="Coverage of the root", ylabel="wrapped (degrees)")
    axes.set_yticks(range(0, 361, 90))
    _by_volume(axes, read)


def contents(axes: "Axes", read: Curves) -> None:
    """Agent in every compartment, by volume."""
    top = max((values.max() for values in read.contents_mL.values()), default=0.0)
    axes.set(
        ylim=(0.0, 1.08 * top if top else 1.0), title="Where the agent is", ylabel="agent (mL)"
    )
    _by_volume(axes, read)
    ends = []
    for name, values in read.contents_mL.items():
        colour, dashes = LOOKS[name]
        axes.plot(read.volume_mL, values, color=colour, linestyle=dashes)
        ends.append((NAMES.get(name, name.replace("_", " ")), float(values[-1]), colour))
    label_ends(axes, ends, gap=0.075 * axes.get_ylim()[1])


def reflux(axes: "Axes", read: Curves, *, tolerated_mL: float) -> None:
    """Agent that had entered the azygos system, by volume."""
    axes.plot(read.volume_mL, read.azygos_mL, color=VERMILION)
    axes.axhline(tolerated_mL, color=INK, linewidth=0.9, linestyle=DASHES[3])
    top = max(1.08 * float(read.azygos_mL.max()), 5.0 * tolerated_mL)
    axes.set(ylim=(0.0, top), title="Azygos reflux", ylabel="agent (mL)")
    _by_volume(axes, read)


def pressure(axes: "Axes", cast: "DrawnCast") -> None:
    """Pressure at the tip over time; solvent hatched, pauses in grey, breakthroughs marked."""
    log = cast.log
    time, value = log["time"], log["tip_pressure"] / PA_PER_MMHG
    axes.plot(time, value, color=BLUE, linewidth=1.3, label="tip")
    if time[0] > 0.0:
        axes.axvspan(0.0, time[0], facecolor="none", edgecolor=SHADE, hatch="///", linewidth=0.0)
        axes.text(time[0] / 2.0, 0.5, "solvent", transform=axes.get_xaxis_transform(),
                  ha="center", va="center", backgroundcolor=PAPER)  # fmt: skip
    for began, ended in pauses(cast):
        axes.axvspan(began, ended, color=SHADE, alpha=0.22, linewidth=0.0)
    broken = breakthroughs(cast)
    axes.plot(time[broken], value[broken], "v", color=VERMILION, markersize=6.0)
    axes.set(xlim=(0.0, time[-1]), ylim=(0.0, 1.12 * float(value.max())))
    axes.set(title="Pressure at the tip", xlabel="time (s)", ylabel="mmHg")


def pauses(cast: "DrawnCast") -> list[tuple[float, float]]:
    """Stretches of time, s, in which no agent leaves the tip, and after which some does again."""
    log = cast.log
    still = np.diff(log["volume"]) <= 0.0
    edge = np.flatnonzero(np.diff(np.concatenate([[False], still, [False]]).astype(int)))
    time = log["time"]
    stretches = ((float(time[a]), float(time[b])) for a, b in edge.reshape(-1, 2))
    return [(a, b) for a, b in stretches if b - a >= PAUSE_S and b < time[-1]]


def breakthroughs(cast: "DrawnCast") -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Rows of the log after which the tip's pressure falls at once."""
    log = cast.log
    value = log["tip_pressure"] / PA_PER_MMHG
    fall = -np.diff(value)
    pushed = np.diff(log["volume"]) > 0.0  # a pause lets pressure fall as well
    large = (fall >= BREAK_LEAST_MMHG) & (fall >= BREAK_SHARE * value[:-1])
    return np.flatnonzero(large & pushed)


def _by_volume(axes: "Axes", read: Curves) -> None:
    # 0.9999 mL would lose the tick of 1 mL
    last = math.ceil(1e3 * float(read.volume_mL[-1])) / 1e3
    axes.set(xlim=(0.0, max(last, 1e-3)), xlabel="injected volume (mL)")
    axes.locator_params(axis="x", nbins=5)
