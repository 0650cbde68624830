"""Liquid embolic agents: what flows out of the tip, and the skin that it grows.

Values come from ``data/embolic_agents.csv`` (makers' properties) and
``data/skin_parameters.csv`` (skin, gel and sweeping, one family of agents a row; estimates
with wide priors, see docs/theory.md). To add an agent: add its rows to the first table.
"""

from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from castsim.errors import ScenarioError
from castsim.naming import match_name
from castsim.tables import Row, number, read_priors, read_table
from castsim.units import (
    Pa_from_kPa,
    Pa_s_from_mPa_s,
    g_mm3_from_g_mL,
    uL_from_mL,
    uL_s_from_mL_min,
)


@dataclass(frozen=True)
class AgentModel:
    """One agent with its skin, in mm, s, g (hence Pa and µL).

    Attributes
    ----------
    name : as in scenarios, for example ``Onyx 18``
    family : rows of skin_parameters.csv that it takes: EVOH or PHIL
    viscosity : Pa·s at 37 °C, low shear
    density : g/mm³
    diffusivity : mm²/s, solvent through agent and skin
    diffusivity_swept_factor : multiplies `diffusivity` on faces swept by blood
    diffusivity_enclosed_factor : multiplies `diffusivity` where the blood beyond is enclosed
    skin_onset : s, from contact with blood until a skin begins to form
    skin_yield : Pa, yield stress of the skin
    wall_hold : Pa, shear stress at which gel slips on the wall
    tension : Pa·mm, floor of the burst threshold
    disorder : standard deviation of ln ξ, the spread of thresholds about mean 1
    healing_time : s, in which a front that stands still grows its skin again
    healing_travel : share of the lumen radius below which a front counts as standing still
    sweep_ratio : median of resting blood flow over agent inflow above which agent is carried off
    wall_strength : Pa, tip pressure that the wall of a small vein bears
    max_rate : µL/s, largest rate of the maker's instructions
    max_pause : s, longest pause of the maker's instructions
    dmso_max_rate : µL/s, rate of solvent tested as tolerable
    dmso_max_dose : µL, dose of solvent tested as tolerable
    """

    name: str
    family: str
    viscosity: float
    density: float
    diffusivity: float
    diffusivity_swept_factor: float
    diffusivity_enclosed_factor: float
    skin_onset: float
    skin_yield: float
    wall_hold: float
    tension: float
    disorder: float
    healing_time: float
    healing_travel: float
    sweep_ratio: float
    wall_strength: float
    max_rate: float
    max_pause: float
    dmso_max_rate: float
    dmso_max_dose: float


def _read_agents() -> dict[str, dict[str, Row]]:
    agents: dict[str, dict[str, Row]] = {}
    for row in read_table("embolic_agents"):
        agents.setdefault(row["agent"], {})[row["property"]] = row
    return agents


_ROWS = MappingProxyType(_read_agents())

AGENT_NAMES: tuple[str, ...] = tuple(_ROWS)
"""Agents that can be simulated."""

_GLUES = ("nbca", "glubran", "histoacryl", "trufill", "cyanoacrylate")


def agent_name(name: str) -> str:
    """Return the canonical name of the agent called `name`.

    Raises
    ------
    ScenarioError
        If there is no such agent, or it is a glue: cyanoacrylates polymerise instead of
        precipitating, which the skin model does not describe.
    """
    if any(glue in name.casefold() for glue in _GLUES):
        raise ScenarioError(
            f"agent {name!r} is a cyanoacrylate glue; it polymerises and is not modelled; "
            f"allowed: {', '.join(AGENT_NAMES)}"
        )
    return match_name(name, AGENT_NAMES, "agent")


@cache
def load_agent(name: str) -> AgentModel:
    """Look an agent up by `name` (letter case is ignored).

    Raises
    ------
    ScenarioError
        As :func:`agent_name`.

    Examples
    --------
    >>> load_agent("onyx 18").viscosity
    0.025
    """
    canonical = agent_name(name)
    rows = _ROWS[canonical]

    def maker(quantity: str) -> float:
        return number(rows[quantity], "value", table="embolic_agents")

    family = rows["family"]["value"]
    priors = read_priors(family)
    return AgentModel(
        name=canonical,
        family=family,
        viscosity=Pa_s_from_mPa_s(maker("viscosity")),
        density=g_mm3_from_g_mL(maker("density")),
        diffusivity=priors["diffusivity"].median,
        diffusivity_swept_factor=priors["diffusivity_swept_factor"].median,
        diffusivity_enclosed_factor=priors["diffusivity_enclosed_factor"].median,
        skin_onset=priors["skin_onset"].median,
        skin_yield=priors["skin_yield"].median,
        wall_hold=priors["wall_hold"].median,
        tension=priors["tension"].median,
        disorder=priors["disorder"].median,
        healing_time=priors["healing_time"].median,
        healing_travel=priors["healing_travel"].median,
        sweep_ratio=priors["sweep_ratio"].median,
        wall_strength=Pa_from_kPa(priors["wall_strength"].median),
        max_rate=uL_s_from_mL_min(maker("max_rate")),
        max_pause=maker("max_pause"),
        dmso_max_rate=uL_s_from_mL_min(maker("dmso_max_rate")),
        dmso_max_dose=uL_from_mL(maker("dmso_max_dose")),
    )


def agent_prior(name: str, quantity: str) -> tuple[float, float, float]:
    """Median, low and high (95 %) of one property of an agent, in the unit of its table.

    Parameters
    ----------
    name : of the agent
    quantity : field of :class:`AgentModel` that has a row with a range

    Raises
    ------
    ScenarioError
        As :func:`agent_name`.
    """
    rows = _ROWS[agent_name(name)]
    if quantity in rows:
        low, middle, high = (
            number(rows[quantity], column, table="embolic_agents")
            for column in ("low", "value", "high")
        )
        return middle, low, high
    prior = read_priors(rows["family"]["value"])[quantity]
    return prior.median, prior.low, prior.high


def agent_source(name: str, quantity: str) -> tuple[str, str]:
    """Source and status of one property of an agent, as :func:`agent_prior` finds it.

    Raises
    ------
    ScenarioError
        As :func:`agent_name`.
    """
    rows = _ROWS[agent_name(name)]
    if quantity in rows:
        return rows[quantity]["source"], rows[quantity]["status"]
    prior = read_priors(rows["family"]["value"])[quantity]
    return prior.source, prior.status
