"""Surface of the lumen: five levels at 0.4 mm and the whole spine at 0.8 mm, with warm kernels.

Run with ``make bench``. From the anatomy to triangles with labels; one thread.
"""

from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from geometry.anatomy import Anatomy
from geometry.levels import Level
from geometry.surface import lumen_surface

ROUNDS = 7
WINDOW = (Level.T7, Level.T11)


@pytest.fixture(scope="module")
def typical() -> Anatomy:
    return Anatomy.typical()


@pytest.mark.measures(
    "surface of the lumen, T7 to T11 at 0.4 mm", "castsim", bar="≤ 1 s", at_most_s=1.0
)
def test_window(
    benchmark: BenchmarkFixture, typical: Anatomy, record_value: Callable[..., None]
) -> None:
    """Five levels, as for a picture or a print."""
    surface = benchmark.pedantic(
        lumen_surface, (typical, WINDOW), {"spacing_mm": 0.4}, rounds=ROUNDS, warmup_rounds=1
    )
    assert surface.open_edges == 0
    work = "surface of the lumen, T7 to T11 at 0.4 mm"
    record_value(work, "triangles", len(surface.triangles))
    record_value(work, "edges that are open or not manifold", surface.open_edges, at_most=0)


@pytest.mark.measures("surface of the lumen, whole spine at 0.8 mm", "castsim")
def test_whole_spine(
    benchmark: BenchmarkFixture, typical: Anatomy, record_value: Callable[..., None]
) -> None:
    """All veins, as for an overview."""
    surface = benchmark.pedantic(
        lumen_surface, (typical,), {"spacing_mm": 0.8}, rounds=ROUNDS, warmup_rounds=1
    )
    assert surface.open_edges == 0
    record_value("surface of the lumen, whole spine at 0.8 mm", "triangles", len(surface.triangles))
