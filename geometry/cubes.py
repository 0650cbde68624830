"""Cubes in a lumen, and what passes between them: the gate to :mod:`geometry.kernels.voxels`.

In a cube the flow per area and viscosity is psi times the fall of pressure, with

    -laplacian(psi) = 1 in the lumen,  psi = 0 on its wall

so that a tube, psi = (R^2 - r^2)/4, has Poiseuille's profile and, as the spacing h shrinks, its
resistance (elliptic surrogate of Stokes flow; Chung 2019). The wall cuts the stencil where it lies.
A face between two cubes has psi of its own middle, psi_f, and the half resistances 1 / (2 psi_f h).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geometry.errors import GeometryError
from geometry.flowmesh import BoolArray, FloatArray, IntArray
from geometry.kernels import voxels as kernels
from geometry.kernels.bricks import BRICK, Bricks

TOLERANCE = 1e-6
"""Residual over the first: no psi is then off by more than 1e-5 of itself (measured at 0.3 mm and
0.2 mm)."""
MOST_ITERATIONS = 5000
HALF = 0.5


@dataclass(frozen=True)
class Cubes:
    """Cubes of one lumen, in rows, and the faces between them.

    Attributes
    ----------
    place : (n, 3) indices in the grid
    volume : (n,) mm3, cut by the wall
    permeability : (n,) mm2
    owner, neighbour : (f,) cubes
    resistance : (f,) mm^-3 of each half of a face
    open_cube, open_point : (o,) cubes beside a point of the lumen that is no cube, and the point
    """

    place: IntArray
    volume: FloatArray
    permeability: FloatArray
    owner: IntArray
    neighbour: IntArray
    resistance: FloatArray
    open_cube: IntArray
    open_point: IntArray


def cubes_of(distance: NDArray[Any], spacing_mm: float, cubes: BoolArray | None = None) -> Cubes:
    """Cubes of the lumen where `distance` (nx, ny, nz) mm is negative.

    Parameters
    ----------
    cubes : (nx, ny, nz) where points in the lumen are cubes: where it goes on as something else,
        there is no wall, but no cube either; None: all are

    Raises
    ------
    GeometryError
        When there is no cube, or part of the lumen has no wall.
    """
    found = passages(in_bricks(distance), spacing_mm)
    mine = np.ones(len(found.place), dtype=bool) if cubes is None else cubes[tuple(found.place.T)]
    return found.cubes(mine)


def in_bricks(distance: NDArray[Any]) -> Bricks:
    """Take a field (nx, ny, nz) in bricks, all of it."""
    shape = np.array(distance.shape)
    count = -(-shape // BRICK)
    whole = np.full(BRICK * count, np.inf, dtype=np.float32)
    whole[tuple(slice(size) for size in shape)] = distance
    apart = whole.reshape(count[0], BRICK, count[1], BRICK, count[2], BRICK)
    value = apart.transpose(0, 2, 4, 1, 3, 5).reshape(-1, BRICK, BRICK, BRICK)
    place = np.stack(np.unravel_index(np.arange(len(value)), count), axis=1).astype(np.int32)
    row = np.arange(len(value), dtype=np.int32).reshape(count)
    nx, ny, nz = distance.shape
    return Bricks((nx, ny, nz), row, place, value.copy(), np.inf)


@dataclass(frozen=True)
class Passages:
    """Points in a lumen, in the order of the grid, and what passes between them.

    Attributes
    ----------
    spacing : mm
    place : (p, 3) indices in the grid
    share : (p,) of a cube about each point that lies in the lumen
    psi : (p,) permeability over the spacing squared
    owner, neighbour : (f,) points that are neighbours
    passes : (f,) psi of the faces
    """

    spacing: float
    place: IntArray
    share: FloatArray
    psi: FloatArray
    owner: IntArray
    neighbour: IntArray
    passes: FloatArray

    def cubes(self, mine: BoolArray) -> Cubes:
        """Make cubes of the points `mine` (p,).

        Raises
        ------
        GeometryError
            When there is none.
        """
        if not mine.any():
            raise GeometryError("no point of the grid lies in the lumen")
        owner, neighbour, step = self.owner, self.neighbour, self.spacing
        number = np.cumsum(mine) - 1
        inner = mine[owner] & mine[neighbour]
        here, there = (np.concatenate(ends) for ends in ((owner, neighbour), (neighbour, owner)))
        leaving = mine[here] & ~mine[there]
        return Cubes(
            place=self.place[mine],
            volume=self.share[mine] * step**3,
            permeability=self.psi[mine] * step**2,
            owner=number[owner[inner]],
            neighbour=number[neighbour[inner]],
            resistance=HALF / (self.passes[inner] * step**3),
            open_cube=number[here[leaving]],
            open_point=there[leaving],
        )


def passages(
    lumen: Bricks,
    spacing_mm: float,
    parted: Callable[[IntArray, IntArray], BoolArray] | None = None,
) -> Passages:
    """Find the permeability of a lumen.

    Parameters
    ----------
    lumen : distance to its wall, negative inside, known a spacing beyond it at least
    parted : says which pairs of points have a wall between them; None: no pair has

    Raises
    ------
    GeometryError
        When part of the lumen has no wall.
    """
    cell, place = kernels.number_cells(lumen)
    beside, theta = kernels.find_legs(lumen, cell, place)
    if parted is not None:
        # every pair once: legs 1, 3, 5 lead on, and 0, 2, 4 back
        point, axis = np.nonzero(beside[:, 1::2] >= 0)
        far = beside[point, 2 * axis + 1].astype(np.int64)
        apart = parted(point, far)
        for end, leg in ((point, 2 * axis + 1), (far, 2 * axis)):
            beside[end[apart], leg[apart]], theta[end[apart], leg[apart]] = kernels.WALL, HALF
    psi, turns = kernels.permeability(beside, theta, TOLERANCE, MOST_ITERATIONS)
    if turns > MOST_ITERATIONS:
        raise GeometryError("the permeability of the lumen cannot be found: part has no wall")
    owner, neighbour, passes = kernels.inner_faces(beside, theta, psi)
    share = kernels.shares(lumen, cell, len(place), spacing_mm)
    ends = owner.astype(np.int64), neighbour.astype(np.int64)
    return Passages(spacing_mm, place.astype(np.int64), share, psi, *ends, passes)
