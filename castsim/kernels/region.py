"""The part of the pressure equations that an injection changes.

Agent is in few of the cells, and everywhere else the equations stay as they were at rest. Of the
elimination of the whole network at rest (:mod:`castsim.kernels.elimination`), a column changes
only when its own cell's faces do or a column whose product falls on it; the columns that change
are therefore closed upwards in the elimination tree. They form the *region*, a small network of
its own: its own faces, plus what the elimination of all the others leaves on it, which is read
off the elimination at rest once and again only when the region grows. A solve works on the region
alone; the pressure of any other cell follows from it by back-substitution along that cell's
ancestors, and is worked out only where it is asked for (`reveal`).

The answer is that of the whole network, to round-off. The idea is that of partial
refactorisation in circuit simulation (Chan and Brandwajn 1986, IEEE Trans. Power Systems 1:193).
"""

from typing import Any, NamedTuple

import numpy as np

from castsim.kernels.arrays import FlagArray, FloatArray, Graph, IntArray, Source, State
from castsim.kernels.elimination import Elimination, IndexArray, eliminate, pass_on
from castsim.kernels.seam import foresee, noise, place_of, prepare, surrounded, variant, wider
from geometry.kernels.compiling import kernel

NEEDED_RINGS = 2
"""Faces beyond a cell with agent within which all flows are read: its blood's neighbours'."""
SPARE_RINGS = 4
"""Faces more that the region takes in at once, so that it grows seldom."""
CELLS, FACES, DENSE, STALE, SOLVE = range(5)
"""Places of `Region.size`: its cells, its faces, the first of the last columns that are full, 1
when all these must be listed anew, solves."""
ROUND_OFF = 1e-13
"""Of the largest pressure: drives below it are noise."""
LARGEST_ROUND_OFF = 1e-9
"""Noise at most: ten times more whenever diodes have switched in vain for a while."""


class Region(NamedTuple):
    """Arrays of the region; "number" is a cell's place in it, in the order of elimination."""

    ring: IndexArray  # (n,) by cell: faces beyond it that are surely inside; -1: none, not itself
    inside: FlagArray  # (n,) by rank
    number: IndexArray  # (n,) by rank, where inside
    cell: IndexArray  # (cells,) by number
    column: IndexArray  # (cells+1,) first entry of each column
    row: IndexArray  # (entries,) number of each entry's row
    target: IndexArray  # (products,) as in Elimination
    entry_number: IndexArray  # (nnz,) its entry for an entry of the whole network's
    faces: IndexArray  # (faces,) faces with both ends inside, and terminals inside
    face_owner: IndexArray  # (faces,) number
    face_neighbour: IndexArray  # (faces,) number; -1: a terminal
    face_entry: IndexArray  # (faces,) entry; -1: a terminal
    entries: FloatArray  # (entries,) conductance that the outside adds between its cells
    hold: FloatArray  # (cells,) and by which it holds each of them
    right: FloatArray  # (cells,) and its part of the right side
    rest_conductance: FloatArray  # (m,) at rest, 0 where blood is enclosed
    rest_share: FloatArray  # (nnz,) elimination at rest: shares,
    rest_hold: FloatArray  # (n,) by rank, holds,
    rest_inverse: FloatArray  # (n,) by rank, 1 / sum of conductances, 0 where that is 0,
    rest_right: FloatArray  # (n,) by rank, right side
    product: IndexArray  # (n+1,) first product of each column of the whole network
    ending: IndexArray  # (n+1,) first entry of each rank in `ends`
    ends: IndexArray  # (n,) columns of the whole network by the rank of their last row
    seen: IntArray  # (n,) by cell: the solve to which its revealed pressure belongs
    queue: IndexArray  # (n,) scratch
    size: IntArray  # (5,) see CELLS, FACES, DENSE, STALE, SOLVE


@kernel
def eliminate_region(
    region: Region, entries: FloatArray, hold: FloatArray, inverse: FloatArray
) -> None:
    """Eliminate the region's cells, in place, as `elimination.eliminate` does.

    The last columns have all the rows below them and lie next to each other, so that their
    products need no list of targets.
    """
    column, row, target = region.column, region.row, region.target
    dense = region.size[DENSE]
    position = 0
    for k in range(region.size[CELLS]):
        start = column[k]
        stop = column[k + 1]
        held = hold[k]
        whole = held
        for a in range(start, stop):
            whole += entries[a]
        scale = 1.0 / whole if whole > 0.0 else 0.0
        inverse[k] = scale
        if k < dense:
            for a in range(start, stop):
                share = entries[a] * scale
                hold[row[a]] += share * held
                for b in range(a + 1, stop):
                    entries[target[position]] += share * entries[b]
                    position += 1
                entries[a] = share
        else:
            place = stop
            for a in range(start, stop):
                share = entries[a] * scale
                hold[row[a]] += share * held
                shift = place - a - 1
                for b in range(a + 1, stop):
                    entries[shift + b] += share * entries[b]
                place += stop - a - 1
                entries[a] = share


