"""The cubes of every section as one cell: the centreline mesh with what cubes hold and conduct.

Between lines and cubes two things differ. Cubes hold and conduct a little more or less than veins,
and touch where lines do not; and within a section agent can lie beside blood. A mesh whose cells
are those of the centreline mesh, with the volumes of their cubes and the conductances between them,
has the first without the second.

What conducts between two sections is found from flows through the cubes: blood let in at the tip
and at places drawn at random, and for each pair of sections that touch the conductance that gives
the sum of the flows between them best from the difference of their mean pressures.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from castsim.multigrid import Multigrid
from geometry.flowmesh import BoolArray, FloatArray, FlowMesh, IntArray
from geometry.voxel_mesh import VoxelMesh

FLOWS = 12
"""Places at which blood is let in: twice as many change no conductance of note by more than 1 %."""
EXACTNESS = 1e-9
STIFF = 100.0
"""Ends of fixed pressure hold by this much more than any face conducts."""
GROUND = 1e-14
"""The same of every cell, so that nothing floats."""
LEAST = 1e-3
"""Of what the faces between two sections conduct together: where flows tell no sign."""
BARE = 1e-3
"""Of its volume, what a section without cubes holds."""


def as_sections(mesh: VoxelMesh, lines: FlowMesh, *, seed: int = 0) -> tuple[FlowMesh, IntArray]:
    """Sum the cubes of `mesh` up to the cells of the centreline mesh `lines`.

    Returns
    -------
    mesh : cells of `lines`, in their order
    kept : its first faces are these of `lines`, all between cells that are lines
    """
    of, n = mesh.line_cell, lines.n_cells
    cubes = np.arange(len(of)) >= mesh.n_lines
    ends = of[np.stack([mesh.flow.face_owner, mesh.flow.face_neighbour])]
    between_lines = ~cubes[mesh.flow.face_owner] & ~cubes[mesh.flow.face_neighbour]
    kept = _faces_between_lines(lines, of[: mesh.n_lines])
    own = np.flatnonzero(between_lines)
    assert np.array_equal(ends[:, own], np.stack([lines.face_owner, lines.face_neighbour])[:, kept])
    face = np.flatnonzero(~between_lines & (ends[0] != ends[1]))
    low, high = np.sort(ends[:, face], axis=0)
    pair, which = np.unique(low * n + high, return_inverse=True)
    sign = np.where(ends[0, face] == low, 1.0, -1.0)
    conductance = _conductances(mesh, face, which, sign, len(pair), pair // n, pair % n, n, seed)
    gate = mesh.flow.face_gate[face[_strongest(mesh.flow, face, which)]]
    return _with_faces(lines, of, mesh.flow.cell_volume, kept, pair, conductance, gate), kept


def _faces_between_lines(lines: FlowMesh, cells: IntArray) -> IntArray:
    stays = np.zeros(lines.n_cells, dtype=bool)
    stays[cells] = True
    return np.flatnonzero(stays[lines.face_owner] & stays[lines.face_neighbour])


def _flows(mesh: VoxelMesh, seed: int) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Pressures of all cells and flows of all faces, for a viscosity of 1, place by place."""
    flow = mesh.flow
    conductance = 1.0 / flow.half_resistance.sum(axis=1)
    largest, n = conductance.max(), flow.n_cells
    hold = 1.0 / np.maximum(flow.terminal_resistance, 1.0 / (STIFF * largest))
    ground = np.bincount(flow.terminal_cell, hold, n) + GROUND * largest
    grids = Multigrid(n, flow.face_owner, flow.face_neighbour, conductance, ground)
    places = np.random.default_rng(seed).integers(mesh.n_lines, n, FLOWS)
    if mesh.tip_cell >= 0:
        places[0] = mesh.tip_cell
    for place in places:
        pressure = grids.solve(np.bincount([place], minlength=n) * 1.0, tolerance=EXACTNESS)[0]
        yield pressure, conductance * (pressure[flow.face_owner] - pressure[flow.face_neighbour])


