"""Segmental veins T1..L5: lateral part, junction with the foramen, paraspinal part, anastomoses.

Seen from the front, right side, one level::

    trunk ==== paraspinal part ==== junction -- intersegmental -- dorsal branch -- muscular end
    (azygos)   round the waist      (foramen       (up, down)      (to the back)     (tributary)
               of the body           below)

The paraspinal part of L5 goes over into the iliolumbar trunk. Lumbar veins L3 and L4 have a
second mouth on the IVC. The anastomosis between n and n + 1 carries level n.
"""

import numpy as np
from numpy.typing import NDArray

from geometry.joins import Joins
from geometry.levels import SIDES, Level, Side
from geometry.network import NetworkBuilder, TerminalKind
from geometry.plexus_layout import plexus_layout
from geometry.skeleton import Skeleton
from geometry.sketch import Label, VeinSketch
from geometry.structures import Structure
from geometry.variants import Variant
from geometry.vertebra import Vertebra

FloatArray = NDArray[np.float64]

SEGMENTS: tuple[Level, ...] = tuple(level for level in Level if Level.T1 <= level <= Level.L5)
"""Levels with a segmental vein."""
CURVE_POINTS = 41
SHORT_WAY_DEG = 25.0
"""A mouth that lies within this angle round the body is reached straight."""


def segmental_structure(level: Level) -> Structure:
    """Name of the segmental vein of a level."""
    if level <= Level.T11:
        return Structure.POSTERIOR_INTERCOSTAL
    if level is Level.T12:
        return Structure.SUBCOSTAL
    return Structure.ILIOLUMBAR if level is Level.L5 else Structure.LUMBAR


def draw_segmental(
    sketch: VeinSketch,
    skeleton: Skeleton,
    variant: Variant,
    builder: NetworkBuilder,
    joins: Joins,
) -> None:
    """Draw all segmental veins; names the nodes that other rooms join.

    segmental_junction (with the foramen of root n), segmental_flank (on the flank of the
    body), segmental_dorsal (where the dorsal branch leaves).
    """
    anastomosis: dict[tuple[Level, Side], int] = {}
    for level in SEGMENTS:
        for side in SIDES:
            vertebra = skeleton.vertebra(level)
            junction, anastomosis[level, side] = _lateral_part(sketch, vertebra, side)
            sketch.name("segmental_junction", level, side, junction)
            for name in ("segmental_mouth", "ivc_mouth"):
                for mouth in joins.nodes(name, level, side):
                    target = sketch.anchor(builder, mouth)
                    valve = name == "segmental_mouth" and (level, side) in variant.segmental_valves
                    _paraspinal_part(sketch, vertebra, side, junction, target, valve=valve)
    for level, side in sorted(variant.intersegmental):
        label = Label(Structure.INTERSEGMENTAL, level, side, firm=True)
        ends = anastomosis[level, side], anastomosis[Level(level + 1), side]
        sketch.link(label, *ends, bow=(side * 1.5, 0.5, 0.0))


def _lateral_part(sketch: VeinSketch, vertebra: Vertebra, side: Side) -> tuple[int, int]:
    """Draw from the junction to the muscular end; return junction and anastomosis node."""
    layout = plexus_layout()
    level = vertebra.level
    label = Label(segmental_structure(level), level, side, firm=True)
    if level is Level.L5:  # beyond the trunk it is a vein like its neighbours
        label = Label(Structure.LUMBAR, level, side, firm=True)
    x = vertebra.canal_width / 2 + vertebra.pedicle_width + layout["junction_beyond_pedicle"]
    y = vertebra.posterior_wall_y + layout["junction_before_wall"]
    z = layout["junction_height"] * vertebra.body_height
    reach = np.linspace(0.0, layout["muscular_reach"], CURVE_POINTS)
    along = reach / reach[-1]
    thoracic = level <= Level.T12
    back = layout["muscular_back"] * (1.0 if thoracic else 0.5) * reach[-1] * along**1.6
    slope = layout["muscular_slope"] * reach
    rows = [x + reach * (1 - 0.12 * along), y - back, z - slope]
    curve = vertebra.world(np.stack([side * rows[0], rows[1], rows[2]], axis=1))
    stops = (
        layout["intersegmental_beyond_junction"] / reach[-1],
        layout["dorsal_beyond_junction"] / reach[-1],
    )
    nodes = sketch.course(label, curve, stops)
    sketch.name("segmental_dorsal", level, side, nodes[2])
    sketch.terminal(nodes[-1], TerminalKind.TRIBUTARY, f"muscular {level.name} {side.name.lower()}")
    return nodes[0], nodes[1]


