"""Gel: static gel time, freezing length, shell law, core mobility.

Exact answers from radial diffusion of the solvent out of a cylinder that holds c = 1, with c = 0
outside (Crank 1975, The Mathematics of Diffusion, eq. 5.22)::

    c(r, F) = 2 sum_n J0(a_n r) / (a_n J1(a_n)) exp(-a_n^2 F),  J0(a_n) = 0,  F = D t / R^2

gelled where c <= 0.80; and from the plug profile of the advected gel number, F = pi D x / Q.
"""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.linalg import solve_banded
from scipy.optimize import brentq
from scipy.sparse import csc_array, eye_array, lil_array
from scipy.sparse.linalg import splu
from scipy.special import j0, j1, jn_zeros

from castsim.kernels.laws import GEL_NUMBER, core_mobility, shell_fraction
from castsim.protocol import Pause, Step
from geometry.flowmesh import FlowMesh

ZEROS = jn_zeros(0, 60)
CENTRE = 0.80
D = 3e-4
SUBJECT = "Gel"
SERIES = "radial diffusion: Bessel series, Crank eq. 5.22"


def solvent(r, fourier):
    terms = j0(np.outer(r, ZEROS)) / (ZEROS * j1(ZEROS)) * np.exp(-(ZEROS**2) * fourier)
    return 2 * terms.sum(axis=1)


def test_gel_number_is_that_of_the_centre(verdict):
    """The centre reaches 0.80 of the solvent at F = 0.113, within 5 %."""
    exact = brentq(lambda f: solvent(np.zeros(1), f)[0] - CENTRE, 0.02, 0.3)
    what = "gel number D t / R^2 of a cylinder"
    verdict(SUBJECT, what, GEL_NUMBER, exact, source=SERIES, rtol=0.05)


def series_shell(fourier, level=CENTRE):
    """Shell over radius: where the solvent has fallen to `level`, by the series."""
    return 1 - brentq(lambda r: solvent(np.array([r]), fourier)[0] - level, 0, 1)


def test_shell_law(verdict):
    """Shell 2.04 sqrt(F) + 0.314 (F/0.113)^6 against the series.

    2.04 is the planar front at 15 % water, 0.113 the centre at 20 %: between the two criteria the
    law follows neither exactly. A thin shell is that of 15 %, 12 % thicker than that of 20 %.
    """
    fourier = np.append(np.linspace(0.005, 0.11, 43), 0.112)
    law = [shell_fraction(f) for f in fourier]
    exact = np.array([series_shell(f) for f in fourier])
    what = "shell over radius, all gel numbers, front at 20 % water"
    verdict.curve(
        SUBJECT,
        what,
        fourier,
        law,
        exact,
        name="shell-law",
        x_label="gel number D t / R^2",
        source=SERIES,
        atol=0.055,
    )
    thick = fourier >= 0.02
    what = "shell over radius, F from 0.02, front at 20 % water"
    verdict(SUBJECT, what, np.array(law)[thick], exact[thick], source=SERIES, rtol=0.07)
    thin = [5e-4, 1e-3, 2e-3]
    law, exact = [shell_fraction(f) for f in thin], [series_shell(f, 0.85) for f in thin]
    what = "shell over radius, F up to 0.002, front at 15 % water"
    verdict(SUBJECT, what, law, exact, source=SERIES, rtol=0.03)


def diffuse(fourier, cells=2000, steps=2000):
    """Shell over radius where the solvent has fallen to `CENTRE`, by finite volumes in rings.

    Independent of the series; implicit in time: dc/dF = 1/r d/dr (r dc/dr), c = 0 at the wall,
    steps of equal sqrt(F), so that the sharp start is resolved.
    """
    edge = np.linspace(0, 1, cells + 1)
    ring = np.diff(edge**2) / 2
    pull = edge[1:] * cells
    pull[-1] *= 2  # half a cell to the wall
    band = np.zeros((3, cells))
    c = np.ones(cells)
    last = 0.0
    times = fourier * np.linspace(0, 1, steps + 1)[1:] ** 2
    for time in times:
        dt, last = time - last, time
        band[0, 1:] = band[2, :-1] = -pull[:-1]
        band[1] = ring / dt + pull + np.append(0.0, pull[:-1])
        c = solve_banded((1, 1), band, ring / dt * c)
    middle = 0.5 * (edge[1:] + edge[:-1])
    return 1 - float(np.interp(-CENTRE, -c, middle))


