"""Lumen, volume and resistance of half segments, with and without a catheter.

**Axes.** Semi-axes a >= b run linearly between centreline points.  **Resistance** of a half
segment: the integral of 4 (a^2 + b^2) / (pi a^3 b^3) ds (Poiseuille in an ellipse), by Gauss
points on each linear piece.  **Volume**: the integral of pi a b ds.

**Catheter.** Along its route the lumen is a concentric annulus between the catheter and a
circle of the vein's cross-section, R = sqrt(ab), or of the catheter's radius + 0.05 mm where
the vein is narrower (the vein distends; these cells are listed).
"""

from typing import NamedTuple

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


_ellipse_resistance = nb.njit(cache=True, nogil=True)(ellipse_resistance)
_annulus_resistance = nb.njit(cache=True, nogil=True)(annulus_resistance)


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
    return pieces, int(_cut(lines, catheter_radius, pieces))


@nb.njit(cache=True, nogil=True)
def _lumen(a: float, b: float, sheathed: bool, catheter_radius: float) -> tuple[float, float]:
    """Open area (mm2) and resistance per length and viscosity (mm^-4)."""
    if not sheathed:
        return np.pi * a * b, _ellipse_resistance(a, b)
    outer = max(np.sqrt(a * b), catheter_radius + DISTENSION_CLEARANCE_MM)
    area = np.pi * (outer**2 - catheter_radius**2)
    return area, _annulus_resistance(outer, catheter_radius)


@nb.njit(cache=True, nogil=True)
def _integrate(
    step: float, a: float, b: float, next_a: float, next_b: float, sheathed: bool, radius: float
) -> tuple[float, float]:
    """Volume (mm3) and resistance (mm^-3) of a stretch along which the axes run linearly."""
    volume = 0.0
    resistance = 0.0
    for node in range(len(GAUSS_NODES)):
        share = 0.5 * (1.0 + GAUSS_NODES[node])
        area, density = _lumen(
            a * (1.0 - share) + next_a * share, b * (1.0 - share) + next_b * share, sheathed, radius
        )
        weight = 0.5 * GAUSS_WEIGHTS[node] * step
        volume += weight * area
        resistance += weight * density
    return volume, resistance


@nb.njit(cache=True, nogil=True)
def _cut(lines: Lines, catheter_radius: float, pieces: Pieces) -> int:
    """Walk along every branch; fills `pieces`, returns the number of gates."""
    xyz, major, minor, point_arc = lines.xyz, lines.major, lines.minor, lines.point_arc
    cells, sheathed = lines.cells, lines.sheathed
    volume, half_resistance, face_xyz = pieces.volume, pieces.half_resistance, pieces.face_xyz
    cell_major, cell_minor, centroid = pieces.major, pieces.minor, pieces.centroid
    gates = 0
    for branch in range(len(lines.segments)):
        last = lines.point_offset[branch + 1] - 1
        segments, half_mm = lines.segments[branch], 0.5 * lines.segment_mm[branch]
        start, end = lines.trim_start[branch], lines.length[branch] - lines.trim_end[branch]
        row = lines.cell_offset[branch]
        face = row - branch
        stretch_mm = 2.0 * lines.mean_radius[branch]
        last_stretch = -1
        merged = 0  # faces of the gate so far
        ahead = lines.point_offset[branch]  # first point beyond the place
        arc = a = b = 0.0
        for step in range(2 * segments + 1):
            last_arc, last_a, last_b = arc, a, b
            arc = min(start + half_mm * step, end)
            half = 2 * face + step - 1
            inside = step > 0 and sheathed[half]
            held = 0.0
            resists = 0.0
            while ahead <= last and point_arc[ahead] <= arc:
                if step > 0:
                    v, r = _integrate(
                        point_arc[ahead] - last_arc,
                        last_a,
                        last_b,
                        major[ahead],
                        minor[ahead],
                        inside,
                        catheter_radius,
                    )
                    held += v
                    resists += r
                    last_arc, last_a, last_b = point_arc[ahead], major[ahead], minor[ahead]
                ahead += 1
            left = min(ahead, last) - 1
            share = (arc - point_arc[left]) / (point_arc[left + 1] - point_arc[left])
            share = min(max(share, 0.0), 1.0)
            a = major[left] * (1.0 - share) + major[left + 1] * share
            b = minor[left] * (1.0 - share) + minor[left + 1] * share
            if step > 0:
                v, r = _integrate(
                    arc - last_arc, last_a, last_b, a, b, inside, catheter_radius
                )
                held += v
                resists += r
                at = face + (step - 1) // 2
                half_resistance[at, (step - 1) % 2] = resists
                volume[cells[row + step // 2]] += held
            if step % 2 == 0:
                place = row + step // 2
                cell = cells[place]
                pieces.row_arc[place] = arc
                if step == 0:
                    pieces.row_arc[place] = 0.0
                    speaks = lines.speaks_start[branch]
                elif step == 2 * segments:
                    pieces.row_arc[place] = lines.length[branch]
                    speaks = lines.speaks_end[branch]
                else:
                    speaks = True
                if speaks:
                    cell_major[cell] = a
                    cell_minor[cell] = b
                    pieces.branch[cell] = branch
                    pieces.arc[cell] = pieces.row_arc[place]
                    for axis in range(3):
                        centroid[cell, axis] = (
                            xyz[left, axis] * (1.0 - share) + xyz[left + 1, axis] * share
                        )
            else:
                at = face + step // 2
                pieces.owner[at] = cells[row + step // 2]
                pieces.neighbour[at] = cells[row + step // 2 + 1]
                pieces.face_length[at] = lines.segment_mm[branch]
                for axis in range(3):
                    face_xyz[at, axis] = (
                        xyz[left, axis] * (1.0 - share) + xyz[left + 1, axis] * share
                    )
                radius = 2.0 * a * b / (a + b)
                if sheathed[2 * at] and sheathed[2 * at + 1]:
                    radius = max(np.sqrt(a * b) - catheter_radius, DISTENSION_CLEARANCE_MM)
                stretch = int(np.floor(arc / stretch_mm))
                if stretch != last_stretch:
                    last_stretch = stretch
                    pieces.gate_branch[gates] = branch
                    pieces.gate_stretch[gates] = stretch
                    pieces.gate_radius[gates] = 0.0
                    gates += 1
                    merged = 0
                # running mean over the faces of the gate
                merged += 1
                pieces.gate_radius[gates - 1] += (radius - pieces.gate_radius[gates - 1]) / merged
                pieces.gate[at] = gates - 1
        for trim, wide, half in (
            (lines.trim_start[branch], lines.wide_start[branch], 2 * face),
            (lines.trim_end[branch], lines.wide_end[branch], 2 * (face + segments) - 1),
        ):
            density = _lumen(wide[0], wide[1], sheathed[half], catheter_radius)[1]
            half_resistance[half // 2, half % 2] += trim * density
    return gates
