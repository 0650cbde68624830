"""Lumens that are no plain tube: ellipse, taper, annulus; their resistance, and agent in them.

Sources: White, Viscous Fluid Flow, eqs. 3-57 (ellipse) and 3-51 (annulus), and here, apart from
them, the integral of the velocity profile over the section.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad

from castsim.injection import Injection
from geometry.branch_sections import annulus_resistance, ellipse_resistance
from geometry.catheter_route import CatheterRoute
from geometry.centerline_mesh import centreline_mesh
from geometry.flowmesh import FloatArray
from geometry.levels import Level, Side
from geometry.network import NetworkBuilder, TerminalKind, VesselNetwork
from geometry.structures import Structure
from tests.verification.verdicts import Verdict

MU_A, MU_B = 0.02, 0.004
SUBJECT = "Ellipse, annulus, taper"
PROFILE = "integral of the velocity profile"


def vein(major: list[float], minor: list[float], length: float = 10.0) -> VesselNetwork:
    """One straight vein; the axes are given at evenly spaced points."""
    builder = NetworkBuilder()
    start, end = builder.node([0, 0, 0]), builder.node([length, 0, 0])
    x = np.linspace(0, length, len(major))[1:-1]
    via = np.column_stack([x, 0 * x, 0 * x])
    builder.branch(
        start,
        end,
        Structure.AZYGOS,
        Level.T9,
        Side.RIGHT,
        radius=major,
        radius_minor=minor,
        via=via,
    )
    builder.terminal(start, TerminalKind.TRIBUTARY, "low")
    builder.terminal(end, TerminalKind.OUTLET, "right_atrium")
    return builder.build()


def resistance(network: VesselNetwork, cell_mm: float = 0.5) -> float:
    return float(centreline_mesh(network, cell_mm).flow.half_resistance.sum())


def test_ellipse_from_its_flow_field(verdict: Verdict) -> None:
    """Integrate u = (1 - x^2/a^2 - y^2/b^2) a^2 b^2 / (2 (a^2 + b^2)) over the ellipse."""
    a, b = 1.5, 0.4
    # area integral of 1 - rho^2 over the unit disc is pi/2, times a b
    flow = 0.5 * np.pi * a * b * a**2 * b**2 / (2 * (a**2 + b**2))
    law = ellipse_resistance(np.array(a), np.array(b))
    verdict(SUBJECT, "ellipse: resistance, mm^-4", law, 1 / flow, source=PROFILE, rtol=1e-14)
    got = resistance(vein([a, a], [b, b]))
    verdict(SUBJECT, "ellipse: a meshed vein, mm^-3", got, 10 / flow, source=PROFILE, rtol=1e-12)


def annulus_flow(outer: float, inner: float) -> float:
    """Flow of unit viscosity under unit gradient between two circles.

    u'' + u'/r = -1, u = 0 on both walls: u = (R^2 - r^2)/4 - (R^2 - i^2)/4 ln(R/r)/ln(R/i).
    """

    def ring(r: float) -> float:
        log = np.log(outer / r) / np.log(outer / inner)
        return 2 * np.pi * r * 0.25 * (outer**2 - r**2 - (outer**2 - inner**2) * log)

    return float(quad(ring, inner, outer, epsabs=0, epsrel=1e-12)[0])


@pytest.mark.parametrize("inner", [0.05, 0.35, 0.8])
def test_annulus_from_its_flow_field(inner: float, verdict: Verdict) -> None:
    law, exact = annulus_resistance(np.array(0.9), inner), 1 / annulus_flow(0.9, inner)
    verdict(SUBJECT, "annulus: resistance, mm^-4", law, exact, source=PROFILE, rtol=1e-9)


def test_narrow_annulus_is_a_slit(verdict: Verdict) -> None:
    """12 / (pi (R + r) h^3) as h -> 0."""
    gap = 1e-3
    slit = 12 / (np.pi * (2 * 0.5 + gap) * gap**3)
    law = annulus_resistance(np.array(0.5 + gap), 0.5)
    source = "12 / (pi (R + r) h^3), plane Poiseuille"
    verdict(SUBJECT, "narrow annulus, mm^-4", law, slit, source=source, rtol=1e-5)


def test_catheter_in_a_vein_is_an_annulus(verdict: Verdict) -> None:
    mesh = centreline_mesh(vein([0.9, 0.9], [0.9, 0.9]), 0.5, CatheterRoute(((0, 4.0, 10.0),), 0.7))
    exact = 4 * 8 / (np.pi * 0.9**4) + 6 / annulus_flow(0.9, 0.35)
    got = mesh.flow.half_resistance.sum()
    what = "vein with a catheter in 6 of its 10 mm, mm^-3"
    verdict(SUBJECT, what, got, exact, source=PROFILE, rtol=1e-9)


def tip_pressure(run: Injection, least: float) -> tuple[FloatArray, FloatArray]:
    """Volume and pressure at the beginning of each step, from `least` mm3 on."""
    volume, pressure = run.log["volume"][:-1], run.log["tip_pressure"][1:]
    return volume[volume >= least], pressure[volume >= least]


def piston(x: FloatArray, dx: float, length: float, rate: float, k: float) -> FloatArray:
    """Pressure at the centre of the first cell, half a cell inside the tube, front at x."""
    return rate * k * (MU_A * (x - dx / 2) + MU_B * (length - x))


def test_agent_in_an_ellipse(fluid: Any, tube: Any, push: Any, verdict: Verdict) -> None:
    """Q = pi a^3 b^3 dP / (4 mu L (a^2 + b^2))."""
    a, b, n, length, rate = 1.3, 0.4, 20, 15.0, 0.3
    mesh = tube(n, length=length, radius=a, minor=b)
    run = push(mesh, fluid(viscosity=MU_A), 0.8 * np.pi * a * b * length, rate)
    volume, pressure = tip_pressure(run, mesh.cell_volume[0])
    k = 4 * (a**2 + b**2) / (np.pi * a**3 * b**3)
    exact = piston(volume / (np.pi * a * b), length / n, length, rate, k)
    source = "Q k (mu_a x + mu_b (L - x)), White eq. 3-57"
    what = "ellipse: tip pressure with agent, Pa"
    verdict(SUBJECT, what, pressure, exact, source=source, rtol=1e-9)


def test_agent_round_a_catheter(fluid: Any, tube: Any, push: Any, verdict: Verdict) -> None:
    """A concentric catheter takes its part of the lumen: volume, resistance, and arrival."""
    outer, inner, n, length, rate = 1.0, 0.45, 20, 10.0, 0.2
    dx = length / n
    area = np.pi * (outer**2 - inner**2)
    k = float(annulus_resistance(np.array(outer), inner))
    mesh = tube(
        n,
        length=length,
        cell_gap=outer - inner,
        half_resistance=np.full((n - 1, 2), k * dx / 2),
        terminal_resistance=k * dx / 2 * MU_B,
    )
    mesh = replace(mesh, cell_volume=np.full(n, area * dx))
    run = push(mesh, fluid(viscosity=MU_A), 0.8 * area * length, rate)
    volume, pressure = tip_pressure(run, area * dx)
    exact = piston(volume / area, dx, length, rate, 1 / annulus_flow(outer, inner))
    what = "annulus: tip pressure with agent, Pa"
    verdict(SUBJECT, what, pressure, exact, source=PROFILE, rtol=1e-9)
    full = run.state.full == 1
    due = area * dx * np.arange(1, n + 1)[full] / rate
    what = "annulus: time at which cells fill, s"
    verdict(SUBJECT, what, run.state.full_time[full], due, source="x = Q t / A", rtol=1e-9)


def test_round_taper_has_a_closed_form(verdict: Verdict) -> None:
    """Integral of 8 / (pi r^4) over a cone: 8 L (r0^2 + r0 r1 + r1^2) / (3 pi r0^3 r1^3)."""
    r0, r1, length = 2.0, 0.5, 10.0
    exact = 8 * length * (r0**2 + r0 * r1 + r1**2) / (3 * np.pi * (r0 * r1) ** 3)
    got = resistance(vein([r0, r1], [r0, r1]))
    source = "integral of 8 / (pi r^4) in closed form"
    verdict(SUBJECT, "cone: resistance, mm^-3", got, exact, source=source, rtol=1e-9)


def test_flattening_taper_by_quadrature(verdict: Verdict) -> None:
    major, minor = [1.0, 1.6, 1.2], [0.9, 0.3, 1.0]

    def density(x: float) -> float:
        a, b = (np.interp(x, [0, 5, 10], axes) for axes in (major, minor))
        return float(4 * (a**2 + b**2) / (np.pi * a**3 * b**3))

    exact = quad(density, 0, 10, points=[5], epsabs=0, epsrel=1e-12)[0]
    for cell, bound in ((0.5, 1e-9), (2.0, 1e-5)):
        verdict(
            SUBJECT,
            f"flattening vein in cells of {cell} mm: resistance, mm^-3",
            resistance(vein(major, minor), cell),
            exact,
            source="adaptive quadrature along the vein",
            rtol=bound,
        )


def test_taper_volume_is_that_of_a_frustum(verdict: Verdict) -> None:
    volume = centreline_mesh(vein([2.0, 0.5], [2.0, 0.5])).flow.cell_volume.sum()
    exact = np.pi * 10 * (4 + 1 + 0.25) / 3
    verdict(SUBJECT, "cone: volume, mm3", volume, exact, source="frustum", rtol=1e-12)
