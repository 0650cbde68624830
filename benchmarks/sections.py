"""The cubes of every section as one cell: the centreline mesh with what cubes hold and conduct.

Between lines and cubes two things differ. Cubes hold and conduct a little more or less than veins,
and touch where lines do not; and within a section agent can lie beside blood. A mesh whose cells
are those of the centreline mesh, with the volumes of their cubes and the conductances between them,
has the first without the second.

What conducts between two sections is found from flows through the cubes: blood let in at the tip
and over sections drawn at random, and for each pair of sections that touch the conductance that
gives the sum of the flows between them best from the difference of their mean pressures. Where
blood is let in the mean pressure is not that of a flow passing through: such pairs are left out.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from castsim.multigrid import Multigrid
from geometry.flowmesh import BoolArray, FloatArray, FlowMesh, IntArray
from geometry.voxel_mesh import VoxelMesh

FLOWS = 24
"""Places at which blood is let in."""
EXACTNESS = 1e-9
STIFF = 100.0
"""Ends of fixed pressure hold by this much more than any face conducts."""
GROUND = 1e-14
"""The same of every cell, so that nothing floats."""
LEAST = 1e-3
"""Of what the faces between two sections conduct together: a guard, where flows tell no sign."""
BARE = 1e-3
"""Of its volume, what a section without cubes holds."""


def as_sections(
    mesh: VoxelMesh, lines: FlowMesh, viscosity: float, *, seed: int = 0
) -> tuple[FlowMesh, IntArray]:
    """Sum the cubes of `mesh` up to the cells of the centreline mesh `lines`.

    `viscosity` of blood, Pa s: what the veins resist beside their ends.

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
    ways = _Ways(face, which, sign, np.stack([pair // n, pair % n]))
    conductance = _conductances(mesh, ways, n, viscosity, seed)
    gate = mesh.flow.face_gate[face[_strongest(mesh.flow, face, which)]]
    made = _with_faces(lines, of, mesh.flow.cell_volume, kept, pair, conductance, gate)
    made.validate(must_drain=True)
    return made, kept


class _Ways(NamedTuple):
    """Faces between two sections of which one at least has cubes, and pairs of such sections."""

    face: IntArray  # (k,) of the voxel mesh
    which: IntArray  # (k,) pair
    sign: FloatArray  # (k,) 1 if it leads from the pair's first to its second, else -1
    ends: IntArray  # (2, pairs) sections


def _faces_between_lines(lines: FlowMesh, cells: IntArray) -> IntArray:
    stays = np.zeros(lines.n_cells, dtype=bool)
    stays[cells] = True
    return np.flatnonzero(stays[lines.face_owner] & stays[lines.face_neighbour])


def _flows(
    mesh: VoxelMesh, viscosity: float, seed: int
) -> Iterator[tuple[int, FloatArray, FloatArray]]:
    """Section into which blood comes, pressures of all cells and flows of all faces."""
    flow, of = mesh.flow, mesh.line_cell
    conductance = 1.0 / (viscosity * flow.half_resistance.sum(axis=1))
    largest, n = conductance.max(), flow.n_cells
    hold = 1.0 / np.maximum(flow.terminal_resistance, 1.0 / (STIFF * largest))
    ground = np.bincount(flow.terminal_cell, hold, n) + GROUND * largest
    grids = Multigrid(n, flow.face_owner, flow.face_neighbour, conductance, ground)
    sections = of[np.random.default_rng(seed).integers(mesh.n_lines, n, FLOWS)]
    if mesh.tip_cell >= 0:
        sections[0] = of[mesh.tip_cell]
    for section in sections.tolist():
        source = np.where(of == section, flow.cell_volume, 0.0)
        pressure = grids.solve(source / source.sum(), tolerance=EXACTNESS)[0]
        through = pressure[flow.face_owner] - pressure[flow.face_neighbour]
        yield section, pressure, conductance * through


def _conductances(mesh: VoxelMesh, ways: _Ways, n: int, viscosity: float, seed: int) -> FloatArray:
    """Conductance (pairs,) mm3 between sections, of `n`, for a viscosity of 1 Pa s."""
    of, volume, count = mesh.line_cell, mesh.flow.cell_volume, ways.ends.shape[1]
    room = np.maximum(np.bincount(of, volume, n), np.finfo(float).tiny)
    product, square = np.zeros(count), np.zeros(count)
    for section, pressure, flow in _flows(mesh, viscosity, seed):
        mean = np.bincount(of, pressure * volume, n) / room
        through = viscosity * np.bincount(ways.which, ways.sign * flow[ways.face], count)
        fall = mean[ways.ends[0]] - mean[ways.ends[1]]
        passes = (ways.ends != section).all(axis=0)
        scale = np.abs(through[passes]).max() ** 2
        product[passes] += (through * fall)[passes] / scale
        square[passes] += fall[passes] ** 2 / scale
    half = mesh.flow.half_resistance[ways.face]
    together = np.bincount(ways.which, 1.0 / half.sum(axis=1), count)
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
