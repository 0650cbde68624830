"""Microcatheters, and the syringe behind them.

Values come from ``data/microcatheters.csv``; the compliance of a 1 mL syringe with its
catheter and the force of a thumb from the ``syringe`` rows of ``data/skin_parameters.csv``.
To add a catheter: add its row to the first table.
"""

import math
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from castsim.naming import match_name
from castsim.tables import Row, number, read_priors, read_table
from castsim.units import Pa_from_kPa, Pa_from_psi, mm_from_cm, mm_from_French, uL_from_mL

_COMPLIANCE_PRESSURE_KPA = 500.0
"""Pressure to which the tabulated stored volume belongs (unit ``mL per 500 kPa``)."""


@dataclass(frozen=True)
class Catheter:
    """One microcatheter with the syringe on its hub, in mm, s, g (hence Pa and µL).

    Attributes
    ----------
    name : as in scenarios, for example ``Marathon``
    outer_diameter : mm, at the tip
    proximal_diameter : mm, outer, at the hub
    lumen_diameter : mm, of the uniform lumen that holds the dead space (the real one tapers)
    length : mm, hub to tip
    dead_space : µL, hub and lumen, full of DMSO at the start
    pressure_limit : Pa, at the hub: the maker's rating, infinite where none is published
    thumb_pressure : Pa, that a thumb can put on a 1 mL syringe
    hub_compliance : µL/Pa, stored by syringe and catheter wall
    balloon_diameter, balloon_length : mm, 0 where the catheter carries no balloon
    """

    name: str
    outer_diameter: float
    proximal_diameter: float
    lumen_diameter: float
    length: float
    dead_space: float
    pressure_limit: float
    thumb_pressure: float
    hub_compliance: float
    balloon_diameter: float
    balloon_length: float

    @property
    def hub_pressure_limit(self) -> float:
        """Largest pressure at the hub, Pa: rating or thumb, whichever is less."""
        return min(self.pressure_limit, self.thumb_pressure)

    def resistance(self, viscosity: float) -> float:
        """Resistance from hub to tip, Pa·s/mm³, when filled with `viscosity` (Pa·s)."""
        return poiseuille_resistance(viscosity, self.lumen_diameter, self.length)


def poiseuille_resistance(viscosity: float, diameter: float, length: float) -> float:
    """Return the resistance of a round tube: ``128 μ L / (π d⁴)``.

    Parameters
    ----------
    viscosity : Pa·s
    diameter, length : mm

    Returns
    -------
    float
        Pa·s/mm³.

    Examples
    --------
    Onyx 18 at 0.16 mL/min through the distal lumen of a Marathon, in psi:

    >>> from castsim.units import PA_PER_PSI, uL_s_from_mL_min
    >>> pressure = poiseuille_resistance(0.025, 0.33, 1650.0) * uL_s_from_mL_min(0.16)
    >>> round(pressure / PA_PER_PSI, 1)
    54.8
    """
    return 128.0 * viscosity * length / (math.pi * diameter**4)


_ROWS: MappingProxyType[str, Row] = MappingProxyType(
    {row["catheter"]: row for row in read_table("microcatheters")}
)

CATHETER_NAMES: tuple[str, ...] = tuple(_ROWS)
"""Microcatheters that can be simulated; all of them bear DMSO."""


def catheter_name(name: str) -> str:
    """Return the canonical name of the catheter called `name` (letter case is ignored).

    Raises
    ------
    ScenarioError
        If there is none of that name.
    """
    return match_name(name, CATHETER_NAMES, "catheter")


@cache
def load_catheter(name: str) -> Catheter:
    """Look a catheter up by `name` (letter case is ignored).

    Raises
    ------
    ScenarioError
        As :func:`catheter_name`.

    Examples
    --------
    >>> load_catheter("Marathon").dead_space
    230.0
    """
    canonical = catheter_name(name)
    row = _ROWS[canonical]

    def value(column: str) -> float:
        return number(row, column, table="microcatheters")

    syringe = read_priors("syringe")
    stored = uL_from_mL(syringe["hub_compliance"].median)
    return Catheter(
        name=canonical,
        outer_diameter=mm_from_French(value("outer_diameter_F")),
        proximal_diameter=mm_from_French(value("proximal_diameter_F")),
        lumen_diameter=value("mean_lumen_mm"),
        length=mm_from_cm(value("length_cm")),
        dead_space=uL_from_mL(value("dead_space_mL")),
        pressure_limit=(
            Pa_from_psi(value("pressure_limit_psi")) if row["pressure_limit_psi"] else math.inf
        ),
        thumb_pressure=Pa_from_kPa(syringe["thumb_pressure"].median),
        hub_compliance=stored / Pa_from_kPa(_COMPLIANCE_PRESSURE_KPA),
        balloon_diameter=value("balloon_diameter_mm") if row["balloon_diameter_mm"] else 0.0,
        balloon_length=value("balloon_length_mm") if row["balloon_length_mm"] else 0.0,
    )
