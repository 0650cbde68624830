"""Walls between cubes: none within a vein or a junction, one between veins side by side."""

import numpy as np
import pytest
from numpy.typing import ArrayLike

from geometry.centerline_mesh import centreline_mesh
from geometry.flowmesh import FloatArray
from geometry.levels import Level, Side
from geometry.lumen import capsules_of
from geometry.network import NetworkBuilder, TerminalKind, VesselNetwork
from geometry.structures import Structure
from geometry.voxel_mesh import voxel_mesh
from tests.verification.admittances import admittance
from tests.verification.verdicts import Verdict

SUBJECT = "Voxels"
SPACING = 0.25
VEIN = Structure.AZYGOS, Level.T9, Side.RIGHT
OBLIQUE = np.array([0.8, 0.5, 0.33]) / np.linalg.norm([0.8, 0.5, 0.33])


def tree(nodes: ArrayLike, veins: list[tuple[int, int, float]]) -> VesselNetwork:
    """Veins (node, node, radius) between places (n, 3); nodes with one vein are ends."""
    builder = NetworkBuilder()
    places = [builder.node(np.asarray(place, dtype=float)) for place in np.asarray(nodes)]
    for one, two, radius in veins:
        builder.branch(places[one], places[two], *VEIN, radius=[radius, radius])
    met = np.bincount([node for vein in veins for node in vein[:2]])
    for node in np.flatnonzero(met == 1):
        builder.terminal(places[node], TerminalKind.OUTLET, f"end {node}")
    return builder.build()


def both(network: VesselNetwork) -> tuple[FloatArray, FloatArray]:
    """Admittance of the ends on lines and on cubes."""
    lines = centreline_mesh(network)
    mesh = voxel_mesh(network, lines, capsules_of(network), SPACING, [Level.T9])
    return admittance(lines.flow), admittance(mesh.flow)


@pytest.mark.parametrize("middle", [0.1, 0.15, 0.4, 0.9, 2.0])
def test_a_vein_in_pieces_conducts_as_one(middle: float, verdict: Verdict) -> None:
    """Whatever the length of the middle piece; no piece's own place is a wall to the others."""
    whole = both(tree([np.zeros(3), 12.0 * OBLIQUE], [(0, 1, 0.9)]))[1]
    arcs = np.array([0.0, 6.0 - 0.5 * middle, 6.0 + 0.5 * middle, 12.0])
    pieces = tree(arcs[:, None] * OBLIQUE, [(0, 1, 0.9), (1, 2, 0.9), (2, 3, 0.9)])
    what = f"vein in three pieces, {middle} mm the middle one: flow over that of one piece"
    verdict(SUBJECT, what, both(pieces)[1][0, 1] / whole[0, 1], 1.0, source="one piece", rtol=0.01)


def test_two_forks_close_together_are_one_crossing(verdict: Verdict) -> None:
    """Side branches 0.3 mm apart on a vein of 0.9 mm in radius: straight through."""
    nodes = [[-6, 0, 0], [-0.15, 0, 0], [0.15, 0, 0], [6, 0, 0], [-0.15, 6, 0.4], [0.15, -6, 0.4]]
    veins = [(0, 1, 0.9), (1, 2, 0.9), (2, 3, 0.9), (1, 4, 0.9), (2, 5, 0.9)]
    exact, found = both(tree(nodes, veins))
    what = "crossing of two forks 0.3 mm apart, straight through: cubes over lines"
    verdict(SUBJECT, what, found[0, 1] / exact[0, 1], 1.0, source="centreline mesh", rtol=0.08)


def side_by_side(angle: float) -> VesselNetwork:
    """A branch that leaves a vein at an angle (degrees), and after 4 mm runs beside it.

    Both come to ends of their own; their lumens overlap by a third of a millimetre on the way.
    """
    away = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle)), 0.0])
    aside = 4.0 * away
    aside[1] = 1.35
    nodes = [[-5, 0, 0], [0, 0, 0], [16, 0, 0], aside, [12, 1.35, 0], [16, 5, 0]]
    return tree(nodes, [(0, 1, 0.9), (1, 2, 0.9), (1, 3, 0.75), (3, 4, 0.75), (4, 5, 0.75)])


def test_veins_side_by_side_exchange_nothing(
    verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the end of one to that of the other there is only the way over where they meet."""
    exact, found = both(side_by_side(25.0))
    what = "veins that meet and then lie side by side, end to end: cubes over lines"
    verdict(SUBJECT, what, found[1, 2] / exact[1, 2], 1.0, source="centreline mesh", rtol=0.15)
    # without walls blood passes over all the way
    monkeypatch.setattr("geometry.voxel_mesh.REACH", 1e3)
    assert both(side_by_side(25.0))[1][1, 2] / exact[1, 2] > 1.5


def test_a_branch_at_an_acute_angle_opens_through_a_narrower_mouth(verdict: Verdict) -> None:
    """What walls cost: beyond their reach lumens that are still one are parted."""
    for angle, least in ((60.0, 0.9), (25.0, 0.8), (15.0, 0.6)):
        away = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle)), 0.0])
        nodes = [[-5.0, 0.0, 0.0], [0.0, 0.0, 0.0], [9.0, 0.0, 0.0], 9.0 * away]
        exact, found = both(tree(nodes, [(0, 1, 1.0), (1, 2, 1.0), (1, 3, 0.7)]))
        what = f"branch at {angle:.0f} degrees, from the vein's end: cubes over lines, at least"
        verdict(
            SUBJECT,
            what,
            min(found[0, 2] / exact[0, 2], 1.0),
            1.0,
            source="centreline mesh",
            atol=1.0 - least,
        )
