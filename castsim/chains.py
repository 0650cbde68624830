"""A network in which every chain of cells is one link."""

import numpy as np

from castsim.kernels.chains import add_along, fill_chains, find_chains
from geometry.flowmesh import BoolArray, FloatArray, IntArray


class Chained:
    """The cells that matter to a solve, and the faces and links between them.

    Parameters
    ----------
    n : number of cells
    owner, neighbour : (m,) cells of each face
    stays : (n,) cells to keep besides those with one face or more than two: whatever is held
        or fed, or touches a face whose resistance will change on its own

    Attributes
    ----------
    cells : (k,) kept cells, increasing
    faces : (o,) faces between kept cells: the first ones of the small network
    owner, neighbour : (s,) ends of its faces and then links, by place in `cells`
    """

    def __init__(self, n: int, owner: IntArray, neighbour: IntArray, stays: BoolArray) -> None:
        self._chains = chains = find_chains(n, owner, neighbour, stays)
        self.cells, self.faces = chains.kept, chains.own
        # a chain that comes back to where it began carries nothing
        self._links = np.flatnonzero(chains.start != chains.stop)
        place = np.empty(n, dtype=np.int64)
        place[self.cells] = np.arange(len(self.cells))
        self.owner = np.concatenate([place[owner[self.faces]], chains.start[self._links]])
        self.neighbour = np.concatenate([place[neighbour[self.faces]], chains.stop[self._links]])

    def resistance(self, of_faces: FloatArray) -> FloatArray:
        """Resistance (s,) of faces and links, from those of all faces (m,)."""
        whole, self._part = add_along(self._chains, of_faces)
        return np.concatenate([of_faces[self.faces], whole[self._links]])

    def expand(self, pressure: FloatArray) -> FloatArray:
        """Pressures (n,) of all cells, from those (k,) of the kept ones; after `resistance`."""
        return fill_chains(self._chains, self._part, pressure)
