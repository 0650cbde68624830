"""Points that fill the lumen evenly, each with the volume that it stands for.

Nodes of a regular grid in the union of capsules of :mod:`geometry.lumen`. The cube about a node
counts as far as it lies within the wall, to first order in the distance d to that: by 1/2 - d/h
for a spacing h. So the shape is that of the union, without steps, and where veins meet nothing
counts twice. A convex section of area A comes out as A + pi h^2 / 12 (Steiner: its area at a
distance d is A + P d + pi d^2), which is taken off again. Wide veins do not need so fine a grid:
the spacing doubles as long as the minor semi-axis is some spacings long.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geometry.kernels.bricks import BRICK
from geometry.kernels.lumen import Capsules
from geometry.kernels.lumen_points import nodes_inside, pair_bricks
from geometry.lumen import at_least

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

LEAST_RADIUS = 0.75
"""Spacings: a thinner vein, which would fall between the nodes, is filled as thick as this, and
its points stand for less."""
LEAST_SPACINGS = 8.0
"""A minor semi-axis has at least so many when the spacing is doubled."""
MOST_DOUBLINGS = 2
HALF = 0.5
SMEARED = np.pi / 12.0
"""Spacings squared by which a section comes out larger."""


class LumenPoints(NamedTuple):
    """k points in the lumen."""

    xyz: FloatArray  # (k, 3) mm
    volume: FloatArray  # (k,) mm3 of lumen that each stands for
    spacing: FloatArray  # (k,) mm, of the grid that each is of
    branch: IntArray  # (k,) of the network, the nearest
    arc: FloatArray  # (k,) mm from the start of that branch


def lumen_points(capsules: Capsules, wanted: BoolArray, spacing_mm: float) -> LumenPoints:
    """Fill veins with points.

    Parameters
    ----------
    capsules : s of them, of :func:`geometry.lumen.capsules_of`
    wanted : (s,) those to whose surroundings points are given, one at least; the others bound them
    spacing_mm : of the finest grid
    """
    width = capsules.minor.min(axis=1) / (LEAST_SPACINGS * spacing_mm)
    doublings = np.clip(np.floor(np.log2(width)), 0, MOST_DOUBLINGS)
    some = [
        _on_grid(capsules, wanted & (doublings == times), spacing_mm * 2.0**times)
        for times in np.unique(doublings[wanted])
    ]
    return LumenPoints(*(np.concatenate(column) for column in zip(*some, strict=True)))


def _on_grid(capsules: Capsules, wanted: BoolArray, step: float) -> LumenPoints:
    """Points of one spacing."""
    wide = at_least(capsules, LEAST_RADIUS * step)
    true, drawn = (np.pi * (some.major * some.minor).mean(axis=1) for some in (capsules, wide))
    thinned = true / (drawn + SMEARED * step**2)
    band = HALF * step
    ends = np.stack([wide.start, wide.start + wide.along])[:, wanted]
    reach = wide.major[wanted].max(axis=1)[:, None] + band
    low, high = (ends.min(axis=0) - reach).min(axis=0), (ends.max(axis=0) + reach).max(axis=0)
    # nodes of all grids are places of one, so that a point does not hang on what else is wanted
    origin = np.floor(low / step) * step
    bricks = np.floor((high - origin) / (BRICK * step)).astype(np.int64) + 1

    brick, member = pair_bricks(wide, origin, step, bricks, band)
    order = np.argsort(brick, kind="stable")
    brick, member = brick[order], member[order]
    first = np.flatnonzero(np.concatenate([[True], brick[1:] != brick[:-1]]))
    count = np.diff(np.append(first, len(brick)))
    some = np.logical_or.reduceat(wanted[member], first)
    xyz, share, own, part = nodes_inside(
        wide, wanted, origin, step, bricks, brick[first[some]],
        np.concatenate([[0], np.cumsum(count[some])]), member[np.repeat(some, count)], band,
    )  # fmt: skip
    return LumenPoints(
        xyz=xyz,
        volume=step**3 * thinned[own] * share,
        spacing=np.full(len(xyz), step),
        branch=wide.branch[own],
        arc=wide.arc[own] + part * np.linalg.norm(wide.along, axis=1)[own],
    )
