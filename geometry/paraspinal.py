"""External plexuses: anterior columns on the bodies, posterior columns on the laminae.

Anterior: one column a side on the anterolateral face of the bodies, joined across at the
discs, to the pores of the bodies, to the segmental veins (neck: vertebral veins). Posterior:
one column a side beside the spinous processes (two in the neck), joined across between these,
through the ligamenta flava to the internal plexus, forwards to the segmental veins (neck: deep
cervical veins), with a lateral and a posterior muscular tributary at every level.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geometry.calibres import vein_kinds, vein_number
from geometry.canal_curve import SpineAxis, index_of
from geometry.epidural import wander
from geometry.joins import Joins
from geometry.kernels.sketch import ALONG
from geometry.levels import SIDES, VERTEBRAE, Level, Side, root_below
from geometry.network import NetworkBuilder, TerminalKind
from geometry.plexus_layout import plexus_layout
from geometry.segmental import CURVE_POINTS, body_outline, round_bodies
from geometry.skeleton import Skeleton
from geometry.sketch import Label, VeinSketch
from geometry.strand import LEVEL_CODES, Strand
from geometry.structures import Structure
from geometry.vertebra import Vertebra

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DISC, MUSCULAR, DORSAL, NECK_LINK = 0.5, 0.12, 0.3, 0.85
"""Stops between two vertebrae (0 upper mid-body, 1 the next) of the external columns."""


def draw_anterior_external(
    sketch: VeinSketch,
    skeleton: Skeleton,
    builder: NetworkBuilder,
    joins: Joins,
    rng: np.random.Generator,
) -> None:
    """Draw the anterior columns from C2 to S1; names external_front (one node a body)."""
    layout = plexus_layout()
    axis = SpineAxis.of(skeleton)
    angle = np.full(len(VERTEBRAE), np.pi / 2 - np.radians(layout["external_front_angle_deg"]))
    gap = layout["external_front_gap"]
    radius = body_outline(axis.body_width, axis.body_depth, angle) + gap
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    s = np.arange(float(index_of(Level.C2)), float(len(VERTEBRAE)))
    columns: list[Strand] = []
    for side in SIDES:
        curve = _column(axis, side * x, y, rng)
        column = Strand(Structure.ANTERIOR_EXTERNAL, side, curve, s[0], s[-1])
        column.ask_all(s)
        column.draw(sketch)
        columns.append(column)
        _join_front(sketch, axis, side, column.nodes(s).tolist(), builder, joins)
    ends = [column.nodes(np.minimum(s + DISC, s[-1])) for column in columns]
    index = s.astype(np.int64)
    kind = vein_kinds().by_level(Structure.ANTERIOR_EXTERNAL, Side.MIDLINE)[LEVEL_CODES[index]]
    right = np.full(len(index), Side.RIGHT)
    _draw_round_bodies(sketch, axis, index, right, kind, *ends, waist=0.0)


def _join_front(
    sketch: VeinSketch,
    axis: SpineAxis,
    side: Side,
    nodes: list[int],
    builder: NetworkBuilder,
    joins: Joins,
) -> None:
    """Join a column at every mid-body, C2 to S1, to the vein that passes there."""
    index, start, end, kind = [], [], [], []
    for i, (level, node) in enumerate(zip(VERTEBRAE[1:], nodes, strict=True), start=1):
        sketch.name("external_front", level, side, node)
        if level <= Level.C7:
            root = Level(level) if level is Level.C2 else root_below(Level(level - 1))
            targets = [sketch.anchor(builder, n) for n in joins.nodes("vertebral_vein", root, side)]
        else:
            targets = sketch.named_nodes("segmental_flank", level, side)[:1]
        for target in targets:
            index.append(i)
            start.append(node)
            end.append(target)
            kind.append(vein_number(Structure.ANTERIOR_EXTERNAL, level, side))
    sides = np.full(len(index), side)
    _draw_round_bodies(
        sketch, axis, np.array(index), sides, np.array(kind), np.array(start), np.array(end),
        waist=1.0,
    )  # fmt: skip


def _draw_round_bodies(
    sketch: VeinSketch,
    axis: SpineAxis,
    index: IntArray,
    side: IntArray,
    kind: IntArray,
    start: IntArray,
    end: IntArray,
    *,
    waist: float,
) -> None:
    """Draw veins (n,) of these kinds from node to node, each round the body of a vertebra."""
    xyz, gap = sketch.node_xyz.xyz, plexus_layout()["external_front_gap"]
    curves = round_bodies(
        axis, index, side.astype(float), xyz[start], xyz[end], gap=gap, waist=waist
    )
    first = sketch.curve(curves.reshape(-1, 3)) + CURVE_POINTS * np.arange(len(index))
    sketch.draw(kind, start, end, way=ALONG, first=first, after=first + CURVE_POINTS)


def draw_posterior_external(
    sketch: VeinSketch,
    skeleton: Skeleton,
    builder: NetworkBuilder,
    joins: Joins,
    rng: np.random.Generator,
) -> None:
    """Draw the posterior columns and all that joins them; epidural columns must be there."""
    layout = plexus_layout()
    axis = SpineAxis.of(skeleton)
    x = layout["external_back_x"] * axis.table(lambda v: v.canal_width)
    x = np.maximum(x, layout["posterior_x_low"] + layout["external_back_gap"])
    y = axis.table(lambda v: _behind_lamina(v, float(x[index_of(v.level)])))
    columns: dict[Side, list[Strand]] = {}
    for side in SIDES:
        columns[side] = [_back_strand(axis, side * x, y, side, len(VERTEBRAE) - 1.0, rng)]
        beside = x + layout["external_back_lateral"]
        columns[side].append(
            _back_strand(axis, side * beside, y, side, float(index_of(Level.C7)), rng)
        )
        for strand in columns[side]:
            strand.draw(sketch)
    stops = {side: _BackStops.of(axis, columns[side]) for side in SIDES}
    for i, level in enumerate(VERTEBRAE[:-1]):
        for side in SIDES:
            _draw_back_level(sketch, axis, i, side, stops[side], builder, joins)
        label = Label(Structure.POSTERIOR_EXTERNAL, level, Side.MIDLINE)
        sketch.link(label, *(stops[side].flaval[0][i] for side in SIDES))
    for side in SIDES:  # below L5 the columns end in muscle
        node = columns[side][0].node(columns[side][0].last)
        name = f"posterior muscular S1 {side.name.lower()}"
        sketch.terminal(node, TerminalKind.TRIBUTARY, name)


@dataclass(frozen=True)
class _BackStops:
    """Nodes of the posterior columns of a side by level (24 each), medial column first.

    In the levels that the lateral column does not reach, its nodes stand for nothing.
    """

    two: list[bool]
    mid_body: list[list[int]]
    flaval: list[list[int]]
    muscular: list[list[int]]
    dorsal: list[list[int]]
    neck_link: list[list[int]]

    @classmethod
    def of(cls, axis: SpineAxis, columns: list[Strand]) -> "_BackStops":
        """Look up the nodes of the stops asked for."""
        s = np.arange(len(VERTEBRAE) - 1.0)
        flaval = axis.flaval_s(s.astype(np.int64))

        def nodes(at: FloatArray) -> list[list[int]]:
            return [column.nodes(at).tolist() for column in columns]

        two = (s + 1 <= columns[-1].last).tolist()
        return cls(
            two, nodes(s), nodes(flaval), nodes(s + MUSCULAR), nodes(s + DORSAL),
            nodes(s + NECK_LINK),
        )  # fmt: skip


def _behind_lamina(vertebra: Vertebra, x: float) -> float:
    """Local y of the posterior column: behind the lamina at `x`."""
    thickness = vertebra.size.lamina_thickness
    a, b = vertebra.canal_width / 2 + thickness, vertebra.canal_depth / 2 + thickness
    lamina = b * float(np.sqrt(max(1 - (x / a) ** 2, 0.1)))
    return vertebra.canal_centre_y - lamina - plexus_layout()["external_back_gap"]


def _back_strand(
    axis: SpineAxis, x: FloatArray, y: FloatArray, side: Side, last: float, rng: np.random.Generator
) -> Strand:
    curve = _column(axis, x, y, rng)
    strand = Strand(Structure.POSTERIOR_EXTERNAL, side, curve, 0.0, last)
    levels = np.arange(int(last), dtype=np.int64)
    strand.ask_all(axis.flaval_s(levels))
    for stop in (0.0, MUSCULAR, DORSAL, NECK_LINK):
        strand.ask_all(np.asarray(levels + stop))
    return strand


def _draw_back_level(
    sketch: VeinSketch,
    axis: SpineAxis,
    index: int,
    side: Side,
    stops: _BackStops,
    builder: NetworkBuilder,
    joins: Joins,
) -> None:
    """Draw flaval link, muscular tributaries and the way forwards of one level and side."""
    level, axes = VERTEBRAE[index], axis.axes[index]
    two = stops.two[index]
    outer = 1 if two else 0
    plexus = Label(Structure.POSTERIOR_EXTERNAL, level, side)
    for inside in sketch.named_nodes("epidural_flaval", level, side):
        label = Label(Structure.TRANSFLAVAL, level, side)
        sketch.link(label, inside, stops.flaval[0][index])
    muscular = Label(Structure.MUSCULAR, level, side, firm=True)
    reach = plexus_layout()["muscular_back_reach"]
    for name, start, way in (
        ("lateral", stops.muscular[outer][index], (0.85, -0.5, -0.15)),
        ("posterior", stops.neck_link[0][index], (0.25, -0.95, -0.15)),
    ):
        way_out = reach * np.array([side * way[0], way[1], way[2]])
        end = sketch.node(sketch.node_xyz[start] + way_out @ axes)
        sketch.link(muscular, start, end)
        title = f"posterior muscular {level.name} {side.name.lower()} {name}"
        sketch.terminal(end, TerminalKind.TRIBUTARY, title)
    dorsal = stops.dorsal[outer][index]
    for target in sketch.named_nodes("segmental_dorsal", level, side):
        forwards = axes.T @ np.array([side * 4.0, -1.0, 0.0])
        sketch.link(plexus, dorsal, target, bow=forwards)
    if two:
        for inner, lateral in (
            (stops.mid_body[0][index], stops.mid_body[1][index]),
            (stops.flaval[0][index], stops.flaval[1][index]),
        ):
            sketch.link(plexus, inner, lateral)
        for node in joins.nodes("deep_cervical", root_below(level), side):
            sketch.link(plexus, dorsal, sketch.anchor(builder, node))


def _column(
    axis: SpineAxis, x: FloatArray, y: FloatArray, rng: np.random.Generator
) -> Callable[[FloatArray], FloatArray]:
    """Curve at one place in every vertebra's frame, give or take its wandering."""
    aside = wander(rng, plexus_layout()["external_wander"])

    def curve(s: FloatArray) -> FloatArray:
        sideways = aside(s)
        return axis.world(s, lambda i: (x[i] + sideways, y[i]))

    return curve
