"""VeinSketch: the local veins as first drawn, before they are settled, thinned and emitted.

The rooms of the plexuses draw into one sketch. :func:`finish` then does once for all what
each of them needs: it thins the plexus (missing strands), settles the veins between bone, sac
and sleeves, flattens them where the gap is small, and adds them to the network.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.calibres import Calibres, calibre_row
from geometry.clearance import Obstacles, settle
from geometry.joins import Joins
from geometry.levels import Level, Side
from geometry.network import NetworkBuilder, TerminalKind
from geometry.structures import Structure

FloatArray = NDArray[np.float64]

POINT_STEP_MM = 0.8
"""Spacing of centreline points."""
STRETCHED = 1.4
"""A vein is spaced anew when its longest step exceeds the mean by this factor."""
LEAST_SEMI_AXIS_MM = 0.12
"""A vein pressed flat keeps this much of its minor semi-axis."""
MOST_FLATTENING = 5.0
"""A vein squeezed beyond this ratio of its semi-axes loses area."""


VALVE_FROM_MOUTH_MM = 2.0
"""An ostial valve lies this far inside the tributary."""


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
    named: list[tuple[str, Level, Side, int]] = field(default_factory=list)
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
        self.named.append((name, level, side, node))

    def named_nodes(self, name: str, level: Level, side: Side) -> list[int]:
        """Nodes registered so far under this key."""
        return [node for n, lv, sd, node in self.named if (n, lv, sd) == (name, level, side)]

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
        cuts = np.concatenate([[0.0], np.asarray(stops, dtype=float), [1.0]]) * arc[-1]
        inner = _along(curve, arc, cuts[1:-1])
        nodes = [self.node(curve[0]) if start is None else start]
        nodes += [self.node(point) for point in inner]
        nodes.append(self.node(curve[-1]) if end is None else end)
        for i in range(len(nodes) - 1):
            length = cuts[i + 1] - cuts[i]
            pieces = max(round(length / POINT_STEP_MM), 1)
            at = cuts[i] + length * np.arange(1, pieces) / pieces
            self.vein(label, nodes[i], nodes[i + 1], _along(curve, arc, at))
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

        A random spanning forest that begins with the network's own nodes and the firm veins
        stays whole; each other vein is missing with `probability`.
        """
        order = np.argsort(rng.random(len(self.veins)), kind="stable")
        missing = rng.random(len(self.veins)) < probability
        group = list(range(len(self.node_xyz) + 1))  # the last one: the network outside
        for node, anchor in enumerate(self.node_anchor):
            if anchor >= 0:
                group[node] = len(self.node_xyz)
        firm = [i for i in order if self.veins[i].firm]
        for i in [*firm, *(i for i in order if not self.veins[i].firm)]:
            one, two = (_root(group, n) for n in (self.veins[i].start, self.veins[i].end))
            if one != two:
                group[one] = two
                missing[i] = False
            elif self.veins[i].firm:
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


def finish(sketch: VeinSketch, obstacles: Obstacles, builder: NetworkBuilder, joins: Joins) -> None:
    """Settle the sketch between the obstacles and add it to the network."""
    nodes = np.array(sketch.node_xyz)
    anchored = np.array(sketch.node_anchor) >= 0
    count = [len(vein.via) for vein in sketch.veins]
    first = len(nodes) + np.concatenate([[0], np.cumsum(count)])
    total = int(first[-1])
    xyz = np.vstack([nodes, *(vein.via for vein in sketch.veins)])
    before, after = np.arange(total), np.arange(total)
    radius = np.array([vein.radius for vein in sketch.veins])
    minor = radius / np.sqrt([vein.flattening for vein in sketch.veins])
    need = np.zeros(total)
    movable = np.ones(total, dtype=bool)
    movable[: len(nodes)] = ~anchored
    for i, vein in enumerate(sketch.veins):
        inner = np.arange(first[i], first[i + 1])
        line = np.concatenate([[vein.start], inner, [vein.end]])
        before[inner], after[inner] = line[:-2], line[2:]
        need[inner] = minor[i]
        if vein.buried:
            movable[line] = False
        else:
            need[line] = np.maximum(need[line], minor[i])
    lines = [
        np.concatenate([[vein.start], np.arange(first[i], first[i + 1]), [vein.end]])
        for i, vein in enumerate(sketch.veins)
    ]
    xyz, _ = settle(obstacles, xyz, need, movable, before, after)
    for line in lines:
        _even_out(xyz, line)
    xyz, room = settle(obstacles, xyz, need, movable, before, after)

    at = {}
    for node in np.flatnonzero(sketch.degree() > 0).tolist():
        anchor = sketch.node_anchor[node]
        at[node] = anchor if anchor >= 0 else builder.node(xyz[node])
    for i, vein in enumerate(sketch.veins):
        line = lines[i]
        flat = np.full(len(line), minor[i])
        if not vein.buried:
            flat = np.where(movable[line], np.minimum(flat, room[line]), flat)
        flat = np.maximum(flat, min(LEAST_SEMI_AXIS_MM, minor[i]))
        wide = np.minimum(radius[i] ** 2 / flat, MOST_FLATTENING * flat)
        branch = builder.branch(
            at[vein.start], at[vein.end], vein.structure, vein.level, vein.side,
            radius=wide, radius_minor=flat, via=xyz[line[1:-1]],
        )  # fmt: skip
        if vein.valve:
            length = float(np.linalg.norm(np.diff(xyz[line], axis=0), axis=1).sum())
            builder.valve(branch, max(length - VALVE_FROM_MOUTH_MM, length / 2), 1)
    for node, kind, name in sketch.terminals:
        builder.terminal(at[node], kind, name)
    for name, level, side, node in sketch.named:
        if node in at:
            joins.add(name, level, side, at[node])


def _even_out(xyz: FloatArray, line: NDArray[np.int64]) -> None:
    """Space the points of a vein evenly again, in place, where a push has drawn them apart."""
    points = xyz[line]
    step = np.linalg.norm(np.diff(points, axis=0), axis=1)
    if len(line) > 2 and step.max() > STRETCHED * step.mean():
        arc = np.concatenate([[0.0], np.cumsum(step)])
        xyz[line[1:-1]] = _along(points, arc, np.linspace(0.0, arc[-1], len(line))[1:-1])


def _along(curve: FloatArray, arc: FloatArray, at: FloatArray) -> FloatArray:
    """Points of a polyline at the arc lengths `at`."""
    return np.stack([np.interp(at, arc, curve[:, i]) for i in range(3)], axis=1)


def _root(group: list[int], node: int) -> int:
    while group[node] != node:
        group[node] = group[group[node]]
        node = group[node]
    return node
