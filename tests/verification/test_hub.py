"""Catheter and syringe: a compliant hub behind a resistance.

C dp/dt = q - (p - P_end)/(R + Z): it charges and discharges exponentially, time constant C (R + Z),
while the resistance Z of what lies beyond the tip does not change (agent as thin as blood).
"""

import numpy as np
import pytest

from castsim.protocol import Pause, Step

MU = 0.004
C, R = 2e-4, 5e3


def line(tube, end=0.0):
    """A vein whose resistance is no small part of the catheter's."""
    n, length, radius = 400, 400.0, 0.25
    mesh = tube(n, length=length, radius=radius, terminal_pressure=end)
    beyond = 8 * MU / (np.pi * radius**4) * length * (n - 0.5) / n
    return mesh, beyond


@pytest.fixture
def thin(fluid):
    return fluid(viscosity=MU)


SUBJECT = "Hub"


def hub(**given):
    return {"resistance": R, "compliance": C, "pressure_limit": 1e6} | given


def test_discharge_in_a_pause(tube, push, thin, verdict):
    """Exponential with C (R + Z); what comes out is what the hub had stored."""
    mesh, beyond = line(tube)
    rate = 0.4
    tau = C * (R + beyond)
    assert beyond > 0.1 * R
    pause = 3 * tau
    steps = (Step(20.0, rate), Pause(pause), Step(1e-3, rate))
    run = push(mesh, thin, steps=steps, source=hub())
    time, pressure, volume = (run.log[k] for k in ("time", "hub_pressure", "volume"))
    start = np.flatnonzero(np.diff(pressure) < 0)[0]
    during = slice(start, np.flatnonzero(time <= time[start] + pause * (1 + 1e-9))[-1] + 1)
    assert len(time[during]) > 10
    exact = pressure[start] * np.exp(-(time[during] - time[start]) / tau)
    verdict.curve(
        SUBJECT,
        "hub pressure in a pause, Pa",
        time[during] - time[start],
        pressure[during],
        exact,
        name="hub-discharge",
        x_label="time since the thumb stopped, s",
        source="p0 exp(-t / C (R + Z))",
        rtol=1e-6,
    )
    stored = C * (pressure[start] - pressure[during])
    out = volume[during] - volume[start]
    what = "agent that comes out in a pause, mm3"
    verdict(SUBJECT, what, out, stored, source="C (p0 - p)", atol=1e-9 + 1e-8 * stored[-1])
    assert stored[-1] > 0.3  # the thumb stopped, the agent did not


def test_charge_against_a_distal_pressure(tube, push, thin, verdict):
    """The hub starts at the solvent's pressure and relaxes to q (R + Z) + P_end."""
    end, rate = 1500.0, 0.4
    mesh, beyond = line(tube, end)
    tau = C * (R + beyond)
    run = push(mesh, thin, 8 * tau * rate, rate, source=hub())
    time, pressure = run.log["time"], run.log["hub_pressure"]
    pushed = time < time[np.argmax(pressure)]
    settled = rate * (R + beyond) + end
    exact = settled + (rate * R - settled) * np.exp(-time[pushed] / tau)
    assert pressure[0] == pytest.approx(rate * R)
    verdict.curve(
        SUBJECT,
        "hub pressure while it charges, Pa",
        time[pushed],
        pressure[pushed],
        exact,
        name="hub-charge",
        x_label="time, s",
        source="q (R + Z) + P_end, approached with C (R + Z)",
        rtol=1e-6,
    )


def test_dead_space_and_syringe(tube, push, thin, verdict):
    """Solvent first; the syringe pushed solvent, agent, what stays in catheter and hub."""
    mesh, _ = line(tube)
    dead, rate, volume = 7.0, 0.4, 20.0
    run = push(mesh, thin, volume, rate, source=hub(dead_space=dead))
    assert run.dmso == dead
    first = run.state.first_time[0]
    source = "dead space / rate"
    verdict(SUBJECT, "agent leaves the tip at, s", first, dead / rate, source=source, rtol=1e-12)
    assert run.log["time"][0] == pytest.approx(dead / rate)
    assert run.stored == pytest.approx(C * run.log["hub_pressure"][-1])
    told = run.dmso + run.injected + dead + run.stored
    source = "solvent + injected + left in the catheter + stored"
    verdict(SUBJECT, "pushed at the syringe, mm3", run.syringe, told, source=source, rtol=1e-12)
    # all but what the hub keeps after six time constants
    assert run.injected == pytest.approx(volume, rel=2e-3)
    assert run.injected <= volume
    assert run.balance_error <= 1e-9


