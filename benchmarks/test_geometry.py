"""Geometry: a new patient, the way of a catheter in it, and the arcs of a root, with warm kernels.

Run with ``make bench``. Nothing is kept from patient to patient but what all share: the skeleton,
the tables and the obstacles. Times are aims on a quiet machine: one that is missed is shown, and is
no error.
"""

from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from castsim.cast import foramen_coverage
from castsim.scenario_file import load_scenario
from castsim.tip import locate_tip
from geometry.anatomy import Anatomy
from geometry.catheter_route import find_route
from geometry.centerline_mesh import centreline_mesh
from geometry.levels import Level, Side

ROUNDS = 15
CELL_MM = 0.5


@pytest.fixture(scope="module")
def typical() -> Anatomy:
    return Anatomy.typical()


@pytest.fixture(scope="module")
def seeds() -> Iterator[int]:
    """Seeds that no round has seen."""
    return count(1000)


@pytest.mark.measures(
    "geometry of a new random anatomy", "castsim", bar="≤ 0.045 s (aim)", at_most_s=0.045
)
def test_draw(benchmark: BenchmarkFixture, typical: Anatomy, seeds: Iterator[int]) -> None:
    """A new random patient."""

    def generator() -> tuple[tuple[np.random.Generator], dict[str, object]]:
        return (np.random.default_rng(next(seeds)),), {}

    drawn = benchmark.pedantic(Anatomy.draw, setup=generator, rounds=ROUNDS)
    assert drawn.network.n_branches > typical.network.n_branches // 2


@pytest.mark.measures(
    "geometry of the typical anatomy, new strands",
    "castsim",
    bar="≤ 0.045 s (aim)",
    at_most_s=0.045,
)
def test_typical(benchmark: BenchmarkFixture) -> None:
    """The commonest anatomy, with new strands in its plexuses."""
    strands = count()
    benchmark.pedantic(lambda: Anatomy.typical(next(strands)), rounds=ROUNDS, warmup_rounds=1)


@pytest.mark.measures(
    "way of the catheter from tip to heart", "castsim", bar="≤ 0.005 s (aim)", at_most_s=0.005
)
def test_route(benchmark: BenchmarkFixture, typical: Anatomy) -> None:
    """The way of a catheter from its tip to the heart."""
    scenario = load_scenario("right-t9").resolved()
    tip = locate_tip(typical, scenario.tip)
    route = benchmark.pedantic(
        find_route, (typical.network, tip), {"diameter_mm": 1.0}, rounds=ROUNDS, warmup_rounds=1
    )
    assert route.path


@pytest.mark.measures(
    "arcs of a root that its foramen's veins can cover",
    "castsim",
    bar="≤ 0.005 s (aim)",
    at_most_s=0.005,
)
def test_coverage(benchmark: BenchmarkFixture, typical: Anatomy) -> None:
    """The arcs that the foraminal cells of one root would cover."""
    mesh = centreline_mesh(typical.network, CELL_MM)
    cover = benchmark.pedantic(
        foramen_coverage, (typical, mesh, Level.T9, Side.RIGHT), rounds=ROUNDS, warmup_rounds=1
    )
    assert len(cover.cell)
