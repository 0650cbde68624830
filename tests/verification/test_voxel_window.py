"""Resting flow of a window of the spine on cubes, beside that on the centreline mesh.

On the spine, unlike in a tube, lumens lie side by side and run into each other: what joins two
veins must join their cubes. Ends and valves are those of the centreline mesh at rest.
"""

import numpy as np
import pytest

import castsim
from castsim.cast import Cast
from castsim.multigrid import Multigrid
from castsim.scenario_file import load_scenario
from castsim.voxels import resting_on
from geometry.flowmesh import BoolArray, FloatArray, FlowMesh, IntArray
from geometry.structures import Structure
from geometry.voxel_mesh import VoxelMesh
from tests.verification.verdicts import Verdict

SUBJECT = "Voxels"
STIFF = 100.0
"""Ends of fixed pressure hold by this much more than any face conducts."""
SHUT = 1e-9
"""What a shut valve is left with, so that nothing floats."""
SOURCE = "centreline mesh, left-t7, cubes of 0.3 mm"
BOUNDS = {
    Structure.BASIVERTEBRAL: 0.02,
    Structure.PARASPINAL: 0.03,
    Structure.RETROCORPOREAL: 0.07,
    Structure.ACCESSORY_HEMIAZYGOS: 0.07,
    Structure.INTERSEGMENTAL: 0.08,
    Structure.FORAMINAL: 0.20,
    Structure.ANTERIOR_EXTERNAL: 0.27,
    Structure.ANTERIOR_EPIDURAL: 0.30,
}
"""Conductances are known to 11 % at two cubes a radius, to 4 % at three; the last three have lumens
that lie side by side, or in others, before their centrelines meet: what was found, and a little."""


@pytest.fixture(scope="module")
def cast() -> Cast:
    asked = ["injection.volume_mL=0.001", "mesh.kind=voxel", "mesh.spacing_mm=0.3"]
    return castsim.run(load_scenario("left-t7", asked))


def through(cast: Cast, mesh: FlowMesh, section: IntArray, opened: BoolArray) -> FloatArray:
    """Resting flow through every section, mm3/s."""
    rest, n = cast.rest, mesh.n_cells
    lines = rest.mesh
    one, two = mesh.face_owner, mesh.face_neighbour
    viscosity = rest.viscosity[section]
    resistance = (mesh.half_resistance * viscosity[np.stack([one, two], axis=1)]).sum(axis=1)
    conductance = np.where(opened, 1.0, SHUT) / resistance
    hold = 1 / np.maximum(lines.terminal_resistance, 1 / (STIFF * conductance.max()))
    ground = np.bincount(mesh.terminal_cell, hold, n)
    source = np.bincount(mesh.terminal_cell, hold * lines.terminal_pressure, n)
    pressure = Multigrid(n, one, two, conductance, ground).solve(source, tolerance=1e-12)[0]
    flow = conductance * (pressure[one] - pressure[two])
    count = lines.n_cells
    pair = np.sort([section[one], section[two]], axis=0)
    pairs, which = np.unique(pair[0] * count + pair[1], return_inverse=True)
    net = np.bincount(which, np.where(section[one] == pair[0], flow, -flow))
    ends = np.stack([pairs // count, pairs % count])
    inner = ends[0] != ends[1]
    leaving = np.maximum(net, 0.0), np.maximum(-net, 0.0)
    parts = (np.bincount(ends[k][inner], leaving[k][inner], count) for k in range(2))
    return np.sum(list(parts), axis=0)


@pytest.fixture(scope="module")
def flows(cast: Cast) -> tuple[FloatArray, FloatArray, IntArray]:
    """Flow, on lines and on cubes, and structure of every cell that became cubes.

    The median over its branch: where lumens lie side by side, blood is in one or the other.
    """
    assert cast.voxels is not None
    mesh: VoxelMesh = cast.voxels.mesh
    lines = cast.rest.mesh
    opened = resting_on(mesh, cast.mesh, cast.rest).valve_open
    exact = through(cast, lines, np.arange(lines.n_cells), cast.rest.valve_open)
    found = through(cast, mesh.flow, mesh.line_cell, opened)
    cubes = np.zeros(lines.n_cells, dtype=bool)
    cubes[mesh.line_cell[mesh.n_lines :]] = True
    own = np.flatnonzero(cubes)
    branches, which = np.unique(lines.cell_branch[own], return_inverse=True)
    cells = [own[which == number] for number in range(len(branches))]
    one, two = (np.array([np.median(flow[of]) for of in cells])[which] for flow in (exact, found))
    return one, two, lines.cell_structure[own]


def test_resting_flow_is_that_of_the_lines(
    flows: tuple[FloatArray, FloatArray, IntArray], verdict: Verdict
) -> None:
    """Sum of what differs over the sum of flows, of all veins of cubes, and by structure."""
    exact, found, structure = flows
    apart = np.abs(found - exact)
    what = "resting flow of a window: sum of differences over sum of flows"
    verdict(SUBJECT, what, apart.sum() / exact.sum(), 0.0, source=SOURCE, atol=0.02)
    for vein, bound in BOUNDS.items():
        own = structure == vein
        share = apart[own].sum() / exact[own].sum()
        what = f"resting flow of a window, {vein.name.lower().replace('_', ' ')}: the same"
        verdict(SUBJECT, what, share, 0.0, source=SOURCE, atol=bound)


def test_what_lines_join_cubes_join(cast: Cast) -> None:
    """From each end of a face of the centreline mesh blood gets to the other by some sections."""
    assert cast.voxels is not None
    mesh, lines = cast.voxels.mesh, cast.rest.mesh
    section = mesh.line_cell
    ends = np.stack([section[mesh.flow.face_owner], section[mesh.flow.face_neighbour]])
    beside: dict[int, set[int]] = {}
    for one, two in np.unique(ends, axis=1).T.tolist():
        beside.setdefault(one, set()).add(two)
        beside.setdefault(two, set()).add(one)
    present = set(section.tolist())
    for one, two in zip(lines.face_owner.tolist(), lines.face_neighbour.tolist(), strict=True):
        if one not in present or two not in present:
            continue
        near, reached = {one}, {one}
        for _ in range(4):
            near = {far for cell in near for far in beside[cell]} - reached
            reached |= near
        assert two in reached, (one, two)
