"""The scalar physics of skin, gel and core: one body of it, called by every kernel.

Equations: ``docs/theory.md``, sections 4 and 5. The skin and shell constants are
solutions of radial diffusion of the solvent (Crank, The Mathematics of Diffusion, 2nd ed.,
ch. 5): planar front at 15 % water, cylinder centre at 20 % water.
"""

import math

from geometry.kernels.compiling import law

SKIN_FACTOR = 2.04
"""Skin thickness over sqrt(D t), planar front: 2 erfc^-1(0.15)."""
GEL_NUMBER = 0.113
"""Fourier number at which a cylinder's centre has gelled."""
SHELL_TAIL = 1.0 - SKIN_FACTOR * math.sqrt(GEL_NUMBER)
"""What the planar law lacks of the whole radius at the gel number (0.314)."""
SLOT_GEL_NUMBER = 1.0 / SKIN_FACTOR**2
"""Fourier number, in half gaps, at which the planar shells of an annulus meet (0.240)."""
FULL_HOLD_SHELL = 0.1
"""Shell over radius at which the gelled wall holds with its whole strength."""


@law
def skin_thickness(radius: float, skin: float) -> float:
    """Skin of a stalled front, mm: min(r, 2.04 sqrt(integral of D dt))."""
    return min(radius, SKIN_FACTOR * math.sqrt(skin))


@law
def burst_pressure(
    radius: float, disorder: float, skin: float, tension: float, skin_yield: float
) -> float:
    """Pressure that breaks a gate, Pa: thin cap (2/r)(sigma_0 + Y delta) xi."""
    return 2.0 / radius * (tension + skin_yield * skin_thickness(radius, skin)) * disorder


@law
def solid_number(annular: bool) -> float:
    """Gel number at which a lumen, or an annulus, is solid."""
    return SLOT_GEL_NUMBER if annular else GEL_NUMBER


@law
def shell_fraction(gel: float, annular: bool = False) -> float:
    """Gelled shell over radius (over half the gap of an annulus), 0 to 1, at a gel number."""
    if annular:
        return min(1.0, SKIN_FACTOR * math.sqrt(gel))
    if gel >= GEL_NUMBER:
        return 1.0
    return min(1.0, SKIN_FACTOR * math.sqrt(gel) + SHELL_TAIL * (gel / GEL_NUMBER) ** 6)


@law
def core_mobility(gel: float, annular: bool) -> float:
    """Flow through the open core over flow through the open lumen (0: solid).

    (1 - delta/R)^4 in a tube, (1 - 2 delta/h)^3 in an annulus of gap h, where the gel
    number is that of half the gap, so that both read 1 - shell.
    """
    if gel >= solid_number(annular):
        return 0.0
    open_part = 1.0 - shell_fraction(gel, annular)
    if annular:
        return open_part**3
    return open_part**4
