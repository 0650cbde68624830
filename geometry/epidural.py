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
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from geometry.calibres import vein_kinds, vein_number
from geometry.canal_curve import SpineAxis, index_of
from geometry.kernels.sketch import ALONG, BOWED
from geometry.levels import ROOTS, SIDES, VERTEBRAE, Level, Side, vertebra_above
from geometry.network import TerminalKind
from geometry.plexus_layout import plexus_layout
from geometry.skeleton import Skeleton
from geometry.sketch import Label, VeinSketch
from geometry.strand import LEVEL_CODES, Strand
from geometry.structures import Structure
from geometry.variants import Variant
from geometry.vertebra import Vertebra

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

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
    mid_body = np.arange(float(len(VERTEBRAE)))
    for group in groups:
        for strand in group:
            strand.ask_all(mid_body)
    retro = _ask_retrocorporeal(axis, columns)
    foramina = _ask_foramina(sketch, axis, columns)
    flaval = axis.flaval_s(np.arange(len(VERTEBRAE) - 1))
    for side in SIDES:
        columns.posterior[side][-1].ask_all(flaval)
    for group in groups:
        for strand in group:
            strand.draw(sketch)
    for group, links in cross:
        for j, (s, next_s) in enumerate(links):
            _draw_crosslinks(sketch, group[j], group[j + 1], s, next_s)
    _draw_rings(sketch, axis, columns)
    ends = np.stack([columns.anterior[side][0].nodes(retro) for side in SIDES], axis=1)
    for level, (right, left) in zip(VERTEBRAE[1:], ends.tolist(), strict=True):
        _draw_retrocorporeal(sketch, skeleton.vertebra(level), right, left, variant)
    _draw_foramina(sketch, axis, foramina)
    for side in SIDES:
        nodes = columns.posterior[side][-1].nodes(flaval).tolist()
        for level, node in zip(VERTEBRAE[:-1], nodes, strict=True):
            sketch.name("epidural_flaval", level, side, node)
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
            bow, sideways, forwards = _bow(s), aside(s), ahead(s) - deeper

            def at(i: IntArray) -> tuple[FloatArray, FloatArray]:
                x = at_pedicle[i] + bow * (at_disc - at_pedicle)[i] + place + sideways
                return side * x, y[i] + forwards

            return axis.world(s, at)

        jitter = np.exp(layout["calibre_jitter_sd_ln"] * rng.standard_normal())
        scale = ANTERIOR_SHARES[j] * float(jitter)
        strands.append(Strand(Structure.ANTERIOR_EPIDURAL, side, curve, 0.0, last, scale))
    return strands


def _posterior_strands(axis: SpineAxis, side: Side, rng: np.random.Generator) -> list[Strand]:
    """Two strands a side (one in the neck is the lateral one); inverted V at each lamina."""
    layout = plexus_layout()
    high, low = layout["posterior_x_high"], layout["posterior_x_low"]
    spacing, amplitude = layout["posterior_spacing"], layout["anterior_strand_wander"]
    middle, centre = axis.epidural_semi_axes.T, axis.canal_centre_y
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

            def at(i: IntArray) -> tuple[FloatArray, FloatArray]:
                ratio = np.minimum(x / middle[0][i], 0.95)
                return side * x, centre[i] - middle[1][i] * np.sqrt(1 - ratio**2)

            return axis.world(s, at)

        first = 0.0 if j == 1 else thoracic
        scale = POSTERIOR_SHARES[j]
        strands.append(Strand(Structure.POSTERIOR_EPIDURAL, side, curve, first, last, scale))
    return strands


Crosslinks = list[tuple[FloatArray, FloatArray]]
"""Of each strand to the next: stops on the one and on the other."""


def _ask_crosslinks(group: list[Strand], rng: np.random.Generator) -> Crosslinks:
    """Irregular oblique links between neighbouring strands."""
    layout = plexus_layout()
    per_half, slant = int(layout["crosslinks_per_half"]), layout["crosslink_slant"]
    links = []
    for one, two in pairwise(group):
        half = np.arange(int(2 * max(one.first, two.first)), 2 * (len(VERTEBRAE) - 1))
        place, lean = np.split(rng.random((len(half), 2 * per_half)), 2, axis=1)
        slots = (np.arange(per_half) + (0.25 + 0.5 * place)) / per_half
        s = (half[:, None] / 2 + slots / 2).ravel()
        lean = slant * (2.0 * lean - 1.0).ravel()
        links.append((one.ask_all(s - lean), two.ask_all(s + lean)))
    return links


