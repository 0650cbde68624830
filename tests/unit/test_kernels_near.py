"""Pressures near agent: ports, diodes that switch, and agent that is turned aside."""

from dataclasses import dataclass

import numpy as np
import pytest

from castsim.agents import load_agent
from castsim.assembly import empty_state, kernel_agent
from castsim.kernels.arrays import Graph, Source, State
from castsim.kernels.connectivity import find_drains
from castsim.kernels.multigrid import times
from castsim.kernels.near import TURNED, load, load_links, pass_on, switch
from castsim.kernels.pressure import FILLED, Work, scratch
from castsim.near_field import NearField, Sections
from geometry.flowmesh import FloatArray, IntArray
from tests.cubes import vein_of_cubes

OPEN, HELD = 0, 1
"""Gates of the faces below."""


@dataclass
class Near:
    """A vein of cubes of which the first part is awake; nothing but blood in it."""

    graph: Graph
    sections: Sections
    tip: int
    state: State
    work: Work
    field: NearField

    @classmethod
    def of(cls, length: float) -> "Near":
        graph, sections, tip = vein_of_cubes(length)
        state, work = empty_state(graph), scratch(graph)
        find_drains(graph, state, work.stack)
        work.conductance[:] = graph.blood_conductance
        field = NearField(graph, sections, tip, 1.0, 0.03)
        field.begin(state, work)
        return cls(graph, sections, tip, state, work, field)

    def faces_within(self) -> IntArray:
        """Faces between awake cells, by their place in the list of the region."""
        return np.flatnonzero(self.field.region.neighbour >= 0)


def test_ports_hold_what_sleeps_behind_them() -> None:
    """The conductance to the ends that a dense elimination of all that sleeps leaves."""
    near = Near.of(60.0)
    graph, sections, field = near.graph, near.sections, near.field
    region, levels, asleep = field.region, field.plan, ~field._awake
    ports = sections.of[region.port]
    assert 1 <= len(ports) < asleep.sum()
    n, (one, two) = sections.count, field._ways
    matrix = np.zeros((n, n))
    for i, j, g in zip(one, two, field._conductance, strict=True):
        if asleep[i] and asleep[j]:
            matrix[[i, j], [i, j]] += g
            matrix[[i, j], [j, i]] -= g
    m = len(graph.owner) - len(graph.terminal_pressure)
    for face in range(m, len(graph.owner)):
        section = sections.of[graph.owner[face]]
        if asleep[section]:
            matrix[section, section] += graph.blood_conductance[face]
    inner = np.setdiff1d(np.flatnonzero(asleep), ports)
    rest = matrix[np.ix_(inner, inner)]
    rest = rest + np.diag((np.abs(rest).sum(axis=1) == 0.0) * 1.0)  # sections without cells
    to = matrix[np.ix_(ports, inner)]
    behind = matrix[np.ix_(ports, ports)] - to @ np.linalg.solve(rest, to.T)
    levels.hold[:] = 0.0
    load_links(near.state, levels, region)
    first = len(region.pressure) - len(ports)
    # what a port holds is its row's sum: what it gives to other ports comes back
    np.testing.assert_allclose(levels.hold[first:], behind.sum(axis=1), rtol=1e-9)
    assert levels.hold[first:].max() > 0.0
    # blood without a way out holds nothing
    near.state.drains[region.port] = 0
    levels.hold[:] = 0.0
    load_links(near.state, levels, region)
    assert (levels.hold == 0.0).all()


def fronts(near: Near, rng: np.random.Generator) -> FloatArray:
    """Fill half of the awake cells, put diodes on their fronts, and take any pressures."""
    state, work, region = near.state, near.work, near.field.region
    awake = region.cell[: region.size[2]]
    state.full[awake[rng.random(len(awake)) < 0.5]] = 1
    within = region.faces[near.faces_within()]
    one, two = near.graph.owner[within], near.graph.neighbour[within]
    front = state.full[one] != state.full[two]
    work.role[within[front]] = 1
    work.direction[within] = np.where(state.full[one] == 1, 1, -1)
    state.diode[within[front]] = rng.random(front.sum()) < 0.5
    region.pressure[:] = rng.random(len(region.pressure))
    region.unit[:] = rng.random(len(region.pressure))
    return near.work.conductance


def test_diodes_that_switch_leave_what_a_new_start_finds() -> None:
    """What is left over, and what joins the cast to all else, are kept up to date."""
    near = Near.of(12.0)
    fronts(near, np.random.default_rng(3))
    graph, state, work = near.graph, near.state, near.work
    plan, region = near.field.plan, near.field.region
    tip = int(region.place[near.tip])
    source = Source(near.tip, 0.0, 1e3, np.nan, 1e6)
    load(graph, state, work, plan, region, source, tip, True)
    assert switch(graph, state, work, plan, region, 0.0) > 10
    image = np.zeros(len(plan.body))
    held = times(plan, 0, plan.body, image, plan.body)[0]
    assert plan.body_hold[0] == pytest.approx(held)
    size = len(region.pressure)
    np.testing.assert_allclose(plan.body_image[:size], image[:size], atol=1e-9 * held)
    left = region.left.copy()
    load(graph, state, work, plan, region, source, tip, True)
    np.testing.assert_allclose(left, region.left, atol=1e-9 * np.abs(left).max())
    assert switch(graph, state, work, plan, region, 0.0) == 0


def test_what_a_front_turns_aside_adds_up_until_it_takes_a_solve() -> None:
    """A third of what would flow on meets a gate that holds."""
    near = Near.of(12.0)
    graph, state, work, region = near.graph, near.state, near.work, near.field.region
    agent = kernel_agent(load_agent("Onyx 18"))
    inner = graph.neighbour < len(graph.volume)
    cells = [
        cell
        for cell in region.cell[: region.size[2]].tolist()
        if region.deep[graph.section[cell]]
        and inner[graph.around[graph.first[cell] : graph.first[cell + 1]]].sum() >= 4
    ]
    gate = np.full(len(graph.gate), -1)
    given = []
    for cell in cells[0], cells[-1]:
        around = graph.around[graph.first[cell] : graph.first[cell + 1]]
        on, shut = around[inner[around]][:2]
        gate[on], gate[shut] = OPEN, HELD
        for face, rate in ((on, 2.0), (shut, 1.0)):
            state.flow[face] = rate if graph.owner[face] == cell else -rate
        given.append((cell, int(graph.owner[on] + graph.neighbour[on] - cell)))
    assert not {given[0][1], given[0][0]} & {given[1][0], given[1][1]}
    graph = graph._replace(gate=gate)
    state.broken[OPEN], state.broken[HELD], state.skin[HELD] = 1, 0, 1.0
    share, limit = 0.25, region.turned[2]
    assert share / 3.0 < limit < 2.0 * share / 3.0
    for number, (cell, beyond) in enumerate(given):
        state.full[cell] = 1
        work.size[FILLED] = 1
        work.rate[cell] = work.thread[graph.stream[cell]] = share
        count, again = pass_on(graph, agent, state, work, near.field.plan, region, cell, 100.0, 0)
        assert region.turned[TURNED] == pytest.approx((number + 1) * share / 3.0)
        assert again == (number == 1)
        if not again:
            assert (count, work.receivers[0], work.rate[beyond]) == (1, beyond, share)
            work.receives[beyond], work.rate[beyond] = 0, 0.0
