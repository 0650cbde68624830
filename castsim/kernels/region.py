"""The part of the pressure matrix that an injection changes.

Agent is in few of the cells, and everywhere else the matrix stays as it was at rest. Of the
factor L of the whole matrix at rest, a column changes only when its own cell's faces do or a
column that it descends from in the elimination tree; the columns that change are therefore
closed upwards. They form the *region*, a small matrix of its own: its own faces, plus what the
elimination of all the others leaves on it, which is read off the factor at rest once and again
only when the region grows. A solve works on the region alone; the pressure of any other cell
follows from it by back-substitution along that cell's ancestors, and is worked out only where
it is asked for (`reveal`).

The answer is that of the whole matrix, to round-off. The idea is that of partial
refactorisation in circuit simulation (Chan and Brandwajn 1986, IEEE Trans. Power Systems 1:193).
"""

from typing import NamedTuple

import numba as nb
import numpy as np

from castsim.kernels.arrays import FlagArray, FloatArray, Graph, IntArray, State
from castsim.kernels.factor import Pattern, eliminate, factorise

NEEDED_RINGS = 2
"""Faces beyond a cell with agent within which all flows are read: its blood's neighbours'."""
SPARE_RINGS = 4
"""Faces more that the region takes in at once, so that it grows seldom."""
CELLS, FACES, STALE, SOLVE = range(4)
"""Places of `Region.size`: its cells, its faces, 1 when they must be listed anew, solves."""


class Region(NamedTuple):
    """Arrays of the region; "number" is a cell's place in it, in elimination order."""

    ring: IntArray  # (n,) by cell: faces beyond it that are surely inside; -1: none, not itself
    inside: FlagArray  # (n,) by rank
    number: IntArray  # (n,) by rank, where inside
    cell: IntArray  # (cells,) by number
    column: IntArray  # (cells+1,) first entry of each column of its L
    row: IntArray  # (entries,) number of each entry's row
    target: IntArray  # (products,) as in Pattern
    entry_number: IntArray  # (nnz,) its entry for an entry of the whole L
    faces: IntArray  # (faces,) faces with both ends inside, and terminals inside
    face_owner: IntArray  # (faces,) number
    face_neighbour: IntArray  # (faces,) number; -1: a terminal
    face_entry: IntArray  # (faces,) entry; -1: a terminal
    whole: FloatArray  # (cells,) diagonal of the faces that lead outside
    diagonal: FloatArray  # (cells,) the same less what the elimination of the outside took
    entries: FloatArray  # (entries,) what the elimination of the outside put between its cells
    right: FloatArray  # (cells,) and on their right side
    rest_conductance: FloatArray  # (m,) at rest, 0 where blood is enclosed
    rest_pivot: FloatArray  # (n,) by rank, D at rest
    rest_entries: FloatArray  # (nnz,) L at rest
    rest_right: FloatArray  # (n,) by rank, right side at rest after forward elimination
    seen: IntArray  # (n,) by cell: the solve to which its revealed pressure belongs
    queue: IntArray  # (n,) scratch
    size: IntArray  # (4,) see CELLS, FACES, STALE, SOLVE


@nb.njit(cache=True, nogil=True)
def factorise_rest(graph: Graph, state: State, pattern: Pattern, region: Region) -> None:
    """Factor of the whole matrix before any agent came; `state.drains` must be up to date."""
    owner, neighbour, drains, rank = graph.owner, graph.neighbour, state.drains, pattern.rank
    rest, at_rest, face_entry = region.rest_conductance, graph.blood_conductance, pattern.face_entry
    pivot, entries, right = region.rest_pivot, region.rest_entries, region.rest_right
    terminal_pressure = graph.terminal_pressure
    n = len(pivot)
    pivot[:] = 0.0
    entries[:] = 0.0
    right[:] = 0.0
    for f in range(len(owner)):
        i = owner[f]
        j = neighbour[f]
        rest[f] = 0.0
        if drains[i] == 0 or (j < n and drains[j] == 0):
            continue
        g = at_rest[f]
        rest[f] = g
        pivot[rank[i]] += g
        if j < n:
            pivot[rank[j]] += g
            entries[face_entry[f]] -= g
        else:
            right[rank[i]] += g * terminal_pressure[j - n]
    for k in range(n):
        if pivot[k] == 0.0:
            pivot[k] = 1.0
    whole = pivot.copy()
    factorise(n, pattern.column, pattern.row, pattern.target, pivot, entries, whole)
    eliminate(0, n, pattern.column, pattern.row, entries, right)


