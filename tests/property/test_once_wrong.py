"""What properties once found wrong, each in its smallest form, so that it does not come back."""

from dataclasses import replace

import numpy as np
import pytest

import castsim.injection
from castsim.agents import load_agent
from castsim.injection import TipSource
from castsim.kernels.solidification import relax_gel
from castsim.protocol import Pause, Step
from geometry.flowmesh import FlowMesh
from tests.property.strategies import BLOOD_DENSITY, Case
from tests.property.test_injection import assert_same_arrivals, relabelled, scaled


def tube(n=3, *, pressure=0.0):
    """A straight vein of cells of 1 mm3, open at its last cell."""
    return FlowMesh.from_arrays(
        cell_volume=np.ones(n),
        cell_radius=0.5,
        face_owner=np.arange(n - 1),
        face_neighbour=np.arange(1, n),
        terminal_cell=[n - 1],
        terminal_pressure=pressure,
        terminal_resistance=1.0,
    )


def plain_case(mesh, steps, *, agent=None, **source):
    """Agent of blood's density without skin, gel or threshold, into cell 0."""
    plain = {"tension": 0.0, "skin_yield": 0.0, "diffusivity": 0.0, "density": BLOOD_DENSITY}
    n = mesh.n_cells
    return Case(
        mesh=mesh,
        agent=replace(load_agent("Onyx 18"), **(plain | (agent or {}))),
        source=TipSource(**({"cell": 0, "resistance": 1e3, "pressure_limit": 7e5} | source)),
        steps=steps,
        blood_viscosity=np.full(n, 0.004),
        rest_flow=np.zeros(n),
        gravity=np.zeros(3),
        route=np.array([0]),
    )


@pytest.mark.parametrize("pressure", [0.0, 250.0, 512.9])
def test_a_push_after_a_long_pause_raises_the_hub_no_further_than_it_needs(pressure):
    """At 1 uL/s through 100 Pa s/mm3 the hub needs 100 Pa more than the vein, and a little."""
    steps = (Step(0.05, 1.0), Pause(60.0), Step(0.5, 1.0))
    case = plain_case(tube(pressure=pressure), steps, resistance=100.0, compliance=5e-5)
    assert case.run().log["hub_pressure"].max() <= pressure + 150.0


def test_a_push_after_a_long_pause_starts():
    """Mended: the hub's time constant divided by the slope 0 of an inflow that was shut."""
    for radius in (0.3, 0.5, 0.8):
        for n in (1, 2, 3):
            mesh = FlowMesh.from_arrays(
                cell_volume=np.ones(n),
                cell_radius=radius,
                face_owner=np.arange(n - 1),
                face_neighbour=np.arange(1, n),
                terminal_cell=[n - 1],
                terminal_resistance=1000.0,
            )
            steps = (Pause(60.0), Step(0.5, 1.0))
            run = plain_case(mesh, steps, resistance=100.0, compliance=5e-5).run()
            assert run.stop_reason == "protocol complete"


@pytest.mark.parametrize("compliance", [0.0, 5e-5])
def test_a_push_at_the_pressure_limit_takes_no_more_steps_than_another(compliance):
    """Rate 1 uL/s wants 1e4 Pa at the hub; with 100 Pa it flows a hundred times as slowly."""
    push = (Step(2.0, 1.0),)
    free, held = (
        plain_case(
            tube(),
            push,
            agent={"healing_time": 1e9},
            resistance=1e4,
            compliance=compliance,
            pressure_limit=limit,
        ).run()
        for limit in (1e5, 100.0)
    )
    assert held.steps <= free.steps + 30


def test_the_gel_number_loses_no_digits_where_little_flows():
    """To first order in renewal * dt: F + growth dt - renewal dt (F + growth dt / 2)."""
    gel, growth, renewal, dt = 0.05, 1e-3, 3e-12, 1.0
    exact = gel + growth * dt - renewal * dt * (gel + 0.5 * growth * dt)
    assert abs(relax_gel(gel, 0.0, renewal, growth, dt) / exact - 1.0) <= 1e-12


def test_a_pause_without_a_compliant_hub_brings_no_agent():
    """Into whatever blood: nothing before the pause is over."""
    for pressure in np.linspace(0.0, 500.0, 51):
        case = plain_case(tube(pressure=pressure), (Pause(60.0), Step(0.5, 1.0)))
        assert case.run().state.first_time[0] >= 60.0


