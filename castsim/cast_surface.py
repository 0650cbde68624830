"""When agent came to every vertex of a surface of the lumen: the cast as one mesh."""

from typing import TYPE_CHECKING

import numpy as np

from castsim.units import UL_PER_ML
from geometry.network import FloatArray

if TYPE_CHECKING:
    from castsim.cast import Cast
    from geometry.surface import LumenSurface


def arrival_volume_mL(cast: "Cast", surface: "LumenSurface") -> FloatArray:
    """Injected volume (v,) at which agent first came to the vein at every vertex, inf: never.

    The cast at any volume V is the part of the surface with arrival at most V. A vertex belongs to
    the cell of the centreline mesh that is nearest along its branch, so that a section fills at
    once, whatever lies on its floor.

    Parameters
    ----------
    cast : an injection into the anatomy of the surface
    surface : v vertices
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
    row = np.where(nearer_before, after - 1, after)
    return np.asarray(cast.first_volume[mesh.polyline_cell[row]] / UL_PER_ML)
