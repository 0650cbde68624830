"""A lumen on a regular grid: its cells, the walls between grid points, permeability, volume.

The lumen is where the signed distance `phi` is negative, which is known in bricks
(:mod:`geometry.kernels.bricks`). A cell is the cube about a point in it.
Six legs lead from a cell to the points beside it::

            wall
      o─────┤─ ─ ─x          theta = phi_o / (phi_o - phi_x), the part of the leg in the lumen
      │
      o                      a leg to another cell: theta = 1
"""

import math

import numpy as np
from numpy.typing import NDArray

from geometry.kernels.bricks import BRICK, Bricks, value_at
from geometry.kernels.compiling import kernel, law

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int32]

LEGS = np.array([[-1, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0], [0, 0, -1], [0, 0, 1]])
"""Steps to the six points beside one; a leg and its opposite follow one another."""
WALL, OPEN = -1, -2
"""In place of the cell at the end of a leg: none, beyond the wall; none, beyond the grid."""
SHORTEST_LEG = 0.01
"""Least theta: a point nearer to the wall counts as this far from it. Its permeability is then at
most 1 % of a spacing times the width of the lumen, so that hardly anything flows there."""
FLAT = 1e-9
"""A component of a unit normal below this counts as none."""
CURVED = 1.0 / 16.0
"""Of the sum of two cells' -psi'' h^2: what a parabola has at its middle beyond the mean of its
ends, h^2 / 8 times -psi''."""