@kernel
def hand_down(
    first: int,
    cells: int,
    column: IndexArray,
    row: IndexArray,
    share: FloatArray,
    right: FloatArray,
) -> None:
    """Hand each cell's right side to those after it, in place; it is zero before cell `first`."""
    for k in range(first, cells):
        value = right[k]
        if value != 0.0:
            for a in range(column[k], column[k + 1]):
                right[row[a]] += share[a] * value


@kernel
def spread_both(
    cells: int,
    column: IndexArray,
    row: IndexArray,
    share: FloatArray,
    inverse: FloatArray,
    right: FloatArray,
    other: FloatArray,
) -> None:
    """Turn two right sides, handed down, into pressures, in place; a part without hold gets 0."""
    for k in range(cells - 1, -1, -1):
        x = right[k] * inverse[k]
        y = other[k] * inverse[k]
        for a in range(column[k], column[k + 1]):
            x += share[a] * right[row[a]]
            y += share[a] * other[row[a]]
        right[k] = x
        other[k] = y


@kernel
def eliminate_rest(graph: Graph, state: State, plan: Elimination, region: Region) -> None:
    """Eliminate the whole network before any agent came; `state.drains` must be up to date."""
    owner, neighbour, drains, rank = graph.owner, graph.neighbour, state.drains, plan.rank
    rest, at_rest, face_entry = region.rest_conductance, graph.blood_conductance, plan.face_entry
    share, hold, right = region.rest_share, region.rest_hold, region.rest_right
    terminal_pressure = graph.terminal_pressure
    n = len(hold)
    share[:] = 0.0
    hold[:] = 0.0
    right[:] = 0.0
    for f in range(len(owner)):
        i = owner[f]
        j = neighbour[f]
        rest[f] = 0.0
        if drains[i] == 0 or (j < n and drains[j] == 0):
            continue
        g = at_rest[f]
        rest[f] = g
        if j < n:
            share[face_entry[f]] += g
        else:
            hold[rank[i]] += g
            right[rank[i]] += g * terminal_pressure[j - n]
    eliminate(plan, share, hold, region.rest_inverse)
    pass_on(plan, share, right)


@kernel
def include(plan: Elimination, region: Region, cell: int) -> None:
    """Take `cell` and the columns that depend on it into the region."""
    column, row, inside = plan.column, plan.row, region.inside
    r = plan.rank[cell]
    while inside[r] == 0:
        inside[r] = 1
        region.size[STALE] = 1
        if column[r] == column[r + 1]:
            return
        r = row[column[r]]


@kernel
def widen(graph: Graph, plan: Elimination, region: Region, cell: int) -> None:
    """Take in `cell` and its surroundings."""
    ring, queue, first, around = region.ring, region.queue, graph.first, graph.around
    owner, neighbour = graph.owner, graph.neighbour
    n = len(ring)
    ring[cell] = NEEDED_RINGS + SPARE_RINGS
    queue[0] = cell
    count = 1
    place = 0
    while place < count:
        c = queue[place]
        place += 1
        include(plan, region, c)
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


@kernel
def include_valves(graph: Graph, plan: Elimination, region: Region) -> None:
    """Valves turn without agent: their cells are always inside."""
    n = len(graph.volume)
    for f in range(len(graph.owner)):
        if graph.valve[f] != 0:
            include(plan, region, graph.owner[f])
            if graph.neighbour[f] < n:
                include(plan, region, graph.neighbour[f])


@kernel
def list_columns(plan: Elimination, region: Region) -> None:
    """Number the region's cells and list its columns of L and their products."""
    column, row, product, target = plan.column, plan.row, region.product, plan.target
    inside, number, order, cell = region.inside, region.number, plan.order, region.cell
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
    dense = count
    while dense > 0 and own_column[dense] - own_column[dense - 1] == count - dense:
        dense -= 1
    region.size[DENSE] = dense
    region.size[CELLS] = count


