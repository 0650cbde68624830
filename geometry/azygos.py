"""Azygos system: azygos and arch, hemiazygos veins, superior and supreme intercostal veins.

Blood flows along every branch from its start to its end.
"""

import numpy as np
from numpy.typing import NDArray

from geometry.courses import control_point, course
from geometry.great_veins import GreatVeins
from geometry.joins import Joins
from geometry.levels import SIDES, Level, Side
from geometry.structures import Structure
from geometry.trunk import LaidTrunk, Trunks, Waypoint
from geometry.variants import AzygosCourse, SupremeEnd, Variant

FloatArray = NDArray[np.float64]

RIGHT_COURSE_MM = 10.0
"""Distance of a wholly right azygos from the midline: 9 to 12 mm (Bales 2014)."""
ARCH_VALVE_MM = 36.0
"""Distance of the arch's valve from the SVC (PMC3678575)."""
CROSSING_RISE = 0.3
"""The hemiazygos crosses this much above mid-body, the accessory below, in body heights."""
ARCH_RISE_MM = 5.0
"""How far the arch rises above the disc where it leaves the column (estimate)."""


def build_azygos(trunks: Trunks, variant: Variant, joins: Joins, great: GreatVeins) -> None:
    """Lay the azygos system; makes the segmental mouths T1 to T12 of both sides."""
    crossings = _build_right(trunks, variant, joins, great)
    _build_left(trunks, variant, joins, great, crossings)
    for side in SIDES:
        _build_supreme(trunks, variant, joins, great, side)
    if variant.left_renal_link:
        root = joins.node("segmental_mouth", Level.T12, Side.LEFT)
        way = [trunks.at(great.left_renal, Level.L1), trunks.at(root, Level.L1)]
        trunks.lay(Structure.HEMIAZYGOS, Side.LEFT, way)


def _crossing_levels(variant: Variant) -> dict[tuple[Level, float], None]:
    """Where left veins cross to the azygos: (level, height in body heights), caudal first."""
    hemi, accessory = variant.hemiazygos_crossing, _accessory_crossing(variant)
    own = _range(Level.T9, Level.T12) if hemi is None else (hemi,)
    levels = [(level, CROSSING_RISE) for level in own]
    if accessory is not None:
        levels.append((accessory, -CROSSING_RISE))
    return dict.fromkeys(sorted(levels, reverse=True))


def _accessory_levels(variant: Variant) -> tuple[Level, ...]:
    """Left segmental veins that drain into the accessory hemiazygos: those above the other."""
    hemi = variant.hemiazygos_crossing or Level.T9
    return _range(Level.T5, Level(hemi - 1))


def _accessory_crossing(variant: Variant) -> Level | None:
    """Its crossing, held on its own trunk and below the arch."""
    if variant.accessory_crossing is None:
        return None
    held = min(variant.accessory_crossing, _accessory_levels(variant)[-1])
    return Level(max(held, variant.arch_entry))


def _range(first: Level, last: Level) -> tuple[Level, ...]:
    return tuple(level for level in Level if first <= level <= last)


def _azygos_point(
    trunks: Trunks, variant: Variant, level: Level, z_heights: float = 0.0
) -> FloatArray:
    """Point of the azygos, as far in front of the body as in the modal course."""
    xyz = control_point("azygos", level).place(trunks.skeleton, Side.MIDLINE, z_heights=z_heights)
    vertebra = trunks.skeleton.vertebra(level)
    modal_x = float(xyz[0])
    base = RIGHT_COURSE_MM if variant.azygos_course is AzygosCourse.RIGHT else modal_x
    half_width = vertebra.body_width / 2
    x = float(np.clip(base + variant.azygos_shift_mm, -0.9 * half_width, 0.9 * half_width))
    front = np.sqrt(1 - (np.array([x, modal_x]) / half_width) ** 2) * vertebra.body_depth / 2
    local = vertebra.local(xyz)
    return vertebra.world([x, local[1] + front[0] - front[1], local[2]])


