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

from geometry.kernels import COMPILING, forget_stale


def compiled(*, cubes: bool = False) -> bool:
    """Whether this machine already keeps machine code of the kernels (else the first run waits).

    With `cubes`, of those for a voxel mesh.
    """
    place = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(place) if place else Path(__file__).parent / "__pycache__"
    return any(folder.rglob("near.iterate-*.nbi" if cubes else "line.follow-*.nbi"))


forget_stale(Path(__file__).parent, COMPILING)
