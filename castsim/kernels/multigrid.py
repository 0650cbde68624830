"""Pressures in a large network of cells: conjugate gradients with an aggregation multigrid.

The matrix is a graph with holds, A_ii = hold_i + sum_j g_ij and A_ij = -g_ij, an M-matrix.
Cells are paired along their strongest link, then the pairs once more: about four cells are one of
the next level, whose links and holds are the sums (constant prolongation). So each level is such a
graph too, and which cells belong together is found once, whatever the conductances become.

A cycle sweeps forwards over the cells (Gauss-Seidel), corrects by the coarser level, and sweeps
backwards. The coarser level takes up to two steps of flexible conjugate gradients with its own
cycle (K-cycle: Notay & Vassilevski, Numer. Linear Algebra Appl. 15, 2008): with a single one, a
constant prolongation would need more turns the finer the mesh is.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from castsim.kernels.arrays import FloatArray, IntArray
from castsim.kernels.elimination import Elimination, eliminate, pass_on
from geometry.kernels.compiling import kernel

IndexArray = NDArray[np.int32]

PAIRINGS = 2
"""Pairings from one level to the next."""
STRONG = 0.3
"""Cells are paired only along links of at least this part of their strongest."""
ENOUGH = 0.25
"""Of its right side: a coarser level whose residual is below it takes no second step."""
DIRECT = 2000
"""Cells of the coarsest level at most, which is solved by elimination."""
LEAST_GAIN = 0.8
"""A level that is no smaller than this part of the finer one ends the coarsening."""
BLOCK = 4096
"""Terms that are summed together."""
SURELY = 1e-3
"""Of the energy that is allowed: if every cell by itself has less in all, no cycle is needed."""


class Levels(NamedTuple):
    """All levels, one behind the other; level l has cells `cell[l]:cell[l+1]`.

    Links are stored for both their ends. Cells in `beside`, entries in `goes` and coarser cells in
    `into` count from the beginning of their own level.
    """

    cell: IntArray  # (levels+1,)
    entry: IntArray  # (levels+1,) first link of each level
    first: IntArray  # (cells + levels,) first link of each cell in its level, and one behind
    middle: IntArray  # (cells,) its first link to a higher cell: those to lower ones come before
    beside: IndexArray  # (links,) the cell at the other end
    goes: IndexArray  # (links,) link of the coarser level that it is part of, -1: none
    into: IndexArray  # (cells,) cell of the coarser level
    strength: FloatArray  # (links,) mm3 s^-1 Pa^-1
    hold: FloatArray  # (cells,)
    inverse: FloatArray  # (cells,) 1 / A_ii
    plan: Elimination  # of the coarsest level
    face: IntArray  # (faces,) its links to higher cells
    entries: FloatArray  # its factor: shares, holds and inverse pivots, by rank
    grip: FloatArray
    pivot: FloatArray
    passed: FloatArray  # its right side and solution, by rank
    right: FloatArray  # (cells,) of each level's own system
    x: FloatArray  # (cells,) its solution
    step: FloatArray  # (2, cells) corrections of the K-cycle
    image: FloatArray  # (cells,) A times the first of them
    other: FloatArray  # (cells,) A times the second
    turn: IntArray  # (levels,) which of the two corrections is being made
    stored: FloatArray  # (2, levels) of the first one: its own A-product, and its share


@kernel
def link_cells(
    n: int, owner: IntArray, neighbour: IntArray
) -> tuple[IntArray, IntArray, IndexArray, IntArray]:
    """Links of each cell, by the number at their other end.

    Returns
    -------
    first : (n+1,)
    middle : (n,)
    beside : (2m,)
    place : (m, 2) where each face is a link of its owner and of its neighbour; faces may be double
    """
    m = len(owner)
    first = np.zeros(n + 1, dtype=np.int64)
    for f in range(m):
        first[owner[f] + 1] += 1
        first[neighbour[f] + 1] += 1
    for i in range(n):
        first[i + 1] += first[i]
    # by the far end, then stably by the near one: two countings, and each list is in order
    by_far = np.empty(2 * m, dtype=np.int64)
    put = first[:-1].copy()
    for f in range(m):
        for side in range(2):
            far = neighbour[f] if side == 0 else owner[f]
            by_far[put[far]] = 2 * f + side
            put[far] += 1
    beside = np.empty(2 * m, dtype=np.int32)
    place = np.empty((m, 2), dtype=np.int64)
    put = first[:-1].copy()
    middle = first[:-1].copy()
    for e in range(2 * m):
        f, side = by_far[e] // 2, by_far[e] % 2
        near = owner[f] if side == 0 else neighbour[f]
        far = neighbour[f] if side == 0 else owner[f]
        beside[put[near]] = far
        place[f, side] = put[near]
        put[near] += 1
        middle[near] += far < near
    return first, middle, beside, place


@kernel
def pair(first: IntArray, beside: IndexArray, strength: FloatArray) -> tuple[IndexArray, int]:
    """Pair each cell with a free one along its strongest link; (n,) numbers and how many.

    A cell whose free neighbours are all but unlinked joins the pair it is linked to most.
    """
    n = len(first) - 1
    into = np.full(n, -1, dtype=np.int32)
    count = 0
    for i in range(n):
        if into[i] >= 0:
            continue
        strongest, nearest = 0.0, -1
        best, mate = 0.0, -1
        for e in range(first[i], first[i + 1]):
            if strength[e] > strongest:
                strongest, nearest = strength[e], beside[e]
            if into[beside[e]] < 0 and strength[e] > best:
                best, mate = strength[e], beside[e]
        if mate >= 0 and best >= STRONG * strongest:
            into[i] = into[mate] = count
            count += 1
        elif nearest >= 0:
            into[i] = into[nearest]
        else:
            into[i] = count
            count += 1
    return into, count


@kernel
def contract(
    first: IntArray, beside: IndexArray, strength: FloatArray, into: IndexArray, n: int
) -> tuple[IntArray, IntArray, IndexArray, FloatArray, IndexArray]:
    """Graph of the n groups `into`; as `link_cells`, strengths, and where each link has gone."""
    fine = len(first) - 1
    member_first = np.zeros(n + 1, dtype=np.int64)
    for i in range(fine):
        member_first[into[i] + 1] += 1
    for c in range(n):
        member_first[c + 1] += member_first[c]
    member = np.empty(fine, dtype=np.int32)
    put = member_first[:-1].copy()
    for i in range(fine):
        member[put[into[i]]] = i
        put[into[i]] += 1
    new_first = np.zeros(n + 1, dtype=np.int64)
    middle = np.empty(n, dtype=np.int64)
    new_beside = np.empty(len(beside), dtype=np.int32)
    new_strength = np.zeros(len(beside))
    goes = np.full(len(beside), -1, dtype=np.int32)
    seen = np.full(n, -1, dtype=np.int64)
    count = 0
    for c in range(n):
        begin = count
        for k in range(member_first[c], member_first[c + 1]):
            i = member[k]
            for e in range(first[i], first[i + 1]):
                d = into[beside[e]]
                if d != c and seen[d] < begin:
                    seen[d] = count
                    new_beside[count] = d
                    count += 1
        new_beside[begin:count].sort()
        middle[c] = begin
        for e in range(begin, count):
            seen[new_beside[e]] = e
            middle[c] += new_beside[e] < c
        for k in range(member_first[c], member_first[c + 1]):
            i = member[k]
            for e in range(first[i], first[i + 1]):
                d = into[beside[e]]
                if d != c:
                    goes[e] = seen[d]
                    new_strength[seen[d]] += strength[e]
        new_first[c + 1] = count
    return new_first, middle, new_beside[:count].copy(), new_strength[:count].copy(), goes


@kernel
def refresh(levels: Levels) -> None:
    """Bring all coarser levels, diagonals and the coarsest factor up to date with level 0."""
    cell, entry, first, goes, into = (
        levels.cell,
        levels.entry,
        levels.first,
        levels.goes,
        levels.into,
    )
    strength, hold, inverse = levels.strength, levels.hold, levels.inverse
    count = len(cell) - 1
    strength[entry[1] :] = 0.0
    hold[cell[1] :] = 0.0
    for level in range(count):
        below, beyond = cell[level], cell[level + 1]
        for i in range(below, beyond):
            total = hold[i]
            for e in range(first[i + level], first[i + level + 1]):
                link = entry[level] + e
                total += strength[link]
                if goes[link] >= 0:
                    strength[entry[level + 1] + goes[link]] += strength[link]
            inverse[i] = 1.0 / total if total > 0.0 else 0.0
            if level + 1 < count:
                hold[beyond + into[i]] += hold[i]
    factorise(levels)


@kernel
def factorise(levels: Levels) -> None:
    """Factor the coarsest level."""
    level = len(levels.cell) - 2
    base, links, plan = levels.cell[level], levels.entry[level], levels.plan
    entries, grip, order, face_entry = levels.entries, levels.grip, plan.order, plan.face_entry
    entries[:] = 0.0
    for f in range(len(face_entry)):
        entries[face_entry[f]] += levels.strength[links + levels.face[f]]
    for k in range(len(order)):
        grip[k] = levels.hold[base + order[k]]
    eliminate(plan, entries, grip, levels.pivot)


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
def times(levels: Levels, level: int, x: FloatArray, y: FloatArray) -> None:
    """Put A x of one level into y; both hold the cells of that level."""
    base, links = levels.cell[level], levels.entry[level]
    first, beside, strength, inverse = levels.first, levels.beside, levels.strength, levels.inverse
    for i in range(levels.cell[level + 1] - base):
        own = x[i]
        total = levels.hold[base + i] * own
        for e in range(first[base + level + i], first[base + level + i + 1]):
            total += strength[links + e] * (own - x[beside[links + e]])
        y[i] = total if inverse[base + i] > 0.0 else 0.0


@kernel
def eliminate_coarsest(levels: Levels, right: FloatArray, x: FloatArray) -> None:
    """Solve the coarsest level by its factor."""
    plan, shares, pivot, passed = levels.plan, levels.entries, levels.pivot, levels.passed
    order, column, row = plan.order, plan.column, plan.row
    for k in range(len(order)):
        passed[k] = right[order[k]]
    pass_on(plan, shares, passed)
    for k in range(len(order) - 1, -1, -1):
        value = passed[k] * pivot[k]
        for a in range(column[k], column[k + 1]):
            value += shares[a] * passed[row[a]]
        passed[k] = value
        x[order[k]] = value


@kernel
def descend(levels: Levels, level: int, right: FloatArray, x: FloatArray) -> None:
    """Sweep forwards from nothing; what is left over is the right side of the coarser level."""
    base, beyond, end = levels.cell[level], levels.cell[level + 1], levels.cell[level + 2]
    links = levels.entry[level]
    first, middle, beside = levels.first, levels.middle, levels.beside
    strength, inverse, into = levels.strength, levels.inverse, levels.into
    for i in range(beyond - base):
        total = right[i]
        for e in range(first[base + level + i], middle[base + i]):
            total += strength[links + e] * x[beside[links + e]]
        x[i] = total * inverse[base + i]
    # lower cells were there already: what is left over is due to the higher ones
    below = levels.right[beyond:end]
    below[:] = 0.0
    for i in range(beyond - base):
        total = 0.0
        for e in range(middle[base + i], first[base + level + i + 1]):
            total += strength[links + e] * x[beside[links + e]]
        below[into[base + i]] += total


@kernel
def ascend(levels: Levels, level: int, right: FloatArray, x: FloatArray) -> None:
    """Correct by the coarser level's solution, and sweep backwards."""
    base, beyond, end = levels.cell[level], levels.cell[level + 1], levels.cell[level + 2]
    links = levels.entry[level]
    first, beside, into = levels.first, levels.beside, levels.into
    strength, inverse = levels.strength, levels.inverse
    coarse = levels.x[beyond:end]
    for i in range(beyond - base):
        x[i] += coarse[into[base + i]]
    for i in range(beyond - base - 1, -1, -1):
        total = right[i]
        for e in range(first[base + level + i], first[base + level + i + 1]):
            total += strength[links + e] * x[beside[links + e]]
        x[i] = total * inverse[base + i]


