"""Files of a surface are read back closed, in place, with labels; and the cast on it."""

from pathlib import Path

import numpy as np
import pytest
import pyvista as pv

from castsim.cast_surface import arrival_volume_mL
from castsim.results import write_surface
from castsim.vtp import NEVER
from geometry.levels import Level
from geometry.structures import Structure
from geometry.surface import LumenSurface, network_surface


@pytest.fixture(scope="module")
def surface(cast) -> LumenSurface:
    return network_surface(cast.anatomy.network, spacing_mm=0.6)


def written(surface: LumenSurface, path: Path, arrival=None) -> pv.PolyData:
    write_surface(surface, path, arrival)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    return pv.read(path)


@pytest.mark.parametrize("suffix", [".stl", ".ply", ".vtp"])
def test_a_file_is_read_back_closed_and_in_its_place(
    surface: LumenSurface, suffix: str, tmp_path: Path
) -> None:
    mesh = written(surface, tmp_path / f"veins{suffix}")
    assert mesh.n_cells == len(surface.triangles)
    assert mesh.n_points == len(surface.points)  # the reader of STL merges equal corners
    assert mesh.is_manifold
    assert mesh.n_open_edges == 0
    np.testing.assert_allclose(
        mesh.bounds,
        np.stack([surface.points.min(axis=0), surface.points.max(axis=0)], axis=1).ravel(),
        atol=1e-4,
    )
    corners = mesh.points.astype(float)[mesh.regular_faces]
    volume = np.einsum("ti,ti->t", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert volume == pytest.approx(surface.volume, rel=1e-4)
    assert volume > 0


def test_slicer_is_told_the_frame(surface: LumenSurface, tmp_path: Path) -> None:
    for suffix in (".stl", ".ply", ".vtp"):
        write_surface(surface, tmp_path / f"veins{suffix}")
    stl = (tmp_path / "veins.stl").read_bytes()
    assert b"SPACE=RAS" in stl[:80]
    assert not stl.lower().startswith(b"solid")
    assert len(stl) == 84 + 50 * len(surface.triangles)
    assert b"\ncomment SPACE=RAS\n" in (tmp_path / "veins.ply").read_bytes()[:200]
    vtp = pv.read(tmp_path / "veins.vtp")
    assert vtp.field_data["SPACE"][0] == "RAS"
    assert "not a medical device" in vtp.field_data["disclaimer"][0]


def test_facets_carry_their_normals(surface: LumenSurface, tmp_path: Path) -> None:
    write_surface(surface, tmp_path / "veins.stl")
    content = (tmp_path / "veins.stl").read_bytes()[84:]
    facets = np.frombuffer(content, dtype=[("v", "<f4", (4, 3)), ("unused", "<u2")])["v"]
    turned = np.cross(facets[:, 2] - facets[:, 1], facets[:, 3] - facets[:, 1])
    assert (np.einsum("ti,ti->t", turned, facets[:, 0]) >= 0).all()
    length = np.linalg.norm(facets[:, 0], axis=1)
    assert np.isin(np.round(length, 4), [0.0, 1.0]).all()


def test_vertices_keep_their_labels(surface: LumenSurface, tmp_path: Path) -> None:
    mesh = written(surface, tmp_path / "veins.vtp")
    for name in ("structure", "level", "side"):
        np.testing.assert_array_equal(mesh.point_data[f"{name}_code"], getattr(surface, name))
    np.testing.assert_array_equal(mesh.point_data["branch"], surface.branch)
    np.testing.assert_allclose(mesh.point_data["arc_mm"], surface.arc, rtol=1e-6)
    names = dict(
        zip(mesh.field_data["structure_codes"], mesh.field_data["structure_names"], strict=True)
    )
    assert names[Structure.FORAMINAL] == "foraminal"
    assert Level.T9 in mesh.field_data["level_codes"]
    np.testing.assert_allclose(mesh.point_normals, surface.normals, atol=1e-6)


def test_the_cast_at_any_volume_is_a_threshold(cast, surface: LumenSurface, tmp_path: Path) -> None:
    arrival = arrival_volume_mL(cast, surface)
    mesh, network = cast.mesh, cast.anatomy.network
    for vertex in range(0, len(surface.points), 101):
        own = slice(*mesh.polyline_offset[surface.branch[vertex] : surface.branch[vertex] + 2])
        nearest = np.argmin(np.abs(mesh.polyline_arc[own] - surface.arc[vertex]))
        expected = cast.first_volume[mesh.polyline_cell[own][nearest]] / 1000.0
        assert arrival[vertex] == expected
    assert len(np.unique(surface.branch)) == network.n_branches
    assert np.isfinite(arrival).any()
    assert np.isinf(arrival).any()
    inside = [(arrival <= volume).sum() for volume in (0.0, 0.05, 0.1, 0.2, 1.0)]
    assert inside[0] < inside[1] < inside[2]
    assert inside == sorted(inside)
    back = written(surface, tmp_path / "cast.vtp", arrival).point_data["arrival_volume_mL"]
    reached = np.isfinite(arrival)
    assert (back[~reached] == NEVER).all()
    np.testing.assert_allclose(back[reached], arrival[reached], rtol=1e-6)
