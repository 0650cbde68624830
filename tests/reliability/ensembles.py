"""Small studies, and cheap stand-ins for the work of a worker; drivers that can be killed.

Workers import this module, so it lies beside the tests and not in one.
"""

import hashlib
import os
import resource
import signal
import sys
import time
from pathlib import Path

import numpy as np

import castsim.cli
from castsim.ensembles import engine
from castsim.ensembles.columns import CURVES, Outcome
from castsim.ensembles.priors import bundled_priors
from castsim.ensembles.sampling import Draw, draws
from castsim.ensembles.store import Store
from castsim.ensembles.study import Study, load_arm

KILLER = 5
"""Draw that ends its worker in :func:`deadly_piece`."""
REAL_PIECE = engine.simulate_piece


def study(seed: int = 0, largest_mL: float = 0.1, arms: tuple[str, ...] = ("right-t9",)) -> Study:
    return Study({name: load_arm(name) for name in arms}, bundled_priors(), seed, largest_mL)


def made(of: Study, draw: Draw, arm: str) -> Outcome:
    """An outcome that is the same for the same draw, and no other."""
    seeds = draw.patient_seed, draw.gate_seed
    value = float(draw.point[0])
    curves = {
        name: np.full(len(of.volumes_mL()), value + k, dtype=np.float32)
        for k, name in enumerate(CURVES)
    }
    inputs = {of.priors[0].field: value}
    return Outcome(draw.number, arm, *seeds, inputs, injected_mL=value, curves=curves)


def quick_piece(text: str, version: str, matrix: str, first: int, last: int) -> list[Outcome]:
    """Stands for `simulate_piece`, in a hundredth of its time."""
    of = Study.from_json(text)
    time.sleep(0.002 * (last - first))
    return [made(of, draw, arm) for draw in draws(of, first, last, matrix) for arm in of.arms]


def slow_piece(text: str, version: str, matrix: str, first: int, last: int) -> list[Outcome]:
    """Stands for `simulate_piece`, and takes its time."""
    time.sleep(0.3)
    return quick_piece(text, version, matrix, first, last)


def deadly_piece(text: str, version: str, matrix: str, first: int, last: int) -> list[Outcome]:
    """Stands for `simulate_piece`; one draw has the worker ended as the system does."""
    if first <= KILLER < last:
        os.kill(os.getpid(), signal.SIGKILL)
    return quick_piece(text, version, matrix, first, last)


def broken_piece(text: str, version: str, matrix: str, first: int, last: int) -> list[Outcome]:
    """Stands for a worker that lacks something."""
    raise ModuleNotFoundError("No module named 'castsim'")


PIECES = {one.__name__: one for one in (quick_piece, slow_piece, deadly_piece, broken_piece)}


def drive(folder: str, n_draws: int, piece: str, scheduler: str | None) -> None:
    """Be a driver that can be killed: run a study with a stand-in."""
    engine.simulate_piece = PIECES[piece]
    engine.run_study(Store(Path(folder), study()), n_draws, scheduler=scheduler, workers=2)


def digest(folder: Path) -> dict[str, str]:
    """What is in a folder, file by file."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def main() -> int:
    """Run the command line with a stand-in: PIECE FILE-LIMIT ARGUMENT..."""
    piece, limit, *arguments = sys.argv[1:]
    # a shell that runs the tests in the background has it ignored, and children inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)
    engine.simulate_piece = PIECES.get(piece, REAL_PIECE)
    if int(limit):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    sys.stdout.write("started\n")
    sys.stdout.flush()
    return castsim.cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
