"""Sparse LDL' of a symmetric M-matrix whose pattern never changes.

The pattern is analysed once: `Pattern` holds, for every column in elimination order, its
entries and where each of their products is to be subtracted. A numeric factorisation is then
one pass over that list, which for quasi-1-D meshes costs about as much as an assembly
(`qdldl` needs a Python call and a fresh up-looking pass each time, and cannot be called from a
kernel). The numeric passes take the leading arrays of a pattern rather than the pattern, because
:mod:`region` runs them on a part of it.
"""

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


SINGULAR = 4.0 * np.finfo(np.float64).eps
"""Pivot over its diagonal entry that is nothing but round-off."""


class Pattern(NamedTuple):
    """Lower triangle of L in elimination order, and the update list."""

    order: IntArray  # (n,) cell eliminated k-th
    rank: IntArray  # (n,) position of each cell in the elimination
    column: IntArray  # (n+1,) first entry of each column of L
    row: IntArray  # (nnz,) rank of each entry's row, ascending in a column
    product: IntArray  # (n+1,) first product of each column
    target: IntArray  # (products,) entry that each product of a column's pair is taken from
    face_entry: IntArray  # (m,) entry of L that the face's conductance goes to, -1: none


@nb.njit(cache=True)
def symbolic(
    n: int, rank: IntArray, owner: IntArray, neighbour: IntArray
) -> tuple[IntArray, IntArray, IntArray, IntArray, IntArray]:
    """Columns and rows of L, first products, update targets, and the entry of each face.

    Faces with a neighbour >= n (terminals) touch the diagonal only.
    """
    m = len(owner)
    parent = np.full(n, -1, dtype=np.int64)
    head = np.full(n, -1, dtype=np.int64)  # linked lists of faces by lower rank
    link = np.full(m, -1, dtype=np.int64)
    for f in range(m):
        if neighbour[f] < n:
            low = min(rank[owner[f]], rank[neighbour[f]])
            link[f] = head[low]
            head[low] = f
    child = np.full(n, -1, dtype=np.int64)
    sibling = np.full(n, -1, dtype=np.int64)
    mark = np.full(n, -1, dtype=np.int64)
    column = np.zeros(n + 1, dtype=np.int64)
    capacity = 4 * m + 16
    row = np.empty(capacity, dtype=np.int64)
    count = 0
    for k in range(n):
        mark[k] = k
        start = count
        f = head[k]
        while f >= 0:
            high = max(rank[owner[f]], rank[neighbour[f]])
            if mark[high] != k:
                mark[high] = k
                if count == capacity:
                    capacity *= 2
                    grown = np.empty(capacity, dtype=np.int64)
                    grown[:count] = row[:count]
                    row = grown
                row[count] = high
                count += 1
            f = link[f]
        c = child[k]
        while c >= 0:
            for e in range(column[c], column[c + 1]):
                i = row[e]
                if mark[i] != k:
                    mark[i] = k
                    if count == capacity:
                        capacity *= 2
                        grown = np.empty(capacity, dtype=np.int64)
                        grown[:count] = row[:count]
                        row = grown
                    row[count] = i
                    count += 1
            c = sibling[c]
        column[k + 1] = count
        row[start:count] = np.sort(row[start:count])
        if count > start:
            parent[k] = row[start]
            sibling[k] = child[parent[k]]
            child[parent[k]] = k
    row = row[:count].copy()
    product = np.zeros(n + 1, dtype=np.int64)
    for k in range(n):
        c = column[k + 1] - column[k]
        product[k + 1] = product[k] + c * (c - 1) // 2
    target = np.empty(product[n], dtype=np.int64)
    where = np.empty(n, dtype=np.int64)
    # the products of column k go to columns row[a]; visit by column a to look entries up
    position = 0
    for k in range(n):
        for a in range(column[k], column[k + 1]):
            j = row[a]
            for e in range(column[j], column[j + 1]):
                where[row[e]] = e
            for b in range(a + 1, column[k + 1]):
                target[position] = where[row[b]]
                position += 1
    face_entry = np.full(m, -1, dtype=np.int64)
    for f in range(m):
        if neighbour[f] < n:
            low = min(rank[owner[f]], rank[neighbour[f]])
            high = max(rank[owner[f]], rank[neighbour[f]])
            left = column[low]
            right = column[low + 1]
            while left < right:
                middle = (left + right) // 2
                if row[middle] < high:
                    left = middle + 1
                else:
                    right = middle
            face_entry[f] = left
    return column, row, product, target, face_entry


@nb.njit(cache=True)
def factorise(
    n: int,
    column: IntArray,
    row: IntArray,
    target: IntArray,
    diagonal: FloatArray,
    entries: FloatArray,
    whole: FloatArray,
) -> None:
    """Overwrite the matrix (diagonal by rank, strict lower entries) with D and L, in place.

    `whole` is the diagonal as assembled: where a pivot cancels to round-off of it, nothing holds
    that part of the network (blood behind a shut valve), and it is grounded.
    """
    position = 0
    for k in range(n):
        start = column[k]
        stop = column[k + 1]
        if diagonal[k] <= SINGULAR * whole[k]:
            diagonal[k] = whole[k]
        inverse = 1.0 / diagonal[k]
        for a in range(start, stop):
            value = entries[a]
            scaled = value * inverse
            diagonal[row[a]] -= value * scaled
            for b in range(a + 1, stop):
                entries[target[position]] -= scaled * entries[b]
                position += 1
        for a in range(start, stop):
            entries[a] *= inverse


@nb.njit(cache=True)
def eliminate(
    first: int, n: int, column: IntArray, row: IntArray, entries: FloatArray, right: FloatArray
) -> None:
    """Solve L y = right in place; `right` is zero before rank `first`."""
    for k in range(first, n):
        y = right[k]
        if y != 0.0:
            for a in range(column[k], column[k + 1]):
                right[row[a]] -= entries[a] * y


@nb.njit(cache=True)
def substitute(
    n: int,
    column: IntArray,
    row: IntArray,
    diagonal: FloatArray,
    entries: FloatArray,
    right: FloatArray,
    other: FloatArray,
) -> None:
    """Solve D L' x = right and = other in place, in one pass; both are ordered by rank."""
    for k in range(n - 1, -1, -1):
        inverse = 1.0 / diagonal[k]
        x = right[k] * inverse
        y = other[k] * inverse
        for a in range(column[k], column[k + 1]):
            x -= entries[a] * right[row[a]]
            y -= entries[a] * other[row[a]]
        right[k] = x
        other[k] = y
