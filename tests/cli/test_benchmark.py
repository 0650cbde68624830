"""``castsim benchmark``: the same, changed, updated, and what cannot be read."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import castsim.benchmark
from castsim import benchmark_files
from castsim.benchmark import Prediction
from castsim.cli import main
from castsim.errors import SolverError
from castsim.scenario import Scenario
from castsim.scenario_file import bundled_names

ONE = ("--scenario", "right-l1")
CURVES = ("azygos", "embolised", "hazard", "foraminal", "epidural", "segmental")
REPORT: dict[str, Any] = {
    "seed": 0,
    "stop_reason": "protocol complete",
    "truncated": False,
    "injected_mL": 1.0,
    "cast_mL": 0.75,
    "embolised_mL": 0.25,
    "hazard_mL": 0.0,
    "coverage": {"deg": 200.0, "stations": [100.0, 200.0, 150.0]},
    "reflux": {
        "azygos_mL": 0.25,
        "first_azygos_mL": 0.5,
        "catheter_mm": 3.0,
        "entrapment_mm": 0.0,
    },
    "structures": [
        {"structure": "foraminal", "level": "T9", "side": "right", "volume_mL": 0.5},
        {"structure": "paraspinal", "level": "T9", "side": "right", "volume_mL": 0.25},
    ],
    "dose_curve": {
        "volume_mL": [k / 100 for k in range(101)],
        "coverage_deg": [2.0 * k for k in range(101)],
        **{f"{name}_mL": [k / 400 for k in range(101)] for name in CURVES},
    },
}
"""What a report holds that is compared; no run is needed to see what the command does with it."""


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes every scenario predict REPORT with some entries replaced, or fail."""

    def put(error: Exception | None = None, **given: Any) -> None:
        def predict(scenario: str, progress: Any = None) -> Prediction:
            if error is not None:
                raise error
            return Prediction.of(REPORT | given)

        monkeypatch.setattr(castsim.benchmark, "predict", predict)

    put()
    return put


@pytest.fixture
def folder(tmp_path: Path, plant: Callable[..., None]) -> Path:
    """Baselines of all scenarios that predict REPORT."""
    path = tmp_path / "baselines"
    assert main(["benchmark", "--update", "--quiet", "--baselines", str(path)]) == 0
    return path


def bench(folder: Path, *more: str) -> int:
    return main(["benchmark", "--baselines", str(folder), *more])


def test_nothing_has_changed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sorted(path.stem for path in folder.iterdir()) == list(bundled_names())
    assert bench(folder) == 0
    out, err = capsys.readouterr()
    assert out.startswith(
        "13 scenarios, 0 changed beyond tolerance. "
        "All numbers within tolerance are the same as stored.\nBaselines set"
    )
    assert err == ""


