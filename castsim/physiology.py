"""What the blood does before anything is injected: pressures, wanted inflows, viscosity."""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from castsim.errors import ScenarioError
from castsim.tables import Row, number, read_table
from castsim.units import Pa_from_mmHg, Pa_s_from_mPa_s, g_mm3_from_g_mL, uL_s_from_mL_min
from geometry.levels import Level
from geometry.structures import Structure

if TYPE_CHECKING:  # reading a scenario needs no kernels
    from geometry.flowmesh import FloatArray, FlowMesh

TABLE = "haemodynamics"
OTHER = "other"
"""Site of the inflow row that serves ends of which nothing is known."""
ABDOMINAL_SITES = ("renal", "hepatic")
"""Ends whose capillaries bear a rise of abdominal pressure as well."""


@dataclass(frozen=True)
class Physiology:
    """Resting state of one patient; units inside (Pa, uL/s, Pa s, g/mm3).

    Attributes
    ----------
    right_atrium_Pa : held pressure of the outlet ``right_atrium``
    ivc_excess_Pa : every other outlet (iliac ends) above the right atrium
    upstream_Pa : Thevenin pressure of tributaries
    azygos_outflow_uL_s : wanted flow out of the azygos system into other veins
    ivc_flow_uL_s : wanted flow of the IVC towards the right atrium
    abdominal_pressure_Pa : rise of abdominal pressure, on the outlets below the diaphragm and
        on the upstream pressure of `ABDOMINAL_SITES`
    csf_pressure_Pa, csf_hypotension_Pa : for the gradients that are reported
    blood_viscosity_Pa_s : nominal
    blood_density : g/mm3
    blood_model : ``nominal``, or ``shear`` for Carreau-Yasuda by wall shear rate
    """

    right_atrium_Pa: float
    ivc_excess_Pa: float
    upstream_Pa: float
    azygos_outflow_uL_s: float
    ivc_flow_uL_s: float
    csf_pressure_Pa: float
    csf_hypotension_Pa: float
    blood_viscosity_Pa_s: float
    blood_density: float
    abdominal_pressure_Pa: float = 0.0
    blood_model: Literal["nominal", "shear"] = "nominal"

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, float) and not np.isfinite(value):
                raise ScenarioError(f"physiology: {name} = {value} must be finite")
        for name in ("blood_viscosity_Pa_s", "blood_density"):
            if vars(self)[name] <= 0:
                raise ScenarioError(f"physiology: {name} = {vars(self)[name]} must be > 0")
        for name in ("azygos_outflow_uL_s", "ivc_flow_uL_s"):
            if vars(self)[name] < 0:
                raise ScenarioError(f"physiology: {name} = {vars(self)[name]} must be >= 0")
        if self.upstream_Pa <= max(self.right_atrium_Pa, self.right_atrium_Pa + self.ivc_excess_Pa):
            raise ScenarioError(
                f"physiology: upstream_Pa = {self.upstream_Pa:.0f} must exceed the pressure of the "
                "right atrium and of the iliac veins at rest"
            )
        if self.blood_model not in ("nominal", "shear"):
            raise ScenarioError(
                f"physiology: blood_model = {self.blood_model!r} must be 'nominal' or 'shear'"
            )

    @classmethod
    def default(cls) -> "Physiology":
        """Values of ``castsim/data/haemodynamics.csv``."""
        return cls(
            right_atrium_Pa=Pa_from_mmHg(_value("pressure", "right_atrium")),
            ivc_excess_Pa=Pa_from_mmHg(_value("pressure", "ivc_excess")),
            upstream_Pa=Pa_from_mmHg(_value("pressure", "upstream")),
            azygos_outflow_uL_s=uL_s_from_mL_min(_value("flow", "azygos_outflow")),
            ivc_flow_uL_s=uL_s_from_mL_min(_value("flow", "ivc_infrarenal")),
            csf_pressure_Pa=Pa_from_mmHg(_value("pressure", "csf_normal")),
            csf_hypotension_Pa=Pa_from_mmHg(_value("pressure", "csf_hypotension")),
            blood_viscosity_Pa_s=Pa_s_from_mPa_s(_value("viscosity", "blood")),
            blood_density=g_mm3_from_g_mL(_value("density", "blood")),
        )


