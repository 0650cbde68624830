"""Segmental veins T1..L5: lateral part, junction with the foramen, paraspinal part, anastomoses.

Seen from the front, right side, one level::

    trunk ==== paraspinal part ==== junction -- intersegmental -- dorsal branch -- muscular end
    (azygos)   round the waist      (foramen       (up, down)      (to the back)     (tributary)
               of the body           below)

The paraspinal part of L5 goes over into the iliolumbar trunk. Lumbar veins L3 and L4 have a
second mouth on the IVC. The anastomosis between n and n + 1 carries level n.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geometry.calibres import vein_number
from geometry.canal_curve import SpineAxis, index_of
from geometry.joins import Joins
from geometry.kernels.sketch import ALONG
from geometry.levels import SIDES, Level, Side
from geometry.network import NetworkBuilder, TerminalKind
from geometry.plexus_layout import plexus_layout
from geometry.skeleton import Skeleton
from geometry.sketch import Label, VeinSketch, at_fractions
from geometry.structures import Structure
from geometry.variants import Variant

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SEGMENTS: tuple[Level, ...] = tuple(level for level in Level if Level.T1 <= level <= Level.L5)
"""Levels with a segmental vein."""
SEGMENT_SIDES: tuple[tuple[Level, Side], ...] = tuple((s, side) for s in SEGMENTS for side in SIDES)
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


@dataclass(frozen=True)
class _LateralParts:
    """From the junction to the muscular end, the same in every patient, by segment and side.

    Attributes
    ----------
    curve : (n, CURVE_POINTS, 3) mm
    node_xyz : (n, 4, 3) mm, junction, anastomosis, dorsal branch, end
    cut : (4,) where the nodes lie, fractions of the length
    kind : (n,) number among the calibres
    """

    curve: FloatArray
    node_xyz: FloatArray
    cut: FloatArray
    kind: IntArray


@dataclass(frozen=True)
class _Mouths:
    """Ends of the paraspinal parts, in the order in which they are drawn.

    Attributes
    ----------
    segment : (m,) place in :data:`SEGMENT_SIDES`
    node : (m,) of the network
    valved : (m,) flags
    """

    segment: IntArray
    node: IntArray
    valved: list[bool]


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
    lateral, mouths = _lateral_parts(skeleton), _mouths(variant, joins)
    paraspinal = _paraspinal_curves(sketch, skeleton, builder, lateral, mouths)
    flank = at_fractions(paraspinal, np.array([0.5]))[:, 0]
    lateral_row = sketch.curve(lateral.curve.reshape(-1, 3))
    paraspinal_row = sketch.curve(paraspinal.reshape(-1, 3))
    anastomosis: dict[tuple[Level, Side], int] = {}
    for i, (level, side) in enumerate(SEGMENT_SIDES):
        nodes = sketch.node_xyz.extend(lateral.node_xyz[i]) + np.arange(4)
        first = lateral_row + i * CURVE_POINTS
        sketch.draw(
            lateral.kind[i], nodes[:-1], nodes[1:], way=ALONG, first=first,
            after=first + CURVE_POINTS, begin=lateral.cut[:-1], stop=lateral.cut[1:], firm=True,
        )  # fmt: skip
        junction, anastomosis[level, side], dorsal, end = nodes.tolist()
        sketch.name("segmental_junction", level, side, junction)
        sketch.name("segmental_dorsal", level, side, dorsal)
        name = f"muscular {level.name} {side.name.lower()}"
        sketch.terminal(end, TerminalKind.TRIBUTARY, name)
        # the second half of the fifth lumbar vein is the wide trunk
        halves = Structure.PARASPINAL, Structure.PARASPINAL
        if level is Level.L5:
            halves = Structure.PARASPINAL, Structure.ILIOLUMBAR
        kinds = [vein_number(structure, level, side) for structure in halves]
        for k in np.flatnonzero(mouths.segment == i).tolist():
            mouth = sketch.anchor(builder, int(mouths.node[k]))
            middle = sketch.node(flank[k])
            first = paraspinal_row + k * CURVE_POINTS
            sketch.draw(
                kinds, (junction, middle), (middle, mouth), way=ALONG, first=first,
                after=first + CURVE_POINTS, begin=(0.0, 0.5), stop=(0.5, 1.0), firm=True,
                valve=(False, mouths.valved[k]),
            )  # fmt: skip
            sketch.name("segmental_flank", level, side, middle)
    for level, side in sorted(variant.intersegmental):
        label = Label(Structure.INTERSEGMENTAL, level, side, firm=True)
        ends = anastomosis[level, side], anastomosis[Level(level + 1), side]
        sketch.link(label, *ends, bow=(side * 1.5, 0.5, 0.0))
    sketch.count_as(len(variant.intersegmental), variant.usual_links)


@cache
def _lateral_parts(skeleton: Skeleton) -> _LateralParts:
    """Lay all lateral parts."""
    layout = plexus_layout()
    reach = np.linspace(0.0, layout["muscular_reach"], CURVE_POINTS)
    along = reach / reach[-1]
    slope = layout["muscular_slope"] * reach
    curves, kinds = [], []
    for level, side in SEGMENT_SIDES:
        vertebra = skeleton.vertebra(level)
        x = vertebra.canal_width / 2 + vertebra.pedicle_width + layout["junction_beyond_pedicle"]
        y = vertebra.posterior_wall_y + layout["junction_before_wall"]
        z = layout["junction_height"] * vertebra.body_height
        thoracic = level <= Level.T12
        back = layout["muscular_back"] * (1.0 if thoracic else 0.5) * reach[-1] * along**1.6
        rows = [x + reach * (1 - 0.12 * along), y - back, z - slope]
        curves.append(vertebra.world(np.stack([side * rows[0], rows[1], rows[2]], axis=1)))
        # beyond the iliolumbar trunk it is a vein like its neighbours
        structure = Structure.LUMBAR if level is Level.L5 else segmental_structure(level)
        kinds.append(vein_number(structure, level, side))
    curve = np.array(curves)
    anastomosis, dorsal = (
        layout[f"{name}_beyond_junction"] / reach[-1] for name in ("intersegmental", "dorsal")
    )
    inner = at_fractions(curve, np.array([anastomosis, dorsal]))
    node_xyz = np.concatenate([curve[:, :1], inner, curve[:, -1:]], axis=1)
    return _LateralParts(
        curve, node_xyz, np.array([0.0, anastomosis, dorsal, 1.0]), np.array(kinds)
    )


def _mouths(variant: Variant, joins: Joins) -> _Mouths:
    """Where the paraspinal parts end on the trunks; ostial valves sit on those of a segment."""
    segment, node, valved = [], [], []
    for i, (level, side) in enumerate(SEGMENT_SIDES):
        for name in ("segmental_mouth", "ivc_mouth"):
            for mouth in joins.nodes(name, level, side):
                segment.append(i)
                node.append(mouth)
                valved.append(
                    name == "segmental_mouth" and (level, side) in variant.segmental_valves
                )
    return _Mouths(np.array(segment), np.array(node), valved)


def _paraspinal_curves(
    sketch: VeinSketch,
    skeleton: Skeleton,
    builder: NetworkBuilder,
    lateral: _LateralParts,
    mouths: _Mouths,
) -> FloatArray:
    """Curves (m, CURVE_POINTS, 3) round the waists of the bodies, from junctions to mouths."""
    places = [SEGMENT_SIDES[i] for i in mouths.segment]
    kinds = [vein_number(Structure.PARASPINAL, *place) for place in places]
    return round_bodies(
        SpineAxis.of(skeleton),
        np.array([index_of(level) for level, _ in places]),
        np.array([side for _, side in places], dtype=float),
        lateral.node_xyz[mouths.segment, 0],
        builder.node_xyz.xyz[mouths.node],
        gap=plexus_layout()["paraspinal_gap"] + sketch.calibres.radii[kinds],
        waist=1.0,
    )


def round_bodies(
    axis: SpineAxis,
    index: IntArray,
    side: FloatArray,
    start: FloatArray,
    end: FloatArray,
    *,
    gap: ArrayLike,
    waist: float,
) -> FloatArray:
    """Curves (n, CURVE_POINTS, 3) between world points (n, 3) that keep `gap` (n,) off a body each.

    In cylinder coordinates about the body's axis, x taken to the right: angle, distance from
    the outline, height. `waist` is the share of its height that a curve loses towards mid-body: 1
    runs round the waist, 0 straight across. `index` (n,) are places of the vertebrae, `side`
    (n,) is +1 or -1. An end within a short way round is reached straight.
    """
    t = np.linspace(0.0, 1.0, CURVE_POINTS)
    origin, axes = axis.origin[index], axis.axes[index]
    width, depth = axis.body_width[index, None], axis.body_depth[index, None]
    ends = np.stack([start, end], axis=1)
    local = np.einsum("nei,nji->nej", ends - origin[:, None], axes)
    local[:, :, 0] *= side[:, None]
    angle = np.arctan2(local[:, :, 1], local[:, :, 0])
    # behind, on the other side: go round the front all the same
    angle[:, 1] += np.where(angle[:, 1] < -np.pi / 2, 2 * np.pi, 0.0)
    off = np.hypot(local[:, :, 0], local[:, :, 1]) - body_outline(width, depth, angle)
    gap = np.broadcast_to(gap, len(index))[:, None]
    way = angle[:, :1] + t * (angle[:, 1:] - angle[:, :1])
    from_start, from_end = (1 - t) ** 4, t**4
    off_way = gap + from_start * (off[:, :1] - gap) + from_end * (off[:, 1:] - gap)
    first, last = local[:, :1, 2], local[:, 1:, 2]
    straight = first + t * (last - first)
    z = straight + waist * (from_start * first + from_end * last - straight)
    radius = body_outline(width, depth, way) + off_way
    curve = np.stack([side[:, None] * radius * np.cos(way), radius * np.sin(way), z], axis=2)
    curve = np.einsum("nki,nij->nkj", curve, axes) + origin[:, None]
    short = np.abs(angle[:, 1] - angle[:, 0]) < np.radians(SHORT_WAY_DEG)
    curve[short] = start[short, None] + t[:, None] * (end - start)[short, None]
    return np.asarray(curve)


def body_outline(width: FloatArray, depth: FloatArray, angle: FloatArray) -> FloatArray:
    """Distance from a body's axis to its wall at `angle` (rad, 0 lateral, pi/2 front)."""
    cos, sin = np.abs(np.cos(angle)), np.sin(angle)
    power = np.where(sin > 0, 2.0, 4.0)
    across = (cos / (width / 2)) ** power
    ahead = (np.abs(sin) / (depth / 2)) ** power
    return np.asarray((across + ahead) ** (-1 / power))
