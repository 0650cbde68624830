"""Network of the foramen magnum: the top of the epidural plexus and its ways into the skull.

A ring just below the bone joins the anterior and posterior columns of C1, the condylar veins
and the top of the vertebral veins; the occipital sinus leaves it behind, the basilar plexus in
front on either side. Both come from the skull and end as tributaries.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from geometry.joins import Joins
from geometry.levels import SIDES, Level, Side
from geometry.network import NetworkBuilder, TerminalKind
from geometry.plexus_layout import plexus_layout
from geometry.skeleton import Skeleton
from geometry.sketch import Label, VeinSketch
from geometry.structures import Structure

RING_ANGLES_DEG = {"front": 60.0, "side": 0.0, "back": -60.0}
"""Places on the ring of each side: to the basilar plexus, condylar vein, posterior column."""


def draw_foramen_magnum(
    sketch: VeinSketch, skeleton: Skeleton, builder: NetworkBuilder, joins: Joins
) -> None:
    """Draw the ring and what joins it. Epidural columns must be there."""
    layout = plexus_layout()
    atlas = skeleton.vertebra(Level.C1)
    a = (atlas.sac_semi_axes[0] + atlas.canal_width / 2) / 2
    b = (atlas.sac_semi_axes[1] + atlas.canal_depth / 2) / 2
    height = layout["magnum_height"]

    def on_ring(angle_deg: float) -> int:
        angle = np.radians(angle_deg)
        y = atlas.canal_centre_y + b * np.sin(angle)
        return sketch.node(atlas.world([a * np.cos(angle), y, height]))

    place = {
        (name, side): on_ring(angle if side is Side.RIGHT else 180.0 - angle)
        for name, angle in RING_ANGLES_DEG.items()
        for side in SIDES
    }
    front, back = on_ring(90.0), on_ring(-90.0)
    centre = atlas.world([0.0, atlas.canal_centre_y, height])
    for side in SIDES:
        label = Label(Structure.FORAMEN_MAGNUM, Level.C1, side, firm=True)
        way = [front, *(place[name, side] for name in RING_ANGLES_DEG), back]
        for one, two in pairwise(way):
            middle = (sketch.node_xyz[one] + sketch.node_xyz[two]) / 2
            outwards = (middle - centre) / np.linalg.norm(middle - centre)
            bow = 0.13 * np.linalg.norm(sketch.node_xyz[one] - sketch.node_xyz[two]) * outwards
            sketch.link(label, one, two, bow=bow)
        for top in sketch.named_nodes("epidural_top", Level.C1, side):
            sketch.link(label, top, place["front", side])
        for top in sketch.named_nodes("epidural_back_top", Level.C1, side):
            sketch.link(label, top, place["back", side])
        for name in ("condylar", "anterior_condylar", "vertebral_vein"):
            for node in joins.nodes(name, Level.C1, side):
                sketch.link(label, place["side", side], sketch.anchor(builder, node))
        basilar = Label(Structure.BASILAR_PLEXUS, Level.C1, side, firm=True)
        clivus = np.array([0.0, 0.7, 0.7]) * layout["sinus_length"]
        _end(sketch, basilar, place["front", side], clivus, f"basilar plexus {side.name.lower()}")
    sinus = Label(Structure.OCCIPITAL_SINUS, Level.C1, Side.MIDLINE, firm=True)
    crest = np.array([0.0, -0.8, 0.6]) * layout["sinus_length"]
    _end(sketch, sinus, back, crest, "occipital sinus")


def _end(
    sketch: VeinSketch, label: Label, start: int, away: NDArray[np.float64], name: str
) -> None:
    """Draw straight away from `start` to a tributary end."""
    first = sketch.node_xyz[start]
    nodes = sketch.course(label, np.stack([first, first + away]), start=start)
    sketch.terminal(nodes[-1], TerminalKind.TRIBUTARY, name)
