"""Finishing a sketch: settle its veins, flatten them where the gap is small, emit them.

A vein is a chain of points, so its chords are looked at as well: veins that come too near to
an obstacle between two points get more points there and settle again.
"""

import numpy as np
from numpy.typing import NDArray

from geometry.clearance import Obstacles, settle
from geometry.joins import Joins
from geometry.network import NetworkBuilder
from geometry.sketch import VeinSketch, along

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

REPAIRS = 3
"""Times that veins which still touch something are given more points and settled again."""
REPAIR_SHARE = 0.7
"""A vein is repaired where it has less than this share of the room it needs."""
STRETCHED = 1.4
"""A vein is spaced anew when its longest step exceeds the mean by this factor."""
LEAST_SEMI_AXIS_MM = 0.12
"""A vein pressed flat keeps this much of its minor semi-axis."""
MOST_FLATTENING = 8.0
"""A vein squeezed beyond this ratio of its semi-axes, a slit, loses area."""
VALVE_FROM_MOUTH_MM = 2.0
"""An ostial valve lies this far inside the tributary."""


class _Settling:
    """Points of all veins of a sketch while they settle.

    `xyz` (k, 3) begins with the sketch's nodes; `lines` holds the point indices of each vein
    from start to end, `need` (k,) the room in mm that a point wants, `movable` (k,) flags.
    """

    def __init__(self, sketch: VeinSketch, obstacles: Obstacles) -> None:
        self._obstacles = obstacles
        nodes = np.array(sketch.node_xyz)
        first = len(nodes) + np.concatenate(
            [[0], np.cumsum([len(vein.via) for vein in sketch.veins])]
        )
        self.xyz = np.vstack([nodes, *(vein.via for vein in sketch.veins)])
        self.minor = np.array([v.radius / v.flattening**0.5 for v in sketch.veins])
        self.free = np.array([not vein.buried for vein in sketch.veins])
        self.lines: list[IntArray] = []
        self.need = np.zeros(len(self.xyz))
        for i, vein in enumerate(sketch.veins):
            line = np.array([vein.start, *range(first[i], first[i + 1]), vein.end])
            self.lines.append(line)
            if not vein.buried:
                self.need[line] = np.maximum(self.need[line], self.minor[i])
        # what only buried veins touch stays in bone, what is the network's stays where it is
        self.movable = self.need > 0
        self.movable[: len(nodes)] &= np.array(sketch.node_anchor) < 0

    def settle(self, chosen: IntArray) -> None:
        """Settle the chosen veins, and space them evenly again."""
        index = np.unique(np.concatenate([self.lines[i] for i in chosen]))
        place = np.empty(len(self.xyz), dtype=np.int64)
        place[index] = np.arange(len(index))
        line, ends = self._joined(chosen)
        line = place[line]
        inner = np.setdiff1d(np.arange(len(line)), ends)
        before, after = np.arange(len(index)), np.arange(len(index))
        before[line[inner]], after[line[inner]] = line[inner - 1], line[inner + 1]
        self.xyz[index] = settle(
            self._obstacles,
            self.xyz[index],
            self.need[index],
            self.movable[index],
            before,
            after,
        )
        for i in self._stretched(chosen):
            self._even_out(self.lines[i])

    def room(self, chosen: IntArray) -> tuple[FloatArray, IntArray, FloatArray]:
        """Least distance to an obstacle about each chord of the chosen veins.

        Returns the room at all points (k,) (infinite where not looked at), the vein of every
        chord and the room at its middle.
        """
        ends = [np.stack([self.lines[i][:-1], self.lines[i][1:]]) for i in chosen]
        vein = np.repeat(chosen, [e.shape[1] for e in ends])
        one, two = np.concatenate(ends, axis=1)
        index = np.unique(np.concatenate([one, two]))
        room = np.full(len(self.xyz), np.inf)
        looked_at = np.vstack([self.xyz[index], (self.xyz[one] + self.xyz[two]) / 2])
        room[index], middle = np.split(self._obstacles.distances(looked_at), [len(index)])
        chord = np.minimum(middle, np.minimum(room[one], room[two]))
        np.minimum.at(room, one, middle)
        np.minimum.at(room, two, middle)
        return room, vein, chord

    def refine(self, chosen: IntArray) -> None:
        """Add a point in the middle of every chord of the chosen veins."""
        middles, needs, count = [], [], len(self.xyz)
        for i in chosen:
            line = self.lines[i]
            new = count + np.arange(len(line) - 1)
            count += len(new)
            middles.append((self.xyz[line[:-1]] + self.xyz[line[1:]]) / 2)
            needs.append(np.full(len(new), self.minor[i]))
            self.lines[i] = np.insert(line, np.arange(1, len(line)), new)
        self.xyz = np.vstack([self.xyz, *middles])
        self.need = np.concatenate([self.need, *needs])
        self.movable = np.append(self.movable, np.ones(count - len(self.movable), dtype=bool))

    def _joined(self, chosen: IntArray) -> tuple[IntArray, IntArray]:
        """Points of the chosen veins in a row (k,), and where in it each starts and ends."""
        line = np.concatenate([self.lines[i] for i in chosen])
        after = np.cumsum([len(self.lines[i]) for i in chosen])
        return line, np.concatenate([[0], after[:-1], after - 1])

    def _stretched(self, chosen: IntArray) -> IntArray:
        """Those chosen veins whose longest step is much longer than the mean one."""
        line, ends = self._joined(chosen)
        first, last = np.split(ends, 2)
        step = np.append(np.linalg.norm(np.diff(self.xyz[line], axis=0), axis=1), 0.0)
        step[last] = 0.0  # from one vein to the next
        longest = np.maximum.reduceat(step, first)
        mean = np.add.reduceat(step, first) / (last - first)
        return np.asarray(chosen[longest > STRETCHED * mean])

    def _even_out(self, line: IntArray) -> None:
        """Space the inner points of a vein evenly along it."""
        points = self.xyz[line]
        step = np.linalg.norm(np.diff(points, axis=0), axis=1)
        arc = np.concatenate([[0.0], np.cumsum(step)])
        even = np.linspace(0.0, arc[-1], len(line))[1:-1]
        self.xyz[line[1:-1]] = along(points, arc, even)


