"""Compile the kernels of both meshes side by side, before processes of tests share them.

Each of those would compile them for itself otherwise, since a kernel is kept only when it is done.
`python -m tests.warm_up`; a few seconds where they are kept already.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

CASTSIM = Path(sys.executable).with_name("castsim")
RUN = ("run", "right-t9", "--no-render", "--quiet", "--set", "injection.volume_mL=0.01")
MESHES = {"lines": (), "cubes": ("--mesh", "voxel", "--spacing-mm", "0.45")}


def main() -> int:
    """Inject a little on either mesh; the first status that is no success, or 0."""
    with TemporaryDirectory() as folder:
        runs = [
            subprocess.Popen([CASTSIM, *RUN, *mesh, "-o", str(Path(folder) / name)])
            for name, mesh in MESHES.items()
        ]
        ends = [run.wait() for run in runs]
    return next(filter(None, ends), 0)


if __name__ == "__main__":
    sys.exit(main())
