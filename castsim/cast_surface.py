"""When agent came to every vertex of a surface of the lumen: the cast as one mesh."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from castsim.units import UL_PER_ML
from geometry.network import FloatArray, IntArray

if TYPE_CHECKING:
    from castsim.drawn import DrawnCast
    from geometry.surface import LumenSurface

SLACK_ML = 5e-4
"""A volume is read in hundredths: what rounds to all is all."""
HALF_WAY = 0.5
"""From a cell to the next: up to there the first is the nearer."""


def arrival_volume_mL(cast: "DrawnCast", surface: "LumenSurface") -> FloatArray:
    """Injected volume (v,) at which agent first came to the vein at every vertex, inf: never.

    The cast at any volume V is the part of the surface with arrival at most V.

    Parameters
    ----------
    cast : an injection into the anatomy of the surface
    surface : v vertices
    """
    return np.asarray(cast.first_volume[cells_of(cast, surface)] / UL_PER_ML)


def cells_of(cast: "DrawnCast", surface: "LumenSurface") -> IntArray:
    """Cell of the centreline mesh that every vertex belongs to, (v,).

    It is the one that is nearest along the vertex' branch, so that a section fills at once,
    whatever lies on its floor.
    """
    along = Along.of(cast, surface)
    return np.where(along.share <= HALF_WAY, along.before, along.behind)


@dataclass(frozen=True)
class Along:
    """Between which cells of its branch every vertex of a surface lies.

    Attributes
    ----------
    before, behind : (v,) cells of the centreline mesh
    share : (v,) of the way from the one to the other
    """

    before: IntArray
    behind: IntArray
    share: FloatArray

    @classmethod
    def of(cls, cast: "DrawnCast", surface: "LumenSurface") -> "Along":
        """Look up all vertices of a surface."""
        row, share = cast.mesh.rows_beside(surface.branch, surface.arc)
        cell = cast.mesh.polyline_cell
        return cls(cell[row], cell[row + 1], share)

    def at(self, values: FloatArray) -> FloatArray:
        """Values (n,) of cells, linear from cell to cell, (v,); next to none (inf) the other's."""
        before, behind = values[self.before], values[self.behind]
        before, behind = (
            np.where(np.isfinite(one), one, other)
            for one, other in ((before, behind), (behind, before))
        )
        some = np.isfinite(before)
        way = np.subtract(behind, before, out=np.zeros(len(before)), where=some)
        return np.asarray(before + self.share * way)
