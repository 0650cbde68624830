"""Neck: paravertebral plexus round the vertebral artery, vertebral, deep cervical, jugular veins.

C1 to C6 the vertebral vein is the main strand of a plexus; below it is a single channel in front
of the transverse process of C7, with a valve at its mouth.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from geometry.calibres import calibre_row
from geometry.courses import course
from geometry.great_veins import GreatVeins
from geometry.joins import Joins
from geometry.levels import SIDES, Level, Side, vertebra_above, vertebra_below
from geometry.network import TerminalKind
from geometry.structures import Structure
from geometry.trunk import Course, Trunks, Waypoint
from geometry.variants import Variant

FloatArray = NDArray[np.float64]

ARTERY_RADIUS_MM = 2.0
"""Radius of the vertebral artery (diameter 3.5 to 4 mm; estimate)."""
ARTERY_X_MM = 11.5
ARTERY_BESIDE_PEDICLE_MM = 5.5
"""The artery lies this far lateral of the canal, and at least this far of the pedicle."""
ARTERY_Y_MM = 1.0
STRAND_GAP_MM = 0.4
VALVE_FROM_MOUTH_MM = 10.0
PLEXUS_ROOTS = (Level.C2, Level.C3, Level.C4, Level.C5, Level.C6)
CERVICAL_ROOTS = (*PLEXUS_ROOTS, Level.C7, Level.C8)


def build_neck(
    trunks: Trunks,
    variant: Variant,
    rng: np.random.Generator,
    joins: Joins,
    great: GreatVeins,
) -> None:
    """Lay the veins of the neck of both sides."""
    for side in SIDES:
        _build_jugular(trunks, variant, joins, great, side)
        suboccipital = trunks.builder.node(course("suboccipital")[0].place(trunks.skeleton, side))
        joins.add("vertebral_vein", Level.C1, side, suboccipital)
        trunk_top = _build_plexus(trunks, variant, rng, joins, suboccipital, side)
        mouth = _build_vertebral_trunk(trunks, variant, joins, great, trunk_top, side)
        _build_deep_cervical(trunks, joins, suboccipital, mouth, side)
        _build_condylar(trunks, variant, joins, suboccipital, side)


def _build_jugular(
    trunks: Trunks, variant: Variant, joins: Joins, great: GreatVeins, side: Side
) -> None:
    """Internal jugular vein from above its bulb to the brachiocephalic vein."""
    way = [
        Waypoint(p.place(trunks.skeleton, side), p.level, stop=True)
        for p in course("internal_jugular")
    ]
    end = trunks.at(great.brachiocephalic_start[side], Level.T1)
    laid = trunks.lay(Structure.INTERNAL_JUGULAR, side, [*way, end])
    trunks.builder.terminal(laid.nodes[0], TerminalKind.TRIBUTARY, f"jugular {side.name.lower()}")
    joins.add("jugular_bulb", Level.C1, side, laid.nodes[1])
    if side in variant.jugular_valves:
        trunks.builder.valve(laid.branches[-1], laid.lengths[-1] - VALVE_FROM_MOUTH_MM, +1)


def _artery(trunks: Trunks, level: Level, side: Side) -> FloatArray:
    """Vertebral artery in the transverse foramen of a vertebra, (3,) world."""
    vertebra = trunks.skeleton.vertebra(level)
    beside = max(ARTERY_X_MM, vertebra.pedicle_width + ARTERY_BESIDE_PEDICLE_MM)
    return vertebra.world([side * (vertebra.canal_width / 2 + beside), ARTERY_Y_MM, 0.0])


def _build_plexus(
    trunks: Trunks,
    variant: Variant,
    rng: np.random.Generator,
    joins: Joins,
    suboccipital: int,
    side: Side,
) -> int:
    """Net of strands round the artery, ringed at every foramen; returns its lower end.

    Strand 0 is the vertebral vein, towards the foramina; it is always there.
    """
    builder = trunks.builder
    strands = calibre_row(Structure.PARAVERTEBRAL, Level.C4, side).strands
    radius = trunks.calibres.radius(Structure.PARAVERTEBRAL, Level.C4, side)
    distance = ARTERY_RADIUS_MM + radius + STRAND_GAP_MM
    angle = np.radians(225.0) + 2 * np.pi * np.arange(strands) / strands
    around = distance * np.stack(
        [side * np.cos(angle), np.sin(angle), np.zeros(strands)], axis=1
    )  # angle 225 degrees: medial and behind
    rings: dict[Level, list[int]] = {}
    courses: list[Course] = []
    for root in PLEXUS_ROOTS:
        above = _artery(trunks, vertebra_above(root), side)
        below = _artery(trunks, vertebra_below(root), side)
        rings[root] = [builder.node(xyz) for xyz in (above + below) / 2 + around]
        joins.add("vertebral_vein", root, side, rings[root][0])
        for i, node in enumerate(rings[root]):
            way = [trunks.at(node, root), trunks.at(rings[root][(i + 1) % strands], root)]
            courses.append(Course(Structure.PARAVERTEBRAL, side, way, place=i))
    c6 = _artery(trunks, Level.C6, side)
    end = builder.node(c6 - [0.0, 0.0, trunks.skeleton.vertebra(Level.C6).body_height / 2])

    def strand(i: int, start: int, stop: int, level: Level) -> None:
        if i > 0 and rng.random() >= variant.strand_probability:
            return
        structure = Structure.VERTEBRAL_VEIN if i == 0 else Structure.PARAVERTEBRAL
        through = Waypoint(_artery(trunks, level, side) + around[i], level)
        way = [trunks.at(start, level), through, trunks.at(stop, level)]
        courses.append(Course(structure, side, way, place=strands + i))

    for i in range(strands):
        strand(i, suboccipital, rings[Level.C2][i], Level.C1)
        for upper, lower in pairwise(PLEXUS_ROOTS):
            strand(i, rings[upper][i], rings[lower][i], vertebra_below(upper))
        strand(i, rings[Level.C6][i], end, Level.C6)
    trunks.lay_all(courses)
    return end


def _build_vertebral_trunk(
    trunks: Trunks, variant: Variant, joins: Joins, great: GreatVeins, top: int, side: Side
) -> int:
    """Vertebral vein below C6; returns the node above its mouth."""
    skeleton = trunks.skeleton
    mouth = course("vertebral_vein_mouth")[0]
    way = [Waypoint(p.place(skeleton, side), p.level, stop=True) for p in course("vertebral_vein")]
    laid = trunks.lay(
        Structure.VERTEBRAL_VEIN,
        side,
        [
            trunks.at(top, Level.C7),
            *way,
            Waypoint(mouth.place(skeleton, side), Level.T1, stop=True),
            trunks.at(great.brachiocephalic_back[side], Level.T1),
        ],
    )
    joins.add("vertebral_vein", Level.C7, side, laid.nodes[1])
    joins.add("vertebral_vein", Level.C8, side, laid.nodes[2])
    if side in variant.vertebral_valves:
        trunks.builder.valve(laid.branches[-1], laid.lengths[-1] / 2, +1)
    return laid.nodes[3]


def _build_deep_cervical(
    trunks: Trunks, joins: Joins, suboccipital: int, end: int, side: Side
) -> None:
    """Deep cervical vein from the suboccipital plexus to the lower end of the vertebral vein."""
    skeleton, point = trunks.skeleton, course("deep_cervical")[0]

    def beside(root: Level) -> FloatArray:
        above, below = (
            point.place(skeleton, side, level=level)
            for level in (vertebra_above(root), vertebra_below(root))
        )
        return np.asarray((above + below) / 2)

    top = trunks.builder.node(course("deep_cervical_top")[0].place(skeleton, side))
    way = [Waypoint(beside(root), root, stop=True) for root in CERVICAL_ROOTS]
    leave = Waypoint(course("deep_cervical_exit")[0].place(skeleton, side), Level.T1)
    laid = trunks.lay(
        Structure.DEEP_CERVICAL,
        side,
        [trunks.at(top, Level.C1), *way, leave, trunks.at(end, Level.T1)],
    )
    for root, node in zip(CERVICAL_ROOTS, laid.nodes[1:], strict=False):
        joins.add("deep_cervical", root, side, node)
    way = [trunks.at(suboccipital, Level.C1), trunks.at(top, Level.C1)]
    trunks.lay(Structure.DEEP_CERVICAL, side, way)
    trunks.builder.terminal(top, TerminalKind.TRIBUTARY, f"occipital {side.name.lower()}")


def _build_condylar(
    trunks: Trunks, variant: Variant, joins: Joins, suboccipital: int, side: Side
) -> None:
    """Posterior condylar vein to the suboccipital plexus, anterior one to the hypoglossal canal."""
    bulb = trunks.at(joins.node("jugular_bulb", Level.C1, side), Level.C1)
    inner = suboccipital
    if side in variant.condylar:
        first, last = (
            Waypoint(p.place(trunks.skeleton, side), Level.C1, stop=p is course("condylar")[-1])
            for p in course("condylar")
        )
        laid = trunks.lay(
            Structure.CONDYLAR, side, [bulb, first, last, trunks.at(suboccipital, Level.C1)]
        )
        inner = laid.nodes[1]
    joins.add("condylar", Level.C1, side, inner)
    canal = trunks.builder.node(course("anterior_condylar")[0].place(trunks.skeleton, side))
    trunks.lay(Structure.CONDYLAR, side, [trunks.at(canal, Level.C1), bulb], part="anterior")
    joins.add("anterior_condylar", Level.C1, side, canal)
