"""Blood in a network: conductances, held cells, flows, and the tracer of where it goes."""

import numpy as np
from numpy.typing import NDArray

from geometry.kernels.compiling import kernel

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@kernel
def face_resistances(
    owner: IntArray, neighbour: IntArray, half: FloatArray, viscosity: FloatArray
) -> FloatArray:
    """mu_o h_o + mu_n h_n of every face, (m,)."""
    resistance = np.empty(len(owner))
    for f in range(len(owner)):
        resistance[f] = viscosity[owner[f]] * half[f, 0] + viscosity[neighbour[f]] * half[f, 1]
    return resistance


@kernel
def hold_fixed(
    owner: IntArray,
    neighbour: IntArray,
    conductance: FloatArray,
    fixed: BoolArray,
    pressure: FloatArray,
    ground: FloatArray,
    source: FloatArray,
) -> FloatArray:
    """Turn faces to cells of fixed pressure (n,) into holds of the cells beside them.

    Adds to `ground` and `source` (n,) in place; returns the conductances that are left between
    free cells (m,). A fixed cell is left alone with what ground and source it has.
    """
    inner = conductance.copy()
    for f in range(len(owner)):
        i = owner[f]
        j = neighbour[f]
        if fixed[i] or fixed[j]:
            inner[f] = 0.0
            if not fixed[i]:
                ground[i] += conductance[f]
                source[i] += conductance[f] * pressure[j]
            elif not fixed[j]:
                ground[j] += conductance[f]
                source[j] += conductance[f] * pressure[i]
    return inner


@kernel
def face_flows(
    owner: IntArray, neighbour: IntArray, conductance: FloatArray, pressure: FloatArray
) -> FloatArray:
    """Flow from owner to neighbour of each face, (m,)."""
    flow = np.empty(len(owner))
    for f in range(len(owner)):
        flow[f] = conductance[f] * (pressure[owner[f]] - pressure[neighbour[f]])
    return flow


@kernel
def gathered(
    n: int, owner: IntArray, neighbour: IntArray, flow: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """What faces bring into each cell, and what they take out of it, both >= 0, (n,)."""
    into = np.zeros(n)
    out_of = np.zeros(n)
    for f in range(len(owner)):
        size = abs(flow[f])
        if flow[f] >= 0.0:
            out_of[owner[f]] += size
            into[neighbour[f]] += size
        else:
            out_of[neighbour[f]] += size
            into[owner[f]] += size
    return into, out_of


@kernel
def share_downstream(
    owner: IntArray,
    neighbour: IntArray,
    flow: FloatArray,
    leaving: FloatArray,
    inside: BoolArray,
) -> FloatArray:
    """Share of the blood leaving each cell that comes through the cells `inside`, (n,).

    out_i phi_i = sum over outgoing faces q_ij phi_j, phi = 1 inside. `leaving` (n,) is out_i with
    what leaves by terminals. Blood runs down the pressure, so there is no way round a loop:
    a cell is settled when all cells are that its blood runs to.
    """
    n, m = len(leaving), len(owner)
    first = np.zeros(n + 1, dtype=np.int64)  # faces by the cell that they bring blood to
    open_ways = np.zeros(n, dtype=np.int64)  # outgoing faces to cells that are not settled
    for f in range(m):
        if flow[f] != 0.0:
            up, down = (owner[f], neighbour[f]) if flow[f] > 0.0 else (neighbour[f], owner[f])
            first[down + 1] += 1
            open_ways[up] += 1
    for i in range(n):
        first[i + 1] += first[i]
    faces = np.empty(first[n], dtype=np.int64)
    fill = first[:n].copy()
    for f in range(m):
        if flow[f] != 0.0:
            down = neighbour[f] if flow[f] > 0.0 else owner[f]
            faces[fill[down]] = f
            fill[down] += 1
    phi = np.zeros(n)
    settled = np.empty(n, dtype=np.int64)
    count = 0
    for i in range(n):
        if open_ways[i] == 0:
            settled[count] = i
            count += 1
    k = 0
    while k < count:
        i = settled[k]
        k += 1
        if inside[i]:
            phi[i] = 1.0
        for e in range(first[i], first[i + 1]):
            f = faces[e]
            up = owner[f] if flow[f] > 0.0 else neighbour[f]
            if phi[i] != 0.0:
                phi[up] += abs(flow[f]) / leaving[up] * phi[i]
            open_ways[up] -= 1
            if open_ways[up] == 0:
                settled[count] = up
                count += 1
    return phi
