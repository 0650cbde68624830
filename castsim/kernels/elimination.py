"""Gaussian elimination of a network of conductances, without a subtraction.

Eliminating cell k, held with strength e_k and joined to the cells j that are left by g_kj::

    d = e_k + sum_j g_kj,   g_ij += g_ki g_kj / d,   e_i += g_ki e_k / d

is the Schur complement in terms of conductances (star-mesh transform; for Markov chains:
Grassmann, Taksar and Heyman, Oper. Res. 33, 1985). Diagonals are never formed by subtraction, so
that every entry keeps its digits however stiff the network, and d = 0 exactly where nothing holds
a part of it.

Order: cells with at most two neighbours first (chains and side twigs of a quasi-1-D mesh: no
fill-in), in the order of their numbers, then those with the fewest neighbours. Cells can be asked
to stay: what is left then is the reduced network between them.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geometry.kernels.compiling import kernel

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
IndexArray = NDArray[np.int32]
BoolArray = NDArray[np.bool_]

CHAIN = 2
"""Neighbours of a cell whose elimination adds no entry."""


class Elimination(NamedTuple):
    """Order of elimination, pattern of the factor, and where each product goes.

    The first `head` cells of `order` are eliminated; the others stay, in the order of their
    numbers. A column holds the cells that are left around an eliminated one, or, of one that
    stays, those later in the order that it is joined to in the end.
    """

    order: IndexArray  # (n,) cell eliminated k-th, then those that stay
    rank: IndexArray  # (n,) position of each cell in `order`
    column: IndexArray  # (n+1,) first entry of each column
    row: IndexArray  # (nnz,) rank of each entry's cell, ascending in a column
    target: IndexArray  # (products,) entry to which the product of a column's pair is added
    face_entry: IndexArray  # (m,) entry that the face's conductance goes to
    head: int  # number of eliminated cells


@kernel
def _adjacency(
    n: int, owner: IntArray, neighbour: IntArray
) -> tuple[IndexArray, IndexArray, IndexArray]:
    """Start, number and list of the neighbours of each cell, every one once."""
    start = np.zeros(n + 1, dtype=np.int32)
    for f in range(len(owner)):
        start[owner[f] + 1] += 1
        start[neighbour[f] + 1] += 1
    for i in range(n):
        start[i + 1] += start[i]
    length = np.zeros(n, dtype=np.int32)
    around = np.empty(start[n], dtype=np.int32)
    for f in range(len(owner)):
        i = owner[f]
        j = neighbour[f]
        around[start[i] + length[i]] = j
        length[i] += 1
        around[start[j] + length[j]] = i
        length[j] += 1
    for i in range(n):
        first = start[i]
        count = 0
        for e in range(first, first + length[i]):
            j = around[e]
            seen = j == i
            for k in range(first, first + count):
                if around[k] == j:
                    seen = True
                    break
            if not seen:
                around[first + count] = j
                count += 1
        length[i] = count
    return start[:n].copy(), length, around


@kernel
def _eliminate_chains(
    stays: BoolArray,
    start: IndexArray,
    length: IndexArray,
    around: IndexArray,
    order: IndexArray,
    column: IndexArray,
    row: IndexArray,
) -> tuple[int, int]:
    """Take out cells with at most two neighbours, those that fall to it too; columns, entries.

    The lists of the cells that are left change in place: a chain becomes one link.
    """
    n = len(stays)
    gone = np.zeros(n, dtype=np.bool_)
    waiting = np.empty(n + 2, dtype=np.int32)
    done = 0
    entries = 0
    for seed in range(n):
        waiting[0] = seed
        count = 1
        while count > 0:
            count -= 1
            k = waiting[count]
            if gone[k] or stays[k] or length[k] > CHAIN:
                continue
            gone[k] = True
            order[done] = k
            for a in range(length[k]):
                p = around[start[k] + a]
                row[entries] = p
                entries += 1
                other = around[start[k] + 1 - a] if length[k] == CHAIN else -1
                here = -1
                for e in range(start[p], start[p] + length[p]):
                    if around[e] == k:
                        here = e
                    elif around[e] == other:
                        other = -1
                if other >= 0:
                    around[here] = other
                else:
                    length[p] -= 1
                    around[here] = around[start[p] + length[p]]
                    if length[p] <= CHAIN and p < seed and not stays[p]:
                        waiting[count] = p
                        count += 1
            length[k] = 0
            done += 1
            column[done] = entries
    return done, entries


@kernel
def _grown(array: IndexArray, size: int) -> IndexArray:
    """The same array with room for at least `size` entries."""
    if size <= len(array):
        return array
    more = np.empty(2 * size, dtype=np.int32)
    more[: len(array)] = array
    return more


@kernel
def _compact(
    cells: IndexArray, n: int, start: IndexArray, length: IndexArray, around: IndexArray
) -> tuple[IndexArray, IndexArray, IndexArray]:
    """Lists of the `cells` that are left, numbered by their place among them."""
    count = len(cells)
    place = np.full(n, -1, dtype=np.int32)
    size = 0
    for i in range(count):
        place[cells[i]] = i
        size += length[cells[i]]
    first = np.empty(count, dtype=np.int32)
    number = np.empty(count, dtype=np.int32)
    pool = np.empty(8 * size + 16, dtype=np.int32)
    used = 0
    for i in range(count):
        first[i] = used
        number[i] = length[cells[i]]
        for e in range(start[cells[i]], start[cells[i]] + number[i]):
            pool[used] = place[around[e]]
            used += 1
    return first, number, pool


@kernel
def _eliminate_least(
    cells: IndexArray,
    stays: BoolArray,
    n: int,
    start: IndexArray,
    length: IndexArray,
    around: IndexArray,
    order: IndexArray,
    done: int,
    column: IndexArray,
    row: IndexArray,
) -> tuple[int, IndexArray, IndexArray, IndexArray, IndexArray]:
    """Take out those of the `cells` that do not stay, always one with the fewest neighbours left.

    Returns the number of columns, the entries, and start, number and pool of the neighbours of
    the `cells` that stay, by their place among `cells`.
    """
    count = len(cells)
    first, number, pool = _compact(cells, n, start, length, around)
    used = number.sum()
    room = number.copy()  # a list that outgrows its room moves to the end of the pool
    bucket = np.full(count + 1, -1, dtype=np.int32)  # linked lists by number of neighbours
    after = np.full(count, -1, dtype=np.int32)
    before = np.full(count, -1, dtype=np.int32)
    queued = np.zeros(count, dtype=np.bool_)
    clique = np.full(count, -1, dtype=np.int32)  # last eliminated cell that each was beside
    outer = np.zeros(count, dtype=np.int32)  # neighbours beyond that clique
    rest = np.empty(count, dtype=np.int32)
    entries = column[done]
    least = count
    waiting = 0
    for k in range(count - 1, -1, -1):
        if not stays[cells[k]]:
            queued[k] = True
            waiting += 1
            top = bucket[number[k]]
            before[k] = -1
            after[k] = top
            if top >= 0:
                before[top] = k
            bucket[number[k]] = k
            least = min(least, number[k])
    while waiting > 0:
        while bucket[least] < 0:
            least += 1
        k = bucket[least]
        bucket[least] = after[k]
        if after[k] >= 0:
            before[after[k]] = -1
        queued[k] = False
        size = number[k]
        own = first[k]
        for a in range(size):
            clique[pool[own + a]] = k
        began = done
        order[done] = cells[k]
        done += 1
        left = 0
        for a in range(size):
            p = pool[own + a]
            beyond = 0
            for e in range(first[p], first[p] + number[p]):
                q = pool[e]
                if q != k and clique[q] != k:
                    pool[first[p] + beyond] = q
                    beyond += 1
            if beyond > 0 or not queued[p]:
                outer[p] = beyond
                rest[left] = p
                left += 1
                continue
            # it touches nothing but the clique: eliminated at once, it adds no entry
            order[done] = cells[p]
            done += 1
            queued[p] = False
            if before[p] >= 0:
                after[before[p]] = after[p]
            else:
                bucket[number[p]] = after[p]
            if after[p] >= 0:
                before[after[p]] = before[p]
        waiting -= done - began
        for i in range(began, done):
            row = _grown(row, entries + size)
            for j in range(i + 1, done):
                row[entries] = order[j]
                entries += 1
            for j in range(left):
                row[entries] = cells[rest[j]]
                entries += 1
            column[i + 1] = entries
        for a in range(left):
            p = rest[a]
            now = outer[p] + left - 1
            if now > room[p]:
                room[p] = 2 * now
                pool = _grown(pool, used + room[p])
                for e in range(outer[p]):
                    pool[used + e] = pool[first[p] + e]
                first[p] = used
                used += room[p]
            e = first[p] + outer[p]
            for b in range(left):
                if b != a:
                    pool[e] = rest[b]
                    e += 1
            old = number[p]
            number[p] = now
            if queued[p] and now != old:
                if before[p] >= 0:
                    after[before[p]] = after[p]
                else:
                    bucket[old] = after[p]
                if after[p] >= 0:
                    before[after[p]] = before[p]
                top = bucket[now]
                before[p] = -1
                after[p] = top
                if top >= 0:
                    before[top] = p
                bucket[now] = p
                least = min(least, now)
    return done, row, first, number, pool


@kernel
def _targets(head: int, column: IndexArray, row: IndexArray) -> IndexArray:
    """Entry of each pair of an eliminated column's entries; `row` holds ranks, ascending."""
    products = 0
    for k in range(head):
        size = column[k + 1] - column[k]
        products += size * (size - 1) // 2
    target = np.empty(products, dtype=np.int32)
    position = 0
    for k in range(head):
        for a in range(column[k], column[k + 1]):
            e = column[row[a]]
            for b in range(a + 1, column[k + 1]):
                while row[e] != row[b]:
                    e += 1
                target[position] = e
                position += 1
    return target


