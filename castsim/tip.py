"""Where in an anatomy the tip of the microcatheter lies."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, dijkstra

from castsim.errors import UnreachableError
from castsim.scenario_sections import Tip, Waypoint
from geometry.anatomy import Anatomy
from geometry.levels import Level, Side
from geometry.network import FloatArray, IntArray
from geometry.structures import Structure

SAMPLE_MM = 0.25
"""Spacing of the places on a vein that are compared."""
_THIRD = {"medial": 0, "lower": 0, "middle": 1, "lateral": 2, "upper": 2}


def locate_tip(anatomy: Anatomy, tip: Tip, *, field: str = "scenario: tip") -> tuple[int, float]:
    """Find the tip's place: the widest strand of its station, at the middle of the station.

    Stations of foraminal veins are thirds of the foramen along the root sleeve. In any other
    vein they are thirds of its length, counted along the vein from the end nearest to the midline
    (medial, lateral) or from the lowest end (lower, upper); the middle third is counted from
    whichever of the two the vein leads away from.

    Parameters
    ----------
    anatomy : the patient
    tip : vein, level, side and station
    field : names the tip in errors

    Returns
    -------
    branch : of the network
    arc : mm from the branch's start

    Raises
    ------
    UnreachableError
        If there is no such vein at this level and side; the message says where there is one.
    """
    branches = find_vein(anatomy, tip, field)
    places = [_samples(anatomy, int(branch)) for branch in branches]
    xyz = np.vstack([points for _, points, _ in places])
    offset = np.cumsum([0] + [len(arc) for arc, _, _ in places])
    share = _share(anatomy, tip, branches, [arc for arc, _, _ in places], xyz)
    centre = (_THIRD[tip.station] + 0.5) / 3.0
    inside = np.abs(share - centre) <= 0.5 / 3.0
    if not inside.any():
        inside = np.abs(share - centre) <= np.abs(share - centre).min()

    width = np.full(len(branches), -np.inf)
    for k, (_, _, radius) in enumerate(places):
        mine = inside[offset[k] : offset[k + 1]]
        if mine.any():
            width[k] = radius[mine].mean()
    widest = int(width.argmax())
    rows = slice(offset[widest], offset[widest + 1])
    distance = np.where(inside[rows], np.abs(share[rows] - centre), np.inf)
    return int(branches[widest]), float(places[widest][0][distance.argmin()])


def find_vein(anatomy: Anatomy, vein: Waypoint, field: str) -> IntArray:
    """Return the branches of `vein`; `field` names it in the error if there are none."""
    structure, level, side = vein.code
    branches = anatomy.network.branches(structure, level, side)
    if len(branches):
        return branches
    raise UnreachableError(f"{field}: no {vein} in this anatomy; {_where(anatomy, structure)}")


def _where(anatomy: Anatomy, structure: Structure) -> str:
    """Say at which levels and sides there is a `structure`."""
    network = anatomy.network
    found = network.branches(structure)
    parts = []
    for side in (Side.RIGHT, Side.LEFT, Side.MIDLINE):
        codes = np.unique(network.branch_level[found][network.branch_side[found] == side])
        if len(codes):
            names = ", ".join(Level(code).name for code in codes)
            parts.append(f"{side.name.lower()} {names}")
    return f"{structure.label} is at: {'; '.join(parts)}" if parts else "there is none at all"


def _samples(anatomy: Anatomy, branch: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Places along a branch: arc (k,) mm, points (k, 3) mm, area radius (k,) mm."""
    network = anatomy.network
    rows = slice(network.point_offset[branch], network.point_offset[branch + 1])
    points = network.point_xyz[rows]
    radius = np.sqrt(network.point_radius[rows] * network.point_radius_minor[rows])
    at = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    # ends belong to the junctions, where another vein may be the wider one
    count = max(int(np.ceil(at[-1] / SAMPLE_MM)), 1)
    arc = (np.arange(count) + 0.5) * at[-1] / count
    sampled = np.stack([np.interp(arc, at, points[:, axis]) for axis in range(3)], axis=1)
    return arc, sampled, np.asarray(np.interp(arc, at, radius))


def _share(
    anatomy: Anatomy, tip: Tip, branches: IntArray, arcs: list[FloatArray], xyz: FloatArray
) -> FloatArray:
    """Place of each point between the two ends of the stations, (k,) 0 to 1."""
    structure, level, side = tip.code
    if structure is Structure.FORAMINAL:
        sleeve = anatomy.skeleton.root_sleeve(level, side)
        return np.asarray(sleeve.project(xyz)[0])
    outwards, upwards = np.abs(xyz[:, 0]), xyz[:, 2]
    sideways = tip.station in ("medial", "lateral") or (
        tip.station == "middle" and np.ptp(outwards) >= np.ptp(upwards)
    )
    distance = _along(anatomy, branches, arcs, sideways=sideways)
    return distance / max(float(distance.max()), np.finfo(float).tiny)


def _along(
    anatomy: Anatomy, branches: IntArray, arcs: list[FloatArray], *, sideways: bool
) -> FloatArray:
    """Way through these branches from their medial (or lowest) end to each point, (k,) mm."""
    network = anatomy.network
    length = network.branch_length()[branches]
    nodes, ends = np.unique(
        np.stack([network.branch_start[branches], network.branch_end[branches]]),
        return_inverse=True,
    )
    start, end = ends.reshape(2, -1)
    height = np.abs(network.node_xyz[nodes, 0]) if sideways else network.node_xyz[nodes, 2]
    graph = coo_array((length, (start, end)), shape=(len(nodes),) * 2).tocsr()
    _, part = connected_components(graph, directed=False)
    # a vein in several pieces: each counts from its own end
    origins = [int(np.where(part == k, height, np.inf).argmin()) for k in range(part.max() + 1)]
    way = dijkstra(graph, directed=False, indices=origins, min_only=True)
    pieces = [
        np.minimum(way[start[b]] + arc, way[end[b]] + length[b] - arc) for b, arc in enumerate(arcs)
    ]
    return np.concatenate(pieces)
