"""How far it is along the veins from one place to another, where lumens touch."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from geometry.flowmesh import BoolArray, FloatArray, IntArray
from geometry.network import VesselNetwork

LEAST_MM = 1e-9
"""A way of 0 mm would be no edge of the graph."""


@dataclass(frozen=True)
class VeinWays:
    """Ways along the centrelines between veins that meet, or that only short veins part.

    Attributes
    ----------
    length : (b,) mm of each branch
    ends : (b, 2) nodes
    pair : (p,) nodes that short veins join, one * nodes + two, sorted; each node with itself, too
    between : (p,) mm
    nodes : how many nodes there are
    """

    length: FloatArray
    ends: IntArray
    pair: IntArray
    between: FloatArray
    nodes: int

    @classmethod
    def of(
        cls, network: VesselNetwork, length: FloatArray, short: IntArray, most_mm: float
    ) -> "VeinWays":
        """Find the ways of at most `most_mm` that lead through the branches `short` only.

        `length` (b,) mm of all branches.
        """
        ends = np.stack([network.branch_start, network.branch_end], axis=1)
        count = network.n_nodes
        pair, first = np.sort(ends[short], axis=1), np.argsort(length[short], kind="stable")
        # of branches with the same ends the shortest: a sparse matrix would add them
        pair, way = pair[first], np.maximum(length[short][first], LEAST_MM)
        pair, first = np.unique(pair, axis=0, return_index=True)
        graph = coo_array((way[first], tuple(pair.T)), shape=(count, count)).tocsr()
        inner = np.unique(ends[short])
        far = dijkstra(graph, directed=False, indices=inner, limit=most_mm)
        row, other = np.nonzero(np.isfinite(far))
        alone = np.setdiff1d(np.arange(count), inner)
        key = np.concatenate([inner[row] * count + other, alone * (count + 1)])
        between = np.concatenate([far[row, other], np.zeros(len(alone))])
        order = np.argsort(key)
        return cls(length, ends, key[order], between[order], count)

    def are_longer(self, branch: IntArray, arc: FloatArray, most_mm: FloatArray) -> BoolArray:
        """Pairs (k,) of places that are farther apart than `most_mm` (k,).

        Parameters
        ----------
        branch, arc : (2, k) of both places; arc in mm from the branch's start
        """
        same = branch[0] == branch[1]
        longer = np.where(same, np.abs(arc[0] - arc[1]), np.inf) > most_mm
        asked = np.flatnonzero(longer)
        branch, arc, most = branch[:, asked], arc[:, asked], most_mm[asked]
        near = np.zeros(len(asked), dtype=bool)
        for here in range(2):
            for there in range(2):
                key = self.ends[branch[0], here] * self.nodes + self.ends[branch[1], there]
                place = np.minimum(np.searchsorted(self.pair, key), len(self.pair) - 1)
                way = self._to_end(branch[0], arc[0], here) + self._to_end(branch[1], arc[1], there)
                near |= (self.pair[place] == key) & (way + self.between[place] <= most)
        longer[asked] = ~near
        return np.asarray(longer)

    def _to_end(self, branch: IntArray, arc: FloatArray, end: int) -> FloatArray:
        whole = self.length[branch]
        return np.minimum(arc, whole) if end == 0 else np.maximum(whole - arc, 0.0)
