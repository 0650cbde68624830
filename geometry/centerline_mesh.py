"""Centreline mesh: a vessel network cut into vertex-centred finite volumes.

Every node is one junction cell, made of the half segments of its branches; every branch
is cut into equal segments of at most `cell_mm`, and each inner division point is a cell.
Each segment is a face with two half resistances::

    node ──┬── x ──┬── x ──┬── node      x cells, ┬ faces (mid-segment)
      half   half half  half    half

**Axes.** Semi-axes a >= b run linearly between centreline points.  **Resistance** of a half
segment: the integral of 4 (a^2 + b^2) / (pi a^3 b^3) ds (Poiseuille in an ellipse), by Gauss
points on each linear piece.  **Volume**: the integral of pi a b ds.

**Junctions.** A side branch of area radius r starts inside the lumen of the wider veins it
joins.  With phi the angle between it and a wider vein of area radius R, its first

    t = (R - r^2 / 8R) / max(sin phi, 1/2)   for phi <= 90 degrees,
    t = (R - r^2 / 8R) (1 + cos phi)         for phi > 90 degrees

millimetres add no volume, and their resistance is that of a vein as wide as the wider one.
R - r^2/8R is the mean distance from the axis to the wall over the mouth of a perpendicular
tube, to second order in r/R. (Own construction; tested against unions of cylinders.) Where
only two branches meet, one goes on as the other and nothing is cut.

**Catheter.** Along its route the lumen is a concentric annulus between the catheter and a
circle of the vein's cross-section, R = sqrt(ab), or of the catheter's radius + 0.05 mm where
the vein is narrower (the vein distends; these cells are listed).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geometry.catheter_route import CatheterRoute
from geometry.errors import GeometryError
from geometry.flowmesh import FloatArray, FlowMesh, IntArray
from geometry.network import VesselNetwork

DISTENSION_CLEARANCE_MM = 0.05
"""A vein narrower than the catheter distends to this much beyond its radius (DESIGN: +0.1 mm
in diameter)."""
GAUSS_NODES, GAUSS_WEIGHTS = np.polynomial.legendre.leggauss(5)
MOST_TRIMMED = 0.9
"""Largest part of a branch that may lie inside the veins it joins."""


@dataclass(frozen=True)
class CentrelineMesh:
    """A flow mesh of a network, and where its cells lie on the branches.

    Attributes
    ----------
    flow : the finite-volume mesh
    cell_arc : (n,) mm from the start of the cell's branch (`flow.cell_branch`)
    polyline_offset : (b+1,) first row of each branch in `polyline_cell`
    polyline_cell : (k,) cells in order along each branch, both end junctions included
    polyline_arc : (k,) mm from the start of that branch
    tip_cell : cell of the catheter tip, -1 without catheter
    route_cells : (r,) cells from the tip (included) along the catheter to its far end
    distended_cells : cells whose vein is narrower than the catheter and was widened
    """

    flow: FlowMesh
    cell_arc: FloatArray
    polyline_offset: IntArray
    polyline_cell: IntArray
    polyline_arc: FloatArray
    tip_cell: int
    route_cells: IntArray
    distended_cells: IntArray

    def cells_of(self, branch: int) -> IntArray:
        """Cells along one branch, from its start junction to its end junction."""
        return self.polyline_cell[self.polyline_offset[branch] : self.polyline_offset[branch + 1]]

    def cell_at(self, branch: int, arc_mm: float) -> int:
        """Cell of `branch` nearest to `arc_mm` from its start."""
        rows = slice(self.polyline_offset[branch], self.polyline_offset[branch + 1])
        return int(self.polyline_cell[rows][np.argmin(np.abs(self.polyline_arc[rows] - arc_mm))])


def ellipse_resistance(a: FloatArray, b: FloatArray) -> FloatArray:
    """Poiseuille resistance per length and viscosity of an elliptic lumen, mm^-4.

    4 (a^2 + b^2) / (pi a^3 b^3); a circle gives 8 / (pi R^4). White, Viscous Fluid Flow, 3-3.3.
    """
    return 4 * (a**2 + b**2) / (np.pi * (a * b) ** 3)


def annulus_resistance(outer: FloatArray, inner: float) -> FloatArray:
    """Resistance per length and viscosity between concentric circles, mm^-4.

    8 / (pi (R^4 - r^4 - (R^2 - r^2)^2 / ln(R/r))). White, Viscous Fluid Flow, 3-3.3.
    """
    difference = outer**2 - inner**2
    return 8 / (
        np.pi * (difference * (outer**2 + inner**2) - difference**2 / np.log(outer / inner))
    )


@dataclass(frozen=True)
class _Cut:
    """How every branch is cut: `segments` equal ones between `trim_start` and `length - trim_end`.

    `wide_start`, `wide_end` (b, 2): semi-axes of the widest vein at either end, mm.
    """

    length: FloatArray
    point_arc: FloatArray
    trim_start: FloatArray
    trim_end: FloatArray
    segments: IntArray
    wide_start: FloatArray
    wide_end: FloatArray
    widest_branch: IntArray  # (nodes,) -1 where no branch ends

    @property
    def segment_mm(self) -> FloatArray:
        return np.asarray((self.length - self.trim_start - self.trim_end) / self.segments)

    @property
    def halves(self) -> IntArray:
        """First half segment of each branch, (b+1,)."""
        return np.concatenate([[0], np.cumsum(2 * self.segments)])


@dataclass(frozen=True)
class _Sections:
    """Lumen at the ends of all half segments: 2 `segments` + 1 rows a branch."""

    arc: FloatArray
    xyz: FloatArray
    major: FloatArray
    minor: FloatArray
    half_resistance: FloatArray  # one row a half segment
    half_volume: FloatArray


def centreline_mesh(
    network: VesselNetwork, cell_mm: float = 0.5, catheter: CatheterRoute | None = None
) -> CentrelineMesh:
    """Cut `network` into cells of at most `cell_mm` (see the module for the equations).

    Valves go to the nearest face of their branch. Faces of one stretch of a branch share a
    gate: stretch = floor(arc / 2 r), r the mean area radius of the branch, so that the key
    (branch, stretch) names the same piece of vein whatever `cell_mm`. Each terminal has a gate
    of its own, keyed (branch, -1) at a branch's start and (branch, -2) at its end. A gate's
    radius is that of curvature, 2ab/(a+b), or the gap round the catheter.
    Nodes without branches are left out.

    Raises
    ------
    GeometryError
        For a bad `cell_mm`, terminal, valve or route, or when a cell reaches no terminal.
    """
    if not (np.isfinite(cell_mm) and cell_mm > 0):
        raise GeometryError(f"cell_mm = {cell_mm} must be finite and > 0 mm")
    cut = _cut(network, cell_mm)
    cells, offset, junction_of = _number_cells(network, cut)
    route_half, route_cells = _route_halves(catheter, cut, cells, offset)
    catheter_radius = 0.5 * catheter.diameter_mm if catheter else 0.0
    sections = _sections(network, cut, route_half, catheter_radius)

    n = int(cells.max()) + 1
    branches = network.n_branches
    row_branch = np.repeat(np.arange(branches), 2 * cut.segments + 1)
    row_in_branch = np.arange(len(row_branch)) - np.repeat(
        cut.halves[:-1] + np.arange(branches), 2 * cut.segments + 1
    )
    at_cell = row_in_branch % 2 == 0
    face_row = np.flatnonzero(~at_cell)
    face_branch = row_branch[face_row]
    position = np.arange(len(cells))
    last = np.zeros(len(cells), dtype=bool)
    last[offset[1:] - 1] = True
    owner, neighbour = cells[position[~last]], cells[position[~last] + 1]

    volume = _sum(np.column_stack([owner, neighbour]).ravel(), sections.half_volume, n)

    # one row of the polylines speaks for each cell: for a junction that of its widest branch
    polyline_branch = np.repeat(np.arange(branches), cut.segments + 1)
    speaks = np.ones(len(cells), dtype=bool)
    for end, node in ((offset[:-1], network.branch_start), (offset[1:] - 1, network.branch_end)):
        speaks[end] = cut.widest_branch[node] == np.arange(branches)
    first = np.zeros(n, dtype=np.int64)
    first[cells[speaks]] = position[speaks]
    polyline_row = np.flatnonzero(at_cell)
    cell_row = polyline_row[first]
    major, minor = sections.major[cell_row], sections.minor[cell_row]
    centroid = sections.xyz[cell_row].copy()
    used = junction_of >= 0
    centroid[junction_of[used]] = network.node_xyz[used]

    polyline_arc = sections.arc[polyline_row].copy()
    polyline_arc[offset[:-1]] = 0.0
    polyline_arc[offset[1:] - 1] = cut.length
    gap = np.zeros(n)
    narrow = np.sqrt(major * minor) < catheter_radius + DISTENSION_CLEARANCE_MM
    distended = route_cells[narrow[route_cells]]
    # the tip's own cell is open ahead of the catheter: it keeps its lumen
    sheathed = route_cells[1:]
    round_radius = np.maximum(np.sqrt(major * minor), catheter_radius + DISTENSION_CLEARANCE_MM)[
        sheathed
    ]
    major[sheathed] = minor[sheathed] = round_radius
    gap[sheathed] = round_radius - catheter_radius

    owner_half = np.arange(len(owner)) * 2
    in_catheter = route_half[owner_half] & route_half[owner_half + 1]
    curvature = 2 * sections.major * sections.minor / (sections.major + sections.minor)
    face_radius = curvature[face_row]
    face_round = np.sqrt(sections.major * sections.minor)[face_row]
    face_radius = np.where(
        in_catheter,
        np.maximum(face_round - catheter_radius, DISTENSION_CLEARANCE_MM),
        face_radius,
    )
    face_arc = sections.arc[face_row]
    stretch = np.floor(face_arc / (2 * _mean_radius(network, cut)[face_branch])).astype(np.int64)
    terminal_cell, terminal_branch, terminal_stretch = _terminals(network, junction_of)
    key, face_gate = np.unique(np.column_stack([face_branch, stretch]), axis=0, return_inverse=True)
    face_gate = face_gate.reshape(-1)
    gates = len(key)
    terminal_radius = np.sqrt(major * minor)[terminal_cell]
    flow = FlowMesh(
        cell_volume=volume,
        cell_radius=major,
        cell_radius_minor=minor,
        cell_gap=gap,
        cell_centroid=centroid,
        cell_structure=network.branch_structure[polyline_branch[first]],
        cell_level=network.branch_level[polyline_branch[first]],
        cell_side=network.branch_side[polyline_branch[first]],
        cell_branch=polyline_branch[first],
        face_owner=owner,
        face_neighbour=neighbour,
        half_resistance=sections.half_resistance.reshape(-1, 2),
        face_centroid=sections.xyz[face_row],
        face_length=cut.segment_mm[face_branch],
        face_valve=_valves(network, cut),
        face_gate=face_gate,
        gate_radius=np.concatenate(
            [
                np.bincount(face_gate, weights=face_radius) / np.bincount(face_gate),
                (2 * major * minor / (major + minor))[terminal_cell],
            ]
        ),
        gate_branch=np.concatenate([key[:, 0], terminal_branch]),
        gate_stretch=np.concatenate([key[:, 1], terminal_stretch]),
        terminal_cell=terminal_cell,
        terminal_pressure=np.zeros(len(terminal_cell)),
        terminal_resistance=np.zeros(len(terminal_cell)),
        terminal_radius=terminal_radius,
        terminal_kind=network.terminal_kind,
        terminal_gate=gates + np.arange(len(terminal_cell)),
        terminal_name=network.terminal_name,
    )
    flow.validate(must_drain=True)
    for array in (cells, offset, polyline_arc, route_cells, distended):
        array.setflags(write=False)
    return CentrelineMesh(
        flow=flow,
        cell_arc=polyline_arc[first],
        polyline_offset=offset,
        polyline_cell=cells,
        polyline_arc=polyline_arc,
        tip_cell=int(route_cells[0]) if catheter else -1,
        route_cells=route_cells,
        distended_cells=distended,
    )


def _cut(network: VesselNetwork, cell_mm: float) -> _Cut:
    """Lengths, the parts that lie inside wider veins, and the number of segments."""
    first, last = network.point_offset[:-1], network.point_offset[1:] - 1
    step = np.linalg.norm(np.diff(network.point_xyz, axis=0), axis=1)
    step[last[:-1]] = 0.0
    running = np.concatenate([[0.0], np.cumsum(step)])
    point_arc = running - np.repeat(running[first], np.diff(network.point_offset))
    length = point_arc[last]

    branches = network.n_branches
    end_node = np.concatenate([network.branch_start, network.branch_end])
    end_point = np.concatenate([first, last])
    towards = np.concatenate([first + 1, last - 1])
    direction = network.point_xyz[towards] - network.point_xyz[end_point]
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    axes = np.column_stack([network.point_radius[end_point], network.point_radius_minor[end_point]])
    radius = np.sqrt(axes.prod(axis=1))

    # widest first at each node; ties by branch, so that the order does not hang on rounding
    order = np.lexsort((np.arange(2 * branches) % branches, -radius, end_node))
    node = end_node[order]
    starts_node = np.concatenate([[True], node[1:] != node[:-1]])
    leader = order[np.maximum.accumulate(np.where(starts_node, np.arange(len(order)), 0))]
    degree = np.bincount(node, minlength=network.n_nodes)[node]
    trim = np.zeros(2 * branches)
    for shift in range(1, int(degree.max())):
        pair = np.flatnonzero((node[shift:] == node[:-shift]) & (degree[shift:] > 2))
        wide, side = order[pair], order[pair + shift]
        cosine = np.einsum("ij,ij->i", direction[wide], direction[side])
        to_wall = radius[wide] - radius[side] ** 2 / (8 * radius[wide])
        sine = np.sqrt(np.maximum(1 - cosine**2, 0.25))
        trimmed = to_wall * np.where(cosine >= 0, 1 / sine, 1 + cosine)
        np.maximum.at(trim, side, np.maximum(trimmed, 0.0))
    too_much = np.maximum(1.0, (trim[:branches] + trim[branches:]) / (MOST_TRIMMED * length))
    trim_start, trim_end = trim[:branches] / too_much, trim[branches:] / too_much

    rest = length - trim_start - trim_end
    # tolerance: a branch of 5 mm is ten segments of 0.5 mm in spite of rounding
    segments = np.maximum(1, np.ceil(rest / cell_mm - 1e-9)).astype(np.int64)
    loop = network.branch_start == network.branch_end
    segments[loop] = np.maximum(2, segments[loop])
    wide_axes = np.empty_like(axes)
    wide_axes[order] = axes[leader]
    widest_branch = np.full(network.n_nodes, -1)
    widest_branch[node[starts_node]] = order[starts_node] % branches
    return _Cut(
        length=length,
        point_arc=point_arc,
        trim_start=trim_start,
        trim_end=trim_end,
        segments=segments,
        wide_start=wide_axes[:branches],
        wide_end=wide_axes[branches:],
        widest_branch=widest_branch,
    )


def _number_cells(network: VesselNetwork, cut: _Cut) -> tuple[IntArray, IntArray, IntArray]:
    """Cells along each branch, offsets, and the junction cell of each node (-1: no branch)."""
    used = cut.widest_branch >= 0
    junction_of = np.where(used, np.cumsum(used) - 1, -1)
    offset = np.concatenate([[0], np.cumsum(cut.segments + 1)])
    cells = np.full(offset[-1], -1)
    cells[offset[:-1]] = junction_of[network.branch_start]
    cells[offset[1:] - 1] = junction_of[network.branch_end]
    inner = cells < 0
    cells[inner] = used.sum() + np.arange(inner.sum())
    return cells, offset, junction_of


def _route_halves(
    catheter: CatheterRoute | None, cut: _Cut, cells: IntArray, offset: IntArray
) -> tuple[NDArray[np.bool_], IntArray]:
    """Half segments that hold the catheter, and its cells from the tip on."""
    route_half = np.zeros(cut.halves[-1], dtype=bool)
    if catheter is None:
        return route_half, np.zeros(0, dtype=np.int64)
    on_route: list[IntArray] = []
    for branch, arc_from, arc_to in catheter.path:
        if not 0 <= branch < len(cut.length):
            raise GeometryError(f"catheter route: branch {branch} does not exist")
        divisions = [
            int(np.clip(round((arc - cut.trim_start[branch]) / cut.segment_mm[branch]), 0, most))
            for arc in (arc_from, arc_to)
            for most in (cut.segments[branch],)
        ]
        low, high = sorted(divisions)
        route_half[cut.halves[branch] + 2 * low : cut.halves[branch] + 2 * high] = True
        leg = cells[offset[branch] + low : offset[branch] + high + 1]
        leg = leg if divisions[0] <= divisions[1] else leg[::-1]
        if on_route and on_route[-1][-1] != leg[0]:
            raise GeometryError(
                f"catheter route: branch {branch} does not begin where the branch before it ends"
            )
        on_route.append(leg if not on_route else leg[1:])
    return route_half, np.concatenate(on_route)


def _sections(
    network: VesselNetwork, cut: _Cut, route_half: NDArray[np.bool_], catheter_radius: float
) -> _Sections:
    """Integrate volume and resistance over every half segment."""
    branches = network.n_branches
    rows = 2 * cut.segments + 1
    row_branch = np.repeat(np.arange(branches), rows)
    row_in_branch = np.arange(len(row_branch)) - np.repeat(np.cumsum(rows) - rows, rows)
    arc = cut.trim_start[row_branch] + 0.5 * cut.segment_mm[row_branch] * row_in_branch
    end = cut.length - cut.trim_end
    arc = np.minimum(arc, end[row_branch])

    # merge centreline points and half-segment ends; between neighbours the axes run linearly
    points = len(network.point_xyz)
    point_branch = np.repeat(np.arange(branches), np.diff(network.point_offset))
    branch = np.concatenate([point_branch, row_branch])
    merged_arc = np.concatenate([cut.point_arc, arc])
    is_row = np.concatenate([np.zeros(points, dtype=np.int8), np.ones(len(arc), dtype=np.int8)])
    order = np.lexsort((is_row, merged_arc, branch))
    branch, merged_arc, is_row = branch[order], merged_arc[order], is_row[order]
    left = np.minimum(np.cumsum(is_row == 0) - 1, network.point_offset[branch + 1] - 2)
    span = cut.point_arc[left + 1] - cut.point_arc[left]
    weight = np.clip((merged_arc - cut.point_arc[left]) / span, 0.0, 1.0)

    def along(values: FloatArray) -> FloatArray:
        shaped = weight if values.ndim == 1 else weight[:, None]
        return np.asarray(values[left] * (1 - shaped) + values[left + 1] * shaped)

    major, minor = along(network.point_radius), along(network.point_radius_minor)
    xyz = along(network.point_xyz)
    row_at = np.flatnonzero(is_row)

    passed = np.cumsum(is_row)  # half-segment ends up to and including this entry
    before = np.concatenate([[0], np.cumsum(rows)])[branch]
    in_branch = passed - before - 1
    piece = np.flatnonzero(
        (branch[1:] == branch[:-1])
        & (in_branch[:-1] >= 0)
        & (in_branch[:-1] < rows[branch[:-1]] - 1)
    )
    half = cut.halves[branch[piece]] + in_branch[piece]
    step = merged_arc[piece + 1] - merged_arc[piece]
    resistance = np.zeros(len(piece))
    volume = np.zeros(len(piece))
    with_catheter = route_half[half]
    for node, gauss_weight in zip(GAUSS_NODES, GAUSS_WEIGHTS, strict=True):
        share = 0.5 * (1 + node)
        a = major[piece] * (1 - share) + major[piece + 1] * share
        b = minor[piece] * (1 - share) + minor[piece + 1] * share
        area, density = _lumen(a, b, with_catheter, catheter_radius)
        resistance += 0.5 * gauss_weight * step * density
        volume += 0.5 * gauss_weight * step * area
    half_resistance = _sum(half, resistance, len(route_half))
    half_volume = _sum(half, volume, len(route_half))

    for trim, wide, at in (
        (cut.trim_start, cut.wide_start, cut.halves[:-1]),
        (cut.trim_end, cut.wide_end, cut.halves[1:] - 1),
    ):
        density = _lumen(wide[:, 0], wide[:, 1], route_half[at], catheter_radius)[1]
        half_resistance[at] += trim * density
    return _Sections(
        arc=merged_arc[row_at],
        xyz=xyz[row_at],
        major=major[row_at],
        minor=minor[row_at],
        half_resistance=half_resistance,
        half_volume=half_volume,
    )


def _lumen(
    a: FloatArray, b: FloatArray, with_catheter: NDArray[np.bool_], catheter_radius: float
) -> tuple[FloatArray, FloatArray]:
    """Open area (mm2) and resistance per length and viscosity (mm^-4)."""
    area, density = np.pi * a * b, ellipse_resistance(a, b)
    if with_catheter.any():
        outer = np.maximum(
            np.sqrt((a * b)[with_catheter]), catheter_radius + DISTENSION_CLEARANCE_MM
        )
        area[with_catheter] = np.pi * (outer**2 - catheter_radius**2)
        density[with_catheter] = annulus_resistance(outer, catheter_radius)
    return area, density


def _sum(index: IntArray, values: FloatArray, size: int) -> FloatArray:
    """Sum of the values with each index, (size,)."""
    return np.bincount(index, weights=values, minlength=size).astype(np.float64)


def _mean_radius(network: VesselNetwork, cut: _Cut) -> FloatArray:
    """Mean area radius of each branch along its arc, mm; it does not hang on `cell_mm`."""
    radius = np.sqrt(network.point_radius * network.point_radius_minor)
    step = np.diff(cut.point_arc)
    area = np.concatenate([0.5 * (radius[1:] + radius[:-1]) * np.maximum(step, 0.0), [0.0]])
    area[network.point_offset[1:] - 1] = 0.0
    return np.asarray(np.add.reduceat(area, network.point_offset[:-1]) / cut.length)


def _valves(network: VesselNetwork, cut: _Cut) -> IntArray:
    face_valve = np.zeros(int(cut.segments.sum()), dtype=np.int64)
    for branch, arc, direction in zip(
        network.valve_branch, network.valve_arc, network.valve_direction, strict=True
    ):
        if not (0 <= branch < network.n_branches and 0 <= arc <= cut.length[branch]):
            raise GeometryError(f"valve at branch {branch}, {arc} mm lies on no branch")
        segment = int((arc - cut.trim_start[branch]) // cut.segment_mm[branch])
        segment = min(max(segment, 0), int(cut.segments[branch]) - 1)
        face = cut.halves[branch] // 2 + segment
        if face_valve[face] == -direction:
            raise GeometryError(f"two opposed valves at branch {branch}, {arc} mm")
        face_valve[face] = direction
    return face_valve


def _terminals(
    network: VesselNetwork, junction_of: IntArray
) -> tuple[IntArray, IntArray, IntArray]:
    """Cell of each terminal, and the branch and stretch that name its gate."""
    for node, name in zip(network.terminal_node, network.terminal_name, strict=True):
        if junction_of[node] < 0:
            raise GeometryError(f"terminal {name!r} sits on node {node}, which has no branch")
    branch_at = np.full(network.n_nodes, -1)
    stretch_at = np.zeros(network.n_nodes, dtype=np.int64)
    for ends, stretch in ((network.branch_end, -2), (network.branch_start, -1)):
        branch_at[ends] = np.arange(network.n_branches)
        stretch_at[ends] = stretch
    node = network.terminal_node
    return junction_of[node], branch_at[node], stretch_at[node]
