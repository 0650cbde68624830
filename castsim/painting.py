"""Colours of vertices: the cast by arrival, veins by compartment."""

from typing import TYPE_CHECKING

import numpy as np

from castsim.scene import Paint
from castsim.surroundings import last_arrival
from castsim.themes import SCALE_STEPS, Theme
from geometry.network import IntArray
from geometry.structures import Compartment, Structure

if TYPE_CHECKING:
    from castsim.cast import Cast


def by_arrival(cast: "Cast", cell: IntArray, theme: Theme) -> Paint:
    """Step of the scale for every vertex: it ends where agent came last.

    Parameters
    ----------
    cell : (v,) of the flow mesh, to which each vertex belongs
    """
    share = cast.first_volume[cell] / last_arrival(cast)
    step = np.rint((SCALE_STEPS - 1) * np.clip(share, 0.0, 1.0)).astype(np.int64)
    return Paint(step, theme.scale)


def by_compartment(structure: IntArray, used: IntArray, theme: Theme) -> Paint:
    """Colours of compartments; only those that are there are named.

    Parameters
    ----------
    structure : (v,) codes
    used : vertices that are drawn
    """
    every = tuple(Compartment)
    place = {compartment: k for k, compartment in enumerate(every)}
    codes, inverse = np.unique(structure, return_inverse=True)
    own = np.array([place[Structure(code).compartment] for code in codes])[inverse]
    there, index = np.unique(own[used], return_inverse=True)
    whole = np.zeros(len(own), dtype=np.int64)
    whole[used] = index
    found = [every[k] for k in there]
    return Paint(
        whole,
        tuple(theme.veins[one] for one in found),
        tuple(f"{one.value.replace('_', ' ')} veins" for one in found),
    )
