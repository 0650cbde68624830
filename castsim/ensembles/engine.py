"""Engine: spreads the draws of a study over workers, here or elsewhere, and keeps what comes back.

Dask distributed in all cases, see cluster.py. Work goes out in pieces of a few draws and comes back
to the driver, which alone writes: workers need no common disk. A few pieces a worker are on their
way at a time, and a chunk is written when its last piece is there, so that memory does not grow
with the number of draws.
"""

import socket
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from queue import Empty, SimpleQueue
from typing import Any

from castsim.ensembles.cluster import NO_WORKERS_S, check_workers, connected, gone, threads
from castsim.ensembles.columns import KILLED, Outcome
from castsim.ensembles.fingerprint import state
from castsim.ensembles.sampling import drawn_priors, drawn_values, draws
from castsim.ensembles.store import CHUNK, Store
from castsim.ensembles.study import Study
from castsim.errors import CastsimError, MissingError, StoppedError

PIECE = 4
"""Draws a task: about a second of work, so that no worker is long alone at the end."""
AHEAD = 2
"""Pieces a worker has: its present one and the next, so that it never waits."""

Progress = Callable[[int, int], None]
"""Called with the draws done and the draws asked for."""
Piece = tuple[Store, int, int]
"""Draws first … last - 1 of a store."""


def simulate_piece(
    study_json: str, asked: str, matrix: str, first: int, last: int
) -> list[Outcome]:
    """Run draws first … last - 1 of a matrix of a study on a worker.

    `asked` is the :func:`~castsim.ensembles.fingerprint.state` of castsim that the driver has.
    """
    if asked != state():
        raise MissingError(
            f"the worker on {socket.gethostname()} has castsim {state()}, and {asked} is "
            "asked for; install the same everywhere, and start workers anew after a change"
        )
    from castsim.ensembles.outcome import simulate  # the driver needs no kernels

    study = _study(study_json)
    return [one for draw in draws(study, first, last, matrix) for one in simulate(study, draw)]


@lru_cache(maxsize=1)
def _study(study_json: str) -> Study:
    return Study.from_json(study_json)


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
    more : further stores of the same study and folder, and the draws that each of them is to have

    Raises
    ------
    MissingError
        If the scheduler cannot be reached, has no workers, or they cannot run castsim.
    ResultError
        If a chunk cannot be written, or another process writes to the same folder.
    StoppedError
        On Ctrl-C. As in the other cases, finished chunks are kept.
    """
    asked = {store: n_draws, **(more or {})}
    chunks = _missing(asked)
    # a chunk that is made again may hold more than is asked for
    missing = sum(min(last, asked[one]) - first for one, first, last in chunks)
    done = sum(asked.values()) - missing
    wanted = done + _draws_of(chunks)
    told = progress or (lambda done, wanted: None)
    told(done, wanted)
    if not chunks:
        return
    whole = {(one, first): (last - first) * len(one.study.arms) for one, first, last in chunks}
    held: dict[tuple[Store, int], list[Outcome]] = defaultdict(list)
    pieces = [piece for chunk in chunks for piece in _split(chunk, PIECE)]
    try:
        with connected(scheduler, workers, len(pieces)) as client, store.writing():
            alone = scheduler is None and not _compiled()
            for (one, first, last), outcomes in _results(client, pieces, alone):
                chunk = one, first // CHUNK * CHUNK
                held[chunk] += outcomes
                done += last - first
                if len(held[chunk]) == whole[chunk]:
                    one.add(held.pop(chunk))
                told(done, wanted)
    except KeyboardInterrupt as error:
        # asked of the disk: Ctrl-C may come between a file and any count of it here
        kept = wanted - _draws_of(_missing(asked))
        loose = max(0, done - kept)
        lost = f" ({loose} more were done and will be run again)" if loose else ""
        raise StoppedError(
            f"stopped: {kept} of {wanted} draws are kept in {store.folder}{lost}; "
            "the same command goes on"
        ) from error


def _missing(asked: Mapping[Store, int]) -> list[Piece]:
    return [(one, *span) for one, count in asked.items() for span in one.missing(count)]


def _draws_of(pieces: list[Piece]) -> int:
    return sum(last - first for _, first, last in pieces)


def _split(piece: Piece, size: int) -> list[Piece]:
    store, first, last = piece
    return [(store, start, min(start + size, last)) for start in range(first, last, size)]


def _compiled() -> bool:
    """Whether kernels are in the cache; importing them drops stale ones before workers look."""
    from castsim.kernels import compiled

    return compiled()


def _results(
    client: Any, pieces: list[Piece], alone: bool
) -> Iterator[tuple[Piece, list[Outcome]]]:
    """Outcomes of pieces in the order in which they are done.

    A piece whose workers died, or had no memory left, is run again at the end, draw by draw and one
    at a time, so that no other is blamed; a draw that still ends its workers is recorded as failed,
    until the next run.

    Parameters
    ----------
    alone : run the first piece before all others: its worker compiles the kernels
    """
    suspect: list[Piece] = []
    together = [pieces[:1], pieces[1:]] if alone else [pieces]
    for some in together:
        for piece, outcomes in _spread(client, some):
            if outcomes is None:
                suspect.append(piece)
            else:
                yield piece, outcomes
    for draw in (single for piece in suspect for single in _split(piece, 1)):
        for piece, outcomes in _spread(client, [draw]):
            yield piece, _failed(piece) if outcomes is None else outcomes


def _spread(client: Any, pieces: list[Piece]) -> Iterator[tuple[Piece, list[Outcome] | None]]:
    """Outcomes of pieces as they are done, None where worker after worker died."""
    text, waiting = pieces[0][0].study.to_json() if pieces else "", iter(pieces)
    done: SimpleQueue[Any] = SimpleQueue()
    running: dict[Any, Piece] = {}
    while True:
        room = max(1, AHEAD * threads(client)) - len(running)
        for _, piece in zip(range(room), waiting, strict=False):
            store, first, last = piece
            future = client.submit(
                simulate_piece, text, state(), store.matrix, first, last, pure=False
            )
            running[future] = piece
            future.add_done_callback(done.put)
        if not running:
            return
        try:
            future = done.get(timeout=NO_WORKERS_S)
        except Empty:
            check_workers(client)
            continue
        yield running.pop(future), _outcomes(future)


def _outcomes(future: Any) -> list[Outcome] | None:
    from distributed import CancelledError, KilledWorker

    try:
        outcomes: list[Outcome] = future.result()
    except (KilledWorker, MemoryError):
        return None
    except CancelledError as error:
        raise gone() from error
    except CastsimError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise MissingError(f"a worker cannot run castsim {state()}: {reason}") from error
    return outcomes


def _failed(piece: Piece) -> list[Outcome]:
    store, first, last = piece
    return [
        Outcome(
            draw=draw.number,
            arm=arm,
            patient_seed=draw.patient_seed,
            gate_seed=draw.gate_seed,
            inputs=drawn_values(drawn_priors(scenario, store.study.priors), draw),
            error=KILLED,
        )
        for draw in draws(store.study, first, last, store.matrix)
        for arm, scenario in store.study.arms.items()
    ]
