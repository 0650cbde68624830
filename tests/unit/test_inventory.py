"""Counts, lengths and volumes of veins."""

import math

import pytest

from castsim.console import levels_touched
from castsim.inventory import branch_volume, inventory
from geometry.levels import Level, Side
from geometry.network import NetworkBuilder
from geometry.structures import Structure


def test_cylinder_cone_and_elliptic_cone_exactly() -> None:
    builder = NetworkBuilder()
    nodes = [builder.node((0.0, 0.0, float(z))) for z in (0, 10, 25, 31)]
    where = (Level.T9, Side.RIGHT)
    builder.branch(nodes[0], nodes[1], Structure.AZYGOS, *where, radius=2.0)
    builder.branch(
        nodes[1], nodes[2], Structure.AZYGOS, *where, radius=(2.0, 1.5, 1.0), via=[(0, 0, 17.5)]
    )
    builder.branch(
        nodes[2], nodes[3], Structure.LUMBAR, *where, radius=(3.0, 1.0), radius_minor=(1.0, 0.5)
    )
    network = builder.build()
    cone = math.pi * 15.0 / 3.0 * (4.0 + 2.0 + 1.0)
    # integral of (3 - 2t)(1 - t/2) over t in 0..1 is 3 - 7/4 + 1/3
    elliptic = math.pi * 6.0 * (3.0 - 7.0 / 4.0 + 1.0 / 3.0)
    assert branch_volume(network) == pytest.approx([math.pi * 40.0, cone, elliptic], rel=1e-12)
    lumbar, azygos = inventory(network)
    assert (lumbar.structure, lumbar.count) == (Structure.LUMBAR, 1)
    assert (azygos.structure, azygos.count) == (Structure.AZYGOS, 2)
    assert azygos.length == pytest.approx(25.0)
    assert azygos.volume == pytest.approx(math.pi * 40.0 + cone)


def test_only_the_branches_of_the_levels_asked_for_count() -> None:
    builder = NetworkBuilder()
    levels = (Level.T6, Level.T7, Level.T8, Level.T8, Level.T9)
    nodes = [builder.node((0.0, 0.0, 10.0 * k)) for k in range(len(levels) + 1)]
    for start, end, level in zip(nodes[:-1], nodes[1:], levels, strict=True):
        builder.branch(start, end, Structure.AZYGOS, level, Side.RIGHT, radius=1.0)
    network = builder.build()
    for window, count in (
        ((Level.T7, Level.T8), 3), ((Level.T8, Level.T8), 2), ((Level.C1, Level.S1), 5), (None, 5),
    ):  # fmt: skip
        (azygos,) = inventory(network, window)
        assert (azygos.count, azygos.length) == (count, pytest.approx(10.0 * count))
    assert inventory(network, (Level.L1, Level.L2)) == ()


def test_levels_are_joined_into_runs() -> None:
    def touched(*levels: str) -> str:
        return levels_touched([{"level": level, "volume_mL": 0.1} for level in levels])

    assert touched() == ""
    assert touched("T9") == "T9"
    assert touched("T10", "T8", "T9", "T9", "L1") == "T8-T10, L1"
    assert touched("C7", "T1") == "C7-T1"
    assert levels_touched([{"level": "T9", "volume_mL": 0.0}]) == ""