def finish(sketch: VeinSketch, obstacles: Obstacles, builder: NetworkBuilder, joins: Joins) -> None:
    """Settle the sketch between the obstacles and add it to the network."""
    state = _Settling(sketch, obstacles)
    free = np.flatnonzero(state.free)
    state.settle(free)
    state.settle(free)
    room, vein, chord = state.room(free)
    for _ in range(REPAIRS):
        tight = np.unique(vein[chord < REPAIR_SHARE * state.minor[vein]])
        if len(tight) == 0:
            break
        state.refine(tight)
        state.settle(tight)
        fresh, vein, chord = state.room(tight)
        room = np.append(room, np.full(len(fresh) - len(room), np.inf))
        room = np.where(np.isfinite(fresh), fresh, room)
    _emit(sketch, state, room, builder, joins)


def _emit(
    sketch: VeinSketch,
    state: _Settling,
    room: FloatArray,
    builder: NetworkBuilder,
    joins: Joins,
) -> None:
    """Add the settled veins, pressed flat where there is little room, to the network."""
    xyz, at = state.xyz, {}
    for node in np.flatnonzero(sketch.degree() > 0).tolist():
        anchor = sketch.node_anchor[node]
        at[node] = anchor if anchor >= 0 else builder.node(xyz[node])
    count = [len(line) for line in state.lines]
    minor = np.repeat(state.minor, count)
    free = np.repeat(state.free, count)
    line = np.concatenate(state.lines)
    flat = np.where(free, np.minimum(minor, room[line]), minor)
    flat = np.maximum(flat, np.minimum(LEAST_SEMI_AXIS_MM, minor))
    area = np.repeat([vein.radius**2 for vein in sketch.veins], count)
    wide = np.minimum(area / flat, MOST_FLATTENING * flat)
    points = xyz[line]
    last = np.cumsum(count)
    for vein, start, stop in zip(sketch.veins, last - count, last, strict=True):
        branch = builder.branch(
            at[vein.start], at[vein.end], vein.structure, vein.level, vein.side,
            radius=wide[start:stop], radius_minor=flat[start:stop],
            via=points[start + 1 : stop - 1],
        )  # fmt: skip
        if vein.valve:
            length = float(np.linalg.norm(np.diff(points[start:stop], axis=0), axis=1).sum())
            builder.valve(branch, max(length - VALVE_FROM_MOUTH_MM, length / 2), 1)
    for node, kind, name in sketch.terminals:
        builder.terminal(at[node], kind, name)
    for key, nodes in sketch.named.items():
        for node in nodes:
            if node in at:
                joins.add(*key, at[node])
