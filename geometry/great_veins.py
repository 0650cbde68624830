"""Great veins: right atrium, SVC, brachiocephalic veins, IVC, renal veins, iliac veins.

They carry blood from elsewhere to the right atrium: organs and limbs are tributaries.
"""

from dataclasses import dataclass

from geometry.courses import control_point, course
from geometry.joins import Joins
from geometry.levels import SIDES, Level, Side
from geometry.network import TerminalKind
from geometry.structures import Structure
from geometry.trunk import Trunks, Waypoint
from geometry.variants import Variant

RENAL_SCALE = 0.5
"""Calibre of a renal vein in that of the IVC: about 10 mm (estimate)."""
BELOW_START_FRACTION = 0.35
"""Where vertebral and supreme intercostal veins enter the brachiocephalic vein, by length."""


@dataclass(frozen=True)
class GreatVeins:
    """Nodes on the great veins that other trunks end at.

    Attributes
    ----------
    arch_entry : on the SVC
    brachiocephalic_start : by side, where jugular and subclavian veins meet
    brachiocephalic_back : by side, where vertebral and supreme intercostal veins enter
    left_superior_intercostal_entry : on the left brachiocephalic vein
    common_iliac : by side, where the ascending lumbar vein begins
    left_renal : on the left renal vein
    """

    arch_entry: int
    brachiocephalic_start: dict[Side, int]
    brachiocephalic_back: dict[Side, int]
    left_superior_intercostal_entry: int
    common_iliac: dict[Side, int]
    left_renal: int


def build_great_veins(trunks: Trunks, variant: Variant, joins: Joins) -> GreatVeins:
    """Lay the great veins from their tributaries to the right atrium."""
    builder, skeleton = trunks.builder, trunks.skeleton
    middle = Side.MIDLINE

    # SVC, entered by the arch at the height of the variant's vertebra
    svc = [
        Waypoint(point.place(skeleton, middle), point.level, stop=point.level is variant.arch_entry)
        for point in course("svc")
    ]
    laid = trunks.lay(Structure.SVC, middle, svc)
    svc_top, cavo_atrial = laid.nodes[0], laid.nodes[-1]
    arch_entry = laid.nodes[
        [w.level for w in svc if w.stop or w is svc[0]].index(variant.arch_entry)
    ]
    atrium = builder.node(course("right_atrium")[0].place(skeleton, middle))
    trunks.lay(
        Structure.RIGHT_ATRIUM,
        middle,
        [trunks.at(cavo_atrial, Level.T6), trunks.at(atrium, Level.T7)],
    )
    builder.terminal(atrium, TerminalKind.OUTLET, "right_atrium")

    starts: dict[Side, int] = {}
    backs: dict[Side, int] = {}
    left_entry = -1
    for side in SIDES:
        name = side.name.lower()
        begin = control_point(f"brachiocephalic_{name}", Level.T2).place(skeleton, middle)
        end = builder.node_xyz[svc_top]
        waypoints = [
            Waypoint(begin, Level.T2),
            Waypoint(begin + BELOW_START_FRACTION * (end - begin), Level.T2, stop=True),
            trunks.at(svc_top, Level.T3),
        ]
        if side is Side.LEFT:
            centre = control_point("brachiocephalic_left_middle", Level.T2).place(skeleton, middle)
            waypoints[1] = Waypoint((2 * begin + centre) / 3, Level.T2, stop=True)
            waypoints[2:2] = [
                Waypoint((begin + 2 * centre) / 3, Level.T2, stop=True),
                Waypoint(centre, Level.T2),
            ]
        laid = trunks.lay(Structure.BRACHIOCEPHALIC, side, waypoints)
        starts[side], backs[side] = laid.nodes[:2]
        if side is Side.LEFT:
            left_entry = laid.nodes[2]
        arm = builder.node(course("arm")[0].place(skeleton, side))
        trunks.lay(
            Structure.BRACHIOCEPHALIC,
            side,
            [trunks.at(arm, Level.T1), trunks.at(starts[side], Level.T1)],
        )
        builder.terminal(arm, TerminalKind.TRIBUTARY, f"arm {name}")

    iliac, left_renal = _build_ivc(trunks, joins, atrium)
    return GreatVeins(arch_entry, starts, backs, left_entry, iliac, left_renal)


def _build_ivc(trunks: Trunks, joins: Joins, atrium: int) -> tuple[dict[Side, int], int]:
    """IVC with renal and hepatic tributaries, iliac veins down to the femoral puncture."""
    builder, skeleton, middle = trunks.builder, trunks.skeleton, Side.MIDLINE
    points = course("ivc")
    waypoints = [Waypoint(p.place(skeleton, middle), p.level, stop=True) for p in points]
    laid = trunks.lay(Structure.IVC, middle, [*waypoints, trunks.at(atrium, Level.T8)])
    at = {point.level: node for point, node in zip(points, laid.nodes, strict=False)}
    for level in (Level.L3, Level.L4):
        for side in SIDES:
            joins.add("ivc_mouth", level, side, at[level])

    hepatic = builder.node(course("hepatic")[0].place(skeleton, middle))
    trunks.lay(
        Structure.IVC,
        Side.RIGHT,
        [trunks.at(hepatic, Level.T10), trunks.at(at[Level.T10], Level.T10)],
        scale=RENAL_SCALE,
    )
    builder.terminal(hepatic, TerminalKind.TRIBUTARY, "hepatic")
    left_renal = -1
    for side, level in ((Side.RIGHT, Level.L2), (Side.LEFT, Level.L1)):
        name = side.name.lower()
        way = [
            Waypoint(p.place(skeleton, middle), level, stop=True)
            for p in reversed(course(f"renal_{name}"))
        ]
        laid = trunks.lay(
            Structure.IVC, side, [*way, trunks.at(at[level], level)], scale=RENAL_SCALE
        )
        builder.terminal(laid.nodes[0], TerminalKind.TRIBUTARY, f"renal {name}")
        left_renal = laid.nodes[1]

    iliac = {}
    for side in SIDES:
        down = course("common_iliac")
        way = [
            Waypoint(p.place(skeleton, side), p.level, stop=p.level is Level.L5)
            for p in reversed(down)
        ]
        if side is Side.LEFT:
            start = control_point("common_iliac_left_start", Level.L5)
            way.append(Waypoint(start.place(skeleton, middle), Level.L5))
        way.append(trunks.at(at[Level.L5], Level.L5))
        laid = trunks.lay(Structure.COMMON_ILIAC, side, way)
        builder.terminal(laid.nodes[0], TerminalKind.OUTLET, f"iliac {side.name.lower()}")
        iliac[side] = laid.nodes[1]
        joins.add("segmental_mouth", Level.L5, side, laid.nodes[1])
    return iliac, left_renal
