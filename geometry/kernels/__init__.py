"""Numba kernels of the geometry: pure functions on arrays, no checks, no objects, no printing.

Read in this order: :mod:`solids` (distance to bones and discs), :mod:`tubes` (to dural sac and
root sleeves), :mod:`settling` (veins between all of these), :mod:`trunk` (one trunk past bone),
:mod:`sketch` (points of the veins that the rooms have drawn, and which of them are missing),
:mod:`junctions` (where side branches begin), :mod:`lumen` (distance to the veins' walls on a grid),
:mod:`triangles` (parts of a closed mesh), :mod:`chords` (lengths of rays in veins and bones).
"""

import hashlib
from pathlib import Path

COMPILING = Path(__file__).with_name("compiling.py")
"""How kernels are compiled, on which all machine code depends."""


def forget_stale(folder: Path, *more: Path) -> bool:
    """Drop the machine code that numba keeps for a folder when a source in it or `more` changed.

    Numba looks at the file of the cached function only, not at those of the functions it calls:
    without this, an edit of ``solids.py`` would leave the old distances in use. A folder that
    cannot be written is left alone; so is a cache named by ``NUMBA_CACHE_DIR``.
    """
    digest = hashlib.sha256()
    for source in (*sorted(folder.glob("*.py")), *more):
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


forget_stale(Path(__file__).parent)
"""No stale machine code: an edit of one kernel file recompiles those that call into it."""
