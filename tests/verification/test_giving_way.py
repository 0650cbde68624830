"""Bodies of agent on slopes and in the gap round the catheter: what weight and two walls change."""

import numpy as np

from castsim.assembly import build_graph, empty_state, kernel_agent
from castsim.kernels.detachment import slip_plug, tear_off

DENSITY = 1.06e-3
SLOT = 2.04
SUBJECT = "Sweeping and break-off"


def column(fluid, tube, *, gap=0.0, gravity=(0.0, 0.0, 0.0), tau=40.0, fourier=0.02):
    """Eight cells along z, the inner six full; blood at both ends."""
    n, length = 8, 16.0
    mesh = tube(n, length=length, radius=0.8, cell_gap=gap, direction=(0.0, 0.0, 1.0))
    agent = fluid(wall_hold=tau, density=DENSITY + 0.37e-3)
    graph = build_graph(mesh, agent, blood_viscosity=0.004, blood_density=DENSITY, gravity=gravity)
    state = empty_state(graph)
    inside = slice(1, n - 1)
    state.full[inside] = 1
    state.agent_volume[inside] = graph.volume[inside]
    state.gel[inside] = fourier
    state.drains[[0, n - 1]] = 1
    return mesh, graph, kernel_agent(agent), state, np.append(mesh.face_length, 0.0)


def threshold(gives, low, high):
    """Where `gives(x)` turns true, by bisection."""
    assert not gives(low)
    assert gives(high)
    while high - low > 1e-7 * high:
        x = 0.5 * (low + high)
        low, high = (low, x) if gives(x) else (x, high)
    return high


def test_blood_must_lift_the_body_too(fluid, tube, verdict, stocked):
    """Upwards, pressure must pass hold and weight: 0.37 g/mL x 9.80665 m/s2 x 12 mm = 43.5 Pa."""

    def torn(pressure):
        _, graph, agent, state, length = column(fluid, tube, gravity=(0.0, 0.0, -9806.65))
        state.pressure[[0, 7]] = [pressure, 0.0]
        return tear_off(graph, agent, state, stocked(graph, state), length, -1) > 0

    hold = 2 / 0.8 * 40.0 * 12.0
    weight = 0.37e-3 * 9806.65 * 12.0
    what = "pressure that tears a body off upwards, Pa"
    source = "2 tau_w L / R + drho g L"
    found = threshold(torn, 0.5 * hold, 2 * hold)
    verdict(SUBJECT, what, found, hold + weight, source=source, rtol=1e-6)


def test_a_body_that_would_sink_is_not_carried_off(fluid, tube, stocked):
    """Its own weight tears nothing: blood of equal pressure at both ends leaves a fresh column."""
    _, graph, agent, state, length = column(fluid, tube, gravity=(0.0, 0.0, 9806.65), tau=1e-9)
    state.pressure[[0, 7]] = [50.0, 50.0]
    assert tear_off(graph, agent, state, stocked(graph, state), length, -1) == 0.0


def test_plug_round_the_catheter_slips_at_two_walls(fluid, tube, verdict):
    """Force balance of a ring on both walls: dP pi (Ro^2 - Ri^2) = tau 2 pi (Ro + Ri) L."""
    gap, tau = 0.3, 40.0

    def slips(pressure):
        mesh, graph, agent, state, length = column(
            fluid, tube, gap=gap, tau=tau, fourier=1.01 / SLOT**2
        )
        # from the centre of the tip's cell (full) to the face before the blood of the last one
        state.full[0] = 1
        state.gel[0] = 1.01 / SLOT**2
        state.pressure[7] = 70.0
        slipped = slip_plug(graph, agent, state, length, np.arange(8), 70.0 + pressure)
        assert state.broken[mesh.face_gate[6]] == int(slipped)
        assert (state.gel[:7] == 0).all() == slipped
        return slipped

    outer, inner, held = 0.8, 0.8 - gap, 7 * 2.0 - 1.0
    exact = tau * 2 * np.pi * (outer + inner) * held / (np.pi * (outer**2 - inner**2))
    found = threshold(slips, 0.5 * exact, 2 * exact)
    what = "pressure at which the plug round the catheter slips, Pa"
    verdict(SUBJECT, what, found, exact, source="force balance of a ring", rtol=1e-6)


def test_an_open_plug_does_not_slip(fluid, tube):
    """While a core is open agent flows through it, and nothing is pushed as a whole."""
    _, graph, agent, state, length = column(fluid, tube, gap=0.3, fourier=0.1)
    state.full[0] = 1
    assert not slip_plug(graph, agent, state, length, np.arange(8), 1e9)