def _draw_crosslinks(
    sketch: VeinSketch, one: Strand, two: Strand, s: FloatArray, next_s: FloatArray
) -> None:
    """Draw links between two strands; several between the same nodes are one."""
    ends = np.stack([one.nodes(s), two.nodes(next_s)], axis=1)
    _, first = np.unique(ends, axis=0, return_index=True)
    first.sort()
    level = LEVEL_CODES[np.clip(np.rint(s[first]).astype(np.int64), 0, len(VERTEBRAE) - 1)]
    kind = vein_kinds().by_level(one.structure, one.side)[level]
    sketch.draw(kind, ends[first, 0], ends[first, 1], scale=CROSSLINK_SCALE * one.scale)


def _arcs_round_sac(
    sketch: VeinSketch, axis: SpineAxis, index: IntArray, start: IntArray, end: IntArray
) -> IntArray:
    """Note curves midway between sac and canal wall, from node to node (k,), in the frames `index`.

    They run round the side or the back. Returns the first row of each, of `RING_POINTS`.
    """
    a, b = axis.epidural_semi_axes[index].T[:, :, None]
    centre = axis.canal_centre_y[index, None]
    origin, axes = axis.origin[index], axis.axes[index]
    nodes = sketch.node_xyz.xyz[np.stack([start, end], axis=1)]
    ends = np.einsum("nei,nji->nej", nodes - origin[:, None], axes)
    ends[:, :, 1] -= centre
    angle = np.arctan2(ends[:, :, 1] / b, ends[:, :, 0] / a)
    angle = np.where(angle > np.pi / 2, angle - 2 * np.pi, angle)  # the way never runs in front
    t = np.linspace(0.0, 1.0, RING_POINTS)
    way = angle[:, :1] + t * (angle[:, 1:] - angle[:, :1])
    height = ends[:, :1, 2] + t * (ends[:, 1:, 2] - ends[:, :1, 2])
    ring = np.stack([a * np.cos(way), b * np.sin(way), height], axis=2)
    from_start, from_end = ends[:, :1] - ring[:, :1], ends[:, 1:] - ring[:, -1:]
    ring += ((1 - t) ** 5)[:, None] * from_start + (t**5)[:, None] * from_end
    ring[:, :, 1] += centre
    world = np.einsum("nki,nij->nkj", ring, axes) + origin[:, None]
    return sketch.curve(world.reshape(-1, 3)) + RING_POINTS * np.arange(len(index))


def _draw_rings(sketch: VeinSketch, axis: SpineAxis, columns: EpiduralColumns) -> None:
    """Draw the rings at mid-body: lateral limbs and the part behind the sac."""
    s, count = np.arange(float(len(VERTEBRAE))), len(VERTEBRAE)
    start, end, kind = [], [], []
    for side in SIDES:
        start.append(columns.anterior[side][-1].nodes(s))
        end.append(columns.posterior[side][-1].nodes(s))
        kind.append(vein_kinds().by_level(Structure.VENOUS_RING, side)[LEVEL_CODES])
    right, left = (_medial(columns.posterior[side], s) for side in SIDES)
    start.append(right)
    end.append(left)
    kind.append(vein_kinds().by_level(Structure.VENOUS_RING, Side.MIDLINE)[LEVEL_CODES])
    start_node, end_node = (np.stack(nodes, axis=1).ravel() for nodes in (start, end))
    first = _arcs_round_sac(sketch, axis, np.repeat(np.arange(count), 3), start_node, end_node)
    sketch.draw(
        np.stack(kind, axis=1).ravel(), start_node, end_node,
        way=ALONG, first=first, after=first + RING_POINTS,
    )  # fmt: skip


def _medial(group: list[Strand], s: FloatArray) -> IntArray:
    """Nodes (k,) at `s` (k,) on the most medial strand that reaches there."""
    nodes = group[-1].nodes(s)
    for strand in reversed(group[:-1]):
        nodes = np.where(strand.first <= s, strand.nodes(s), nodes)
    return nodes


def basivertebral_z(vertebra: Vertebra) -> float:
    """Local height of the basivertebral mouth: nearer the upper or the lower rim by level."""
    level = vertebra.level
    upper = level is Level.C2 or Level.T9 <= level <= Level.L4 or level is Level.S1
    shift = plexus_layout()["basivertebral_height"] * vertebra.body_height
    return shift if upper else -shift


