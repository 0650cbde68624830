"""Voxel mesh: wide veins of some levels as cubes of a regular grid, all others as centrelines.

**Which veins.** Fewer than two cubes a radius do not resolve a vein: those with a mean minor
semi-axis below that (or what is asked for) stay what they are on the centreline mesh, and so do the
IVC, whatever ends at a terminal or a valve, and the catheter's annulus with the tip. Cubes:
:mod:`geometry.cubes`.

**Where cubes meet lines.** A cube belongs to the cell of the centreline mesh whose place on the
nearest vein's centreline is nearest; it takes that cell's place if the cell is *resolved*. A face
of the centreline mesh between a line cell A and a resolved cell::

    A ── half of A ──┬── cubes that touch the lumen of A    half of A shared out by their psi
    A ── whole face ─┴── cubes in which A would lie         where A has no lumen in the grid

so a cut through a wide vein is even, and a side branch that is a line opens as wide as it is.
Cubes of two veins that touch have a wall between them, unless the veins meet (or only a vein
shorter than wide parts them) and the way from one to the other is no longer than :data:`REACH`
radii of the wider: veins that lie side by side exchange nothing, whether they meet elsewhere or
not.

**Every way of the centreline mesh is one of the cubes.** Where cells that are neighbours have cubes
that nothing near joins (between them lies a short, narrow vein), these get the face of the
centreline mesh. Cells of whose place most belongs to another vein (they cross and do not
meet) stay lines, unless the cubes beside them are joined near by, as at the end of a vein.

**Gates** are those of the centreline mesh, found by branch and arc: the same keys, so the same
disorder and radii. A face between two branches belongs to the narrower.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from geometry.branch_cut import cut_branches, mean_radius
from geometry.centerline_mesh import CentrelineMesh
from geometry.cubes import HALF, Cubes, passages
from geometry.errors import GeometryError
from geometry.flowmesh import BoolArray, FloatArray, FlowMesh, IntArray, joined
from geometry.kernels.lumen import Capsules
from geometry.kernels.voxels import number_cells
from geometry.lumen import Grid, Lumen, lumen
from geometry.network import VesselNetwork
from geometry.structures import Structure
from geometry.vein_ways import VeinWays
from geometry.voxel_gaps import Gaps, covered

AS_LINES = (Structure.IVC,)
"""Veins that stay lines, however wide: twice as many cubes as all others have, far from agent."""
LEAST_CUBES = 2.0
"""Cubes a mean minor semi-axis, below which a vein stays a line."""
REACH = 4.0
"""Radii of the wider vein, along the centrelines, within which places that touch are one lumen.

