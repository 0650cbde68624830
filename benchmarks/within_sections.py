"""Where in the sections that it fills in part agent lies: in the middle, and on the floor."""

import numpy as np

from castsim.voxel_cast import VoxelCast
from geometry.centerline_mesh import CentrelineMesh
from geometry.flowmesh import FloatArray, FlowMesh

PART = 0.05, 0.95
"""Share of a section that agent fills, between which it fills it in part."""
LEAST_CUBES = 8
"""A section of fewer has no halves worth the name."""


def in_the_middle(cubes: VoxelCast, volume: float) -> float:
    """Share of the inner halves that agent fills, less that of the outer ones; -1 to 1.

    Inner is the half of a section's cubes that conducts best: those far from the wall.
    """
    return _unlike(cubes, volume, _conducts(cubes.mesh.flow))


def on_the_floor(
    cubes: VoxelCast, volume: float, lines: CentrelineMesh, gravity: FloatArray
) -> float:
    """Share of the lower halves that agent fills, less that of the upper ones; -1 to 1.

    Lower across the vein: a front that crosses a steep vein squarely is neither.
    """
    along = _axes(lines)[cubes.mesh.line_cell]
    across = gravity - (along @ gravity)[:, None] * along
    return _unlike(cubes, volume, (cubes.mesh.flow.cell_centroid * across).sum(axis=1))


def _axes(lines: CentrelineMesh) -> FloatArray:
    """Direction of the vein at each cell of the centreline mesh, (c, 3); 0 of a lone cell."""
    centre, axis = lines.flow.cell_centroid, np.zeros((lines.flow.n_cells, 3))
    for begin, end in zip(lines.polyline_offset[:-1], lines.polyline_offset[1:], strict=True):
        cell = lines.polyline_cell[begin:end]
        if end - begin > 1:
            axis[cell] = np.gradient(centre[cell], axis=0)
    length = np.linalg.norm(axis, axis=1, keepdims=True)
    return axis / np.maximum(length, np.finfo(float).tiny)


def _conducts(flow: FlowMesh) -> FloatArray:
    """Mean conductance of each cell's own halves of its faces, (n,)."""
    ends = np.concatenate([flow.face_owner, flow.face_neighbour])
    strength = 1.0 / np.maximum(flow.half_resistance.T.ravel(), np.finfo(float).tiny)
    return np.bincount(ends, strength, flow.n_cells) / np.bincount(ends, minlength=flow.n_cells)


def _unlike(cubes: VoxelCast, volume: float, height: FloatArray) -> float:
    """Fill of the halves of sections that lie high in `height` (n,) less that of those low."""
    mesh = cubes.mesh
    room = mesh.flow.cell_volume
    share = cubes.saturation_at(volume)
    of = mesh.line_cell
    own = np.arange(len(of)) >= mesh.n_lines
    n = len(cubes.line_volume)
    total = np.bincount(of, room, n)
    full = np.bincount(of, share * room, n) / np.maximum(total, np.finfo(float).tiny)
    many = np.bincount(of, own, n) >= LEAST_CUBES
    asked = many & (full > PART[0]) & (full < PART[1])
    place = np.flatnonzero(own & asked[of])
    if not len(place):
        return 0.0
    place = place[np.lexsort((height[place], of[place]))]
    before = np.cumsum(room[place]) - room[place]
    first = np.flatnonzero(np.diff(of[place], prepend=-1))
    start = np.repeat(before[first], np.diff(np.append(first, len(place))))
    # a cube on the line between the halves is shared out
    high = (before - start + room[place] - 0.5 * total[of[place]]) / room[place]
    high = np.clip(high, 0.0, 1.0)
    agent = share[place] * room[place]
    return float(((2.0 * high - 1.0) * agent).sum() / (0.5 * room[place].sum()))
