"""The one place where units change.

Inside: mm, s, g, hence Pa, Pa·s and mm³ (= µL). Outside: mL, mL/min, mmHg, mPa·s.
"""

PA_PER_MMHG = 133.322387415
PA_PER_PSI = 6894.757293168
UL_PER_ML = 1000.0
S_PER_MIN = 60.0
GRAVITY_MM_S2 = 9806.65
MM_PER_FRENCH = 1.0 / 3.0
BYTES_PER_MB = 1_000_000
ROUNDED_ML = 0.005
"""Volumes are told to two places: one that was rounded up is no error."""
LEAST_ML = 0.0005
"""Less is 0.000, to the three decimals of a millilitre that are written."""


def little(volume_mL: float) -> str:
    """Volume to two places, and to three where these would hide that it is less than 0.01 mL.

    >>> little(0.517), little(0.006), little(0.0003)
    ('0.52', '0.006', '0.00')
    """
    return f"{volume_mL:.{3 if LEAST_ML <= volume_mL < 0.01 else 2}f}"


def uL_from_mL(volume_mL: float) -> float:
    """Volume, mL to µL."""
    return volume_mL * UL_PER_ML


def mL_from_uL(volume_uL: float) -> float:
    """Volume, µL to mL."""
    return volume_uL / UL_PER_ML


def uL_s_from_mL_min(rate_mL_min: float) -> float:
    """Flow, mL/min to µL/s."""
    return rate_mL_min * UL_PER_ML / S_PER_MIN


def mL_min_from_uL_s(rate_uL_s: float) -> float:
    """Flow, µL/s to mL/min."""
    return rate_uL_s * S_PER_MIN / UL_PER_ML


def Pa_from_mmHg(pressure_mmHg: float) -> float:
    """Pressure, mmHg to Pa."""
    return pressure_mmHg * PA_PER_MMHG


def mmHg_from_Pa(pressure_Pa: float) -> float:
    """Pressure, Pa to mmHg."""
    return pressure_Pa / PA_PER_MMHG


def Pa_s_from_mPa_s(viscosity_mPa_s: float) -> float:
    """Viscosity, mPa·s to Pa·s."""
    return viscosity_mPa_s / 1000.0


def g_mm3_from_g_mL(density_g_mL: float) -> float:
    """Density, g/mL to g/mm³ (so that density times mm/s² is Pa/mm)."""
    return density_g_mL / 1000.0


def Pa_from_psi(pressure_psi: float) -> float:
    """Pressure, psi to Pa."""
    return pressure_psi * PA_PER_PSI


def Pa_from_kPa(pressure_kPa: float) -> float:
    """Pressure, kPa to Pa."""
    return pressure_kPa * 1000.0


def mm_from_cm(length_cm: float) -> float:
    """Length, cm to mm."""
    return length_cm * 10.0


def mm_from_French(diameter_F: float) -> float:
    """Diameter, French to mm."""
    return diameter_F * MM_PER_FRENCH


def kPa_from_Pa(pressure_Pa: float) -> float:
    """Pressure, Pa to kPa."""
    return pressure_Pa / 1000.0


def mPa_s_from_Pa_s(viscosity_Pa_s: float) -> float:
    """Viscosity, Pa·s to mPa·s."""
    return viscosity_Pa_s * 1000.0


def g_mL_from_g_mm3(density_g_mm3: float) -> float:
    """Density, g/mm³ to g/mL."""
    return density_g_mm3 * 1000.0
