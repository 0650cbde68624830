"""A cast on cubes read from its files: what it held, and what is said when it cannot be read."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

import castsim.stored_cast
from castsim import cast_plots as plots
from castsim.cast import Cast
from castsim.cast_reading import read_report
from castsim.cli import main
from castsim.errors import ResultError
from castsim.fluoroscopy import beam_at, cast_scene, line_integrals, take_cast
from castsim.holding import CubesHold
from castsim.results import write_cast
from castsim.scenario_file import load_scenario
from castsim.simulate import run
from castsim.still import filled_cubes
from castsim.stored_cast import read_stored
from castsim.surroundings import reading_at, solids, window_about
from castsim.themes import THEMES
from castsim.vtp import LOG
from castsim.xray import load_xray

SMALL = (
    'mesh.kind="voxel"', "mesh.spacing_mm=0.4", "mesh.voxel_levels=0", "injection.volume_mL=0.05"
)  # fmt: skip


@pytest.fixture(scope="module")
def cast() -> Cast:
    return run(load_scenario("right-t9", SMALL))


@pytest.fixture(scope="module")
def folder(cast: Cast, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("casts") / "cubes"
    write_cast(cast, path, render=False)
    return path


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
def test_the_files_hold_what_the_cast_held(cast: Cast, folder: Path, share: float) -> None:
    stored = read_stored(folder, read_report(folder))
    assert cast.voxels is not None
    assert stored.injected == pytest.approx(cast.injected, rel=1e-9)
    run_of, read = (one.holding_at(share * cast.injected) for one in (cast, stored))
    assert read.total == pytest.approx(run_of.total, rel=1e-4, abs=1e-4)
    assert (read.total > 0.1) == (share > 0.0)
    one, two = run_of.cubes, read.cubes
    assert one is not None
    assert two is not None
    np.testing.assert_allclose(two.share, one.share, atol=1e-3)
    np.testing.assert_allclose(
        two.origin + two.spacing * two.place, one.origin + one.spacing * one.place, atol=1e-3
    )
    lines = ~cast.voxels.is_cubes
    np.testing.assert_allclose(read.share[lines], run_of.share[lines], atol=1e-3)
    np.testing.assert_array_equal(stored.is_cubes, cast.voxels.is_cubes)


def test_the_image_is_that_of_the_cast(cast: Cast, folder: Path) -> None:
    stored = read_stored(folder, read_report(folder))
    one, two = (take_cast(each, "lateral", pixels=128) for each in (cast, stored))
    assert one.beam.field_mm == two.beam.field_mm
    np.testing.assert_allclose(two.beam.isocentre, one.beam.isocentre, atol=1e-3)
    np.testing.assert_allclose(two.signal, one.signal, atol=0.01)
    assert one.signal.max() > 0.1


def test_agent_lies_where_its_cubes_are(cast: Cast) -> None:
    """Its mean height and depth on the image are those of the cubes, not of the sections."""
    assert cast.voxels is not None
    flow, mesh = cast.voxels.mesh.flow, cast.voxels.mesh
    agent = cast.voxels.saturation * flow.cell_volume
    assert agent[mesh.n_lines :].sum() > 0.2 * agent.sum()
    middle = agent @ flow.cell_centroid / agent.sum()
    beam = beam_at(middle, "lateral", field_mm=110.0, pixels=256)
    scene = cast_scene(cast)
    image = line_integrals(
        type(scene)(scene.anatomy, scene.mesh, scene.added, total=scene.total, cubes=scene.cubes),
        beam,
        load_xray(),
    ).added
    row, column = np.indices(image.shape)
    seen = np.array([(image * row).sum(), (image * column).sum()]) / image.sum()
    np.testing.assert_allclose(seen, beam.project(middle)[0], atol=0.1 * 1.4 / beam.pitch_mm)


@pytest.mark.parametrize("share", [0.2, 0.6, 1.0])
def test_numbers_beside_pictures_are_those_of_the_cast(
    cast: Cast, folder: Path, share: float
) -> None:
    stored = read_stored(folder, read_report(folder))
    one, two = (reading_at(each, share * cast.injected) for each in (cast, stored))
    assert two.root == one.root
    assert two.covered_deg == pytest.approx(one.covered_deg, abs=0.1)
    assert two.coverable_deg == pytest.approx(one.coverable_deg, abs=0.1)
    assert two.last_mL == pytest.approx(one.last_mL, rel=1e-6)
    assert stored.stop_reason == cast.stop_reason
    window, other = window_about(cast), window_about(stored)
    np.testing.assert_allclose(other.low, window.low, atol=1e-3)
    np.testing.assert_allclose(other.high, window.high, atol=1e-3)


def test_curves_of_the_report_are_those_of_the_cast(cast: Cast, folder: Path) -> None:
    stored = read_stored(folder, read_report(folder))
    one, two = plots.curves(cast), plots.curves(stored)
    assert one.coverage_deg.max() > 0.0
    np.testing.assert_allclose(two.coverage_deg, one.coverage_deg, atol=0.1)
    assert two.contents_mL.keys() == one.contents_mL.keys()
    for name, values in one.contents_mL.items():
        np.testing.assert_allclose(two.contents_mL[name], values, atol=1e-6)
    for column in LOG:
        np.testing.assert_allclose(stored.log[column], cast.log[column], rtol=1e-12)
    assert plots.pauses(stored) == pytest.approx(plots.pauses(cast))
    np.testing.assert_array_equal(plots.breakthroughs(stored), plots.breakthroughs(cast))


def test_pictures_and_fluoroscopy_have_one_catheter(cast: Cast, folder: Path) -> None:
    stored = read_stored(folder, read_report(folder))
    np.testing.assert_array_equal(stored.catheter, cast.catheter)
    np.testing.assert_array_equal(cast_scene(cast).tubes[0].points, cast.catheter)
    parts = {part.name: part for part in solids(cast, window_about(cast), THEMES["light"])}
    away, _ = cKDTree(cast.catheter).query(parts["catheter"].surface.points)
    outer = cast.scenario.catheter_model().outer_diameter / 2.0
    assert away.max() == pytest.approx(outer)
    np.testing.assert_allclose(parts["tip"].surface.points.mean(axis=0), cast.catheter[0], atol=0.1)


def test_the_cast_is_drawn_in_the_same_place(cast: Cast, folder: Path) -> None:
    stored = read_stored(folder, read_report(folder))
    (one, came), (two, other) = (
        filled_cubes(held, each.cells.first_volume)
        for each in (cast, stored)
        if (held := each.holding_at(0.6 * cast.injected).cubes) is not None
    )
    assert one.n_triangles == two.n_triangles > 100
    np.testing.assert_allclose(two.points, one.points, atol=1e-3)
    np.testing.assert_allclose(other, came, atol=1e-3)


@pytest.mark.parametrize(
    "command", [["fluoro", "--size", "512"], ["report", "--no-render"], ["render"]]
)
def test_what_is_drawn_of_cubes_injects_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: list[str]
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("it was injected again")

    monkeypatch.setattr(castsim.stored_cast, "read_cast", never)
    monkeypatch.setattr("castsim.graphics.prepare", lambda: None)
    monkeypatch.setattr("castsim.rendering.render_png", lambda cast, path, **_: path.touch())
    name, *options = command
    path = tmp_path / ("page.html" if name == "report" else "image.png")
    assert main([name, str(folder), *options, "-o", str(path), "--quiet"]) == 0
    assert path.exists()


def test_a_cube_is_looked_up_by_place() -> None:
    cubes = CubesHold(
        np.array([1.0, 2.0, 3.0]), 0.5, np.array([[2, 0, 1], [0, 0, 0]]), np.array([0.7, 0.2])
    )
    places = np.array(
        [[1.1, 2.1, 2.9], [2.0, 2.0, 3.5], [1.5, 2.0, 3.0], [-9.0, 2.0, 3.0], [9.0, 9, 9]]
    )
    elsewhere = np.array([0.9, 0.9, 0.5, 0.4, 0.3])
    np.testing.assert_allclose(cubes.at(places, elsewhere), [0.2, 0.7, 0.5, 0.4, 0.3])


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


@pytest.mark.parametrize("name", ["cast.vtp", "cast.vtu"])
def test_a_file_that_is_missing_or_damaged_is_told(copy: Path, name: str) -> None:
    report, whole = read_report(copy), (copy / name).read_text()
    for text in (whole[: len(whole) // 2], "nothing", whole.replace('"saturation"', '"other"')):
        (copy / name).write_text(text)
        with pytest.raises(ResultError, match=f"{name}: is damaged, .*: run the scenario again"):
            read_stored(copy, report)
    (copy / name).unlink()
    with pytest.raises(ResultError, match=f"{name}: is missing: run the scenario again"):
        read_stored(copy, report)


def test_veins_of_another_patient_are_told(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = json.loads((copy / "cast.json").read_text())
    report["scenario"]["patient"]["seed"] = 1
    (copy / "cast.json").write_text(json.dumps(report))
    assert main(["fluoro", str(copy), "--quiet"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "cast.vtp: written by castsim" in told
    assert "run the scenario again" in told