def _paraspinal_part(
    sketch: VeinSketch, vertebra: Vertebra, side: Side, junction: int, mouth: int, *, valve: bool
) -> None:
    """Draw round the waist of the body, from the junction to a mouth on a trunk."""
    level = vertebra.level
    curve = round_the_body(
        vertebra,
        side,
        sketch.node_xyz[junction],
        sketch.node_xyz[mouth],
        gap=plexus_layout()["paraspinal_gap"]
        + sketch.calibres.radius(Structure.PARASPINAL, level, side),
        waist=1.0,
    )
    label = Label(Structure.PARASPINAL, level, side, firm=True)
    nodes = sketch.course(label, curve, (0.5,), start=junction, end=mouth)
    if level is Level.L5:  # the second half is the wide trunk
        trunk = Label(Structure.ILIOLUMBAR, level, side, firm=True)
        last = sketch.veins.pop()
        sketch.vein(trunk, last.start, last.end, last.via)
    sketch.veins[-1].valve = valve
    sketch.name("segmental_flank", level, side, nodes[1])


def round_the_body(
    vertebra: Vertebra, side: Side, start: FloatArray, end: FloatArray, *, gap: float, waist: float
) -> FloatArray:
    """Curve (k, 3) between two world points that keeps `gap` off the body on its way.

    In cylinder coordinates about the body's axis, x taken to the right: angle, distance from
    the outline, height. `waist` is the share of its height that it loses towards mid-body: 1
    runs round the waist, 0 straight across.
    """
    t = np.linspace(0.0, 1.0, CURVE_POINTS)
    ends = vertebra.local(np.stack([start, end])) * [side, 1.0, 1.0]
    angle = np.arctan2(ends[:, 1], ends[:, 0])
    if angle[1] < -np.pi / 2:  # behind, on the other side: go round the front all the same
        angle[1] += 2 * np.pi
    if abs(angle[1] - angle[0]) < np.radians(SHORT_WAY_DEG):
        return np.asarray(start + t[:, None] * (end - start))
    off = np.hypot(ends[:, 0], ends[:, 1]) - body_outline(vertebra, angle)
    way = angle[0] + t * (angle[1] - angle[0])
    from_start, from_end = (1 - t) ** 4, t**4
    off_way = gap + from_start * (off[0] - gap) + from_end * (off[1] - gap)
    straight = ends[0, 2] + t * (ends[1, 2] - ends[0, 2])
    z = straight + waist * (from_start * ends[0, 2] + from_end * ends[1, 2] - straight)
    radius = body_outline(vertebra, way) + off_way
    local = np.stack([side * radius * np.cos(way), radius * np.sin(way), z], axis=1)
    return vertebra.world(local)


def body_outline(vertebra: Vertebra, angle: FloatArray) -> FloatArray:
    """Distance (k,) from the body's axis to its wall at `angle` (rad, 0 lateral, pi/2 front)."""
    cos, sin = np.abs(np.cos(angle)), np.sin(angle)
    power = np.where(sin > 0, 2.0, 4.0)
    across = (cos / (vertebra.body_width / 2)) ** power
    ahead = (np.abs(sin) / (vertebra.body_depth / 2)) ** power
    return np.asarray((across + ahead) ** (-1 / power))