@kernel
def first_step(levels: Levels, level: int) -> bool:
    """Step along the first correction of a level; whether a second one is wanted."""
    base, end = levels.cell[level], levels.cell[level + 1]
    right, x, one = levels.right[base:end], levels.x[base:end], levels.step[0, base:end]
    image = levels.image[base:end]
    times(levels, level, one, image)
    rho = dot(one, image)
    share = dot(one, right) / rho if rho > 0.0 else 1.0
    levels.stored[0, level], levels.stored[1, level] = rho, share
    before = dot(right, right)
    for i in range(end - base):
        x[i] = share * one[i]
        right[i] -= share * image[i]
    return rho > 0.0 and dot(right, right) > ENOUGH * ENOUGH * before


@kernel
def second_step(levels: Levels, level: int) -> None:
    """Best combination of both corrections of a level."""
    base, end = levels.cell[level], levels.cell[level + 1]
    right, x = levels.right[base:end], levels.x[base:end]
    one, two = levels.step[0, base:end], levels.step[1, base:end]
    image, other = levels.image[base:end], levels.other[base:end]
    rho, share = levels.stored[0, level], levels.stored[1, level]
    times(levels, level, two, other)
    gamma = dot(two, image)
    rest = dot(two, other) - gamma * gamma / rho
    if rest <= 0.0:
        return
    second = dot(two, right) / rest
    share -= gamma * second / rho
    for i in range(end - base):
        x[i] = share * one[i] + second * two[i]


