"""Pressures in a large network of cells: conjugate gradients with an aggregation multigrid.

The matrix is a graph with holds, A_ii = hold_i + sum_j g_ij and A_ij = -g_ij, an M-matrix.
About four cells are one of the next level (:mod:`castsim.kernels.grouping`), whose links and holds
are the sums (constant prolongation). So each level is such a graph too, and which cells belong
together is found once, whatever the conductances become.

A cycle sweeps forwards over the cells (Gauss-Seidel), corrects by the coarser level, and sweeps
backwards. The coarser level takes up to two steps of flexible conjugate gradients with its own
cycle (K-cycle: Notay & Vassilevski, Numer. Linear Algebra Appl. 15, 2008): with a single one, a
constant prolongation would need more turns the finer the mesh is.
"""

from typing import NamedTuple

import numpy as np

from castsim.kernels.arrays import FloatArray, IntArray
from castsim.kernels.elimination import Elimination, eliminate, pass_on
from castsim.kernels.grouping import SIDE, IndexArray, NumberArray
from geometry.kernels.compiling import kernel, law

ENOUGH = 0.25
"""Of its right side: a coarser level whose residual is below it takes no second step."""
DIRECT = 500
"""Cells of the coarsest level at most, which is solved by elimination."""
LEAST_GAIN = 0.8
"""A level that is no smaller than this part of the finer one ends the coarsening."""
PLACES = tuple(np.uint32(k) for k in range(2 * SIDE + 1))
"""Of such a cell's links, from its first; the last is where the next cell's begin."""
LANES = 8
"""Sums that a scalar product is made of, so that none waits for another."""


class Levels(NamedTuple):
    """All levels, one behind the other; level l has cells `cell[l]:cell[l+1]`.

    Links are stored for both their ends. Cells in `beside`, entries in `first`, `middle` and
    `goes`, and coarser cells in `into` count from the beginning of their own level.
    """

    cell: IntArray  # (levels+1,)
    entry: IntArray  # (levels+1,) first link of each level
    first: NumberArray  # (cells + levels,) first link of each cell, and one behind
    middle: NumberArray  # (cells,) its first link to a higher cell: those to lower ones come before
    beside: NumberArray  # (links,) the cell at the other end; itself: room without a link
    goes: IndexArray  # (links,) link of the coarser level that it is part of, -1: none
    into: NumberArray  # (cells,) cell of the coarser level
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
    other: FloatArray  # (cells,) A times the second; before, what a sweep leaves over
    turn: IntArray  # (levels,) which of the two corrections is being made
    stored: FloatArray  # (2, levels) of the first one: its own A-product, and its share
    body: FloatArray  # (n,) 1: finest cell of a body that may hang on little, else 0
    body_image: FloatArray  # (n,) A times that
    body_hold: FloatArray  # (1,) what joins the body to all else, mm3 s^-1 Pa^-1; 0: no body


@kernel
def refresh(levels: Levels) -> None:
    """Bring all coarser levels, diagonals and the coarsest factor up to date with level 0."""
    cell, entry, count = levels.cell, levels.entry, len(levels.cell) - 1
    levels.strength[entry[1] :] = 0.0
    levels.hold[cell[1] :] = 0.0
    for level in range(count):
        base, beyond, links = cell[level], cell[level + 1], entry[level]
        first, into, goes = levels.first[base + level :], levels.into[base:], levels.goes[links:]
        strength, coarse = levels.strength[links:], levels.strength[entry[level + 1] :]
        hold, inverse, grip = levels.hold[base:], levels.inverse[base:], levels.hold[beyond:]
        for i in range(beyond - base):
            total = hold[i]
            for e in range(first[i], first[i + 1]):
                total += strength[e]
                if goes[e] >= 0:
                    coarse[goes[e]] += strength[e]
            inverse[i] = 1.0 / total if total > 0.0 else 0.0
            if level + 1 < count:
                grip[into[i]] += hold[i]
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
def change_link(levels: Levels, i: int, j: int, one: int, two: int, strength: float) -> None:
    """Give the link between cells i and j of the finest level another strength, on all levels.

    `one` and `two` are where it is stored for either end. The coarsest factor is left as it is.
    """
    change = strength - levels.strength[one]
    for level in range(len(levels.cell) - 1):
        base, links = levels.cell[level], levels.entry[level]
        first, into, goes = levels.first[base + level :], levels.into[base:], levels.goes[links:]
        strengths, hold, inverse = (
            levels.strength[links:],
            levels.hold[base:],
            levels.inverse[base:],
        )
        strengths[one] += change
        strengths[two] += change
        if level == 0:  # to the last digit
            strengths[one] = strength
            strengths[two] = strength
        for k in (i, j):
            # summed anew: the digits of what is left would be lost in a difference
            total = hold[k]
            for e in range(first[k], first[k + 1]):
                total += strengths[e]
            inverse[k] = 1.0 / total if total > 0.0 else 0.0
        if goes[one] < 0:
            return
        i, j = int(into[i]), int(into[j])
        one, two = int(goes[one]), int(goes[two])


