"""The command line as a user meets it: tables, JSON, options."""

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from castsim import __version__
from castsim.cli import main
from castsim.scenario_file import bundled_names, load_scenario, scenario_from
from castsim.schema import DISCLAIMER

SMALL = ("--set", "injection.volume_mL=0.05", "--no-render")
"""A run of a second: what is tested here is the command line, not the cast."""


def schema() -> dict[str, Any]:
    text = (files("castsim") / "data" / "cast.schema.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small result, as `castsim run` leaves it."""
    path = tmp_path_factory.mktemp("casts") / "small"
    assert main(["run", "right-t9", *SMALL, "--quiet", "-o", str(path)]) == 0
    return path


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"castsim {__version__}\n"


def test_a_scenario_that_was_shown_is_the_same_one_on_cubes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file, cubes = tmp_path / "mine.toml", ["mesh.kind=voxel"]
    assert main(["show", "right-t9"]) == 0
    file.write_text(capsys.readouterr().out, "utf-8")
    assert load_scenario(file, cubes) == load_scenario("right-t9", cubes).resolved()


def test_the_package_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "castsim", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"castsim {__version__}\n"
    wrong = subprocess.run([*command[:3], "nonsense"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2


def test_the_installed_command_is_this_one() -> None:
    command = Path(sys.executable).with_name("castsim")
    if not command.exists():
        pytest.skip("castsim is not installed beside this Python")
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"castsim {__version__}\n"


def test_scenarios_are_listed_one_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenarios"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(bundled_names())
    assert all(load_scenario(line.split()[0]).title in line for line in lines)
    assert main(["scenarios", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["right-t9"] == load_scenario("right-t9").title


@pytest.mark.parametrize("name", bundled_names())
def test_show_prints_a_scenario_that_can_be_run(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", name, "--set", "seed=5"]) == 0
    shown = scenario_from(tomllib.loads(capsys.readouterr().out))
    assert shown == load_scenario(name, ["seed=5"]).resolved()
    assert main(["show", name, "--json", "--set", "seed=5"]) == 0
    assert json.loads(capsys.readouterr().out) == shown.model_dump(mode="json")


def test_run_writes_a_result_that_fits_the_schema(folder: Path) -> None:
    assert sorted(entry.name for entry in folder.iterdir()) == ["cast.json", "cast.vtp"]
    report = json.loads((folder / "cast.json").read_text("utf-8"))
    jsonschema.validate(report, schema())
    assert report["volume_balance_error"] <= 1e-9
    assert report["injected_mL"] == pytest.approx(0.05, rel=0.01)
    assert report["scenario"] == load_scenario(
        "right-t9", ["injection.volume_mL=0.05"]
    ).resolved().model_dump(mode="json")


def test_the_table_says_what_happened_and_what_it_is_not(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["run", "right-t9", *SMALL, "-o", str(folder)]) == 0
    out, err = capsys.readouterr()
    report = json.loads((folder / "cast.json").read_text("utf-8"))
    for word in ("Right T9, tip in the foramen", "Onyx 18, Marathon", report["stop_reason"]):
        assert word in out
    assert f"{report['injected_mL']:.3f} mL" in out
    assert f"{report['coverage']['deg']:.0f}° of" in out
    assert f"Wrote {folder}: cast.json, cast.vtp" in out
    assert out.rstrip().endswith(DISCLAIMER)
    assert err == "", "no progress bar where nobody watches"


def test_json_is_all_there_is_on_stdout(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "right-t9", *SMALL, "--json", "-o", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert out == (folder / "cast.json").read_text("utf-8")
    assert err == ""


def test_quiet_is_quiet(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "right-t9", *SMALL, "--quiet", "-o", str(folder)]) == 0
    assert capsys.readouterr() == ("", "")


def test_same_seed_same_bytes_other_seed_other_cast(folder: Path, tmp_path: Path) -> None:
    def content(path: Path) -> str:
        report = json.loads((path / "cast.json").read_text("utf-8"))
        del report["timing_s"]
        return json.dumps(report)

    # the same seed in another process, with another order of Python's sets
    command = [sys.executable, "-m", "castsim.cli", "run", "right-t9", *SMALL, "--quiet", "-o"]
    subprocess.run(
        [*command, str(tmp_path / "same")], check=True, env={**os.environ, "PYTHONHASHSEED": "7"}
    )
    assert main([*command[3:], str(tmp_path / "other"), "--seed", "1"]) == 0
    assert content(tmp_path / "same") == content(folder)
    assert (tmp_path / "same" / "cast.vtp").read_bytes() == (folder / "cast.vtp").read_bytes()
    assert content(tmp_path / "other") != content(folder)


def test_a_shown_scenario_gives_the_same_cast(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What `show` prints is the run, bit for bit."""
    assert main(["show", "right-t9", *SMALL[:2]]) == 0
    scenario = tmp_path / "shown.toml"
    scenario.write_text(capsys.readouterr().out, encoding="utf-8")
    again = tmp_path / "again"
    assert main(["run", str(scenario), "--no-render", "--quiet", "-o", str(again)]) == 0
    first, second = (
        json.loads((path / "cast.json").read_text("utf-8")) for path in (folder, again)
    )
    del first["timing_s"], second["timing_s"]
    assert first == second


def test_the_default_folder_is_named_by_the_scenario(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "right-t9", *SMALL, "--quiet"]) == 0
    assert (tmp_path / "casts" / "right-t9" / "cast.json").is_file()


def test_anatomy_is_tabulated_and_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "veins.vtp"
    assert main(["anatomy", "--export", str(path), "--json"]) == 0
    told = capsys.readouterr()
    rows = json.loads(told.out)
    count = sum(row["count"] for row in rows)
    assert told.err == f"Wrote {path}: {count} veins as polylines\n"
    assert {"azygos", "foraminal", "anterior_epidural"} <= {row["structure"] for row in rows}
    assert all(row["count"] > 0 and row["length_mm"] > 0 and row["volume_mL"] > 0 for row in rows)
    assert [entry.name for entry in tmp_path.iterdir()] == ["veins.vtp"]
    assert main(["anatomy", "--levels", "T7:T11", "--json"]) == 0
    some, every = (
        {row["structure"]: row["count"] for row in found}
        for found in (json.loads(capsys.readouterr().out), rows)
    )
    assert set(some) < set(every)
    assert 0 < some["foraminal"] < every["foraminal"]
    assert main(["anatomy", "--levels", "T7:T11"]) == 0
    assert "Veins of the typical anatomy, seed 0, T7 to T11" in capsys.readouterr().out
    assert main(["anatomy"]) == 0
    out = capsys.readouterr().out
    assert "foraminal" in out
    assert DISCLAIMER in out


def test_a_surface_of_a_level_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t9.stl"
    given = ["--surface", str(path), "--levels", "t9", "--spacing-mm", "0.8", "--json"]
    assert main(["anatomy", *given]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)
    assert "closed and manifold" in told.err
    assert "thinner than 1.2 mm" in told.err
    assert "all that lies at this height" in told.err
    # at one level, the veins in front of the spine do not meet those behind
    ((count, sizes),) = re.findall(r"; (\d+) bodies that do not touch \(([^)]*) mL\)", told.err)
    volumes = [float(size) for size in sizes.split(", ")]
    assert len(volumes) == int(count) > 1
    assert volumes == sorted(volumes, reverse=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["t9.stl"]
    assert b"SPACE=RAS" in path.read_bytes()[:80]
    first = path.read_bytes()
    assert main(["anatomy", *given, "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    assert path.read_bytes() == first
    assert main(["anatomy", *given, "--tolerance-mm", "0.2"]) == 0
    assert "closed and manifold" in capsys.readouterr().err
    assert path.stat().st_size < 0.6 * len(first)


def test_importing_castsim_loads_nothing_heavy() -> None:
    code = (
        "import sys, castsim; castsim.__version__; "
        "heavy = {'pyvista', 'vtkmodules', 'rich', 'typer', 'numba', 'scipy', 'pydantic'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_public_names_are_there_and_others_are_not() -> None:
    import castsim

    assert castsim.load_scenario is load_scenario
    assert all(getattr(castsim, name) is not None for name in castsim.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = castsim.nonsense
