"""No stale machine code: an edit of one kernel file recompiles those that call into it."""

import os
import subprocess
import sys
from pathlib import Path

from geometry.kernels import forget_stale

INNER = "import numba as nb\n\n\n@nb.njit(cache=True)\ndef inner(x):\n    return x + {}\n"
OUTER = (
    "import numba as nb\n\nfrom inner import inner\n\n\n"
    "@nb.njit(cache=True)\ndef outer(x):\n    return inner(x)\n"
)


def answer(folder: Path) -> int:
    """What outer(1) gives in a fresh process."""
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    child = subprocess.run(
        [sys.executable, "-c", "from outer import outer; print(outer(1))"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(child.stdout)


def test_an_edit_of_an_inner_file_is_seen(tmp_path: Path) -> None:
    inner, outer = tmp_path / "inner.py", tmp_path / "outer.py"
    inner.write_text(INNER.format(1))
    outer.write_text(OUTER)
    assert forget_stale(tmp_path)
    assert answer(tmp_path) == 2
    assert list((tmp_path / "__pycache__").glob("*.nbi"))
    assert not forget_stale(tmp_path)
    assert list((tmp_path / "__pycache__").glob("*.nbi"))

    inner.write_text(INNER.format(100))
    assert forget_stale(tmp_path)
    assert answer(tmp_path) == 101
