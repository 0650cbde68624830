"""The cubes of every section as one cell: they hold and conduct what the cubes do."""

import numpy as np
import pytest

from benchmarks.sections import as_sections
from castsim.multigrid import Multigrid
from geometry.centerline_mesh import CentrelineMesh, centreline_mesh
from geometry.flowmesh import FloatArray, FlowMesh, IntArray
from geometry.levels import Level, Side
from geometry.lumen import capsules_of
from geometry.network import NetworkBuilder, TerminalKind
from geometry.structures import Structure
from geometry.voxel_mesh import VoxelMesh, voxel_mesh

Meshes = tuple[CentrelineMesh, VoxelMesh, FlowMesh, IntArray]


@pytest.fixture(scope="module")
def meshes() -> Meshes:
    """Three veins in cubes of 0.25 mm, and one too narrow for them, that meet; their sections."""
    builder = NetworkBuilder()
    middle = builder.node(np.zeros(3))
    for angle, radius in ((np.pi, 1.0), (0.7, 0.8), (-0.7, 0.7), (1.8, 0.3)):
        end = builder.node(8.0 * np.array([np.cos(angle), np.sin(angle), 0.0]))
        vein = Structure.AZYGOS, Level.T9, Side.RIGHT
        builder.branch(middle, end, *vein, radius=[radius, radius])
        builder.terminal(end, TerminalKind.OUTLET, f"end {angle:.1f}")
    network = builder.build()
    lines = centreline_mesh(network)
    mesh = voxel_mesh(network, lines, capsules_of(network), 0.25, [Level.T9], least_cubes=1.5)
    return lines, mesh, *as_sections(mesh, lines.flow)


def outflows(flow: FlowMesh, cell: int) -> FloatArray:
    """Flow through every end for 1 mm3/s into a cell, viscosity 1; ends hold a little."""
    conductance = 1.0 / flow.half_resistance.sum(axis=1)
    n, ends = flow.n_cells, flow.terminal_cell
    hold = np.full(len(ends), 0.01)
    ground = np.bincount(ends, hold, n)
    grids = Multigrid(n, flow.face_owner, flow.face_neighbour, conductance, ground)
    pressure = grids.solve(np.eye(1, n, cell)[0], tolerance=1e-11)[0]
    return hold * pressure[ends]


def test_they_hold_what_their_cubes_hold(meshes: Meshes) -> None:
    lines, mesh, sections, _ = meshes
    held = np.bincount(mesh.line_cell, mesh.flow.cell_volume, lines.flow.n_cells)
    has = np.bincount(mesh.line_cell, minlength=len(held)) > 0
    assert has.sum() > 30
    np.testing.assert_allclose(sections.cell_volume[has], held[has], rtol=1e-12)


def test_faces_between_lines_stay(meshes: Meshes) -> None:
    lines, mesh, sections, kept = meshes
    assert len(kept) > 0
    first = sections.half_resistance[: len(kept)]
    np.testing.assert_array_equal(first, lines.flow.half_resistance[kept])
    assert (lines.flow.face_owner[kept] == sections.face_owner[: len(kept)]).all()
    cubes = np.unique(mesh.line_cell[mesh.n_lines :])
    assert not np.isin(sections.face_owner[: len(kept)], cubes).any()


def test_blood_is_shared_out_as_by_the_cubes(meshes: Meshes) -> None:
    """From a place at which none was let in to find the conductances: in the middle of a vein."""
    lines, mesh, sections, _ = meshes
    cells = lines.cells_of(1)
    section = int(cells[len(cells) // 2])
    cube = int(np.flatnonzero(mesh.line_cell == section)[0])
    exact, found = outflows(mesh.flow, cube), outflows(sections, section)
    np.testing.assert_allclose(found, exact, rtol=0.01)
    # lines conduct so much else that this tells the two apart
    plain = outflows(lines.flow, section)
    assert np.abs(found - exact).max() < np.abs(plain - exact).max()