@kernel
def cycle(levels: Levels, right: FloatArray, x: FloatArray) -> None:
    """One K-cycle for A x = right on the finest level, from nothing."""
    coarsest = len(levels.cell) - 2
    if coarsest == 0:
        eliminate_coarsest(levels, right, x)
        return
    cell, turn = levels.cell, levels.turn
    descend(levels, 0, right, x)
    level = 1
    turn[level] = 0
    falling = True
    while level > 0:
        base, end = cell[level], cell[level + 1]
        if level == coarsest:
            eliminate_coarsest(levels, levels.right[base:end], levels.x[base:end])
            falling = False
            level -= 1
        elif falling:
            descend(levels, level, levels.right[base:end], levels.step[turn[level], base:end])
            level += 1
            turn[level] = 0
        else:
            ascend(levels, level, levels.right[base:end], levels.step[turn[level], base:end])
            if turn[level] == 0 and first_step(levels, level):
                turn[level] = 1
                falling = True
            else:
                if turn[level] == 1:
                    second_step(levels, level)
                level -= 1
    ascend(levels, 0, right, x)


@kernel
def advance(
    levels: Levels, left: FloatArray, x: FloatArray, scratch: FloatArray, strength: float
) -> float:
    """One turn of flexible conjugate gradients; return the strength for the next.

    `scratch` holds what a cycle made of `left`, the way, its image, and `left` of the turn before.
    """
    turned, way, image, before = scratch[0], scratch[1], scratch[2], scratch[3]
    now = dot(turned, left)
    keep = (now - dot(turned, before)) / strength
    for i in range(len(x)):
        way[i] = turned[i] + keep * way[i]
        before[i] = left[i]
    times(levels, 0, way, image)
    step = dot(way, left) / dot(way, image)
    for i in range(len(x)):
        x[i] += step * way[i]
        left[i] -= step * image[i]
    return now


