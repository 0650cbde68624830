"""One seeded fault: what is changed, and the tests that ought to notice."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """`old` becomes `new` in `file`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Fault:
    """One fault: mostly one edit.

    `compiled`: the kernels that its tests need do not run as plain Python.
    """

    name: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]
    compiled: bool = False


def fault(name: str, file: str, old: str, new: str, *tests: str) -> Fault:
    """A fault of one edit."""
    return Fault(name, (Edit(file, old, new),), tests)
