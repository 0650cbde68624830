"""Between steps: by which conductances the cells near agent are grouped."""

import numpy as np
import pytest

from castsim.assembly import empty_state
from castsim.kernels.connectivity import find_drains
from castsim.kernels.pressure import TORN, scratch
from castsim.multigrid import Multigrid, Pattern
from castsim.near_field import NearField
from geometry.flowmesh import FloatArray
from tests.cubes import vein_of_cubes

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
        self.graph, sections, tip = vein_of_cubes()
        self.state, self.work = empty_state(self.graph), scratch(self.graph)
        find_drains(self.graph, self.state, self.work.stack)
        self.near = NearField(self.graph, sections, tip, 1.0, 0.03)
        self.near.begin(self.state, self.work)
        self.rest = self.graph.blood_conductance[self.near._inner]

    def follow(self) -> FloatArray:
        """Bonds of the faces between awake cells, after a step."""
        self.near.follow(self.state, self.work)
        return self.bonds[-1][: len(self.rest)]


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
