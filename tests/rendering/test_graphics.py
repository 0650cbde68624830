"""The probe of OpenGL: a crash in the child is an answer, never a crash of the parent."""

import os
import subprocess
import sys

import pytest

from castsim import graphics
from castsim.errors import MissingError


@pytest.fixture(autouse=True)
def fresh_probe(monkeypatch: pytest.MonkeyPatch):
    """Ask anew in every test, and leave neither answer nor environment behind."""
    for variable in (graphics.WINDOW_VARIABLE, "ALLOW_PLOTTING"):
        # set first, so that what the test sets is taken away again
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    graphics.probe.cache_clear()
    yield
    graphics.probe.cache_clear()


def test_a_child_that_dies_of_a_segmentation_fault_means_no_graphics(monkeypatch):
    monkeypatch.setattr(
        graphics, "_CHILD", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    )
    assert graphics.probe() == graphics.Graphics(None)


def test_without_graphics_one_line_names_the_packages(monkeypatch):
    monkeypatch.setattr(graphics, "_child_draws", lambda window: False)
    with pytest.raises(MissingError) as caught:
        graphics.prepare()
    message = str(caught.value)
    assert "\n" not in message
    for package in graphics.DEBIAN_PACKAGES:
        assert package in message
    assert graphics.WINDOW_VARIABLE not in os.environ


def test_a_window_of_another_kind_is_not_taken_for_the_one_asked_for():
    # VTK ignores a kind it does not know and opens the default window instead.
    assert not graphics._child_draws("vtkNoSuchRenderWindow")


def test_the_kinds_are_tried_in_order_and_the_first_that_draws_is_taken(monkeypatch):
    tried = []

    def draws(window: str) -> bool:
        tried.append(window)
        return window == graphics.WINDOWS[1]

    monkeypatch.setattr(graphics, "_child_draws", draws)
    graphics.prepare()
    assert tried == list(graphics.WINDOWS[:2])
    assert os.environ[graphics.WINDOW_VARIABLE] == graphics.WINDOWS[1]
    assert os.environ["ALLOW_PLOTTING"] == "true"


def test_a_kind_named_by_the_user_is_the_only_one_tried(monkeypatch):
    tried = []
    monkeypatch.setenv(graphics.WINDOW_VARIABLE, "vtkXOpenGLRenderWindow")
    monkeypatch.setattr(graphics, "_child_draws", lambda window: bool(tried.append(window)))
    assert not graphics.probe().available
    assert tried == ["vtkXOpenGLRenderWindow"]


def test_the_probe_is_asked_once_a_process(monkeypatch):
    calls = []
    monkeypatch.setattr(graphics, "_child_draws", lambda window: bool(calls.append(window)) or True)
    graphics.probe()
    graphics.probe()
    assert len(calls) == 1


def test_a_child_that_hangs_means_no_graphics(monkeypatch):
    monkeypatch.setattr(graphics, "_CHILD", "import time; time.sleep(60)")
    monkeypatch.setattr(graphics, "PROBE_TIMEOUT_S", 0.2)
    assert not graphics._child_draws(graphics.WINDOWS[0])


def test_missing_libraries_crash_vtk_but_not_the_caller(tmp_path):
    """With EGL and GL hidden, a bare VTK render dies and the probe lives to tell."""
    # A file of the library's name that is no library, found first, hides the real one.
    for name in ("libEGL.so.1", "libEGL.so", "libOSMesa.so.8", "libOSMesa.so", "libX11.so.6"):
        (tmp_path / name).write_bytes(b"not a library")
    hidden = {
        **os.environ,
        "LD_LIBRARY_PATH": str(tmp_path),
        "DISPLAY": "",
        "VTK_DEFAULT_OPENGL_WINDOW": "vtkEGLRenderWindow",
    }
    bare = "import vtkmodules.vtkRenderingOpenGL2 as m\n" + (
        "from vtkmodules.vtkRenderingCore import vtkRenderWindow as W\n"
        "w = W(); w.SetOffScreenRendering(1); w.Render()"
    )
    crash = subprocess.run(
        [sys.executable, "-c", bare], env=hidden, capture_output=True, check=False
    )
    if crash.returncode == 0:
        pytest.skip("this VTK draws although libEGL, libOSMesa and libX11 are hidden")
    code = "from castsim import graphics; print(graphics.probe().message)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=hidden,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert graphics.DEBIAN_PACKAGES[0] in done.stdout
