"""Strand: one long vein of a longitudinal plexus, cut into branches at its stops.

Rooms first ask for stops, then :meth:`Strand.draw` lays the strand through them; stops nearer
to each other than the least node distance become one node.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from geometry.calibres import vein_kinds
from geometry.kernels.sketch import ALONG
from geometry.levels import VERTEBRAE, Side
from geometry.plexus_layout import plexus_layout
from geometry.sketch import VeinSketch
from geometry.structures import Structure

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LEVEL_CODES: IntArray = np.array(VERTEBRAE)

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
    _nodes: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def ask(self, s: float) -> float:
        """Ask for a node at `s`; returns the key with which :meth:`node` finds it."""
        s = min(max(s, self.first), self.last)
        self._asked.append(s)
        return s

    def ask_all(self, s: FloatArray) -> FloatArray:
        """As :meth:`ask`, for many, (k,)."""
        s = np.minimum(np.maximum(s, self.first), self.last)
        self._asked += s.tolist()
        return s

    def node(self, s: float) -> int:
        """Node that serves the stop asked for at `s`."""
        return int(self.nodes(np.array([s]))[0])

    def nodes(self, s: FloatArray) -> IntArray:
        """Nodes (k,) that serve the stops asked for at `s` (k,)."""
        above = np.searchsorted(self._stops[1:-1], s) + 1
        nearer = s - self._stops[above - 1] <= self._stops[above] - s
        return self._nodes[above - nearer]

    def draw(self, sketch: VeinSketch) -> None:
        """Make the nodes and the branches, one label a vertebra (cut at the discs)."""
        discs = np.arange(len(VERTEBRAE)) + 0.5
        discs = discs[(self.first < discs) & (discs < self.last)]
        asked = np.unique(np.concatenate([[self.first, self.last], discs, self._asked]))
        fine = np.arange(self.first, self.last + FINE_STEP, FINE_STEP)
        fine = np.union1d(np.minimum(fine, self.last), asked)
        points = self.curve(fine)
        step = np.diff(points, axis=0)
        arc = np.concatenate([[0.0], np.cumsum(np.sqrt(np.einsum("ki,ki->k", step, step)))])
        self._stops = asked[_spaced(np.interp(asked, fine, arc).tolist())]
        at = np.searchsorted(fine, self._stops)
        self._nodes = sketch.node_xyz.extend(points[at]) + np.arange(len(at))
        middle = np.rint((self._stops[:-1] + self._stops[1:]) / 2).astype(np.int64)
        level = LEVEL_CODES[np.clip(middle, 0, len(VERTEBRAE) - 1)]
        row = sketch.curve(points)
        sketch.draw(
            vein_kinds().by_level(self.structure, self.side)[level],
            self._nodes[:-1], self._nodes[1:], way=ALONG, first=row + at[:-1],
            after=row + at[1:] + 1, scale=self.scale,
        )  # fmt: skip


def _spaced(at: list[float]) -> list[int]:
    """Which of the stops at these arc lengths are kept, so that none is too near to the last."""
    least = plexus_layout()["least_node_distance"]
    keep, free_from = [0], at[0] + least
    for i, arc in enumerate(at[1:], start=1):
        if arc >= free_from:
            keep.append(i)
            free_from = arc + least
    if keep[-1] != len(at) - 1:  # the end stays where it is
        keep[-1] = len(at) - 1
    return keep
