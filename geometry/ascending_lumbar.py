"""Ascending lumbar veins: from the common iliac vein up to the azygos and hemiazygos."""

import numpy as np

from geometry.courses import course
from geometry.great_veins import GreatVeins
from geometry.joins import Joins
from geometry.levels import SIDES, Level
from geometry.structures import Structure
from geometry.trunk import Trunks, Waypoint
from geometry.variants import Variant

THIN_SCALE = 0.5
"""Calibre at L3, where the vein is often plexiform or interrupted (estimate)."""


def build_ascending_lumbar(
    trunks: Trunks, variant: Variant, joins: Joins, great: GreatVeins
) -> None:
    """Lay both sides; makes the segmental mouths L1 to L4.

    Without a root to the azygos or hemiazygos the vein ends at L1 and drains downwards.
    """
    structure = Structure.ASCENDING_LUMBAR
    for side in SIDES:
        points = [
            Waypoint(p.place(trunks.skeleton, side), p.level, stop=p.level is not Level.L5)
            for p in course("ascending_lumbar")
        ]
        low = [trunks.at(great.common_iliac[side], Level.L5), *points[:2]]
        middle = points[1:3]
        high = points[2:]
        lower = trunks.lay(structure, side, low)
        upper = trunks.lay(structure, side, high)
        l4, l3 = lower.nodes[-1], upper.nodes[0]
        # interrupted veins drain both ways: without a root they would have no way up
        interrupted = side in variant.ascending_lumbar_interrupted & variant.lumbar_roots
        if not interrupted:
            centre = Waypoint(np.mean([w.xyz for w in middle], axis=0), Level.L3)
            way = [trunks.at(l4, Level.L4), centre, trunks.at(l3, Level.L3)]
            trunks.lay(structure, side, way, scale=(1.0, THIN_SCALE, 1.0))
        mouths = (l4, *upper.nodes)
        for level, node in zip((Level.L4, Level.L3, Level.L2, Level.L1), mouths, strict=True):
            joins.add("segmental_mouth", level, side, node)
        if side in variant.lumbar_roots:
            crus = [
                Waypoint(p.place(trunks.skeleton, side), Level.T12)
                for p in course("ascending_lumbar_crus")
            ]
            root = joins.node("segmental_mouth", Level.T12, side)
            way = [trunks.at(upper.nodes[-1], Level.T12), *crus, trunks.at(root, Level.T12)]
            trunks.lay(structure, side, way)
