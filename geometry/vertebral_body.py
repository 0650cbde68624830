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

from geometry.calibres import vein_kinds
from geometry.canal_curve import SpineAxis
from geometry.epidural import basivertebral_z
from geometry.levels import SIDES, VERTEBRAE, Side
from geometry.network import TerminalKind
from geometry.plexus_layout import plexus_layout
from geometry.skeleton import Skeleton
from geometry.sketch import VeinSketch
from geometry.strand import LEVEL_CODES
from geometry.structures import Structure

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

BODIES: IntArray = np.arange(1, len(VERTEBRAE))
"""Places in the column of the vertebrae that have a body, C2 to S1."""
SAG_MM = 1.5
"""How far the middle of a tributary lies in front of the straight line."""
TO_TIPS_FROM = 0.15
"""Tributaries that end further forwards than this (body depths) leave a trunk at its tip."""
UPPER_FORK = 0.7
"""Where on a trunk its second fork lies; the first lies where the trunk leaves its canal."""


def draw_vertebral_bodies(sketch: VeinSketch, skeleton: Skeleton, rng: np.random.Generator) -> None:
    """Draw the veins of every body; mouths and the anterior external plexus must be there.

    Nodes and veins come body by body: trunks, tributaries, pores.
    """
    axis, levels, xyz = SpineAxis.of(skeleton), [VERTEBRAE[i] for i in BODIES], sketch.node_xyz
    mouths = [sketch.named_nodes("basivertebral_mouth", level, Side.MIDLINE) for level in levels]
    mouth, count = np.concatenate(mouths), np.array([len(nodes) for nodes in mouths])
    body = np.repeat(BODIES, count)  # of each trunk
    number = int(plexus_layout()["bone_tributaries"]) - len(SIDES)
    trunks = _trunk_places(axis, body, xyz.xyz[mouth])
    ends = _ends_in_bone(axis, rng.random((len(BODIES), 3, number)))

    nodes = 3 * count + number
    begin = len(xyz) + np.cumsum(nodes) - nodes
    rank = np.arange(len(body)) - np.repeat(np.cumsum(count) - count, count)
    on_trunk = np.repeat(begin, count)[:, None] + 3 * rank[:, None] + np.arange(3)
    end = (begin + 3 * count)[:, None] + np.arange(number)
    trunk_xyz = trunks @ axis.axes[body] + axis.origin[body, None]
    end_xyz = ends @ axis.axes[BODIES] + axis.origin[BODIES, None]
    order = np.argsort(np.concatenate([on_trunk.ravel(), end.ravel()]))
    xyz.extend(np.concatenate([trunk_xyz.reshape(-1, 3), end_xyz.reshape(-1, 3)])[order])

    to_tips = ends[:, :, 1] > TO_TIPS_FROM * axis.body_depth[BODIES, None]
    root = on_trunk.ravel()[_nearest(body, trunk_xyz, end_xyz, to_tips)]
    tip = on_trunk[_pore_trunks(axis, body, trunks[:, 2, 0]), 2]
    pore = [sketch.named_nodes("external_front", n, side)[0] for n in levels for side in SIDES]
    sag = np.repeat(sketch.curve(SAG_MM * axis.axes[BODIES, 1]) + np.arange(len(BODIES)), number)
    straight = np.zeros(3 * len(body), dtype=np.int64), np.zeros(len(pore), dtype=np.int64)
    columns = {
        "kind": _kinds(count, number),
        "start": [np.column_stack([mouth, on_trunk[:, :2]]).ravel(), root.ravel(), tip.ravel()],
        "end": [on_trunk.ravel(), end.ravel(), pore],
        "first": [straight[0], sag, straight[1]],
        "after": [straight[0], sag + 1, straight[1]],
        "scale": [
            np.repeat([float(n) ** -0.5 for n in count], 3 * count),
            np.ones(end.size),
            np.ones(len(pore)),
        ],
    }
    of = np.concatenate([np.repeat(body, 3), np.repeat(BODIES, number), np.repeat(BODIES, 2)])
    by_body = np.argsort(of, kind="stable")
    sketch.draw(
        **{name: np.concatenate(parts)[by_body] for name, parts in columns.items()},
        buried=True, firm=True,
    )  # fmt: skip
    for level, last in zip(levels, end.tolist(), strict=True):
        for k, node in enumerate(last, start=1):
            sketch.terminal(node, TerminalKind.TRIBUTARY, f"bone {level.name} {k}")


