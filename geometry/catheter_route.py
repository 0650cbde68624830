"""The way a catheter lies in the network, from its tip to the great veins."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from geometry.errors import GeometryError
from geometry.levels import Level, Side
from geometry.network import FloatArray, IntArray, TerminalKind, VesselNetwork
from geometry.structures import Compartment, Structure

TIP_MARGIN_MM = 0.1
"""An advanced tip stays this far inside its vein: the end belongs to the junction."""

Leg = tuple[int, float, float]
"""Branch, and mm from its start where the leg begins and ends."""
Source = tuple[int, float, tuple[Leg, ...]]
"""Node, cost to reach it, and the way there."""
Via = tuple[Structure, Level | None, Side | None]

NO_CATHETER = (Compartment.VERTEBRAL_BODY, Compartment.HAZARD)
"""Compartments that no route may cross: veins inside bone, and the way into the dura."""


@dataclass(frozen=True)
class CatheterRoute:
    """Path of a catheter.

    Attributes
    ----------
    path : (branch, arc_from, arc_to) in mm from each branch's start, from the tip outwards;
        each leg begins at the node where the one before it ended
    diameter_mm : outer diameter
    """

    path: tuple[tuple[int, float, float], ...]
    diameter_mm: float

    def __post_init__(self) -> None:
        if not self.path:
            raise GeometryError("catheter route: the path is empty")
        if not (np.isfinite(self.diameter_mm) and self.diameter_mm > 0):
            raise GeometryError(f"catheter diameter {self.diameter_mm} mm must be finite and > 0")


def find_route(
    network: VesselNetwork,
    tip: tuple[int, float],
    *,
    diameter_mm: float,
    via: Sequence[Via] = (),
    goal: str = "right_atrium",
) -> CatheterRoute:
    """Find the cheapest way from `tip` to the terminal named `goal`.

    The cost of a branch is the integral of ds / R^2 with R^2 = a b (mm^-1): a vein of twice
    the calibre is worth four times the way. Routes do not cross bone or the dura.

    Parameters
    ----------
    tip
        Branch and mm from its start.
    via
        (structure, level, side) that the route must run through, in order from the tip;
        None stands for any.  A condition that the tip's own branch meets counts as met.

    Raises
    ------
    GeometryError
        No such goal, no such vein, or no way.
    """
    branch, arc = tip
    if not 0 <= branch < network.n_branches:
        raise GeometryError(f"catheter tip: branch {branch} does not exist")
    length = float(network.branch_length()[branch])
    if not 0 <= arc <= length:
        raise GeometryError(f"catheter tip: {arc} mm is outside branch {branch} (0..{length:.2f})")
    outlets = np.flatnonzero(network.terminal_kind == TerminalKind.OUTLET).tolist()
    goals = [int(network.terminal_node[i]) for i in outlets if network.terminal_name[i] == goal]
    if not goals:
        raise GeometryError(f"catheter route: the network has no outlet named {goal!r}")

    cost = _branch_cost(network)
    share = arc / length
    sources: list[Source] = [
        (int(network.branch_start[branch]), share * cost[branch], ((branch, arc, 0.0),)),
        (int(network.branch_end[branch]), (1 - share) * cost[branch], ((branch, arc, length),)),
    ]
    graph = _Graph(network, cost)
    for structure, level, side in via:
        wanted = network.branches(structure, level, side)
        if branch in wanted:
            continue
        if not len(wanted):
            names = [part.name.lower() for part in (level, side) if part is not None]
            raise GeometryError(
                f"catheter route: no vein {' '.join([structure.label, *names])} to go through"
            )
        sources = graph.through(sources, wanted)
    distance, trace = graph.spread(sources)
    end = min(goals, key=lambda node: float(distance[node]))
    if not np.isfinite(distance[end]):
        raise GeometryError(f"catheter route: no way from branch {branch} to {goal!r}")
    path = trace(end)
    if len({leg[0] for leg in path}) != len(path):
        raise GeometryError("catheter route: it would run through one vein twice; change `via`")
    return CatheterRoute(path=path, diameter_mm=diameter_mm)


def move_tip(network: VesselNetwork, route: CatheterRoute, offset_mm: float) -> CatheterRoute:
    """Advance the tip along its vein (`offset_mm` > 0), or withdraw it along the catheter (< 0).

    An advanced tip goes on from where the catheter comes, by the widest strands of its vein (one
    structure, level and side), at most to the end of that. A withdrawn one crosses any junction.

    Raises
    ------
    GeometryError
        If it is withdrawn by more than the length of the route.
    """
    if offset_mm == 0.0:
        return route
    if offset_mm > 0.0:
        return replace(route, path=_advanced(network, route.path, offset_mm))
    return replace(route, path=_withdrawn(route.path, -offset_mm))


def _advanced(network: VesselNetwork, path: tuple[Leg, ...], way: float) -> tuple[Leg, ...]:
    branch, tip, near = path[0]
    length = float(network.branch_length()[branch])
    # the catheter comes from the branch's start, or from its end
    far, ahead = (length, 1.0) if near == 0.0 else (0.0, -1.0)
    room = abs(far - tip)
    onward = _same_vein_beyond(network, path) if way > room - TIP_MARGIN_MM else None
    if onward is None:
        held = max(room - min(TIP_MARGIN_MM, length / 2), 0.0)
        return ((branch, tip + ahead * min(way, held), near), *path[1:])
    begin = 0.0 if onward[1] else float(network.branch_length()[onward[0]])
    longer = ((onward[0], begin, begin), (branch, far, near), *path[1:])
    return _advanced(network, longer, max(way - room, TIP_MARGIN_MM))


def _same_vein_beyond(network: VesselNetwork, path: tuple[Leg, ...]) -> tuple[int, bool] | None:
    """Widest branch of the tip's vein that goes on beyond it, and whether it starts there."""
    branch, _, near = path[0]
    node = (network.branch_end if near == 0.0 else network.branch_start)[branch]
    used = {leg[0] for leg in path}
    vein = network.branches(
        Structure(network.branch_structure[branch]),
        Level(network.branch_level[branch]),
        Side(network.branch_side[branch]),
    )
    ends = {int(b): (network.branch_start[b], network.branch_end[b]) for b in vein}
    beyond = [b for b, pair in ends.items() if node in pair and b not in used]
    if not beyond:
        return None
    widest = max(beyond, key=lambda b: float(network.point_radius[network.point_offset[b] + 1]))
    return widest, bool(ends[widest][0] == node)


