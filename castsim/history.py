"""When each cell filled: enough to say how full it was at any injected volume."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from castsim.injection import Tear

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_Filling = tuple[IntArray, FloatArray, FloatArray, FloatArray, float]
"""Cells; mm3 out of the tip when they began to fill, share held then, mm3 when full, when torn."""


@dataclass(frozen=True)
class History:
    """What every cell has been through; volumes in mm3 out of the tip, inf: never.

    Attributes
    ----------
    first, full : (n,) when agent came, and when it filled the cell for the last time
    saturation : (n,) share of the cell that is agent at the end
    tears : cells that blood tore open, in order
    window : (k,) cell that each cell number of `tears` means
    injected : in all
    """

    first: FloatArray
    full: FloatArray
    saturation: FloatArray
    tears: Sequence[Tear]
    window: IntArray
    injected: float

    def saturation_at(self, volume: float) -> FloatArray:
        """Share of every cell that is agent when `volume` (mm3) has left the tip, (n,).

        A cell fills evenly from when agent comes until it is full. One whose core blood tore off
        has filled more than once: what it was before each tear is read from the tears, the latest
        first.
        """
        fillings, began, held = self._fillings
        reached = self._reached
        last, end = self.full[reached], np.ones(len(reached))
        never = ~np.isfinite(last)
        last[never], end[never] = self.injected, self.saturation[reached][never]
        share = np.zeros(len(began))
        share[reached] = _grown(volume, began[reached], last, held[reached], end)
        for cell, start, kept, full, until in reversed(fillings):
            if volume >= until:
                break
            share[cell] = _grown(volume, start, full, kept, np.ones(len(cell)))
        return share

    @cached_property
    def _reached(self) -> IntArray:
        return np.flatnonzero(np.isfinite(self.first))

    @cached_property
    def _fillings(self) -> tuple[list[_Filling], FloatArray, FloatArray]:
        """Fillings that ended in a tear, in order; begin and content of each cell's last one."""
        began, held = self.first.copy(), np.zeros(len(self.first))
        fillings: list[_Filling] = []
        for tear in self.tears:
            cell = self.window[tear.cell]
            fillings.append((cell, began[cell], held[cell], tear.full_volume, tear.at))
            began[cell], held[cell] = tear.at, tear.kept
        return fillings, began, held


def _grown(
    volume: float, began: FloatArray, last: FloatArray, low: FloatArray, high: FloatArray
) -> FloatArray:
    """Straight line from `low` at the volume `began` to `high` at `last`, level beyond both."""
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.clip((volume - began) / (last - began), 0.0, 1.0)
    part = np.where(volume >= last, 1.0, np.where(volume <= began, 0.0, part))
    # exactly `high` at the end: a full cell is full
    return np.where(part >= 1.0, high, np.where(volume < began, 0.0, low + part * (high - low)))
