"""Cubes of a cast as boxes of VTK: read back, in their places, with what is in them."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import pyvista as pv
from numpy.typing import NDArray

from castsim.holding import CubesHold
from castsim.still import filled_cubes
from castsim.surfaces import Surface, contour, thin, without_stairs
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


def test_agent_on_the_floor_is_drawn_there_and_nowhere_else(
    mesh: VoxelMesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, centre = mesh.n_lines, mesh.flow.cell_centroid
    # the vein rises by 1 mm in 10: its floor is all that lies below its middle
    low = centre[:, 2] < 0.1 * centre[:, 0] - 0.3
    arrival = np.where(low, centre[:, 0] + 1.0, np.inf)

    def held_by(volume: float) -> CubesHold:
        share = (arrival[first:] <= volume) * 1.0
        return CubesHold(np.array(mesh.grid.origin), mesh.grid.spacing, mesh.cube_place, share)

    even, came = filled_cubes(held_by(8.0), arrival)
    monkeypatch.setattr("castsim.still.without_stairs", lambda surface, stays: surface)
    stairs, same = filled_cubes(held_by(8.0), arrival)
    held = centre[first:][low[first:] & (centre[first:, 0] <= 7.0)]
    reach = 0.5 * mesh.grid.spacing
    np.testing.assert_allclose(stairs.points.max(axis=0), held.max(axis=0) + reach, atol=1e-5)
    np.testing.assert_allclose(stairs.points.min(axis=0), held.min(axis=0) - reach, atol=1e-5)
    assert np.abs(came - 1.0 - stairs.points[:, 0]).max() <= reach + 1e-5
    np.testing.assert_array_equal(came, same)
    moved = np.linalg.norm(even.points - stairs.points, axis=1)
    assert 0.0 < moved.mean() < 0.5 * reach
    assert moved.max() < 2.0 * reach
    assert even.polydata().volume == pytest.approx(stairs.polydata().volume, rel=0.05)
    nothing, none = filled_cubes(held_by(0.0), arrival)
    assert (nothing.n_triangles, len(none)) == (0, 0)


def test_stairs_go_and_what_the_surface_holds_stays() -> None:
    """A ball of cubes: its surface comes nearer to that of the ball."""
    step, radius = 0.3, 2.0
    axis = np.arange(-8, 9) * step
    away = np.linalg.norm(np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1), axis=-1)
    stairs = contour((away <= radius) * 1.0, np.full(3, axis[0]), step, 0.5)
    even = without_stairs(stairs, np.zeros(len(stairs.points), dtype=bool))
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
    assert without_stairs(none, np.zeros(0, dtype=bool)) is none


ALONG = np.arange(2, 12)
LAYER = tuple(np.meshgrid(ALONG, ALONG, [5], indexing="ij"))
BODIES = {
    "a lone cube": ([5], [5], [5]),
    "a thread": (ALONG, np.full(10, 5), np.full(10, 5)),
    "cubes along a diagonal": (ALONG, ALONG, ALONG),
    "a layer": LAYER,
}


def cubes_of(held: NDArray[np.bool_]) -> tuple[Surface, NDArray[np.float64]]:
    """Surface about these cubes of 0.3 mm as it is drawn."""
    place = np.argwhere(np.ones_like(held))
    cubes = CubesHold(np.zeros(3), 0.3, place, held.ravel() * 1.0)
    return filled_cubes(cubes, np.where(held.ravel(), 1.0, np.inf))


@pytest.mark.parametrize("body", BODIES)
def test_thin_agent_is_not_drawn_together_to_nothing(body: str) -> None:
    held = np.zeros((14, 14, 14), dtype=bool)
    held[BODIES[body]] = True
    assert thin(held).sum() == held.sum()
    stairs = contour(held * 1.0, np.zeros(3), 0.3, 0.5)
    surface, _ = cubes_of(held)
    assert surface.polydata().volume == pytest.approx(stairs.polydata().volume)


def test_a_thread_that_leaves_a_wide_body_stays_a_thread() -> None:
    held = np.zeros((24, 14, 14), dtype=bool)
    held[2:10, 2:10, 2:10] = held[10:22, 5, 5] = True
    assert np.argwhere(thin(held))[:, 0].tolist() == list(range(11, 22))
    points = cubes_of(held)[0].points
    far = points[points[:, 0] > 0.3 * 12.5]
    np.testing.assert_allclose(np.ptp(far, axis=0)[1:], 0.3, atol=1e-5)
    assert far[:, 0].max() == pytest.approx(0.3 * 21.5)
