"""The sparse symmetric system that every linear flow solve shares.

Equation: for each cell i,  sum_j g_ij (P_i - P_j) + ground_i P_i = source_i.
Conductances g (uL s^-1 Pa^-1) live on faces; the pattern is assembled once, the factorisation
(AMD-ordered LDL^T of qdldl) is refreshed when conductances change.
"""

import numpy as np
import qdldl
from scipy.sparse import csc_array, csc_matrix

from castsim.errors import SolverError
from geometry.flowmesh import FloatArray, IntArray


class Laplacian:
    """Pattern and current factorisation for one set of faces.

    Parameters
    ----------
    n : number of cells
    owner, neighbour : (m,) cells of each face
    """

    def __init__(self, n: int, owner: IntArray, neighbour: IntArray) -> None:
        self.n = n
        self.owner, self.neighbour = owner, neighbour
        low, high = np.minimum(owner, neighbour), np.maximum(owner, neighbour)
        pair, self._entry = np.unique(high * np.int64(n) + low, return_inverse=True)
        column, row = pair // n, pair % n
        # upper triangle, column by column, the diagonal last in each
        below = np.bincount(column, minlength=n)
        start = np.concatenate([[0], np.cumsum(below + 1)])
        self._diagonal = start[1:] - 1
        self._off = np.arange(len(pair)) + column
        indices = np.empty(start[-1], dtype=np.int64)
        indices[self._off] = row
        indices[self._diagonal] = np.arange(n)
        self._indices, self._indptr = indices, start
        self._solver: qdldl.Solver | None = None
        self._matrix: csc_array | None = None

    def factorise(self, conductance: FloatArray, ground: FloatArray) -> None:
        """Set face conductances (m,) and each cell's conductance to a held pressure (n,)."""
        diagonal = ground + np.bincount(self.owner, weights=conductance, minlength=self.n)
        diagonal += np.bincount(self.neighbour, weights=conductance, minlength=self.n)
        data = np.empty(len(self._indices))
        data[self._off] = -np.bincount(self._entry, weights=conductance, minlength=len(self._off))
        data[self._diagonal] = diagonal
        matrix = csc_matrix((data, self._indices, self._indptr), shape=(self.n, self.n))
        try:
            if self._solver is None:
                self._solver = qdldl.Solver(matrix, upper=True)
            else:
                self._solver.update(matrix, upper=True)
        except RuntimeError as error:
            raise SolverError("the pressure system is singular: a region is closed off") from error
        self._conductance, self._ground = conductance, ground

    def solve(self, source: FloatArray) -> FloatArray:
        """Pressures (n,) Pa for sources (n,) uL/s."""
        if self._solver is None:
            raise SolverError("Laplacian.solve before factorise")
        pressure = np.asarray(self._solver.solve(source))
        if not np.isfinite(pressure).all():
            raise SolverError("the pressure system has no finite answer: a region is closed off")
        return pressure

    def refine(self, pressure: FloatArray, source: FloatArray) -> FloatArray:
        """Improve `pressure` by one step, its residual taken from differences of pressure."""
        return pressure + self.solve(source - self.apply(pressure))

    def apply(self, pressure: FloatArray) -> FloatArray:
        """Net outflow of each cell (n,) uL/s, from differences of pressure."""
        flow = self._conductance * (pressure[self.owner] - pressure[self.neighbour])
        out = np.bincount(self.owner, weights=flow, minlength=self.n)
        out -= np.bincount(self.neighbour, weights=flow, minlength=self.n)
        return np.asarray(out + self._ground * pressure)
