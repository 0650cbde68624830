"""Draws on workers elsewhere and here: nothing lost, nothing heard, one line for every trouble."""

import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from castsim import __version__
from castsim.ensembles import cluster as clusters
from castsim.ensembles import engine
from castsim.ensembles.columns import KILLED, Outcome
from castsim.ensembles.fingerprint import state
from castsim.ensembles.priors import Prior
from castsim.ensembles.sampling import drawn_priors
from castsim.ensembles.store import CHUNK, Store
from castsim.ensembles.study import Study
from castsim.errors import MissingError, ResultError, StoppedError
from tests.reliability import ensembles
from tests.reliability.ensembles import KILLER, digest, study

ROOT = Path(__file__).resolve().parents[2]
HERE = {**os.environ, "PYTHONPATH": str(ROOT)}
KILLS = 24
REAL_DRAWS = 2 * CHUNK + 8
REAL_KILLS = 6
PATIENCE_S = 300.0  # of a busy machine
PLAN = ("plan", "right-t9", "--up-to-ml", "0.1", "--quiet", "--no-render")


@dataclass
class Cluster:
    """A scheduler and its workers, each a process as a user starts them."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]


def dask(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments],
        cwd=ROOT,
        env=HERE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def started(n_workers: int, folder: Path) -> Cluster:
    place = folder / "scheduler.json"
    where = ("--host", "127.0.0.1", "--no-dashboard")
    scheduler = dask("scheduler", *where, "--port", "0", "--scheduler-file", str(place))
    until(lambda: place.exists() and place.read_text("utf-8").rstrip().endswith("}"))
    address = json.loads(place.read_text("utf-8"))["address"]
    local = ("--local-directory", str(folder), "--nthreads", "1", "--no-nanny")
    workers = [dask("worker", address, *where, *local) for _ in range(n_workers)]
    return Cluster(address, scheduler, workers)


def until(condition: object, seconds: float = PATIENCE_S) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


@pytest.fixture
def two_workers(tmp_path: Path) -> Iterator[Cluster]:
    cluster = started(2, tmp_path)
    yield cluster
    for process in (*cluster.workers, cluster.scheduler):
        process.kill()
        process.wait()


def cli(piece: str, *arguments: str, cwd: Path, limit: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.reliability.ensembles", piece, str(limit), *arguments],
        cwd=cwd,
        env=HERE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_killed_at_random_moments_it_ends_with_the_same_bytes(
    two_workers: Cluster, tmp_path: Path
) -> None:
    """The driver, that is; workers stay. Each time the same command goes on."""
    n_draws = 40 * CHUNK + 3
    folder, context = tmp_path / "killed", multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.reliability.ensembles", "distributed"])

    def driver(place: Path, draws: int) -> multiprocessing.process.BaseProcess:
        given = (str(place), draws, "quick_piece", two_workers.address)
        process = context.Process(target=ensembles.drive, args=given)
        process.start()
        return process

    def seconds(place: Path, draws: int) -> float:
        began = time.monotonic()
        process = driver(place, draws)
        process.join(PATIENCE_S)
        assert process.exitcode == 0
        return time.monotonic() - began

    seconds(tmp_path / "warm", 1)
    little, whole = seconds(tmp_path / "little", 1), seconds(tmp_path / "whole", n_draws)
    expected, rng = digest(tmp_path / "whole"), random.Random(1)
    unfinished = 0
    for k in range(KILLS):
        process, before = driver(folder, n_draws), len(chunks(folder))
        if k % 2:  # as it works; else as it starts, or whenever
            wait_for_chunk(folder, before, process)
        time.sleep(rng.uniform(0.0, 2.0 * (whole - little) / KILLS if k % 2 else little))
        process.kill()
        process.join()
        assert len(chunks(folder)) >= before
        unfinished += 0 < len(chunks(folder)) < len(chunks(tmp_path / "whole"))
        if len(chunks(folder)) == len(chunks(tmp_path / "whole")):
            assert digest(folder) == expected
            shutil.rmtree(folder)
    assert unfinished > 3
    seconds(folder, n_draws)
    assert digest(folder) == expected


@pytest.mark.slow
def test_real_draws_killed_at_random_moments_end_with_the_same_bytes(tmp_path: Path) -> None:
    """The whole command and what it does: driver or worker dies, the same command goes on."""
    command = ("plan", "right-t9", "--up-to-ml", "0.3", "--draws", str(REAL_DRAWS), "--quiet")
    folder, rng = tmp_path / "killed", random.Random(5)

    def started_in(place: str) -> subprocess.Popen[str]:
        return cli("", *command, "--no-render", "--workers", "2", "-o", place, cwd=tmp_path)

    def finished(child: subprocess.Popen[str]) -> None:
        out, err = child.communicate(timeout=PATIENCE_S)
        assert (child.returncode, out, err) == (0, "started\n", "")

    finished(started_in("warm"))
    began = time.monotonic()
    finished(started_in("whole"))
    seconds, kept, interrupted = time.monotonic() - began, 0, 0
    expected = digest(tmp_path / "whole")
    for k in range(REAL_KILLS):
        child = started_in("killed")
        # with a little more than one start a kill, some die as they begin and some as they work
        with suppress(subprocess.TimeoutExpired):
            child.wait(rng.uniform(0.1, 0.7) * seconds)
        workers = psutil.Process(child.pid).children() if child.poll() is None else []
        if k % 3 == 2 and workers:
            with suppress(psutil.NoSuchProcess):
                rng.choice(workers).kill()
            time.sleep(1.0)
        interrupted += child.poll() is None
        child.kill()
        child.communicate()
        assert len(chunks(folder)) >= kept
        kept = len(chunks(folder))
        if child.returncode == 0:  # sooner than a kill: all anew, so that the next finds work
            assert digest(folder) == expected
            shutil.rmtree(folder)
            kept = 0
    # how many depends on how busy the machine is meanwhile
    assert interrupted >= 2
    finished(started_in("killed"))
    assert len(chunks(tmp_path / "whole")) == 3
    assert digest(folder) == expected


def wait_for_chunk(folder: Path, before: int, process: multiprocessing.process.BaseProcess) -> None:
    until(lambda: len(chunks(folder)) > before or not process.is_alive())


def chunks(folder: Path) -> list[Path]:
    return list(folder.glob("draws/*.parquet"))


def test_a_worker_that_is_killed_costs_nothing(two_workers: Cluster, tmp_path: Path) -> None:
    """The real work, on two workers elsewhere of which one is killed, and on this machine."""
    n_draws, killed = 16, []

    def progress(done: int, wanted: int) -> None:
        if 0 < done < wanted and not killed:
            two_workers.workers[0].kill()
            killed.append(done)

    there, here = tmp_path / "there", tmp_path / "here"
    engine.run_study(
        Store(there, study()), n_draws, scheduler=two_workers.address, progress=progress
    )
    assert killed
    engine.run_study(Store(here, study()), n_draws)
    assert digest(there) == digest(here)
    table = Store(here, study()).read(["error"], n_draws)
    assert table["draw"].to_pylist() == list(range(n_draws))
    assert set(table["error"].to_pylist()) == {""}


@pytest.mark.slow
def test_a_draw_that_ends_its_workers_is_recorded_and_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import distributed  # noqa: F401 - its settings must be there before one is changed
    from dask import config

    monkeypatch.setattr(engine, "simulate_piece", ensembles.deadly_piece)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    store = Store(tmp_path / "x", study())
    with config.set({"distributed.scheduler.allowed-failures": 0}):
        engine.run_study(store, 2 * CHUNK, workers=2)
    rows = store.read(["error", "patient_seed"], 2 * CHUNK).to_pylist()
    assert [row["draw"] for row in rows] == list(range(2 * CHUNK))
    # Dask blames what waits behind the deadly piece too, so that it must be tried alone
    assert {row["draw"]: row["error"] for row in rows if row["error"]} == {KILLER: KILLED}
    assert len({row["patient_seed"] for row in rows}) == 2 * CHUNK
    inputs = store.read(
        [f"in.{prior.field}" for prior in store.study.priors], 2 * CHUNK
    ).to_pylist()
    assert None not in [inputs[KILLER][f"in.{p.field}"] for p in drawn_in(store.study)]
    assert capfd.readouterr() == ("", "")

    # it may have been the machine's trouble: the same command tries it again, and fewer draws do
    monkeypatch.setattr(engine, "simulate_piece", ensembles.quick_piece)
    told: list[tuple[int, int]] = []
    again = Store(tmp_path / "x", study())
    engine.run_study(again, CHUNK - 2, workers=2, progress=lambda *seen: told.append(seen))
    assert (told[0], told[-1]) == ((0, CHUNK), (CHUNK, CHUNK))
    assert again.missing(2 * CHUNK) == []
    engine.run_study(Store(tmp_path / "whole", study()), 2 * CHUNK, workers=2)
    assert digest(tmp_path / "x") == digest(tmp_path / "whole")


def drawn_in(of: Study) -> list[Prior]:
    return [prior for arm in of.arms.values() for prior in drawn_priors(arm, of.priors).values()]


def test_ctrl_c_tells_what_is_kept_and_the_same_command_goes_on(tmp_path: Path) -> None:
    child = cli("slow_piece", *PLAN, "--draws", "4000", "-o", "x", cwd=tmp_path)
    until(lambda: list(tmp_path.glob("x/draws/*.parquet")))
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=PATIENCE_S)
    kept = CHUNK * len(list(tmp_path.glob("x/draws/*.parquet")))
    assert child.returncode == 130
    assert out == "started\n"
    more = r"( \(\d+ more were done and will be run again\))?"
    line = (
        rf"castsim: stopped: {kept} of 4000 draws are kept in x{more}; the same command goes on\n"
    )
    assert re.fullmatch(line, err)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert not list(tmp_path.rglob("*.part"))

    # the same command goes on, here to fewer draws, and ends as one that nobody stopped
    before, enough = digest(tmp_path / "x" / "draws"), ("--draws", str(kept + 2 * CHUNK))
    for place in ("x", "whole"):
        other = cli("quick_piece", *PLAN, *enough, "-o", place, cwd=tmp_path)
        assert other.communicate(timeout=PATIENCE_S) == ("started\n", "")
        assert other.returncode == 0
    assert before.items() < digest(tmp_path / "x" / "draws").items()
    assert digest(tmp_path / "x") == digest(tmp_path / "whole")


def test_ctrl_c_between_a_file_and_its_count_tells_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = Store.add

    def interrupted(store: Store, outcomes: Sequence[Outcome]) -> None:
        add(store, outcomes)
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "add", interrupted)
    monkeypatch.setattr(engine, "simulate_piece", ensembles.quick_piece)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with pytest.raises(StoppedError) as stopped:
        engine.run_study(Store(tmp_path / "x", study()), 3 * CHUNK, workers=2)
    assert len(chunks(tmp_path / "x")) == 1
    told = re.fullmatch(
        rf"stopped: (\d+) of {3 * CHUNK} draws are kept in \S+?"
        r"(?: \((\d+) more were done and will be run again\))?; the same command goes on",
        str(stopped.value),
    )
    assert told
    kept, loose = (int(number) for number in told.groups("0"))
    assert kept == CHUNK
    # pieces of the next file may have come before the last one of this
    assert loose in range(0, CHUNK, engine.PIECE)


def test_workers_hear_nobody_else_and_end_with_their_driver(tmp_path: Path) -> None:
    child = cli("slow_piece", *PLAN, "--draws", "4000", "-o", "x", cwd=tmp_path)
    until(lambda: list(tmp_path.glob("x/draws/*.parquet")))
    family = [psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True)]
    assert len(family) > psutil.cpu_count() / 2
    listening = [
        connection.laddr.ip
        for process in family
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert set(listening) == {"127.0.0.1"}
    assert [path.name for path in tmp_path.iterdir()] == ["x"]

    other = cli("quick_piece", *PLAN, "--draws", "8", "-o", "x", cwd=tmp_path)
    out, err = other.communicate(timeout=PATIENCE_S)
    # what is there needs no lock to be read; more draws do
    assert other.returncode == 0, err
    other = cli("quick_piece", *PLAN, "--draws", "4000", "-o", "x", cwd=tmp_path)
    out, err = other.communicate(timeout=PATIENCE_S)
    assert (other.returncode, out) == (2, "started\n")
    assert err.startswith("castsim: x: another castsim is writing there: ")
    assert err.count("\n") == 1

    child.kill()
    child.communicate()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """Chunks that are there stay, and the one that cannot be written leaves nothing."""
    store = Store(tmp_path / "x", study())
    with store.writing():
        store.add(ensembles.quick_piece(study().to_json(), state(), store.matrix, 0, CHUNK))
    before = digest(tmp_path / "x")
    size = (tmp_path / "x" / "draws" / "00000000.parquet").stat().st_size
    command = (*PLAN, "-o", "x", "--draws", str(2 * CHUNK))
    child = cli("quick_piece", *command, cwd=tmp_path, limit=size // 2)
    out, err = child.communicate(timeout=PATIENCE_S)
    chunk = f"x/draws/{CHUNK:08d}.parquet"
    assert (child.returncode, out) == (2, "started\n")
    assert err == f"castsim: {chunk}: cannot be written: File too large\n"
    assert digest(tmp_path / "x") == before


def test_a_scheduler_without_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "NO_WORKERS_S", 0.5)
    cluster = started(0, tmp_path)
    folder = tmp_path / "x"
    try:
        with pytest.raises(MissingError, match=r"had no workers for 0 s.*dask worker tcp://127"):
            engine.run_study(Store(folder, study()), 4, scheduler=cluster.address)
    finally:
        cluster.scheduler.kill()
        cluster.scheduler.wait()
    assert not folder.exists()


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["scheduler", "workers"])
def test_a_cluster_that_goes_away(
    lost: str, two_workers: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "simulate_piece", ensembles.slow_piece)

    def progress(done: int, wanted: int) -> None:
        if done >= 2 * CHUNK:
            for module in (clusters, engine):
                monkeypatch.setattr(module, "NO_WORKERS_S", 15.0 if lost == "scheduler" else 1.0)
            for process in two_workers.workers if lost == "workers" else [two_workers.scheduler]:
                process.kill()

    store = Store(tmp_path / "x", study())
    told = "the scheduler has " + ("gone" if lost == "scheduler" else "had no workers")
    with pytest.raises(MissingError, match=told):
        engine.run_study(store, 40 * CHUNK, scheduler=two_workers.address, progress=progress)
    assert store.missing(CHUNK) == []


def test_workers_that_cannot_run_castsim(
    two_workers: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "simulate_piece", ensembles.broken_piece)
    with pytest.raises(MissingError, match=r"a worker cannot run castsim .*No module named"):
        engine.run_study(Store(tmp_path / "x", study()), 4, scheduler=two_workers.address)


def test_workers_have_the_same_castsim() -> None:
    for other in ("0.0.0", f"{__version__} (ab12cd34ef56)"):
        told = (
            rf"the worker on .* has castsim {re.escape(state())}, and {re.escape(other)} is asked"
        )
        with pytest.raises(MissingError, match=told):
            ensembles.REAL_PIECE(study().to_json(), other, "A", 0, 1)


def test_a_script_without_a_guard_may_call_it(tmp_path: Path) -> None:
    """Workers must not run the user's script again, as multiprocessing would have them do."""
    script = tmp_path / "mine.py"
    script.write_text(
        "print('once')\n"
        "from tests.reliability.ensembles import drive\n"
        "drive('x', 8, 'quick_piece', None)\n"
    )
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, env=HERE, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("once\n", "")
    assert Store(tmp_path / "x", study()).missing(8) == []


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    first, second = Store(tmp_path / "x", study()), Store(tmp_path / "x", study())
    refused = pytest.raises(ResultError, match="another castsim is writing there")
    with first.writing(), refused, second.writing():
        pass
    with second.writing():
        pass
