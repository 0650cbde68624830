"""Cluster: a client of Dask's workers, on this machine for as long as it takes, or elsewhere."""

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from castsim.errors import MissingError

CONNECT_S = 4.0
"""How long a scheduler may take to answer; a user is told within 10 s."""
NO_WORKERS_S = 30.0
"""How long there may be no worker at all, before or during a run."""
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "MALLOC_TRIM_THRESHOLD_": str(2**27),
}
"""Of workers on this machine. Dask would have them hand memory back to the system above 64 KiB; a
draw then spends a quarter of its time on asking for the same pages again."""

LOGGERS = ("distributed", "tornado", "asyncio")
OFF = logging.CRITICAL + 1


@contextmanager
def connected(scheduler: str | None, workers: int | None, pieces: int) -> Iterator[Any]:
    """Give a client of `scheduler`, or of a cluster of this machine that ends with the context.

    Parameters
    ----------
    scheduler : address such as ``tcp://host:8786``; None: this machine
    workers : processes on this machine, one thread each; None: one a core
    pieces : of work; more workers than these are not started

    Raises
    ------
    MissingError
        If no scheduler answers, or it has no workers.
    """
    with _quiet():
        if scheduler is None:
            with _main_left_alone(), _environment(), _of_this_machine(workers, pieces) as client:
                yield client
        else:
            with _of(scheduler) as client:
                check_workers(client)
                yield client


def threads(client: Any) -> int:
    """Count the threads of all workers that there are now.

    Raises
    ------
    MissingError
        If the scheduler has gone.
    """
    try:
        return sum(client.nthreads().values())
    except OSError as error:
        raise gone() from error


def check_workers(client: Any) -> None:
    """Wait for a worker.

    Raises
    ------
    MissingError
        If none comes within `NO_WORKERS_S`, or the scheduler has gone.
    """
    try:
        client.wait_for_workers(1, timeout=NO_WORKERS_S)
    except TimeoutError as error:
        raise MissingError(
            f"the scheduler has had no workers for {NO_WORKERS_S:.0f} s; "
            f"start some with `dask worker {client.scheduler.address}`"
        ) from error
    except OSError as error:
        raise gone() from error


def gone() -> MissingError:
    """Tell that the scheduler does not answer any more."""
    return MissingError("the scheduler has gone; the same command goes on with what is kept")


@contextmanager
def _of(scheduler: str) -> Iterator[Any]:
    from distributed import Client

    try:
        # tried before a client is made, which would take its time to give up
        # and in a thread of its own, as a notebook's has a loop already
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, _knock(scheduler)).result()
        client = Client(scheduler, timeout=CONNECT_S, set_as_default=False)
    except Exception as error:  # whatever else may listen there
        raise MissingError(
            f"--scheduler {scheduler}: no scheduler answers there; start one with "
            "`dask scheduler`, or leave --scheduler out to use this machine"
        ) from error
    try:
        yield client
    finally:
        with _uninterrupted():
            client.close()


async def _knock(scheduler: str) -> None:
    from distributed.comm.core import connect

    comm = await asyncio.wait_for(connect(scheduler, timeout=CONNECT_S), CONNECT_S)
    comm.abort()


@contextmanager
def _of_this_machine(workers: int | None, pieces: int) -> Iterator[Any]:
    from distributed import Client, LocalCluster
    from distributed.deploy import local

    # heeds affinity, and the limits of a container
    cores: int = local.CPU_COUNT  # type: ignore[attr-defined]
    cluster = LocalCluster(
        n_workers=min(workers or cores, pieces),
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        memory_limit=0,
        silence_logs=OFF,
    )
    try:
        with Client(cluster, set_as_default=False) as client:
            yield client
    except BaseException:
        with _uninterrupted():
            _end_at_once(cluster)
        raise
    finally:
        with _uninterrupted():
            cluster.close()


def _end_at_once(cluster: Any) -> None:
    """End workers in the midst of a draw: closing them waits seconds for what nobody takes."""
    for nanny in cluster.workers.values():
        nanny.auto_restart = False
        if nanny.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(nanny.pid, signal.SIGKILL)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's logs and warnings from the user, who is told what matters by an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import distributed  # noqa: F401 - sets its loggers when it is imported

        # each by name, since Dask gives some of them levels of their own
        named = (*LOGGERS, *logging.root.manager.loggerDict)
        loggers = [logging.getLogger(name) for name in named if name.split(".")[0] in LOGGERS]
        levels = [logger.level for logger in loggers]
        for logger in loggers:
            logger.setLevel(OFF)
        try:
            yield
        finally:
            gc.collect()  # a task that failed unheard logs so as it goes
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextmanager
def _main_left_alone() -> Iterator[None]:
    """Hide the file of the main module: workers need none of it, and importing it might run it.

    A script that calls :func:`castsim.plan` without ``if __name__ == "__main__"`` would otherwise
    be run again by every worker.
    """
    main = vars(sys.modules["__main__"])
    hidden: dict[str, Any] = {
        name: main.pop(name) for name in ("__file__", "__spec__") if name in main
    }
    main["__spec__"] = None
    try:
        yield
    finally:
        main.update(hidden)


@contextmanager
def _environment() -> Iterator[None]:
    """Set `ENVIRONMENT`, which workers that start meanwhile inherit."""
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    os.environ.update(ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let a second Ctrl-C wait until the workers have ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
