"""Bad input to `castsim plan`: one clear line, its exit code, nothing written, and soon."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from castsim.cli import main
from castsim.ensembles.plans import compare, plan
from castsim.ensembles.study import load_arm
from castsim.errors import ScenarioError

HERE = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}


@pytest.fixture(autouse=True)
def empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def complaint(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int = 2) -> str:
    assert main(["plan", "right-t9", *arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--draws", "0"], "castsim: --draws 0: must be 1 or more"),
        (["--draws", "-5"], "castsim: --draws -5: must be 1 or more"),
        (["--draws", "many"], "--draws"),
        (["--up-to-ml", "nan"], "--up-to-ml"),
        (["--up-to-ml", "1e9"], "--up-to-ml"),
        (["--up-to-ml", "0"], "--up-to-ml"),
        (["--coverage-deg", "nan"], "--coverage-deg"),
        (["--azygos-ml", "inf"], "--azygos-ml"),
        (["--seed", "-1"], "--seed"),
        (["--workers", "0"], "--workers"),
        (["--priors", "absent.toml"], "castsim: absent.toml: no such file; it must hold"),
        (["--priors", "."], "castsim: .: cannot be read: Is a directory"),
        (["--set", "patient.upstream_mmHg=nan"], "patient.upstream_mmHg = nan"),
        (["--set", "tip.structure=jugular"], "unknown vein 'jugular'"),
        (["--set", "injection.volume_mL=0.5"], "castsim: --set injection.volume_mL: decided by"),
        (["--set", "patient.seed=7"], "castsim: --set patient.seed: decided by the plan"),
        (["--set", "seed=7"], "castsim: --set seed: decided by the plan"),
        (["--set", "patient.anatomy=typical"], "castsim: --set patient.anatomy: decided by"),
    ],
)
def test_bad_numbers(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str], empty_place: Path
) -> None:
    assert line in " ".join(complaint(capsys, [*arguments, "--quiet"]).split())
    assert not list(empty_place.iterdir())


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            '[[prior]]\nfield = "patient.calibre"\n',
            "'patient.calibre': unknown prior; did you mean",
        ),
        ('[[prior]]\nfield = "patient.calibre_factor"\nlow = nan\n', "patient.calibre_factor"),
        ("[[prior]\n", "cannot be read as TOML"),
        ("", "must hold [[prior]] entries"),
    ],
)
def test_bad_priors(
    text: str, line: str, capsys: pytest.CaptureFixture[str], empty_place: Path
) -> None:
    (empty_place / "mine.toml").write_text(text, "utf-8")
    err = complaint(capsys, ["--priors", "mine.toml"])
    assert line in err
    assert err.count("\n") == 1
    assert [path.name for path in empty_place.iterdir()] == ["mine.toml"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "right-t9", "--draws", "0"),
        ("plan", "right-t9", "--priors", "absent.toml"),
        ("plan", "right-t9", "--set", "tip.structure=jugular"),
        ("compare", "right-t9", "right-t5", "--at-ml", "3"),
        ("compare", "right-t9", "--vary", "agnt=Onyx 18,PHIL 25"),
    ],
)
def test_bad_input_is_told_before_anything_heavy_is_loaded(arguments: tuple[str, ...]) -> None:
    """Kernels, statistics and workers take seconds to load; a typing error is told at once."""
    heavy = {"numba", "scipy.stats", "pyarrow", "pandas", "distributed", "matplotlib"}
    code = (
        f"import sys; from castsim.cli import main; code = main({arguments!r}); "
        f"print(code, *sorted({heavy!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=HERE
    )
    assert done.stdout.split() == ["2"], done.stderr


@pytest.mark.parametrize("output", ["wall", "wall/below", "thesis"])
def test_a_folder_that_cannot_be_written(
    output: str, capsys: pytest.CaptureFixture[str], empty_place: Path
) -> None:
    (empty_place / "wall").write_text("a file in the way")
    (empty_place / "thesis").mkdir()
    (empty_place / "thesis" / "chapter.tex").write_text("years of work")
    before = sorted(empty_place.rglob("*"))
    err = complaint(capsys, ["-o", output, "--draws", "1", "--up-to-ml", "0.1"])
    assert err.startswith(f"castsim: {output}: ")
    assert err.count("\n") == 1
    assert sorted(empty_place.rglob("*")) == before


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "127.0.0.1:x", "smoke://signal:1", ""])
def test_a_scheduler_that_does_not_answer(
    address: str, capsys: pytest.CaptureFixture[str], empty_place: Path
) -> None:
    began = time.monotonic()
    err = complaint(capsys, ["--draws", "4", "--scheduler", address], code=3)
    assert time.monotonic() - began < 10.0
    assert err.startswith(f"castsim: --scheduler {address}: no scheduler answers there; start one")
    assert err.count("\n") == 1
    assert not list(empty_place.iterdir())


def test_arms_that_do_not_differ_from_python(empty_place: Path) -> None:
    one = load_arm("right-t9")
    stops = load_arm("right-t9", ['injection.rules=[{when="coverage"}]'])
    for arms, line in (
        ({"a": one, "b": one}, "b: the same as a; arms must differ"),
        ({"a": one, "b": stops}, "b: runs as a does in every draw"),
        ({}, "no way to inject is given"),
    ):
        with pytest.raises(ScenarioError, match=f"^{line}"):
            compare(arms, folder="x", draws=1)
    assert not list(empty_place.iterdir())


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"largest_mL": float("inf")}, "--up-to-ml inf: must be finite, and 0.02 mL or more"),
        ({"largest_mL": float("nan")}, "--up-to-ml nan: must be finite"),
        ({"largest_mL": 0.01}, "--up-to-ml 0.01: must be finite, and 0.02 mL or more"),
        ({"seed": -1}, "--seed -1: must be 0 or more"),
    ],
)
def test_bad_numbers_from_python(asked: dict[str, Any], line: str, empty_place: Path) -> None:
    with pytest.raises(ScenarioError, match=f"^{line}"):
        plan("right-t9", folder="x", draws=1, **asked)
    assert not list(empty_place.iterdir())
