"""Vertebral levels, nerve roots and sides: their codes, names and neighbours.

One ordered list serves vertebrae and roots, so that a level code means the same
everywhere. ``C8`` exists as a root only. Foramina, roots and foraminal veins are
named by the root; bodies, rings and epidural columns by the vertebra.
"""

from enum import IntEnum


class Level(IntEnum):
    """Levels from cranial to caudal; the value is the code stored in arrays."""

    C1 = 0
    C2 = 1
    C3 = 2
    C4 = 3
    C5 = 4
    C6 = 5
    C7 = 6
    C8 = 7
    T1 = 8
    T2 = 9
    T3 = 10
    T4 = 11
    T5 = 12
    T6 = 13
    T7 = 14
    T8 = 15
    T9 = 16
    T10 = 17
    T11 = 18
    T12 = 19
    L1 = 20
    L2 = 21
    L3 = 22
    L4 = 23
    L5 = 24
    S1 = 25


class Side(IntEnum):
    """Side of the body; the value is the sign of x in patient RAS (+x right)."""

    LEFT = -1
    MIDLINE = 0
    RIGHT = 1


VERTEBRAE: tuple[Level, ...] = tuple(level for level in Level if level is not Level.C8)
ROOTS: tuple[Level, ...] = tuple(level for level in Level if level not in (Level.C1, Level.S1))
"""Roots whose foramen lies between two vertebrae: C2 (C1/2) to L5 (L5/S1)."""

SIDES: tuple[Side, Side] = (Side.RIGHT, Side.LEFT)


def vertebra_above(root: Level) -> Level:
    """Upper vertebra of the foramen through which `root` leaves (C6 → C5, C8 → C7, T9 → T9)."""
    if root <= Level.C8:
        return Level(root - 1)
    return root


def vertebra_below(root: Level) -> Level:
    """Lower vertebra of the foramen through which `root` leaves (C6 → C6, C8 → T1, T9 → T10)."""
    if root < Level.C8:
        return root
    return Level(root + 1)


def root_below(vertebra: Level) -> Level:
    """Root that leaves directly below `vertebra` (C5 → C6, C7 → C8, T9 → T9)."""
    return Level(vertebra + 1) if vertebra <= Level.C7 else vertebra
