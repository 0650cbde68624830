"""Kron reduction: inside the window, nothing tells the reduced network from the whole one."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from castsim.agents import AgentModel
from castsim.blood_solver import BloodSolver
from castsim.errors import SolverError
from castsim.far_field import CUT_STRETCH, Window, window
from castsim.injection import Injection
from castsim.physiology import Physiology
from castsim.venous_flow import VenousFlow, resting_flow
from geometry.flowmesh import NO_GATE, FloatArray, FlowMesh, IntArray
from geometry.network import TerminalKind
from tests.verification.verdicts import Verdict

SUBJECT = "Kron reduction of the far field"
REST = Physiology.default()


def band(seed: int, *, fixed_inside: bool = False) -> FlowMesh:
    """Cells along a line, each joined to near ones, at levels 0 to 25; valves here and there."""
    rng = np.random.default_rng(seed)
    n = 300
    reach = rng.integers(1, 6, 500)
    first = np.concatenate([np.arange(n - 1), rng.integers(0, n - 6, 500)])
    second = first + np.concatenate([np.ones(n - 1, dtype=np.int64), reach])
    ends = rng.choice(np.arange(2, n - 2), 60, replace=False)
    outlets = [0, n - 1, n // 2] if fixed_inside else [0, n - 1]
    count = len(outlets)
    return FlowMesh.from_arrays(
        cell_volume=rng.uniform(0.1, 2, n),
        cell_radius=rng.uniform(0.3, 2, n),
        cell_level=np.arange(n) * 26 // n,
        face_owner=first,
        face_neighbour=second,
        face_valve=rng.choice([-1, 1] + [0] * 30, len(first)),
        terminal_cell=np.concatenate([outlets, ends]),
        terminal_kind=np.array([0] * count + [1] * 60),
        terminal_name=("right_atrium", "iliac right", "iliac left")[:count]
        + ("muscular T9 right",) * 60,
    )


def injected(mesh: FlowMesh, cells: IntArray) -> FlowMesh:
    """Add a strong source at each of `cells`."""
    k = len(cells)
    extra = {
        "terminal_cell": cells,
        "terminal_pressure": np.full(k, 5000.0),
        "terminal_resistance": np.full(k, 0.3),
        "terminal_radius": np.ones(k),
        "terminal_kind": np.full(k, int(TerminalKind.TRIBUTARY)),
        "terminal_gate": np.zeros(k, dtype=np.int64),
    }
    joined = {name: np.concatenate([getattr(mesh, name), add]) for name, add in extra.items()}
    return replace(mesh, **joined, terminal_name=())


def perturbed(
    mesh: FlowMesh, cells: IntArray, viscosity: FloatArray, blocked: IntArray
) -> tuple[FloatArray, FloatArray]:
    half = mesh.half_resistance.copy()
    half[blocked] *= 1e9
    changed = injected(replace(mesh, half_resistance=half), cells)
    state = BloodSolver(changed).solve(changed, viscosity)
    drop = state.pressure[mesh.face_owner] - state.pressure[mesh.face_neighbour]
    return state.pressure, state.conductance * drop


def both(mesh: FlowMesh, rest: VenousFlow, part: Window, seed: int, verdict: Verdict) -> None:
    """Inject, thicken the blood and block faces in the window; compare all that is inside."""
    rng = np.random.default_rng(seed)
    inner = np.setdiff1d(np.arange(len(part.cells)), part.ports)
    tips, thick = rng.choice(inner, 2, replace=False), rng.choice(inner, 20)
    blocked = rng.choice(len(part.faces), 5)
    # valves of the outside are frozen; those inside are put out of play to compare solves
    free = replace(mesh, face_valve=np.zeros_like(mesh.face_valve))
    shut = np.flatnonzero(~rest.valve_open)
    half = free.half_resistance.copy()
    half[shut] = 1e30
    whole = replace(free, half_resistance=half)
    viscosity = rest.viscosity.copy()
    viscosity[part.cells[thick]] *= 30.0
    pressure, flow = perturbed(whole, part.cells[tips], viscosity, part.faces[blocked])

    small_half = part.mesh.half_resistance.copy()
    small_half[: len(part.faces)] = half[part.faces]
    small = replace(
        part.mesh,
        half_resistance=small_half,
        face_valve=np.zeros_like(part.mesh.face_valve),
    )
    inside, inside_flow = perturbed(small, tips, viscosity[part.cells], blocked)
    scale = np.ptp(pressure)
    assert np.abs(pressure - rest.pressure).max() > 0.1 * scale, "the perturbation is no trifle"
    source = "the whole network with the same sources, thick blood and blocked veins"
    verdict(
        SUBJECT,
        "pressures in the window over their span",
        inside / scale,
        pressure[part.cells] / scale,
        source=source,
        atol=1e-10,
    )
    own, largest = inside_flow[: len(part.faces)], np.abs(flow).max()
    verdict(
        SUBJECT,
        "flows in the window over the largest",
        own / largest,
        flow[part.faces] / largest,
        source=source,
        atol=1e-10,
    )


@pytest.mark.parametrize("fixed_inside", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_same_inside_under_sources_and_blocked_faces(
    seed: int, fixed_inside: bool, verdict: Verdict
) -> None:
    rest = resting_flow(band(seed, fixed_inside=fixed_inside), REST)
    part = window(rest.mesh, rest, range(9, 16))
    both(rest.mesh, rest, part, seed, verdict)


def test_at_rest_the_window_flows_as_the_whole(verdict: Verdict) -> None:
    """Terminals of the whole alone drive it: pressures and flows are those at rest."""
    for seed in range(5):
        rest = resting_flow(band(seed), REST)
        part = window(rest.mesh, rest, range(9, 16))
        solver = BloodSolver(part.mesh)
        state = solver.solve(part.mesh, rest.viscosity[part.cells])
        drop = state.pressure[part.mesh.face_owner] - state.pressure[part.mesh.face_neighbour]
        flow = (state.conductance * drop)[: len(part.faces)]
        largest = np.abs(rest.face_flow).max()
        source = "resting flow of the whole network"
        verdict(
            SUBJECT,
            "resting pressures in the window, Pa",
            state.pressure,
            rest.pressure[part.cells],
            source=source,
            rtol=1e-10,
        )
        verdict(
            SUBJECT,
            "resting flows in the window over the largest",
            flow / largest,
            rest.face_flow[part.faces] / largest,
            source=source,
            atol=1e-10,
        )


@pytest.mark.parametrize("seed", range(3))
def test_an_injection_cannot_tell_the_window_from_the_whole(
    seed: int,
    fluid: Callable[..., AgentModel],
    push: Callable[..., Injection],
    verdict: Verdict,
) -> None:
    """Tip pressure at every step and arrivals in every cell; gates with disorder hold and break.

    Terminals of fixed pressure have a billionth of the least resistance beside them in an
    injection, so that it agrees to 1e-8 and no better.
    """
    mesh = band(seed)
    mesh = replace(mesh, face_valve=np.zeros_like(mesh.face_valve))
    rest = resting_flow(mesh, REST)
    part = window(rest.mesh, rest, range(9, 16))
    agent = fluid(skin_yield=5.0, skin_onset=0.5, tension=0.05, diffusivity=6e-4, disorder=0.5)
    middle = len(part.cells) // 2
    runs = [
        push(
            where,
            agent,
            8.0,
            2.0,
            tip=tip,
            blood_viscosity=rest.viscosity[cells],
            rest_flow=rest.cell_flow[cells],
        )
        for where, tip, cells in (
            (rest.mesh, int(part.cells[middle]), np.arange(mesh.n_cells)),
            (part.mesh, middle, part.cells),
        )
    ]
    whole, inside = runs
    arrival = whole.state.full_volume[part.cells]
    cast = np.isfinite(arrival)
    assert cast.sum() >= 5
    assert whole.burst_pressure > 0, "gates held and broke"
    assert not np.isfinite(whole.state.first_volume[part.cells[part.ports]]).any()
    verdict.same(
        SUBJECT,
        "cells that an injection fills",
        np.isfinite(inside.state.full_volume).tolist(),
        cast.tolist(),
        source="the same injection into the whole network",
    )
    verdict(
        SUBJECT,
        "volumes at which an injection fills them, mm3",
        inside.state.full_volume[cast],
        arrival[cast],
        source="the same injection into the whole network",
        rtol=1e-8,
    )
    verdict(
        SUBJECT,
        "tip pressure at every step of an injection, Pa",
        inside.log["tip_pressure"],
        whole.log["tip_pressure"],
        source="the same injection into the whole network",
        rtol=1e-8,
    )


def test_window_that_touches_an_outlet_from_outside() -> None:
    """The port's only neighbour outside is a cell of fixed pressure."""
    mesh = FlowMesh.from_arrays(
        cell_volume=[1.0] * 4,
        cell_radius=1.0,
        cell_level=[0, 1, 1, 2],
        face_owner=[0, 1, 2],
        face_neighbour=[1, 2, 3],
        terminal_cell=[0, 3],
        terminal_pressure=[500.0, 0.0],
    )
    rest = resting_flow(mesh, REST)
    part = window(rest.mesh, rest, [1])
    assert part.mesh.terminal_pressure.tolist() == [500.0, 0.0]
    state = BloodSolver(part.mesh).solve(part.mesh, rest.viscosity[part.cells])
    np.testing.assert_allclose(state.pressure, rest.pressure[[1, 2]], rtol=1e-12)


