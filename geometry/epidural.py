r"""Epidural plexus: anterior and posterior columns, rings, retrocorporeal branches.

Seen from the front, one level (columns bow in at the pedicle and out at the disc; with the
rings they draw hexagons whose centre, at the disc, is empty)::

       ) ===ring==== (     mid-body: ring and retrocorporeal branch
      /               \
     (     (disc)      )   disc and foramen: to the foraminal plexus
      \               /
       ) ===ring==== (
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geometry.canal_curve import SpineAxis, index_of
from geometry.levels import ROOTS, SIDES, VERTEBRAE, Level, Side, vertebra_above
from geometry.network import TerminalKind
from geometry.plexus_layout import plexus_layout
from geometry.skeleton import Skeleton
from geometry.sketch import Label, VeinSketch
from geometry.strand import Strand
from geometry.structures import Structure
from geometry.variants import Variant
from geometry.vertebra import Vertebra

FloatArray = NDArray[np.float64]

ANTERIOR_SHARES = (0.6, 0.8)
"""Calibres of the strands of a column, medial to lateral, over that of one vein: their areas
add up to it."""
FORAMEN_SPREAD = 0.12
"""Superior and inferior link of a foramen leave the column this far (levels) from the root."""
RING_POINTS = 25
CROSSLINK_SCALE = 0.8
POSTERIOR_SHARES = (0.65, 0.75)
"""As the anterior ones, medial to lateral."""


@dataclass(frozen=True)
class EpiduralColumns:
    """Strands of the columns, medial to lateral, by side."""

    anterior: dict[Side, list[Strand]]
    posterior: dict[Side, list[Strand]]


def draw_epidural(
    sketch: VeinSketch,
    skeleton: Skeleton,
    variant: Variant,
    rng: np.random.Generator,
) -> EpiduralColumns:
    """Draw columns, cross-links, rings, retrocorporeal branches and the links to the foramina.

    Names epidural_top (C1), epidural_back_top (C1), basivertebral_mouth and epidural_flaval.
    """
    axis = SpineAxis.of(skeleton)
    columns = EpiduralColumns(
        {side: _anterior_strands(axis, side, rng) for side in SIDES},
        {side: _posterior_strands(axis, side, rng) for side in SIDES},
    )
    groups = [*columns.anterior.values(), *columns.posterior.values()]
    cross = [(group, _ask_crosslinks(group, rng)) for group in groups]
    for group in groups:
        for strand in group:
            for i in range(len(VERTEBRAE)):
                strand.ask(float(i))
    retro = {level: _ask_retrocorporeal(axis, columns, level) for level in VERTEBRAE[1:]}
    foramina = _ask_foramina(sketch, axis, columns)
    flaval = _ask_flaval(axis, columns)
    for group in groups:
        for strand in group:
            strand.draw(sketch, axis)
    for group, links in cross:
        _draw_crosslinks(sketch, group, links)
    for i, level in enumerate(VERTEBRAE):
        _draw_ring(sketch, skeleton.vertebra(level), columns, float(i))
    for level, s in retro.items():
        _draw_retrocorporeal(sketch, skeleton.vertebra(level), columns, s, variant)
    for label, start, strand, s in foramina:
        if strand.structure is Structure.ANTERIOR_EPIDURAL:
            sketch.link(label, start, strand.node(s))
        else:
            upper = skeleton.vertebra(vertebra_above(label.level))
            _arc_round_sac(sketch, label, upper, start, strand.node(s))
    for level, side, strand, s in flaval:
        sketch.name("epidural_flaval", level, side, strand.node(s))
    _end_columns(sketch, columns)
    return columns


def _bow(s: FloatArray) -> FloatArray:
    """0 at mid-body, 1 at the disc."""
    return np.asarray((1 - np.cos(2 * np.pi * s)) / 2)


def wander(rng: np.random.Generator, amplitude: float) -> Callable[[FloatArray], FloatArray]:
    """Smooth irregular offset along s: two incommensurate waves."""
    phase, pace = rng.uniform(0, 2 * np.pi, 2), rng.uniform([0.7, 1.9], [1.3, 2.9])

    def offset(s: FloatArray) -> FloatArray:
        waves = np.sin(2 * np.pi * np.outer(pace, s) + phase[:, None])
        return np.asarray(amplitude * waves.mean(axis=0))

    return offset


def _anterior_strands(axis: SpineAxis, side: Side, rng: np.random.Generator) -> list[Strand]:
    layout = plexus_layout()
    neck = axis.table(lambda v: v.level <= Level.C7) > 0
    half = axis.table(lambda v: v.canal_width / 2)
    inset = np.where(neck, layout["anterior_inset_pedicle_neck"], layout["anterior_inset_pedicle"])
    outset = np.where(neck, -layout["anterior_inset_disc_neck"], layout["anterior_outset_disc"])
    at_pedicle, at_disc = half - inset, half + outset
    y = axis.table(lambda v: v.posterior_wall_y) - layout["anterior_behind_wall"]
    count = len(ANTERIOR_SHARES)
    spacing, amplitude = layout["anterior_strand_spacing"], layout["anterior_strand_wander"]
    last = len(VERTEBRAE) - 1 + layout["sacral_reach"]
    strands = []
    for j in range(count):
        place = (j - (count - 1) / 2) * spacing
        aside, ahead = wander(rng, amplitude), wander(rng, amplitude)
        deeper = (j % 2) * layout["anterior_strand_stagger"]

        def curve(
            s: FloatArray, place: float = place, deeper: float = deeper,
            aside: Callable[[FloatArray], FloatArray] = aside,
            ahead: Callable[[FloatArray], FloatArray] = ahead,
        ) -> FloatArray:  # fmt: skip
            bow = _bow(s)
            x = at_pedicle[:, None] + bow * (at_disc - at_pedicle)[:, None] + place + aside(s)
            return axis.world(s, side * x, y[:, None] - deeper + ahead(s))

        jitter = np.exp(layout["calibre_jitter_sd_ln"] * rng.standard_normal())
        scale = ANTERIOR_SHARES[j] * float(jitter)
        strands.append(Strand(Structure.ANTERIOR_EPIDURAL, side, curve, 0.0, last, scale))
    return strands


def _posterior_strands(axis: SpineAxis, side: Side, rng: np.random.Generator) -> list[Strand]:
    """Two strands a side (one in the neck is the lateral one); inverted V at each lamina."""
    layout = plexus_layout()
    high, low = layout["posterior_x_high"], layout["posterior_x_low"]
    spacing, amplitude = layout["posterior_spacing"], layout["anterior_strand_wander"]
    sac = axis.table(lambda v: v.sac_semi_axes[0]), axis.table(lambda v: v.sac_semi_axes[1])
    half = axis.table(lambda v: v.canal_width / 2), axis.table(lambda v: v.canal_depth / 2)
    middle = [(one + two) / 2 for one, two in zip(sac, half, strict=True)]
    centre = axis.table(lambda v: v.canal_centre_y)
    last = len(VERTEBRAE) - 1 + layout["sacral_reach"]
    thoracic = float(index_of(Level.T1))
    strands = []
    for j in range(2):
        aside = wander(rng, amplitude)
        place = (j - 0.5) * spacing

        def curve(
            s: FloatArray,
            place: float = place,
            aside: Callable[[FloatArray], FloatArray] = aside,
        ) -> FloatArray:
            u = s - np.floor(s)  # lamina: the V opens downwards from its upper edge
            x = high + (low - high) * _bow(u) + place + aside(s)
            ratio = np.minimum(x[None, :] / middle[0][:, None], 0.95)
            y = centre[:, None] - middle[1][:, None] * np.sqrt(1 - ratio**2)
            return axis.world(s, side * np.broadcast_to(x, y.shape), y)

        first = 0.0 if j == 1 else thoracic
        scale = POSTERIOR_SHARES[j]
        strands.append(Strand(Structure.POSTERIOR_EPIDURAL, side, curve, first, last, scale))
    return strands


Crosslinks = list[tuple[int, float, float]]


def _ask_crosslinks(group: list[Strand], rng: np.random.Generator) -> Crosslinks:
    """Irregular oblique links between neighbouring strands; (strand, s there, s on the next)."""
    layout = plexus_layout()
    per_half, slant = int(layout["crosslinks_per_half"]), layout["crosslink_slant"]
    links = []
    for j in range(len(group) - 1):
        first = max(group[j].first, group[j + 1].first)
        for half in range(int(2 * first), 2 * (len(VERTEBRAE) - 1)):
            slots = (np.arange(per_half) + rng.uniform(0.25, 0.75, per_half)) / per_half
            for s in half / 2 + slots / 2:
                lean = slant * rng.uniform(-1, 1)
                links.append((j, group[j].ask(s - lean), group[j + 1].ask(s + lean)))
    return links


def _draw_crosslinks(sketch: VeinSketch, group: list[Strand], links: Crosslinks) -> None:
    drawn: set[tuple[int, int]] = set()
    for j, s, next_s in links:
        ends = group[j].node(s), group[j + 1].node(next_s)
        if ends not in drawn:
            drawn.add(ends)
            level = VERTEBRAE[int(np.clip(round(s), 0, len(VERTEBRAE) - 1))]
            scale = CROSSLINK_SCALE * group[j].scale
            label = Label(group[j].structure, level, group[j].side, scale=scale)
            sketch.link(label, *ends)


def _arc_round_sac(
    sketch: VeinSketch, label: Label, vertebra: Vertebra, start: int, end: int
) -> None:
    """Draw midway between sac and canal wall, from node to node, round the side or the back."""
    a = (vertebra.sac_semi_axes[0] + vertebra.canal_width / 2) / 2
    b = (vertebra.sac_semi_axes[1] + vertebra.canal_depth / 2) / 2
    ends = vertebra.local(np.stack([sketch.node_xyz[start], sketch.node_xyz[end]]))
    ends[:, 1] -= vertebra.canal_centre_y
    angle = np.arctan2(ends[:, 1] / b, ends[:, 0] / a)
    angle = np.where(angle > np.pi / 2, angle - 2 * np.pi, angle)  # the way never runs in front
    t = np.linspace(0.0, 1.0, RING_POINTS)
    way = angle[0] + t * (angle[1] - angle[0])
    height = ends[0, 2] + t * (ends[1, 2] - ends[0, 2])
    ring = np.stack([a * np.cos(way), b * np.sin(way), height], axis=1)
    ring += ((1 - t) ** 5)[:, None] * (ends[0] - ring[0]) + (t**5)[:, None] * (ends[1] - ring[-1])
    ring[:, 1] += vertebra.canal_centre_y
    sketch.course(label, vertebra.world(ring), start=start, end=end)


def _draw_ring(sketch: VeinSketch, vertebra: Vertebra, columns: EpiduralColumns, s: float) -> None:
    """Draw the ring at mid-body: lateral limbs and the part behind the sac."""
    for side in SIDES:
        label = Label(Structure.VENOUS_RING, vertebra.level, side)
        front, back = columns.anterior[side][-1].node(s), columns.posterior[side][-1].node(s)
        _arc_round_sac(sketch, label, vertebra, front, back)
    label = Label(Structure.VENOUS_RING, vertebra.level, Side.MIDLINE)
    right, left = (_medial(columns.posterior[side], s).node(s) for side in SIDES)
    _arc_round_sac(sketch, label, vertebra, right, left)


def _medial(group: list[Strand], s: float) -> Strand:
    """The most medial strand that reaches `s`."""
    return next(strand for strand in group if strand.first <= s)


def basivertebral_z(vertebra: Vertebra) -> float:
    """Local height of the basivertebral mouth: nearer the upper or the lower rim by level."""
    level = vertebra.level
    upper = level is Level.C2 or Level.T9 <= level <= Level.L4 or level is Level.S1
    shift = plexus_layout()["basivertebral_height"] * vertebra.body_height
    return shift if upper else -shift


def _ask_retrocorporeal(axis: SpineAxis, columns: EpiduralColumns, level: Level) -> float:
    index = index_of(level)
    s = axis.s_of_height(index, basivertebral_z(axis.vertebrae[index]))
    for side in SIDES:
        columns.anterior[side][0].ask(s)
    return s


def _draw_retrocorporeal(
    sketch: VeinSketch,
    vertebra: Vertebra,
    columns: EpiduralColumns,
    s: float,
    variant: Variant,
) -> None:
    """Draw the transverse branch behind the body and name the basivertebral mouths on it."""
    level = vertebra.level
    count = variant.basivertebral_veins(level)
    spacing = plexus_layout()["basivertebral_spacing"]
    mouth_x = spacing * (np.arange(count) - (count - 1) / 2) * (2 if count == 2 else 1)
    right, left = (columns.anterior[side][0].node(s) for side in SIDES)
    label = Label(Structure.RETROCORPOREAL, level, Side.MIDLINE)
    height = basivertebral_z(vertebra)
    y = vertebra.posterior_wall_y - (vertebra.canal_depth / 2 - vertebra.sac_semi_axes[1]) / 2
    inner = [np.array([x, y, height]) for x in mouth_x[::-1]]
    start = right
    for place in inner:
        mouth = sketch.node(vertebra.world(place))
        sketch.name("basivertebral_mouth", level, Side.MIDLINE, mouth)
        sketch.link(label, start, mouth)
        start = mouth
    sketch.link(label, start, left)


ForamenLinks = list[tuple[Label, int, Strand, float]]


def _ask_foramina(sketch: VeinSketch, axis: SpineAxis, columns: EpiduralColumns) -> ForamenLinks:
    """Stops for the links from each foramen's medial nodes: two anterior, one posterior."""
    links: ForamenLinks = []
    for root in ROOTS:
        for side in SIDES:
            nodes = sketch.named_nodes("foramen_medial", root, side)
            superior, anterior, posterior = nodes
            front, back = columns.anterior[side][-1], columns.posterior[side][-1]
            label = Label(Structure.FORAMINAL, root, side, part="main", firm=True)
            s = axis.s_of_point(sketch.node_xyz[superior])
            links.append((label, superior, front, front.ask(s - FORAMEN_SPREAD)))
            label = Label(Structure.FORAMINAL, root, side, part="main")
            s = axis.s_of_point(sketch.node_xyz[anterior])
            links.append((label, anterior, front, front.ask(s + FORAMEN_SPREAD)))
            label = Label(Structure.FORAMINAL, root, side)
            s = axis.s_of_point(sketch.node_xyz[posterior])
            links.append((label, posterior, back, back.ask(s + FORAMEN_SPREAD)))
    return links


def _ask_flaval(
    axis: SpineAxis, columns: EpiduralColumns
) -> list[tuple[Level, Side, Strand, float]]:
    """Stops at the gap between two laminae, where links pass to the posterior external plexus."""
    stops = []
    for i, vertebra in enumerate(axis.vertebrae[:-1]):
        for side in SIDES:
            strand = columns.posterior[side][-1]
            stops.append((vertebra.level, side, strand, strand.ask(axis.flaval_s(i))))
    return stops


def _end_columns(sketch: VeinSketch, columns: EpiduralColumns) -> None:
    """Name the tops for the foramen magnum; below S1 the sacral plexus feeds the columns."""
    for side in SIDES:
        for front in columns.anterior[side]:
            sketch.name("epidural_top", Level.C1, side, front.node(front.first))
        back = columns.posterior[side][-1]
        sketch.name("epidural_back_top", Level.C1, side, back.node(back.first))
        for where, group in (("anterior", columns.anterior), ("posterior", columns.posterior)):
            for number, strand in enumerate(group[side], start=1):
                name = f"sacral plexus {where} {number} {side.name.lower()}"
                sketch.terminal(strand.node(strand.last), TerminalKind.TRIBUTARY, name)
