"""One round vein: agent displaces blood of another viscosity.

The exact answers are those of a piston front x in a tube whose resistance per length and
viscosity is k = 8 / (pi R^4) (White, Viscous Fluid Flow, eq. 3-52)::

    P_tip - P_end = Q k (mu_a x + mu_b (L - x))

hence x = Q t / A at constant flow, and at constant pressure p behind a resistance R_s
(Washburn, Phys. Rev. 17:273, 1921, with two fluids)::

    t(x) = A / p (R_s x + k (mu_a x^2 / 2 + mu_b (L x - x^2 / 2)))
"""

import numpy as np
import pytest

from castsim.blood_solver import BloodSolver
from geometry.flowmesh import FlowMesh

MU_A, MU_B = 0.02, 0.004
SUBJECT = "Two viscosities in a tube"


def poiseuille(radius):
    return 8 / (np.pi * radius**4)


def tip_pressures(run):
    """Volumes and the pressures at the tip found at the beginning of the step that starts there."""
    return run.log["volume"][:-1], run.log["tip_pressure"][1:]


@pytest.mark.parametrize("radius", [0.3, 1.5])
def test_constant_rate(fluid, tube, push, verdict, radius):
    """Front at Q t / A whatever the viscosities; pressure by the piston, exact to round-off."""
    n, length, rate = 25, 30.0, 0.7
    dx, area = length / n, np.pi * radius**2
    mesh = tube(n, length=length, radius=radius)
    run = push(mesh, fluid(viscosity=MU_A), 0.9 * area * length, rate)
    full = run.state.full == 1
    assert full.sum() == 22  # 0.9 of 25 cells: 22 full and one half full
    source = "x = Q t / A"
    time = run.state.full_time[full]
    verdict.curve(
        SUBJECT,
        f"front at constant flow, mm (R = {radius} mm)",
        time,
        dx * np.arange(1, n + 1)[full],
        rate * time / area,
        name="tube-constant-flow" if radius == 0.3 else None,
        x_label="time, s",
        source=source,
        rtol=1e-10,
    )
    first = run.state.first_time[1:23] * rate / area
    mark = "mouth of the cell at its first agent, mm"
    verdict(SUBJECT, mark, dx * np.arange(1, 23), first, source=source, rtol=1e-10)
    held = run.state.agent_volume[22] / (area * dx)
    verdict(SUBJECT, "share of the half-full cell", held, 0.5, source=source, rtol=1e-9)
    volume, pressure = tip_pressures(run)
    inside = volume >= area * dx
    assert inside.sum() > 50
    x = volume[inside] / area
    # the centre of the first cell is half a cell inside the tube
    exact = rate * poiseuille(radius) * (MU_A * (x - dx / 2) + MU_B * (length - x))
    source = "Q k (mu_a x + mu_b (L - x)), White eq. 3-52"
    verdict(SUBJECT, "tip pressure, Pa", pressure[inside], exact, source=source, rtol=1e-9)


@pytest.mark.parametrize("turned", [False, True])
def test_vein_of_steps(fluid, push, turned, verdict):
    """Every cell another calibre and another blood: half resistances differ on the two sides.

    A piston in a row of short tubes; `turned` lets every second face lead the other way.
    """
    rng = np.random.default_rng(5)
    n, dx, rate = 14, 0.8, 0.4
    radius, blood = rng.uniform(0.3, 1.2, n), rng.uniform(0.002, 0.03, n)
    half = poiseuille(radius) * dx / 2
    volume = np.pi * radius**2 * dx
    ends = np.column_stack([np.arange(n - 1), np.arange(1, n)])
    if turned:
        ends[1::2] = ends[1::2, ::-1]
    mesh = FlowMesh.from_arrays(
        cell_volume=volume,
        cell_radius=radius,
        face_owner=ends[:, 0],
        face_neighbour=ends[:, 1],
        half_resistance=half[ends],
        terminal_cell=[n - 1],
        terminal_resistance=half[-1] * blood[-1],
    )
    agent = fluid(viscosity=MU_A)
    run = push(mesh, agent, volume[:-1].sum(), rate, blood_viscosity=blood)
    at, pressure = tip_pressures(run)
    inside = at >= volume[0]
    filled = (at[inside, None] - np.append(0.0, np.cumsum(volume)[:-1])) / volume
    share = np.clip(filled, 0.0, 1.0)
    loss = 2 * half * (MU_A * share + blood * (1 - share))
    loss[:, 0] /= 2  # the tip lies in the middle of its cell
    source = "sum of Q k_i (mu_a x_i + mu_i (l - x_i)), White eq. 3-52"
    what = "tip pressure, vein of steps in calibre and blood, Pa"
    verdict(SUBJECT, what, pressure[inside], rate * loss.sum(axis=1), source=source, rtol=1e-9)