def _withdrawn(path: tuple[Leg, ...], way: float) -> tuple[Leg, ...]:
    left = way
    for number, (branch, begin, end) in enumerate(path):
        length = abs(end - begin)
        if left < length:
            tip = begin + math.copysign(left, end - begin)
            return ((branch, tip, end), *path[number + 1 :])
        left -= length
    raise GeometryError(f"withdrawn out of the veins: the catheter lies in {way - left:.1f} mm")


def _branch_cost(network: VesselNetwork) -> FloatArray:
    """Integral of ds / (a b) along every branch (inf where no catheter goes), (b,) mm^-1."""
    inverse = 1 / (network.point_radius * network.point_radius_minor)
    piece = np.concatenate([0.5 * network.step_length * (inverse[1:] + inverse[:-1]), [0.0]])
    cost = np.add.reduceat(piece, network.point_offset[:-1])
    closed = [s for s in Structure if s.compartment in NO_CATHETER]
    cost[np.isin(network.branch_structure, closed)] = np.inf
    return np.asarray(cost)


class _Graph:
    """Nodes joined by the cheapest branch between each two.

    Both ways of each such branch are edges: `tail`, `head` and `branch` (e,), sorted by tail.
    """

    def __init__(self, network: VesselNetwork, cost: FloatArray) -> None:
        self.start: IntArray = network.branch_start
        self.end: IntArray = network.branch_end
        self.cost = cost
        self.length = network.branch_length()
        self.n = network.n_nodes
        open_branch = np.flatnonzero(np.isfinite(cost) & (self.start != self.end))
        by_cost = open_branch[np.argsort(cost[open_branch], kind="stable")]
        low, high = np.sort([self.start[by_cost], self.end[by_cost]], axis=0)
        _, first = np.unique(low * self.n + high, return_index=True)
        cheapest = by_cost[first]
        tail = np.concatenate([self.start[cheapest], self.end[cheapest]])
        head = np.concatenate([self.end[cheapest], self.start[cheapest]])
        order = np.argsort(tail, kind="stable")
        self.tail, self.head = tail[order], head[order]
        self.branch = np.concatenate([cheapest, cheapest])[order]
        self.first_edge = np.searchsorted(self.tail, np.arange(self.n + 1))

    def spread(
        self, sources: Sequence[Source]
    ) -> tuple[FloatArray, Callable[[int], tuple[Leg, ...]]]:
        """Cost from the sources to every node, and a function that gives the legs to a node."""
        best: dict[int, Source] = {}
        for source in sources:
            if source[0] not in best or source[1] < best[source[0]][1]:
                best[source[0]] = source
        # a node beyond the last one stands for all sources; a tip on a node costs nothing
        offset = 1.0
        first = np.array([source[1] for source in best.values()]) + offset
        cost = np.concatenate([self.cost[self.branch], first])
        heads = np.concatenate([self.head, np.array(list(best), dtype=np.int64)])
        starts = np.append(self.first_edge, len(heads))
        matrix = csr_array((cost, heads, starts), shape=(self.n + 1, self.n + 1))
        distance, before = dijkstra(matrix, indices=self.n, return_predecessors=True)

        def trace(node: int) -> tuple[Leg, ...]:
            legs: list[Leg] = []
            while before[node] != self.n:
                previous = int(before[node])
                legs.append(self._leg(previous, self._between(previous, node)))
                node = previous
            return best[node][2] + tuple(reversed(legs))

        return np.asarray(distance[: self.n] - offset), trace

    def _between(self, tail: int, head: int) -> int:
        """Cheapest branch from a node to a neighbour."""
        edges = slice(self.first_edge[tail], self.first_edge[tail + 1])
        return int(self.branch[edges][self.head[edges] == head][0])

    def through(self, sources: Sequence[Source], wanted: IntArray) -> list[Source]:
        """Sources at the far ends of the wanted branches, reached from `sources` across them."""
        distance, trace = self.spread(sources)
        found: list[Source] = []
        for b in (int(b) for b in wanted):
            if not np.isfinite(self.cost[b]):
                continue
            for near, far in ((self.start[b], self.end[b]), (self.end[b], self.start[b])):
                if not np.isfinite(distance[near]):
                    continue
                legs = trace(int(near))
                if b not in {leg[0] for leg in legs}:
                    total = float(distance[near] + self.cost[b])
                    found.append((int(far), total, (*legs, self._leg(int(near), b))))
        return found

    def _leg(self, near: int, branch: int) -> Leg:
        length = float(self.length[branch])
        return (branch, 0.0, length) if self.start[branch] == near else (branch, length, 0.0)
