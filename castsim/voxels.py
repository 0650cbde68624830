"""Veins as cubes in an injection: their sections, and the resting state that they take over."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from castsim.blood_solver import face_conductance
from castsim.errors import ScenarioError
from castsim.near_field import Sections
from castsim.reduction import Reduction
from castsim.scenario import Scenario
from castsim.venous_flow import VenousFlow
from geometry.anatomy import Anatomy
from geometry.centerline_mesh import CentrelineMesh
from geometry.errors import GeometryError
from geometry.flowmesh import FloatArray, IntArray
from geometry.levels import Level
from geometry.lumen import capsules_of, minor_axes
from geometry.voxel_mesh import AS_LINES, VoxelMesh, voxel_mesh

BYTES_A_CUBE = 2500
"""Memory of mesh, state and pressures at their peak (measured: 2.1 kB)."""
GB = 1e9
MEMORY = Path("/proc/meminfo")
"""Where Linux tells how much memory is left; elsewhere nobody asks."""
BEYOND_MM = 10.0
"""Beyond the cells at the levels asked for, within which veins' flat sides are looked for."""


def cut_into_cubes(
    scenario: Scenario, anatomy: Anatomy, lines: CentrelineMesh, levels: tuple[Level, ...]
) -> VoxelMesh:
    """Cut the wide veins at `levels` into cubes of ``mesh.spacing_mm``.

    Raises
    ------
    ScenarioError
        When no vein there is wide enough, or there is too little memory for so many cubes.
    """
    spacing, least, flow = scenario.mesh.spacing_mm, scenario.mesh.least_cubes, lines.flow
    here = np.isin(flow.cell_level, [int(v) for v in levels])
    wide = here & (flow.cell_radius_minor >= least * spacing)
    wide &= ~np.isin(flow.cell_structure, AS_LINES)
    _check_memory(scenario, float(flow.cell_volume[wide].sum()) / spacing**3)
    height = flow.cell_centroid[here, 2]
    heights = float(height.min()) - BEYOND_MM, float(height.max()) + BEYOND_MM
    capsules = capsules_of(anatomy.network, minor_axes(anatomy.network, anatomy.skeleton, heights))
    try:
        return voxel_mesh(
            anatomy.network, lines, capsules, spacing, [int(v) for v in levels], least_cubes=least
        )
    except GeometryError as error:
        why = str(error).removeprefix(f"spacing_mm = {spacing}: ")
        raise ScenarioError(
            f"{scenario.name}: mesh.spacing_mm = {spacing}: {why}; take a finer one, or a smaller "
            "mesh.least_cubes"
        ) from error


def _check_memory(scenario: Scenario, cubes: float) -> None:
    """Refuse a mesh of about so many cubes before it exhausts the machine."""
    if not MEMORY.exists():
        return
    told = dict(line.split(":") for line in MEMORY.read_text("ascii").splitlines())
    free = 1024.0 * int(told["MemAvailable"].split()[0])
    if cubes * BYTES_A_CUBE > free:
        raise ScenarioError(
            f"{scenario.name}: mesh.spacing_mm = {scenario.mesh.spacing_mm}: about "
            f"{cubes / 1e6:.1f} million cubes need {cubes * BYTES_A_CUBE / GB:.1f} GB, and "
            f"{free / GB:.1f} GB are free; take a coarser spacing or a smaller mesh.voxel_levels"
        )


def resting_on(mesh: VoxelMesh, lines: CentrelineMesh, rest: VenousFlow) -> VenousFlow:
    """Resting flow on the voxel mesh, from that on the centreline mesh.

    Every cube has pressure, viscosity, through-flow and azygos share of its section, and line
    faces keep their valves; flows of single faces are not known (NaN).
    """
    flow, of = mesh.flow, mesh.line_cell
    kept = np.zeros(lines.flow.n_cells, dtype=bool)
    kept[of[: mesh.n_lines]] = True
    # faces between lines come first, in the order of the centreline mesh
    own = np.flatnonzero(kept[lines.flow.face_owner] & kept[lines.flow.face_neighbour])
    opened = np.ones(flow.n_faces, dtype=bool)
    opened[: len(own)] = rest.valve_open[own]
    return replace(
        rest,
        mesh=flow,
        pressure=rest.pressure[of],
        face_flow=np.full(flow.n_faces, np.nan),
        cell_flow=rest.cell_flow[of],
        viscosity=rest.viscosity[of],
        valve_open=opened,
        azygos_fraction=rest.azygos_fraction[of],
    )


def sections_of(
    mesh: VoxelMesh,
    cells: IntArray,
    lines: CentrelineMesh,
    viscosity: FloatArray,
    pressure: FloatArray,
) -> Sections:
    """Sections of the `cells` (k,) of a voxel mesh that an injection runs on.

    Parameters
    ----------
    lines : the centreline mesh that the voxel mesh was made from
    viscosity, pressure : of blood in its cells at rest, Pa s and Pa
    """
    flow, line = lines.flow, mesh.line_cell[cells]
    cubes = cells >= mesh.n_lines
    resolved = np.ones(flow.n_cells, dtype=bool)
    resolved[mesh.line_cell[: mesh.n_lines]] = False
    known, of = np.unique(line, return_inverse=True)
    number = np.full(flow.n_cells, -1)
    number[known] = np.arange(len(known))
    bare = np.flatnonzero(resolved & (number < 0))  # no cube is nearest to them
    number[bare] = len(known) + np.arange(len(bare))
    faces = np.flatnonzero((number[flow.face_owner] >= 0) & (number[flow.face_neighbour] >= 0))
    ends = np.stack([flow.face_owner[faces], flow.face_neighbour[faces]])
    stream, own = np.arange(len(cells)), np.flatnonzero(cubes)
    _, first, place = np.unique(
        mesh.flow.cell_branch[cells[own]], return_index=True, return_inverse=True
    )
    stream[own] = own[first][place]
    radius = np.sqrt(flow.cell_radius * flow.cell_radius_minor)
    inner = resolved[ends].all(axis=0)
    one, two = number[ends[:, inner]]
    count = len(known) + len(bare)
    reduction = Reduction(count, one, two, np.arange(count) < len(known))
    nothing, conductance = np.zeros(count), face_conductance(flow, viscosity)[faces[inner]]
    strength = reduction.reduce(conductance, nothing, nothing)[0]
    return Sections(
        of=of.astype(np.int64),
        cubes=cubes,
        stream=stream,
        beside=number[ends],
        radii=2.0 * flow.face_length[faces] / radius[ends].sum(axis=0),
        links=np.stack([reduction.first, reduction.second]),
        conductance=strength,
        pressure=pressure[line],
    )