@kernel
def list_faces(graph: Graph, plan: Elimination, region: Region) -> None:
    """List the faces whose law is worked out in every solve."""
    owner, neighbour, first, around = graph.owner, graph.neighbour, graph.first, graph.around
    rank, inside, number = plan.rank, region.inside, region.number
    faces, face_owner, face_neighbour = region.faces, region.face_owner, region.face_neighbour
    face_entry, entry_number, entry = region.face_entry, region.entry_number, plan.face_entry
    n = len(inside)
    count = 0
    for k in range(region.size[CELLS]):
        c = region.cell[k]
        for e in range(first[c], first[c + 1]):
            f = around[e]
            far = owner[f] + neighbour[f] - c
            if owner[f] == c and (far >= n or inside[rank[far]] == 1):
                faces[count] = f
                face_owner[count] = k
                face_neighbour[count] = -1
                face_entry[count] = -1
                if far < n:
                    face_neighbour[count] = number[rank[far]]
                    face_entry[count] = entry_number[entry[f]]
                count += 1
    region.size[FACES] = count


@kernel
def gather(plan: Elimination, region: Region) -> None:
    """Put on the region what the elimination of all other columns leaves there.

    Rows ascend in a column and the region is closed upwards, so that a column outside touches the
    region if its last row does, and from some row on with all its rows.
    """
    column, row, product, target = plan.column, plan.row, region.product, plan.target
    inside, number, entry_number = region.inside, region.number, region.entry_number
    share, inverse = region.rest_share, region.rest_inverse
    rest_hold, rest_right = region.rest_hold, region.rest_right
    entries, hold, right = region.entries, region.hold, region.right
    cells = region.size[CELLS]
    hold[:cells] = 0.0
    right[:cells] = 0.0
    entries[: region.column[cells]] = 0.0
    ending, ends, rank = region.ending, region.ends, plan.rank
    for c in range(cells):
        last = rank[region.cell[c]]
        for e in range(ending[last], ending[last + 1]):
            k = ends[e]
            if inside[k] == 1 or inverse[k] == 0.0:  # nothing flows from what is shut in
                continue
            start = column[k]
            stop = column[k + 1]
            a = stop - 1
            while a > start and inside[row[a - 1]] == 1:
                a -= 1
            length = stop - start
            for p in range(a, stop):
                i = number[row[p]]
                hold[i] += share[p] * rest_hold[k]
                right[i] += share[p] * rest_right[k]
                conductance = share[p] / inverse[k]
                place = p - start
                position = product[k] + place * (length - 1) - place * (place - 1) // 2
                for q in range(p + 1, stop):
                    entries[entry_number[target[position + q - p - 1]]] += conductance * share[q]


@kernel
def bring_up_to_date(graph: Graph, plan: Elimination, region: Region) -> None:
    """List everything anew if the region has grown."""
    if region.size[STALE] == 1:
        list_columns(plan, region)
        list_faces(graph, plan, region)
        gather(plan, region)
        region.size[STALE] = 0


@variant(prepare, Region)
@kernel
def prepare_region(graph: Graph, plan: Elimination, region: Region) -> None:
    """`seam.prepare`."""
    bring_up_to_date(graph, plan, region)
    region.size[SOLVE] += 1


@variant(place_of, Region)
@kernel
def number_of(plan: Elimination, region: Region, cell: int) -> int:
    """`seam.place_of`."""
    return region.number[plan.rank[cell]]


@variant(surrounded, Region)
@kernel
def is_ringed(region: Region, cell: int) -> bool:
    """`seam.surrounded`."""
    return region.ring[cell] >= 1


@variant(wider, Region)
@kernel
def never(region: Region) -> bool:
    """`seam.wider`: this region grows by itself."""
    return False


@variant(foresee, Region)
@kernel
def solve_at_once(
    graph: Graph,
    state: State,
    work: Any,
    plan: Elimination,
    region: Region,
    source: Source,
    tip: int,
) -> None:
    """`seam.foresee`: solves are cheap."""


@variant(noise, Region)
@kernel
def round_off(region: Region, rounds: int, largest: float) -> float:
    """`seam.noise`: that of the elimination."""
    return min(ROUND_OFF * 10.0**rounds, LARGEST_ROUND_OFF) * largest


@kernel
def reveal(state: State, plan: Elimination, region: Region, cell: int) -> None:
    """Work out the pressure of a cell outside, unless this solve's is known already."""
    column, row, order, inside = plan.column, plan.row, plan.order, region.inside
    seen, queue, pressure = region.seen, region.queue, state.pressure
    share, inverse, right = region.rest_share, region.rest_inverse, region.rest_right
    solve = region.size[SOLVE]
    r = plan.rank[cell]
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
        p = right[r] * inverse[r]
        for a in range(column[r], column[r + 1]):
            p += share[a] * pressure[order[row[a]]]
        pressure[order[r]] = p
        seen[order[r]] = solve


