"""Pressures in a large network of cells: conjugate gradients with an aggregation multigrid.

The matrix is a graph with holds, A_ii = hold_i + sum_j g_ij and A_ij = -g_ij, an M-matrix.
Cells are paired along their strongest link, then the pairs once more: about four cells are one of
the next level, whose links and holds are the sums (constant prolongation). So each level is such a
graph too, and which cells belong together is found once, whatever the conductances become.

Cells are best numbered by how many links they have, as those of coarser levels are. Then the ones
at a wall are paired first, while there is a choice, which saves turns; and the processor foresees
how many links come, which halves the time of a sweep.

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
NumberArray = NDArray[np.uint32]
"""What sweeps count and look up by. Unsigned, since numba asks of every signed index whether it
counts from the end, which takes longer than what a sweep does with a link."""

STRONG = 0.3
"""Cells are paired only along links of at least this part of their strongest."""
ENOUGH = 0.25
"""Of its right side: a coarser level whose residual is below it takes no second step."""
DIRECT = 500
"""Cells of the coarsest level at most, which is solved by elimination."""
LEAST_GAIN = 0.8
"""A level that is no smaller than this part of the finer one ends the coarsening."""
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
    beside: NumberArray  # (links,) the cell at the other end
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
    other: FloatArray  # (cells,) A times the second
    turn: IntArray  # (levels,) which of the two corrections is being made
    stored: FloatArray  # (2, levels) of the first one: its own A-product, and its share


@kernel
def link_cells(
    n: int, owner: IntArray, neighbour: IntArray
) -> tuple[NumberArray, NumberArray, NumberArray, IntArray]:
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
    beside = np.empty(2 * m, dtype=np.uint32)
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
    return first.astype(np.uint32), middle.astype(np.uint32), beside, place


@kernel
def list_members(into: NumberArray | IntArray, n: int) -> tuple[NumberArray, NumberArray]:
    """Cells of each of n groups: (n+1,) where its list begins, and (cells,) the lists."""
    first = np.zeros(n + 1, dtype=np.uint32)
    for i in range(len(into)):
        first[into[i] + 1] += 1
    for c in range(n):
        first[c + 1] += first[c]
    member = np.empty(len(into), dtype=np.uint32)
    put = first[:-1].copy()
    for i in range(len(into)):
        member[put[into[i]]] = i
        put[into[i]] += 1
    return first, member


@kernel
def pair(
    first: NumberArray, beside: NumberArray, strength: FloatArray, into: NumberArray, n: int
) -> tuple[NumberArray, int]:
    """Pair each of n groups `into` with a free one along its strongest link; (n,) and how many.

    A group whose free neighbours are all but unlinked joins the pair it is linked to most.
    """
    begin, member = list_members(into, n)
    pairs = np.full(n, n, dtype=np.uint32)
    count = 0
    total = np.zeros(n)
    found = np.empty(n, dtype=np.uint32)
    for c in range(n):
        if pairs[c] < n:
            continue
        many = 0
        for k in range(begin[c], begin[c + 1]):
            i = member[k]
            for e in range(first[i], first[i + 1]):
                d = into[beside[e]]
                if d != c and strength[e] > 0.0:
                    if total[d] == 0.0:
                        found[many] = d
                        many += 1
                    total[d] += strength[e]
        strongest, nearest = 0.0, n
        best, mate = 0.0, n
        for k in range(many):
            d = found[k]
            if total[d] > strongest:
                strongest, nearest = total[d], d
            if pairs[d] == n and total[d] > best:
                best, mate = total[d], d
            total[d] = 0.0
        if mate < n and best >= STRONG * strongest:
            pairs[c] = pairs[mate] = count
            count += 1
        elif nearest < n:
            pairs[c] = pairs[nearest]
        else:
            pairs[c] = count
            count += 1
    return pairs, count


@kernel
def find_adjacent(
    first: NumberArray,
    beside: NumberArray,
    into: NumberArray,
    begin: NumberArray,
    member: NumberArray,
) -> tuple[IntArray, NumberArray]:
    """Groups that each group is linked to: (n+1,) where its list begins, and the lists."""
    n = len(begin) - 1
    found_first = np.zeros(n + 1, dtype=np.int64)
    found = np.empty(len(beside) + 1, dtype=np.uint32)
    seen = np.full(n, -1, dtype=np.int64)
    count = 0
    for c in range(n):
        seen[c] = c
        for k in range(begin[c], begin[c + 1]):
            i = member[k]
            for e in range(first[i], first[i + 1]):
                # no branch: whether it is new, the processor cannot foresee
                d = into[beside[e]]
                found[count] = d
                count += seen[d] != c
                seen[d] = c
        found_first[c + 1] = count
    return found_first, found


@kernel
def contract(
    first: NumberArray, beside: NumberArray, strength: FloatArray, into: NumberArray, n: int
) -> tuple[NumberArray, NumberArray, NumberArray, NumberArray, FloatArray, IndexArray]:
    """Graph of the n groups `into`, numbered anew by how many links they have.

    Returns
    -------
    into : (cells,) new numbers
    first, middle, beside, strength : of the groups
    goes : (links,) where each link has gone, -1: within a group
    """
    begin, member = list_members(into, n)
    found_first, found = find_adjacent(first, beside, into, begin, member)
    links = np.diff(found_first)
    order = list_members(links, links.max() + 1)[1]
    number = np.empty(n, dtype=np.uint32)
    for c in range(n):
        number[order[c]] = c
    new_into = number[into]
    new_first = np.zeros(n + 1, dtype=np.uint32)
    new_middle = np.empty(n, dtype=np.uint32)
    new_beside = np.empty(found_first[n], dtype=np.uint32)
    new_strength = np.zeros(found_first[n])
    goes = np.full(len(beside), -1, dtype=np.int32)
    place = np.empty(n, dtype=np.int64)
    for c in range(n):
        old = order[c]
        low = np.int64(new_first[c])
        high = low + links[old]
        new_first[c + 1] = high
        # lower ones from the front, higher ones from the back
        for k in range(found_first[old], found_first[old + 1]):
            d = number[found[k]]
            if d < c:
                place[d] = low
                low += 1
            else:
                high -= 1
                place[d] = high
            new_beside[place[d]] = d
        new_middle[c] = low
        for k in range(begin[old], begin[old + 1]):
            i = member[k]
            for e in range(first[i], first[i + 1]):
                d = new_into[beside[e]]
                if d != c:
                    goes[e] = place[d]
                    new_strength[place[d]] += strength[e]
    return new_into, new_first, new_middle, new_beside, new_strength, goes


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
    for i in range(beyond - base):
        total = right[i]
        for e in range(first[i], middle[i]):
            total += strength[e] * x[beside[e]]
        x[i] = total * inverse[i]
    # lower cells were there already: what is left over is due to the higher ones
    below = levels.right[beyond:end]
    below[:] = 0.0
    for i in range(beyond - base):
        total = 0.0
        for e in range(middle[i], first[i + 1]):
            total += strength[e] * x[beside[e]]
        below[into[i]] += total


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
        for e in range(first[i], first[i + 1]):
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