@pytest.mark.parametrize("fourier", [0.01, 0.05, 0.1])
def test_series_agrees_with_finite_volumes(fourier, verdict):
    """The reference itself, two ways."""
    source = "radial diffusion: implicit finite volumes, 2000 rings"
    what = "series for the shell over radius"
    exact = diffuse(fourier)
    verdict(SUBJECT, what, series_shell(fourier), exact, source=source, atol=5e-4)


def test_shell_law_at_its_ends():
    """Nothing at F = 0, all at the gel number, growing between."""
    shells = np.array([shell_fraction(f) for f in np.linspace(0.0, 0.12, 500)])
    assert shells[0] == 0.0
    assert shell_fraction(GEL_NUMBER) == 1.0
    assert shell_fraction(GEL_NUMBER * (1 - 1e-9)) == pytest.approx(1.0, abs=1e-6)
    assert (np.diff(shells) >= 0).all()


@pytest.mark.parametrize("gel", [0.0, 0.002, 0.02, 0.08])
def test_core_mobility(gel, verdict):
    """Poiseuille flow in what the shell leaves open, by integrating the profiles.

    The shells of a slit are planar: 2.04 sqrt(F) of half the gap, and meet at F = 1/2.04^2.
    """
    open_part = 1 - shell_fraction(gel)

    def through(section, edge):
        return quad(section, 0, edge)[0]

    tube = through(lambda r: 2 * np.pi * r * (open_part**2 - r**2) / 4, open_part)
    whole = through(lambda r: 2 * np.pi * r * (1 - r**2) / 4, 1.0)
    source = "integral of the velocity profile"
    what = "flow through the open core of a tube, over the open tube's"
    verdict(SUBJECT, what, core_mobility(gel, False), tube / whole, source=source, rtol=1e-9)
    open_slit = 1 - 2.04 * np.sqrt(gel)
    slit = through(lambda y: (open_slit**2 - y**2) / 2, open_slit)
    what = "the same of a slit"
    verdict(SUBJECT, what, core_mobility(gel, True), slit / (1 / 3), source=source, rtol=1e-9)
    assert core_mobility(GEL_NUMBER, False) == core_mobility(1.0001 / 2.04**2, True) == 0.0
    assert core_mobility(0.9999 / 2.04**2, True) > 0.0


def static_gel_time(fluid, push, mesh, guess):
    """The pause after which nothing moves any more, by bisection between 0.5 and 2 guesses."""
    cell = mesh.cell_volume[0]
    fast = cell / (1e-5 * guess)
    open_after, solid_after = 0.5 * guess, 2 * guess
    while solid_after - open_after > 1e-4 * guess:
        pause = 0.5 * (open_after + solid_after)
        steps = (Step(3.5 * cell, fast), Pause(pause), Step(cell, fast))
        run = push(mesh, fluid(diffusivity=D), steps=steps, source={"pressure_limit": 1e30})
        if run.stop_reason.startswith("stalled"):
            solid_after = pause
        else:
            open_after = pause
    return solid_after


@pytest.mark.parametrize(("radius", "gap"), [(0.4, 0.0), (1.0, 0.0), (0.8, 0.35)])
def test_static_gel_time(fluid, tube, push, radius, gap, verdict):
    """Agent at rest is solid after 0.113 R^2/D, between walls when 2.04 sqrt(D t) is half a gap."""
    exact = (gap / 2 / 2.04) ** 2 / D if gap else 0.113 * radius**2 / D
    mesh = tube(6, length=3.0, radius=radius, cell_gap=gap)
    source = "2.04 sqrt(D t) = h / 2" if gap else "0.113 R^2 / D"
    what = "static gel time of an annulus, s" if gap else "static gel time of a tube, s"
    found = static_gel_time(fluid, push, mesh, exact)
    verdict(SUBJECT, what, found, exact, source=source, rtol=1e-3)


