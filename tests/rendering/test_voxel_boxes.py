"""Cubes of a cast as boxes of VTK: read back, in their places, with what is in them."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import pyvista as pv
from scipy.spatial import cKDTree

from castsim.holding import CubesHold
from castsim.still import filled_cubes
from castsim.surfaces import Surface, contour, without_stairs
from castsim.vtp import LOG, NEVER, voxel_boxes, write_vtp
from geometry.centerline_mesh import centreline_mesh
from geometry.levels import Level, Side
from geometry.lumen import capsules_of
from geometry.network import NetworkBuilder, TerminalKind
from geometry.structures import Structure
from geometry.voxel_mesh import VoxelMesh, voxel_mesh


@pytest.fixture(scope="module")
def mesh() -> VoxelMesh:
    """A vein of 10 mm, 1 mm in radius, whose ends stay lines."""
    builder = NetworkBuilder()
    ends = builder.node([0.0, 0.0, 0.0]), builder.node([10.0, 2.0, 1.0])
    builder.branch(*ends, Structure.AZYGOS, Level.T9, Side.RIGHT, radius=[1.0, 1.0])
    for end in ends:
        builder.terminal(end, TerminalKind.OUTLET, f"end {end}")
    network = builder.build()
    return voxel_mesh(network, centreline_mesh(network), capsules_of(network), 0.4, [Level.T9])


def test_cubes_are_read_back(mesh: VoxelMesh, tmp_path: Path) -> None:
    n, first = mesh.flow.n_cells, mesh.n_lines
    arrival = np.where(np.arange(n) % 3 == 0, np.inf, np.arange(n, dtype=float))
    voxels = SimpleNamespace(
        mesh=mesh,
        first_volume=arrival,
        full_volume=arrival + 1.0,
        saturation=np.full(n, 0.5),
        injection=SimpleNamespace(log={name: np.arange(3.0) for name in LOG}),
    )
    path = tmp_path / "cast.vtu"
    write_vtp(voxel_boxes(voxels), path)  # type: ignore[arg-type]
    read = pv.read(path)
    assert read.n_cells == n - first
    np.testing.assert_allclose(
        read.cell_centers().points, mesh.flow.cell_centroid[first:], atol=1e-4
    )
    sizes = read.compute_cell_sizes(length=False, area=False).cell_data["Volume"]
    np.testing.assert_allclose(np.abs(sizes), 0.4**3, rtol=1e-3)
    expected = np.where(np.isfinite(arrival), arrival / 1000.0, NEVER)[first:]
    np.testing.assert_allclose(read.cell_data["arrival_volume_mL"], expected, rtol=1e-6)
    assert set(read.cell_data["structure_code"]) == {Structure.AZYGOS}
    assert set(read.cell_data["level_code"]) == {Level.T9}
    np.testing.assert_array_equal(read.field_data["log_volume_mL"], [0.0, 1e-3, 2e-3])
    # cubes share their corners
    assert read.n_points < 4 * read.n_cells


def test_agent_on_the_floor_is_drawn_there_and_nowhere_else(mesh: VoxelMesh) -> None:
    first, centre = mesh.n_lines, mesh.flow.cell_centroid
    # the vein rises by 1 mm in 10: its floor is all that lies below its middle
    low = centre[:, 2] < 0.1 * centre[:, 0] - 0.3
    arrival = np.where(low, centre[:, 0] + 1.0, np.inf)

    def held_by(volume: float) -> CubesHold:
        share = (arrival[first:] <= volume) * 1.0
        return CubesHold(np.array(mesh.grid.origin), mesh.grid.spacing, mesh.cube_place, share)

    surface, came = filled_cubes(held_by(8.0), arrival)
    held = centre[first:][low[first:] & (centre[first:, 0] <= 7.0)]
    reach = 0.5 * mesh.grid.spacing
    # corners are rounded off, by less than half a cube, and nothing lies farther out than a corner
    np.testing.assert_allclose(surface.points.max(axis=0), held.max(axis=0) + reach, atol=reach)
    np.testing.assert_allclose(surface.points.min(axis=0), held.min(axis=0) - reach, atol=reach)
    away = cKDTree(held).query(surface.points)[0]
    assert away.max() <= np.sqrt(3.0) * reach
    assert np.abs(came - 1.0 - surface.points[:, 0]).max() <= 2.0 * reach
    nothing, none = filled_cubes(held_by(0.0), arrival)
    assert (nothing.n_triangles, len(none)) == (0, 0)


def test_stairs_go_and_what_the_surface_holds_stays() -> None:
    """A ball of cubes: its surface comes nearer to that of the ball."""
    step, radius = 0.3, 2.0
    axis = np.arange(-8, 9) * step
    away = np.linalg.norm(np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1), axis=-1)
    stairs = contour((away <= radius) * 1.0, np.full(3, axis[0]), step, 0.5)
    even = without_stairs(stairs)
    assert even.polydata().volume == pytest.approx(stairs.polydata().volume, rel=0.01)
    assert np.linalg.norm(even.points - stairs.points, axis=1).max() < step

    def tilt(surface: Surface) -> float:
        """Mean angle of the triangles to the ball's surface, degrees."""
        corner = surface.points[surface.triangles]
        across = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        outwards = corner.mean(axis=1)
        size = np.linalg.norm(across, axis=1) * np.linalg.norm(outwards, axis=1)
        return float(np.degrees(np.arccos((across * outwards).sum(axis=1) / size)).mean())

    assert tilt(even) < 0.5 * tilt(stairs)
    outwards = even.points / np.linalg.norm(even.points, axis=1, keepdims=True)
    assert (even.normals * outwards).sum(axis=1).min() > 0.9
    none = Surface.joined([])
    assert without_stairs(none) is none