@kernel
def change_links(levels: Levels, ends: IntArray, place: IntArray, strength: FloatArray) -> None:
    """Give links (m,) other strengths; `ends` and `place` (m, 2) as in :func:`change_link`."""
    for f in range(len(strength)):
        change_link(levels, ends[f, 0], ends[f, 1], place[f, 0], place[f, 1], strength[f])
    factorise(levels)


@kernel
def dot(a: FloatArray, b: FloatArray) -> float:
    """Scalar product."""
    total = np.zeros(LANES)
    whole = len(a) // LANES * LANES
    for i in range(0, whole, LANES):
        for k in range(LANES):
            total[k] += a[i + k] * b[i + k]
    rest = 0.0
    for i in range(whole, len(a)):
        rest += a[i] * b[i]
    return total.sum() + rest


@law
def two_links(strength: FloatArray, beside: NumberArray, x: FloatArray, a: int, b: int) -> float:
    """Sum of strength times x at the far ends of two links."""
    return strength[a] * x[beside[a]] + strength[b] * x[beside[b]]


@kernel
def times(
    levels: Levels, level: int, x: FloatArray, y: FloatArray, b: FloatArray
) -> tuple[float, float]:
    """Put A x of one level into y; return x'y and x'b. All hold the cells of that level."""
    base, end = levels.cell[level], levels.cell[level + 1]
    first, links = levels.first[base + level :], levels.entry[level]
    beside, strength = levels.beside[links:], levels.strength[links:]
    hold, inverse = levels.hold[base:end], levels.inverse[base:end]
    along, over = 0.0, 0.0
    for i in range(end - base):
        own = x[i]
        total = hold[i] * own
        e = first[i]
        if first[i + 1] == e + PLACES[6]:
            total += strength[e] * (own - x[beside[e]])
            total += strength[e + PLACES[1]] * (own - x[beside[e + PLACES[1]]])
            total += strength[e + PLACES[2]] * (own - x[beside[e + PLACES[2]]])
            total += strength[e + PLACES[3]] * (own - x[beside[e + PLACES[3]]])
            total += strength[e + PLACES[4]] * (own - x[beside[e + PLACES[4]]])
            total += strength[e + PLACES[5]] * (own - x[beside[e + PLACES[5]]])
        else:
            for e in range(first[i], first[i + 1]):
                total += strength[e] * (own - x[beside[e]])
        total = total if inverse[i] > 0.0 else 0.0
        y[i] = total
        along += own * total
        over += own * b[i]
    return along, over


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
    first, links = levels.first[base + level :], levels.entry[level]
    middle, into, inverse = levels.middle[base:], levels.into[base:], levels.inverse[base:]
    beside, strength = levels.beside[links:], levels.strength[links:]
    left = levels.other[base:beyond]
    for i in range(beyond - base):
        # lower cells are there already: what is left over of this one is due to higher ones
        left[i] = 0.0
        total = right[i]
        a = first[i]
        if middle[i] == a + PLACES[3]:
            b = a + PLACES[1]
            c = a + PLACES[2]
            total += two_links(strength, beside, x, a, b)
            # last the cell before this one, which has only just been swept
            own = (total + strength[c] * x[beside[c]]) * inverse[i]
            left[beside[a]] += strength[a] * own
            left[beside[b]] += strength[b] * own
            left[beside[c]] += strength[c] * own
        else:
            for e in range(a, middle[i]):
                total += strength[e] * x[beside[e]]
            own = total * inverse[i]
            for e in range(a, middle[i]):
                left[beside[e]] += strength[e] * own
        x[i] = own
    below = levels.right[beyond:end]
    below[:] = 0.0
    for i in range(beyond - base):
        below[into[i]] += left[i]