def _build_right(
    trunks: Trunks, variant: Variant, joins: Joins, great: GreatVeins
) -> dict[tuple[Level, float], int]:
    """Azygos, arch and right superior intercostal vein; returns the nodes for crossings."""
    skeleton, entry, side = trunks.skeleton, variant.arch_entry, Side.RIGHT
    levels = _range(entry, Level.T12)
    mouths: dict[tuple[Level, float], None] = dict.fromkeys((level, 0.0) for level in levels)
    crossings = _crossing_levels(variant)
    # caudal first; within a vertebra from its lower to its upper edge
    stops = sorted({**mouths, **crossings}, key=lambda stop: (-stop[0], stop[1]))
    way = [
        Waypoint(_azygos_point(trunks, variant, level, z), level, stop=True) for level, z in stops
    ]
    leave = (
        _azygos_point(trunks, variant, entry, 0.5)
        + _azygos_point(trunks, variant, Level(entry - 1), -0.5)
    ) / 2
    azygos = trunks.lay(Structure.AZYGOS, side, [*way, Waypoint(leave, entry)])
    at = dict(zip(stops, azygos.nodes, strict=False))
    for level in levels:
        joins.add("segmental_mouth", level, side, at[level, 0.0])

    start = trunks.builder.node_xyz[azygos.nodes[-1]]
    end = trunks.builder.node_xyz[great.arch_entry]
    rise = np.array([0.0, 0.0, ARCH_RISE_MM])
    wide, narrow = (
        trunks.radius(structure, side, start)
        for structure in (Structure.AZYGOS_ARCH, Structure.AZYGOS)
    )
    arch = trunks.lay(
        Structure.AZYGOS_ARCH,
        side,
        [
            trunks.at(azygos.nodes[-1], entry),
            Waypoint(start + 0.3 * (end - start) + rise, entry, stop=True),
            Waypoint(start + 0.65 * (end - start) + rise, entry),
            trunks.at(great.arch_entry, entry),
        ],
        scale=(narrow / wide, 1.0, 1.0, 1.0),
    )
    if variant.arch_valve:
        _arch_valve(trunks, arch)

    upper = _range(Level.T2, Level(entry - 1))
    flank = control_point("superior_intercostal_right", Level.T3)
    way = [Waypoint(flank.place(skeleton, side, level=n), n, stop=True) for n in upper]
    laid = trunks.lay(
        Structure.SUPERIOR_INTERCOSTAL, side, [*way, trunks.at(arch.nodes[1], upper[-1])]
    )
    for level, node in zip(upper, laid.nodes, strict=False):
        joins.add("segmental_mouth", level, side, node)
    return {key: at[key] for key in crossings}


def _arch_valve(trunks: Trunks, arch: LaidTrunk) -> None:
    """Put the valve 36 mm from the SVC, or at the start of a shorter arch."""
    from_end = ARCH_VALVE_MM
    for branch, length in zip(reversed(arch.branches), reversed(arch.lengths), strict=True):
        if from_end < length or branch == arch.branches[0]:
            trunks.builder.valve(branch, max(length - from_end, length / 4), +1)
            return
        from_end -= length


