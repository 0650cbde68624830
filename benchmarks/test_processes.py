"""Whole processes, as a user waits for them: importing, and the main job with warm kernels.

Run with ``make bench``. The aims of ``docs/performance.md`` are asserted here and not in the tests,
because they are promises about a machine.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

IMPORT_AIM_S = 0.6
RUN_AIM_S = 3.0


def python(*arguments: str, folder: Path) -> None:
    """Run Python on `arguments`; raise when it fails."""
    subprocess.run([sys.executable, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("module", ["castsim", "castsim.simulate"])
def test_import(benchmark: BenchmarkFixture, tmp_path: Path, module: str) -> None:
    """Import in a fresh interpreter, interpreter included."""
    benchmark.pedantic(
        python, ("-c", f"import {module}"), {"folder": tmp_path}, rounds=5, warmup_rounds=1
    )
    if module == "castsim":
        assert benchmark.stats.stats.median <= IMPORT_AIM_S


def test_run_without_pictures(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """``castsim run right-t9 --no-render`` with kernels in numba's cache."""
    command = ("-m", "castsim.cli", "run", "right-t9", "--no-render", "--quiet")
    benchmark.pedantic(python, command, {"folder": tmp_path}, rounds=3, warmup_rounds=1)
    assert benchmark.stats.stats.median <= RUN_AIM_S