def test_gel_wherever_agent_rests(fluid, push, verdict):
    """Joined to the tip, cut off from it by a solid vein, or in a cell half full: D t / R^2."""
    radius, pause = np.array([1.0, 0.3, 0.8, 1.2]), 60.0
    assert D * pause / 0.3**2 > 0.113  # cell 1 is solid long before
    mesh = FlowMesh.from_arrays(
        cell_volume=np.ones(4),
        cell_radius=radius,
        face_owner=[0, 1, 2],
        face_neighbour=[1, 2, 3],
        terminal_cell=[3],
    )
    fast = 1e6
    run = push(mesh, fluid(diffusivity=D), steps=(Step(3.5, fast), Pause(pause)))
    assert run.state.full.tolist() == [1, 1, 1, 0]
    exact = D * pause / radius**2
    keep = [0, 2, 3]
    what = "gel number after a pause: at the tip, cut off, and half full"
    verdict(SUBJECT, what, run.state.gel[keep], exact[keep], source="D t / R^2", rtol=1e-5)
    assert run.state.gel[1] >= 0.113


def ellipse_gel_time(a, b, points=30, steps=500):
    """D t at which the centre has fallen to `CENTRE`, by differences on a quarter, implicit.

    The wall cuts the grid's lines at their true distance (Shortley and Weller 1938).
    """
    h = b / points
    x, y = np.arange(0, a, h), np.arange(0, b, h)
    inside = (x[:, None] / a) ** 2 + (y / b) ** 2 < 1 - 1e-12
    number = np.where(inside, np.cumsum(inside).reshape(inside.shape) - 1, -1)
    number = np.pad(number, (0, 1), constant_values=-1)
    i, j = np.nonzero(inside)
    matrix = lil_array((len(i), len(i)))
    wall_x, wall_y = a * np.sqrt(1 - (y[j] / b) ** 2), b * np.sqrt(1 - (x[i] / a) ** 2)
    for k in range(len(i)):
        for di, dj, to_wall in ((1, 0, wall_x[k] - x[i[k]]), (0, 1, wall_y[k] - y[j[k]])):
            after = number[i[k] + di, j[k] + dj]
            before = number[abs(i[k] - di), abs(j[k] - dj)]  # mirrored at the axes
            reach = 1.0 if after >= 0 else to_wall / h
            matrix[k, k] -= 2 / (h * h * reach)
            matrix[k, before] += 2 / (h * h * (1 + reach))
            if after >= 0:
                matrix[k, after] += 2 / (h * h * reach * (1 + reach))
    dt = 0.113 * b**2 / steps
    solve = splu(csc_array(eye_array(len(i)) - dt * matrix)).solve
    c, centre = np.ones(len(i)), [1.0]
    while centre[-1] > CENTRE:
        c = solve(c)
        centre.append(c[0])
    return float(np.interp(-CENTRE, -np.array(centre), dt * np.arange(len(centre))))


@pytest.mark.parametrize(
    ("a", "b", "bound"), [(0.7, 0.7, 3e-3), (1.2, 0.9, 0.02), (1.3, 0.65, 0.08), (1.5, 0.3, 0.2)]
)
def test_static_gel_time_of_an_ellipse(fluid, tube, push, a, b, bound, verdict):
    """1/R^2 = (1/a^2 + 1/b^2)/2 is exact for a circle; the flatter the vein, the later it gels.

    Too late by 1 % at 4:3, 7 % at 2:1, 19 % at 5:1 and never more than 22 % (two plane walls).
    """
    exact = ellipse_gel_time(a, b) / D
    mesh = tube(6, length=3.0, radius=a, minor=b)
    what = f"static gel time of an ellipse {a / b:.2g}:1, s"
    found = static_gel_time(fluid, push, mesh, exact)
    source = "diffusion in an ellipse, differences"
    verdict(SUBJECT, what, found, exact, source=source, rtol=bound)


