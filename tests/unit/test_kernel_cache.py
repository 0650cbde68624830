"""No stale machine code: an edit of one kernel file recompiles those that call into it."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import castsim.kernels
from castsim.console import COMPILING, told
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


def test_the_first_run_of_each_kind_says_why_it_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))

    def words(*, cubes: bool, quiet: bool = False) -> int:
        tell = told(None, quiet=quiet, cubes=cubes)
        tell("geometry", 0.0)
        tell("injection", 0.0)
        return " ".join(capsys.readouterr().err.split()).count(COMPILING)

    assert (words(cubes=False), words(cubes=True), words(cubes=True, quiet=True)) == (1, 1, 0)
    (tmp_path / "settling.settle_veins-1.py311.nbi").touch()
    assert (words(cubes=False), words(cubes=True)) == (1, 1)
    cubes, lines = tmp_path / "near.iterate-346.py311.nbi", "region.reveal_all-457.py311.nbi"
    cubes.touch()
    assert (words(cubes=False), words(cubes=True)) == (1, 0), "cubes need none of those of lines"
    cubes.unlink()
    (tmp_path / lines).touch()
    assert (words(cubes=False), words(cubes=True)) == (0, 1)
    cubes.touch()
    assert (words(cubes=False), words(cubes=True)) == (0, 0)


@pytest.mark.parametrize("work", castsim.kernels.LAST)
def test_what_tells_that_kernels_are_kept_is_one_of_them(work: str) -> None:
    module, name = castsim.kernels.LAST[work].split(".")
    package = "geometry" if work == "geometry" else "castsim"
    kernel = getattr(importlib.import_module(f"{package}.kernels.{module}"), name)
    assert kernel.py_func.__name__ == name


FOREIGN_KERNELS = (
    "from pathlib import Path\n\nCOMPILING = Path(__file__)\n\n\n"
    "def forget_stale(*folders):\n    raise SystemExit('the cache would be dropped')\n"
)


@pytest.mark.parametrize(
    ("files", "works"),
    [
        ({"geometry/notes.txt": "no package"}, True),
        ({"geometry/__init__.py": ""}, False),
        ({"geometry.py": ""}, False),
        ({"geometry/__init__.py": "", "geometry/kernels/__init__.py": FOREIGN_KERNELS}, False),
    ],
)
def test_a_foreign_geometry_beside_a_script_drops_no_cache(
    files: dict[str, str], works: bool, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "mine.py").write_text("import castsim.kernels\nprint('fine')\n", "utf-8")
    folder = Path(castsim.kernels.__file__).parent
    mark = folder / "__pycache__" / "sources.sha256"
    before = mark.read_text("ascii")
    environment = {**os.environ, "PYTHONPATH": str(folder.parents[1])}
    child = subprocess.run(
        [sys.executable, "mine.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert mark.read_text("ascii") == before
    if works:
        assert (child.returncode, child.stdout) == (0, "fine\n"), child.stderr
    else:
        assert child.returncode == 1
        told = child.stderr.splitlines()[-1]
        assert told.startswith("ImportError: castsim needs its own package geometry in ")
        assert str(tmp_path) in told
        assert told.endswith("rename that, or run from elsewhere")