def _ask_retrocorporeal(axis: SpineAxis, columns: EpiduralColumns) -> FloatArray:
    """Stops at the height of the basivertebral mouths, C2 to S1."""
    heights = [(i, basivertebral_z(axis.vertebrae[i])) for i in range(1, len(VERTEBRAE))]
    s = np.array([axis.s_of_height(i, z) for i, z in heights])
    for side in SIDES:
        columns.anterior[side][0].ask_all(s)
    return s


def _draw_retrocorporeal(
    sketch: VeinSketch, vertebra: Vertebra, right: int, left: int, variant: Variant
) -> None:
    """Draw the transverse branch behind the body and name the basivertebral mouths on it."""
    level = vertebra.level
    count = variant.basivertebral_veins(level)
    spacing = plexus_layout()["basivertebral_spacing"]
    mouth_x = spacing * (np.arange(count) - (count - 1) / 2) * (2 if count == 2 else 1)
    y = vertebra.posterior_wall_y - (vertebra.canal_depth / 2 - vertebra.sac_semi_axes[1]) / 2
    local = np.full((count, 3), (0.0, y, basivertebral_z(vertebra)))
    local[:, 0] = mouth_x[::-1]
    first = sketch.node_xyz.extend(vertebra.world(local))
    mouths = range(first, first + count)
    label = Label(Structure.RETROCORPOREAL, level, Side.MIDLINE)
    for start, end in pairwise([right, *mouths, left]):
        sketch.link(label, start, end)
    for mouth in mouths:
        sketch.name("basivertebral_mouth", level, Side.MIDLINE, mouth)


@dataclass(frozen=True)
class ForamenLinks:
    """Links from the medial nodes of all foramina, (48,) each: two anterior, one posterior.

    `nodes` (48, 3), and by strand the stops (24, 3).
    """

    nodes: IntArray
    strands: dict[Side, tuple[Strand, Strand, Strand]]
    stops: dict[Side, FloatArray]


def _ask_foramina(sketch: VeinSketch, axis: SpineAxis, columns: EpiduralColumns) -> ForamenLinks:
    """Stops for the links from each foramen's medial nodes."""
    nodes = np.array(
        [sketch.named_nodes("foramen_medial", root, side) for root in ROOTS for side in SIDES]
    )
    s = axis.s_of_points(sketch.node_xyz.xyz[nodes.ravel()]).reshape(len(ROOTS), len(SIDES), 3)
    s += np.array([-FORAMEN_SPREAD, FORAMEN_SPREAD, FORAMEN_SPREAD])
    strands, stops = {}, {}
    for i, side in enumerate(SIDES):
        front, back = columns.anterior[side][-1], columns.posterior[side][-1]
        strands[side] = front, front, back
        stops[side] = np.stack(
            [strand.ask_all(s[:, i, k]) for k, strand in enumerate(strands[side])], axis=1
        )
    return ForamenLinks(nodes, strands, stops)


def _draw_foramina(sketch: VeinSketch, axis: SpineAxis, links: ForamenLinks) -> None:
    """Draw the links to the foramina; the posterior ones run round the sac."""
    by_side = np.empty((len(ROOTS), len(SIDES), 3), dtype=np.int64)
    for i, side in enumerate(SIDES):
        for k, strand in enumerate(links.strands[side]):
            by_side[:, i, k] = strand.nodes(links.stops[side][:, k])
    ends = by_side.reshape(-1, 3)
    upper = np.repeat([index_of(vertebra_above(root)) for root in ROOTS], len(SIDES))
    row = _arcs_round_sac(sketch, axis, upper, links.nodes[:, 2], ends[:, 2])
    first = np.zeros_like(ends)
    first[:, 2] = row
    after = np.zeros_like(ends)
    after[:, 2] = row + RING_POINTS
    sketch.draw(
        _foramen_kinds().ravel(), links.nodes.ravel(), ends.ravel(),
        way=np.tile([BOWED, BOWED, ALONG], len(ends)), first=first.ravel(), after=after.ravel(),
        firm=np.tile([True, False, False], len(ends)),
    )  # fmt: skip


@cache
def _foramen_kinds() -> IntArray:
    """Numbers (48, 3) of the three links among the calibres."""
    return np.array(
        [
            [vein_number(Structure.FORAMINAL, root, side, part) for part in ("main", "main", "")]
            for root in ROOTS
            for side in SIDES
        ]
    )


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
