"""Fingerprint: which state of the code and its tables this is, finer than a version number."""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path

import castsim
import geometry

ENDINGS = frozenset({".py", ".csv", ".toml", ".json"})
BENEATH = ("numpy", "scipy", "numba", "pyarrow")
"""What points, streams, arithmetic and bytes of a draw hang on besides."""
SHOWN = 12
"""Letters of a fingerprint that people are shown."""


@cache
def fingerprint() -> str:
    """Return that of what a draw is computed by; scenarios and priors are in the study itself.

    Nobody can tell by a difference whether it moves a draw, so draws of two states do not mix.
    It is read once in a process, in a few milliseconds.
    """
    packages = (castsim, geometry)
    own = digest({one.__name__: Path(str(one.__file__)).parent for one in packages})
    beside = ",".join(f"{name} {version(name)}" for name in BENEATH)
    return hashlib.sha256(f"{own},{beside}".encode()).hexdigest()


def state() -> str:
    """Version and fingerprint, as people are told them."""
    return f"{castsim.__version__} ({fingerprint()[:SHOWN]})"


def digest(folders: Mapping[str, Path]) -> str:
    """SHA-256 of the sources and tables in `folders`: same names, same content, same letters."""
    total = hashlib.sha256()
    for package, root in folders.items():
        for name, path in sorted(_sources(root).items()):
            content = path.read_bytes()
            total.update(f"{package}/{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def _sources(root: Path) -> dict[str, Path]:
    """Name below `root` → file; hidden ones are an editor's."""
    found = {}
    for path in root.rglob("*"):
        name = path.relative_to(root)
        hidden = any(part.startswith(".") for part in name.parts)
        if path.suffix in ENDINGS and not hidden and path.is_file():
            found[name.as_posix()] = path
    return found
