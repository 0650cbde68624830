"""Strand: one long vein of a longitudinal plexus, cut into branches at its stops.

Rooms first ask for stops, then :meth:`Strand.draw` lays the strand through them; stops nearer
to each other than the least node distance become one node.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from geometry.canal_curve import SpineAxis
from geometry.levels import VERTEBRAE, Side
from geometry.plexus_layout import plexus_layout
from geometry.sketch import Label, VeinSketch
from geometry.structures import Structure

FloatArray = NDArray[np.float64]

FINE_STEP = 0.04
"""Sampling of a strand's curve, in levels."""


@dataclass
class Strand:
    """A strand from `first` to `last` (parameters s) along `curve`.

    Attributes
    ----------
    curve : s (k,) to world points (k, 3)
    scale : calibre over that of the table
    """

    structure: Structure
    side: Side
    curve: Callable[[FloatArray], FloatArray]
    first: float
    last: float
    scale: float = 1.0
    _asked: list[float] = field(default_factory=list)
    _stops: FloatArray = field(default_factory=lambda: np.empty(0))
    _nodes: list[int] = field(default_factory=list)

    def ask(self, s: float) -> float:
        """Ask for a node at `s`; returns the key with which :meth:`node` finds it."""
        s = min(max(s, self.first), self.last)
        self._asked.append(s)
        return s

    def node(self, s: float) -> int:
        """Node that serves the stop asked for at `s`."""
        return self._nodes[int(np.abs(self._stops - s).argmin())]

    def draw(self, sketch: VeinSketch, axis: SpineAxis) -> None:
        """Make the nodes and the branches, one label a vertebra (cut at the discs)."""
        least = plexus_layout()["least_node_distance"]
        discs = [i + 0.5 for i in range(len(VERTEBRAE)) if self.first < i + 0.5 < self.last]
        asked = np.unique([self.first, self.last, *discs, *self._asked])
        fine = np.arange(self.first, self.last + FINE_STEP, FINE_STEP)
        fine = np.union1d(np.minimum(fine, self.last), asked)
        points = self.curve(fine)
        arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
        at = np.interp(asked, fine, arc)
        keep = [0]
        for i in range(1, len(asked)):
            if at[i] - at[keep[-1]] >= least:
                keep.append(i)
        if keep[-1] != len(asked) - 1:  # the end stays where it is
            keep[-1] = len(asked) - 1
        self._stops = asked[keep]
        self._nodes = []
        start: int | None = None
        for one, two in zip(self._stops[:-1], self._stops[1:], strict=True):
            piece = points[(fine >= one) & (fine <= two)]
            level = VERTEBRAE[int(np.clip(round((one + two) / 2), 0, len(VERTEBRAE) - 1))]
            label = Label(self.structure, level, self.side, scale=self.scale)
            nodes = sketch.course(label, piece, start=start)
            self._nodes += nodes[:-1]
            start = nodes[-1]
        if start is not None:
            self._nodes.append(start)
