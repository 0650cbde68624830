"""One vein: two-viscosity displacement, columns with weight, ellipse, annulus.

The exact answers are those of a piston front x in a tube whose resistance per length and
viscosity is k (8 / (pi R^4) in a circle)::

    P_tip - P_end = Q k (mu_a x + mu_b (L - x)) + (rho_a - rho_b) |g| cos(angle to up) x
"""

import numpy as np
import pytest
from scipy.integrate import quad

from geometry.branch_sections import annulus_resistance

MU_A, MU_B = 0.02, 0.004
G = 9810.0


def poiseuille(radius):
    """White, Viscous Fluid Flow, eq. 3-52: k = 8 / (pi R^4)."""
    return 8 / (np.pi * radius**4)


def tip_pressures(run):
    """Volumes and the pressures at the tip found at the beginning of the step that starts there."""
    return run.log["volume"][:-1], run.log["tip_pressure"][1:]


def piston(volume, area, dx, length, rate, k):
    """Pressure at the centre of the first cell, which is half a cell inside the tube, Pa."""
    x = volume / area
    return rate * k * (MU_A * (x - dx / 2) + MU_B * (length - x))


@pytest.mark.parametrize("radius", [0.3, 1.5])
def test_constant_rate(fluid, tube, push, radius):
    """Front at Q t / A whatever the viscosities; pressure by the piston, exact to round-off."""
    n, length, rate = 25, 30.0, 0.7
    dx, area = length / n, np.pi * radius**2
    mesh = tube(n, length=length, radius=radius)
    run = push(mesh, fluid(viscosity=MU_A), 0.9 * area * length, rate)
    full = run.state.full == 1
    assert full.sum() == 22  # 0.9 of 25 cells: 22 full and one half full
    ends = area * dx * np.arange(1, n + 1)
    np.testing.assert_allclose(run.state.full_time[full], ends[full] / rate, rtol=1e-10)
    np.testing.assert_allclose(run.state.first_time[1:23], ends[:22] / rate, rtol=1e-10)
    assert run.state.agent_volume[22] == pytest.approx(0.5 * area * dx, rel=1e-9)
    volume, pressure = tip_pressures(run)
    inside = volume >= area * dx
    assert inside.sum() > 50
    exact = piston(volume[inside], area, dx, length, rate, poiseuille(radius))
    np.testing.assert_allclose(pressure[inside], exact, rtol=1e-9)


def time_at_constant_pressure(x, *, p, area, length, k, resistance):
    """t(x) of A dx/dt = p / (R_s + k (mu_a x + mu_b (L - x))): the quadratic law (Washburn)."""
    return area / p * (resistance * x + k * (MU_A * x**2 / 2 + MU_B * (length * x - x**2 / 2)))


