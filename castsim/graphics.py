"""Is there an OpenGL that can draw off screen? Asked in child processes.

VTK ends the whole process with a segmentation fault when libEGL, libX11 or a Mesa
driver is missing, and falls back silently from one kind of window to another. So every
kind is tried in a child, which is judged by its exit code and by the class of the
window that answered. Nothing here imports VTK or PyVista into the calling process.
"""

import functools
import os
import subprocess
import sys
from dataclasses import dataclass

from castsim.errors import MissingError

WINDOW_VARIABLE = "VTK_DEFAULT_OPENGL_WINDOW"
WINDOWS = ("vtkEGLRenderWindow", "vtkOSOpenGLRenderWindow", "vtkXOpenGLRenderWindow")
"""Kinds of window in order of preference: EGL is silent and the one that Mesa keeps."""

DEBIAN_PACKAGES = ("libegl1", "libgl1-mesa-dri")
PROBE_TIMEOUT_S = 30.0

_CHILD = """
import sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except (ImportError, ValueError, OSError):
    pass
import vtkmodules.vtkRenderingOpenGL2
from vtkmodules.vtkRenderingCore import vtkRenderWindow
window = vtkRenderWindow()
window.SetOffScreenRendering(1)
window.SetSize(8, 8)
window.Render()
sys.exit(0 if window.GetClassName() == sys.argv[1] and window.SupportsOpenGL() else 3)
"""


@dataclass(frozen=True)
class Graphics:
    """What the probe found.

    Attributes
    ----------
    window : VTK class that draws off screen on this machine, or None
    """

    window: str | None

    @property
    def available(self) -> bool:
        """Whether pictures can be drawn."""
        return self.window is not None

    @property
    def message(self) -> str:
        """One line for the user."""
        if self.window is not None:
            return f"off-screen OpenGL by {self.window}"
        return (
            "no picture: this machine has no off-screen OpenGL; on Debian or Ubuntu run "
            f"`apt-get install {' '.join(DEBIAN_PACKAGES)}`"
        )


@functools.cache
def probe() -> Graphics:
    """Find a kind of window that draws off screen; asked once a process.

    A kind already named in ``VTK_DEFAULT_OPENGL_WINDOW`` is the only one tried.
    """
    wanted = os.environ.get(WINDOW_VARIABLE)
    for window in (wanted,) if wanted else WINDOWS:
        if _child_draws(window):
            return Graphics(window)
    return Graphics(None)


def prepare() -> None:
    """Make the next Plotter safe to construct, or raise.

    Raises
    ------
    MissingError
        No off-screen OpenGL; the message names the packages to install.
    """
    graphics = probe()
    if graphics.window is None:
        raise MissingError(graphics.message)
    os.environ[WINDOW_VARIABLE] = graphics.window
    # PyVista's own check of OpenGL is one of the places that crash.
    os.environ["ALLOW_PLOTTING"] = "true"


def _child_draws(window: str) -> bool:
    try:
        child = subprocess.run(
            [sys.executable, "-c", _CHILD, window],
            env={**os.environ, WINDOW_VARIABLE: window},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PROBE_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return child.returncode == 0
