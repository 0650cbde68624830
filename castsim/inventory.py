"""What veins an anatomy has: a count, a length and a volume for each structure."""

from dataclasses import dataclass

import numpy as np

from geometry.levels import Level
from geometry.network import FloatArray, VesselNetwork
from geometry.structures import Structure


@dataclass(frozen=True)
class StructureTotal:
    """All veins of one structure.

    Attributes
    ----------
    structure : which
    count : branches of the network
    length : mm
    volume : mm³
    """

    structure: Structure
    count: int
    length: float
    volume: float


def inventory(
    network: VesselNetwork, levels: tuple[Level, Level] | None = None
) -> tuple[StructureTotal, ...]:
    """Add up the branches of each structure that `network` has, in the order of their codes.

    Parameters
    ----------
    levels : upper and lower one to which a branch may belong; None: all
    """
    upper, lower = levels or (min(Level), max(Level))
    here = (network.branch_level >= upper) & (network.branch_level <= lower)
    length, volume = network.branch_length(), branch_volume(network)
    totals = []
    for structure in Structure:
        branches = network.branches(structure)
        branches = branches[here[branches]]
        if len(branches):
            totals.append(
                StructureTotal(
                    structure,
                    len(branches),
                    float(length[branches].sum()),
                    float(volume[branches].sum()),
                )
            )
    return tuple(totals)


def branch_volume(network: VesselNetwork) -> FloatArray:
    """Volume of every branch, (b,) mm³: the integral of π a b along its elliptic lumen.

    The semi-axes run linearly between points, so the integral over a piece of length s is
    ``π s (2 a₀b₀ + a₀b₁ + a₁b₀ + 2 a₁b₁) / 6``. Veins overlap where they join; the overlap
    counts in each.
    """
    a, b = network.point_radius, network.point_radius_minor
    step = np.linalg.norm(np.diff(network.point_xyz, axis=0), axis=1)
    mixed = 2.0 * a[:-1] * b[:-1] + a[:-1] * b[1:] + a[1:] * b[:-1] + 2.0 * a[1:] * b[1:]
    piece = np.concatenate([np.pi * step * mixed / 6.0, [0.0]])
    # a branch's last point starts the jump to the next branch, which is no vein
    piece[network.point_offset[1:] - 1] = 0.0
    return np.asarray(np.add.reduceat(piece, network.point_offset[:-1]))
