"""Pressures on a voxel mesh: castsim's multigrid beside pyamg's smoothed aggregation.

A solve is what an injection needs after a step: conductances have changed (here, agent has come
into the cells about one point), and the pressures of the step before are the start for both.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.sparse import coo_array, csr_matrix

import castsim
from benchmarks.conftest import ROUNDS
from castsim.blood_solver import face_conductance
from castsim.far_field import window
from castsim.injection import BALANCE_BOUND
from castsim.multigrid import Multigrid
from castsim.physiology import Physiology
from castsim.scenario_file import load_scenario
from castsim.venous_flow import resting_flow
from geometry.anatomy import Anatomy
from geometry.centerline_mesh import centreline_mesh
from geometry.flowmesh import FloatArray, IntArray
from geometry.levels import Level
from geometry.lumen import capsules_of
from geometry.voxel_mesh import voxel_mesh

SOLVE = "pressures on a voxel mesh of T7 to T11 (0.3 mm) after agent has come into 300 cells more"
INJECTION = "1 mL into cubes of 0.28 mm, T7 to T11 (500 000), mesh and resting flow included"
CUBES = ("mesh.kind='voxel'", "mesh.spacing_mm=0.28")
PYAMG = "pyamg, smoothed aggregation + CG"
TOLERANCE = 1e-8
AGENT = 10.0
"""Viscosity of agent over that of blood."""
FILLED, STEP = 20_000, 300
"""Cells with agent before the step, and those that come with it."""
SPACINGS_MM = 0.45, 0.3, 0.2, 0.16
"""0.1 to 4 million cells, about."""
ALIKE_MM = 0.45, 0.3, 0.2, 0.145
"""The same where no more veins become cubes."""
MILLION = 1e6
GROWTH_OF_SOLVE = "growth of such a solve's time with the cells, 0.1 to 4 million"
GROWTH_OF_INJECTION = "growth of the time of 0.1 mL into the same veins as cubes, 0.1 to 4 million"
RESOLVED_MM = 0.6
"""Veins of at least this radius are cubes at every spacing: at 0.45 mm that is too few cubes a
radius for good flows, but the same work."""
GROWTH_AS_GIVEN = "growth of the time of 0.1 mL into cubes, finer ones of which resolve more veins"
MOST_GROWTH = {GROWTH_OF_SOLVE: 1.15, GROWTH_OF_INJECTION: 1.15}
LEVELS = range(Level.T7, Level.T11 + 1)


class System(NamedTuple):
    """A network before and after one step, and its pressures before."""

    n: int
    owner: IntArray
    neighbour: IntArray
    before: FloatArray
    after: FloatArray
    ground: FloatArray
    source: FloatArray
    start: FloatArray

    @property
    def matrix(self) -> csr_matrix:
        """Matrix after the step."""
        i, j, g, cell = self.owner, self.neighbour, self.after, np.arange(self.n)
        row, column = np.concatenate([i, j, i, j, cell]), np.concatenate([i, j, j, i, cell])
        row, column = row.astype(np.int32), column.astype(np.int32)  # pyamg takes no long ones
        value = np.concatenate([g, g, -g, -g, self.ground])
        return csr_matrix(coo_array((value, (row, column)), shape=(self.n, self.n)))

    def residual(self, pressure: FloatArray) -> float:
        """Norm of what is left over, by that of the sources."""
        left = self.source - self.matrix @ pressure
        return float(np.linalg.norm(left) / np.linalg.norm(self.source))


@pytest.fixture(scope="module")
def system() -> System:
    """Of 500 000 cells and more."""
    made = after_a_step(0.3)
    assert made.n >= 500_000
    return made


def after_a_step(spacing_mm: float) -> System:
    """The typical spine, at rest but for agent about the middle of its cubes."""
    network = Anatomy.typical().network
    rest = resting_flow(centreline_mesh(network).flow, Physiology.default())
    lines = centreline_mesh(network)
    lines = replace(lines, flow=rest.mesh)
    mesh = voxel_mesh(network, lines, capsules_of(network), spacing_mm, LEVELS)
    kept = replace(
        rest,
        mesh=mesh.flow,
        viscosity=np.full(mesh.flow.n_cells, rest.viscosity[0]),
        valve_open=np.ones(mesh.flow.n_faces, dtype=bool),
    )
    flow = window(mesh.flow, kept, LEVELS).mesh
    n, cell, blood = flow.n_cells, flow.terminal_cell, float(rest.viscosity[0])
    hold = 1 / flow.terminal_resistance
    ground = np.bincount(cell, hold, n)
    source = np.bincount(cell, hold * (flow.terminal_pressure - flow.terminal_pressure.min()), n)
    middle = np.median(flow.cell_centroid[n // 2 :], axis=0)
    order = np.argsort(np.linalg.norm(flow.cell_centroid - middle, axis=1), kind="stable")

    def conductance(filled: int) -> FloatArray:
        viscosity = np.full(n, blood)
        viscosity[order[:filled]] *= AGENT
        return face_conductance(flow, viscosity)

    before = conductance(FILLED)
    solver = Multigrid(n, flow.face_owner, flow.face_neighbour, before, ground)
    start = solver.solve(source, tolerance=TOLERANCE)[0]
    ends = flow.face_owner, flow.face_neighbour
    return System(n, *ends, before, conductance(FILLED + STEP), ground, source, start)


def solve_again(benchmark: BenchmarkFixture, system: System) -> None:
    """Time castsim's solve after the step, from the network before it."""
    solver = Multigrid(system.n, system.owner, system.neighbour, system.before, system.ground)

    def begin() -> None:
        solver.set(system.before, system.ground)

    def solve() -> FloatArray:
        solver.set(system.after, system.ground)
        return solver.solve(system.source, system.start, tolerance=TOLERANCE)[0]

    pressure = benchmark.pedantic(solve, setup=begin, rounds=ROUNDS, warmup_rounds=1)
    assert system.residual(pressure) <= 2 * TOLERANCE


