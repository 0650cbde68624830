"""Pressures in a large network of cells: conjugate gradients with an aggregation multigrid.

The matrix is a graph with holds, A_ii = hold_i + sum_j g_ij and A_ij = -g_ij, an M-matrix.
Cells are paired along their strongest link, then the pairs once more: about four cells are one of
the next level, whose links and holds are the sums (constant prolongation). So each level is such a
graph too, and which cells belong together is found once, whatever the conductances become.

A cube has up to six links. Most have three to lower and three to higher cells when cells are
numbered along the grid, so that finest cells with no more get room for just these, filled up with
links of no strength to themselves: a sweep over them has no inner loop, which halves its time.
Cells of coarser levels have all numbers of links, and are numbered by them: then the processor
foresees how many come.

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
from geometry.kernels.compiling import kernel, law

IndexArray = NDArray[np.int32]
NumberArray = NDArray[np.uint32]
"""What sweeps count and look up by. Unsigned, since numba asks of every signed index whether it
counts from the end, which takes longer than what a sweep does with a link."""

SUITING = 1.0 / 8.0
"""Of the harmonic mean of their diagonals: cells whose link is weaker are not paired. What coarser
levels cannot tell apart a sweep must even out, and it cannot along a weak link (measure and limit
after Napov & Notay, SIAM J. Sci. Comput. 34, 2012; a cube among cubes has 1/6)."""
ENOUGH = 0.25
"""Of its right side: a coarser level whose residual is below it takes no second step."""
DIRECT = 500
"""Cells of the coarsest level at most, which is solved by elimination."""
LEAST_GAIN = 0.8
"""A level that is no smaller than this part of the finer one ends the coarsening."""
SIDE = 3
"""Places for links to lower cells, and as many to higher ones, of finest cells with no more."""
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
def link_cells(
    n: int, owner: IntArray, neighbour: IntArray
) -> tuple[NumberArray, NumberArray, NumberArray, IntArray]:
    """Links of each cell, by the number at their other end.

    Returns
    -------
    first : (n+1,)
    middle : (n,)
    beside : (links,) a cell's own number: room without a link
    place : (m, 2) where each face is a link of its owner and of its neighbour; faces may be double
    """
    m = len(owner)
    lower = np.zeros(n, dtype=np.int64)
    higher = np.zeros(n, dtype=np.int64)
    for f in range(m):
        lower[max(owner[f], neighbour[f])] += 1
        higher[min(owner[f], neighbour[f])] += 1
    first = np.zeros(n + 1, dtype=np.int64)
    put = np.zeros(n + 1, dtype=np.int64)
    middle = np.empty(n, dtype=np.int64)
    for i in range(n):
        put[i + 1] = put[i] + lower[i] + higher[i]
        room = lower[i] <= SIDE and higher[i] <= SIDE
        middle[i] = first[i] + (SIDE if room else lower[i])
        first[i + 1] = middle[i] + (SIDE if room else higher[i])
    # by the far end, then stably by the near one: two countings, and each list is in order
    by_far = np.empty(2 * m, dtype=np.int64)
    for f in range(m):
        for side in range(2):
            far = neighbour[f] if side == 0 else owner[f]
            by_far[put[far]] = 2 * f + side
            put[far] += 1
    beside = np.empty(first[n], dtype=np.uint32)
    for i in range(n):
        beside[first[i] : first[i + 1]] = i
    place = np.empty((m, 2), dtype=np.int64)
    low, high = first[:-1].copy(), middle.copy()
    for e in range(2 * m):
        f, side = by_far[e] // 2, by_far[e] % 2
        near = owner[f] if side == 0 else neighbour[f]
        far = neighbour[f] if side == 0 else owner[f]
        put = low if far < near else high
        beside[put[near]] = far
        place[f, side] = put[near]
        put[near] += 1
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
    first: NumberArray,
    beside: NumberArray,
    strength: FloatArray,
    hold: FloatArray,
    into: NumberArray,
    n: int,
) -> tuple[NumberArray, int]:
    """Pair each of n groups `into` with a free one that suits it; (n,) and how many there are.

    Two groups suit each other if their link is not weak beside what a sweep sees of them, the sums
    of their diagonals. Of those that suit it, a group takes the one that it is linked to most; if
    none of them is free, it joins that one's pair. All groups without links or holds are made one.
    """
    begin, member = list_members(into, n)
    own = np.zeros(n)
    for i in range(len(into)):
        c = into[i]
        own[c] += hold[i]
        for e in range(first[i], first[i + 1]):
            own[c] += strength[e]
    pairs = np.full(n, n, dtype=np.uint32)
    count = 0
    nothing = n
    total = np.zeros(n)
    found = np.empty(n, dtype=np.uint32)
    for c in range(n):
        if pairs[c] < n:
            continue
        if own[c] == 0.0:
            if nothing == n:
                nothing = count
                count += 1
            pairs[c] = nothing
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
            if total[d] * (0.5 / own[c] + 0.5 / own[d]) >= SUITING:
                if total[d] > strongest:
                    strongest, nearest = total[d], d
                if pairs[d] == n and total[d] > best:
                    best, mate = total[d], d
            total[d] = 0.0
        if mate < n:
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


@law
def two(strength: FloatArray, beside: NumberArray, x: FloatArray, a: int, b: int) -> float:
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
            total += two(strength, beside, x, a, b)
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
            total += two(strength, beside, x, a, a + PLACES[1])
            total += two(strength, beside, x, a + PLACES[2], a + PLACES[5])
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

    However little it hangs on, and wherever cells of it share groups with others: a cycle alone
    would take as many turns as its links are stronger (deflation, A-DEF2 of Tang et al., J. Sci.
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