def _conductances(
    mesh: VoxelMesh,
    face: IntArray,
    which: IntArray,
    sign: FloatArray,
    count: int,
    one: IntArray,
    two: IntArray,
    n: int,
    seed: int,
) -> FloatArray:
    """Conductance (count,) of each pair of sections `one` and `two`, by least squares over flows.

    `which` (k,): pair of each `face`; `sign` (k,): whether it leads from `one` to `two`.
    """
    of, volume = mesh.line_cell, mesh.flow.cell_volume
    room = np.maximum(np.bincount(of, volume, n), np.finfo(float).tiny)
    product, square = np.zeros(count), np.zeros(count)
    for pressure, flow in _flows(mesh, seed):
        mean = np.bincount(of, pressure * volume, n) / room
        through = np.bincount(which, sign * flow[face], count)
        fall = mean[one] - mean[two]
        scale = np.abs(through).max() ** 2
        product += through * fall / scale
        square += fall**2 / scale
    together = np.bincount(which, 1.0 / mesh.flow.half_resistance[face].sum(axis=1), count)
    found = product / np.maximum(square, np.finfo(float).tiny)
    return np.clip(found, LEAST * together, together)


def _strongest(flow: FlowMesh, face: IntArray, which: IntArray) -> IntArray:
    """Place in `face` of the one of each pair that conducts most."""
    order = np.lexsort((-flow.half_resistance[face].sum(axis=1), which))
    return order[np.flatnonzero(np.diff(which[order], append=-1))]


def _with_faces(
    lines: FlowMesh,
    of: IntArray,
    volume: FloatArray,
    kept: IntArray,
    pair: IntArray,
    conductance: FloatArray,
    gate: IntArray,
) -> FlowMesh:
    """Give the centreline mesh the volumes and the faces of its cubes; `of` (c,) their sections."""
    n = lines.n_cells
    one, two = pair // n, pair % n
    ends = np.sort(np.stack([lines.face_owner, lines.face_neighbour]), axis=0)
    key = ends[0] * n + ends[1]
    order = np.argsort(key, kind="stable")
    place = np.minimum(np.searchsorted(key[order], pair), len(key) - 1)
    same = order[place]
    met = key[same] == pair
    halves = lines.half_resistance[same]
    halves = np.where((lines.face_owner[same] == one)[:, None], halves, halves[:, ::-1])
    share = np.where(met[:, None], halves / halves.sum(axis=1, keepdims=True), 0.5)
    apart = np.linalg.norm(lines.cell_centroid[one] - lines.cell_centroid[two], axis=1)
    middle = 0.5 * (lines.cell_centroid[one] + lines.cell_centroid[two])
    middle = np.where(met[:, None], lines.face_centroid[same], middle)
    has = np.bincount(of, minlength=n) > 0
    ways_in = _ways_in(lines, has)

    def faces(name: str, new: FloatArray | IntArray) -> FloatArray | IntArray:
        old = getattr(lines, name)
        return np.concatenate([old[kept], new, old[ways_in]])

    return replace(
        lines,
        cell_volume=np.where(has, np.bincount(of, volume, n), BARE * lines.cell_volume),
        face_owner=faces("face_owner", one),
        face_neighbour=faces("face_neighbour", two),
        half_resistance=faces("half_resistance", share / conductance[:, None]),
        face_centroid=faces("face_centroid", middle),
        face_length=faces("face_length", np.where(met, lines.face_length[same], apart)),
        face_valve=faces("face_valve", np.zeros(len(pair), dtype=np.int64)),
        face_gate=faces("face_gate", np.where(met, lines.face_gate[same], gate)),
    )


def _ways_in(lines: FlowMesh, has: BoolArray) -> IntArray:
    """One face for every cell without cubes, so that it hangs on a neighbour and leads nowhere."""
    bare = np.flatnonzero(~has)
    owner, neighbour = lines.face_owner, lines.face_neighbour
    found = []
    for cell in bare:
        face = np.flatnonzero((owner == cell) | (neighbour == cell))
        beside = owner[face] + neighbour[face] - cell
        found.append(face[np.argmax(np.where(has[beside], lines.cell_volume[beside], -1.0))])
    return np.unique(np.array(found, dtype=np.int64))
