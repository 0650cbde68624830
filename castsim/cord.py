"""Agent that went towards the spinal cord, and the words for it.

Radiculomedullary veins lead from the foramina through the dura. What lies in them is part of the
cast; what has left them is in intradural veins, which are not simulated.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from castsim.drawn import LEAST_SATURATION, DrawnCast, FloatArray, log_at
from castsim.units import LEAST_ML, mL_from_uL
from geometry.structures import Compartment, Structure

CODES = [one.value for one in Structure if one.compartment is Compartment.HAZARD]
VEINS = tuple(Structure(code).label for code in CODES)
HALVINGS = 10
"""Of what was injected, to find when the alarm came: to a thousandth."""


@dataclass(frozen=True)
class TowardsCord:
    """Agent that has gone towards the spinal cord by some volume.

    Attributes
    ----------
    held_mL : in radiculomedullary veins
    beyond_mL : what has left them
    is_cast : whether a cell of such a vein is as full as pictures show a cast
    entries : (k, 3) mm where agent first came into the veins of each foramen that is to be marked
    """

    held_mL: float
    beyond_mL: float
    is_cast: bool
    entries: FloatArray

    @property
    def total_mL(self) -> float:
        """Both."""
        return self.held_mL + self.beyond_mL

    @property
    def alarms(self) -> bool:
        """Whether nobody may overlook it.

        Less than half of every cell and less than tables write is a smear in the mouth of a vein,
        which the mesh does not resolve: tables tell of it, and no more.
        """
        return self.is_cast or self.held_mL >= LEAST_ML or self.beyond_mL > 0.0

    @property
    def alarm(self) -> str:
        """What a picture says in a place that nobody overlooks; nothing if there is no alarm."""
        return f"{amount(self.total_mL)} towards the spinal cord" if self.alarms else ""


def towards_cord(cast: DrawnCast, volume: float) -> TowardsCord:
    """Read off a cast what has gone towards the cord when `volume` (mm3) has left the tip."""
    flow = cast.mesh.flow
    own = np.flatnonzero(np.isin(flow.cell_structure, CODES) & (cast.first_volume < volume))
    share = cast.holding_at(volume).share[own]
    foramen = np.stack([flow.cell_level[own], flow.cell_side[own]], axis=1)
    full = share >= LEAST_SATURATION
    beyond = float(log_at(cast, "hazard", np.array([volume]))[0])
    # where agent has gone on, what it left by may hold little of it
    marked = np.ones(len(own), dtype=bool) if beyond > 0.0 or not full.any() else full
    entries = []
    for place in np.unique(foramen[marked], axis=0):
        there = own[(foramen == place).all(axis=1)]
        entries.append(flow.cell_centroid[there[np.argmin(cast.first_volume[there])]])
    found = TowardsCord(
        mL_from_uL(float(share @ flow.cell_volume[own])),
        mL_from_uL(beyond),
        bool(full.any()),
        np.array(entries).reshape(-1, 3),
    )
    return found if found.alarms else replace(found, entries=np.zeros((0, 3)))


def alarmed_from(cast: DrawnCast) -> float:
    """Volume, mm3 out of the tip, from which on there is an alarm that there is at the end."""
    low, high = 0.0, cast.injected
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        low, high = (low, middle) if towards_cord(cast, middle).alarms else (middle, high)
    return high


def reported_towards_cord_mL(report: Mapping[str, Any]) -> tuple[float, float]:
    """Both, and what is beyond, at the end of a run, from its ``cast.json``."""
    held = sum(one["volume_mL"] for one in report["structures"] if one["structure"] in VEINS)
    return held + report["hazard_mL"], report["hazard_mL"]


def reported_elsewhere_mL(report: Mapping[str, Any]) -> float:
    """What left the model neither towards the lungs nor towards the cord, by the same file."""
    return float(report["terminal_mL"] - report["hazard_mL"])


def cord_words(towards_mL: float, beyond_mL: float) -> str:
    """How much went towards the cord, and how much of it is beyond the dura.

    Examples
    --------
    >>> cord_words(0.0, 0.0)
    'none'
    >>> cord_words(0.0004, 0.0)
    'less than 0.001 mL, none of it in intradural veins'
    >>> cord_words(0.564, 0.562)
    '0.564 mL, 0.562 mL of it in intradural veins'
    """
    if towards_mL <= 0.0:
        return "none"
    return f"{amount(towards_mL)}, {amount(beyond_mL)} of it in intradural veins"


def amount(volume_mL: float) -> str:
    """However little it is, it is told.

    Examples
    --------
    >>> amount(0.0), amount(0.0001), amount(0.0021)
    ('none', 'less than 0.001 mL', '0.002 mL')
    """
    if volume_mL <= 0.0:
        return "none"
    return f"{volume_mL:.3f} mL" if volume_mL >= LEAST_ML else "less than 0.001 mL"