def _kinds(count: IntArray, number: int) -> list[IntArray]:
    """Numbers among the calibres of pieces of trunks, of tributaries and of pores."""
    kinds, levels = vein_kinds(), LEVEL_CODES[BODIES]
    wide = kinds.by_level(Structure.BASIVERTEBRAL, Side.MIDLINE)[levels]
    fine, *pores = (
        kinds.by_level(Structure.INTRAOSSEOUS, side)[levels] for side in (Side.MIDLINE, *SIDES)
    )
    return [np.repeat(wide, 3 * count), np.repeat(fine, number), np.column_stack(pores).ravel()]


def _nearest(
    body: IntArray, trunk_xyz: FloatArray, end_xyz: FloatArray, to_tips: BoolArray
) -> IntArray:
    """Nearest fork (tip where `to_tips`) of their own body to the ends (b, k), in trunks (t, 3)."""
    x, y, z = np.moveaxis(trunk_xyz - end_xyz[:, :, None, None], -1, 0)
    away = x * x + y * y + z * z
    away[np.broadcast_to((body != BODIES[:, None])[:, None, :, None], away.shape)] = np.inf
    is_tip = np.array([False, False, True])
    away[(is_tip != to_tips[:, :, None])[:, :, None].repeat(len(body), axis=2)] = np.inf
    return np.asarray(away.reshape(*to_tips.shape, -1).argmin(axis=2))


def _pore_trunks(axis: SpineAxis, body: IntArray, tip_x: FloatArray) -> IntArray:
    """Trunk (b, 2) whose tip, at local `tip_x` (t,), is nearest to the pore of each side."""
    pore_x = np.array(SIDES) * axis.body_depth[BODIES, None]
    away = np.abs(tip_x - pore_x[:, :, None])
    own = (body == BODIES[:, None])[:, None]
    return np.asarray(np.where(own, away, np.inf).argmin(axis=2))


def _trunk_places(axis: SpineAxis, body: IntArray, mouths: FloatArray) -> FloatArray:
    """Local places (t, 3, 3) of forks and tips of the straight trunks from `mouths` (t, 3)."""
    layout = plexus_layout()
    reach, depth = layout["basivertebral_reach"], axis.body_depth[body]
    place = np.einsum("ti,tji->tj", mouths - axis.origin[body], axis.axes[body])
    tip = np.empty_like(place)
    tip[:, 0] = 0.6 * place[:, 0]
    tip[:, 1] = -depth / 2 + reach * depth
    tip[:, 2] = axis.table(basivertebral_z)[body] / 2
    along = np.array([layout["basivertebral_canal"] / reach, UPPER_FORK, 1.0])
    return np.asarray(place[:, None] + along[:, None] * (tip - place)[:, None])


def _ends_in_bone(axis: SpineAxis, chances: FloatArray) -> FloatArray:
    """Places (b, k, 3) of tributaries' ends, spread over the bodies to either side, local mm.

    `chances` (b, 3, k) move them.
    """
    reach, number = plexus_layout()["bone_tributary_margin"], chances.shape[2]
    turn, far, up = chances.transpose(1, 0, 2)
    angle = 2 * np.pi * (np.arange(number) + (0.3 + 0.4 * turn)) / number
    out = reach * (0.75 + 0.25 * far)
    height = 0.8 * reach * (2.0 * up - 1.0)
    half = np.column_stack([axis.body_width, axis.body_depth, axis.body_height])[BODIES] / 2
    return np.stack([out * np.cos(angle), out * np.sin(angle), height], axis=2) * half[:, None]
