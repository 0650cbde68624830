"""One injection on the whole spine, how it grows with the cast, and its pressure solves.

The stage that is timed is the call of :func:`castsim.injection.inject` that a run makes, with what
the run gives it: the window of levels round the target, catheter, protocol, watched cells.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.sparse import coo_array, csc_matrix

import castsim
from benchmarks.conftest import ROUNDS
from castsim import simulate
from castsim.cast import Cast
from castsim.scenario import Scenario
from geometry.flowmesh import FlowMesh

SCENARIO = "right-t9"
STEP_ML = 0.25
PAUSE_S = 10
"""With 30 s this scenario stalls at 0.75 mL: the small veins of its foramen have set by then."""
NO_SWEEPING = {"sweep_ratio": 1e9}
"""All agent stays, so that the cast grows with what is injected."""
RATE_ML_MIN = 0.1
VOLUMES_ML = (0.1, 0.3, 1.0, 3.0)
UL_PER_ML = 1000.0
INJECTION = "injection of 1 mL with pauses, whole spine, warm"
SOLVE = "pressure re-solve inside that injection (castsim: all of the injection over its solves)"
GROWTH = "growth of the injection's time with cast volume, 0.1 to 3 mL"
BYTES_AN_ENTRY = 12
"""A double and an index."""
BYTES_PER_MB = 1e6
PARTS = 8
"""castsim's solve must take at most this part of CHOLMOD's on the full matrix."""


class Prepared(NamedTuple):
    """A run, and the arguments that its injection was called with."""

    cast: Cast
    arguments: tuple[Any, ...]
    options: dict[str, Any]

    def inject(self) -> Any:
        """Do the injection alone again."""
        return simulate.inject(*self.arguments, **self.options)


def protocol(volume: float) -> list[dict[str, float]]:
    """Return `volume` mL in equal pushes of about a quarter mL, with pauses between."""
    count = max(1, round(volume / STEP_ML))
    push = {"volume_mL": volume / count, "rate_mL_min": RATE_ML_MIN}
    return [line for _ in range(count) for line in (push, {"pause_s": PAUSE_S})][:-1]


@pytest.fixture(scope="module")
def prepared() -> Iterator[Callable[..., Prepared]]:
    """Runs the scenario once for each case, and keeps what its injection needs."""
    kept: dict[tuple[float, bool], Prepared] = {}
    given = simulate.inject

    def prepare(volume: float, *, sweeping: bool = True) -> Prepared:
        key = volume, sweeping
        if key not in kept:
            calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

            def caught(*arguments: Any, **options: Any) -> Any:
                calls.append((arguments, options))
                return given(*arguments, **options)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(simulate, "inject", caught)
                cast = castsim.run(planned(volume, sweeping=sweeping))
            ((arguments, options),) = calls
            kept[key] = Prepared(cast, arguments, {**options, "progress": None})
        return kept[key]

    return prepare


def planned(volume: float, *, sweeping: bool = True) -> Scenario:
    """Return the scenario with `volume` mL in pushes with pauses instead of its own protocol."""
    values = castsim.load_scenario(SCENARIO).model_dump(mode="json", exclude_unset=True)
    model = {} if sweeping else {"model": NO_SWEEPING}
    return Scenario.model_validate({**values, "injection": {"steps": protocol(volume)}, **model})


def matrix_and_load(mesh: FlowMesh, viscosity: NDArray[np.float64]) -> tuple[csc_matrix, Any]:
    """Return the matrix of the resting pressures of a mesh, whole, and its right-hand side."""
    owner, neighbour, half = mesh.face_owner, mesh.face_neighbour, mesh.half_resistance
    g = 1.0 / (viscosity[owner] * half[:, 0] + viscosity[neighbour] * half[:, 1])
    free = mesh.terminal_resistance > 0.0
    end = np.where(free, 1.0 / np.where(free, mesh.terminal_resistance, 1.0), g.max())
    cell = mesh.terminal_cell
    row = np.concatenate([owner, neighbour, owner, neighbour, cell])
    column = np.concatenate([owner, neighbour, neighbour, owner, cell])
    value = np.concatenate([g, g, -g, -g, end])
    n = mesh.n_cells
    load = np.bincount(cell, end * mesh.terminal_pressure, n)
    return csc_matrix(coo_array((value, (row, column)), shape=(n, n))), load


@pytest.mark.measures(INJECTION, "castsim", bar="≤ 0.10 s (aim 0.05 s)", at_most_s=0.10)
def test_injection(benchmark: BenchmarkFixture, prepared: Callable[..., Prepared]) -> None:
    run = prepared(1.0)
    again = benchmark.pedantic(run.inject, rounds=ROUNDS, warmup_rounds=1)
    assert again.injected == run.cast.injection.injected
    assert again.injected == pytest.approx(UL_PER_ML, rel=0.01)


@pytest.mark.measures("whole run of it: anatomy kept, route, mesh, flow, injection", "castsim")
def test_whole_run(benchmark: BenchmarkFixture) -> None:
    scenario = planned(1.0)
    benchmark.pedantic(castsim.run, (scenario,), rounds=ROUNDS, warmup_rounds=1)


@pytest.fixture(scope="module")
def medians() -> dict[float, tuple[float, float]]:
    """Cast volume, mm3, and median time of each planned volume."""
    return {}


@pytest.mark.parametrize("volume", VOLUMES_ML)
def test_growth(
    volume: float,
    benchmark: BenchmarkFixture,
    prepared: Callable[..., Prepared],
    medians: dict[float, tuple[float, float]],
    record_value: Callable[..., None],
) -> None:
    """The last volume gives the exponent: the slope of log time over log cast volume."""
    run = prepared(volume, sweeping=False)
    assert run.cast.injection.cast == pytest.approx(volume * UL_PER_ML, rel=0.01)
    benchmark.extra_info.update({"work": GROWTH, "who": f"castsim, {volume:g} mL"})
    benchmark.pedantic(run.inject, rounds=ROUNDS, warmup_rounds=1)
    medians[volume] = run.cast.injection.cast, benchmark.stats.stats.median
    if set(medians) == set(VOLUMES_ML):
        cast, median = np.log(np.array(list(medians.values()))).T
        exponent = float(np.polyfit(cast, median, 1)[0])
        record_value(GROWTH, "exponent", exponent, at_most=1.2)


@pytest.mark.measures(
    SOLVE,
    "castsim",
    bar="≤ 0.15 ms, ≤ 1/8 of CHOLMOD on the full matrix",
    at_most_s=0.15e-3,
    at_least={"CHOLMOD, full matrix, scikit-sparse": PARTS},
)
def test_solve(benchmark: BenchmarkFixture, prepared: Callable[..., Prepared]) -> None:
    """The injection over its solves: all that it does beside them is counted in."""
    run = prepared(1.0)
    benchmark.extra_info["parts"] = run.cast.injection.solves
    benchmark.pedantic(run.inject, rounds=ROUNDS, warmup_rounds=1)


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param(
            True,
            marks=pytest.mark.measures(
                SOLVE, "CHOLMOD, full matrix, scikit-sparse", package="scikit-sparse"
            ),
            id="full matrix",
        ),
        pytest.param(
            False,
            marks=pytest.mark.measures(
                SOLVE, "CHOLMOD, window's matrix, scikit-sparse", package="scikit-sparse"
            ),
            id="window",
        ),
    ],
)
def test_solve_by_cholmod(
    whole: bool,
    benchmark: BenchmarkFixture,
    prepared: Callable[..., Prepared],
    record_value: Callable[..., None],
) -> None:
    """Numbers of the matrix have changed, its pattern has not: re-factor, and solve once."""
    cholmod = pytest.importorskip("sksparse.cholmod", reason="not installed: `make peers`")
    run = prepared(1.0)
    if whole:
        mesh, viscosity = run.cast.rest.mesh, run.cast.rest.viscosity
    else:
        mesh, viscosity = run.arguments[0], run.options["blood_viscosity"]
    matrix, load = matrix_and_load(mesh, viscosity)
    factor = cholmod.analyze(matrix)

    def solve() -> Any:
        factor.cholesky_inplace(matrix)
        return factor(load)

    pressure = benchmark.pedantic(solve, rounds=10 * ROUNDS, warmup_rounds=3)
    assert np.abs(matrix @ pressure - load).max() <= 1e-9 * np.abs(load).max()
    held = factor.L().nnz * BYTES_AN_ENTRY / BYTES_PER_MB
    # what must at least be moved in a re-factorisation: against the memory bandwidth, its roof
    record_value("CHOLMOD's factor", "full matrix" if whole else "window's matrix", held, "MB")
