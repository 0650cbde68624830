"""``castsim plan`` as a user meets it: the text, the folder, the options."""

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from castsim.cli import main
from castsim.ensembles.study import load_arm
from castsim.schema import DISCLAIMER
from tests.ensembles import made_up_store

FILES = ["dose_response.png", "dose_response.svg", "draws", "plan.html", "plan.json", "study.json"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which 32 draws are done, so that nothing has to be run."""
    made_up_store(tmp_path / "plan", {"right-t9": load_arm("right-t9")})
    return tmp_path / "plan"


def command(folder: Path, *more: str) -> list[str]:
    return ["plan", "right-t9", "--draws", "32", "-o", str(folder), *more]


def test_what_a_user_gets(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(folder)) == 0
    out, err = capsys.readouterr()
    assert sorted(path.name for path in folder.iterdir()) == FILES
    report = json.loads((folder / "plan.json").read_text("utf-8"))
    schema = json.loads((files("castsim") / "data" / "plan.schema.json").read_text("utf-8"))
    jsonschema.validate(report, schema)
    assert report["summary"]["headline"] in out
    assert out.rstrip().endswith(DISCLAIMER)
    assert err == ""
    before = {name: (folder / name).read_bytes() for name in FILES if "." in name}
    assert main(command(folder, "--quiet")) == 0
    assert capsys.readouterr() == ("", "")
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_a_process_of_its_own_reads_what_is_there(folder: Path) -> None:
    """Nothing is run, so that nobody else loads what is needed to read."""
    done = subprocess.run(
        [sys.executable, "-m", "castsim.cli", *command(folder, "--quiet", "--no-render")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (folder / "plan.json").exists()


def test_json_is_all_there_is_on_stdout(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(folder, "--json", "--no-render")) == 0
    out, err = capsys.readouterr()
    assert out == (folder / "plan.json").read_text("utf-8")
    assert err == ""
    assert sorted(path.name for path in folder.iterdir()) == ["draws", "plan.json", "study.json"]


def test_targets_are_options(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(folder, "--json", "--no-render")) == 0
    strict = json.loads(capsys.readouterr().out)
    assert main(command(folder, "--json", "--no-render", "--coverage-deg", "180")) == 0
    loose = json.loads(capsys.readouterr().out)
    first, second = (one["chances"]["covered"]["estimate"] for one in (strict, loose))
    assert all(a <= b for a, b in zip(first, second, strict=True))
    assert first != second
