"""Cells of a network, their links, and which of them are one cell of the next level of multigrid.

Cells are paired along their strongest link that suits, then the pairs once more: about four cells
are one of the next level.

A cube has up to six links. Most have three to lower and three to higher cells when cells are
numbered along the grid, so that finest cells with no more get room for just these, filled up with
links of no strength to themselves: a sweep over them has no inner loop, which halves its time.
Cells of coarser levels have all numbers of links, and are numbered by them: then the processor
foresees how many come.
"""

import numpy as np
from numpy.typing import NDArray

from castsim.kernels.arrays import FloatArray, IntArray
from geometry.kernels.compiling import kernel

IndexArray = NDArray[np.int32]
NumberArray = NDArray[np.uint32]
"""What sweeps count and look up by. Unsigned, since numba asks of every signed index whether it
counts from the end, which takes longer than what a sweep does with a link."""

SUITING = 1.0 / 8.0
"""Of the harmonic mean of their diagonals: cells whose link is weaker are not paired. What coarser
levels cannot tell apart a sweep must even out, and it cannot along a weak link (measure and limit
after Napov & Notay, SIAM J. Sci. Comput. 34, 2012, without its term for holds; a cube among cubes
has 1/6)."""
SIDE = 3
"""Places for links to lower cells, and as many to higher ones, of finest cells with no more."""


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
    suiting: float = SUITING,
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
            if total[d] * (0.5 / own[c] + 0.5 / own[d]) >= suiting:
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
