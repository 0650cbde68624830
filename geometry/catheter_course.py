"""How a catheter lies in its veins: a smooth line, from the tip to the groin.

A route (:mod:`geometry.catheter_route`) ends at the heart and follows centrelines, which bend at
their joints at once. A catheter comes from a femoral vein, and where it goes round a bend it takes
the easier way through the lumen: no bend is tighter than its own.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from geometry.catheter_route import CatheterRoute, Leg, find_route
from geometry.network import VesselNetwork
from geometry.structures import Structure

FloatArray = NDArray[np.float64]

STEP_MM = 0.4
"""Between points of a course."""
FIRST_WIDTH_MM, WIDER, MOST_WIDTH_MM = 0.5, 1.25, 8.0
"""Widths of the Gaussian along the course, one after the other until no bend is too tight, or the
catheter would leave its veins."""
GROIN = "iliac right"


def catheter_course(
    network: VesselNetwork, route: CatheterRoute, least_radius_mm: float
) -> FloatArray:
    """Points (m, 3) mm of a catheter, from its tip to the right groin.

    It lies along its route as far as the inferior vena cava or the heart, and goes down from there.

    Parameters
    ----------
    least_radius_mm : of its tightest bend
    """
    caval = network.branch_structure[[leg[0] for leg in route.path]] == Structure.IVC
    up = route.path[: int(caval.argmax())] if caval.any() else route.path
    # a tip within that vein goes down from where it is
    branch, arc = (up[-1][0], up[-1][2]) if up else route.path[0][:2]
    down = find_route(network, (branch, arc), diameter_mm=route.diameter_mm, goal=GROIN).path
    points = np.concatenate([_points(network, leg) for leg in (*up, *down)])
    return smooth_course(points, least_radius_mm)


def _points(network: VesselNetwork, leg: Leg) -> FloatArray:
    """Points (k, 3) mm of a branch from one arc to another."""
    branch, begin, end = leg
    points = network.points(branch)
    arc = _arc(points)
    inner = (arc > min(begin, end)) & (arc < max(begin, end))
    at = np.concatenate([[begin], arc[inner][:: 1 if begin <= end else -1], [end]])
    return _between(arc, points, at)


def _arc(points: FloatArray) -> FloatArray:
    """Arc (k,) mm from the first of points (k, 3)."""
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])


def _between(arc: FloatArray, points: FloatArray, at: FloatArray) -> FloatArray:
    """Places (j, 3) on a line at arcs (j,)."""
    return np.stack([np.interp(at, arc, column) for column in points.T], axis=1)


def smooth_course(points: FloatArray, least_radius_mm: float) -> FloatArray:
    """Even out the bends of a line (k, 3) mm; its first point stays where it is.

    The line is averaged over a Gaussian along it, no wider than need be and than `MOST_WIDTH_MM`:
    where veins turn back on themselves the catheter does too.

    Parameters
    ----------
    points : from the tip on
    least_radius_mm : of the tightest bend that is left

    Returns
    -------
    Points (m, 3) mm, `STEP_MM` apart before they were averaged.
    """
    arc = _arc(points)
    even = np.linspace(0.0, arc[-1], max(int(np.ceil(arc[-1] / STEP_MM)), 1) + 1)
    line = _between(arc, points, even)
    # turned about its ends it goes on as it is, and so the average leaves them in their place
    room = len(line) - 1
    whole = np.concatenate([2 * line[0] - line[:0:-1], line, 2 * line[-1] - line[-2::-1]])
    width, smooth = FIRST_WIDTH_MM, line
    while bend_radius(smooth) < least_radius_mm and width <= MOST_WIDTH_MM:
        smooth = gaussian_filter1d(whole, width / STEP_MM, axis=0)[room : room + len(line)]
        width *= WIDER
    return np.asarray(smooth)


def bend_radius(points: FloatArray) -> float:
    """Radius of the tightest bend of a line (k, 3), mm: of a circle through three of its points."""
    one, two = points[1:-1] - points[:-2], points[2:] - points[1:-1]
    chord = np.linalg.norm(one + two, axis=1)
    twice_area = np.linalg.norm(np.cross(one, two), axis=1)
    sides = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1) * chord
    with np.errstate(divide="ignore", invalid="ignore"):
        radius = sides / (2.0 * twice_area)
    return float(np.nanmin(radius, initial=np.inf))
