"""Centreline mesh: a vessel network cut into vertex-centred finite volumes.

Every node is one junction cell, made of the half segments of its branches; every branch
is cut into equal segments of at most `cell_mm`, and each inner division point is a cell.
Each segment is a face with two half resistances::

    node ──┬── x ──┬── x ──┬── node      x cells, ┬ faces (mid-segment)
      half   half half  half    half

What a half segment holds and resists: :mod:`geometry.branch_sections`; where a side branch
begins at a junction: :mod:`geometry.branch_cut`.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from geometry.branch_cut import Cut, cut_branches, mean_radius
from geometry.branch_sections import DISTENSION_CLEARANCE_MM, Lines, cut_lines
from geometry.catheter_route import CatheterRoute
from geometry.errors import GeometryError
from geometry.flowmesh import BoolArray, FloatArray, FlowMesh, IntArray
from geometry.network import VesselNetwork


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

    def rows_beside(self, branch: IntArray, arc_mm: FloatArray) -> tuple[IntArray, FloatArray]:
        """Row (k,) of `polyline_cell` before each place, and its share (k,) of the way to the next.

        Ends of branches are not passed.
        """
        key, apart = self._row_key
        row = np.searchsorted(key, branch * apart + arc_mm, side="right") - 1
        first, last = self.polyline_offset[branch], self.polyline_offset[branch + 1] - 1
        row = np.clip(row, first, last - 1)
        before, after = self.polyline_arc[row], self.polyline_arc[row + 1]
        return row, np.clip((arc_mm - before) / (after - before), 0.0, 1.0)

    def stretches_with(
        self, branch: IntArray, start_mm: FloatArray, end_mm: FloatArray, cells: BoolArray
    ) -> BoolArray:
        """Which stretches (k,) of branches reach one of `cells` (n,), or lie beside one."""
        first, _ = self.rows_beside(branch, start_mm)
        last, _ = self.rows_beside(branch, end_mm)
        before = np.concatenate([[0], np.cumsum(cells[self.polyline_cell])])
        return np.asarray(before[last + 2] > before[first])

    @cached_property
    def _row_key(self) -> tuple[FloatArray, float]:
        """Number (k,) of each row, rising with branch and arc, and how far apart branches are."""
        branches = len(self.polyline_offset) - 1
        branch = np.repeat(np.arange(branches), np.diff(self.polyline_offset))
        apart = 1.0 + float(self.polyline_arc.max())
        return branch * apart + self.polyline_arc, apart


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
    cut = cut_branches(network, cell_mm)
    cells, offset, junction_of = _number_cells(network, cut)
    route_half, route_cells = _route_halves(catheter, cut, cells, offset)
    catheter_radius = 0.5 * catheter.diameter_mm if catheter else 0.0
    used = junction_of >= 0
    n = int(used.sum() + (cut.segments - 1).sum())
    lines = _lines(network, cut, cells, offset, route_half)
    pieces, gates = cut_lines(lines, n, catheter_radius)
    pieces.centroid[junction_of[used]] = network.node_xyz[used]
    gap, distended = _sheathe(pieces.major, pieces.minor, route_cells, catheter_radius)

    major, minor = pieces.major, pieces.minor
    terminal_cell, terminal_branch, terminal_stretch = _terminals(network, junction_of)
    at_end = major[terminal_cell], minor[terminal_cell]
    flow = FlowMesh(
        cell_volume=pieces.volume,
        cell_radius=major,
        cell_radius_minor=minor,
        cell_gap=gap,
        cell_centroid=pieces.centroid,
        cell_structure=network.branch_structure[pieces.branch],
        cell_level=network.branch_level[pieces.branch],
        cell_side=network.branch_side[pieces.branch],
        cell_branch=pieces.branch,
        face_owner=pieces.owner,
        face_neighbour=pieces.neighbour,
        half_resistance=pieces.half_resistance,
        face_centroid=pieces.face_xyz,
        face_length=pieces.face_length,
        face_valve=_valves(network, cut),
        face_gate=pieces.gate,
        gate_radius=np.concatenate(
            [pieces.gate_radius[:gates], 2 * at_end[0] * at_end[1] / (at_end[0] + at_end[1])]
        ),
        gate_branch=np.concatenate([pieces.gate_branch[:gates], terminal_branch]),
        gate_stretch=np.concatenate([pieces.gate_stretch[:gates], terminal_stretch]),
        branch_key=network.branch_key,
        terminal_cell=terminal_cell,
        terminal_pressure=np.zeros(len(terminal_cell)),
        terminal_resistance=np.zeros(len(terminal_cell)),
        terminal_radius=np.sqrt(at_end[0] * at_end[1]),
        terminal_kind=network.terminal_kind,
        terminal_gate=gates + np.arange(len(terminal_cell)),
        terminal_name=network.terminal_name,
    )
    flow.validate(must_drain=True)
    for array in (cells, offset, pieces.arc, pieces.row_arc, route_cells, distended):
        array.setflags(write=False)
    return CentrelineMesh(
        flow=flow,
        cell_arc=pieces.arc,
        polyline_offset=offset,
        polyline_cell=cells,
        polyline_arc=pieces.row_arc,
        tip_cell=int(route_cells[0]) if catheter else -1,
        route_cells=route_cells,
        distended_cells=distended,
    )


def _lines(
    network: VesselNetwork,
    cut: Cut,
    cells: IntArray,
    offset: IntArray,
    route_half: NDArray[np.bool_],
) -> Lines:
    """Gather what the cutting kernel reads; a junction is named by its widest branch."""
    branches = np.arange(network.n_branches)
    return Lines(
        xyz=network.point_xyz,
        major=network.point_radius,
        minor=network.point_radius_minor,
        point_arc=cut.point_arc,
        point_offset=network.point_offset,
        segments=cut.segments,
        segment_mm=cut.segment_mm,
        trim_start=cut.trim_start,
        trim_end=cut.trim_end,
        length=cut.length,
        wide_start=cut.wide_start,
        wide_end=cut.wide_end,
        mean_radius=mean_radius(network, cut),
        speaks_start=cut.widest_branch[network.branch_start] == branches,
        speaks_end=cut.widest_branch[network.branch_end] == branches,
        cell_offset=offset,
        cells=cells,
        sheathed=route_half,
    )


def _sheathe(
    major: FloatArray, minor: FloatArray, route_cells: IntArray, catheter_radius: float
) -> tuple[FloatArray, IntArray]:
    """Round and widen the cells that hold the catheter, in place; gaps, and the widened cells."""
    gap = np.zeros(len(major))
    least = catheter_radius + DISTENSION_CLEARANCE_MM
    radius = np.sqrt(major[route_cells] * minor[route_cells])
    # the tip's own cell is open ahead of the catheter: it keeps its lumen
    sheathed = route_cells[1:]
    major[sheathed] = minor[sheathed] = np.maximum(radius, least)[1:]
    gap[sheathed] = major[sheathed] - catheter_radius
    return gap, route_cells[radius < least]


def _number_cells(network: VesselNetwork, cut: Cut) -> tuple[IntArray, IntArray, IntArray]:
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
    catheter: CatheterRoute | None, cut: Cut, cells: IntArray, offset: IntArray
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


def _valves(network: VesselNetwork, cut: Cut) -> IntArray:
    face_valve = np.zeros(int(cut.segments.sum()), dtype=np.int64)
    halves, segment_mm = cut.halves, cut.segment_mm
    for branch, arc, direction in zip(
        network.valve_branch, network.valve_arc, network.valve_direction, strict=True
    ):
        if not (0 <= branch < network.n_branches and 0 <= arc <= cut.length[branch]):
            raise GeometryError(f"valve at branch {branch}, {arc} mm lies on no branch")
        segment = int((arc - cut.trim_start[branch]) // segment_mm[branch])
        segment = min(max(segment, 0), int(cut.segments[branch]) - 1)
        face = halves[branch] // 2 + segment
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
