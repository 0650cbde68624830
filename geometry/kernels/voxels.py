"""A lumen on a regular grid: its cells, the walls between grid points, permeability, volume.

The lumen is where the signed distance `phi` is negative. A cell is the cube about a point in it.
Six legs lead from a cell to the points beside it::

            wall
      o─────┤─ ─ ─x          theta = phi_o / (phi_o - phi_x), the part of the leg in the lumen
      │
      o                      a leg to another cell: theta = 1
"""

import math

import numpy as np
from numpy.typing import NDArray

from geometry.kernels.compiling import kernel

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
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
BLOCK = 4096
"""Terms that are summed together."""
CURVED = 1.0 / 16.0
"""Of the sum of two cells' -psi'' h^2: what a parabola has at its middle beyond the mean of its
ends, h^2 / 8 times -psi''."""


@kernel
def number_cells(phi: SingleArray) -> tuple[IndexArray, IndexArray]:
    """Cell of every grid point, WALL outside the lumen; and place (n, 3) of each cell."""
    nx, ny, nz = phi.shape
    cell = np.full(phi.shape, WALL, dtype=np.int32)
    count = 0
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                if phi[i, j, k] < 0.0:
                    cell[i, j, k] = count
                    count += 1
    place = np.empty((count, 3), dtype=np.int32)
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                if cell[i, j, k] >= 0:
                    place[cell[i, j, k], 0] = i
                    place[cell[i, j, k], 1] = j
                    place[cell[i, j, k], 2] = k
    return cell, place


@kernel
def find_legs(
    phi: SingleArray, cell: IndexArray, place: IndexArray
) -> tuple[IndexArray, FloatArray]:
    """End (n, 6) of each leg, a cell, WALL or OPEN, and the leg's theta (n, 6)."""
    beside = np.empty((len(place), 6), dtype=np.int32)
    theta = np.ones((len(place), 6))
    nx, ny, nz = phi.shape
    for c in range(len(place)):
        i, j, k = place[c, 0], place[c, 1], place[c, 2]
        here = phi[i, j, k]
        for leg in range(6):
            x, y, z = i + LEGS[leg, 0], j + LEGS[leg, 1], k + LEGS[leg, 2]
            if not (0 <= x < nx and 0 <= y < ny and 0 <= z < nz):
                beside[c, leg] = OPEN
            else:
                beside[c, leg] = cell[x, y, z]
                if cell[x, y, z] == WALL:
                    theta[c, leg] = max(here / (here - phi[x, y, z]), SHORTEST_LEG)
    return beside, theta


@kernel
def dot(a: FloatArray, b: FloatArray) -> float:
    """Scalar product, in blocks of fixed length."""
    total = 0.0
    for first in range(0, len(a), BLOCK):
        part = 0.0
        for i in range(first, min(first + BLOCK, len(a))):
            part += a[i] * b[i]
        total += part
    return total


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
    diagonal = np.zeros(n)
    for i in range(n):
        for leg in range(6):
            if beside[i, leg] >= 0:
                diagonal[i] += 1.0
            elif beside[i, leg] == WALL:
                diagonal[i] += 1.0 / theta[i, leg]
    psi = np.zeros(n)
    residual = np.ones(n)
    turned = 1.0 / diagonal
    way = turned.copy()
    image = np.empty(n)
    strength = dot(residual, turned)
    goal = tolerance * tolerance * strength
    for turn in range(most):
        for i in range(n):
            total = diagonal[i] * way[i]
            for leg in range(6):
                j = beside[i, leg]
                if j >= 0:
                    total -= way[j]
            image[i] = total
        step = strength / dot(way, image)
        for i in range(n):
            psi[i] += step * way[i]
            residual[i] -= step * image[i]
            turned[i] = residual[i] / diagonal[i]
        before = strength
        strength = dot(residual, turned)
        if strength <= goal:
            return psi, turn + 1
        for i in range(n):
            way[i] = turned[i] + strength / before * way[i]
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
def shares(phi: SingleArray, cell: IndexArray, n: int, spacing: float) -> FloatArray:
    """Lumen of each cell (n,), in cubes: cubes cut by the wall as by a plane.

    What the cut leaves of a cube whose point lies outside goes to the cells beside it, in equal
    parts (of the 6, else of the 26); where there is none, it is lost.
    """
    nx, ny, nz = phi.shape
    share = np.zeros(n)
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                depth = -phi[i, j, k] / spacing
                if depth < -1.0:
                    continue
                x = phi[min(i + 1, nx - 1), j, k] - phi[max(i - 1, 0), j, k]
                y = phi[i, min(j + 1, ny - 1), k] - phi[i, max(j - 1, 0), k]
                z = phi[i, j, min(k + 1, nz - 1)] - phi[i, j, max(k - 1, 0)]
                steep = math.sqrt(x * x + y * y + z * z)
                held = 1.0
                if depth < 1.0 and steep > 0.0:
                    held = share_below(depth, x / steep, y / steep, z / steep)
                if cell[i, j, k] >= 0:
                    share[cell[i, j, k]] += held
                elif held > 0.0 and not give(share, cell, i, j, k, held, 1):
                    give(share, cell, i, j, k, held, 3)
    return share


@kernel
def give(
    share: FloatArray, cell: IndexArray, i: int, j: int, k: int, held: float, steps: int
) -> bool:
    """Give `held` to the cells at most so many `steps` along the axes away, if any."""
    nx, ny, nz = cell.shape
    takers = 0
    for giving in range(2):
        for x in range(max(i - 1, 0), min(i + 2, nx)):
            for y in range(max(j - 1, 0), min(j + 2, ny)):
                for z in range(max(k - 1, 0), min(k + 2, nz)):
                    if cell[x, y, z] < 0 or abs(x - i) + abs(y - j) + abs(z - k) > steps:
                        continue
                    if giving == 0:
                        takers += 1
                    else:
                        share[cell[x, y, z]] += held / takers
    return takers > 0