CURVE = REPORT["dose_curve"]
PLANTED: dict[str, tuple[dict[str, Any], str]] = {
    "coverage": (
        {"coverage": {"deg": 210.0, "stations": [100.0, 200.0, 150.0]}},
        "coverage 200.00 deg 210.00 deg +10.00",
    ),
    "station": (
        {"coverage": {"deg": 200.0, "stations": [100.0, 200.0, 140.0]}},
        "coverage stations 3 150.00 deg 140.00 deg -10.00",
    ),
    "vein": (
        {"structures": REPORT["structures"][:1]},
        "paraspinal T9 right 0.25000 mL 0.00000 mL -0.25000",
    ),
    "reflux": (
        {"reflux": REPORT["reflux"] | {"azygos_mL": 0.3}},
        "azygos 0.25000 mL 0.30000 mL +0.05000",
    ),
    "first reflux": (
        {"reflux": REPORT["reflux"] | {"first_azygos_mL": None}},
        "first azygos 0.50000 mL never",
    ),
    "catheter": (
        {"reflux": REPORT["reflux"] | {"catheter_mm": 4.0}},
        "catheter 3.00 mm 4.00 mm +1.00",
    ),
    "embolised": ({"embolised_mL": 0.26}, "embolised 0.25000 mL 0.26000 mL +0.01000"),
    "arrival": (
        {"dose_curve": CURVE | {"epidural_mL": [min(k, 60) / 400 for k in range(101)]}},
        "epidural at 1 mL 0.25000 mL 0.15000 mL -0.10000",
    ),
    "end": ({"stop_reason": "stalled"}, "stop reason protocol complete stalled"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_change_is_seen_told_and_accepted(
    name: str,
    folder: Path,
    plant: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given, row = PLANTED[name]
    monkeypatch.setenv("COLUMNS", "140")
    plant(**given)
    assert bench(folder, *ONE) == 1
    out = capsys.readouterr().out
    shown = [" ".join(line.replace("│", " ").split()) for line in out.splitlines()]
    assert any(line.startswith(f"right-l1 {row}") for line in shown), out
    assert "1 scenario, 1 changed" in out
    # only this scenario is accepted
    assert bench(folder, *ONE, "--update") == 0
    assert f"Wrote {folder}" in capsys.readouterr().out
    assert bench(folder, *ONE) == 0
    assert bench(folder) == 1


def test_json_is_all_there_is_on_stdout(
    folder: Path, plant: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    plant(cast_mL=0.7)
    assert bench(folder, *ONE, "--scenario", "c6", "--json") == 1
    out, err = capsys.readouterr()
    content = json.loads(out)
    assert err == ""
    assert content["changed"]
    assert [one["scenario"] for one in content["scenarios"]] == ["right-l1", "c6"]
    (moved,) = content["scenarios"][0]["differences"]
    assert (moved["quantity"], moved["baseline"], moved["now"]) == ("cast_mL", 0.75, 0.7)


def test_quiet_is_quiet(
    folder: Path, plant: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    plant(cast_mL=0.7)
    assert bench(folder, "--quiet") == 1
    assert capsys.readouterr() == ("", "")


def test_a_small_movement_is_told_and_is_no_change(
    folder: Path, plant: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    plant(cast_mL=0.75001)
    assert bench(folder, *ONE) == 0
    assert "1 number moved within tolerance, by at most 11 % of its own" in " ".join(
        capsys.readouterr().out.split()
    )


def test_a_run_that_fails_hides_no_other_and_is_not_stored(
    folder: Path, plant: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir()}
    plant(SolverError("volume balance broken"))
    assert bench(folder) == 1
    assert "13 scenarios, 13 changed" in capsys.readouterr().out
    assert bench(folder, "--update") == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", "castsim: volume balance broken\n")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["benchmark", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("castsim: ")
    assert err.count("\n") == 1
    return err


def test_what_cannot_be_read_is_one_line(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = ("--baselines", str(folder))
    assert "did you mean 'right-l1'?" in complaint(capsys, *here, "--scenario", "right-l")
    assert "no such folder" in complaint(capsys, "--baselines", str(tmp_path / "none"))
    (tmp_path / "file").write_text("")
    assert "is a file" in complaint(capsys, "--baselines", str(tmp_path / "file"), "--update")
    (folder / "c6.json").write_text('{"schema": ')
    assert f"{folder / 'c6.json'}: not a JSON file" in complaint(capsys, *here)
    (folder / "c6.json").unlink()
    told = complaint(capsys, *here)
    assert f"{folder / 'c6.json'}: no baseline for c6; `castsim benchmark --update" in told
    assert bench(folder, "--update", "--scenario", "c6", "--quiet") == 0
    (folder / "atlas.json").write_text("{}")
    assert "there is no scenario 'atlas'; remove the file" in complaint(capsys, *here)
    monkeypatch.setattr(benchmark_files, "DEFAULT_FOLDER", tmp_path / "site" / "baselines")
    assert "the installed castsim has none" in complaint(capsys)
    assert "the installed castsim has none" in complaint(capsys, "--update")


def test_a_change_of_physics_is_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that really runs: the same twice, and lighter agent goes elsewhere."""
    given = Scenario.agent_model
    assert bench(tmp_path, *ONE, "--update", "--quiet") == 0
    assert bench(tmp_path, *ONE) == 0
    assert "All numbers within tolerance are the same as stored." in capsys.readouterr().out

    def light(self: Scenario) -> Any:
        return replace(given(self), density=1.06e-3)

    monkeypatch.setattr(Scenario, "agent_model", light)
    assert bench(tmp_path, *ONE, "--json") == 1
    content = json.loads(capsys.readouterr().out)
    moved = {one["quantity"].split()[0] for one in content["scenarios"][0]["differences"]}
    assert "structures_mL" in moved


@pytest.mark.parametrize("name", bundled_names())
def test_the_baselines_of_the_checkout_can_be_read(name: str) -> None:
    """Their numbers are compared by ``castsim benchmark`` itself."""
    if not benchmark_files.DEFAULT_FOLDER.is_dir():
        pytest.skip("this castsim is installed without its repository")
    baseline = benchmark_files.read_baseline(benchmark_files.DEFAULT_FOLDER, name)
    assert baseline.prediction.injected_mL > 0.0
