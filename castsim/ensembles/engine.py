"""Engine: spreads the chunks of a study over workers, here or elsewhere, and keeps what comes back.

Dask distributed in all cases: an embedded cluster on the loopback address, or the scheduler that
the user names. The driver alone writes, so workers need no common disk; only a few chunks are on
their way at a time, so that memory does not grow with the number of draws.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from castsim import __version__
from castsim.ensembles.outcome import simulate
from castsim.ensembles.sampling import draws
from castsim.ensembles.store import Store, parquet_bytes
from castsim.ensembles.study import Study
from castsim.errors import CastsimError, MissingError

CONNECT_S = 8.0
AHEAD = 2
"""Chunks a worker is given ahead of its present one, so that it never waits."""

Chunk = tuple[Store, int, int]
"""Draws first … last - 1 of a store."""
Progress = Callable[[int, int], None]
"""Called with the draws done and the draws asked for."""


def simulate_chunk(study_json: str, version: str, matrix: str, first: int, last: int) -> bytes:
    """Run draws first … last - 1 of a study on a worker; the Parquet file that holds them."""
    if version != __version__:
        raise CastsimError(f"the worker has castsim {__version__}, and {version} is asked for")
    study = Study.from_json(study_json)
    outcomes = [one for draw in draws(study, first, last, matrix) for one in simulate(study, draw)]
    return parquet_bytes(study, outcomes)


def run_study(
    store: Store,
    n_draws: int,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    more: Mapping[Store, int] | None = None,
) -> None:
    """Bring the store to `n_draws` draws; what is there already is not run again.

    Parameters
    ----------
    more : further stores of the same study, and how many draws each of them is to have

    Raises
    ------
    MissingError
        If the scheduler cannot be reached.
    ResultError
        If a chunk cannot be written.
    """
    asked = {store: n_draws, **(more or {})}
    missing = [(one, *chunk) for one, count in asked.items() for chunk in one.missing(count)]
    wanted = sum(asked.values())
    done = wanted - sum(last - first for _, first, last in missing)
    if progress is not None:
        progress(done, wanted)
    if not missing:
        return
    with _client(scheduler, workers) as client:
        for one, first, last, content in _results(client, store.study, missing):
            one.add(first, content)
            done += last - first
            if progress is not None:
                progress(done, wanted)


def _results(
    client: Any, study: Study, chunks: list[Chunk]
) -> Iterator[tuple[Store, int, int, bytes]]:
    from distributed import as_completed

    text = study.to_json()
    waiting = iter(chunks)
    running = as_completed(loop=client.loop)
    of: dict[str, Chunk] = {}

    def submit() -> None:
        chunk = next(waiting, None)
        if chunk is not None:
            store, first, last = chunk
            future = client.submit(
                simulate_chunk, text, __version__, store.matrix, first, last, pure=False
            )
            of[future.key] = chunk
            running.add(future)

    for _ in range(max(1, AHEAD * sum(client.nthreads().values()))):
        submit()
    for future in running:
        store, first, last = of.pop(future.key)
        content = future.result()
        future.release()
        submit()
        yield store, first, last, content


@contextmanager
def _client(scheduler: str | None, workers: int | None) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=CONNECT_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise MissingError(
                f"--scheduler {scheduler}: no scheduler answers there; start one with "
                "`dask scheduler`, or leave --scheduler out to use this machine"
            ) from error
        with client:
            yield client
        return
    count = workers or os.cpu_count() or 1
    with (
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            memory_limit=0,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client