def test_incompliant_syringe_gives_what_it_is_told(tube, push, thin, verdict):
    mesh, _ = line(tube)
    run = push(mesh, thin, 20.0, 0.4, source=hub(compliance=0.0, dead_space=3.0))
    found = [run.injected, run.syringe, run.duration]
    what = "stiff syringe: injected and pushed, mm3, and time, s"
    source = "20 of agent, 3 of solvent, 3 left, 0.4 mm3/s"
    verdict(SUBJECT, what, found, [20.0, 26.0, 23.0 / 0.4], source=source, rtol=1e-9)


@pytest.mark.parametrize("compliance", [0.0, C])
def test_pressure_limit_holds(tube, push, thin, compliance, verdict):
    """The hub never passes its limit; the flow is then limit / (R + Z)."""
    mesh, beyond = line(tube)
    limit = 900.0
    run = push(mesh, thin, 10.0, 1.0, source=hub(pressure_limit=limit, compliance=compliance))
    assert (run.log["hub_pressure"] <= limit * (1 + 1e-12)).all()
    held = run.log["hub_pressure"] > limit * (1 - 1e-9)
    time, volume = run.log["time"][held], run.log["volume"][held]
    assert len(time) > 10
    speed = (volume[-1] - volume[0]) / (time[-1] - time[0])
    exact = limit / (R + beyond)
    what = "flow at the pressure limit, mm3/s"
    verdict(SUBJECT, what, speed, exact, source="limit / (R + Z)", rtol=1e-6)
    assert run.injected == pytest.approx(10.0, rel=2e-3)


@pytest.mark.parametrize("compliance", [0.0, C])
def test_stall_is_reported(fluid, tube, push, compliance, verdict):
    """A front stronger than the pressure limit: nothing goes beyond the tip's cell."""
    mesh = tube(5, length=5.0)
    agent = fluid(tension=500.0)  # 1000 Pa
    source = hub(pressure_limit=990.0, compliance=compliance, resistance=100.0)
    run = push(mesh, agent, 10.0, 1.0, source=source)
    assert run.stop_reason.startswith("stalled")
    assert run.injected == pytest.approx(mesh.cell_volume[0])
    assert run.log["hub_pressure"][-1] == pytest.approx(990.0)
    source["pressure_limit"] = 1010.0
    run = push(mesh, agent, 10.0, 1.0, source=source)
    assert run.stop_reason == "protocol complete"
    burst = run.log["tip_pressure"].max()
    what = "tip pressure that opens a closed cast, Pa"
    verdict(SUBJECT, what, burst, 1000.0, source="2 sigma / r", rtol=2e-3)


def test_surge_when_a_closed_cast_bursts(fluid, tube, push, verdict):
    """The hub charges at q/C while the front holds, then discharges through it at once."""
    mesh = tube(200, length=200.0, radius=0.5)
    rate, burst = 0.5, 4000.0
    agent = fluid(viscosity=MU, tension=burst / 4)
    run = push(mesh, agent, 30.0, rate, source=hub(resistance=500.0))
    time, pressure, volume = (run.log[k] for k in ("time", "hub_pressure", "volume"))
    top = np.argmax(pressure)
    assert pressure[top] == pytest.approx(burst, rel=0.01)
    shut = np.flatnonzero(np.abs(volume - volume[top]) < 1e-12)
    shut = shut[shut <= top]
    assert len(shut) >= 2
    climb = (pressure[shut[-1]] - pressure[shut[0]]) / (time[shut[-1]] - time[shut[0]])
    what = "hub pressure behind a closed cast climbs by, Pa/s"
    verdict(SUBJECT, what, climb, rate / C, source="q / C", rtol=1e-6)
    speed = np.diff(volume) / np.diff(time)
    assert speed.max() > 5 * rate