@pytest.mark.measures(SOLVE, "castsim", bar="≥ 15 × pyamg", at_least={PYAMG: 15}, items=528_757)
def test_solve(benchmark: BenchmarkFixture, system: System) -> None:
    solve_again(benchmark, system)


@pytest.mark.measures(SOLVE, PYAMG, package="pyamg", items=528_757)
def test_solve_pyamg(benchmark: BenchmarkFixture, system: System) -> None:
    pyamg = pytest.importorskip("pyamg", reason="pyamg is not installed: `make peers`")
    matrix = system.matrix

    def solve() -> FloatArray:
        grids = pyamg.smoothed_aggregation_solver(matrix)
        return grids.solve(system.source, x0=system.start, tol=TOLERANCE, accel="cg", maxiter=300)

    pressure = benchmark.pedantic(solve, rounds=ROUNDS, warmup_rounds=1)
    assert system.residual(pressure) <= 2 * TOLERANCE


@pytest.fixture(scope="module")
def medians() -> dict[tuple[str, float], tuple[int, float]]:
    """Cells and median time of each work at each spacing."""
    return {}


@pytest.mark.parametrize("spacing", SPACINGS_MM)
def test_growth_of_a_solve(
    spacing: float,
    benchmark: BenchmarkFixture,
    medians: dict[tuple[str, float], tuple[int, float]],
    record_value: Callable[..., None],
) -> None:
    made = after_a_step(spacing)
    who = f"castsim, {made.n / MILLION:.2f} million cells"
    benchmark.extra_info.update({"work": GROWTH_OF_SOLVE, "who": who})
    solve_again(benchmark, made)
    note_growth(GROWTH_OF_SOLVE, spacing, made.n, benchmark, medians, record_value)


@pytest.mark.parametrize(
    ("work", "spacing"),
    [
        *[(GROWTH_OF_INJECTION, spacing) for spacing in ALIKE_MM],
        *[(GROWTH_AS_GIVEN, spacing) for spacing in SPACINGS_MM],
    ],
)
def test_growth_of_an_injection(
    work: str,
    spacing: float,
    benchmark: BenchmarkFixture,
    medians: dict[tuple[str, float], tuple[int, float]],
    record_value: Callable[..., None],
) -> None:
    mesh = ["mesh.kind='voxel'", f"mesh.spacing_mm={spacing}"]
    if work == GROWTH_OF_INJECTION:
        mesh.append(f"mesh.least_cubes={RESOLVED_MM / spacing}")
    if spacing == SPACINGS_MM[0]:
        castsim.run(load_scenario("right-t9", [*mesh, "injection.volume_mL=0.01"]))  # compiles
    scenario = load_scenario("right-t9", [*mesh, "injection.volume_mL=0.1"])
    cast = benchmark.pedantic(castsim.run, args=(scenario,), rounds=1)
    assert cast.injection.balance_error <= BALANCE_BOUND
    cells = len(cast.injection.graph.volume)
    who = f"castsim, {cells / MILLION:.2f} million cells"
    benchmark.extra_info.update({"work": work, "who": who})
    note_growth(work, spacing, cells, benchmark, medians, record_value)


def note_growth(
    work: str,
    spacing: float,
    cells: int,
    benchmark: BenchmarkFixture,
    medians: dict[tuple[str, float], tuple[int, float]],
    record_value: Callable[..., None],
) -> None:
    """The last spacing gives the exponent: the slope of log time over log cells."""
    medians[work, spacing] = cells, benchmark.stats.stats.median
    known = [median for (name, _), median in medians.items() if name == work]
    if len(known) == len(SPACINGS_MM):
        size, median = np.log(np.array(known)).T
        exponent = float(np.polyfit(size, median, 1)[0])
        record_value(work, "exponent", exponent, at_most=MOST_GROWTH.get(work))


@pytest.mark.measures(INJECTION, "castsim", bar="≤ 60 s", at_most_s=60.0)
def test_injection(benchmark: BenchmarkFixture) -> None:
    scenario = load_scenario("right-t9", [*CUBES, "injection.volume_mL=0.01"])
    castsim.run(scenario)  # compiles
    scenario = load_scenario("right-t9", [*CUBES, "injection.volume_mL=1.0"])
    cast = benchmark.pedantic(castsim.run, args=(scenario,), rounds=1)
    assert len(cast.voxels.window) >= 500_000
    assert cast.injection.balance_error <= BALANCE_BOUND
