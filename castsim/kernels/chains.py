"""Chains: cells between two others, one after the other, that nothing holds or feeds.

Blood passes them unchanged, so that a chain is one resistance, the sum of those along it, and
pressure falls along it in proportion. Sums of positive terms only, and no system to solve.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geometry.kernels.compiling import kernel

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class Chains(NamedTuple):
    """Cells that are kept, and the chains between them.

    The faces of chain i lie at ``offset[i] + i`` and after: one more than it has cells.
    """

    kept: IntArray  # (k,) cells, increasing
    own: IntArray  # (o,) faces between kept cells, increasing
    offset: IntArray  # (c+1,) first cell of each chain in `cells`
    cells: IntArray  # (n-k,) along each chain
    faces: IntArray  # (n-k+c,) along each chain
    start: IntArray  # (c,) kept cell before the first, by place in `kept`
    stop: IntArray  # (c,) kept cell after the last, by place in `kept`


@kernel
def find_chains(n: int, owner: IntArray, neighbour: IntArray, stays: BoolArray) -> Chains:
    """Keep the cells that `stays` (n,) marks and all that have not two faces; link the others.

    A ring without such a cell keeps its first.
    """
    m = len(owner)
    degree = np.zeros(n, dtype=np.int32)
    face_sum = np.zeros(n, dtype=np.int64)  # of two faces: the other is the sum less the one
    for f in range(m):
        degree[owner[f]] += 1
        degree[neighbour[f]] += 1
        face_sum[owner[f]] += f
        face_sum[neighbour[f]] += f
    keep = stays | (degree != 2)
    most = n - np.count_nonzero(keep)
    cells = np.empty(most, dtype=np.int64)
    faces = np.empty(2 * most, dtype=np.int64)
    offset = np.zeros(most + 1, dtype=np.int64)
    start = np.empty(most, dtype=np.int64)
    stop = np.empty(most, dtype=np.int64)
    own = np.empty(m, dtype=np.int64)
    walked = np.zeros(n, dtype=np.bool_)
    count = 0
    chains = 0
    owned = 0
    for seed in range(m + n):
        if seed < m:  # from every face beside a kept cell
            f = seed
            if keep[owner[f]] and keep[neighbour[f]]:
                own[owned] = f
                owned += 1
                continue
            if not (keep[owner[f]] or keep[neighbour[f]]):
                continue
            before = owner[f] if keep[owner[f]] else neighbour[f]
            cell = owner[f] + neighbour[f] - before
        else:  # then from what is left: rings
            before = seed - m
            if keep[before] or walked[before]:
                continue
            keep[before] = True
            for g in range(m):
                if owner[g] == before or neighbour[g] == before:
                    f = g
                    break
            cell = owner[f] + neighbour[f] - before
        if walked[cell]:
            continue
        start[chains] = before
        faces[count + chains] = f
        while not keep[cell]:
            walked[cell] = True
            cells[count] = cell
            count += 1
            f = face_sum[cell] - f
            faces[count + chains] = f
            cell = owner[f] + neighbour[f] - cell
        stop[chains] = cell
        chains += 1
        offset[chains] = count
    kept = np.flatnonzero(keep)
    place = np.empty(n, dtype=np.int64)
    for i in range(len(kept)):
        place[kept[i]] = i
    for i in range(chains):
        start[i] = place[start[i]]
        stop[i] = place[stop[i]]
    return Chains(
        kept,
        own[:owned].copy(),
        offset[: chains + 1].copy(),
        cells[:count].copy(),
        faces[: count + chains].copy(),
        start[:chains].copy(),
        stop[:chains].copy(),
    )


@kernel
def add_along(chains: Chains, resistance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Resistance of each chain (c,), and the part of it that lies before each of its cells."""
    offset, faces = chains.offset, chains.faces
    part = np.empty(len(chains.cells))
    whole = np.empty(len(chains.start))
    for i in range(len(whole)):
        total = 0.0
        for k in range(offset[i], offset[i + 1]):
            total += resistance[faces[k + i]]
            part[k] = total
        total += resistance[faces[offset[i + 1] + i]]
        for k in range(offset[i], offset[i + 1]):
            part[k] /= total
        whole[i] = total
    return whole, part


@kernel
def fill_chains(chains: Chains, part: FloatArray, pressure: FloatArray) -> FloatArray:
    """Pressure of every cell (n,) from those of the kept ones (k,)."""
    kept, cells, offset = chains.kept, chains.cells, chains.offset
    whole = np.empty(len(kept) + len(cells))
    for k in range(len(kept)):
        whole[kept[k]] = pressure[k]
    for i in range(len(chains.start)):
        base = pressure[chains.start[i]]
        fall = pressure[chains.stop[i]] - base
        for k in range(offset[i], offset[i + 1]):
            whole[cells[k]] = base + fall * part[k]
    return whole
