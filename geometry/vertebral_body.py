r"""Veins of the vertebral body: basivertebral trunks, intraosseous tree, anterior pores.

From above, one body::

         pore      pore      to the anterior external plexus
            \      /
        --.  \    /  .--     intraosseous tributaries end in bone
           \--\  /--/
               \/
               ||            basivertebral trunk
        ====== oo ======     retrocorporeal branch
"""

import numpy as np
from numpy.typing import NDArray

from geometry.epidural import basivertebral_z
from geometry.levels import SIDES, VERTEBRAE, Side
from geometry.network import TerminalKind
from geometry.plexus_layout import plexus_layout
from geometry.skeleton import Skeleton
from geometry.sketch import Label, VeinSketch
from geometry.structures import Structure
from geometry.variants import Variant
from geometry.vertebra import Vertebra

FloatArray = NDArray[np.float64]


def draw_vertebral_bodies(
    sketch: VeinSketch, skeleton: Skeleton, variant: Variant, rng: np.random.Generator
) -> None:
    """Draw the veins of every body; mouths and the anterior external plexus must be there."""
    for level in VERTEBRAE[1:]:
        _draw_body(sketch, skeleton.vertebra(level), variant.basivertebral_veins(level), rng)


def _draw_body(
    sketch: VeinSketch, vertebra: Vertebra, count: int, rng: np.random.Generator
) -> None:
    layout = plexus_layout()
    level, depth = vertebra.level, vertebra.body_depth
    trunk = Label(
        Structure.BASIVERTEBRAL, level, Side.MIDLINE, scale=count**-0.5, buried=True, firm=True
    )
    mouths = sketch.named_nodes("basivertebral_mouth", level, Side.MIDLINE)
    canal = layout["basivertebral_canal"] / layout["basivertebral_reach"]
    forks: list[int] = []
    tips: list[int] = []
    for mouth in mouths:
        place = vertebra.local(sketch.node_xyz[mouth])
        y = vertebra.posterior_wall_y + layout["basivertebral_reach"] * depth
        tip = np.array([0.6 * place[0], y, basivertebral_z(vertebra) / 2])
        curve = vertebra.world(np.stack([place, tip]))
        nodes = sketch.course(trunk, curve, (canal, 0.7), start=mouth)
        forks += nodes[1:3]
        tips.append(nodes[-1])

    fine = Label(Structure.INTRAOSSEOUS, level, Side.MIDLINE, buried=True, firm=True)
    number = int(layout["bone_tributaries"]) - 2
    for k, place in enumerate(_ends_in_bone(vertebra, number, rng), start=1):
        end = sketch.node(vertebra.world(place))
        roots = tips if place[1] > 0.15 * depth else forks
        gap = [np.linalg.norm(sketch.node_xyz[n] - sketch.node_xyz[end]) for n in roots]
        sag = vertebra.axes.T @ np.array([0.0, 1.5, 0.0])
        sketch.link(fine, roots[int(np.argmin(gap))], end, bow=sag)
        sketch.terminal(end, TerminalKind.TRIBUTARY, f"bone {level.name} {k}")
    for side in SIDES:
        pore = sketch.named_nodes("external_front", level, side)
        label = Label(Structure.INTRAOSSEOUS, level, side, buried=True, firm=True)
        nearest = min(tips, key=lambda n: abs(_x(sketch, vertebra, n) - side * depth))
        sketch.link(label, nearest, pore[0])


def _x(sketch: VeinSketch, vertebra: Vertebra, node: int) -> float:
    return float(vertebra.local(sketch.node_xyz[node])[0])


def _ends_in_bone(vertebra: Vertebra, number: int, rng: np.random.Generator) -> FloatArray:
    """Places (k, 3) of tributaries' ends, spread over the body to either side, local mm."""
    reach = plexus_layout()["bone_tributary_margin"]
    angle = 2 * np.pi * (np.arange(number) + rng.uniform(0.3, 0.7, number)) / number
    out = reach * rng.uniform(0.75, 1.0, number)
    height = 0.8 * reach * rng.uniform(-1, 1, number)
    half = np.array([vertebra.body_width, vertebra.body_depth, vertebra.body_height]) / 2
    return np.stack([out * np.cos(angle), out * np.sin(angle), height], axis=1) * half
