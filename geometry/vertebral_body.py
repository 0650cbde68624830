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

from itertools import pairwise

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

UPPER_FORK = 0.7
"""Where on a trunk its second fork lies; the first lies where the trunk leaves its canal."""


def draw_vertebral_bodies(
    sketch: VeinSketch, skeleton: Skeleton, variant: Variant, rng: np.random.Generator
) -> None:
    """Draw the veins of every body; mouths and the anterior external plexus must be there."""
    number = int(plexus_layout()["bone_tributaries"]) - 2
    random = rng.random((len(VERTEBRAE) - 1, 3, number))
    for level, chances in zip(VERTEBRAE[1:], random, strict=True):
        _draw_body(sketch, skeleton.vertebra(level), variant.basivertebral_veins(level), chances)


def _draw_body(sketch: VeinSketch, vertebra: Vertebra, count: int, chances: FloatArray) -> None:
    """Draw trunks, tributaries and pores of one body; `chances` (3, k) move the tributaries."""
    level, depth, xyz = vertebra.level, vertebra.body_depth, sketch.node_xyz
    mouths = sketch.named_nodes("basivertebral_mouth", level, Side.MIDLINE)
    forks_and_tips = _trunk_nodes(vertebra, xyz.xyz[mouths])
    ends = _ends_in_bone(vertebra, chances)
    first = xyz.extend(vertebra.world(np.concatenate([forks_and_tips.reshape(-1, 3), ends])))
    trunk = [[mouth, *range(first + 3 * i, first + 3 * i + 3)] for i, mouth in enumerate(mouths)]
    forks = [node for nodes in trunk for node in nodes[1:3]]
    tips = [nodes[-1] for nodes in trunk]
    wide = Label(
        Structure.BASIVERTEBRAL, level, Side.MIDLINE, scale=count**-0.5, buried=True, firm=True
    )
    for nodes in trunk:
        for start, end in pairwise(nodes):
            sketch.link(wide, start, end)

    fine = Label(Structure.INTRAOSSEOUS, level, Side.MIDLINE, buried=True, firm=True)
    sag = vertebra.axes.T @ np.array([0.0, 1.5, 0.0])
    end = first + 3 * len(trunk)
    for k, place in enumerate(ends.tolist(), start=1):
        roots = tips if place[1] > 0.15 * depth else forks
        away = ((xyz.xyz[roots] - xyz[end]) ** 2).sum(axis=1)
        sketch.link(fine, roots[int(away.argmin())], end, bow=sag)
        sketch.terminal(end, TerminalKind.TRIBUTARY, f"bone {level.name} {k}")
        end += 1
    tip_x = forks_and_tips[:, -1, 0].tolist()
    for side in SIDES:
        pore = sketch.named_nodes("external_front", level, side)
        nearest = min(range(len(tips)), key=lambda i: abs(tip_x[i] - side * depth))
        label = Label(Structure.INTRAOSSEOUS, level, side, buried=True, firm=True)
        sketch.link(label, tips[nearest], pore[0])


def _trunk_nodes(vertebra: Vertebra, mouths: FloatArray) -> FloatArray:
    """Local places (m, 3, 3) of forks and tips of the straight trunks from `mouths` (m, 3)."""
    layout = plexus_layout()
    reach = layout["basivertebral_reach"]
    place = vertebra.local(mouths)
    tip = np.empty_like(place)
    tip[:, 0] = 0.6 * place[:, 0]
    tip[:, 1] = vertebra.posterior_wall_y + reach * vertebra.body_depth
    tip[:, 2] = basivertebral_z(vertebra) / 2
    along = np.array([layout["basivertebral_canal"] / reach, UPPER_FORK, 1.0])
    return np.asarray(place[:, None] + along[:, None] * (tip - place)[:, None])


def _ends_in_bone(vertebra: Vertebra, chances: FloatArray) -> FloatArray:
    """Places (k, 3) of tributaries' ends, spread over the body to either side, local mm."""
    reach, number = plexus_layout()["bone_tributary_margin"], chances.shape[1]
    turn, far, up = chances
    angle = 2 * np.pi * (np.arange(number) + (0.3 + 0.4 * turn)) / number
    out = reach * (0.75 + 0.25 * far)
    height = 0.8 * reach * (2.0 * up - 1.0)
    half = np.array([vertebra.body_width, vertebra.body_depth, vertebra.body_height]) / 2
    return np.stack([out * np.cos(angle), out * np.sin(angle), height], axis=1) * half
