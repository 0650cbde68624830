"""Agent that went towards the spinal cord, and the words for it.

Radiculomedullary veins lead from the foramina through the dura. What lies in them is part of the
cast; what has left them is in intradural veins, which are not simulated.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from castsim.drawn import LEAST_SATURATION, DrawnCast, FloatArray, IntArray, log_at
from castsim.units import LEAST_ML, mL_from_uL
from geometry.structures import Compartment, Structure

SAME_VEIN_MM = 10.0
"""Cells as near as that belong to one of these veins: two foramina lie farther apart."""
VEINS = tuple(one.label for one in Structure if one.compartment is Compartment.HAZARD)


def towards_cord_mL(cast: DrawnCast, volume: float) -> tuple[float, float]:
    """Agent in radiculomedullary veins or beyond, and of it what is beyond, mL.

    Parameters
    ----------
    volume : mm3 out of the tip by then
    """
    cells = cast.cells
    own = np.flatnonzero(cells.in_compartment(Compartment.HAZARD))
    held = float((cells.saturation_at(volume)[own] * cells.volume[own]).sum())
    beyond = float(log_at(cast, "hazard", np.array([volume]))[0])
    return mL_from_uL(held + beyond), mL_from_uL(beyond)


def goes_towards_cord(cast: DrawnCast, volume: float) -> bool:
    """Whether agent lies in a radiculomedullary vein, as pictures count a cast, or has left one.

    A smear in the first cell of such a vein, less than the mesh resolves, raises no alarm; tables
    tell of it all the same.
    """
    return bool(len(_cast_there(cast, volume))) or towards_cord_mL(cast, volume)[1] > 0.0


def entries_to_cord(cast: DrawnCast, volume: float) -> FloatArray:
    """Where agent first came into each radiculomedullary vein that holds some of the cast.

    Returns
    -------
    (k, 3) mm, in the order in which it came; none: nowhere by `volume` (mm3)
    """
    there = _cast_there(cast, volume)
    there = there[np.argsort(cast.cells.first_volume[there], kind="stable")]
    entries: list[FloatArray] = []
    for place in cast.cells.centre[there]:
        if all(np.linalg.norm(place - other) > SAME_VEIN_MM for other in entries):
            entries.append(place)
    return np.array(entries).reshape(-1, 3)


def _cast_there(cast: DrawnCast, volume: float) -> IntArray:
    """Cells of radiculomedullary veins that hold a cast."""
    own = np.flatnonzero(cast.cells.in_compartment(Compartment.HAZARD))
    return own[cast.cells.saturation_at(volume)[own] >= LEAST_SATURATION]


def reported_towards_cord_mL(report: Mapping[str, Any]) -> tuple[float, float]:
    """Return the same of the end of a run, from its ``cast.json``."""
    held = sum(one["volume_mL"] for one in report["structures"] if one["structure"] in VEINS)
    return held + report["hazard_mL"], report["hazard_mL"]


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


def alarm_words(cast: DrawnCast, volume: float) -> str:
    """What a picture says in a place that nobody overlooks; nothing if no agent goes there."""
    if not goes_towards_cord(cast, volume):
        return ""
    return f"{amount(towards_cord_mL(cast, volume)[0])} towards the spinal cord"


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
