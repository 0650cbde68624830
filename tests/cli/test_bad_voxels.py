"""Cubes that cannot be had: one clear line that names the field and the remedy, exit code 2."""

from pathlib import Path

import pytest

import castsim.voxels
from castsim.cli import main


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--spacing-mm", "0.3"], "--spacing-mm is the side of cubes: add --mesh voxel"),
        (["--set", "mesh.least_cubes=0.9"], "mesh.least_cubes = 0.9: must be greater than"),
        (["--mesh", "voxel", "--spacing-mm", "3"], "mesh.spacing_mm = 3.0: must be less than"),
        (
            ["--mesh", "voxel", "--set", "injection.mode=quasistatic"],
            'injection.mode = "quasistatic": runs on the centreline mesh only',
        ),
        (
            ["--mesh", "voxel", "--spacing-mm", "2", "--set", "mesh.voxel_levels=0"],
            "mesh.spacing_mm = 2.0: no vein at these levels is 2 cubes a radius; take a finer one, "
            "or a smaller mesh.least_cubes",
        ),
    ],
)
def test_bad_meshes(
    arguments: list[str],
    line: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "right-t9", *arguments]) == 2
    told = capsys.readouterr().err
    assert line in " ".join(told.split())
    assert "Traceback" not in told
    assert not list(tmp_path.iterdir())


def test_a_mesh_that_does_not_fit_is_refused_before_it_is_made(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "meminfo"
    told.write_text("MemTotal: 8000000 kB\nMemAvailable: 500000 kB\n", "ascii")
    monkeypatch.setattr(castsim.voxels, "MEMORY", told)
    monkeypatch.chdir(tmp_path)
    assert main(["run", "right-t9", "--mesh", "voxel", "--spacing-mm", "0.1"]) == 2
    line = capsys.readouterr().err
    assert "mesh.spacing_mm = 0.1: about" in line
    assert "0.5 GB are free; take a coarser spacing or a smaller mesh.voxel_levels" in line


def test_ensembles_stay_on_centrelines(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["plan", "right-t9", "--set", "mesh.kind=voxel", "-o", str(tmp_path / "plan")]
    assert main(arguments) == 2
    assert 'mesh.kind = "voxel": takes minutes a draw' in capsys.readouterr().err
