"""The cubes of every section as one cell: they hold and conduct what the cubes do."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.compare_meshes import disorder
from benchmarks.sections import as_sections
from benchmarks.within_sections import in_the_middle, on_the_floor
from geometry.centerline_mesh import CentrelineMesh, centreline_mesh
from geometry.flowmesh import BoolArray, FlowMesh, IntArray
from geometry.levels import Level, Side
from geometry.lumen import capsules_of
from geometry.network import NetworkBuilder, TerminalKind
from geometry.structures import Structure
from geometry.voxel_mesh import VoxelMesh, voxel_mesh
from tests.verification.admittances import admittance

BLOOD = 0.004
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
    return lines, mesh, *as_sections(mesh, lines.flow, BLOOD)


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


def test_they_conduct_what_their_cubes_conduct(meshes: Meshes) -> None:
    """From every end to every other one."""
    _, mesh, sections, _ = meshes
    np.testing.assert_allclose(admittance(sections), admittance(mesh.flow), rtol=0.03)


def test_more_flows_change_little(meshes: Meshes, monkeypatch: pytest.MonkeyPatch) -> None:
    lines, mesh, sections, _ = meshes
    monkeypatch.setattr("benchmarks.sections.FLOWS", 48)
    more, _ = as_sections(mesh, lines.flow, BLOOD, seed=1)
    np.testing.assert_allclose(admittance(more), admittance(sections), rtol=0.01)


def held(mesh: VoxelMesh, has: BoolArray, share: float = 1.0) -> SimpleNamespace:
    """A cast that fills these cubes to `share`."""
    return SimpleNamespace(
        mesh=mesh,
        line_volume=np.zeros(int(mesh.line_cell.max()) + 1),
        saturation_at=lambda volume: share * has,
    )


def test_where_agent_lies_in_a_section_is_told(meshes: Meshes) -> None:
    """On the floor, along the axis, along the wall, and all over."""
    lines, mesh, _, _ = meshes
    down, place = np.array([0.0, 0.0, -9810.0]), mesh.flow.cell_centroid
    # these veins lie in the plane z = 0, and the one that is measured along the x axis
    beyond = np.bincount(mesh.line_cell, place[:, 0] >= -2.0) > 0
    vein = ~beyond[mesh.line_cell]
    away = np.hypot(place[:, 1], place[:, 2])
    floor, core = vein & (place[:, 2] < -0.1), vein & (away < 0.55)
    low = held(mesh, floor)
    assert on_the_floor(low, 1.0, lines, down) > 0.8
    assert on_the_floor(low, 1.0, lines, -down) == pytest.approx(
        -on_the_floor(low, 1.0, lines, down)
    )
    assert abs(in_the_middle(low, 1.0)) < 0.15
    inner, outer = in_the_middle(held(mesh, core), 1.0), in_the_middle(held(mesh, vein ^ core), 1.0)
    assert inner > 0.5
    assert outer == pytest.approx(-inner)
    assert abs(on_the_floor(held(mesh, core), 1.0, lines, down)) < 0.1
    even = held(mesh, vein, 0.4)
    assert (in_the_middle(even, 1.0), on_the_floor(even, 1.0, lines, down)) == pytest.approx(
        (0.0, 0.0)
    )
    # what is full or empty tells nothing
    assert in_the_middle(held(mesh, vein), 1.0) == 0.0
    # across the vein, not along it: a square front in a vein that falls steeply along x
    fall = np.array([-9810.0, 0.0, -500.0])
    assert abs(on_the_floor(held(mesh, vein & (place[:, 0] < -4.1)), 1.0, lines, fall)) < 0.05


def test_kendall_s_distance_is_a_metric_with_ties() -> None:
    """As half the sum over pairs of how far their signs lie apart, by hand and by triangles."""
    one, two = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 1.0, 3.0, 3.0])
    # of six pairs one is the other way round, and one is a tie in one ranking only
    assert disorder(one, two) == pytest.approx(1.5 / 6.0)
    assert disorder(one, one[::-1]) == 1.0
    assert disorder(two, two) == 0.0
    rng = np.random.default_rng(0)
    for _ in range(200):
        a, b, c = rng.integers(0, 4, size=(3, 6)).astype(float)
        assert disorder(a, c) <= disorder(a, b) + disorder(b, c) + 1e-12
