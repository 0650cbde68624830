"""`castsim render` as a user meets it: files, sizes, one-line errors, no OpenGL."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from castsim import graphics
from castsim.cli import main
from castsim.schema import DISCLAIMER

SMALL = ("--set", "injection.volume_mL=0.05", "--no-render", "--quiet")
SIZE = ("--size", "640x400")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small result, as `castsim run` leaves it; no test may change it."""
    path = tmp_path_factory.mktemp("casts") / "small"
    assert main(["run", "right-t9", *SMALL, "-o", str(path)]) == 0
    return path


@pytest.fixture
def drawable(monkeypatch: pytest.MonkeyPatch) -> None:
    found = graphics.probe()
    if not found.available:
        pytest.skip(found.message)
    # coarser walls: these pictures are not looked at
    monkeypatch.setattr("castsim.still.SPACING_MM", 0.8)


@pytest.mark.usefixtures("drawable")
def test_a_picture_lies_beside_the_cast_and_says_so(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {entry.name for entry in saved.iterdir()}
    assert main(["render", str(saved), *SIZE, "--volume-mL", "0.03", "--theme", "dark"]) == 0
    out, err = capsys.readouterr()
    drawn = saved / "view-ap-0.03mL.png"
    assert (out, err) == (f"Wrote {drawn}\n{DISCLAIMER}\n", "")
    assert {entry.name for entry in saved.iterdir()} == before | {drawn.name}
    image = np.asarray(Image.open(drawn))
    assert image.shape == (400, 640, 3)
    assert image[60:300, :400].mean() < 100, "it is dark"
    drawn.unlink()


@pytest.mark.usefixtures("drawable")
def test_a_movie_is_written_and_no_picture_beside_it(saved: Path, tmp_path: Path) -> None:
    before = sorted(saved.iterdir())
    movie = tmp_path / "m.gif"
    assert main(["render", str(saved), *SIZE, "--movie", str(movie), "--frames", "2"]) == 0
    with Image.open(movie) as gif:
        assert (gif.n_frames, gif.size) == (2, (640, 400))
    assert sorted(saved.iterdir()) == before


@pytest.mark.usefixtures("drawable")
def test_the_result_with_pictures_in_it_can_be_run_again(saved: Path) -> None:
    assert main(["render", str(saved), *SIZE, "--view", "axial", "--quiet"]) == 0
    assert (saved / "view-axial.png").exists()
    # what was drawn of the earlier cast goes with it
    assert main(["run", "right-t9", *SMALL, "-o", str(saved)]) == 0
    assert not (saved / "view-axial.png").exists()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--view", "app"], "unknown view 'app'; did you mean 'ap'?"),
        (["--theme", "darkk"], "unknown theme 'darkk'; did you mean 'dark'?"),
        (["--size", "big"], "--size big: write width x height in pixels, as 1600x1000"),
        (["--size", "10x10"], "--size 10x10: 640x400 to 7680x4800 pixels are allowed"),
        (["--volume-ml", "3"], "--volume-mL 3: 0.050 mL were injected"),
        (["--volume-ml", "-1"], "--volume-mL -1: 0.050 mL were injected"),
        (["--structures", "foramnal"], "unknown structure 'foramnal'; did you mean 'foraminal'?"),
        (["-o", "x.jpg"], "x.jpg: the name must end in .png"),
        (["--movie", "x.avi"], "x.avi: the name must end in .mp4 or .gif"),
        (["--frames", "9"], "--frames 9: pictures of a movie; add --movie FILE"),
        (["--movie", "x.gif", "--frames", "1"], "--frames 1: 2 to 1000 are allowed"),
        (
            ["--movie", "x.mp4", "--size", "701x500"],
            "--size 701x500: an .mp4 needs an even width and height",
        ),
        (["-o", "no/x.png"], "no/x.png: there is no folder no"),
    ],
)
def test_bad_options_are_one_line_and_write_nothing(
    options: list[str],
    line: str,
    saved: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(saved.iterdir())
    assert main(["render", str(saved), *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("castsim: ")
    assert line in err
    assert err.count("\n") == 1
    assert sorted(saved.iterdir()) == before
    assert not list(tmp_path.iterdir())


def test_where_there_is_no_cast_the_command_that_makes_one_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["render", str(tmp_path / "right-t9")]) == 2
    assert "`castsim run right-t9` makes one" in capsys.readouterr().err


def test_a_report_without_pictures_lies_beside_the_cast(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "case.html"
    assert main(["report", str(saved), "--no-render", "-o", str(page)]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == (f"Wrote {page}\n{DISCLAIMER}\n", "")
    assert "No pictures were asked for" in page.read_text("utf-8")
    assert main(["report", str(tmp_path / "nothing")]) == 2
    assert "holds no cast.json" in capsys.readouterr().err


def test_without_opengl_one_line_exit_3_and_nothing_written(saved: Path, tmp_path: Path) -> None:
    """The libraries are hidden from a child, where VTK by itself would crash."""
    for name in ("libEGL.so.1", "libEGL.so", "libOSMesa.so.8", "libOSMesa.so", "libX11.so.6"):
        (tmp_path / name).write_bytes(b"not a library")
    before = sorted(saved.iterdir())
    hidden = {
        **os.environ,
        "LD_LIBRARY_PATH": str(tmp_path),
        "DISPLAY": "",
        "VTK_DEFAULT_OPENGL_WINDOW": "vtkEGLRenderWindow",
    }
    done = subprocess.run(
        [sys.executable, "-m", "castsim.cli", "render", str(saved)],
        env=hidden,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode == 0:
        pytest.skip("this VTK draws although libEGL, libOSMesa and libX11 are hidden")
    assert done.returncode == 3, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("castsim: no picture: this machine has no off-screen OpenGL")
    assert done.stderr.count("\n") == 1
    assert graphics.DEBIAN_PACKAGES[0] in done.stderr
    assert sorted(saved.iterdir()) == before