def constant_pressure_errors(fluid, tube, push, cases, **source):
    """Relative errors of the time at which the front has crossed half of the tube."""
    radius, length, p = 0.5, 20.0, 2000.0
    area, k, resistance = np.pi * radius**2, poiseuille(radius), 5.0
    x = length / 2
    exact = time_at_constant_pressure(x, p=p, area=area, length=length, k=k, resistance=resistance)
    errors = []
    for n, eta in cases:
        mesh = tube(n, length=length, radius=radius)
        # half a cell of agent lies between the tube's mouth and the centre of the tip's cell
        ahead = resistance + k * MU_A * length / n / 2
        tip = {"resistance": ahead, "pressure_limit": p} | source
        rate = 2 * p / resistance
        run = push(mesh, fluid(viscosity=MU_A), 0.6 * area * length, rate, source=tip, eta=eta)
        before = run.log["volume"] <= area * x
        assert before.sum() > 10
        assert run.log["hub_pressure"][before] == pytest.approx(p)
        errors.append(abs(run.state.full_time[n // 2 - 1] / exact - 1))
    return np.array(errors)


def slopes(sizes, errors):
    return np.diff(np.log(errors)) / np.diff(np.log(sizes))


def test_constant_pressure_converges_in_cell_length(fluid, tube, push):
    """Only the filling of the tip's own cell differs from the law: order 2 in cell length."""
    n = np.array([4, 8, 16])
    errors = constant_pressure_errors(fluid, tube, push, [(k, 2e-4) for k in n])
    assert (slopes(1 / n, errors) > 1.8).all(), errors
    assert errors[-1] < 3e-3


def test_constant_pressure_converges_in_step(fluid, tube, push):
    """Fluxes are frozen within a step of eta: order 1."""
    eta = np.array([0.04, 0.02, 0.01])
    errors = constant_pressure_errors(fluid, tube, push, [(200, e) for e in eta])
    assert (slopes(eta, errors) > 0.9).all(), errors
    assert errors[-1] < 0.01


def test_constant_pressure_with_compliant_hub(fluid, tube, push):
    """A hub at its limit is a reservoir, whatever its compliance."""
    (error,) = constant_pressure_errors(fluid, tube, push, [(64, 5e-3)], compliance=1e-4)
    assert error < 3e-3


@pytest.mark.parametrize(
    ("direction", "climb"),
    [((0, 0, 1), 1.0), ((0, 0, -1), -1.0), ((1, 0, 0), 0.0), ((0, 3, 4), 0.8)],
    ids=["up", "down", "sideways", "oblique"],
)
def test_buoyant_column(fluid, tube, push, direction, climb):
    """Pressure at the tip carries the agent's excess weight, to round-off."""
    n, length, radius, rate = 20, 20.0, 1.0, 0.5
    dx, area = length / n, np.pi * radius**2
    heavy = fluid(viscosity=MU_A, density=1.43e-3)
    mesh = tube(n, length=length, radius=radius, direction=direction)
    run = push(mesh, heavy, 0.9 * area * length, rate, gravity=[0, 0, -G])
    volume, pressure = tip_pressures(run)
    inside = volume >= area * dx
    exact = piston(volume, area, dx, length, rate, poiseuille(radius))
    # reduced pressure at the tip is that of the blood beside it
    exact += (1.43e-3 - 1.06e-3) * G * climb * (volume / area - dx / 2)
    np.testing.assert_allclose(pressure[inside], exact[inside], rtol=1e-9, atol=1e-9)
    expected = 0.9 * length
    assert run.state.agent_volume.sum() / area == pytest.approx(expected, rel=1e-9)


def test_column_stands_at_the_height_that_pressure_bears(fluid, tube, push):
    """A vein upwards fed at pressure p: the front comes to rest at p / ((rho_a - rho_b) g).

    (measured from the centre of the tip's cell, and less at most the burst pressure 2 sigma/r)
    """
    n, length, p, tension = 40, 20.0, 40.0, 0.05
    heavy = fluid(density=1.43e-3, tension=tension, healing_time=1.0)
    mesh = tube(n, length=length, direction=(0, 0, 1))
    run = push(
        mesh,
        heavy,
        0.99 * np.pi * length,
        5.0,
        source={"pressure_limit": p, "resistance": 20.0},
        gravity=[0, 0, -G],
    )
    assert run.stop_reason.startswith("stalled")
    height = run.state.agent_volume.sum() / np.pi - length / n / 2
    weight = (1.43e-3 - 1.06e-3) * G
    assert (p - 2 * tension) / weight - 0.05 < height <= p / weight * (1 + 1e-9)


def test_ellipse(fluid, tube, push):
    """Q = pi a^3 b^3 dP / (4 mu L (a^2 + b^2)) (White, Viscous Fluid Flow, eq. 3-57)."""
    a, b, n, length, rate = 1.3, 0.4, 20, 15.0, 0.3
    mesh = tube(n, length=length, radius=a, minor=b)
    run = push(mesh, fluid(viscosity=MU_A), 0.8 * np.pi * a * b * length, rate)
    volume, pressure = tip_pressures(run)
    inside = volume >= mesh.cell_volume[0]
    k = 4 * (a**2 + b**2) / (np.pi * a**3 * b**3)
    exact = piston(volume, np.pi * a * b, length / n, length, rate, k)
    np.testing.assert_allclose(pressure[inside], exact[inside], rtol=1e-9)


def annulus_flow(outer, inner):
    """Flow of unit viscosity under unit gradient between circles, by integrating the profile.

    mu u'' + mu u'/r = -1, u = 0 on both walls: u = (R^2 - r^2)/4 - (R^2 - i^2)/4 ln(R/r)/ln(R/i).
    """

    def ring(r):
        u = (outer**2 - r**2) / 4
        u -= (outer**2 - inner**2) / 4 * np.log(outer / r) / np.log(outer / inner)
        return 2 * np.pi * r * u

    return quad(ring, inner, outer, epsabs=0, epsrel=1e-12)[0]


def test_annulus_round_a_catheter(fluid, tube, push):
    """A concentric catheter takes its part of the lumen: volume, resistance, and arrival."""
    outer, inner, n, length, rate = 1.0, 0.45, 20, 10.0, 0.2
    dx = length / n
    area = np.pi * (outer**2 - inner**2)
    k = annulus_resistance(np.array(outer), inner)
    assert float(k) * annulus_flow(outer, inner) == pytest.approx(1.0, rel=1e-9)
    mesh = tube(
        n,
        length=length,
        cell_gap=outer - inner,
        half_resistance=np.full((n - 1, 2), k * dx / 2),
        terminal_resistance=k * dx / 2 * MU_B,
    )
    mesh = type(mesh)(**(vars(mesh) | {"cell_volume": np.full(n, area * dx)}))
    run = push(mesh, fluid(viscosity=MU_A), 0.8 * area * length, rate)
    volume, pressure = tip_pressures(run)
    inside = volume >= area * dx
    exact = piston(volume, area, dx, length, rate, 1 / annulus_flow(outer, inner))
    np.testing.assert_allclose(pressure[inside], exact[inside], rtol=1e-9)
    full = run.state.full == 1
    np.testing.assert_allclose(
        run.state.full_time[full], area * dx * np.arange(1, n + 1)[full] / rate, rtol=1e-9
    )
