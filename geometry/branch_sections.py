"""Lumen, volume and resistance of half segments, with and without a catheter.

**Axes.** Semi-axes a >= b run linearly between centreline points.  **Resistance** of a half
segment: the integral of 4 (a^2 + b^2) / (pi a^3 b^3) ds (Poiseuille in an ellipse), by Gauss
points on each linear piece.  **Volume**: the integral of pi a b ds.

**Catheter.** Along its route the lumen is a concentric annulus between the catheter and a
circle of the vein's cross-section, R = sqrt(ab), or of the catheter's radius + 0.05 mm where
the vein is narrower (the vein distends; these cells are listed).
"""

from collections.abc import Callable
from typing import NamedTuple, cast

import numba as nb
import numpy as np
from numpy.typing import NDArray

from geometry.flowmesh import FloatArray, IntArray

DISTENSION_CLEARANCE_MM = 0.05
"""A vein narrower than the catheter distends to this much beyond its radius (+0.1 mm in
diameter; estimate)."""
GAUSS_NODES, GAUSS_WEIGHTS = np.polynomial.legendre.leggauss(5)


def ellipse_resistance(a: FloatArray, b: FloatArray) -> FloatArray:
    """Poiseuille resistance per length and viscosity of an elliptic lumen, mm^-4.

    4 (a^2 + b^2) / (pi a^3 b^3); a circle gives 8 / (pi R^4). White, Viscous Fluid Flow, 3-3.3.
    """
    return 4 * (a**2 + b**2) / (np.pi * (a * b) ** 3)


def annulus_resistance(outer: FloatArray, inner: float) -> FloatArray:
    """Resistance per length and viscosity between concentric circles, mm^-4.

    8 / (pi (R^4 - r^4 - (R^2 - r^2)^2 / ln(R/r))). White, Viscous Fluid Flow, 3-3.3.
    """
    difference = outer**2 - inner**2
    return 8 / (
        np.pi * (difference * (outer**2 + inner**2) - difference**2 / np.log(outer / inner))
    )


class Lines(NamedTuple):
    """Branches as they are to be cut, and where their cells are numbered."""

    xyz: FloatArray  # (p, 3) mm, centreline points
    major: FloatArray  # (p,) mm
    minor: FloatArray  # (p,) mm
    point_arc: FloatArray  # (p,) mm from the start of the branch
    point_offset: IntArray  # (b+1,)
    segments: IntArray  # (b,)
    segment_mm: FloatArray  # (b,)
    trim_start: FloatArray  # (b,) mm inside the vein at the start
    trim_end: FloatArray  # (b,) mm
    length: FloatArray  # (b,) mm
    wide_start: FloatArray  # (b, 2) mm, semi-axes of the widest vein at the start
    wide_end: FloatArray  # (b, 2) mm
    mean_radius: FloatArray  # (b,) mm
    speaks_start: NDArray[np.bool_]  # (b,) gives its start junction its labels and lumen
    speaks_end: NDArray[np.bool_]  # (b,)
    cell_offset: IntArray  # (b+1,) first row of each branch in `cells`
    cells: IntArray  # (k,) cells along each branch, both junctions included
    sheathed: NDArray[np.bool_]  # (h,) half segments that hold the catheter


class Pieces(NamedTuple):
    """What cutting gives: cells, the faces between them, and the gates of the faces."""

    volume: FloatArray  # (n,) mm3
    major: FloatArray  # (n,) mm
    minor: FloatArray  # (n,) mm
    centroid: FloatArray  # (n, 3) mm
    branch: IntArray  # (n,)
    arc: FloatArray  # (n,) mm from the start of that branch
    row_arc: FloatArray  # (k,) mm, of each row of `Lines.cells`
    owner: IntArray  # (m,)
    neighbour: IntArray  # (m,)
    half_resistance: FloatArray  # (m, 2) mm^-3
    face_xyz: FloatArray  # (m, 3) mm
    face_length: FloatArray  # (m,) mm
    gate: IntArray  # (m,)
    gate_radius: FloatArray  # (m,) mm, as many as there are gates
    gate_branch: IntArray  # (m,)
    gate_stretch: IntArray  # (m,)


