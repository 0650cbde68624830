"""VTK files: what is written is read back, by name, with units, in a frame that is named."""

import numpy as np
import pytest
import pyvista as pv

from castsim.vtp import NEVER, cast_polydata, network_polydata, write_vtp
from geometry.levels import Level, Side
from geometry.structures import Structure


@pytest.fixture(scope="module")
def read_back(cast, tmp_path_factory) -> pv.PolyData:
    path = tmp_path_factory.mktemp("vtp") / "cast.vtp"
    write_vtp(cast_polydata(cast), path)
    return pv.read(path)


def test_one_polyline_a_branch_and_one_point_a_cell_on_it(cast, read_back):
    assert read_back.n_cells == read_back.n_lines == cast.anatomy.network.n_branches
    assert read_back.n_points == len(cast.mesh.polyline_cell)
    assert read_back.n_verts == 0
    for branch in range(read_back.n_cells):
        points = read_back.get_cell(branch).points
        ends = cast.anatomy.network.points(branch)[[0, -1]]
        np.testing.assert_allclose(points[[0, -1]], ends, atol=1e-4)


def test_lengths_of_the_polylines_are_those_of_the_veins(cast, read_back):
    length = read_back.compute_cell_sizes(area=False, volume=False).cell_data["Length"]
    # chords of a curve cut every 0.5 mm are a little shorter than it
    np.testing.assert_allclose(length, cast.anatomy.network.branch_length(), rtol=0.02)


@pytest.mark.parametrize(
    ("name", "field", "per_unit"),
    [
        ("arrival_volume_mL", "first_volume", 1000.0),
        ("filled_volume_mL", "full_volume", 1000.0),
        ("arrival_time_s", "first_time", 1.0),
        ("filled_time_s", "full_time", 1.0),
    ],
)
def test_arrivals_in_their_unit_and_minus_one_where_agent_never_came(
    cast, read_back, name, field, per_unit
):
    expected = getattr(cast, field)[cast.mesh.polyline_cell] / per_unit
    written = read_back.point_data[name]
    never = ~np.isfinite(expected)
    assert never.any()
    assert (~never).any()
    assert (written[never] == NEVER).all()
    np.testing.assert_allclose(written[~never], expected[~never], rtol=1e-6)


def test_no_array_holds_nan_or_infinity(read_back):
    for name in read_back.point_data:
        assert np.isfinite(read_back.point_data[name]).all(), name


def test_radii_under_the_names_that_slicer_and_vmtk_read(cast, read_back):
    cell = cast.mesh.polyline_cell
    major, minor = cast.mesh.flow.cell_radius[cell], cast.mesh.flow.cell_radius_minor[cell]
    np.testing.assert_allclose(read_back.point_data["Radius"] ** 2, major * minor, rtol=1e-5)
    np.testing.assert_allclose(
        read_back.point_data["MaximumInscribedSphereRadius"], minor, rtol=1e-6
    )
    np.testing.assert_allclose(read_back.point_data["radius_minor_mm"], minor, rtol=1e-6)


def test_names_and_codes_of_every_branch_agree(cast, read_back):
    network = cast.anatomy.network
    for branch in range(network.n_branches):
        structure = Structure(int(read_back.cell_data["structure_code"][branch]))
        assert structure == network.branch_structure[branch]
        assert read_back.cell_data["structure"][branch] == structure.label
        level = Level(int(read_back.cell_data["level_code"][branch]))
        assert read_back.cell_data["level"][branch] == level.name
        side = Side(int(read_back.cell_data["side_code"][branch]))
        assert read_back.cell_data["side"][branch] == side.name.lower()
    table = dict(
        zip(
            read_back.field_data["structure_codes"],
            read_back.field_data["structure_names"],
            strict=True,
        )
    )
    assert table == {s.value: s.label for s in Structure}


def test_frame_and_disclaimer_are_in_the_file(read_back):
    assert list(read_back.field_data["SPACE"]) == ["RAS"]
    assert "not a medical device" in read_back.field_data["disclaimer"][0]


def test_the_same_cast_gives_the_same_bytes(cast, tmp_path):
    for name in ("one.vtp", "two.vtp"):
        write_vtp(cast_polydata(cast), tmp_path / name)
    assert (tmp_path / "one.vtp").read_bytes() == (tmp_path / "two.vtp").read_bytes()


def test_a_network_alone_keeps_its_own_points(cast, tmp_path):
    network = cast.anatomy.network
    write_vtp(network_polydata(network), tmp_path / "veins.vtp")
    veins = pv.read(tmp_path / "veins.vtp")
    np.testing.assert_allclose(veins.points, network.point_xyz, atol=1e-4)
    np.testing.assert_allclose(veins.point_data["radius_major_mm"], network.point_radius, rtol=1e-6)
    assert "arrival_volume_mL" not in veins.point_data
