"""The sparse symmetric system that every linear flow solve shares.

Equation: for each cell i,  sum_j g_ij (P_i - P_j) + ground_i P_i = source_i.
Conductances g (uL s^-1 Pa^-1) live on faces; order and pattern are found once, the elimination
(:mod:`castsim.kernels.elimination`) is repeated when conductances change.
"""

import numpy as np

from castsim.errors import SolverError
from castsim.kernels.elimination import analyse, eliminate, load, net_outflow, pass_on, spread
from geometry.flowmesh import FloatArray, IntArray


class Laplacian:
    """Pattern and current elimination for one set of faces.

    Parameters
    ----------
    n : number of cells
    owner, neighbour : (m,) cells of each face
    """

    def __init__(self, n: int, owner: IntArray, neighbour: IntArray) -> None:
        self.n = n
        self.owner, self.neighbour = owner, neighbour
        self._plan = analyse(n, owner, neighbour, np.zeros(n, dtype=bool))
        self._inverse = np.zeros(n)
        self._shares: FloatArray | None = None

    def factorise(self, conductance: FloatArray, ground: FloatArray) -> int:
        """Set face conductances (m,) and each cell's conductance to a held pressure (n,).

        Returns the number of parts of the network that nothing holds.
        """
        self._shares, self._hold = load(self._plan, conductance, ground)
        self._conductance, self._ground = conductance, ground
        return int(eliminate(self._plan, self._shares, self._hold, self._inverse))

    def solve(self, source: FloatArray, level: FloatArray | None = None) -> FloatArray:
        """Pressures (n,) Pa for sources (n,) uL/s.

        A part of the network that nothing holds must have no source; it takes the pressure that
        `level` (n,) has at one of its cells (None: 0).
        """
        if self._shares is None:
            raise SolverError("Laplacian.solve before factorise")
        right = source[self._plan.order]
        rest = np.zeros(self.n) if level is None else level
        pass_on(self._plan, self._shares, right)
        return spread(self._plan, self._shares, self._hold, self._inverse, right, rest)

    def refine(self, pressure: FloatArray, source: FloatArray) -> FloatArray:
        """Improve `pressure` by one step, its residual taken from differences of pressure."""
        return pressure + self.solve(source - self.apply(pressure))

    def apply(self, pressure: FloatArray) -> FloatArray:
        """Net outflow of each cell (n,) uL/s, from differences of pressure."""
        if self._shares is None:
            raise SolverError("Laplacian.apply before factorise")
        return net_outflow(self.owner, self.neighbour, self._conductance, self._ground, pressure)