def test_the_time_of_a_stall_does_not_hang_on_what_is_still_planned():
    gates = {"tension": 1e6}
    first, second = (plain_case(tube(), (Step(v, 1.0),), agent=gates).run() for v in (2.0, 4.0))
    assert first.stop_reason.startswith("stalled")
    assert first.duration == second.duration


def test_a_quick_hub_settles_late_in_a_run(monkeypatch):
    """Its six time constants are 0.3 ms, on a clock that says 50 000 s."""
    monkeypatch.setattr(castsim.injection, "MOST_STEPS", 5000)
    for volume in np.linspace(1.0, 2.0, 21):
        steps = (Step(0.006, 1e-4), Step(volume, 3.0))
        hub = {"resistance": 1.0, "compliance": 5e-5, "dead_space": 5.0}
        assert plain_case(tube(), steps, **hub).run().steps < 5000


def test_only_a_cell_that_is_swept_is_said_to_be():
    """Two equal faces bring 0.5 uL/s each: its 200 uL/s of blood sweep half of it, but not all."""
    mesh = FlowMesh.from_arrays(
        cell_volume=[1.0, 1.0],
        cell_radius=0.5,
        face_owner=[0, 0],
        face_neighbour=[1, 1],
        terminal_cell=[1],
    )
    case = plain_case(mesh, (Step(1.5, 1.0),), agent={"sweep_ratio": 300.0})
    state = replace(case, rest_flow=np.array([0.0, 200.0])).run().state
    assert state.swept[1] == 0.0
    assert np.isinf(state.first_swept[1])


@pytest.mark.parametrize("factor", [3.7, 0.013, 410.0])
def test_scaling_changes_nothing_where_a_pressure_is_held(factor):
    mesh = FlowMesh.from_arrays(
        cell_volume=[1.0, 1.1, 1.2, 0.9, 0.8],
        cell_radius=[0.5, 0.4, 0.45, 0.6, 0.55],
        face_owner=[0, 0, 1, 2],
        face_neighbour=[1, 2, 3, 4],
        terminal_cell=[3, 4],
        terminal_pressure=512.9,
    )
    case = plain_case(mesh, (Step(6.0, 1.0),))
    assert_same_arrivals(case.run(), scaled(case, factor, by_density=False).run())


def test_relabelling_changes_no_gel_number():
    """A ring of six cells, into which agent comes on both sides.

    Mended: cells that filled in a step took the gel numbers of what flows in in the order in which
    they were reached, not along the flow.
    """
    mesh = FlowMesh.from_arrays(
        cell_volume=[1.1, 1.8, 0.6, 1.8, 1.9, 0.9],
        cell_radius=[0.31, 0.54, 0.39, 0.79, 0.75, 0.78],
        face_owner=np.arange(6),
        face_neighbour=(np.arange(6) + 1) % 6,
        terminal_cell=[3],
        terminal_resistance=20.0,
    )
    agent = {"viscosity": 0.1, "diffusivity": 3e-4, "sweep_ratio": 1e9}
    case = plain_case(mesh, (Step(9.72, 3.0),), agent=agent, resistance=100.0)
    one = case.run()
    for seed in range(4):
        other, cells, _ = relabelled(case, np.random.default_rng(seed))
        np.testing.assert_allclose(one.state.gel, other.run().state.gel[cells], rtol=1e-9)


def test_the_skin_of_a_gate_does_not_hang_on_which_of_its_fronts_is_listed_last():
    """Cell 0 is full; beyond one gate lie the swept cell 1 (a way out) and the blind cell 2."""
    ends = np.array([[0, 1], [0, 2]])
    skins = []
    for order in ([0, 1], [1, 0]):
        mesh = FlowMesh.from_arrays(
            cell_volume=[1.0, 1.0, 1.0],
            cell_radius=0.5,
            face_owner=ends[order, 0],
            face_neighbour=ends[order, 1],
            face_gate=[0, 0],
            gate_radius=[0.5, 0.5],
            terminal_cell=[1],
            terminal_gate=[1],
        )
        agent = {"diffusivity": 3e-4, "tension": 1e6, "skin_yield": 2e4, "skin_onset": 0.0}
        case = plain_case(mesh, (Step(1.5, 1.0), Pause(20.0)), agent=agent, compliance=5e-5)
        skins.append(case.run().state.skin[0])
    assert skins[0] > 0.0
    assert skins[0] == pytest.approx(skins[1], rel=1e-9)
