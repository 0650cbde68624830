"""VeinSketch: the local veins as first drawn, before they are settled, thinned and emitted.

The rooms of the plexuses draw into one sketch, which is then thinned (missing strands) and
finished (:mod:`geometry.finishing`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.calibres import Calibres, calibre_row
from geometry.levels import Level, Side
from geometry.network import NetworkBuilder, TerminalKind
from geometry.structures import Structure

FloatArray = NDArray[np.float64]

POINT_STEP_MM = 0.8
"""Spacing of centreline points."""


@dataclass(slots=True)
class Vein:
    """One branch of the sketch; `buried` veins run in bone, `firm` ones are never missing.

    A `valve` sits near its end and opens towards it.
    """

    start: int
    end: int
    via: FloatArray
    structure: Structure
    level: Level
    side: Side
    radius: float
    flattening: float
    buried: bool
    firm: bool
    valve: bool = False


@dataclass(frozen=True)
class Label:
    """What a course of veins is: its labels, calibre, and whether it may be missing."""

    structure: Structure
    level: Level
    side: Side
    part: str = ""
    scale: float = 1.0
    buried: bool = False
    firm: bool = False


@dataclass
class VeinSketch:
    """Nodes, veins and ends of the local plexuses.

    Attributes
    ----------
    node_xyz : (3,) mm each
    node_anchor : node of the network that a sketch node stands for, -1 for a new one
    """

    calibres: Calibres
    node_xyz: list[FloatArray] = field(default_factory=list)
    node_anchor: list[int] = field(default_factory=list)
    veins: list[Vein] = field(default_factory=list)
    terminals: list[tuple[int, TerminalKind, str]] = field(default_factory=list)
    named: dict[tuple[str, Level, Side], list[int]] = field(default_factory=dict)
    _anchored: dict[int, int] = field(default_factory=dict)

    def node(self, xyz: ArrayLike) -> int:
        """Add a node."""
        self.node_xyz.append(np.asarray(xyz, dtype=float))
        self.node_anchor.append(-1)
        return len(self.node_xyz) - 1

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
        arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
        cuts = [0.0, *(stop * arc[-1] for stop in stops), arc[-1]]
        at: list[float] = cuts[1:-1]
        pieces = [0]  # of all veins so far
        for one, two in pairwise(cuts):
            count = max(round((two - one) / POINT_STEP_MM), 1)
            at += [one + (two - one) * k / count for k in range(1, count)]
            pieces.append(pieces[-1] + count - 1)
        inner, via = np.split(along(curve, arc, np.array(at)), [len(cuts) - 2])
        nodes = [self.node(curve[0]) if start is None else start]
        nodes += [self.node(point) for point in inner]
        nodes.append(self.node(curve[-1]) if end is None else end)
        for i, (one_node, two_node) in enumerate(pairwise(nodes)):
            self.vein(label, one_node, two_node, via[pieces[i] : pieces[i + 1]])
        return nodes

    def link(self, label: Label, start: int, end: int, *, bow: ArrayLike = (0.0, 0.0, 0.0)) -> None:
        """Draw a vein between two nodes as a parabola whose middle is moved by `bow` (mm)."""
        first, last = self.node_xyz[start], self.node_xyz[end]
        length = float(np.linalg.norm(last - first) + np.linalg.norm(bow))
        pieces = max(round(length / POINT_STEP_MM), 1)
        t = (np.arange(1, pieces) / pieces)[:, None]
        via = first + t * (last - first) + 4 * t * (1 - t) * np.asarray(bow, dtype=float)
        self.vein(label, start, end, via)

    def vein(self, label: Label, start: int, end: int, via: FloatArray) -> None:
        """Add one branch; its calibre, times the label's scale, stays in the table's range."""
        key = (label.structure, label.level, label.side)
        row = calibre_row(*key, part=label.part)
        radius = self.calibres.radius(*key, part=label.part) * label.scale
        radius = min(max(radius, row.minimum / 2), row.maximum / 2)
        self.veins.append(
            Vein(start, end, via, *key, radius, row.flattening, label.buried, label.firm)
        )

    def thin(self, probability: float, rng: np.random.Generator) -> None:
        """Leave out veins at random, cutting nothing off, then what has become a dead end.

        Each vein that is not firm is missing with `probability`, unless it is the only way left
        from its one end to its other.
        """
        firm = np.array([vein.firm for vein in self.veins])
        missing = (rng.random(len(self.veins)) < probability) & ~firm
        order = rng.permutation(len(self.veins))
        group = list(range(len(self.node_xyz) + 1))  # the last one: the network outside
        for node, anchor in enumerate(self.node_anchor):
            if anchor >= 0:
                group[node] = len(self.node_xyz)
        for i in [*order[~missing[order]], *order[missing[order]]]:
            one, two = (_root(group, n) for n in (self.veins[i].start, self.veins[i].end))
            if one != two:
                group[one] = two
                missing[i] = False
        self.veins = [vein for vein, gone in zip(self.veins, missing, strict=True) if not gone]
        self._prune()

    def _prune(self) -> None:
        """Drop dead ends that are neither terminals nor nodes of the network."""
        ends = {node for node, _, _ in self.terminals}
        ends |= {node for node, anchor in enumerate(self.node_anchor) if anchor >= 0}
        while True:
            degree = self.degree()
            kept = [
                vein
                for vein in self.veins
                if all(degree[node] > 1 or node in ends for node in (vein.start, vein.end))
            ]
            if len(kept) == len(self.veins):
                break
            self.veins = kept
        self.terminals = [t for t in self.terminals if degree[t[0]] > 0]

    def degree(self) -> NDArray[np.int64]:
        """Number of veins at every node."""
        ends = [node for vein in self.veins for node in (vein.start, vein.end)]
        return np.bincount(ends, minlength=len(self.node_xyz))


def along(curve: FloatArray, arc: FloatArray, at: FloatArray) -> FloatArray:
    """Points of a polyline at the arc lengths `at`."""
    points = np.empty((len(at), 3))
    for axis in range(3):
        points[:, axis] = np.interp(at, arc, curve[:, axis])
    return points


def _root(group: list[int], node: int) -> int:
    while group[node] != node:
        group[node] = group[group[node]]
        node = group[node]
    return node
