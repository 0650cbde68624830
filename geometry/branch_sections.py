"""Lumen, volume and resistance of half segments, with and without a catheter.

**Axes.** Semi-axes a >= b run linearly between centreline points.  **Resistance** of a half
segment: the integral of 4 (a^2 + b^2) / (pi a^3 b^3) ds (Poiseuille in an ellipse), by Gauss
points on each linear piece.  **Volume**: the integral of pi a b ds.

**Catheter.** Along its route the lumen is a concentric annulus between the catheter and a
circle of the vein's cross-section, R = sqrt(ab), or of the catheter's radius + 0.05 mm where
the vein is narrower (the vein distends; these cells are listed).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geometry.branch_cut import Cut
from geometry.flowmesh import FloatArray, IntArray
from geometry.network import VesselNetwork

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


@dataclass(frozen=True)
class Sections:
    """Lumen at the ends of all half segments: 2 `segments` + 1 rows a branch."""

    arc: FloatArray
    xyz: FloatArray
    major: FloatArray
    minor: FloatArray
    half_resistance: FloatArray  # one row a half segment
    half_volume: FloatArray


def integrate_sections(
    network: VesselNetwork, cut: Cut, route_half: NDArray[np.bool_], catheter_radius: float
) -> Sections:
    """Integrate volume and resistance over every half segment."""
    branches = network.n_branches
    rows = 2 * cut.segments + 1
    row_branch = np.repeat(np.arange(branches), rows)
    row_in_branch = np.arange(len(row_branch)) - np.repeat(np.cumsum(rows) - rows, rows)
    arc = cut.trim_start[row_branch] + 0.5 * cut.segment_mm[row_branch] * row_in_branch
    end = cut.length - cut.trim_end
    arc = np.minimum(arc, end[row_branch])

    # merge centreline points and half-segment ends; between neighbours the axes run linearly
    points = len(network.point_xyz)
    point_branch = np.repeat(np.arange(branches), np.diff(network.point_offset))
    branch = np.concatenate([point_branch, row_branch])
    merged_arc = np.concatenate([cut.point_arc, arc])
    is_row = np.concatenate([np.zeros(points, dtype=np.int8), np.ones(len(arc), dtype=np.int8)])
    order = np.lexsort((is_row, merged_arc, branch))
    branch, merged_arc, is_row = branch[order], merged_arc[order], is_row[order]
    left = np.minimum(np.cumsum(is_row == 0) - 1, network.point_offset[branch + 1] - 2)
    span = cut.point_arc[left + 1] - cut.point_arc[left]
    weight = np.clip((merged_arc - cut.point_arc[left]) / span, 0.0, 1.0)

    def along(values: FloatArray) -> FloatArray:
        shaped = weight if values.ndim == 1 else weight[:, None]
        return np.asarray(values[left] * (1 - shaped) + values[left + 1] * shaped)

    major, minor = along(network.point_radius), along(network.point_radius_minor)
    xyz = along(network.point_xyz)
    row_at = np.flatnonzero(is_row)

    passed = np.cumsum(is_row)  # half-segment ends up to and including this entry
    before = np.concatenate([[0], np.cumsum(rows)])[branch]
    in_branch = passed - before - 1
    piece = np.flatnonzero(
        (branch[1:] == branch[:-1])
        & (in_branch[:-1] >= 0)
        & (in_branch[:-1] < rows[branch[:-1]] - 1)
    )
    half = cut.halves[branch[piece]] + in_branch[piece]
    step = merged_arc[piece + 1] - merged_arc[piece]
    resistance = np.zeros(len(piece))
    volume = np.zeros(len(piece))
    with_catheter = route_half[half]
    for node, gauss_weight in zip(GAUSS_NODES, GAUSS_WEIGHTS, strict=True):
        share = 0.5 * (1 + node)
        a = major[piece] * (1 - share) + major[piece + 1] * share
        b = minor[piece] * (1 - share) + minor[piece + 1] * share
        area, density = _lumen(a, b, with_catheter, catheter_radius)
        resistance += 0.5 * gauss_weight * step * density
        volume += 0.5 * gauss_weight * step * area
    half_resistance = sum_by(half, resistance, len(route_half))
    half_volume = sum_by(half, volume, len(route_half))

    for trim, wide, at in (
        (cut.trim_start, cut.wide_start, cut.halves[:-1]),
        (cut.trim_end, cut.wide_end, cut.halves[1:] - 1),
    ):
        density = _lumen(wide[:, 0], wide[:, 1], route_half[at], catheter_radius)[1]
        half_resistance[at] += trim * density
    return Sections(
        arc=merged_arc[row_at],
        xyz=xyz[row_at],
        major=major[row_at],
        minor=minor[row_at],
        half_resistance=half_resistance,
        half_volume=half_volume,
    )


def _lumen(
    a: FloatArray, b: FloatArray, with_catheter: NDArray[np.bool_], catheter_radius: float
) -> tuple[FloatArray, FloatArray]:
    """Open area (mm2) and resistance per length and viscosity (mm^-4)."""
    area, density = np.pi * a * b, ellipse_resistance(a, b)
    if with_catheter.any():
        outer = np.maximum(
            np.sqrt((a * b)[with_catheter]), catheter_radius + DISTENSION_CLEARANCE_MM
        )
        area[with_catheter] = np.pi * (outer**2 - catheter_radius**2)
        density[with_catheter] = annulus_resistance(outer, catheter_radius)
    return area, density


def sum_by(index: IntArray, values: FloatArray, size: int) -> FloatArray:
    """Sum of the values with each index, (size,)."""
    return np.bincount(index, weights=values, minlength=size).astype(np.float64)
