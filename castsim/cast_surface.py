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
HALF_WAY = 0.5


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
    row, share = cast.mesh.rows_beside(surface.branch, surface.arc)
    return np.asarray(cast.mesh.polyline_cell[row + (share > HALF_WAY)])
