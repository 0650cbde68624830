"""What the veins hold at one injected volume: all that simulated fluoroscopy needs of a cast."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class CubesHold:
    """What c cubes of a grid hold.

    Attributes
    ----------
    origin : (3,) mm, centre of the cube (0, 0, 0)
    spacing : mm
    place : (c, 3) of each cube in the grid
    share : (c,) of it that is agent
    """

    origin: FloatArray
    spacing: float
    place: IntArray
    share: FloatArray

    @property
    def words(self) -> str:
        """On what the injection ran, in pictures."""
        return f"cubes of {self.spacing:g} mm"

    def at(self, xyz: FloatArray, elsewhere: FloatArray) -> FloatArray:
        """Share (k,) at places (k, 3) mm; that of `elsewhere` (k,) where there is no cube."""
        shape = self.place.max(axis=0) + 1
        own = np.ravel_multi_index(tuple(self.place.T), tuple(shape))
        order = np.argsort(own)
        place = np.rint((xyz - self.origin) / self.spacing).astype(np.int64)
        inside = ((place >= 0) & (place < shape)).all(axis=1)
        asked = np.ravel_multi_index(tuple(place[inside].T), tuple(shape))
        row = order[np.minimum(np.searchsorted(own[order], asked), len(own) - 1)]
        share = elsewhere.copy()
        share[inside] = np.where(own[row] == asked, self.share[row], elsewhere[inside])
        return share


@dataclass(frozen=True)
class Holding:
    """Agent in the veins.

    Attributes
    ----------
    share : (n,) of every cell of the centreline mesh that is agent, in the mean over its section
    total : mm3 of agent
    cubes : the same where veins are cubes; None: nowhere
    """

    share: FloatArray
    total: float
    cubes: CubesHold | None = None