@pytest.mark.parametrize(("radius", "gap"), [(0.4, 0.0), (0.8, 0.35)])
@pytest.mark.parametrize("share", [0.97, 1.03])
def test_before_and_after_the_gel_time(fluid, tube, push, radius, gap, share):
    """Up to the gel time all flows on; after it nothing does, and the gel number is D t / R^2."""
    reach = gap / 2 if gap else radius
    gel_time = (1 / 2.04**2 if gap else 0.113) * reach**2 / D
    mesh = tube(6, length=3.0, radius=radius, cell_gap=gap)
    cell = mesh.cell_volume[0]
    fast = cell / (1e-5 * gel_time)
    steps = (Step(3.5 * cell, fast), Pause(share * gel_time), Step(cell, fast))
    run = push(mesh, fluid(diffusivity=D), steps=steps)
    if share < 1:
        assert run.stop_reason == "protocol complete"
        assert run.injected == pytest.approx(4.5 * cell)
    else:
        assert run.stop_reason.startswith("stalled")
        assert run.injected == pytest.approx(3.5 * cell)
        np.testing.assert_allclose(run.state.gel[:3], D * share * gel_time / reach**2, rtol=1e-3)


@pytest.mark.parametrize("gap", [0.0, 0.3])
@pytest.mark.parametrize("fourier", [0.005, 0.03])
def test_pressure_after_a_pause(fluid, tube, push, fourier, gap, verdict):
    """The core that is left carries the flow: pressure times 1/(1-d/R)^4 or 1/(1-2d/h)^3."""
    radius, n, length, mu = 0.7, 30, 15.0, 0.02
    reach = gap / 2 if gap else radius
    pause = fourier * reach**2 / D
    mesh = tube(n, length=length, radius=radius, cell_gap=gap, blood=1e-9)
    cell = mesh.cell_volume[0]
    rate = cell / (1e-6 * pause)
    steps = (Step((n - 1) * cell, rate), Pause(pause), Step(1e-4 * cell, rate))
    run = push(mesh, fluid(diffusivity=D, viscosity=mu), steps=steps, blood_viscosity=1e-9)
    resumed = np.flatnonzero(run.log["time"] > 0.99 * pause)[-1]
    k = 8 / (np.pi * radius**4)
    bare = rate * k * mu * length * (n - 1.5) / n
    tail = 0.0 if gap else 0.314 * (fourier / 0.113) ** 6
    left = 1 - (2.04 * np.sqrt(fourier) + tail)
    exact = bare / (left**3 if gap else left**4)
    got = run.log["tip_pressure"][resumed]
    what = f"tip pressure after a pause, {'annulus' if gap else 'tube'}, Pa"
    source = "12 mu / (h - 2 d)^3" if gap else "8 mu / (pi (R - d)^4)"
    verdict(SUBJECT, what, got, exact, source=source, rtol=2e-3)


