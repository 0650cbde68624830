"""Invasion percolation where each gate has one face and no valve: ponds merged, then unfolded.

Agent that has entered a pond, cells joined by gates weaker than all those around it, fills the
pond before it leaves by the weakest of those. So the ponds' tree tells the whole order: it is what
Kruskal's algorithm builds when the gates, weakest first, join ponds two by two, and each merger
says where agent enters one pond when the other is full. The search for the weakest gate at each
step, a chain of cache misses, is gone: all passes here stream, or have misses that overlap.

Kruskal 1956, Proc. Am. Math. Soc. 7:48; gates inside one pond are dropped before they are sorted
(Osipov, Sanders and Singler 2009, ALENEX, "filter-Kruskal").
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from castsim.kernels.arrays import IntArray
from castsim.kernels.ranking import WordArray
from geometry.kernels.compiling import kernel, law

Int32Array = NDArray[np.int32]

BLOCK = 32
"""Gates whose ends are fetched together, so that their cache misses overlap."""


class Mergers(NamedTuple):
    """Ponds that became one, in the order of their gates; room for one row a node."""

    root: Int32Array  # (k, 2) roots of the two ponds; the first stays root
    mouth: Int32Array  # (k, 2) the gate's nodes in the first and in the second pond
    gate: Int32Array  # (k,) the gate that joins them
    child: Int32Array  # (k, 2) the ponds: node, or n_nodes + merger
    part: Int32Array  # (k,) nodes in the first pond
    whole: Int32Array  # (k,) nodes in both


@law
def find(parent: Int32Array, node: int) -> int:
    """Root of the node's pond; halves the path on its way."""
    above = parent[node]
    while above != node:
        parent[node] = parent[above]
        node = parent[node]
        above = parent[node]
    return node


@kernel
def one_each(
    owner: IntArray,
    neighbour: IntArray,
    valve: IntArray,
    gate: IntArray,
    terminal_cell: IntArray,
    terminal_gate: IntArray,
    outside: int,
    ends: Int32Array,
) -> bool:
    """Nodes that each gate joins; False when a gate has two faces or there are valves.

    Parameters
    ----------
    outside : node that stands for all that lies beyond the terminals, -1: agent may not leave
    ends : (g, 2) zeros, receives the nodes; a gate without face joins cell 0 to itself
    """
    for f in range(len(owner)):
        g = gate[f]
        if g < 0:
            continue
        if valve[f] != 0 or ends[g, 0] != ends[g, 1]:
            return False
        ends[g, 0] = owner[f]
        ends[g, 1] = neighbour[f]
    if outside >= 0:
        for t in range(len(terminal_cell)):
            g = terminal_gate[t]
            if ends[g, 0] != ends[g, 1]:
                return False
            ends[g, 0] = terminal_cell[t]
            ends[g, 1] = outside
    return True


@kernel
def merge(
    words: WordArray,
    id_bits: int,
    ends: Int32Array,
    parent: Int32Array,
    mergers: Mergers,
    count: int,
) -> int:
    """Join ponds by the gates of sorted words; returns the number of mergers so far."""
    index = (np.uint64(1) << np.uint64(id_bits)) - np.uint64(1)
    root, mouth, gate = mergers.root, mergers.mouth, mergers.gate
    near, far = np.empty(BLOCK, dtype=np.int32), np.empty(BLOCK, dtype=np.int32)
    for begin in range(0, len(words), BLOCK):
        block = min(BLOCK, len(words) - begin)
        for k in range(block):
            g = np.int64(words[begin + k] & index)
            near[k] = ends[g, 0]
            far[k] = ends[g, 1]
        for k in range(block):
            parent[near[k]] = parent[parent[near[k]]]
            parent[far[k]] = parent[parent[far[k]]]
        for k in range(block):
            first, second = find(parent, near[k]), find(parent, far[k])
            if first == second:
                continue
            turn = first > second
            top, other = min(first, second), max(first, second)
            root[count, 0] = top
            root[count, 1] = other
            mouth[count, 0] = far[k] if turn else near[k]
            mouth[count, 1] = near[k] if turn else far[k]
            gate[count] = np.int32(words[begin + k] & index)
            parent[other] = top
            count += 1
    return count


@kernel
def drop_inner(words: WordArray, id_bits: int, ends: Int32Array, parent: Int32Array) -> int:
    """Keep, in their order, the words of gates between different ponds; returns how many."""
    index = (np.uint64(1) << np.uint64(id_bits)) - np.uint64(1)
    for node in range(len(parent)):
        parent[node] = find(parent, node)
    kept = 0
    for k in range(len(words)):
        word = words[k]
        g = np.int64(word & index)
        words[kept] = word
        kept += int(parent[ends[g, 0]] != parent[ends[g, 1]])
    return kept


@kernel
def measure(mergers: Mergers, count: int, pond: Int32Array) -> None:
    """Fill in `child`, `part` and `whole` of the first `count` mergers; `pond` is scratch (n,)."""
    root, child, part, whole = mergers.root, mergers.child, mergers.part, mergers.whole
    n = len(pond)
    for node in range(n):
        pond[node] = node
    for k in range(count):
        first, second = pond[root[k, 0]], pond[root[k, 1]]
        child[k, 0] = first
        child[k, 1] = second
        part[k] = 1 if first < n else whole[first - n]
        whole[k] = part[k] + (1 if second < n else whole[second - n])
        pond[root[k, 0]] = n + k


@kernel
def unfold(
    mergers: Mergers,
    count: int,
    tip: int,
    place: Int32Array,
    entry: Int32Array,
    start: Int32Array,
    order: IntArray,
    gate: IntArray,
) -> int:
    """The order in which agent from node `tip` fills the tip's tree; returns its nodes.

    Parameters
    ----------
    place : (n + count,) zeros; receives places of nodes so that each pond is one run of them
    entry, start : (count,) scratch: place of the node by which agent enters a pond, and when
    order : (n,) receives the nodes as they fill
    gate : (n,) receives the gate by which each was entered, -1 for the tip
    """
    n = len(order)
    child, part, whole = mergers.child, mergers.part, mergers.whole
    mouth, through = mergers.mouth, mergers.gate
    start[:] = -1
    last = -1
    free = 0
    for k in range(count - 1, -1, -1):
        if place[n + k] == 0:
            # the top of a tree: the next run of places, counted from 1, is its own
            place[n + k] = free + 1
            free += whole[k]
        place[child[k, 0]] = place[n + k]
        place[child[k, 1]] = place[n + k] + part[k]
    order[0] = tip
    gate[0] = -1
    for k in range(count - 1, -1, -1):
        low = place[n + k]
        if last < 0 and low <= place[tip] < low + whole[k]:
            last = k
            start[k] = 0
            entry[k] = place[tip]
        at = start[k]
        if at < 0:
            continue
        # the pond that agent is in fills first, then the other through the gate
        other = 1 if entry[k] < low + part[k] else 0
        here, there = child[k, 1 - other], child[k, other]
        after = at + (part[k] if other == 1 else whole[k] - part[k])
        node = mouth[k, other]
        order[after] = node
        gate[after] = through[k]
        if here >= n:
            start[here - n] = at
            entry[here - n] = entry[k]
        if there >= n:
            start[there - n] = after
            entry[there - n] = place[node]
    return 1 if last < 0 else int(whole[last])