As on the centreline mesh, where a side branch leaves a vein of radius R no later than 2 R from
where they meet (:mod:`geometry.branch_cut`), and so no farther than 2 R along it.
"""
LEAST_PART = 1e-6
"""Of what passes between two cells: cubes that would share less are not joined."""
BAND = 2.0
"""Spacings to which the distance to the wall is needed outside the lumen."""


@dataclass(frozen=True)
class VoxelMesh:
    """A flow mesh of cubes and lines, and where its cells come from.

    Lines come first, in the order of the centreline mesh.

    Attributes
    ----------
    flow : the finite-volume mesh
    grid : whose points are the centres of the cubes
    cube_place : (c, 3) indices in the grid, of the last c cells
    line_cell : (n,) cell of the centreline mesh: the same one, or of which a cube is part
    tip_cell, route_cells : as on the centreline mesh
    lost_mm3 : volume of cubes that nothing joins to the rest
    """

    flow: FlowMesh
    grid: Grid
    cube_place: IntArray
    line_cell: IntArray
    tip_cell: int
    route_cells: IntArray
    lost_mm3: float

    @property
    def n_lines(self) -> int:
        """Number of cells that are no cubes."""
        return len(self.line_cell) - len(self.cube_place)


def voxel_mesh(
    network: VesselNetwork,
    lines: CentrelineMesh,
    capsules: Capsules,
    spacing_mm: float,
    levels: Collection[int],
    *,
    as_lines: Collection[Structure] = AS_LINES,
    least_cubes: float = LEAST_CUBES,
    threads: int = 1,
) -> VoxelMesh:
    """Put cubes in the place of the wide veins at `levels` (see the module).

    Parameters
    ----------
    network, lines : the veins, and their centreline mesh
    capsules : of `network`, :func:`geometry.lumen.capsules_of`
    spacing_mm : of the grid
    as_lines : structures that stay lines, however wide
    least_cubes : cubes a mean minor semi-axis, below which a vein stays a line
    threads : that find the distance to the wall; they do not change it

    Raises
    ------
    GeometryError
        For a bad spacing, or when no vein at `levels` is wide enough for it.
    """
    if not (np.isfinite(spacing_mm) and spacing_mm > 0):
        raise GeometryError(f"spacing_mm = {spacing_mm} must be finite and > 0 mm")
    veins = _Veins.of(network, lines)
    wide = veins.minor >= least_cubes * spacing_mm
    wide &= ~np.isin(network.branch_structure, [int(structure) for structure in as_lines])
    resolved = _resolved(lines, wide & np.isin(network.branch_level, [int(v) for v in levels]))
    if not resolved.any():
        raise GeometryError(
            f"spacing_mm = {spacing_mm}: no vein at these levels is {least_cubes:.3g} cubes "
            "a radius"
        )
    space = _space(capsules, wide, resolved[lines.polyline_cell], lines, spacing_mm, threads)
    stations = _Stations.of(space, lines)
    within = covered(lines, resolved, stations.line, spacing_mm)
    radius = np.sqrt(stations.major * stations.minor)
    through = np.union1d(veins.short, within)
    ways = VeinWays.of(network, veins.length, through, REACH * float(radius.max()))

    def parted(one: IntArray, two: IntArray) -> BoolArray:
        both = np.stack([one, two])
        most = REACH * radius[both].max(axis=0)
        return ways.are_longer(stations.branch[both], stations.arc[both], most)

    lumens = passages(space.bricks, spacing_mm, parted)
    gaps = Gaps.of(lines, resolved, lumens, stations.line)
    resolved[gaps.cells] = False
    cubes = lumens.cubes(resolved[stations.line])
    return _assembled(network, lines, veins, resolved, space.grid, cubes, stations, gaps.faces)


@dataclass(frozen=True)
class _Veins:
    """What is needed of every branch.

    count : number of branches
    radius, minor : (b,) mm, mean area radius and mean minor semi-axis along the arc
    length : (b,) mm
    short : (s,) branches no longer than the veins at their ends are wide
    first_gate : (b+1,) first gate of each branch on the centreline mesh
    """

    count: int
    radius: FloatArray
    minor: FloatArray
    length: FloatArray
    short: IntArray
    first_gate: IntArray

    @classmethod
    def of(cls, network: VesselNetwork, lines: CentrelineMesh) -> "_Veins":
        cut, count = cut_branches(network, 1.0), network.n_branches
        flat = replace(network, point_radius=network.point_radius_minor)
        radius = mean_radius(network, cut)
        wide = np.sqrt(cut.wide_start.prod(axis=1)) + np.sqrt(cut.wide_end.prod(axis=1))
        gates = int(lines.flow.face_gate.max()) + 1
        return cls(
            count=count,
            radius=radius,
            minor=mean_radius(flat, cut),
            length=cut.length,
            short=np.flatnonzero(cut.length <= wide),
            first_gate=np.searchsorted(lines.flow.gate_branch[:gates], np.arange(count + 1)),
        )


def _resolved(lines: CentrelineMesh, wide: BoolArray) -> BoolArray:
    """Cells (n,) of the centreline mesh that become cubes; `wide` (b,) branches."""
    flow = lines.flow
    resolved = wide[flow.cell_branch] & (flow.cell_gap == 0)
    valves = np.flatnonzero(flow.face_valve)
    for kept in (
        flow.terminal_cell,
        flow.face_owner[valves],
        flow.face_neighbour[valves],
        lines.route_cells,
    ):
        resolved[kept] = False
    return np.asarray(resolved)


def _space(
    capsules: Capsules,
    wide: BoolArray,
    rows: BoolArray,
    lines: CentrelineMesh,
    spacing: float,
    threads: int,
) -> Lumen:
    """Lumen of the wide veins, in the box of the cells that become cubes; `rows` of polylines."""
    xyz = lines.flow.cell_centroid[lines.polyline_cell[rows]]
    margin = lines.flow.cell_radius[lines.polyline_cell[rows], None] + 2 * BAND * spacing
    grid = Grid.around((xyz - margin).min(axis=0), (xyz + margin).max(axis=0), spacing)
    mine = wide[capsules.branch]
    some = Capsules(**{name: values[mine] for name, values in capsules._asdict().items()})
    return lumen(some, grid, band_mm=BAND * spacing, threads=threads)


@dataclass(frozen=True)
class _Stations:
    """Where points of a lumen lie along the veins; all (p,).

    branch, arc : of the nearest place on a centreline, mm
    line : cell of the centreline mesh there
    major, minor : mm, semi-axes there
    """

    branch: IntArray
    arc: FloatArray
    line: IntArray
    major: FloatArray
    minor: FloatArray

    @classmethod
    def of(cls, space: Lumen, lines: CentrelineMesh) -> "_Stations":
        """Of the points inside, in the order of the grid."""
        place = number_cells(space.bricks)[1]
        xyz = np.array(space.grid.origin) + space.grid.spacing * place
        capsule = space.nearest(xyz).astype(np.int64)
        pieces = space.capsules
        branch, arc = pieces.branch[capsule], space.arc(capsule, xyz)
        length = np.sqrt(np.einsum("si,si->s", pieces.along, pieces.along))
        share = (arc - pieces.arc[capsule]) / length[capsule]

        def between(axis: FloatArray) -> FloatArray:
            first, last = axis[capsule].T
            return np.asarray(first + share * (last - first))

        # one axis for all branches: each has its own stretch of it
        rows, cell = lines.polyline_arc, lines.polyline_cell
        stretch = 1.0 + float(rows.max())
        offset = lines.polyline_offset
        of_row = np.repeat(np.arange(len(offset) - 1), np.diff(offset))
        middle = of_row[:-1] * stretch + HALF * (rows[:-1] + rows[1:])
        inner = of_row[:-1] == of_row[1:]
        line = cell[branch + np.searchsorted(middle[inner], branch * stretch + arc)]
        return cls(branch, arc, line, between(pieces.major), between(pieces.minor))

    def of_rows(self, rows: IntArray) -> "_Stations":
        """Of some of the points."""
        return _Stations(*(values[rows] for values in vars(self).values()))


@dataclass(frozen=True)
class _Faces:
    """Faces in the numbers of the new mesh; rows as in :class:`FlowMesh`."""

    owner: IntArray
    neighbour: IntArray
    half: FloatArray
    xyz: FloatArray
    length: FloatArray
    valve: IntArray
    gate: IntArray


def _assembled(
    network: VesselNetwork,
    lines: CentrelineMesh,
    veins: _Veins,
    resolved: BoolArray,
    grid: Grid,
    cubes: Cubes,
    stations: _Stations,
    gaps: IntArray,
) -> VoxelMesh:
    """Join cubes and lines to one mesh, without cubes that nothing joins to a terminal.

    `gaps` (g,): faces of the centreline mesh across which cubes are to be joined.
    """
    mine = stations.of_rows(np.flatnonzero(resolved[stations.line]))
    beyond = stations.line[cubes.open_point]
    flow = lines.flow
    kept = np.flatnonzero(~resolved)
    number = np.full(flow.n_cells, -1)
    number[kept] = np.arange(len(kept))
    xyz = np.array(grid.origin) + grid.spacing * cubes.place
    # as it comes: few points are asked for
    tree = KDTree(xyz, balanced_tree=False, compact_nodes=False)
    faces = [
        _line_faces(flow, number),
        _cube_faces(lines, veins, cubes, mine, xyz, len(kept), grid.spacing),
        *_contacts(lines, veins, resolved, number, cubes, mine, beyond, tree, grid.spacing),
        _bridges(flow, gaps, cubes, mine, tree, len(kept)),
    ]
    owner = np.concatenate([part.owner for part in faces])
    neighbour = np.concatenate([part.neighbour for part in faces])
    n = len(kept) + len(xyz)
    stays = joined(n, owner, neighbour, number[flow.terminal_cell])
    stays[: len(kept)] = True
    cube = np.flatnonzero(stays[len(kept) :])
    place = np.cumsum(stays) - 1
    face = np.flatnonzero(stays[owner])

    def cells(of_lines: NDArray[Any], of_cubes: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([of_lines[kept], of_cubes[cube]])

    def rows(name: str) -> NDArray[Any]:
        return np.asarray(np.concatenate([getattr(part, name) for part in faces])[face])

    branch = mine.branch
    mesh = replace(
        flow,
        cell_volume=cells(flow.cell_volume, cubes.volume),
        cell_radius=cells(flow.cell_radius, mine.major),
        cell_radius_minor=cells(flow.cell_radius_minor, mine.minor),
        cell_gap=cells(flow.cell_gap, np.zeros(len(xyz))),
        cell_centroid=cells(flow.cell_centroid, xyz),
        cell_structure=cells(flow.cell_structure, network.branch_structure[branch]),
        cell_level=cells(flow.cell_level, network.branch_level[branch]),
        cell_side=cells(flow.cell_side, network.branch_side[branch]),
        cell_branch=cells(flow.cell_branch, branch),
        face_owner=place[rows("owner")],
        face_neighbour=place[rows("neighbour")],
        half_resistance=rows("half"),
        face_centroid=rows("xyz"),
        face_length=rows("length"),
        face_valve=rows("valve"),
        face_gate=rows("gate"),
        terminal_cell=number[flow.terminal_cell],
    )
    mesh.validate(must_drain=True)
    line_cell = cells(np.arange(flow.n_cells), mine.line)
    for array in (line_cell, cube):
        array.setflags(write=False)
    return VoxelMesh(
        flow=mesh,
        grid=grid,
        cube_place=cubes.place[cube],
        line_cell=line_cell,
        tip_cell=int(number[lines.tip_cell]) if lines.tip_cell >= 0 else -1,
        route_cells=number[lines.route_cells],
        lost_mm3=float(cubes.volume[~stays[len(kept) :]].sum()),
    )


def _line_faces(flow: FlowMesh, number: IntArray) -> _Faces:
    """Faces of which both ends stay."""
    stays = np.flatnonzero((number[flow.face_owner] >= 0) & (number[flow.face_neighbour] >= 0))
    return _Faces(
        owner=number[flow.face_owner[stays]],
        neighbour=number[flow.face_neighbour[stays]],
        half=flow.half_resistance[stays],
        xyz=flow.face_centroid[stays],
        length=flow.face_length[stays],
        valve=flow.face_valve[stays],
        gate=flow.face_gate[stays],
    )


def _cube_faces(
    lines: CentrelineMesh,
    veins: _Veins,
    cubes: Cubes,
    mine: _Stations,
    xyz: FloatArray,
    first: int,
    spacing: float,
) -> _Faces:
    """Faces between cubes, the first of which has the number `first`."""
    i, j = cubes.owner, cubes.neighbour
    count = len(i)
    # along the vein, so that a way through cubes is as long as the vein and no staircase
    along = np.abs(mine.arc[i] - mine.arc[j])
    return _Faces(
        owner=first + i,
        neighbour=first + j,
        half=np.column_stack([cubes.resistance, cubes.resistance]),
        xyz=HALF * (xyz[i] + xyz[j]),
        length=np.where(mine.branch[i] == mine.branch[j], along, spacing),
        valve=np.zeros(count, dtype=np.int64),
        gate=_gates(lines, veins, mine, i, j),
    )


def _gates(
    lines: CentrelineMesh, veins: _Veins, mine: _Stations, i: IntArray, j: IntArray
) -> IntArray:
    """Gate of each face between cubes `i` and `j`: that of the narrower branch, half way."""
    same = mine.branch[i] == mine.branch[j]
    ours = np.where(veins.radius[mine.branch[i]] <= veins.radius[mine.branch[j]], i, j)
    branch = mine.branch[ours]
    arc = np.where(same, HALF * (mine.arc[i] + mine.arc[j]), mine.arc[ours])
    stretch = np.floor(arc / (2.0 * veins.radius[branch])).astype(np.int64)
    # a stretch without a gate lies within a wider vein: the next one along the branch counts
    flow, count = lines.flow, int(veins.first_gate[-1])
    span = 1 + int(flow.gate_stretch[:count].max(initial=0)) + int(stretch.max(initial=0))
    key = flow.gate_branch[:count] * span + flow.gate_stretch[:count]
    found = np.searchsorted(key, branch * span + stretch, side="right") - 1
    return np.clip(found, veins.first_gate[branch], veins.first_gate[branch + 1] - 1)


def _contacts(
    lines: CentrelineMesh,
    veins: _Veins,
    resolved: BoolArray,
    number: IntArray,
    cubes: Cubes,
    mine: _Stations,
    beyond: IntArray,
    tree: KDTree,
    spacing: float,
) -> tuple[_Faces, _Faces]:
    """Cuts through wide veins, whose cubes touch a line cell, and mouths, where none does.

    `beyond` (o,): cell of the centreline mesh beyond each open side of a cube; `tree` of the cubes.
    """
    flow, first = lines.flow, int((number >= 0).sum())
    touching = np.flatnonzero(resolved[flow.face_owner] != resolved[flow.face_neighbour])
    inward = resolved[flow.face_neighbour[touching]]  # from the line cell to the resolved one
    line = np.where(inward, flow.face_owner[touching], flow.face_neighbour[touching])
    goal = np.where(inward, flow.face_neighbour[touching], flow.face_owner[touching])
    half = flow.half_resistance[touching]
    half = np.where(inward[:, None], half, half[:, ::-1])
    gate = flow.face_gate[touching]

    order = np.argsort(line * veins.count + flow.gate_branch[gate], kind="stable")
    key = (line * veins.count + flow.gate_branch[gate])[order]
    wanted = beyond * veins.count + mine.branch[cubes.open_cube]
    place = np.minimum(np.searchsorted(key, wanted), max(len(key) - 1, 0))
    met = key[place] == wanted if len(key) else np.zeros(len(wanted), dtype=bool)
    cube, at = cubes.open_cube[met], order[place[met]]
    passes = cubes.permeability[cube]
    weight = passes / np.bincount(at, passes, len(touching))[at]
    cut = _Faces(
        owner=number[line[at]],
        neighbour=first + cube,
        half=np.column_stack([half[at, 0] / weight, HALF / (passes * spacing)]),
        xyz=tree.data[cube],
        length=np.full(len(cube), spacing),
        valve=np.zeros(len(cube), dtype=np.int64),
        gate=gate[at],
    )
    bare = np.setdiff1d(np.arange(len(touching)), at)
    radius = np.sqrt(flow.cell_radius[line[bare]] * flow.cell_radius_minor[line[bare]])
    row, cube, weight = _mouths(flow, touching[bare], radius, goal[bare], cubes, mine, tree)
    mouth = _Faces(
        owner=number[line[bare]][row],
        neighbour=first + cube,
        half=half[bare][row] / weight[:, None],
        xyz=flow.face_centroid[touching[bare]][row],
        length=flow.face_length[touching[bare]][row],
        valve=np.zeros(len(row), dtype=np.int64),
        gate=gate[bare][row],
    )
    return cut, mouth


def _bridges(
    flow: FlowMesh, gaps: IntArray, cubes: Cubes, mine: _Stations, tree: KDTree, first: int
) -> _Faces:
    """Faces of the centreline mesh between cubes; the first cube has the number `first`."""
    # that of the vein between
    radius = flow.gate_radius[flow.face_gate[gaps]]
    (near, one, part), (_, two, share) = (
        _mouths(flow, gaps, radius, goal, cubes, mine, tree)
        for goal in (flow.face_owner[gaps], flow.face_neighbour[gaps])
    )
    # each end's parts side by side: who overlaps with whom, so that faces are no more than cubes
    reach, back = np.cumsum(part), np.cumsum(share)
    stop = np.union1d(reach, back)
    width = np.diff(stop, prepend=0.0)
    stop, width = stop[width > LEAST_PART], width[width > LEAST_PART]
    middle = stop - HALF * width
    i, j = np.searchsorted(reach, middle), np.searchsorted(back, middle)
    row = near[i]
    return _Faces(
        owner=first + one[i],
        neighbour=first + two[j],
        half=flow.half_resistance[gaps][row] / width[:, None],
        xyz=flow.face_centroid[gaps][row],
        length=flow.face_length[gaps][row],
        valve=flow.face_valve[gaps][row],
        gate=flow.face_gate[gaps][row],
    )


def _mouths(
    flow: FlowMesh,
    face: IntArray,
    radius: FloatArray,
    goal: IntArray,
    cubes: Cubes,
    mine: _Stations,
    tree: KDTree,
) -> tuple[IntArray, IntArray, FloatArray]:
    """Where veins of a `radius` (f,) mm open into the cubes of the cells `goal` (f,).

    Cubes that lie in the vein were it to go on from the `face` to the axis of the other one; where
    there are none, the nearest.

    Returns
    -------
    row : (k,) of `face`, in order
    cube : (k,)
    part : (k,) of the flow that each takes, by its permeability; their sum is 1 for each row
    """
    start, stop = flow.face_centroid[face], flow.cell_centroid[goal]
    way = stop - start
    length = np.linalg.norm(way, axis=1)
    xyz = np.asarray(tree.data)
    found = tree.query_ball_point(start + HALF * way, radius + HALF * length, return_sorted=True)
    row = np.repeat(np.arange(len(face)), [len(some) for some in found])
    cube = np.array([one for some in found for one in some], dtype=np.int64)
    share = np.einsum("ki,ki->k", xyz[cube] - start[row], way[row])
    share = np.clip(share / np.maximum(length[row], np.finfo(float).tiny) ** 2, 0.0, 1.0)
    aside = np.linalg.norm(xyz[cube] - start[row] - share[:, None] * way[row], axis=1)
    kept = (aside <= radius[row]) & (mine.line[cube] == goal[row])
    row, cube = row[kept], cube[kept]
    bare = np.setdiff1d(np.arange(len(face)), row)
    row = np.concatenate([row, bare])
    cube = np.concatenate([cube, _nearest(goal[bare], start[bare], mine, flow, xyz)])
    order = np.argsort(row, kind="stable")
    row, cube = row[order], cube[order]
    passes = cubes.permeability[cube]
    return row, cube, passes / np.bincount(row, passes, len(face))[row]


def _nearest(
    goal: IntArray, point: FloatArray, mine: _Stations, flow: FlowMesh, xyz: FloatArray
) -> IntArray:
    """For each point, the nearest cube of the cell `goal`, or of its branch if it has none."""
    order = np.argsort(mine.line, kind="stable")
    ends = np.searchsorted(mine.line[order], [goal, goal + 1])
    found = np.empty(len(goal), dtype=np.int64)
    for row, (low, high) in enumerate(ends.T):
        among = order[low:high]
        if not len(among):
            among = np.flatnonzero(mine.branch == flow.cell_branch[goal[row]])
        if not len(among):
            where = np.round(point[row], 1).tolist()
            raise GeometryError(f"no cube lies in the vein at {where} mm")
        found[row] = among[KDTree(xyz[among]).query(point[row])[1]]
    return found
