"""Veins as short elliptic cylinders, which together are the lumen once and no more.

A vein is cut where its centreline bends and where two cells meet, into cylinders of the mean
semi-axes there. Two that follow one another are cut by the plane that halves their angle, so that
along a vein they neither overlap nor gape. What of a side branch lies inside a wider vein is left
out, as in the mesh (:mod:`geometry.branch_cut`). The mesh leaves out by a rule for round veins;
what that rule takes from a branch outside a flat or ending one is a *bridge*, drawn and counted on
top: 0 to 1.7 % of a compartment of the typical anatomy.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geometry.branch_cut import cut_branches
from geometry.centerline_mesh import CentrelineMesh
from geometry.kernels.chords import Pieces
from geometry.network import VesselNetwork

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

LEAST_STEP_MM = 1e-6
"""Two places on a vein that are nearer are one."""
LEAST_ACROSS = 0.05
"""Of a direction that says which way a vein is flat: what must be left of it across the vein."""
EMBEDDED_STEPS = 4
"""Parts of what the mesh leaves out of a side branch: each is in a wider vein, or is drawn."""
BEHIND_MM = 0.05
"""A vein counts so far behind its end, so that a branch square to it is seen to be in it."""


def vein_pieces(
    network: VesselNetwork, mesh: CentrelineMesh, minor_axis: FloatArray, least_mm: float = 0.0
) -> tuple[Pieces, FloatArray, BoolArray]:
    """Cut the veins where centrelines bend and where cells meet.

    Together the pieces of a cell, bridges apart, hold its volume: where a catheter takes part of
    the lumen, their density is less.

    Parameters
    ----------
    mesh : of that network
    minor_axis : (p, 3) as :func:`geometry.lumen.capsules_of` takes it
    least_mm : thinner semi-axes are drawn as wide as this, and the density is less for it

    Returns
    -------
    pieces : s of them
    density : (s,) share of each piece that is lumen
    bridge : (s,) whether it is a bridge
    """
    places = _places(network, mesh, minor_axis)
    key, row, branch = places.ends, places.row, places.branch
    middle = key.mean(axis=1)

    def at(values: FloatArray, place: FloatArray) -> FloatArray:
        return _at(places.point_key, values, place)

    start, end = (at(network.point_xyz, key[:, side]) for side in (0, 1))
    along = end - start
    length = np.sqrt(np.einsum("si,si->s", along, along))
    unit = along / length[:, None]
    start_plane, end_plane = _planes(unit, branch, key)
    axes = at(np.stack([network.point_radius, network.point_radius_minor], axis=1), middle)
    major, minor = np.maximum(axes, least_mm).T.copy()
    cell = mesh.polyline_cell[row]
    own_volume = np.where(places.bridge, 0.0, np.pi * major * minor * length)
    drawn = np.bincount(cell, own_volume, minlength=mesh.flow.n_cells)
    pieces = Pieces(
        start=start,
        along=along,
        major=major,
        minor=minor,
        flat=_square_to(at(minor_axis, middle), unit),
        start_plane=start_plane,
        end_plane=end_plane,
        cell=cell,
    )
    return pieces, mesh.flow.cell_volume[cell] / drawn[cell], places.bridge


def tube_pieces(points: FloatArray, radius_mm: float) -> Pieces:
    """A round tube through points (k, 3) mm, k > 1, in pieces like those of a vein.

    Points that coincide with the one before are left out; `cell` is the number of the piece.
    """
    step = np.linalg.norm(np.diff(points, axis=0), axis=1)
    points = points[np.concatenate([[True], step > LEAST_STEP_MM])]
    along = np.diff(points, axis=0)
    unit = along / np.linalg.norm(along, axis=1)[:, None]
    number = np.arange(len(along))
    place = np.stack([number, number + 1], axis=1).astype(float)
    start_plane, end_plane = _planes(unit, np.zeros(len(along), dtype=np.int64), place)
    radius = np.full(len(along), radius_mm)
    return Pieces(
        start=points[:-1].copy(),
        along=along,
        major=radius,
        minor=radius,
        flat=_square_to(np.zeros_like(along), unit),
        start_plane=start_plane,
        end_plane=end_plane,
        cell=number,
    )


class _Places(NamedTuple):
    """Pieces along all branches, told by numbers that rise through them one after another."""

    point_key: FloatArray  # (p,) of the centreline points
    ends: FloatArray  # (s, 2) of start and end of every piece
    branch: IntArray  # (s,)
    row: IntArray  # (s,) of `CentrelineMesh.polyline_cell`
    bridge: BoolArray  # (s,) left out of the mesh, but in no wider vein


def _places(network: VesselNetwork, mesh: CentrelineMesh, minor_axis: FloatArray) -> _Places:
    """Where pieces begin and end: at centreline points, and half-way between cells."""
    cut = cut_branches(network, np.inf)
    offset, rows = network.point_offset, np.diff(mesh.polyline_offset)
    # branches are set apart by a millimetre
    branches = np.arange(network.n_branches)
    running = np.concatenate([[0.0], np.cumsum(network.step_length)])
    point_key = running + np.repeat(branches, np.diff(offset))
    start, stop = point_key[offset[:-1]], point_key[offset[1:] - 1]
    begin, end = start + cut.trim_start, stop - cut.trim_end
    # the row k of a branch reaches from k - 1/2 to k + 1/2 segments
    row_branch = np.repeat(branches, rows)
    number = np.arange(len(row_branch)) - mesh.polyline_offset[:-1][row_branch]
    last = number == rows[row_branch] - 1
    step = ((end - begin) / (rows - 1))[row_branch]
    row_end = np.where(last, stop[row_branch], begin[row_branch] + (number + 0.5) * step)
    steps = np.arange(1, EMBEDDED_STEPS + 1) / EMBEDDED_STEPS
    embedded = [start + part * cut.trim_start for part in steps]
    embedded += [stop - part * cut.trim_end for part in steps]
    key = np.unique(np.concatenate([point_key, row_end, *embedded]))
    middle = 0.5 * (key[1:] + key[:-1])
    branch = np.searchsorted(start, middle, side="right") - 1
    own = (middle < stop[branch]) & (np.diff(key) > LEAST_STEP_MM)
    xyz = _at(point_key, network.point_xyz, middle)
    bridge = np.zeros(len(middle), dtype=bool)
    for trimmed, node in (
        (middle < begin[branch], network.branch_start),
        (middle > end[branch], network.branch_end),
    ):
        left_out = np.flatnonzero(own & trimmed)
        mine = branch[left_out]
        inside = _inside_wider(network, minor_axis, mine, node[mine], xyz[left_out])
        own[left_out], bridge[left_out] = ~inside, ~inside
    ends = np.stack([key[:-1], key[1:]], axis=1)[own]
    row = np.searchsorted(row_end, middle[own])
    return _Places(point_key, ends, branch[own], row, bridge[own])


def _inside_wider(
    network: VesselNetwork,
    minor_axis: FloatArray,
    branch: IntArray,
    node: IntArray,
    xyz: FloatArray,
) -> BoolArray:
    """Whether places (k, 3) on branches (k,) near nodes (k,) lie in a wider vein that ends there.

    A vein goes on from its end straight and with the semi-axes that it has there.
    """
    first, last = network.point_offset[:-1], network.point_offset[1:] - 1
    point = np.concatenate([first, last])
    away = network.point_xyz[np.concatenate([first + 1, last - 1])] - network.point_xyz[point]
    away /= np.sqrt(np.einsum("ei,ei->e", away, away))[:, None]
    major, minor = network.point_radius[point], network.point_radius_minor[point]
    flat = _square_to(minor_axis[point], away)
    end_node = np.concatenate([network.branch_start, network.branch_end])
    end_branch = np.tile(np.arange(network.n_branches), 2)
    order = np.argsort(end_node, kind="stable")
    low, high = (np.searchsorted(end_node[order], node, side=side) for side in ("left", "right"))
    own_width = np.zeros(len(branch))
    inside = np.zeros(len(branch), dtype=bool)
    # the k-th vein at every node, as many times as there are
    for nth in range(int((high - low).max(initial=0))):
        there = low + nth < high
        end = order[np.minimum(low + nth, len(order) - 1)]
        mine = there & (end_branch[end] == branch)
        own_width[mine] = np.maximum(own_width, major[end] * minor[end])[mine]
    for nth in range(int((high - low).max(initial=0))):
        there = low + nth < high
        end = order[np.minimum(low + nth, len(order) - 1)]
        beside = xyz - network.point_xyz[point[end]]
        along = np.einsum("ki,ki->k", beside, away[end])
        thick = np.einsum("ki,ki->k", beside, flat[end])
        wide = np.einsum("ki,ki->k", beside, beside) - along**2 - thick**2
        within = (thick / minor[end]) ** 2 + np.maximum(wide, 0.0) / major[end] ** 2 < 1.0
        wider = (major * minor)[end] >= own_width
        inside |= there & (end_branch[end] != branch) & wider & within & (along >= -BEHIND_MM)
    return inside


def _at(point_key: FloatArray, values: FloatArray, place: FloatArray) -> FloatArray:
    """Columns of `values` (p, c) between the points, (s, c)."""
    return np.stack([np.interp(place, point_key, column) for column in values.T], axis=1)


def _planes(unit: FloatArray, branch: IntArray, ends: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Normals (s, 3) inwards of the planes at the start and the end of every piece."""
    next_one = (branch[1:] == branch[:-1]) & (ends[1:, 0] - ends[:-1, 1] < LEAST_STEP_MM)
    joined = np.append(next_one, False)
    after = np.where(joined[:, None], unit + np.roll(unit, -1, axis=0), 2.0 * unit)
    before = np.where(np.roll(joined, 1)[:, None], unit + np.roll(unit, 1, axis=0), 2.0 * unit)
    return before, -after


def _square_to(direction: FloatArray, unit: FloatArray) -> FloatArray:
    """Unit vectors (s, 3) across `unit` nearest to the directions."""
    spare = np.eye(3)[np.abs(unit).argmin(axis=1)]
    across = direction - np.einsum("si,si->s", direction, unit)[:, None] * unit
    lost = np.einsum("si,si->s", across, across) < LEAST_ACROSS**2
    across = np.where(
        lost[:, None], spare - np.einsum("si,si->s", spare, unit)[:, None] * unit, across
    )
    return np.asarray(across / np.linalg.norm(across, axis=1, keepdims=True))
