"""Exact resistances: ellipse, taper, annulus; order of convergence where none is exact."""

import numpy as np
import pytest
from scipy.integrate import quad

from geometry.branch_sections import annulus_resistance, ellipse_resistance
from geometry.catheter_route import CatheterRoute
from geometry.centerline_mesh import centreline_mesh
from geometry.levels import Level, Side
from geometry.network import NetworkBuilder, TerminalKind, VesselNetwork
from geometry.structures import Structure


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


def test_ellipse_from_its_flow_field() -> None:
    """Integrate u = (1 - x^2/a^2 - y^2/b^2) a^2 b^2 / (2 (a^2 + b^2)) over the ellipse."""
    a, b = 1.5, 0.4
    # area integral of 1 - rho^2 over the unit disc is pi/2, times a b
    flow = 0.5 * np.pi * a * b * a**2 * b**2 / (2 * (a**2 + b**2))
    assert ellipse_resistance(np.array(a), np.array(b)) == pytest.approx(1 / flow, rel=1e-14)
    assert resistance(vein([a, a], [b, b])) == pytest.approx(10 / flow, rel=1e-12)


def test_annulus_from_its_flow_field() -> None:
    outer, inner = 0.9, 0.35

    def speed(r: float) -> float:
        log = np.log(r / outer) / np.log(outer / inner)
        return 0.25 * (outer**2 - r**2 + (outer**2 - inner**2) * log)

    flow = quad(lambda r: 2 * np.pi * r * speed(r), inner, outer, epsabs=1e-15)[0]
    assert annulus_resistance(np.array(outer), inner) == pytest.approx(1 / flow, rel=1e-12)


def test_narrow_annulus_is_a_slit() -> None:
    """12 / (pi (R + r) h^3) as h -> 0."""
    gap = 1e-3
    slit = 12 / (np.pi * (2 * 0.5 + gap) * gap**3)
    assert annulus_resistance(np.array(0.5 + gap), 0.5) == pytest.approx(slit, rel=1e-5)


def test_catheter_in_a_vein_is_an_annulus() -> None:
    mesh = centreline_mesh(vein([0.9, 0.9], [0.9, 0.9]), 0.5, CatheterRoute(((0, 4.0, 10.0),), 0.7))
    free, held = (
        ellipse_resistance(np.array(0.9), np.array(0.9)),
        annulus_resistance(np.array(0.9), 0.35),
    )
    assert mesh.flow.half_resistance.sum() == pytest.approx(4 * free + 6 * held, rel=1e-12)


def test_round_taper_has_a_closed_form() -> None:
    """Integral of 8 / (pi r^4) over a cone: 8 L (r0^2 + r0 r1 + r1^2) / (3 pi r0^3 r1^3)."""
    r0, r1, length = 2.0, 0.5, 10.0
    exact = 8 * length * (r0**2 + r0 * r1 + r1**2) / (3 * np.pi * (r0 * r1) ** 3)
    assert resistance(vein([r0, r1], [r0, r1])) == pytest.approx(exact, rel=1e-9)


def test_flattening_taper_by_quadrature() -> None:
    major, minor = [1.0, 1.6, 1.2], [0.9, 0.3, 1.0]

    def density(x: float) -> float:
        a, b = (np.interp(x, [0, 5, 10], axes) for axes in (major, minor))
        return float(ellipse_resistance(a, b))

    exact = quad(density, 0, 10, points=[5], epsabs=0, epsrel=1e-12)[0]
    assert resistance(vein(major, minor)) == pytest.approx(exact, rel=1e-9)
    assert resistance(vein(major, minor), 2.0) == pytest.approx(exact, rel=1e-5)


def test_taper_volume_is_that_of_a_frustum() -> None:
    volume = centreline_mesh(vein([2.0, 0.5], [2.0, 0.5])).flow.cell_volume.sum()
    assert volume == pytest.approx(np.pi * 10 * (4 + 1 + 0.25) / 3, rel=1e-12)
