"""VesselNetwork: selecting branches."""

import numpy as np
import pytest

from geometry.errors import GeometryError
from geometry.levels import Level, Side
from geometry.network import NetworkBuilder, TerminalKind, VesselNetwork
from geometry.structures import Structure


@pytest.fixture
def ladder() -> VesselNetwork:
    """Three branches in a row with a valve on the last, and a loop over the middle one."""
    builder = NetworkBuilder()
    nodes = [builder.node((x, 0.0, 0.0)) for x in (0.0, 1.0, 3.0, 6.0)]
    for structure, one, two, via in (
        (Structure.PARASPINAL, 0, 1, ()),
        (Structure.INTERSEGMENTAL, 1, 2, [(2.0, 1.0, 0.0)]),
        (Structure.LUMBAR, 1, 2, ()),
        (Structure.AZYGOS, 2, 3, ()),
    ):
        last = builder.branch(
            nodes[one], nodes[two], structure, Level.T9, Side.RIGHT, radius=1.0 + one, via=via
        )
    builder.valve(last, 0.5, 1)
    builder.terminal(nodes[3], TerminalKind.OUTLET, "heart")
    return builder.build()


def test_select_keeps_order_points_and_valves(ladder: VesselNetwork) -> None:
    chosen = ladder.select(np.array([3, 0, 2]))
    assert chosen.branch_structure.tolist() == [
        Structure.AZYGOS,
        Structure.PARASPINAL,
        Structure.LUMBAR,
    ]
    assert chosen.branch_length().tolist() == [3.0, 1.0, 2.0]
    assert chosen.point_radius.tolist() == [3.0, 3.0, 1.0, 1.0, 2.0, 2.0]
    assert (chosen.valve_branch.tolist(), chosen.valve_arc.tolist()) == ([0], [0.5])


def test_select_refuses_a_terminal_without_branch(ladder: VesselNetwork) -> None:
    with pytest.raises(GeometryError, match="'heart' would be left without a branch"):
        ladder.select(np.array([0, 1]))
