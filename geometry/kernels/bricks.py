"""Values at the nodes of a regular grid, of which few matter: those in bricks near veins.

A brick holds BRICK^3 nodes; its number among all bricks, z running fastest, leads to its row, if it
has one. Of the grid about five levels of the spine one brick in 20 to 40 has.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geometry.kernels.compiling import kernel, law

SingleArray = NDArray[np.float32]
Index = NDArray[np.int32]

BRICK = 4
"""Nodes of the grid along each edge of a brick."""
NOWHERE = -1
"""Row of a brick near which nothing is; capsule of a node that is near none."""


class Bricks(NamedTuple):
    """A field on a grid of (nx, ny, nz) nodes, in m bricks."""

    shape: tuple[int, int, int]  # nodes along each axis
    row: Index  # (bx, by, bz) of each brick in what follows, NOWHERE: it has none
    place: Index  # (m, 3) bricks along each axis before it
    value: SingleArray  # (m, BRICK, BRICK, BRICK)
    beyond: float  # value of nodes that are in no brick


@law
def value_at(bricks: Bricks, i: int, j: int, k: int) -> float:
    """Value of a node of the grid."""
    m = bricks.row[i // BRICK, j // BRICK, k // BRICK]
    return bricks.value[m, i % BRICK, j % BRICK, k % BRICK] if m >= 0 else bricks.beyond


@kernel
def spread(bricks: Bricks, dense: SingleArray) -> None:
    """Put the values into an array (nx, ny, nz) of the whole grid."""
    nx, ny, nz = dense.shape
    for m in range(len(bricks.place)):
        x, y, z = BRICK * bricks.place[m, 0], BRICK * bricks.place[m, 1], BRICK * bricks.place[m, 2]
        for i in range(x, min(x + BRICK, nx)):
            for j in range(y, min(y + BRICK, ny)):
                for k in range(z, min(z + BRICK, nz)):
                    dense[i, j, k] = bricks.value[m, i - x, j - y, k - z]
