"""Meshes for invasion percolation, and the slow, obvious ways to its order."""

import heapq

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from geometry.flowmesh import NO_GATE, FlowMesh


def grid(shape):
    """Indices of cells on a grid, and the pairs of neighbours, direction by direction."""
    index = np.arange(np.prod(shape)).reshape(shape)
    pairs = np.concatenate(
        [
            np.stack([np.delete(index, -1, k).ravel(), np.delete(index, 0, k).ravel()], 1)
            for k in range(len(shape))
        ]
    )
    return index, pairs


def joined(n, pairs, terminal_cell, **given):
    """Cells of 1 mm3 with a gate for each pair, and for each terminal."""
    pairs = np.asarray(pairs)
    return FlowMesh.from_arrays(
        cell_volume=np.ones(n),
        cell_radius=1.0,
        face_owner=pairs[:, 0],
        face_neighbour=pairs[:, 1],
        terminal_cell=terminal_cell,
        **given,
    )


def lattice(shape, rng, *, valves=0.0, per_gate=1, ends=None, missing=0.0, shut=0.0, stir=True):
    """A grid with its faces turned at random, and by choice valves, shared gates, gaps.

    Parameters
    ----------
    valves, missing, shut : share of the faces with a valve, left out, closed to agent
    per_gate : faces and terminals that share one gate, any of them, wherever they are
    ends : cells with a terminal, None: the last layer
    stir : whether gates are numbered at random
    """
    index, pairs = grid(shape)
    pairs = pairs[rng.random(len(pairs)) >= missing]
    turned = rng.random(len(pairs)) < 0.5
    pairs[turned] = pairs[turned, ::-1]
    m = len(pairs)
    ends = index[-1].ravel() if ends is None else np.asarray(ends)
    gates = -(-(m + len(ends)) // per_gate)
    gate = np.arange(m + len(ends)) // per_gate
    if stir:
        gate = rng.permutation(gate)
    face_gate = np.where(rng.random(m) < shut, NO_GATE, gate[:m])
    return joined(
        index.size,
        pairs,
        ends,
        face_valve=np.where(rng.random(m) < valves, rng.choice([-1, 1], m), 0),
        face_gate=face_gate,
        terminal_gate=gate[m:],
        gate_radius=np.ones(gates),
    )


def network(rng, junctions=40, cells=12):
    """Pairs of a connected random network of unbranched veins, `cells` cells each; n, pairs."""
    near = np.arange(1, junctions)
    far = np.array([rng.integers(0, k) for k in near])
    more = rng.choice(junctions, (junctions // 2, 2))
    more = more[more[:, 0] != more[:, 1]]
    start, stop = np.concatenate([near, more[:, 0]]), np.concatenate([far, more[:, 1]])
    inner = junctions + np.arange(len(start) * cells).reshape(-1, cells)
    chain = np.concatenate([start[:, None], inner, stop[:, None]], 1)
    pairs = np.stack([chain[:, :-1].ravel(), chain[:, 1:].ravel()], 1)
    return junctions + inner.size, pairs


def random_graph(rng, n=400, degree=5.0):
    """Pairs of a random graph, parts of which may hang loose, without doubles."""
    pairs = np.sort(rng.integers(0, n, (int(0.5 * degree * n), 2)), axis=1)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)


def plain_invasion(mesh, tip, threshold, trapping, leave):
    """The weakest crossing of all that agent may take, looked for anew each time.

    Ways of a broken gate go first, by their index; then by threshold, gate and index.
    """
    owner, neighbour, valve = mesh.face_owner, mesh.face_neighbour, mesh.face_valve
    full, broken = np.zeros(mesh.n_cells, dtype=bool), np.zeros(mesh.n_gates, dtype=bool)
    order, cell = [], tip

    def draining():
        seen = {int(c) for c in mesh.terminal_cell if not full[c]}
        todo = list(seen)
        while todo:
            c = todo.pop()
            for f in np.flatnonzero((owner == c) | (neighbour == c)):
                far = int(neighbour[f] if owner[f] == c else owner[f])
                way = 1 if owner[f] == far else -1
                if not full[far] and far not in seen and valve[f] in (0, way):
                    seen.add(far)
                    todo.append(far)
        return seen

    def key(gate, crossing):
        return (0, 0.0, 0, crossing) if broken[gate] else (1, threshold[gate], gate, crossing)

    while True:
        full[cell] = True
        order.append(int(cell))
        drains = draining() if trapping else set(range(mesh.n_cells))
        offers = []
        for f in np.flatnonzero((full[owner] != full[neighbour]) & (mesh.face_gate >= 0)):
            i, j = owner[f], neighbour[f]
            near, far = (i, j) if full[i] else (j, i)
            if int(far) in drains and valve[f] in (0, 1 if near == i else -1):
                offers.append((*key(mesh.face_gate[f], f), int(far), mesh.face_gate[f]))
        if leave:
            for t in np.flatnonzero(full[mesh.terminal_cell]):
                g = mesh.terminal_gate[t]
                offers.append((*key(g, mesh.n_faces + t), -1, g))
        if not offers:
            return order, -1
        *_, crossing, cell, gate = min(offers)
        if cell < 0:
            return order, crossing - mesh.n_faces
        broken[gate] = True


def heap_invasion(n, pairs, threshold, tip):
    """Order and pairs entered, by a heap of (threshold, pair) alone: no traps, nothing shared."""
    around = [[] for _ in range(n)]
    for f, (i, j) in enumerate(np.asarray(pairs).tolist()):
        around[i].append((threshold[f], f, j))
        around[j].append((threshold[f], f, i))
    full, heap, order, entered = {tip}, list(around[tip]), [tip], [-1]
    heapq.heapify(heap)
    while heap:
        _, f, cell = heapq.heappop(heap)
        if cell in full:
            continue
        full.add(cell)
        order.append(cell)
        entered.append(f)
        for offer in around[cell]:
            heapq.heappush(heap, offer)
    return order, entered


def trapped_by_components(n, pairs, order, outlets):
    """Cells of an order that were trapped when agent came: components of the blood each time."""
    pairs = np.asarray(pairs)
    blood = np.ones(n, dtype=bool)
    trapped = []
    for step, cell in enumerate(order):
        open_ = pairs[blood[pairs].all(axis=1)]
        graph = coo_array((np.ones(len(open_)), open_.T), shape=(n, n))
        label = connected_components(graph, directed=False)[1]
        ways_out = [c for c in outlets if blood[c]]
        if step > 0 and not np.isin(label[cell], label[ways_out]):
            trapped.append(cell)
        blood[cell] = False
    return trapped


def trapped_by_union(n, pairs, order, outlets):
    """The same backwards in time, by a plain union-find; cells not in `order` stay blood."""
    parent = list(range(n + 1))

    def root(c):
        while parent[c] != c:
            parent[c] = parent[parent[c]]
            c = parent[c]
        return c

    around = [[] for _ in range(n)]
    for i, j in np.asarray(pairs).tolist():
        around[i].append(j)
        around[j].append(i)
    for c in outlets:
        around[c].append(n)
    filled = set(order)
    blood = {n}
    trapped = []
    for cell in [c for c in range(n) if c not in filled] + list(order)[::-1]:
        blood.add(cell)
        for far in around[cell]:
            if far in blood:
                parent[root(far)] = root(cell)
        if cell in filled and cell != order[0] and root(cell) != root(n):
            trapped.append(cell)
    return trapped[::-1]