@kernel
def number_cells(phi: Bricks) -> tuple[IndexArray, IndexArray]:
    """Cell of every node of every brick, WALL outside the lumen; and place (n, 3) of each cell.

    Cells are numbered in the order of the grid: where brick followed brick, psi took longer.
    """
    cell = np.full(phi.value.shape, WALL, dtype=np.int32)
    place = np.empty((int(np.sum(phi.value < 0.0)), 3), dtype=np.int32)
    count = 0
    bricks = phi.row.shape
    for i in range(BRICK * bricks[0]):
        for j in range(BRICK * bricks[1]):
            for layer in range(bricks[2]):
                m = phi.row[i // BRICK, j // BRICK, layer]
                if m < 0:
                    continue
                p, q = i % BRICK, j % BRICK
                for r in range(BRICK):
                    if phi.value[m, p, q, r] < 0.0:
                        cell[m, p, q, r] = count
                        place[count, 0], place[count, 1] = i, j
                        place[count, 2] = BRICK * layer + r
                        count += 1
    return cell, place


@law
def cell_at(phi: Bricks, cell: IndexArray, i: int, j: int, k: int) -> int:
    """Cell of a node of the grid."""
    m = phi.row[i // BRICK, j // BRICK, k // BRICK]
    return cell[m, i % BRICK, j % BRICK, k % BRICK] if m >= 0 else WALL


@kernel
def find_legs(phi: Bricks, cell: IndexArray, place: IndexArray) -> tuple[IndexArray, FloatArray]:
    """End (n, 6) of each leg, a cell, WALL or OPEN, and the leg's theta (n, 6)."""
    beside = np.empty((len(place), 6), dtype=np.int32)
    theta = np.ones((len(place), 6))
    nx, ny, nz = phi.shape
    for c in range(len(place)):
        i, j, k = place[c, 0], place[c, 1], place[c, 2]
        here = value_at(phi, i, j, k)
        for leg in range(6):
            x, y, z = i + LEGS[leg, 0], j + LEGS[leg, 1], k + LEGS[leg, 2]
            if not (0 <= x < nx and 0 <= y < ny and 0 <= z < nz):
                beside[c, leg] = OPEN
            else:
                beside[c, leg] = cell_at(phi, cell, x, y, z)
                if beside[c, leg] == WALL:
                    theta[c, leg] = max(here / (here - value_at(phi, x, y, z)), SHORTEST_LEG)
    return beside, theta


@kernel
def permeability(
    beside: IndexArray, theta: FloatArray, tolerance: float, most: int
) -> tuple[FloatArray, int]:
    """Solve -laplacian(psi) = 1, psi = 0 on the wall; in spacings squared, (n,), and iterations.

    A wall across a leg is 1/theta times as near (Gibou et al., J. Comput. Phys. 176, 2002: second
    order, symmetric); nothing happens along open legs. Conjugate gradients with the diagonal: the
    wall is never more than a radius away, so the condition grows only with (radius / spacing)^2.
    Iterations are `most` + 1 when the residual is still above `tolerance` times the first.
    """
    n = len(theta)
    inverse = np.empty(n)
    for i in range(n):
        total = 0.0
        for leg in range(6):
            if beside[i, leg] >= 0:
                total += 1.0
            elif beside[i, leg] == WALL:
                total += 1.0 / theta[i, leg]
        inverse[i] = 1.0 / total
    psi, residual, way, image = np.zeros(n), np.ones(n), inverse.copy(), np.empty(n)
    strength = inverse.sum()
    goal = tolerance * tolerance * strength
    for turn in range(most):
        along = 0.0
        for i in range(n):
            total = way[i] / inverse[i]
            for leg in range(6):
                j = beside[i, leg]
                if j >= 0:
                    total -= way[j]
            image[i] = total
            along += way[i] * total
        step, before, strength = strength / along, strength, 0.0
        for i in range(n):
            psi[i] += step * way[i]
            residual[i] -= step * image[i]
            strength += residual[i] * inverse[i] * residual[i]
        if strength <= goal:
            return psi, turn + 1
        keep = strength / before
        for i in range(n):
            way[i] = inverse[i] * residual[i] + keep * way[i]
    return psi, most + 1


@kernel
def bend(psi: FloatArray, beside: IndexArray, theta: FloatArray, i: int, axis: int) -> float:
    """-psi'' of cell `i` along an axis (times h^2), not less than 0; 0 beside an open leg."""
    total = 0.0
    for leg in range(2 * axis, 2 * axis + 2):
        j = beside[i, leg]
        if j == OPEN:
            return 0.0
        beyond = psi[j] if j >= 0 else 0.0
        total += (psi[i] - beyond) / theta[i, leg]
    return max(2.0 * total / (theta[i, 2 * axis] + theta[i, 2 * axis + 1]), 0.0)


@kernel
def inner_faces(
    beside: IndexArray, theta: FloatArray, psi: FloatArray
) -> tuple[IndexArray, IndexArray, FloatArray]:
    """Owner, neighbour and permeability (spacings squared) of faces between cells, (f,) each.

    Permeability is psi half way between two points: their mean, and what psi is bent.
    """
    count = 0
    for i in range(len(psi)):
        for axis in range(3):
            count += beside[i, 2 * axis + 1] >= 0
    owner = np.empty(count, dtype=np.int32)
    neighbour = np.empty(count, dtype=np.int32)
    passes = np.empty(count)
    face = 0
    for i in range(len(psi)):
        for axis in range(3):
            j = beside[i, 2 * axis + 1]
            if j >= 0:
                owner[face] = i
                neighbour[face] = j
                bent = bend(psi, beside, theta, i, axis) + bend(psi, beside, theta, j, axis)
                passes[face] = 0.5 * (psi[i] + psi[j]) + CURVED * bent
                face += 1
    return owner, neighbour, passes


@kernel
def share_below(depth: float, a: float, b: float, c: float) -> float:
    """Share of the unit cube about the origin where n.x < depth, n the unit vector (a, b, c).

    Inclusion and exclusion of the corners that the plane has passed (Scardovelli & Zaleski,
    J. Comput. Phys. 164, 2000).
    """
    a, b, c = abs(a), abs(b), abs(c)
    low = -0.5 * (a + b + c)
    passed = -abs(depth) - low  # of the corners, from the side that the plane is nearer to
    if passed <= 0.0:
        return 0.0 if depth < 0.0 else 1.0
    sides = 0
    product = 1.0
    for width in (a, b, c):
        if width > FLAT:
            sides += 1
            product *= width * sides
    total = 0.0
    for corner in range(8):
        moved = passed
        sign = 1.0
        there = True
        for axis in range(3):
            width = a if axis == 0 else (b if axis == 1 else c)
            if corner >> axis & 1:
                there = there and width > FLAT
                moved -= width
                sign = -sign
        if there and moved > 0.0:
            total += sign * moved**sides
    smaller = min(max(total / product, 0.0), 0.5)
    return smaller if depth < 0.0 else 1.0 - smaller


@kernel
def shares(phi: Bricks, cell: IndexArray, n: int, spacing: float) -> FloatArray:
    """Lumen of each cell (n,), in cubes: cubes cut by the wall as by a plane.

    What the cut leaves of a cube whose point lies outside goes to the cells beside it, in equal
    parts (of the 6, else of the 26); where there is none, it is lost.
    """
    nx, ny, nz = phi.shape
    share = np.zeros(n)
    for m in range(len(cell)):
        low = phi.place[m, 0] * BRICK, phi.place[m, 1] * BRICK, phi.place[m, 2] * BRICK
        for i in range(low[0], min(low[0] + BRICK, nx)):
            for j in range(low[1], min(low[1] + BRICK, ny)):
                for k in range(low[2], min(low[2] + BRICK, nz)):
                    depth = -phi.value[m, i - low[0], j - low[1], k - low[2]] / spacing
                    if depth < -1.0:
                        continue
                    x, y, z = rise(phi, i, j, k)
                    steep = math.sqrt(x * x + y * y + z * z)
                    held = 1.0
                    if depth < 1.0 and steep > 0.0:
                        held = share_below(depth, x / steep, y / steep, z / steep)
                    c = cell[m, i - low[0], j - low[1], k - low[2]]
                    if c >= 0:
                        share[c] += held
                    elif held > 0.0 and not give(share, phi, cell, i, j, k, held, 1):
                        give(share, phi, cell, i, j, k, held, 3)
    return share


@law
def rise(phi: Bricks, i: int, j: int, k: int) -> tuple[float, float, float]:
    """What `phi` rises by over a node, along each axis; over half as much at the grid's edge."""
    nx, ny, nz = phi.shape
    x = value_at(phi, min(i + 1, nx - 1), j, k) - value_at(phi, max(i - 1, 0), j, k)
    y = value_at(phi, i, min(j + 1, ny - 1), k) - value_at(phi, i, max(j - 1, 0), k)
    z = value_at(phi, i, j, min(k + 1, nz - 1)) - value_at(phi, i, j, max(k - 1, 0))
    return x, y, z


@kernel
def give(
    share: FloatArray,
    phi: Bricks,
    cell: IndexArray,
    i: int,
    j: int,
    k: int,
    held: float,
    steps: int,
) -> bool:
    """Give `held` to the cells at most so many `steps` along the axes away, if any."""
    nx, ny, nz = phi.shape
    takers = 0
    for giving in range(2):
        for x in range(max(i - 1, 0), min(i + 2, nx)):
            for y in range(max(j - 1, 0), min(j + 2, ny)):
                for z in range(max(k - 1, 0), min(k + 2, nz)):
                    c = cell_at(phi, cell, x, y, z)
                    if c < 0 or abs(x - i) + abs(y - j) + abs(z - k) > steps:
                        continue
                    if giving == 0:
                        takers += 1
                    else:
                        share[c] += held / takers
    return takers > 0
