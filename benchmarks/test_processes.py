"""Whole processes, as a user waits for them: importing, and the main job with warm kernels.

Run with ``make bench``. The aims of ``docs/performance.md`` are promises about a quiet machine, so
they are shown there as reached or not, and fail no test.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import ROUNDS

MB_PER_KB = 1e-3
RUN = ("-m", "castsim.cli", "run", "right-t9", "--no-render", "--quiet")

pytestmark = pytest.mark.benchmark(timer=time.perf_counter)


def python(*arguments: str, folder: Path) -> None:
    """Run Python on `arguments`; raise when it fails."""
    subprocess.run([sys.executable, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.measures("`import castsim`", "castsim", bar="≤ 0.6 s", at_most_s=0.6)
def test_import(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Import in a fresh interpreter, interpreter included."""
    benchmark.pedantic(
        python, ("-c", "import castsim"), {"folder": tmp_path}, rounds=ROUNDS, warmup_rounds=1
    )


@pytest.mark.measures("`import castsim.simulate`", "castsim")
def test_import_of_all_that_a_run_needs(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    command = ("-c", "import castsim.simulate")
    benchmark.pedantic(python, command, {"folder": tmp_path}, rounds=ROUNDS, warmup_rounds=1)


@pytest.mark.measures(
    "`castsim run right-t9 --no-render`, whole process", "castsim", bar="≤ 3 s", at_most_s=3.0
)
def test_run_without_pictures(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """The main job with kernels in numba's cache."""
    benchmark.pedantic(python, RUN, {"folder": tmp_path}, rounds=ROUNDS, warmup_rounds=1)
    assert (tmp_path / "casts" / "right-t9" / "cast.json").is_file()


def test_memory(tmp_path: Path, record_value: Callable[..., None]) -> None:
    """Peak resident memory of that process, of a warm run."""
    python(*RUN, folder=tmp_path)
    child = subprocess.Popen([sys.executable, *RUN], cwd=tmp_path)
    _, status, usage = os.wait4(child.pid, 0)
    assert status == 0
    record_value(
        "`castsim run right-t9 --no-render`",
        "peak memory",
        usage.ru_maxrss * MB_PER_KB,
        "MB",
        at_most=400.0,
    )
