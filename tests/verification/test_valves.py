"""Valves, and blood that has no way out: nothing passes the wrong way, nothing enters a trap."""

import numpy as np
import pytest

from geometry.flowmesh import FlowMesh

RATE = 0.5
SUBJECT = "Valves and traps"


@pytest.mark.parametrize(("valve", "passes"), [(1, True), (-1, False), (0, True)])
@pytest.mark.parametrize("turned", [False, True])
def test_valves_stop_agent(fluid, push, valve, passes, turned, verdict):
    """A valve on the way lets agent through in its own direction only."""
    owner, neighbour = [0, 1, 0, 3], [1, 2, 3, 4]
    valves = [0, valve, 0, 0]
    if turned:
        owner, neighbour, valves = neighbour, owner, [0, -valve, 0, 0]
    mesh = FlowMesh.from_arrays(
        cell_volume=np.ones(5),
        cell_radius=1.0,
        face_owner=owner,
        face_neighbour=neighbour,
        face_valve=valves,
        terminal_cell=[2, 4],
        terminal_resistance=1.0,
    )
    run = push(mesh, fluid(), 4.0, RATE)
    # against the valve the first cell's blood has no way out either
    verdict.same(
        SUBJECT,
        "cells reached: with a valve open that way, shut, or none",
        np.isfinite(run.state.first_volume).tolist(),
        [True, passes, passes, True, True],
        source="definition of a valve",
    )


def test_valves_stop_blood(fluid, push, verdict):
    """Two ways between high and low pressure: blood takes the one whose valve points down."""
    mesh = FlowMesh.from_arrays(
        cell_volume=np.ones(5),
        cell_radius=1.0,
        face_owner=[0, 1, 0, 2, 3],
        face_neighbour=[1, 3, 2, 3, 4],
        face_valve=[1, 0, 0, -1, 0],
        terminal_cell=[0, 4],
        terminal_pressure=[100.0, 0.0],
        terminal_resistance=10.0,
    )
    run = push(mesh, fluid(viscosity=0.004), 1e-6, 1e-6, tip=4)
    flow = run.state.flow
    tube = 2 * 0.5 * (8 / np.pi) * 0.004 / np.pi  # two halves of 1 mm3 and 1 mm: 8 mu l / (pi r^4)
    assert tube * 3 < 0.01 * 20  # what lies between the terminals hardly counts
    source = "100 Pa over two terminals of 10 Pa s/mm3"
    what = "blood by the way whose valve is open, mm3/s"
    verdict(SUBJECT, what, flow[0], 5.0, source=source, rtol=0.01)
    what = "blood by the other way, mm3/s"
    verdict(SUBJECT, what, flow[2:4], 0.0, source="definition of a valve", atol=1e-9)


def test_trapped_blood_is_never_entered(fluid, push, verdict):
    """A side pouch without a way out stays as it is, whatever the pressure."""
    mesh = FlowMesh.from_arrays(
        cell_volume=np.ones(5),
        cell_radius=1.0,
        face_owner=[0, 1, 1, 3],
        face_neighbour=[1, 2, 3, 4],
        terminal_cell=[2],
        terminal_resistance=1.0,
    )
    run = push(mesh, fluid(), 4.0, RATE)
    found = [*run.state.agent_volume, run.terminal]
    what = "agent by cell, two of them a blind pouch, and out of the end, mm3"
    verdict(SUBJECT, what, found, [1, 1, 1, 0, 0, 1], source="incompressible", atol=1e-9)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("opens", [True, False])
def test_the_only_way_out_has_a_valve(fluid, push, turned, opens, verdict):
    """0 - 1 |> 2 > lets all of it through; 0 - 1 <| 2 > lets nothing even begin."""
    owner, neighbour = ([0, 2], [1, 1]) if turned else ([0, 1], [1, 2])
    way = -1 if turned else 1
    mesh = FlowMesh.from_arrays(
        cell_volume=np.ones(3),
        cell_radius=1.0,
        face_owner=owner,
        face_neighbour=neighbour,
        face_valve=[0, way if opens else -way],
        terminal_cell=[2],
        terminal_resistance=1.0,
    )
    run = push(mesh, fluid(), 3.5, RATE)
    what = "agent in a row behind a valve, open or shut, mm3"
    exact = 1.0 if opens else 0.0
    verdict(SUBJECT, what, run.state.agent_volume, exact, source="definition of a valve", atol=1e-9)
    assert run.stop_reason.startswith("protocol" if opens else "stalled")


@pytest.mark.parametrize("turned", [False, True])
def test_a_front_stands_before_a_shut_valve(fluid, push, turned, verdict):
    """Blood beyond the valve has a way out of its own, so only the valve keeps agent back.

    (0) - 1 <| 2 >
          |
          3 >
    """
    owner, neighbour, way = ([0, 2, 1], [1, 1, 3], 1) if turned else ([0, 1, 1], [1, 2, 3], -1)
    mesh = FlowMesh.from_arrays(
        cell_volume=[1.0, 1.0, 5.0, 5.0],
        cell_radius=1.0,
        face_owner=owner,
        face_neighbour=neighbour,
        face_valve=[0, way, 0],
        terminal_cell=[2, 3],
        terminal_resistance=1.0,
    )
    found = push(mesh, fluid(), 4.0, RATE).state.agent_volume
    what = "agent before a shut valve, beyond it, and by the other way, mm3"
    exact = [1.0, 0.0, 2.0]
    verdict(SUBJECT, what, found[1:], exact, source="definition of a valve", atol=1e-9)