def cut_lines(lines: Lines, n_cells: int, catheter_radius: float) -> tuple[Pieces, int]:
    """Cut branches into cells; integrate volume and resistance over every half segment.

    Returns the pieces and the number of gates.
    """
    n, m = n_cells, len(lines.cells) - len(lines.segments)

    def numbers(*shape: int) -> FloatArray:
        return np.empty(shape)

    def codes(size: int) -> IntArray:
        return np.empty(size, dtype=np.int64)

    pieces = Pieces(
        volume=np.zeros(n),
        major=numbers(n),
        minor=numbers(n),
        centroid=numbers(n, 3),
        branch=codes(n),
        arc=numbers(n),
        row_arc=numbers(len(lines.cells)),
        owner=codes(m),
        neighbour=codes(m),
        half_resistance=numbers(m, 2),
        face_xyz=numbers(m, 3),
        face_length=numbers(m),
        gate=codes(m),
        gate_radius=numbers(m),
        gate_branch=codes(m),
        gate_stretch=codes(m),
    )
    _integrate_halves(lines, catheter_radius, pieces)
    _place_cells(lines, pieces)
    return pieces, int(_place_faces(lines, catheter_radius, pieces))


_compiled = nb.njit(cache=True, nogil=True, error_model="numpy")
_Law = Callable[[float, float], float]
_ellipse_resistance = cast(_Law, _compiled(ellipse_resistance))
_annulus_resistance = cast(_Law, _compiled(annulus_resistance))


@_compiled
def _lumen(a: float, b: float, sheathed: bool, catheter_radius: float) -> tuple[float, float]:
    """Open area (mm2) and resistance per length and viscosity (mm^-4)."""
    if not sheathed:
        return np.pi * a * b, _ellipse_resistance(a, b)
    outer = max(np.sqrt(a * b), catheter_radius + DISTENSION_CLEARANCE_MM)
    area = np.pi * (outer**2 - catheter_radius**2)
    return area, _annulus_resistance(outer, catheter_radius)


@_compiled
def _integrate(
    step: float, a: float, b: float, next_a: float, next_b: float, sheathed: bool, radius: float
) -> tuple[float, float]:
    """Volume (mm3) and resistance (mm^-3) of a stretch along which the axes run linearly."""
    if a == next_a and b == next_b:
        area, density = _lumen(a, b, sheathed, radius)
        return step * area, step * density
    volume = 0.0
    resistance = 0.0
    for node in range(len(GAUSS_NODES)):
        share = 0.5 * (1.0 + GAUSS_NODES[node])
        area, density = _lumen(a + (next_a - a) * share, b + (next_b - b) * share, sheathed, radius)
        weight = 0.5 * GAUSS_WEIGHTS[node] * step
        volume += weight * area
        resistance += weight * density
    return volume, resistance


@_compiled
def _between(values: FloatArray, left: int, share: float) -> float:
    return float(values[left] + (values[left + 1] - values[left]) * share)


