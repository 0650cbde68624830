"""What cells and steps decide: one injection on coarser and finer meshes, and in longer steps.

The disorder of the gates is keyed to branch and arc length, so it is the same field on every mesh.
"""

from functools import cache
from typing import Any

import pytest

import castsim
from castsim.metrics import summarise
from castsim.scenario_file import load_scenario

COVERAGE_DEG = 30.0
"""About one strand of eight round the root."""
EMBOLISED_ML = 0.01
"""What an operator does not notice in the azygos system."""


@cache
def report(*overrides: str) -> dict[str, Any]:
    return dict(
        summarise(castsim.run(load_scenario("right-t9", ["injection.volume_mL=0.5", *overrides])))
    )


MORE_IS_SWEPT = pytest.mark.xfail(
    strict=True,
    reason="with cells of 0.25 mm more agent is carried off, in eight patients of this scenario "
    "too (tests/verification/test_convergence.py); why is not known",
)


@pytest.mark.parametrize(
    "change",
    [
        "mesh.cell_mm=1.0",
        pytest.param("mesh.cell_mm=0.25", marks=MORE_IS_SWEPT),
        "mesh.eta=0.02",
    ],
)
def test_coverage_and_reflux_do_not_hang_on_the_mesh(change: str) -> None:
    default, other = report(), report(change)
    assert other["coverage"]["deg"] == pytest.approx(default["coverage"]["deg"], abs=COVERAGE_DEG)
    assert other["embolised_mL"] == pytest.approx(default["embolised_mL"], abs=EMBOLISED_ML)
    assert other["foramina_touched"] == default["foramina_touched"]
