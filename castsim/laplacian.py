"""The sparse symmetric system that every linear flow solve shares.

Equation: for each cell i,  sum_j g_ij (P_i - P_j) + ground_i P_i = source_i.
Conductances g (uL s^-1 Pa^-1) live on faces; order and pattern are found once, the elimination
(:mod:`castsim.kernels.elimination`) is repeated when conductances change, and only that of the
tail when none changed outside it.
"""

import numpy as np

from castsim.errors import SolverError
from castsim.kernels.elimination import (
    analyse,
    eliminate,
    load_head,
    load_tail,
    net_outflow,
    same_head,
    solve,
)
from geometry.flowmesh import FloatArray, IntArray


class Laplacian:
    """Pattern and current elimination for one set of faces.

    Parameters
    ----------
    n : number of cells
    owner, neighbour : (m,) cells of each face
    busy : cells whose ground, or whose faces among each other, will change: they make the tail,
        with the junctions that are left when chains are gone. Others may change too, but that
        costs a whole elimination.
    """

    def __init__(
        self, n: int, owner: IntArray, neighbour: IntArray, busy: IntArray | None = None
    ) -> None:
        self.n = n
        self.owner, self.neighbour = owner, neighbour
        stays = np.zeros(n, dtype=bool)
        stays[[] if busy is None else busy] = True
        self._plan = analyse(n, owner, neighbour, stays, True)
        first = self._plan.column[self._plan.head]
        self._tail_faces = np.flatnonzero(self._plan.face_entry >= first)
        self._shares = np.zeros(len(self._plan.row))
        self._inverse = np.zeros(n)
        self._conductance: FloatArray | None = None

    def factorise(self, conductance: FloatArray, ground: FloatArray) -> int:
        """Set face conductances (m,) and each cell's conductance to a held pressure (n,).

        Returns the number of parts of the network that nothing holds.
        """
        plan, shares, head = self._plan, self._shares, self._plan.head
        tail = slice(plan.column[head], None)
        known = self._conductance is not None and same_head(
            plan, conductance, ground, self._conductance, self._ground
        )
        if not known:
            hold = load_head(plan, conductance, ground, shares)
            self._loose_head = eliminate(plan, 0, head, shares, hold, self._inverse)
            self._left, self._left_hold = shares[tail].copy(), hold
        shares[tail] = self._left
        hold = self._left_hold.copy()
        load_tail(plan, self._tail_faces, conductance, ground, shares, hold)
        loose = eliminate(plan, head, self.n, shares, hold, self._inverse)
        self._conductance, self._ground = conductance, ground
        return self._loose_head + loose

    def solve(self, source: FloatArray, level: FloatArray | None = None) -> FloatArray:
        """Pressures (n,) Pa for sources (n,) uL/s.

        A part of the network that nothing holds must have no source; it takes the pressure that
        `level` (n,) has at one of its cells (None: 0).
        """
        if self._conductance is None:
            raise SolverError("Laplacian.solve before factorise")
        rest = np.zeros(self.n) if level is None else level
        return solve(self._plan, self._shares, self._inverse, source, rest)

    def refine(self, pressure: FloatArray, source: FloatArray) -> FloatArray:
        """Improve `pressure` by one step, its residual taken from differences of pressure."""
        return pressure + self.solve(source - self.apply(pressure))

    def apply(self, pressure: FloatArray) -> FloatArray:
        """Net outflow of each cell (n,) uL/s, from differences of pressure."""
        if self._conductance is None:
            raise SolverError("Laplacian.apply before factorise")
        return net_outflow(self.owner, self.neighbour, self._conductance, self._ground, pressure)