@_compiled
def _integrate_halves(lines: Lines, catheter_radius: float, pieces: Pieces) -> None:
    """Walk along every branch: volume of cells, half resistances of faces."""
    major, minor, point_arc = lines.major, lines.minor, lines.point_arc
    cells, sheathed = lines.cells, lines.sheathed
    volume, half_resistance = pieces.volume, pieces.half_resistance
    for branch in range(len(lines.segments)):
        last = lines.point_offset[branch + 1] - 1
        segments, half_mm = lines.segments[branch], 0.5 * lines.segment_mm[branch]
        start, end = lines.trim_start[branch], lines.length[branch] - lines.trim_end[branch]
        row = lines.cell_offset[branch]
        face = row - branch
        ahead = lines.point_offset[branch] + 1  # first point beyond the place
        arc = min(start, end)
        while ahead <= last and point_arc[ahead] <= arc:
            ahead += 1
        left = min(ahead, last) - 1
        share = _share(point_arc, left, arc)
        a, b = _between(major, left, share), _between(minor, left, share)
        for half in range(2 * segments):
            inside = sheathed[2 * face + half]
            held = 0.0
            resists = 0.0
            goal = min(start + half_mm * (half + 1), end)
            while arc < goal or (ahead <= last and point_arc[ahead] <= goal):
                if ahead <= last and point_arc[ahead] <= goal:
                    next_arc, next_a, next_b = point_arc[ahead], major[ahead], minor[ahead]
                    ahead += 1
                else:
                    left = min(ahead, last) - 1
                    share = _share(point_arc, left, goal)
                    next_arc = goal
                    next_a, next_b = _between(major, left, share), _between(minor, left, share)
                v, r = _integrate(next_arc - arc, a, b, next_a, next_b, inside, catheter_radius)
                held += v
                resists += r
                arc, a, b = next_arc, next_a, next_b
            half_resistance[face + half // 2, half % 2] = resists
            volume[cells[row + (half + 1) // 2]] += held
        for trim, wide, half in (
            (lines.trim_start[branch], lines.wide_start[branch], 2 * face),
            (lines.trim_end[branch], lines.wide_end[branch], 2 * (face + segments) - 1),
        ):
            density = _lumen(wide[0], wide[1], sheathed[half], catheter_radius)[1]
            half_resistance[half // 2, half % 2] += trim * density


@_compiled
def _share(point_arc: FloatArray, left: int, arc: float) -> float:
    """Where `arc` lies between the point `left` and the next, 0 to 1."""
    share = (arc - point_arc[left]) / (point_arc[left + 1] - point_arc[left])
    return float(min(max(share, 0.0), 1.0))


@_compiled
def _place_cells(lines: Lines, pieces: Pieces) -> None:
    """Lumen, centroid and branch of cells; a junction's are those of the branch that speaks."""
    xyz, major, minor, point_arc = lines.xyz, lines.major, lines.minor, lines.point_arc
    cell_major, cell_minor, centroid = pieces.major, pieces.minor, pieces.centroid
    cells, row_arc = lines.cells, pieces.row_arc
    for branch in range(len(lines.segments)):
        last = lines.point_offset[branch + 1] - 1
        segments, step = lines.segments[branch], lines.segment_mm[branch]
        start, end = lines.trim_start[branch], lines.length[branch] - lines.trim_end[branch]
        row = lines.cell_offset[branch]
        left = lines.point_offset[branch]
        for place in range(segments + 1):
            arc = min(start + step * place, end)
            while left + 1 < last and point_arc[left + 1] <= arc:
                left += 1
            share = _share(point_arc, left, arc)
            speaks = True
            if place == 0:
                arc = 0.0
                speaks = lines.speaks_start[branch]
            elif place == segments:
                arc = lines.length[branch]
                speaks = lines.speaks_end[branch]
            row_arc[row + place] = arc
            if speaks:
                cell = cells[row + place]
                cell_major[cell] = _between(major, left, share)
                cell_minor[cell] = _between(minor, left, share)
                for axis in range(3):
                    centroid[cell, axis] = _between(xyz[:, axis], left, share)
                pieces.branch[cell] = branch
                pieces.arc[cell] = arc


@_compiled
def _place_faces(lines: Lines, catheter_radius: float, pieces: Pieces) -> int:
    """Ends, centroid, length and gate of faces; a gate's radius is the mean over its faces."""
    xyz, major, minor, point_arc = lines.xyz, lines.major, lines.minor, lines.point_arc
    cells, sheathed = lines.cells, lines.sheathed
    face_xyz, gate_radius = pieces.face_xyz, pieces.gate_radius
    gates = 0
    face = 0
    for branch in range(len(lines.segments)):
        last = lines.point_offset[branch + 1] - 1
        step = lines.segment_mm[branch]
        start, end = lines.trim_start[branch], lines.length[branch] - lines.trim_end[branch]
        left = lines.point_offset[branch]
        last_stretch = -1
        merged = 0  # faces of the gate so far
        for place in range(lines.segments[branch]):
            arc = min(start + 0.5 * step * (2 * place + 1), end)
            while left + 1 < last and point_arc[left + 1] <= arc:
                left += 1
            share = _share(point_arc, left, arc)
            for axis in range(3):
                face_xyz[face, axis] = _between(xyz[:, axis], left, share)
            a, b = _between(major, left, share), _between(minor, left, share)
            radius = 2.0 * a * b / (a + b)
            if sheathed[2 * face] and sheathed[2 * face + 1]:
                radius = max(np.sqrt(a * b) - catheter_radius, DISTENSION_CLEARANCE_MM)
            stretch = int(np.floor(arc / (2.0 * lines.mean_radius[branch])))
            if stretch != last_stretch:
                last_stretch = stretch
                pieces.gate_branch[gates] = branch
                pieces.gate_stretch[gates] = stretch
                gate_radius[gates] = 0.0
                merged = 0
                gates += 1
            merged += 1
            gate_radius[gates - 1] += (radius - gate_radius[gates - 1]) / merged
            pieces.gate[face] = gates - 1
            row = lines.cell_offset[branch] + place
            pieces.owner[face] = cells[row]
            pieces.neighbour[face] = cells[row + 1]
            pieces.face_length[face] = step
            face += 1
    return gates
