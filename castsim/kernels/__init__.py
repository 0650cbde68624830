"""Numba kernels: pure functions on arrays, no checks, no objects, no printing.

Read in this order: :mod:`arrays` (what the arrays mean), :mod:`laws` (skin, gel, core: the
scalar physics), :mod:`elimination` (of a network of conductances) and :mod:`blood` (the flow at
rest), :mod:`connectivity`, :mod:`region` (the part of the network that changes), :mod:`pressure`
(one solve with diodes and gates), :mod:`filling` (the event queue of a step),
:mod:`solidification`, :mod:`detachment`, :mod:`step` (all of these once), :mod:`line` (steps until
somebody must decide), :mod:`quasistatic`.
"""

import hashlib
import os
from pathlib import Path


def forget_stale(folder: Path) -> bool:
    """Drop the machine code that numba keeps for `folder` when any source in it has changed.

    Numba looks at the file of the cached function only, not at those of the functions it calls:
    without this, an edit of ``laws.py`` would leave the old physics running. A folder that cannot
    be written is left alone; so is a cache named by ``NUMBA_CACHE_DIR``.
    """
    digest = hashlib.sha256()
    for source in sorted(folder.glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    cache = folder / "__pycache__"
    mark = cache / "sources.sha256"
    try:
        if mark.exists() and mark.read_text("ascii") == digest.hexdigest():
            return False
        for index in cache.glob("*.nbi"):
            index.unlink(missing_ok=True)
        cache.mkdir(exist_ok=True)
        mark.write_text(digest.hexdigest(), "ascii")
    except OSError:
        return False
    return True


def compiled() -> bool:
    """Whether this machine already keeps machine code of the kernels (else the first run waits)."""
    place = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(place) if place else Path(__file__).parent / "__pycache__"
    return any(folder.rglob("line.follow-*.nbi"))


forget_stale(Path(__file__).parent)