@kernel
def _sort_columns(rank: IndexArray, column: IndexArray, row: IndexArray) -> None:
    """Turn cells into ranks, ascending in each column, in place."""
    for k in range(len(rank)):
        for a in range(column[k], column[k + 1]):
            value = rank[row[a]]
            b = a - 1
            while b >= column[k] and row[b] > value:
                row[b + 1] = row[b]
                b -= 1
            row[b + 1] = value


@kernel
def analyse(n: int, owner: IntArray, neighbour: IntArray, stays: BoolArray) -> Elimination:
    """Order and pattern for cells 0..n-1, of which those that `stays` (n,) marks are kept."""
    m = len(owner)
    start, length, around = _adjacency(n, owner, neighbour)
    order = np.empty(n, dtype=np.int32)
    column = np.zeros(n + 1, dtype=np.int32)
    row = np.empty(2 * n + 2 * m + 16, dtype=np.int32)
    head, entries = _eliminate_chains(stays, start, length, around, order, column, row)
    rank = np.full(n, -1, dtype=np.int32)
    for k in range(head):
        rank[order[k]] = k
    left = np.flatnonzero(rank < 0).astype(np.int32)
    head, row, first, number, pool = _eliminate_least(
        left, stays, n, start, length, around, order, head, column, row
    )
    for k in range(head):
        rank[order[k]] = k
    entries = column[head]
    last = head
    for i in range(len(left)):
        if rank[left[i]] < 0:
            rank[left[i]] = last
            order[last] = left[i]
            row = _grown(row, entries + number[i])
            for e in range(first[i], first[i] + number[i]):
                if pool[e] > i:
                    row[entries] = left[pool[e]]
                    entries += 1
            last += 1
            column[last] = entries
    row = row[:entries].copy()
    _sort_columns(rank, column, row)
    face_entry = np.empty(m, dtype=np.int32)
    for f in range(m):
        low = min(rank[owner[f]], rank[neighbour[f]])
        high = max(rank[owner[f]], rank[neighbour[f]])
        e = column[low]
        while row[e] != high:
            e += 1
        face_entry[f] = e
    target = _targets(head, column, row)
    return Elimination(order, rank, column, row, target, face_entry, head)


