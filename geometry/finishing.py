"""Finishing a sketch: settle its veins, flatten them where the gap is small, emit them."""

import numpy as np
from numpy.typing import NDArray

from geometry.calibres import vein_kinds
from geometry.joins import Joins
from geometry.kernels.settling import Obstacles, settle_veins
from geometry.kernels.sketch import BURIED, END, KIND, SCALE, START, VALVE
from geometry.network import NetworkBuilder
from geometry.sketch import VeinSketch

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

LEAST_SEMI_AXIS_MM = 0.12
"""A vein pressed flat keeps this much of its minor semi-axis."""
MOST_FLATTENING = 8.0
"""A vein squeezed beyond this ratio of its semi-axes, a slit, loses area."""
VALVE_FROM_MOUTH_MM = 2.0
"""An ostial valve lies this far inside the tributary."""


def finish(sketch: VeinSketch, obstacles: Obstacles, builder: NetworkBuilder, joins: Joins) -> None:
    """Settle the sketch between the obstacles and add it to the network.

    The calibre of a vein, times its scale, stays in the table's range; veins are pressed flat
    where there is little room.
    """
    kinds, veins = vein_kinds(), sketch.veins
    kind = veins[:, KIND].astype(np.int64)
    least, most = kinds.minimum[kind] / 2, kinds.maximum[kind] / 2
    radius = np.clip(sketch.calibres.radii[kind] * veins[:, SCALE], least, most)
    minor, buried = radius / np.sqrt(kinds.flattening[kind]), veins[:, BURIED] > 0
    xyz, line, start = sketch.lay()
    anchors = np.array(list(sketch.node_anchor), dtype=np.int64)
    fixed = np.zeros(len(xyz), dtype=bool)
    fixed[anchors] = True
    xyz, room, line, start = settle_veins(obstacles, xyz, line, start, minor, buried, fixed)

    in_network = np.full(len(sketch.node_xyz), -1)
    in_network[anchors] = list(sketch.node_anchor.values())
    new = np.flatnonzero((sketch.degree() > 0) & (in_network < 0))
    in_network[new] = builder.node_xyz.extend(xyz[new]) + np.arange(len(new))
    ends = in_network[veins[:, [START, END]].astype(np.int64)]
    count, points = np.diff(start), xyz[line]
    major, minor = _flattened(radius, minor, buried, count, room[line])
    first = builder.branches(
        ends[:, 0], ends[:, 1], count, points, radius=major, radius_minor=minor,
        structure=kinds.structure[kind], level=kinds.level[kind], side=kinds.side[kind],
        place=sketch.place,
    )  # fmt: skip
    for vein in np.flatnonzero(veins[:, VALVE]).tolist():
        way = points[start[vein] : start[vein + 1]]
        length = float(np.linalg.norm(np.diff(way, axis=0), axis=1).sum())
        builder.valve(first + vein, max(length - VALVE_FROM_MOUTH_MM, length / 2), 1)
    place = in_network.tolist()
    for node, terminal, name in sketch.terminals:
        builder.terminal(place[node], terminal, name)
    for key, nodes in sketch.named.items():
        for node in nodes:
            if place[node] >= 0:
                joins.add(*key, place[node])


def _flattened(
    radius: FloatArray, minor: FloatArray, buried: BoolArray, count: IntArray, room: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Semi-axes (p,) of the points of all veins, pressed flat where there is little room."""
    wanted = np.repeat(minor, count)
    flat = np.where(np.repeat(buried, count), wanted, np.minimum(wanted, room))
    flat = np.maximum(flat, np.minimum(LEAST_SEMI_AXIS_MM, wanted))
    area = np.repeat(radius**2, count)
    major = np.minimum(area / flat, MOST_FLATTENING * flat)
    return major, np.minimum(flat, major)
