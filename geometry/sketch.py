"""VeinSketch: the local veins as first drawn, before they are settled, thinned and emitted.

The rooms of the plexuses draw into one sketch, which is then thinned (missing strands) and
finished (:mod:`geometry.finishing`). Drawing notes nodes and curves; points are laid at the end.
"""

from array import array
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.calibres import Calibres, vein_kinds, vein_number
from geometry.kernels import sketch as kernels
from geometry.kernels.sketch import ALONG, BOWED, COLUMNS
from geometry.levels import Level, Side
from geometry.network import NetworkBuilder, Points, TerminalKind, labels, places
from geometry.structures import Structure

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class Label(NamedTuple):
    """What a course of veins is: its labels, calibre, and whether it may be missing.

    `buried` veins run in bone, `firm` ones are never missing. A `valve` sits near the end of a
    vein and opens towards it.
    """

    structure: Structure
    level: Level
    side: Side
    part: str = ""
    scale: float = 1.0
    buried: bool = False
    firm: bool = False
    valve: bool = False


class VeinSketch:
    """Nodes, veins and ends of the local plexuses.

    Attributes
    ----------
    node_xyz : (3,) mm each
    node_anchor : node of the network that a sketch node stands for; the others are new
    veins : (v, COLUMNS) once the sketch is thinned (:mod:`geometry.kernels.sketch`)
    place : (v,) of each among the veins of its kind, before the sketch was thinned
    """

    def __init__(self, calibres: Calibres) -> None:
        self.calibres = calibres
        self.node_xyz = Points()
        self.node_anchor: dict[int, int] = {}
        self.terminals: list[tuple[int, TerminalKind, str]] = []
        self.named: dict[tuple[str, Level, Side], list[int]] = {}
        self._anchored: dict[int, int] = {}
        self._veins = array("d")
        self._curves = Points()
        self._counted_after, self._counted_more = 0, 0
        self.place: IntArray = np.empty(0, dtype=np.int64)

    def node(self, xyz: ArrayLike) -> int:
        """Add a node."""
        return self.node_xyz.add(xyz)

    def anchor(self, builder: NetworkBuilder, network_node: int) -> int:
        """Sketch node that stands for a node already in the network; it does not move."""
        if network_node not in self._anchored:
            node = self.node(builder.node_xyz[network_node])
            self.node_anchor[node] = network_node
            self._anchored[network_node] = node
        return self._anchored[network_node]

    def name(self, name: str, level: Level, side: Side, node: int) -> None:
        """Register a node among the joins, if it is still there when the sketch is finished."""
        self.named.setdefault((name, level, side), []).append(node)

    def named_nodes(self, name: str, level: Level, side: Side) -> list[int]:
        """Nodes registered so far under this key."""
        return list(self.named.get((name, level, side), ()))

    def terminal(self, node: int, kind: TerminalKind, name: str) -> None:
        """End the network at `node`."""
        self.terminals.append((node, kind, name))

    def course(
        self,
        label: Label,
        curve: FloatArray,
        stops: Sequence[float] = (),
        *,
        start: int | None = None,
        end: int | None = None,
    ) -> list[int]:
        """Draw a vein along `curve` (k, 3), cut by nodes at the arc fractions `stops`.

        Ends that are not given as nodes are made. Returns all nodes, start and end included.
        """
        nodes = [self.node(curve[0]) if start is None else start]
        if stops:
            first = self.node_xyz.extend(at_fractions(curve[None], np.array(stops))[0])
            nodes += range(first, first + len(stops))
        nodes.append(self.node(curve[-1]) if end is None else end)
        first = self._curves.extend(curve)
        cuts = (0.0, *stops, 1.0)
        for i in range(len(cuts) - 1):
            self._note(
                label, nodes[i], nodes[i + 1], ALONG, first, first + len(curve), *cuts[i : i + 2]
            )
        return nodes

    def link(
        self, label: Label, start: int, end: int, *, bow: Sequence[float] | FloatArray | None = None
    ) -> None:
        """Draw a vein between two nodes as a parabola whose middle is moved by `bow` (mm)."""
        first = after = 0
        if bow is not None:
            first = self._curves.add(bow)
            after = first + 1
        self._note(label, start, end, BOWED, first, after, 0.0, 1.0)

    def _note(
        self, label: Label, start: int, end: int, way: int, first: int, after: int,
        begin: float, stop: float,
    ) -> None:  # fmt: skip
        structure, level, side, part, scale, buried, firm, valve = label
        kind = vein_number(structure, level, side, part)
        self._veins.extend(
            (start, end, kind, scale, buried, firm, valve, way, first, after, begin, stop)
        )

    def curve(self, xyz: FloatArray) -> int:
        """Keep the rows of curves (k, 3) for :meth:`draw`; returns the number of the first."""
        return self._curves.extend(xyz)

    def draw(
        self,
        kind: ArrayLike,
        start: ArrayLike,
        end: ArrayLike,
        *,
        way: ArrayLike = BOWED,
        first: ArrayLike = 0,
        after: ArrayLike = 0,
        begin: ArrayLike = 0.0,
        stop: ArrayLike = 1.0,
        scale: ArrayLike = 1.0,
        buried: ArrayLike = False,
        firm: ArrayLike = False,
        valve: ArrayLike = False,
    ) -> None:
        """Draw many veins at once; arguments by vein, or the same for all.

        `kind` is their number among the calibres, the others are columns of
        :mod:`geometry.kernels.sketch`.
        """
        columns = start, end, kind, scale, buried, firm, valve, way, first, after, begin, stop
        rows = np.empty((np.broadcast(*columns).size, COLUMNS))
        for i, column in enumerate(columns):
            rows[:, i] = column
        self._veins.frombytes(rows.tobytes())

    def count_as(self, drawn: int, usual: int) -> None:
        """Let the last `drawn` veins, which are firm, count as `usual` ones in :meth:`thin`.

        Which of the others are missing then does not hang on how many of these there are.
        """
        self._counted_after, self._counted_more = len(self.veins), usual - drawn

    @property
    def veins(self) -> FloatArray:
        """All veins so far, (v, COLUMNS)."""
        return np.array(self._veins).reshape(-1, COLUMNS)

    def thin(self, probability: float, rng: np.random.Generator, *, usual: float) -> None:
        """Leave out veins at random, cutting nothing off, then what has become a dead end.

        Each vein that is not firm is missing with `probability`, unless it belongs to the ways that
        are kept open: a tree through all nodes, taken from the firm veins, then from those that are
        there at the `usual` probability, the luckiest first, then at random. The tree does not
        hang on `probability`, so that what is missing at one is missing at every higher one.
        Dead ends stay where they are terminals or nodes of the network.
        """
        veins, count = self.veins, len(self.node_xyz)
        firm, (luck, turn) = veins[:, kernels.FIRM] > 0, self._luck(rng)
        missing = (luck < probability) & ~firm
        worth = np.where(firm, 1.0, np.where(luck < usual, 0.0, luck))
        order = np.lexsort((turn, -worth))
        anchored = np.zeros(count, dtype=bool)
        anchored[list(self.node_anchor)] = True
        kept_end = anchored.copy()
        kept_end[[node for node, _, _ in self.terminals]] = True
        start, end = veins[:, [kernels.START, kernels.END]].T.astype(np.int64)
        stays = kernels.thin(start, end, missing, order, anchored, kept_end)
        self.place = self._places()[stays]
        self._veins = array("d", veins[stays].tobytes())
        degree = self.degree()
        self.terminals = [t for t in self.terminals if degree[t[0]] > 0]

    def _luck(self, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
        """Number from 0 to 1, and place in a random order, of every vein (v,)."""
        seat = np.arange(len(self.veins))
        # firm veins have no use for theirs, so that it does not matter whose they share
        seat[self._counted_after :] += self._counted_more
        seats = len(seat) + self._counted_more
        return rng.random(seats)[seat], np.argsort(rng.permutation(seats))[seat]

    def _places(self) -> IntArray:
        """Place of every vein among those with its labels (v,)."""
        kinds, kind = vein_kinds(), self.veins[:, kernels.KIND].astype(np.int64)
        return places(labels(kinds.structure[kind], kinds.level[kind], kinds.side[kind]))

    def degree(self) -> IntArray:
        """Number of veins at every node."""
        ends = self.veins[:, [kernels.START, kernels.END]].astype(np.int64)
        return np.bincount(ends.ravel(), minlength=len(self.node_xyz))

    def lay(self) -> tuple[FloatArray, IntArray, IntArray]:
        """Points (k, 3) of all veins, mm, nodes first, and the lines of the veins through them.

        See :func:`geometry.kernels.sketch.lay`.
        """
        return kernels.lay(self.veins, self.node_xyz.xyz, self._curves.xyz)


def at_fractions(curves: FloatArray, fractions: FloatArray) -> FloatArray:
    """Points (n, f, 3) of polylines (n, k, 3) at fractions (f,) of their lengths."""
    step = np.linalg.norm(np.diff(curves, axis=1), axis=2)
    arc = np.cumsum(step, axis=1)
    points = np.empty((len(curves), len(fractions), 3))
    rows = np.arange(len(curves))
    for i, fraction in enumerate(fractions):
        at = fraction * arc[:, -1]
        piece = np.minimum((arc <= at[:, None]).sum(axis=1), step.shape[1] - 1)
        share = (at - (arc[rows, piece] - step[rows, piece])) / step[rows, piece]
        one, two = curves[rows, piece], curves[rows, piece + 1]
        points[:, i] = one + share[:, None] * (two - one)
    return points
