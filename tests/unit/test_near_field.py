"""Between steps: by which conductances the cells near agent are grouped."""

import numpy as np
import pytest

from castsim.agents import load_agent
from castsim.assembly import build_graph, empty_state
from castsim.kernels.arrays import Graph
from castsim.kernels.connectivity import find_drains
from castsim.kernels.pressure import TORN, scratch
from castsim.multigrid import Multigrid, Pattern
from castsim.near_field import NearField, Sections
from castsim.voxels import sections_of
from geometry.centerline_mesh import centreline_mesh
from geometry.flowmesh import FloatArray
from geometry.levels import Level, Side
from geometry.lumen import capsules_of
from geometry.network import NetworkBuilder, TerminalKind
from geometry.structures import Structure
from geometry.voxel_mesh import voxel_mesh

BLOOD = 0.004
GEL = 1e-3
"""Of what blood conducts: what all links conducted in the last solve."""


class Followed:
    """A vein of cubes near agent, and the bonds by which its cells were grouped at last."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bonds: list[FloatArray] = []
        made = Multigrid.of

        def watched(pattern: Pattern, bond: FloatArray, hold: FloatArray) -> Multigrid:
            self.bonds.append(bond.copy())
            return made(pattern, bond, hold)

        monkeypatch.setattr(Multigrid, "of", watched)
        self.graph, sections, tip = vein()
        self.state, self.work = empty_state(self.graph), scratch(self.graph)
        find_drains(self.graph, self.state, self.work.stack)
        self.near = NearField(self.graph, sections, tip, 1.0, 0.03)
        self.near.begin(self.state, self.work)
        self.rest = self.graph.blood_conductance[self.near._inner]

    def follow(self) -> FloatArray:
        """Bonds of the faces between awake cells, after a step."""
        self.near.follow(self.state, self.work)
        return self.bonds[-1][: len(self.rest)]


def vein() -> tuple[Graph, Sections, int]:
    builder = NetworkBuilder()
    ends = builder.node([0.0, 0.0, 0.0]), builder.node([12.0, 0.0, 0.0])
    builder.branch(*ends, Structure.AZYGOS, Level.T9, Side.RIGHT, radius=[0.8, 0.8])
    for end in ends:
        builder.terminal(end, TerminalKind.OUTLET, f"end {end}")
    network = builder.build()
    lines = centreline_mesh(network)
    mesh = voxel_mesh(network, lines, capsules_of(network), 0.4, [Level.T9], least_cubes=1.5)
    count, cells = lines.flow.n_cells, np.arange(mesh.flow.n_cells)
    sections = sections_of(mesh, cells, lines, np.full(count, BLOOD), np.zeros(count))
    graph = build_graph(
        mesh.flow, load_agent("Onyx 18"), blood_viscosity=BLOOD, blood_density=1.06e-3,
        gravity=np.zeros(3), section=sections.of, stream=sections.stream,
    )  # fmt: skip
    return graph, sections, int(mesh.n_lines)


def test_at_first_cells_are_grouped_by_what_blood_conducts(monkeypatch: pytest.MonkeyPatch) -> None:
    followed = Followed(monkeypatch)
    assert len(followed.rest) > 100
    np.testing.assert_array_equal(followed.bonds[0][: len(followed.rest)], followed.rest)


def test_after_a_step_by_what_the_last_solve_had(monkeypatch: pytest.MonkeyPatch) -> None:
    followed = Followed(monkeypatch)
    followed.work.conductance[:] = GEL * followed.graph.blood_conductance
    np.testing.assert_allclose(followed.follow(), GEL * followed.rest)


def test_after_a_tear_by_blood_that_came_back(monkeypatch: pytest.MonkeyPatch) -> None:
    followed = Followed(monkeypatch)
    graph, work = followed.graph, followed.work
    inner = followed.near._inner
    work.conductance[:] = GEL * graph.blood_conductance
    torn, closed = int(graph.owner[inner[0]]), int(inner[-1])
    work.conductance[closed] = 0.0  # the last solve let nothing through
    work.torn[0], work.size[TORN] = torn, 1
    beside = (graph.owner[inner] == torn) | (graph.neighbour[inner] == torn) | (inner == closed)
    found = followed.follow()
    assert 2 <= beside.sum() < 10
    np.testing.assert_allclose(found[beside], followed.rest[beside])
    np.testing.assert_allclose(found[~beside], GEL * followed.rest[~beside])


def test_agent_and_blood_are_not_grouped(monkeypatch: pytest.MonkeyPatch) -> None:
    followed = Followed(monkeypatch)
    graph, inner = followed.graph, followed.near._inner
    cell = int(graph.owner[inner[0]])
    followed.work.conductance[:] = graph.blood_conductance
    followed.state.full[cell] = 1
    front = (graph.owner[inner] == cell) | (graph.neighbour[inner] == cell)
    found = followed.follow()
    assert front.any()
    assert (found[front] == 0.0).all()
    np.testing.assert_allclose(found[~front], followed.rest[~front])