@kernel
def balance_rest(graph: Graph, state: State, region: Region, cell: int) -> None:
    """Let the ends of fixed pressure of a cell without agent carry what it gets from elsewhere.

    Their own drop of pressure is lost in the round-off of the pressures.
    """
    first, around, neighbour = graph.first, graph.around, graph.neighbour
    flow, fixed, rest = state.flow, graph.terminal_fixed, region.rest_conductance
    n = len(state.pressure)
    net = 0.0
    ends = 0
    for e in range(first[cell], first[cell + 1]):
        f = around[e]
        if neighbour[f] >= n and fixed[neighbour[f] - n] == 1:
            ends += rest[f] > 0.0
        else:
            net += flow[f] if neighbour[f] == cell else -flow[f]
    for e in range(first[cell], first[cell + 1]):
        f = around[e]
        if neighbour[f] >= n and fixed[neighbour[f] - n] == 1 and rest[f] > 0.0:
            flow[f] = net / ends


@kernel
def reveal_flows(graph: Graph, state: State, plan: Elimination, region: Region, cell: int) -> None:
    """Make sure of the flows around `cell` and of the pressures at their far ends."""
    if region.ring[cell] >= 1:
        return
    rank, inside, n = plan.rank, region.inside, len(state.pressure)
    reveal(state, plan, region, cell)
    for e in range(graph.first[cell], graph.first[cell + 1]):
        f = graph.around[e]
        i = graph.owner[f]
        j = graph.neighbour[f]
        far = i + j - cell
        if inside[rank[cell]] == 1 and (far >= n or inside[rank[far]] == 1):
            continue
        if far < n:
            reveal(state, plan, region, far)
        end = state.pressure[j] if j < n else graph.terminal_pressure[j - n]
        state.flow[f] = region.rest_conductance[f] * (state.pressure[i] - end)
    balance_rest(graph, state, region, cell)


@kernel
def reveal_all(graph: Graph, state: State, plan: Elimination, region: Region) -> None:
    """Pressures and flows everywhere, of the last solve."""
    column, row, order, rank = plan.column, plan.row, plan.order, plan.rank
    share, inverse, right = region.rest_share, region.rest_inverse, region.rest_right
    inside, rest = region.inside, region.rest_conductance
    pressure, flow = state.pressure, state.flow
    owner, neighbour, terminal_pressure = graph.owner, graph.neighbour, graph.terminal_pressure
    n = len(pressure)
    for r in range(n - 1, -1, -1):
        if inside[r] == 1:
            continue
        p = right[r] * inverse[r]
        for a in range(column[r], column[r + 1]):
            p += share[a] * pressure[order[row[a]]]
        pressure[order[r]] = p
    for f in range(len(owner)):
        i = owner[f]
        j = neighbour[f]
        if inside[rank[i]] == 1 and (j >= n or inside[rank[j]] == 1):
            continue
        end = pressure[j] if j < n else terminal_pressure[j - n]
        flow[f] = rest[f] * (pressure[i] - end)
    for f in range(len(owner) - len(terminal_pressure), len(owner)):
        if region.ring[owner[f]] < 1:
            balance_rest(graph, state, region, owner[f])


def new_region(m: int, plan: Elimination) -> Region:
    """Room for a region that may come to hold all cells and all of `m` faces."""
    n, entries, products = len(plan.order), len(plan.row), len(plan.target)

    def floats(size: int) -> FloatArray:
        return np.empty(size)

    def indices(size: int) -> IndexArray:
        return np.empty(size, dtype=np.int32)

    length = np.diff(plan.column).astype(np.int64)
    product = np.concatenate([[0], np.cumsum(length * (length - 1) // 2)])
    last = np.append(plan.row, 0)[plan.column[1:] - 1]
    last[length == 0] = n  # these come after all others
    ending = np.concatenate([[0], np.cumsum(np.bincount(last, minlength=n)[:n])])
    return Region(
        ring=np.full(n, -1, dtype=np.int32),
        inside=np.zeros(n, dtype=np.uint8),
        number=indices(n),
        cell=indices(n),
        column=indices(n + 1),
        row=indices(entries),
        target=indices(products),
        entry_number=indices(entries),
        faces=indices(m),
        face_owner=indices(m),
        face_neighbour=indices(m),
        face_entry=indices(m),
        entries=floats(entries),
        hold=floats(n),
        right=floats(n),
        rest_conductance=floats(m),
        rest_share=floats(entries),
        rest_hold=floats(n),
        rest_inverse=floats(n),
        rest_right=floats(n),
        product=product.astype(np.int32),
        ending=ending.astype(np.int32),
        ends=np.argsort(last, kind="stable").astype(np.int32),
        seen=np.full(n, -1, dtype=np.int64),
        queue=indices(n),
        size=np.array([0, 0, 0, 1, 0]),
    )