@pytest.mark.parametrize("turned", [False, True])
def test_blood_in_a_vein_of_steps(turned, verdict):
    """Resting blood of another viscosity in every cell: resistances in series."""
    rng = np.random.default_rng(6)
    n = 12
    half, blood = rng.uniform(1.0, 9.0, (n - 1, 2)), rng.uniform(0.002, 0.03, n)
    ends = np.column_stack([np.arange(n - 1), np.arange(1, n)])
    if turned:
        ends, half = ends[:, ::-1], half[:, ::-1]
    mesh = FlowMesh.from_arrays(
        cell_volume=np.ones(n),
        cell_radius=1.0,
        face_owner=ends[:, 0],
        face_neighbour=ends[:, 1],
        half_resistance=half,
        terminal_cell=[0, n - 1],
        terminal_pressure=[700.0, 100.0],
        terminal_resistance=[0.3, 0.2],
    )
    state = BloodSolver(mesh).solve(mesh, blood)
    series = (half * blood[ends]).sum(axis=1)
    flow = 600.0 / (0.5 + series.sum())
    exact = 700.0 - flow * (0.3 + np.append(0.0, np.cumsum(series)))
    source = "sum of Q (mu_i h_i + mu_j h_j)"
    what = "pressure of resting blood, vein of steps, Pa"
    verdict(SUBJECT, what, state.pressure, exact, source=source, rtol=1e-9)


def washburn(x, *, p, area, length, k, resistance):
    """t(x) of A dx/dt = p / (R_s + k (mu_a x + mu_b (L - x)))."""
    return area / p * (resistance * x + k * (MU_A * x**2 / 2 + MU_B * (length * x - x**2 / 2)))


def constant_pressure(fluid, tube, push, n, eta, **source):
    """Ends of the cells in the first half, times at which they filled, exact times."""
    radius, length, p = 0.5, 20.0, 2000.0
    area, k, resistance = np.pi * radius**2, poiseuille(radius), 5.0
    mesh = tube(n, length=length, radius=radius)
    # half a cell of agent lies between the tube's mouth and the centre of the tip's cell
    ahead = resistance + k * MU_A * length / n / 2
    tip = {"resistance": ahead, "pressure_limit": p} | source
    rate = 2 * p / resistance
    run = push(mesh, fluid(viscosity=MU_A), 0.6 * area * length, rate, source=tip, eta=eta)
    before = run.log["volume"] <= 0.5 * area * length
    assert before.sum() > 10
    assert run.log["hub_pressure"][before] == pytest.approx(p)
    x = length / n * np.arange(1, n // 2 + 1)
    exact = washburn(x, p=p, area=area, length=length, k=k, resistance=resistance)
    return x, run.state.full_time[: n // 2], exact


WASHBURN = "t(x) of Washburn 1921 with two fluids"


def test_constant_pressure(fluid, tube, push, verdict):
    """The front against time, at every cell of the first half.

    What is lost while the tip's own cell fills stays: the bound is a share of the whole time.
    """
    x, time, exact = constant_pressure(fluid, tube, push, 40, 1e-3)
    verdict.curve(
        SUBJECT,
        "time of the front at constant pressure, s",
        x,
        time,
        exact,
        name="tube-constant-pressure",
        x_label="front, mm",
        source=WASHBURN,
        atol=1e-3 * exact[-1],
    )


def error_at_half(fluid, tube, push, n, eta, **source):
    _, time, exact = constant_pressure(fluid, tube, push, n, eta, **source)
    return abs(time[-1] / exact[-1] - 1)


def test_constant_pressure_converges_in_cell_length(fluid, tube, push, verdict):
    """Only the filling of the tip's own cell differs from the law: order 2 in cell length."""
    n = np.array([4, 8, 16])
    errors = [error_at_half(fluid, tube, push, k, 2e-4) for k in n]
    verdict.order(
        "Convergence",
        "time to half of a tube at constant pressure, in cell length",
        20.0 / n,
        errors,
        at_least=1.8,
        source=WASHBURN,
        name="order-tube-cell",
        x_label="cell length, mm",
    )
    assert errors[-1] < 3e-3


def test_constant_pressure_converges_in_step(fluid, tube, push, verdict):
    """Fluxes are frozen within a step of eta: order 1."""
    eta = np.array([0.04, 0.02, 0.01])
    errors = [error_at_half(fluid, tube, push, 200, e) for e in eta]
    verdict.order(
        "Convergence",
        "time to half of a tube at constant pressure, in eta",
        eta,
        errors,
        at_least=0.9,
        source=WASHBURN,
        name="order-tube-eta",
        x_label="eta",
    )
    what = "time to half of a tube at constant pressure, default eta: relative error"
    verdict.at_most("Convergence", what, errors[-1], 0.01, source=WASHBURN)


def test_constant_pressure_with_compliant_hub(fluid, tube, push, verdict):
    """A hub at its limit is a reservoir, whatever its compliance."""
    _, time, exact = constant_pressure(fluid, tube, push, 64, 5e-3, compliance=1e-4)
    what = "time to half at constant pressure behind a compliant hub, s"
    verdict(SUBJECT, what, time[-1], exact[-1], source=WASHBURN, rtol=3e-3)
