"""External plexuses: anterior columns on the bodies, posterior columns on the laminae.

Anterior: one column a side on the anterolateral face of the bodies, joined across at the
discs, to the pores of the bodies, to the segmental veins (neck: vertebral veins). Posterior:
one column a side beside the spinous processes (two in the neck), joined across between these,
through the ligamenta flava to the internal plexus, forwards to the segmental veins (neck: deep
cervical veins), with a lateral and a posterior muscular tributary at every level.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from geometry.canal_curve import SpineAxis, index_of
from geometry.epidural import wander
from geometry.joins import Joins
from geometry.levels import SIDES, VERTEBRAE, Level, Side, root_below
from geometry.network import NetworkBuilder, TerminalKind
from geometry.plexus_layout import plexus_layout
from geometry.segmental import body_outline, round_the_body
from geometry.skeleton import Skeleton
from geometry.sketch import Label, VeinSketch
from geometry.strand import Strand
from geometry.structures import Structure
from geometry.vertebra import Vertebra

FloatArray = NDArray[np.float64]

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
    angle = np.array([np.pi / 2 - np.radians(layout["external_front_angle_deg"])])
    gap = layout["external_front_gap"]
    radius = axis.table(lambda v: float(body_outline(v, angle)[0]) + gap)
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    first, last = float(index_of(Level.C2)), float(index_of(Level.S1))
    columns: dict[Side, Strand] = {}
    for side in SIDES:
        curve = _column(axis, side * x, y, rng)
        column = Strand(Structure.ANTERIOR_EXTERNAL, side, curve, first, last)
        for i in range(int(first), int(last) + 1):
            column.ask(float(i))
        column.draw(sketch, axis)
        columns[side] = column
        for level in VERTEBRAE[1:]:
            node = column.node(float(index_of(level)))
            sketch.name("external_front", level, side, node)
            _join_front(sketch, skeleton.vertebra(level), side, node, builder, joins)
    for level in VERTEBRAE[1:]:
        vertebra = skeleton.vertebra(level)
        s = min(index_of(level) + DISC, last)
        ends = [columns[side].node(s) for side in SIDES]
        label = Label(Structure.ANTERIOR_EXTERNAL, level, Side.MIDLINE)
        way = round_the_body(
            vertebra,
            Side.RIGHT,
            sketch.node_xyz[ends[0]],
            sketch.node_xyz[ends[1]],
            gap=gap,
            waist=0.0,
        )
        sketch.course(label, way, start=ends[0], end=ends[1])


def _join_front(
    sketch: VeinSketch,
    vertebra: Vertebra,
    side: Side,
    node: int,
    builder: NetworkBuilder,
    joins: Joins,
) -> None:
    """Join a column at mid-body to the vein that passes there."""
    level = vertebra.level
    label = Label(Structure.ANTERIOR_EXTERNAL, level, side)
    targets = sketch.named_nodes("segmental_flank", level, side)[:1]
    if level <= Level.C7:
        root = Level(level) if level is Level.C2 else root_below(Level(level - 1))
        targets = [sketch.anchor(builder, n) for n in joins.nodes("vertebral_vein", root, side)]
    for target in targets:
        way = round_the_body(
            vertebra,
            side,
            sketch.node_xyz[node],
            sketch.node_xyz[target],
            gap=plexus_layout()["external_front_gap"],
            waist=1.0,
        )
        sketch.course(label, way, start=node, end=target)


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
            strand.draw(sketch, axis)
    for i, level in enumerate(VERTEBRAE[:-1]):
        for side in SIDES:
            _draw_back_level(sketch, axis, i, side, columns[side], builder, joins)
        label = Label(Structure.POSTERIOR_EXTERNAL, level, Side.MIDLINE)
        sketch.link(label, *(columns[side][0].node(axis.flaval_s(i)) for side in SIDES))
    for side in SIDES:  # below L5 the columns end in muscle
        node = columns[side][0].node(columns[side][0].last)
        name = f"posterior muscular S1 {side.name.lower()}"
        sketch.terminal(node, TerminalKind.TRIBUTARY, name)


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
    for i in range(int(last)):
        strand.ask(axis.flaval_s(i))
        for stop in (0.0, MUSCULAR, DORSAL, NECK_LINK):
            strand.ask(i + stop)
    return strand


def _draw_back_level(
    sketch: VeinSketch,
    axis: SpineAxis,
    index: int,
    side: Side,
    strands: list[Strand],
    builder: NetworkBuilder,
    joins: Joins,
) -> None:
    """Draw flaval link, muscular tributaries and the way forwards of one level and side."""
    vertebra, s, flaval = axis.vertebrae[index], float(index), axis.flaval_s(index)
    level = vertebra.level
    inner = strands[0]
    outer = strands[-1] if s + 1 <= strands[-1].last else inner
    plexus = Label(Structure.POSTERIOR_EXTERNAL, level, side)
    for inside in sketch.named_nodes("epidural_flaval", level, side):
        sketch.link(Label(Structure.TRANSFLAVAL, level, side), inside, inner.node(flaval))
    for name, strand, stop, way in (
        ("lateral", outer, MUSCULAR, (0.85, -0.5, -0.15)),
        ("posterior", inner, NECK_LINK, (0.25, -0.95, -0.15)),
    ):
        start = strand.node(s + stop)
        reach = plexus_layout()["muscular_back_reach"]
        way_out = reach * np.array([side * way[0], way[1], way[2]])
        curve = sketch.node_xyz[start] + np.outer([0.0, 1.0], way_out @ vertebra.axes)
        label = Label(Structure.MUSCULAR, level, side, firm=True)
        end = sketch.course(label, curve, start=start)[-1]
        title = f"posterior muscular {level.name} {side.name.lower()} {name}"
        sketch.terminal(end, TerminalKind.TRIBUTARY, title)
    forwards = vertebra.axes.T @ np.array([side * 4.0, -1.0, 0.0])
    for target in sketch.named_nodes("segmental_dorsal", level, side):
        sketch.link(plexus, outer.node(s + DORSAL), target, bow=forwards)
    if outer is not inner:
        for stop in (s, flaval):
            sketch.link(plexus, inner.node(stop), outer.node(stop))
        root = root_below(level)
        for node in joins.nodes("deep_cervical", root, side):
            sketch.link(plexus, outer.node(s + DORSAL), sketch.anchor(builder, node))


def _column(
    axis: SpineAxis, x: FloatArray, y: FloatArray, rng: np.random.Generator
) -> Callable[[FloatArray], FloatArray]:
    """Curve at one place in every vertebra's frame, give or take its wandering."""
    aside = wander(rng, plexus_layout()["external_wander"])
    return lambda s: axis.world(s, x[:, None] + aside(s), np.tile(y[:, None], len(s)))
