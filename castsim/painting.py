"""Colours of vertices: the cast by arrival, veins by compartment."""

import numpy as np

from castsim.scene import Paint
from castsim.themes import SCALE_STEPS, Theme
from geometry.network import FloatArray, IntArray
from geometry.structures import Compartment, Structure


def by_arrival(arrival: FloatArray, last: float, theme: Theme) -> Paint:
    """Step of the scale for every vertex.

    Parameters
    ----------
    arrival : (v,) mm3 out of the tip when agent came to each
    last : the same of the last of the cast, where the scale ends
    """
    share = arrival / last
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
