"""Foraminal plexus: strands all round the root sleeve, tied by circumferential links.

Looking from the side into a right foramen (theta = 0 cranial, + anterior)::

        superior main
      o       O       o          strands run along the sleeve, 1-2 mm outside it; the two
     posterior (sleeve)  O       main ones lie above and in front. Medially three of them go on
      o               anterior   to the epidural columns, laterally three to the segmental vein
          o       o     main     (neck: the vertebral vein).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from geometry.calibres import vein_number
from geometry.joins import Joins
from geometry.kernels.around_sleeve import SleeveFrames, lay_between, project, surround
from geometry.kernels.sketch import ALONG, BOWED, GIVEN
from geometry.levels import ROOTS, SIDES, Level, Side
from geometry.network import NetworkBuilder, TerminalKind
from geometry.plexus_layout import plexus_layout
from geometry.root_sleeve import RootSleeve, joined_frames
from geometry.skeleton import Skeleton
from geometry.sketch import VeinSketch
from geometry.structures import Structure
from geometry.variants import Variant

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MAIN = (0, 1)
"""Strands that are main ones: the superior and the next, anterior one."""
RINGS = ("medial", "middle", "lateral")
"""Thirds of the foramen, each with a ring of nodes: one a strand."""
LATERAL_LINKS = 3
"""Strands that go on laterally, from the first: the first one of them is a main one."""
HAZARDS = ("anterior", "posterior", "great")
STUB_POINTS = 8
FORAMINA: tuple[tuple[Level, Side], ...] = tuple((root, side) for root in ROOTS for side in SIDES)


@dataclass(frozen=True)
class _Plexus:
    """Nodes and veins about one sleeve.

    Attributes
    ----------
    place : (3 * count, 3) fraction, rho, theta of the nodes, ring by ring
    one, two : (v,) nodes of the veins, by their place
    turn : (v,) rad, added to theta of the second: rings close
    main : (v,) flags
    scale : (v,) calibre over that of the table
    """

    count: int
    place: FloatArray
    one: IntArray
    two: IntArray
    turn: FloatArray
    main: NDArray[np.bool_]
    scale: FloatArray

    @property
    def theta(self) -> FloatArray:
        """Angles (count,) of the strands at the medial ring."""
        return self.place[: self.count, 2]


@dataclass(frozen=True)
class _Stub:
    """The stub of a radiculomedullary vein, from a node of the medial ring to the dura."""

    foramen: int
    strand: int
    kind: str


def draw_foraminal(
    sketch: VeinSketch,
    skeleton: Skeleton,
    variant: Variant,
    builder: NetworkBuilder,
    joins: Joins,
    rng: np.random.Generator,
) -> None:
    """Draw the plexus of every foramen; names foramen_medial and foramen_lateral nodes.

    Segmental veins must be there. Medial nodes are listed superior, anterior, posterior.
    """
    hazards, frames = _hazards(variant, rng), sleeve_frames(skeleton)
    sleeves = [skeleton.root_sleeve(*foramen) for foramen in FORAMINA]
    plexuses = _draw_plexuses(sleeves, rng)
    stubs = [
        _Stub(i, _hazard_strand(plexuses[i].theta, kind), kind)
        for i, foramen in enumerate(FORAMINA)
        for kind in HAZARDS
        if foramen in hazards[kind]
    ]
    which = np.repeat(np.arange(len(sleeves)), [len(p.place) for p in plexuses])
    xyz = surround(frames, which, np.concatenate([p.place for p in plexuses]))
    first = np.concatenate([[0], np.cumsum([len(p.place) for p in plexuses])])
    begin = xyz[[first[stub.foramen] + stub.strand for stub in stubs]]
    curves = _stub_curves(sketch, frames, sleeves, stubs, begin)

    node = np.empty(len(plexuses), dtype=np.int64)  # the first of each plexus
    target = np.empty_like(node)
    stub_end, drawn = np.empty(len(stubs), dtype=np.int64), 0
    for i, (root, side) in enumerate(FORAMINA):
        plexus = plexuses[i]
        node[i] = sketch.node_xyz.extend(xyz[first[i] : first[i + 1]])
        if root <= Level.C8:
            target[i] = sketch.anchor(builder, joins["vertebral_vein", root, side])
        else:
            (target[i],) = sketch.named_nodes("segmental_junction", root, side)
        posterior = int(np.abs(np.mod(plexus.theta, 2 * np.pi) - 1.5 * np.pi).argmin())
        for strand in (*MAIN, posterior):
            sketch.name("foramen_medial", root, side, int(node[i]) + strand)
        for strand in range(LATERAL_LINKS):
            lateral = int(node[i]) + (len(RINGS) - 1) * plexus.count + strand
            sketch.name("foramen_lateral", root, side, lateral)
        while drawn < len(stubs) and stubs[drawn].foramen == i:
            end = sketch.node(curves[drawn, -1])
            name = f"radiculomedullary {root.name} {side.name.lower()} {stubs[drawn].kind}"
            sketch.terminal(end, TerminalKind.HAZARD, name)
            stub_end[drawn], drawn = end, drawn + 1
    _draw_veins(sketch, frames, plexuses, node, target, stubs, stub_end, curves)


@cache
def sleeve_frames(skeleton: Skeleton) -> SleeveFrames:
    """All sleeves, in the order of :data:`FORAMINA`."""
    return joined_frames(skeleton.root_sleeve(*foramen) for foramen in FORAMINA)


@cache
def _kinds() -> tuple[IntArray, IntArray]:
    """Numbers of the foraminal veins among the calibres, of plain and of main ones."""
    plain = [vein_number(Structure.FORAMINAL, *foramen) for foramen in FORAMINA]
    main = [vein_number(Structure.FORAMINAL, *foramen, "main") for foramen in FORAMINA]
    return np.array(plain), np.array(main)


def _hazards(variant: Variant, rng: np.random.Generator) -> dict[str, set[tuple[Level, Side]]]:
    """Roots with a radiculomedullary vein, by kind: the mean number, at random roots."""
    layout = plexus_layout()
    hazards = {"great": {variant.great_radiculomedullary}}
    for kind in ("anterior", "posterior"):
        count = round(layout[f"radiculomedullary_{kind}_probability"] * len(FORAMINA))
        chosen = rng.choice(len(FORAMINA), size=count, replace=False)
        hazards[kind] = {FORAMINA[i] for i in chosen}
    return hazards


def _hazard_strand(theta: FloatArray, kind: str) -> int:
    """Strand from which a radiculomedullary vein leaves."""
    if kind == "great":
        return 2
    towards = -np.pi / 2 if kind == "posterior" else np.pi / 2
    return int(np.abs(np.angle(np.exp(1j * (theta - towards)))).argmin())


def _draw_plexuses(sleeves: list[RootSleeve], rng: np.random.Generator) -> list[_Plexus]:
    """Place nodes and veins about every sleeve; those with as many strands are drawn together."""
    layout = plexus_layout()
    middle_gap = (layout["strand_gap_least"] + layout["strand_gap_most"]) / 2
    circle = 2 * np.pi * (np.array([float(sleeve.radius) for sleeve in sleeves]) + middle_gap)
    most = int(layout["strands_most"])
    counts = np.rint(circle / layout["strand_spacing"]).astype(np.int64)
    counts = np.clip(counts, int(layout["strands_least"]), most)
    plexuses: dict[int, _Plexus] = {}
    for count in np.unique(counts).tolist():
        alike = np.flatnonzero(counts == count).tolist()
        radius = np.array([float(sleeves[i].radius) for i in alike])
        plexuses.update(zip(alike, _draw_alike(count, radius, rng), strict=True))
    return [plexuses[i] for i in range(len(sleeves))]


def _draw_alike(count: int, radius: FloatArray, rng: np.random.Generator) -> Iterator[_Plexus]:
    """Yield plexuses of `count` strands about sleeves of `radius` (g,) mm."""
    layout, rings, number = plexus_layout(), len(RINGS), len(radius)
    even, strand, (here, beside, turn) = _pattern(count)
    turned, out, shifted = rng.random((3, number, rings, count))
    place = np.empty((number, rings, count, 3))
    place[..., 0] = even[:, :, 0] + layout["ring_jitter"] * (2.0 * shifted - 1.0)
    least, most = layout["strand_gap_least"], layout["strand_gap_most"]
    place[..., 1] = radius[:, None, None] + (least + (most - least) * out)
    jitter = np.radians(layout["strand_jitter_deg"])
    place[..., 2] = even[:, :, 1] + jitter * (2.0 * turned - 1.0)
    normal = rng.standard_normal((number, 2, rings, count))
    scale = np.exp(layout["calibre_jitter_sd_ln"] * normal)
    along, around = scale[:, 0, :-1].reshape(number, -1), layout["ring_scale"] * scale[:, 1]
    # one gap a ring, never at the same place
    gaps = rng.permuted(np.tile(np.arange(count), (number, 1)), axis=1)[:, :rings]
    keep = np.ones((number, rings, count), dtype=bool)
    keep[np.arange(number)[:, None], np.arange(rings), gaps] = False
    main = strand % count <= MAIN[-1]
    links = rings * (count - 1)
    for i in range(number):
        drawn = keep[i].ravel()
        yield _Plexus(
            count=count,
            place=place[i].reshape(-1, 3),
            one=np.concatenate([strand, here[drawn]]),
            two=np.concatenate([strand + count, beside[drawn]]),
            turn=np.concatenate([np.zeros(len(strand)), turn[drawn]]),
            main=np.concatenate([main, np.zeros(links, dtype=bool)]),
            scale=np.concatenate([along[i], around[i].ravel()[drawn]]),
        )


@cache
def _pattern(count: int) -> tuple[FloatArray, IntArray, tuple[IntArray, IntArray, FloatArray]]:
    """What plexuses of so many strands share.

    Fraction and theta of the nodes before they are moved at random, (3, count, 2); first nodes of
    the veins along the strands; first and second nodes of the links round the rings, and the turn
    that closes them.
    """
    layout = plexus_layout()
    even = np.empty((len(RINGS), count, 2))
    even[:, :, 0] = np.array([layout[f"ring_{third}"] for third in RINGS])[:, None]
    even[:, :, 1] = np.radians(layout["strand_first_deg"]) + 2 * np.pi * np.arange(count) / count
    node = np.arange(len(RINGS) * count)
    after = (node % count + 1) % count
    return even, node[:-count], (node, node - node % count + after, 2 * np.pi * (after == 0))


def _stub_curves(
    sketch: VeinSketch,
    frames: SleeveFrames,
    sleeves: list[RootSleeve],
    stubs: list[_Stub],
    begin: FloatArray,
) -> FloatArray:
    """Curves (k, STUB_POINTS, 3) of the radiculomedullary stubs."""
    layout = plexus_layout()
    foramen = np.array([stub.foramen for stub in stubs])
    place = project(frames, foramen, begin)
    end = place.copy()
    end[:, 0] = layout["radiculomedullary_end"]
    radius = np.array([sleeves[i].radius for i in foramen])
    end[:, 1] = radius + layout["radiculomedullary_gap"] + sketch.calibres.radii[_stub_kinds(stubs)]
    t = np.linspace(0.0, 1.0, STUB_POINTS)[:, None]
    ways = place[:, None] + t * (end - place)[:, None]
    curves = surround(frames, np.repeat(foramen, STUB_POINTS), ways.reshape(-1, 3))
    curves = curves.reshape(len(stubs), STUB_POINTS, 3)
    curves[:, 0] = begin
    return curves


def _stub_kinds(stubs: list[_Stub]) -> IntArray:
    """Numbers of the stubs among the calibres."""
    return np.array(
        [
            vein_number(
                Structure.RADICULOMEDULLARY, *FORAMINA[stub.foramen],
                "great" if stub.kind == "great" else "",
            )
            for stub in stubs
        ]
    )  # fmt: skip


def _draw_veins(
    sketch: VeinSketch,
    frames: SleeveFrames,
    plexuses: list[_Plexus],
    node: IntArray,
    target: IntArray,
    stubs: list[_Stub],
    stub_end: IntArray,
    curves: FloatArray,
) -> None:
    """Draw, foramen by foramen: strands and rings, lateral links, stubs."""
    plain, main = _kinds()
    every = np.arange(len(plexuses))
    which = np.repeat(every, [len(p.one) for p in plexuses])
    place = np.concatenate([p.place for p in plexuses])
    first_place = np.cumsum([0] + [len(p.place) for p in plexuses])[which]
    one, two = (np.concatenate([getattr(p, end) for p in plexuses]) for end in ("one", "two"))
    from_place, to_place = place[first_place + one], place[first_place + two]
    to_place[:, 2] += np.concatenate([p.turn for p in plexuses])
    points, start = lay_between(frames, which, from_place, to_place)
    row = sketch.curve(points)
    is_main = np.concatenate([p.main for p in plexuses])

    last_ring = (len(RINGS) - 1) * np.array([p.count for p in plexuses])
    link = np.repeat(every, LATERAL_LINKS)
    strand = np.tile(np.arange(LATERAL_LINKS), len(plexuses))
    foramen = np.array([stub.foramen for stub in stubs])
    stub_row = sketch.curve(curves.reshape(-1, 3)) + STUB_POINTS * np.arange(len(stubs))

    order = np.argsort(np.concatenate([which, link, foramen]), kind="stable")
    nothing, no_link = np.zeros(len(link), dtype=np.int64), np.zeros(len(link))
    columns = {
        "kind": [
            np.where(is_main, main[which], plain[which]),
            np.where(strand == 0, main[link], plain[link]),
            _stub_kinds(stubs),
        ],
        "start": [
            node[which] + one,
            (node + last_ring)[link] + strand,
            node[foramen] + np.array([stub.strand for stub in stubs]),
        ],
        "end": [node[which] + two, target[link], stub_end],
        "way": [
            np.full(len(which), GIVEN), np.full(len(link), BOWED), np.full(len(stubs), ALONG)
        ],
        "first": [row + start[:-1], nothing, stub_row],
        "after": [row + start[1:], nothing, stub_row + STUB_POINTS],
        "scale": [
            np.concatenate([p.scale for p in plexuses]), no_link + 1.0, np.ones(len(stubs))
        ],
        "firm": [
            np.zeros(len(which), dtype=bool), strand == 0, np.ones(len(stubs), dtype=bool)
        ],
    }  # fmt: skip
    sketch.draw(**{name: np.concatenate(parts)[order] for name, parts in columns.items()})