def shear_viscosity(shear_rate: "FloatArray") -> "FloatArray":
    """Carreau-Yasuda viscosity of blood, Pa s, at a shear rate in 1/s.

    mu = mu_inf + (mu_0 - mu_inf) (1 + (lambda gamma)^a)^((n - 1) / a). Cho & Kensey 1991.

    >>> [round(float(mu) * 1e3, 2) for mu in shear_viscosity(np.array([0.0, 1.0, 1e6]))]
    [56.0, 27.1, 3.45]
    """
    zero, infinite, time, power, transition = (
        _value("carreau_yasuda", name)
        for name in ("viscosity_zero", "viscosity_infinite", "time", "power", "transition")
    )
    fall = (1 + (time * shear_rate) ** transition) ** ((power - 1) / transition)
    return np.asarray(Pa_s_from_mPa_s(1.0) * (infinite + (zero - infinite) * fall))


def wanted_inflow(mesh: "FlowMesh") -> "FloatArray":
    """Inflow q* (t,) uL/s that each terminal should bring at rest, from the inflow rows.

    A row is found by the words with which the terminal's name begins, or else by the structure of
    its cell, or else it is the row ``other``; and by the level of its cell. Rows `per` side, level
    or level_side are shared evenly by the terminals of the same site there.
    """
    site = [_site(mesh, t) for t in range(mesh.n_terminals)]
    level = mesh.cell_level[mesh.terminal_cell].tolist()
    side = mesh.cell_side[mesh.terminal_cell].tolist()
    rows = [_inflow_row(s, code) for s, code in zip(site, level, strict=True)]
    share_key = [
        {
            "terminal": (t,),
            "level": (site[t], level[t]),
            "side": (site[t], side[t]),
            "level_side": (site[t], level[t], side[t]),
        }[row["per"]]
        for t, row in enumerate(rows)
    ]
    count: dict[tuple[object, ...], int] = {}
    for key in share_key:
        count[key] = count.get(key, 0) + 1
    return np.array(
        [
            uL_s_from_mL_min(number(row, "value", table=TABLE)) / count[key]
            for row, key in zip(rows, share_key, strict=True)
        ]
    )


def is_abdominal(mesh: "FlowMesh") -> "FloatArray":
    """1 for terminals of the abdominal sites, 0 elsewhere, (t,)."""
    return np.array([float(_site(mesh, t) in ABDOMINAL_SITES) for t in range(mesh.n_terminals)])


def _site(mesh: "FlowMesh", terminal: int) -> str:
    if mesh.terminal_name:
        named = _named_site(mesh.terminal_name[terminal])
        if named:
            return named
    structure = mesh.cell_structure[mesh.terminal_cell[terminal]]
    label = Structure(structure).label if structure >= 0 else OTHER
    return label if label in _inflow_rows() else OTHER


@cache
def _named_site(name: str) -> str:
    """Return the longest site with whose words a name begins, or nothing."""
    words = name.replace(" ", "_") + "_"
    return max(
        (site for site in _inflow_rows() if words.startswith(site + "_")), key=len, default=""
    )


@cache
def _inflow_row(site: str, level: int) -> Row:
    for row in _inflow_rows()[site]:
        if level < 0 or Level[row["level_from"]] <= level <= Level[row["level_to"]]:
            return row
    return _inflow_rows()[OTHER][0]


@cache
def _inflow_rows() -> dict[str, tuple[Row, ...]]:
    rows: dict[str, tuple[Row, ...]] = {}
    for row in read_table(TABLE):
        if row["quantity"] == "inflow":
            rows[row["site"]] = (*rows.get(row["site"], ()), row)
    return rows


@cache
def _value(quantity: str, site: str) -> float:
    for row in read_table(TABLE):
        if (row["quantity"], row["site"]) == (quantity, site):
            return number(row, "value", table=TABLE)
    raise ScenarioError(f"castsim/data/{TABLE}.csv: no row {quantity}, {site}")