@kernel
def ascend(levels: Levels, level: int, right: FloatArray, x: FloatArray) -> None:
    """Correct by the coarser level's solution, and sweep backwards."""
    base, beyond = levels.cell[level], levels.cell[level + 1]
    first, links = levels.first[base + level :], levels.entry[level]
    into, inverse = levels.into[base:], levels.inverse[base:]
    beside, strength = levels.beside[links:], levels.strength[links:]
    coarse = levels.x[beyond:]
    for i in range(beyond - base):
        x[i] += coarse[into[i]]
    for i in range(beyond - base - 1, -1, -1):
        total = right[i]
        a = first[i]
        if first[i + 1] == a + PLACES[6]:
            total += two_links(strength, beside, x, a, a + PLACES[1])
            total += two_links(strength, beside, x, a + PLACES[2], a + PLACES[5])
            total += strength[a + PLACES[4]] * x[beside[a + PLACES[4]]]
            # last the cell after this one, which has only just been swept
            a += PLACES[3]
            total += strength[a] * x[beside[a]]
        else:
            for e in range(a, first[i + 1]):
                total += strength[e] * x[beside[e]]
        x[i] = total * inverse[i]


@kernel
def first_step(levels: Levels, level: int) -> bool:
    """Step along the first correction of a level; whether a second one is wanted."""
    base, end = levels.cell[level], levels.cell[level + 1]
    right, x, one = levels.right[base:end], levels.x[base:end], levels.step[0, base:end]
    image = levels.image[base:end]
    rho, along = times(levels, level, one, image, right)
    share = along / rho if rho > 0.0 else 1.0
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
    own, along = times(levels, level, two, other, right)
    gamma = dot(two, image)
    rest = own - gamma * gamma / rho
    if rest <= 0.0:
        return
    second = along / rest
    share -= gamma * second / rho
    for i in range(end - base):
        x[i] = share * one[i] + second * two[i]


@kernel
def fall_and_rise(levels: Levels, coarsest: int, right: FloatArray, x: FloatArray) -> None:
    """Cycle through all levels."""
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
def level_body(levels: Levels, right: FloatArray, x: FloatArray) -> None:
    """Raise or lower the body as a whole, so that nothing is left over of it in sum.

    Where cells of it share groups with others, no coarser level holds it as a whole; then the less
    it hangs on, the more turns cycles alone would take (deflation, A-DEF2 of Tang et al., J. Sci.
    Comput. 39, 2009).
    """
    body, image = levels.body, levels.body_image
    change = (dot(body, right) - dot(image, x)) / levels.body_hold[0]
    for i in range(len(x)):
        x[i] += change * body[i]


@kernel
def cycle(levels: Levels, right: FloatArray, x: FloatArray) -> None:
    """One K-cycle for A x = right on the finest level, from nothing; then level the body."""
    coarsest = len(levels.cell) - 2
    if coarsest == 0:
        eliminate_coarsest(levels, right, x)
        return
    fall_and_rise(levels, coarsest, right, x)
    if levels.body_hold[0] > 0.0:
        level_body(levels, right, x)


@kernel
def advance(
    levels: Levels, left: FloatArray, x: FloatArray, scratch: FloatArray, strength: float
) -> float:
    """One turn of flexible conjugate gradients; return the strength for the next.

    `scratch` holds what a cycle made of `left`, the way, and its image.
    """
    turned, way, image = scratch[0], scratch[1], scratch[2]
    keep = -dot(turned, image) / strength
    for i in range(len(x)):
        way[i] = turned[i] + keep * way[i]
    strength, along = times(levels, 0, way, image, left)
    step = along / strength
    for i in range(len(x)):
        x[i] += step * way[i]
        left[i] -= step * image[i]
    return strength


@kernel
def solve(
    levels: Levels, source: FloatArray, x: FloatArray, tolerance: float, most: int
) -> tuple[int, float]:
    """Solve A x = source from `x`, in place; turns, and the residual over that of x = 0.

    Flexible conjugate gradients with one cycle a turn.
    """
    n = len(source)
    residual = np.empty(n)
    times(levels, 0, x, residual, x)
    for i in range(n):
        residual[i] = source[i] - residual[i]
    goal = tolerance * np.sqrt(dot(source, source))
    scratch = np.zeros((3, n))
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
    scratch : (3, n)
    goal : (mm3 s^-1 Pa)^(1/2)

    Returns
    -------
    turns, and whether the goal was reached
    """
    turned = scratch[0]
    scratch[1:] = 0.0
    strength = 1.0
    for turn in range(most):
        cycle(levels, left, turned)
        if dot(turned, left) <= goal * goal:
            for i in range(len(x)):
                x[i] += turned[i]
            return turn + 1, True
        strength = advance(levels, left, x, scratch, strength)
    return most, False
