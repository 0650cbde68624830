"""When agent came to every vertex of a surface of the lumen: the cast as one mesh."""

from typing import TYPE_CHECKING

import numpy as np

from castsim.units import UL_PER_ML
from geometry.network import FloatArray, IntArray

if TYPE_CHECKING:
    from castsim.cast import Cast
    from geometry.surface import LumenSurface

SLACK_ML = 5e-4
"""A volume is read in hundredths: what rounds to all is all."""


def arrival_volume_mL(cast: "Cast", surface: "LumenSurface") -> FloatArray:
    """Injected volume (v,) at which agent first came to the vein at every vertex, inf: never.

    The cast at any volume V is the part of the surface with arrival at most V.

    Parameters
    ----------
    cast : an injection into the anatomy of the surface
    surface : v vertices
    """
    return np.asarray(cast.first_volume[cells_of(cast, surface)] / UL_PER_ML)


def cells_of(cast: "Cast", surface: "LumenSurface") -> IntArray:
    """Cell of the centreline mesh that every vertex belongs to, (v,).

    It is the one that is nearest along the vertex' branch, so that a section fills at once,
    whatever lies on its floor.
    """
    mesh = cast.mesh
    rows = len(mesh.polyline_cell)
    row_branch = np.repeat(np.arange(len(mesh.polyline_offset) - 1), np.diff(mesh.polyline_offset))
    # one rising number for branch and arc together, so that all vertices are looked up at once
    beyond = 1.0 + max(mesh.polyline_arc.max(), surface.arc.max(initial=0.0))
    row_place = row_branch * beyond + mesh.polyline_arc
    place = surface.branch * beyond + surface.arc
    after = np.clip(np.searchsorted(row_place, place), 1, rows - 1)
    nearer_before = place - row_place[after - 1] <= row_place[after] - place
    return np.asarray(mesh.polyline_cell[np.where(nearer_before, after - 1, after)])
