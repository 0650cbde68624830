"""Plans: draws a second on one and on two workers side by side, and what a draw costs to keep."""

import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psutil

from castsim.ensembles.engine import run_study
from castsim.ensembles.priors import bundled_priors
from castsim.ensembles.store import Store
from castsim.ensembles.study import Study, load_arm

WORK = "plan of `right-t9` to 2 mL"
DRAWS = 128
KB = 1e3
MB = 1e6
S_PER_H = 3600.0
LEAST_SPEED_UP = 1.7


class Measured(NamedTuple):
    """One run of `DRAWS` draws: s of wall and of the processor a draw, peak memory of a worker."""

    wall_s: float
    processor_s: float
    peak_bytes: float


def children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measured(folder: Path, workers: int) -> Measured:
    """Run a plan; its start (workers, imports) counts in processor's time and not in wall's."""
    marks: list[tuple[float, int]] = []
    peak = 0

    def progress(done: int, wanted: int) -> None:
        nonlocal peak
        if done:
            marks.append((time.perf_counter(), done))
        rss = [child.memory_info().rss for child in psutil.Process().children()]
        peak = max(peak, *rss, 0)

    before = children_seconds()
    store = Store(folder, Study({"right-t9": load_arm("right-t9")}, bundled_priors()))
    run_study(store, DRAWS, workers=workers, progress=progress)
    spent = children_seconds() - before
    (began, first), (ended, last) = marks[0], marks[-1]
    return Measured((ended - began) / (last - first), spent / DRAWS, peak)


def test_plan(tmp_path: Path, record_value: Callable[..., None]) -> None:
    """The same draws on one worker and on two give the same bytes, in 1/1.7 of the time."""
    measured(tmp_path / "warm", 2)
    one, two = measured(tmp_path / "one", 1), measured(tmp_path / "two", 2)
    chunks = sorted((tmp_path / "two").glob("draws/*.parquet"))
    assert [path.read_bytes() for path in chunks] == [
        path.read_bytes() for path in sorted((tmp_path / "one").glob("draws/*.parquet"))
    ]
    kept = sum(path.stat().st_size for path in chunks) / DRAWS
    for name, run in (("one worker", one), ("two workers", two)):
        record_value(WORK, f"draws a second, {name}", 1.0 / run.wall_s, "/s")
        record_value(WORK, f"processor's time a draw, {name}", run.processor_s, "s")
    share = two.wall_s / one.wall_s
    record_value(
        WORK, "time on two workers over that on one", share, at_most=round(1 / LEAST_SPEED_UP, 2)
    )
    whole = "1000 draws on two workers, from these, without the start"
    record_value(WORK, whole, 1000 * two.wall_s, "s", at_most=150.0)
    record_value(WORK, "kept of a draw", kept / KB, "kB", at_most=4.0)
    peak = max(one.peak_bytes, two.peak_bytes) / MB
    record_value(WORK, "peak memory of a worker", peak, "MB", at_most=600.0)
    record_value(WORK, "100 000 draws on two workers, from these", 1e5 * two.wall_s / S_PER_H, "h")
    record_value(WORK, "100 000 draws kept, from these", 1e5 * kept / MB, "MB")