@kernel
def load(
    plan: Elimination, conductance: FloatArray, ground: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Entries and holds by rank, from faces (m,) and cells (n,)."""
    face_entry, order = plan.face_entry, plan.order
    entries = np.zeros(len(plan.row))
    for f in range(len(face_entry)):
        entries[face_entry[f]] += conductance[f]
    hold = np.empty(len(order))
    for k in range(len(order)):
        hold[k] = ground[order[k]]
    return entries, hold


@kernel
def eliminate(plan: Elimination, entries: FloatArray, hold: FloatArray, inverse: FloatArray) -> int:
    """Eliminate the head in place; the number of its parts that nothing holds.

    On entry `entries` are conductances and `hold` (n,) by rank the strength of each cell's hold.
    On return the entries of the head are the shares g_kj / d, its holds those at the time of
    elimination, entries and holds of the tail those of the reduced network, and `inverse` is 1/d,
    or 0 where d is 0.
    """
    column, row, target = plan.column, plan.row, plan.target
    position = 0
    loose = 0
    for k in range(plan.head):
        start = column[k]
        stop = column[k + 1]
        whole = hold[k]
        for a in range(start, stop):
            whole += entries[a]
        scale = 0.0
        if whole > 0.0:
            scale = 1.0 / whole
        else:
            loose += 1
        inverse[k] = scale
        held = hold[k]
        for a in range(start, stop):
            value = entries[a]
            share = value * scale
            hold[row[a]] += share * held
            for b in range(a + 1, stop):
                entries[target[position]] += share * entries[b]
                position += 1
            entries[a] = share
    return loose


@kernel
def pass_on(plan: Elimination, shares: FloatArray, right: FloatArray) -> None:
    """Pass the head's sources (n,) by rank on to the cells that are left, in place."""
    column, row = plan.column, plan.row
    for k in range(plan.head):
        value = right[k]
        if value != 0.0:
            for a in range(column[k], column[k + 1]):
                right[row[a]] += shares[a] * value


@kernel
def spread(
    plan: Elimination,
    shares: FloatArray,
    hold: FloatArray,
    inverse: FloatArray,
    right: FloatArray,
    level: FloatArray,
) -> FloatArray:
    """Pressures (n,) of cells; overwrites `right` with them, by rank.

    `right` (n,) by rank: passed-on sources of the head, pressures of the cells that stay.
    `level` (n,): a part of the network that nothing holds takes the value at its last cell.

    Each pressure is found from that of the nearest neighbour p and differences to it, which keeps
    small drops along wide veins: P = P_p + sum_j share_j (P_j - P_p) + (source - hold P_p) / d.
    """
    column, row, order = plan.column, plan.row, plan.order
    n = len(order)
    pressure = np.empty(n)
    for k in range(plan.head, n):
        pressure[order[k]] = right[k]
    for k in range(plan.head - 1, -1, -1):
        start = column[k]
        stop = column[k + 1]
        if inverse[k] == 0.0:
            value = level[order[k]]
        elif stop == start:
            value = right[k] * inverse[k]
        else:
            nearest = start
            for a in range(start + 1, stop):
                if shares[a] > shares[nearest]:
                    nearest = a
            base = right[row[nearest]]
            value = (right[k] - hold[k] * base) * inverse[k]
            for a in range(start, stop):
                value += shares[a] * (right[row[a]] - base)
            value += base
        right[k] = value
        pressure[order[k]] = value
    return pressure


@kernel
def net_outflow(
    owner: IntArray,
    neighbour: IntArray,
    conductance: FloatArray,
    ground: FloatArray,
    pressure: FloatArray,
) -> FloatArray:
    """Flow out of each cell (n,) by its faces and its hold, from differences of pressure."""
    out = ground * pressure
    for f in range(len(owner)):
        flow = conductance[f] * (pressure[owner[f]] - pressure[neighbour[f]])
        out[owner[f]] += flow
        out[neighbour[f]] -= flow
    return out
