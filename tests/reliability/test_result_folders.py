"""A result folder is whole or not there, whatever happens while it is written."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import castsim.metrics
import castsim.rendering
import castsim.vtp
from castsim.errors import MissingError, ResultError
from castsim.results import FILES, check_folder, write_cast

REPORT = {"schema": "castsim.cast/1", "timing_s": {"output": 0.0}}


@pytest.fixture(autouse=True)
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers that cost nothing: what is tested is the folder, not what it holds."""

    def write(cast: object, path: Path, **_: object) -> None:
        path.write_text(f"{cast}")

    monkeypatch.setattr(castsim.metrics, "summarise", lambda cast: dict(REPORT))
    monkeypatch.setattr(castsim.vtp, "cast_polydata", lambda cast: cast)
    monkeypatch.setattr(castsim.vtp, "write_vtp", write)
    monkeypatch.setattr(castsim.rendering, "render_png", write)
    monkeypatch.setattr(castsim.rendering, "export_html", write)
    monkeypatch.setattr("castsim.results.checked_report", lambda report: report)


ON_LINES = sorted({*FILES} - {"cast.vtu"})
"""Files of a cast on centrelines."""


class Stand(str):
    """In the place of a cast on centrelines."""

    voxels = None


def written(folder: Path, cast: str = "first", **options: Any) -> list[str]:
    write_cast(Stand(cast), folder, **options)
    return sorted(entry.name for entry in folder.iterdir())


def traces(place: Path) -> list[str]:
    return sorted(entry.name for entry in place.iterdir())


def test_all_files_or_those_without_pictures(tmp_path: Path) -> None:
    assert written(tmp_path / "a" / "b") == ON_LINES
    assert written(tmp_path / "c", render=False) == ["cast.json", "cast.vtp"]
    assert traces(tmp_path) == ["a", "c"]
    assert json.loads((tmp_path / "c" / "cast.json").read_text())["schema"] == "castsim.cast/1"


def test_an_earlier_result_is_replaced_whole(tmp_path: Path) -> None:
    written(tmp_path / "x")
    assert written(tmp_path / "x", "second", render=False) == ["cast.json", "cast.vtp"]
    assert (tmp_path / "x" / "cast.vtp").read_text() == "second"
    assert traces(tmp_path) == ["x"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    assert written(tmp_path / "x") == ON_LINES


def test_a_link_to_a_result_stays_a_link(tmp_path: Path) -> None:
    written(tmp_path / "x")
    (tmp_path / "link").symlink_to(tmp_path / "x")
    written(tmp_path / "link", "second")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "x" / "cast.vtp").read_text() == "second"


def test_what_is_no_result_is_left_alone(tmp_path: Path) -> None:
    thesis, mixed, a_file = tmp_path / "thesis", tmp_path / "mixed", tmp_path / "file"
    thesis.mkdir()
    (thesis / "chapter.tex").write_text("years of work")
    (thesis / "cast.json").write_text('{"schema": "other/1"}')
    written(mixed)
    (mixed / "notes.txt").write_text("mine")
    a_file.write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for folder, line in (
        (thesis, "is not a castsim result"),
        (mixed, r"did not write \(notes.txt\)"),
        (a_file, "is a file"),
        (a_file / "below", "is a file"),
    ):
        for act in (
            lambda f=folder: check_folder(f),
            lambda f=folder: write_cast(Stand("second"), f),
        ):
            with pytest.raises(ResultError, match=line) as caught:
                act()
            assert "\n" not in str(caught.value)
            assert caught.value.exit_code == 2
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir(mode=0o500)
    with pytest.raises(ResultError, match="not writable"):
        check_folder(tmp_path / "shut" / "x")


@pytest.mark.parametrize("name", ["write_vtp", "json"])
def test_a_full_disk_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    written(tmp_path / "old")
    if name == "json":
        monkeypatch.setattr(Path, "write_text", full)
    else:
        monkeypatch.setattr(castsim.vtp, name, full)
    for folder in (tmp_path / "new" / "deep", tmp_path / "old"):
        with pytest.raises(ResultError, match="cannot be written: No space left on device"):
            write_cast(Stand("second"), folder)
    monkeypatch.undo()
    assert traces(tmp_path) == ["old"]
    assert (tmp_path / "old" / "cast.vtp").read_text() == "first"


def test_an_interrupt_leaves_the_earlier_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    written(tmp_path / "x")
    monkeypatch.setattr(castsim.rendering, "export_html", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_cast(Stand("second"), tmp_path / "x")
    assert traces(tmp_path) == ["x"]
    assert (tmp_path / "x" / "cast.vtp").read_text() == "first"


def test_without_graphics_the_rest_is_written_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object, **__: object) -> None:
        raise MissingError("no picture: install libegl1")

    monkeypatch.setattr(castsim.rendering, "render_png", missing)
    result = write_cast(Stand("first"), tmp_path / "x")
    assert result.notes == ("no picture: install libegl1 (everything else was done)",)
    assert traces(tmp_path / "x") == ["cast.json", "cast.vtp", "scene.html"]


CHILD = """
import signal, sys, time
from pathlib import Path
import castsim.cli, castsim.metrics, castsim.results, castsim.vtp

# a shell that runs the tests in the background has it ignored, and children inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)

def slow(cast, path):
    path.write_text("half")
    print("writing", flush=True)
    time.sleep(60)

castsim.metrics.summarise = lambda cast: {"schema": "castsim.cast/1", "timing_s": {"output": 0.0}}
castsim.vtp.cast_polydata = lambda cast: cast
castsim.vtp.write_vtp = slow
class Stand:
    voxels = None

castsim.cli.app = lambda **_: castsim.results.write_cast(Stand(), Path(sys.argv[1]))
sys.exit(castsim.cli.main([]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_killed_process_leaves_the_earlier_result(tmp_path: Path, number: signal.Signals) -> None:
    written(tmp_path / "x")
    before = {path.name: path.read_bytes() for path in (tmp_path / "x").iterdir()}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "x")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "writing\n"
    time.sleep(0.05)
    child.send_signal(number)
    assert child.wait(10) != 0
    child.stdout.close()
    assert {path.name: path.read_bytes() for path in (tmp_path / "x").iterdir()} == before
    if number is not signal.SIGKILL:  # after which nobody is left to tidy up
        assert traces(tmp_path) == ["x"]
    assert written(tmp_path / "x", "third") == ON_LINES
