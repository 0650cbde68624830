"""How far it is along the veins from one place to another, where they meet."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from geometry.flowmesh import BoolArray, FloatArray, IntArray
from geometry.network import VesselNetwork


@dataclass(frozen=True)
class VeinWays:
    """Ways along the centrelines from one vein into another over a junction that they share.

    Attributes
    ----------
    length : (b,) mm of each branch; 0 of those that lie within others
    junction : (b, 2) at either end; branches that lie within others have one only
    """

    length: FloatArray
    junction: IntArray

    @classmethod
    def of(cls, network: VesselNetwork, length: FloatArray, within: IntArray) -> "VeinWays":
        """Find the junctions; `length` (b,) mm of the branches, of which `within` lie in others."""
        ends = network.branch_start[within], network.branch_end[within]
        n = network.n_nodes
        one = coo_array((np.ones(len(within)), ends), shape=(n, n))
        junction = connected_components(one, directed=False)[1].astype(np.int64)
        own = length.copy()
        own[within] = 0.0
        return cls(own, junction[np.stack([network.branch_start, network.branch_end], axis=1)])

    def are_longer(self, branch: IntArray, arc: FloatArray, most_mm: FloatArray) -> BoolArray:
        """Pairs (k,) of places that are farther apart than `most_mm` (k,).

        Parameters
        ----------
        branch, arc : (2, k) of both places; arc in mm from the branch's start
        """
        same = branch[0] == branch[1]
        longer = np.where(same, np.abs(arc[0] - arc[1]), np.inf) > most_mm
        asked = np.flatnonzero(longer)
        branch, arc = branch[:, asked], arc[:, asked]
        near = np.zeros(len(asked), dtype=bool)
        for here in range(2):
            for there in range(2):
                meet = self.junction[branch[0], here] == self.junction[branch[1], there]
                way = self._to_end(branch[0], arc[0], here) + self._to_end(branch[1], arc[1], there)
                near |= meet & (way <= most_mm[asked])
        longer[asked] = ~near
        return np.asarray(longer)

    def _to_end(self, branch: IntArray, arc: FloatArray, end: int) -> FloatArray:
        whole = self.length[branch]
        return np.minimum(arc, whole) if end == 0 else np.maximum(whole - arc, 0.0)
