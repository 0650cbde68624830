"""Numba kernels: pure functions on arrays, no checks, no objects, no printing.

Read in this order: :mod:`arrays` (what the arrays mean), :mod:`laws` (skin, gel, core: the scalar
physics), :mod:`chains` and :mod:`elimination` (of a network of conductances) and :mod:`blood` (the
flow at rest) with :mod:`contrast` (what it carries), :mod:`connectivity`, :mod:`seam` (what a step
asks of a solver), :mod:`region` (the part of the network that changes), :mod:`pressure` (one solve
with diodes and gates), :mod:`filling` (the event queue of a step), :mod:`solidification`,
:mod:`detachment`, :mod:`step` (all of these once), :mod:`line` (steps until somebody must decide).
Where cells are too many to be eliminated: :mod:`near` on :mod:`multigrid`. The slow limit:
:mod:`quasistatic` on :mod:`heap`, or :mod:`merging` on :mod:`ranking`.
"""

import os
from pathlib import Path

import geometry.kernels
from geometry.kernels import COMPILING, forget_stale

LAST = {
    "geometry": "settling.settle_veins",
    "injection": "region.reveal_all",
    "cubes": "near.iterate",
}
"""Of the kernels of an anatomy, an injection and one into cubes, one that is compiled late, and for
that work only."""


def compiled(work: str = "injection") -> bool:
    """Whether this machine already keeps machine code for a `work` of `LAST` (else one waits)."""
    place = os.environ.get("NUMBA_CACHE_DIR")
    source = geometry.kernels.__file__ if work == "geometry" else __file__
    folder = Path(place) if place else Path(source).parent / "__pycache__"
    return any(folder.rglob(f"{LAST[work]}-*.nbi"))


forget_stale(Path(__file__).parent, COMPILING)
