"""Geometry: a new patient, the way of a catheter in it, and the arcs of a root, with warm kernels.

Run with ``make bench``. Nothing is kept from patient to patient but what all share: the skeleton,
the tables and the obstacles. The aims are promises about a quiet machine.
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

DRAW_AIM_S = 0.045
ROUTE_AIM_S = 0.005
COVERAGE_AIM_S = 0.005
ROUNDS = 15
CELL_MM = 0.5


@pytest.fixture(scope="module")
def typical() -> Anatomy:
    return Anatomy.typical()


@pytest.fixture(scope="module")
def seeds() -> Iterator[int]:
    """Seeds that no round has seen."""
    return count(1000)


def test_draw(benchmark: BenchmarkFixture, typical: Anatomy, seeds: Iterator[int]) -> None:
    """A new random patient."""

    def generator() -> tuple[tuple[np.random.Generator], dict[str, object]]:
        return (np.random.default_rng(next(seeds)),), {}

    drawn = benchmark.pedantic(Anatomy.draw, setup=generator, rounds=ROUNDS)
    assert drawn.network.n_branches > typical.network.n_branches // 2
    assert benchmark.stats.stats.median <= DRAW_AIM_S


def test_typical(benchmark: BenchmarkFixture) -> None:
    """The commonest anatomy, with new strands in its plexuses."""
    strands = count()
    benchmark.pedantic(lambda: Anatomy.typical(next(strands)), rounds=ROUNDS, warmup_rounds=1)
    assert benchmark.stats.stats.median <= DRAW_AIM_S


def test_route(benchmark: BenchmarkFixture, typical: Anatomy) -> None:
    """The way of a catheter from its tip to the heart."""
    scenario = load_scenario("right-t9").resolved()
    tip = locate_tip(typical, scenario.tip, source=scenario.name)
    route = benchmark.pedantic(
        find_route, (typical.network, tip), {"diameter_mm": 1.0}, rounds=ROUNDS, warmup_rounds=1
    )
    assert route.path
    assert benchmark.stats.stats.median <= ROUTE_AIM_S


def test_coverage(benchmark: BenchmarkFixture, typical: Anatomy) -> None:
    """The arcs that the foraminal cells of one root would cover."""
    mesh = centreline_mesh(typical.network, CELL_MM)
    cover = benchmark.pedantic(
        foramen_coverage, (typical, mesh, Level.T9, Side.RIGHT), rounds=ROUNDS, warmup_rounds=1
    )
    assert len(cover.cell)
    assert benchmark.stats.stats.median <= COVERAGE_AIM_S