@nb.njit(cache=True, nogil=True)
def include(pattern: Pattern, region: Region, cell: int) -> None:
    """Take `cell` and the columns that depend on it into the region."""
    column, row, inside = pattern.column, pattern.row, region.inside
    r = pattern.rank[cell]
    while inside[r] == 0:
        inside[r] = 1
        region.size[STALE] = 1
        if column[r] == column[r + 1]:
            return
        r = row[column[r]]


@nb.njit(cache=True, nogil=True)
def widen(graph: Graph, pattern: Pattern, region: Region, cell: int) -> None:
    """Take in `cell` and its surroundings, should they not be inside yet."""
    ring, queue, first, around = region.ring, region.queue, graph.first, graph.around
    owner, neighbour = graph.owner, graph.neighbour
    if ring[cell] >= NEEDED_RINGS:
        return
    n = len(ring)
    ring[cell] = NEEDED_RINGS + SPARE_RINGS
    queue[0] = cell
    count = 1
    place = 0
    while place < count:
        c = queue[place]
        place += 1
        include(pattern, region, c)
        left = ring[c] - 1
        if left < 0:
            continue
        for e in range(first[c], first[c + 1]):
            f = around[e]
            far = owner[f] + neighbour[f] - c
            if far < n and ring[far] < left:
                ring[far] = left
                queue[count] = far
                count += 1


@nb.njit(cache=True, nogil=True)
def include_valves(graph: Graph, pattern: Pattern, region: Region) -> None:
    """Valves turn without agent: their cells are always inside."""
    n = len(graph.volume)
    for f in range(len(graph.owner)):
        if graph.valve[f] != 0:
            include(pattern, region, graph.owner[f])
            if graph.neighbour[f] < n:
                include(pattern, region, graph.neighbour[f])


@nb.njit(cache=True, nogil=True)
def list_columns(pattern: Pattern, region: Region) -> None:
    """Number the region's cells and list its columns of L and their products."""
    column, row, product, target = pattern.column, pattern.row, pattern.product, pattern.target
    inside, number, order, cell = region.inside, region.number, pattern.order, region.cell
    own_column, own_row, own_target = region.column, region.row, region.target
    entry_number, queue = region.entry_number, region.queue
    count = 0
    for r in range(len(inside)):
        if inside[r] == 1:
            number[r] = count
            cell[count] = order[r]
            queue[count] = r
            count += 1
    position = 0
    for k in range(count):
        r = queue[k]
        own_column[k] = position
        for a in range(column[r], column[r + 1]):
            own_row[position] = number[row[a]]
            entry_number[a] = position
            position += 1
    own_column[count] = position
    position = 0
    for k in range(count):
        r = queue[k]
        for e in range(product[r], product[r + 1]):
            own_target[position] = entry_number[target[e]]
            position += 1
    region.size[CELLS] = count


@nb.njit(cache=True, nogil=True)
def list_faces(graph: Graph, pattern: Pattern, region: Region) -> None:
    """List the faces whose law is worked out in every solve; sum up those that lead outside."""
    owner, neighbour, first, around = graph.owner, graph.neighbour, graph.first, graph.around
    rank, inside, number = pattern.rank, region.inside, region.number
    faces, face_owner, face_neighbour = region.faces, region.face_owner, region.face_neighbour
    face_entry, entry_number, entry = region.face_entry, region.entry_number, pattern.face_entry
    rest, whole, diagonal = region.rest_conductance, region.whole, region.diagonal
    n = len(inside)
    count = 0
    for k in range(region.size[CELLS]):
        c = region.cell[k]
        whole[k] = 0.0
        for e in range(first[c], first[c + 1]):
            f = around[e]
            far = owner[f] + neighbour[f] - c
            if far < n and inside[rank[far]] == 0:
                whole[k] += rest[f]
            elif owner[f] == c:
                faces[count] = f
                face_owner[count] = k
                face_neighbour[count] = -1
                face_entry[count] = -1
                if far < n:
                    face_neighbour[count] = number[rank[far]]
                    face_entry[count] = entry_number[entry[f]]
                count += 1
        diagonal[k] = whole[k]
    region.size[FACES] = count


@nb.njit(cache=True, nogil=True)
def gather(pattern: Pattern, region: Region) -> None:
    """Put on the region what the elimination of all other columns leaves there.

    Rows ascend in a column and the region is closed upwards, so that a column outside touches the
    region if its last row does, and from some row on with all its rows.
    """
    column, row, product, target = pattern.column, pattern.row, pattern.product, pattern.target
    inside, number, entry_number = region.inside, region.number, region.entry_number
    pivot, rest_entries, rest_right = region.rest_pivot, region.rest_entries, region.rest_right
    diagonal, entries, right = region.diagonal, region.entries, region.right
    cells = region.size[CELLS]
    right[:cells] = 0.0
    entries[: region.column[cells]] = 0.0
    for k in range(len(inside)):
        start = column[k]
        stop = column[k + 1]
        if inside[k] == 1 or start == stop or inside[row[stop - 1]] == 0:
            continue
        a = stop - 1
        while a > start and inside[row[a - 1]] == 1:
            a -= 1
        length = stop - start
        for p in range(a, stop):
            i = number[row[p]]
            scaled = rest_entries[p] * pivot[k]
            diagonal[i] -= scaled * rest_entries[p]
            right[i] -= rest_entries[p] * rest_right[k]
            place = p - start
            position = product[k] + place * (length - 1) - place * (place - 1) // 2
            for q in range(p + 1, stop):
                entries[entry_number[target[position + q - p - 1]]] -= scaled * rest_entries[q]