def _build_left(
    trunks: Trunks,
    variant: Variant,
    joins: Joins,
    great: GreatVeins,
    crossings: dict[tuple[Level, float], int],
) -> None:
    """Hemiazygos, accessory hemiazygos and left superior intercostal vein."""
    skeleton, side = trunks.skeleton, Side.LEFT
    hemi_structure, accessory_structure = Structure.HEMIAZYGOS, Structure.ACCESSORY_HEMIAZYGOS
    hemi_levels = _range(variant.hemiazygos_crossing or Level.T9, Level.T12)
    flank = control_point("hemiazygos", Level.T12)
    points = {n: flank.place(skeleton, side, level=n) for n in hemi_levels}
    hemi: dict[Level, int] = {}
    if variant.hemiazygos_crossing is None:
        for n in hemi_levels:
            hemi[n] = trunks.node_beside_bone(points[n], hemi_structure, side)
            _cross(trunks, hemi_structure, n, hemi[n], crossings[n, CROSSING_RISE])
    else:
        way = [Waypoint(points[n], n, stop=True) for n in reversed(hemi_levels)]
        hemi = dict(zip(reversed(hemi_levels), _stops(trunks, hemi_structure, way), strict=True))
        n = variant.hemiazygos_crossing
        _cross(trunks, hemi_structure, n, hemi[n], crossings[n, CROSSING_RISE])

    way = [Waypoint(p.place(skeleton, side), p.level, stop=True)
           for p in course("superior_intercostal_left")]  # fmt: skip
    rise = course("superior_intercostal_left_rise")[0]
    laid = trunks.lay(
        Structure.SUPERIOR_INTERCOSTAL,
        side,
        [
            *way,
            Waypoint(rise.place(skeleton, side), Level.T2),
            trunks.at(great.left_superior_intercostal_entry, Level.T2),
        ],
    )
    superior = {w.level: node for w, node in zip(way, laid.nodes, strict=False)}

    flank = control_point("accessory_hemiazygos", Level.T8)
    levels = _accessory_levels(variant)
    crossing = _accessory_crossing(variant)
    turn = crossing or Level.T5  # flow goes to the crossing, or up if there is none
    points = {n: flank.place(skeleton, side, level=n) for n in levels}
    nodes = {turn: trunks.node_beside_bone(points[turn], accessory_structure, side)}
    down = [n for n in levels if n < turn]
    up = [n for n in reversed(levels) if n > turn]
    for part in (down, up):
        if part:
            way = [Waypoint(points[n], n, stop=True) for n in part]
            laid = trunks.lay(accessory_structure, side, [*way, trunks.at(nodes[turn], turn)])
            nodes.update(zip(part, laid.nodes, strict=False))
    if crossing is not None:
        node = crossings[crossing, -CROSSING_RISE]
        _cross(trunks, accessory_structure, crossing, nodes[crossing], node)
    if variant.left_superior_intercostal_link or crossing is None:
        way = [trunks.at(nodes[Level.T5], Level.T5), trunks.at(superior[Level.T4], Level.T4)]
        trunks.lay(accessory_structure, side, way)
    if variant.hemiazygos_continuity:
        low, high = levels[-1], hemi_levels[0]
        way = [trunks.at(hemi[high], high), trunks.at(nodes[low], low)]
        trunks.lay(hemi_structure, side, way)
    for level, node in {**hemi, **superior, **nodes}.items():
        joins.add("segmental_mouth", level, side, node)


def _stops(trunks: Trunks, structure: Structure, way: list[Waypoint]) -> tuple[int, ...]:
    """Nodes of a left trunk through `way`; a single stop needs no branch."""
    if len(way) == 1:
        return (trunks.node_beside_bone(way[0].xyz, structure, Side.LEFT),)
    return trunks.lay(structure, Side.LEFT, way).nodes


def _cross(trunks: Trunks, structure: Structure, level: Level, start: int, end: int) -> None:
    """Lay a vein from the left flank round the front of a body to the azygos."""
    vertebra = trunks.skeleton.vertebra(level)
    ends = vertebra.local([trunks.builder.node_xyz[n] for n in (start, end)])
    u, v = 2 * ends[:, 0] / vertebra.body_width, 2 * ends[:, 1] / vertebra.body_depth
    angle, size = np.unwrap(np.arctan2(v, u)), np.hypot(u, v)
    between = np.array([0.25, 0.5, 0.75])
    a, r, z = (between * (q[1] - q[0]) + q[0] for q in (angle, size, ends[:, 2]))
    local = np.stack(
        [r * np.cos(a) * vertebra.body_width / 2, r * np.sin(a) * vertebra.body_depth / 2, z],
        axis=1,
    )
    way = [Waypoint(xyz, level) for xyz in vertebra.world(local)]
    trunks.lay(structure, Side.LEFT, [trunks.at(start, level), *way, trunks.at(end, level)])


def _build_supreme(
    trunks: Trunks, variant: Variant, joins: Joins, great: GreatVeins, side: Side
) -> None:
    """Supreme intercostal vein: over the neck of the first rib, or down to the second."""
    choice = variant.supreme_intercostal(side)
    way = [
        Waypoint(p.place(trunks.skeleton, side), Level.T1) for p in course("supreme_intercostal")
    ]
    if choice is SupremeEnd.SUPERIOR_INTERCOSTAL:
        way = way[:1]
        end = joins.node("segmental_mouth", Level.T2, side)
    elif choice is SupremeEnd.VERTEBRAL:
        way = way[:2]
        end = joins.node("vertebral_vein", Level.C8, side)
    else:
        end = great.brachiocephalic_back[side]
    laid = trunks.lay(Structure.SUPREME_INTERCOSTAL, side, [*way, trunks.at(end, Level.T1)])
    joins.add("segmental_mouth", Level.T1, side, laid.nodes[0])
