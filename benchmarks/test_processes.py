"""Whole processes, as a user waits for them: importing, and the main job with warm kernels.

Run with ``make bench``. The aims of ``docs/performance.md`` are promises about a quiet machine, so
they are shown there as reached or not, and fail no test.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import ROUNDS

MB_PER_KB = 1.024e-3  # the kernel's kB is 1024 bytes
RUN = ("-m", "castsim.cli", "run", "right-t9", "--no-render", "--quiet")

pytestmark = pytest.mark.benchmark(timer=time.perf_counter)


def python(*arguments: str, folder: Path) -> None:
    """Run Python on `arguments`; raise when it fails."""
    subprocess.run([sys.executable, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def children_seconds() -> float:
    """Seconds of the processor of all children that have ended: fewer than waited when busy."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


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
def test_run_without_pictures(
    benchmark: BenchmarkFixture, tmp_path: Path, record_value: Callable[..., None]
) -> None:
    """The main job with kernels in numba's cache."""
    python(*RUN, folder=tmp_path)
    before = children_seconds()
    benchmark.pedantic(python, RUN, {"folder": tmp_path}, rounds=ROUNDS)
    spent = (children_seconds() - before) / ROUNDS
    assert (tmp_path / "casts" / "right-t9" / "cast.json").is_file()
    record_value("`castsim run right-t9 --no-render`", "seconds of the processor", spent, "s")


MEASURED = """
import sys
from castsim.cli import main
sys.argv = ["castsim", *sys.argv[1:]]
code = main()
lines = open("/proc/self/status", encoding="ascii").read().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
sys.exit(code)
"""
"""Tells its own peak: `ru_maxrss` of a child begins with what its parent held."""


def test_memory(tmp_path: Path, record_value: Callable[..., None]) -> None:
    """Peak resident memory of that process, of a warm run."""
    python(*RUN, folder=tmp_path)
    command = [sys.executable, "-c", MEASURED, *RUN[2:]]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    record_value(
        "`castsim run right-t9 --no-render`",
        "peak memory",
        int(done.stdout) * MB_PER_KB,
        "MB",
        at_most=400.0,
    )
