"""Axis of injected volumes: where a decision is taken, small volumes have most of the room.

Plans are injected far beyond the window, so that on one even scale it would be a sliver. The axis
has two even scales with a mark between them: up to the focus two thirds of the room, the rest
beyond. Each is linear, so that slopes can be read; a root or a logarithm would bend all lines.
"""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from castsim.pages.figures import INK, SHADE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]

LABEL = "injected volume (mL)"
NEAR = 2.0 / 3.0
"""Share of the axis for volumes up to the focus."""
BEYOND = 2.0
"""Ends of windows from 0 to the focus."""
WORTH = 0.5
"""Share of the largest volume up to which a focus is worth a second scale."""
ROUND = 0.2
"""Millilitres: the focus is a multiple, so that a tick lies on it."""
STEPS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
NEAR_TICKS, FAR_TICKS = 6, 3
APART = 0.08
"""Share of the axis from the focus to the next tick at least: ``0.8`` and ``1`` would read 0.81."""


def focus_of(windows: Iterable[Mapping[str, Any] | None], largest_mL: float) -> float:
    """Volume up to which there is more room; the largest where one scale does.

    Parameters
    ----------
    windows : ``recommended`` of ``plan.json``, of each arm that is shown

    Examples
    --------
    >>> focus_of([{"window_mL": (0.12, 0.18)}, None], 2.0), focus_of([None], 2.0)
    (0.4, 2.0)
    >>> focus_of([{"window_mL": (0.24, 0.72)}], 2.0)
    2.0
    """
    ends = [one["window_mL"][1] for one in windows if one is not None]
    focus = ROUND * math.ceil(BEYOND * max(ends, default=largest_mL) / ROUND - 1e-9)
    return round(focus, 6) if focus <= WORTH * largest_mL else largest_mL


def set_volume_axis(axes: "Axes", focus_mL: float, largest_mL: float) -> None:
    """Give `axes` the volumes 0 to `largest_mL`, with most of the room up to `focus_mL`."""
    ticks = _ticks(0.0, focus_mL, NEAR_TICKS)
    if focus_mL < largest_mL:
        scale = _Scale(focus_mL, largest_mL)
        axes.set_xscale("function", functions=(scale.forward, scale.inverse))
        _mark_change(axes, focus_mL)
        far = _ticks(focus_mL, largest_mL, FAR_TICKS)
        ticks += [tick for tick in far if scale.forward(np.array(tick)) > NEAR + APART]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set(xlim=(0.0, largest_mL), xlabel=LABEL)


def _mark_change(axes: "Axes", focus_mL: float) -> None:
    """Show where the scale changes: a line, and two strokes across the axis."""
    axes.axvline(focus_mL, color=SHADE, linewidth=0.8, alpha=0.6, zorder=0.5)
    axes.plot(
        (NEAR - 0.006, NEAR + 0.006),
        (0.0, 0.0),
        transform=axes.transAxes,
        color=INK,
        linestyle="none",
        marker=[(-1, -2), (1, 2)],
        markersize=7.0,
        clip_on=False,
    )


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Multiples of a round step from `low` to `high`, `most` beyond `low` at the most."""
    step = next((one for one in STEPS if (high - low) / one <= most + 1e-9), (high - low) / most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(step * k, 6) for k in range(first, last + 1)]


class _Scale:
    """Place along the axis (0 to 1) of a volume, and back; both go on evenly beyond their ends."""

    def __init__(self, focus_mL: float, largest_mL: float) -> None:
        self.focus = focus_mL
        self.near = NEAR / focus_mL
        self.far = (1.0 - NEAR) / (largest_mL - focus_mL)

    def forward(self, volume: FloatArray) -> FloatArray:
        near, far = self.near * volume, NEAR + self.far * (volume - self.focus)
        return np.where(volume <= self.focus, near, far)

    def inverse(self, place: FloatArray) -> FloatArray:
        near, far = place / self.near, self.focus + (place - NEAR) / self.far
        return np.where(place <= NEAR, near, far)