@pytest.mark.parametrize("radius", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("dx", [0.25, 0.5])
def test_freezing_length(fluid, tube, push, radius, dx, verdict):
    """A front freezes 0.113 Q/(pi D) from the tip (9.0 mm), whatever the calibre and the cells.

    It stands in the first cell whose far end lies beyond: the exact length, up to a cell.
    """
    rate, diffusivity = 0.5, 2e-3
    exact = 0.113 * rate / (np.pi * diffusivity)
    n = int(1.6 * exact / dx)
    mesh = tube(n, length=n * dx, radius=radius)
    agent = fluid(diffusivity=diffusivity, healing_time=0.01)
    run = push(mesh, agent, float(mesh.cell_volume.sum()), rate)
    assert run.stop_reason.startswith("stalled")
    frozen = run.state.agent_volume.sum() / (np.pi * radius**2)
    what = f"freezing length in cells of {dx} mm, mm"
    verdict(SUBJECT, what, frozen, exact, source="0.113 Q / (pi D)", atol=dx)


@pytest.mark.parametrize(("radius", "dx"), [(0.25, 0.5), (1.0, 0.5), (1.0, 0.25)])
def test_gel_behind_a_front(fluid, tube, push, radius, dx, verdict):
    """Behind an advancing front F = pi D x / Q at the far end of each cell, to round-off."""
    rate, diffusivity, n = 0.5, 2e-3, 20
    mesh = tube(n, length=n * dx, radius=radius)
    cell = mesh.cell_volume[0]
    run = push(mesh, fluid(diffusivity=diffusivity), 12.4 * cell, rate)
    x = dx * np.append(np.arange(1, 13), 12.4)
    verdict.curve(
        SUBJECT,
        "gel number behind an advancing front",
        x,
        run.state.gel[:13],
        np.pi * diffusivity * x / rate,
        name="gel-front" if (radius, dx) == (0.25, 0.5) else None,
        x_label="way from the tip, mm",
        source="plug profile, pi D x / Q",
        rtol=1e-9,
    )


def test_aged_agent_carries_its_gel_on(fluid, push, verdict):
    """A shell grown in a narrow vein during a pause goes on into the wide one."""
    rate, diffusivity, pause = 0.5, 1e-3, 4.0
    radius, dx = np.array([0.3, 0.3, 1.0, 1.0]), 0.5
    mesh = FlowMesh.from_arrays(
        cell_volume=np.pi * radius**2 * dx,
        cell_radius=radius,
        face_owner=[0, 1, 2],
        face_neighbour=[1, 2, 3],
        terminal_cell=[3],
    )
    steps = (Step(4.0, rate), Pause(pause), Step(30.0, rate))
    gel = push(mesh, fluid(diffusivity=diffusivity), steps=steps).state.gel
    step = np.pi * diffusivity * dx / rate
    np.testing.assert_allclose(
        gel[:2], diffusivity * pause / 0.3**2 + step * np.array([1, 2]), 1e-6
    )
    # aged in the wide vein alone it would be a tenth of that
    exact = gel[1] + step * np.array([1, 2])
    what = "gel number carried from a narrow vein into a wide one"
    verdict(SUBJECT, what, gel[2:], exact, source="F upstream + pi D x / Q", rtol=0.01)


def test_gel_along_a_steady_flow(fluid, tube, push, verdict):
    """F = pi D x / Q at the downstream end of each cell, once the flow has passed often enough."""
    rate, diffusivity, n, length, radius = 0.5, 5e-4, 20, 10.0, 0.4
    # all flow leaves through an open end: what flows through is fresh
    mesh = tube(n, length=length, radius=radius)
    run = push(mesh, fluid(diffusivity=diffusivity), 30.0, rate)
    x = length / n * np.arange(1, n + 1)
    assert run.terminal > 20
    exact = np.pi * diffusivity * x / rate
    what = "gel number along a steady flow"
    source = "plug profile, pi D x / Q"
    verdict(SUBJECT, what, run.state.gel, exact, source=source, rtol=1e-3)


def test_a_pause_shuts_thin_veins_only(fluid, push):
    """120 s shut 1 mm (95 s) and leave 3 mm open (14 min): plug and push."""
    mesh = FlowMesh.from_arrays(
        cell_volume=[5.0, 5.0, 5.0, 5.0, 5.0],
        cell_radius=[1.5, 0.5, 0.5, 1.5, 1.5],
        face_owner=[0, 1, 0, 3],
        face_neighbour=[1, 2, 3, 4],
        terminal_cell=[2, 4],
        terminal_resistance=[1e-3, 1e6],
    )
    steps = (Step(12.0, 50.0), Pause(120.0), Step(3.0, 50.0))
    run = push(mesh, fluid(diffusivity=D), steps=steps)
    thin, wide = run.state.agent_volume[1:3].sum(), run.state.agent_volume[3:].sum()
    before = push(mesh, fluid(diffusivity=D), steps=steps[:1]).state.agent_volume
    assert thin == pytest.approx(before[1:3].sum())
    assert wide == pytest.approx(before[3:].sum() + 3.0)
    assert before[1] == 5.0  # the thin vein was the easier one before
