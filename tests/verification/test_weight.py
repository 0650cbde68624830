"""Agent heavier than blood: columns up, down and sideways, and the calibre where weight rules.

With a front x in a vein that climbs at an angle (White, Viscous Fluid Flow, eq. 3-52, and the
hydrostatic law), in pressures less that of blood at rest::

    P_tip - P_end = Q k (mu_a x + mu_b (L - x)) + (rho_a - rho_b) |g| cos(angle to up) x
"""

import numpy as np
import pytest

from castsim.units import uL_s_from_mL_min

MU_A, MU_B = 0.02, 0.004
G = 9806.65
HEAVY, BLOOD = 1.43e-3, 1.06e-3
SUBJECT = "Weight"


def viscous(volume, area, dx, length, rate, k):
    """Loss from the centre of the first cell, which is half a cell inside the tube, Pa."""
    x = volume / area
    return rate * k * (MU_A * (x - dx / 2) + MU_B * (length - x))


WAYS = {"up": (0, 0, 1), "down": (0, 0, -1), "sideways": (1, 0, 0), "oblique": (0, 3, 4)}


@pytest.mark.parametrize("way", WAYS)
def test_buoyant_column(fluid, tube, push, verdict, way):
    """Pressure at the tip carries the agent's excess weight, to round-off."""
    n, length, radius, rate = 20, 20.0, 1.0, 0.5
    dx, area = length / n, np.pi * radius**2
    climb = WAYS[way][2] / np.linalg.norm(WAYS[way])
    mesh = tube(n, length=length, radius=radius, direction=WAYS[way])
    heavy = fluid(viscosity=MU_A, density=HEAVY)
    run = push(mesh, heavy, 0.9 * area * length, rate, gravity=[0, 0, -G])
    volume, pressure = run.log["volume"][:-1], run.log["tip_pressure"][1:]
    inside = volume >= area * dx
    volume, pressure = volume[inside], pressure[inside]
    exact = viscous(volume, area, dx, length, rate, 8 / (np.pi * radius**4))
    # reduced pressure at the tip is that of the blood beside it
    exact = exact + (HEAVY - BLOOD) * G * climb * (volume / area - dx / 2)
    verdict(
        SUBJECT,
        f"tip pressure below a column that goes {way}, Pa",
        pressure,
        exact,
        source="drho g x + Q k (mu_a x + mu_b (L - x))",
        atol=1e-9 * np.abs(exact).max(),
    )
    front = run.state.agent_volume.sum() / area
    source = "x = V / A"
    verdict(SUBJECT, f"front that goes {way}, mm", front, 0.9 * length, source=source, rtol=1e-9)


def test_column_stands_at_the_height_that_pressure_bears(fluid, tube, push, verdict):
    """A vein upwards fed at pressure p: the front comes to rest at p / ((rho_a - rho_b) g).

    (measured from the centre of the tip's cell, and less at most the burst pressure 2 sigma/r)
    """
    n, length, p, tension = 40, 20.0, 40.0, 0.05
    heavy = fluid(density=HEAVY, tension=tension, healing_time=1.0)
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
    highest, band = p / ((HEAVY - BLOOD) * G), 2 * tension / ((HEAVY - BLOOD) * G)
    verdict(
        SUBJECT,
        f"height at which a column fed at {p:g} Pa rests, mm",
        height,
        highest - band / 2,
        source="p / (drho g), less up to 2 sigma / r",
        atol=band / 2 + 0.05,
    )
    assert height <= highest * (1 + 1e-9)


def losses(fluid, tube, push, radius, rate, viscosity):
    """Viscous loss and weight, Pa per mm of agent, by the same injection upwards and sideways."""
    n, length = 12, 6.0
    found = []
    for way in ("sideways", "up"):
        mesh = tube(n, length=length, radius=radius, direction=WAYS[way], blood=1e-12)
        agent = fluid(viscosity=viscosity, density=HEAVY)
        volume = 0.8 * np.pi * radius**2 * length
        run = push(mesh, agent, volume, rate, gravity=[0, 0, -G], blood_viscosity=1e-12)
        x = run.log["volume"][:-1] / (np.pi * radius**2)
        half = x > length / 4
        found.append(np.polyfit(x[half], run.log["tip_pressure"][1:][half], 1)[0])
    return found[0], found[1] - found[0]


@pytest.mark.parametrize(
    ("rate", "calibre"), [(0.05, 0.70), (0.1, 0.83), (0.16, 0.93), (0.3, 1.09)]
)
def test_calibre_at_which_weight_equals_viscous_loss(fluid, tube, push, verdict, rate, calibre):
    """Above it gravity decides, below it viscosity: 25 mPa s, 0.37 g/mL, within 10 %."""
    radii = np.array([0.3, 0.4, 0.5, 0.6])
    pairs = [losses(fluid, tube, push, r, uL_s_from_mL_min(rate), 0.025) for r in radii]
    ratio = np.array([loss / weight for loss, weight in pairs])
    assert (np.diff(ratio) < 0).all()
    crossing = 2 * np.exp(np.interp(0.0, -np.log(ratio), np.log(radii)))
    verdict(
        SUBJECT,
        f"calibre at which weight equals viscous loss, {rate} mL/min, mm",
        crossing,
        calibre,
        source="128 mu Q / (pi d^4) = drho g; engineering estimate",
        rtol=0.1,
    )
    exact = 2 * (8 * 0.025 * uL_s_from_mL_min(rate) / (np.pi * (HEAVY - BLOOD) * G)) ** 0.25
    # the ratio is a power of the calibre, so that interpolating logarithms is exact
    assert crossing == pytest.approx(exact, rel=1e-6)