@kernel
def solve(
    levels: Levels, source: FloatArray, x: FloatArray, tolerance: float, most: int
) -> tuple[int, float]:
    """Solve A x = source from `x`, in place; turns, and the residual over that of x = 0.

    Flexible conjugate gradients with one cycle a turn.
    """
    n = len(source)
    residual = np.empty(n)
    times(levels, 0, x, residual)
    for i in range(n):
        residual[i] = source[i] - residual[i]
    goal = tolerance * np.sqrt(dot(source, source))
    scratch = np.zeros((4, n))
    strength = 1.0
    left = np.sqrt(dot(residual, residual))
    for turn in range(most):
        if left <= goal:
            return turn, left / goal * tolerance if goal > 0.0 else 0.0
        cycle(levels, residual, scratch[0])
        strength = advance(levels, residual, x, scratch, strength)
        left = np.sqrt(dot(residual, residual))
    return most, left / goal * tolerance if goal > 0.0 else 0.0


@kernel
def improve(
    levels: Levels, left: FloatArray, x: FloatArray, scratch: FloatArray, goal: float, most: int
) -> tuple[int, bool]:
    """Improve `x`, of which `left` is left over, until the energy of the error is at most `goal`^2.

    The energy left' A^-1 left, of which one cycle tells the size, weighs what is left over in a
    cell by how badly the cell is joined: round-off in a wide vein does not count.

    Parameters
    ----------
    left : (n,) changed in place
    scratch : (4, n)
    goal : (mm3 s^-1 Pa)^(1/2)

    Returns
    -------
    turns, and whether the goal was reached
    """
    n = len(x)
    turned, way, before, inverse = scratch[0], scratch[1], scratch[3], levels.inverse
    rough = 0.0
    for i in range(n):
        rough += left[i] * left[i] * inverse[i]
        way[i] = 0.0
        before[i] = 0.0
    if rough <= SURELY * goal * goal:
        return 0, True
    strength = 1.0
    for turn in range(most):
        cycle(levels, left, turned)
        now = dot(turned, left)
        if now <= goal * goal:
            for i in range(n):
                x[i] += turned[i]
            return turn + 1, True
        strength = advance(levels, left, x, scratch, strength)
    return most, False