@nb.njit(cache=True, nogil=True)
def bring_up_to_date(graph: Graph, pattern: Pattern, region: Region) -> None:
    """List everything anew if the region has grown."""
    if region.size[STALE] == 1:
        list_columns(pattern, region)
        list_faces(graph, pattern, region)
        gather(pattern, region)
        region.size[STALE] = 0


@nb.njit(cache=True, nogil=True)
def reveal(state: State, pattern: Pattern, region: Region, cell: int) -> None:
    """Work out the pressure of a cell outside, unless this solve's is known already."""
    column, row, order, inside = pattern.column, pattern.row, pattern.order, region.inside
    seen, queue, pressure = region.seen, region.queue, state.pressure
    solve = region.size[SOLVE]
    r = pattern.rank[cell]
    depth = 0
    while inside[r] == 0 and seen[order[r]] != solve:
        queue[depth] = r
        depth += 1
        if column[r] == column[r + 1]:
            break
        r = row[column[r]]
    while depth > 0:
        depth -= 1
        r = queue[depth]
        p = region.rest_right[r] / region.rest_pivot[r]
        for a in range(column[r], column[r + 1]):
            p -= region.rest_entries[a] * pressure[order[row[a]]]
        pressure[order[r]] = p
        seen[order[r]] = solve


@nb.njit(cache=True, nogil=True)
def reveal_flows(
    graph: Graph, state: State, pattern: Pattern, region: Region, cell: int
) -> None:
    """Make sure of the flows around `cell` and of the pressures at their far ends."""
    if region.ring[cell] >= 1:
        return
    rank, inside, n = pattern.rank, region.inside, len(state.pressure)
    reveal(state, pattern, region, cell)
    for e in range(graph.first[cell], graph.first[cell + 1]):
        f = graph.around[e]
        i = graph.owner[f]
        j = graph.neighbour[f]
        far = i + j - cell
        if inside[rank[cell]] == 1 and (far >= n or inside[rank[far]] == 1):
            continue
        if far < n:
            reveal(state, pattern, region, far)
        end = state.pressure[j] if j < n else graph.terminal_pressure[j - n]
        state.flow[f] = region.rest_conductance[f] * (state.pressure[i] - end)


@nb.njit(cache=True, nogil=True)
def reveal_all(graph: Graph, state: State, pattern: Pattern, region: Region) -> None:
    """Pressures and flows everywhere, of the last solve."""
    rank, inside, n = pattern.rank, region.inside, len(state.pressure)
    for cell in range(n):
        reveal(state, pattern, region, cell)
    for f in range(len(graph.owner)):
        i = graph.owner[f]
        j = graph.neighbour[f]
        if inside[rank[i]] == 1 and (j >= n or inside[rank[j]] == 1):
            continue
        end = state.pressure[j] if j < n else graph.terminal_pressure[j - n]
        state.flow[f] = region.rest_conductance[f] * (state.pressure[i] - end)


def new_region(n: int, m: int, pattern: Pattern) -> Region:
    """Room for a region that may come to hold all of `n` cells and `m` faces."""

    def floats(size: int) -> FloatArray:
        return np.empty(size)

    def ints(size: int) -> IntArray:
        return np.empty(size, dtype=np.int64)

    entries, products = len(pattern.row), len(pattern.target)
    return Region(
        ring=np.full(n, -1, dtype=np.int64),
        inside=np.zeros(n, dtype=np.uint8),
        number=ints(n),
        cell=ints(n),
        column=ints(n + 1),
        row=ints(entries),
        target=ints(products),
        entry_number=ints(entries),
        faces=ints(m),
        face_owner=ints(m),
        face_neighbour=ints(m),
        face_entry=ints(m),
        whole=floats(n),
        diagonal=floats(n),
        entries=floats(entries),
        right=floats(n),
        rest_conductance=floats(m),
        rest_pivot=floats(n),
        rest_entries=floats(entries),
        rest_right=floats(n),
        seen=np.full(n, -1, dtype=np.int64),
        queue=ints(2 * n),
        size=np.array([0, 0, 1, 0]),
    )