def test_port_faces_have_no_gate_and_each_cut_its_own() -> None:
    rest = resting_flow(band(1), REST)
    part = window(rest.mesh, rest, range(9, 16))
    added = np.arange(len(part.faces), part.mesh.n_faces)
    assert len(added)
    assert (part.mesh.face_gate[added] == NO_GATE).all()
    cut = part.mesh.terminal_kind == TerminalKind.CUT
    assert set(part.mesh.terminal_cell[cut]) <= set(part.ports)
    gates = part.mesh.terminal_gate[cut]
    assert len(set(gates)) == cut.sum() > 0
    assert (part.mesh.gate_stretch[gates] == CUT_STRETCH).all()


def test_gate_keys_of_the_window_are_those_of_the_whole() -> None:
    rest = resting_flow(band(2), REST)
    part = window(rest.mesh, rest, range(9, 16))
    for name in ("gate_radius", "gate_branch", "gate_stretch"):
        np.testing.assert_array_equal(
            getattr(part.mesh, name)[part.mesh.face_gate[: len(part.faces)]],
            getattr(rest.mesh, name)[rest.mesh.face_gate[part.faces]],
        )


def test_window_of_everything_is_the_whole() -> None:
    rest = resting_flow(band(0), REST)
    part = window(rest.mesh, rest, keep_cells=np.ones(rest.mesh.n_cells, dtype=bool))
    assert len(part.ports) == 0
    assert part.mesh.n_faces == rest.mesh.n_faces
    np.testing.assert_array_equal(part.mesh.terminal_resistance, rest.mesh.terminal_resistance)


def test_window_of_nothing_is_an_error() -> None:
    rest = resting_flow(band(0), REST)
    with pytest.raises(SolverError, match="no cell lies at the levels"):
        window(rest.mesh, rest, [])
