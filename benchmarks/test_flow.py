"""Resting flow beside network and matrix solvers, and the stages before the injection.

castsim and OpenPNM begin with the mesh: castsim finds an order of elimination, OpenPNM makes its
network, phase and matrix. The matrix solvers are handed a matrix that is made outside the clock.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.sparse import coo_array, csc_matrix
from scipy.sparse.linalg import splu

from benchmarks.conftest import ROUNDS
from castsim.blood_solver import BloodSolver, face_conductance
from castsim.far_field import window
from castsim.physiology import Physiology
from castsim.venous_flow import VenousFlow, resting_flow
from geometry.anatomy import Anatomy
from geometry.centerline_mesh import centreline_mesh
from geometry.flowmesh import FloatArray, FlowMesh
from geometry.levels import Level
from geometry.network import VesselNetwork

SOLVE = "resting flow (one solve, nominal viscosity), whole spine, end to end from the mesh"
REFACTOR = "the same with the order of elimination known: new conductances and terminals"
NEW = "geometry + mesh + resting flow of a new random anatomy"
STAGES = "mesh and resting flow, valves and terminals calibrated, of a new random anatomy"
WINDOW = "far field of a window of seven levels reduced to its ports"
REST = Physiology.default()
CHOLMOD = "CHOLMOD analyse + factor + solve, scikit-sparse"
AMG_TOLERANCE = 1e-10
CLOSE = 1e-8
"""Of the largest pressure: no benchmark counts whose answer is another."""


class Problem(NamedTuple):
    """A calibrated mesh, its blood and pressures, and the same as a matrix of the free cells."""

    rest: VenousFlow
    free: FloatArray
    matrix: csc_matrix
    load: FloatArray

    @property
    def mesh(self) -> FlowMesh:
        """The mesh with its terminals calibrated."""
        return self.rest.mesh

    def assert_solved(self, pressure: FloatArray) -> None:
        """Refuse pressures of the free cells that are not castsim's."""
        exact = self.rest.pressure[self.free]
        assert np.abs(pressure - exact).max() <= CLOSE * exact.max()


@pytest.fixture(scope="module")
def problem() -> Problem:
    """The typical anatomy: no valve is shut in it, so that one solve is one solve."""
    rest = resting_flow(centreline_mesh(Anatomy.typical().network).flow, REST)
    mesh = rest.mesh
    assert mesh.n_cells >= 40_000
    assert rest.valve_open.all()
    i, j, n = mesh.face_owner, mesh.face_neighbour, mesh.n_cells
    g = face_conductance(mesh, rest.viscosity)
    behind = mesh.terminal_resistance > 0
    end, cell = 1 / mesh.terminal_resistance[behind], mesh.terminal_cell[behind]
    row, column = np.concatenate([i, j, i, j, cell]), np.concatenate([i, j, j, i, cell])
    whole = coo_array((np.concatenate([g, g, -g, -g, end]), (row, column)), shape=(n, n)).tocsr()
    pressure = np.zeros(n)
    pressure[mesh.terminal_cell[~behind]] = mesh.terminal_pressure[~behind]
    load = np.bincount(cell, end * mesh.terminal_pressure[behind], n) - whole @ pressure
    free = np.setdiff1d(np.arange(n), mesh.terminal_cell[~behind])
    return Problem(rest, free, csc_matrix(whole[free][:, free]), load[free])


@pytest.mark.measures(
    SOLVE,
    "castsim",
    bar="≥ 60 × OpenPNM StokesFlow, ≤ CHOLMOD analyse + factor + solve",
    at_least={"OpenPNM StokesFlow": 60, CHOLMOD: 1},
)
def test_solve(benchmark: BenchmarkFixture, problem: Problem) -> None:
    mesh, viscosity = problem.mesh, problem.rest.viscosity
    state = benchmark.pedantic(
        lambda: BloodSolver(mesh).solve(mesh, viscosity), rounds=5 * ROUNDS, warmup_rounds=3
    )
    problem.assert_solved(state.pressure[problem.free])


@pytest.mark.measures(SOLVE, "OpenPNM StokesFlow", package="openpnm")
def test_solve_by_openpnm(benchmark: BenchmarkFixture, problem: Problem) -> None:
    """With the solver that it takes by itself: PARDISO where that is installed."""
    openpnm = pytest.importorskip("openpnm", reason="openpnm is not installed: `make peers`")
    mesh = problem.mesh
    behind = np.flatnonzero(mesh.terminal_resistance > 0)
    held = np.flatnonzero(mesh.terminal_resistance == 0)
    added = mesh.n_cells + np.arange(len(behind))

    def solve() -> FloatArray:
        faces = np.column_stack([mesh.face_owner, mesh.face_neighbour])
        ends = np.column_stack([mesh.terminal_cell[behind], added])
        conns = np.sort(np.vstack([faces, ends]), axis=1)
        xyz = np.vstack([mesh.cell_centroid, mesh.cell_centroid[mesh.terminal_cell[behind]]])
        network = openpnm.network.Network(coords=xyz, conns=conns)
        phase = openpnm.phase.Phase(network=network)
        phase["throat.hydraulic_conductance"] = np.concatenate(
            [face_conductance(mesh, problem.rest.viscosity), 1 / mesh.terminal_resistance[behind]]
        )
        flow = openpnm.algorithms.StokesFlow(network=network, phase=phase)
        flow.set_value_BC(
            pores=np.concatenate([mesh.terminal_cell[held], added]),
            values=np.concatenate([mesh.terminal_pressure[held], mesh.terminal_pressure[behind]]),
        )
        flow.run()
        return np.asarray(flow["pore.pressure"][problem.free])

    problem.assert_solved(benchmark.pedantic(solve, rounds=ROUNDS, warmup_rounds=1))


@pytest.mark.measures(SOLVE, CHOLMOD, package="scikit-sparse")
def test_solve_by_cholmod(benchmark: BenchmarkFixture, problem: Problem) -> None:
    cholmod = pytest.importorskip("sksparse.cholmod", reason="not installed: `make peers`")

    def solve() -> FloatArray:
        return np.asarray(cholmod.cholesky(problem.matrix)(problem.load))

    problem.assert_solved(benchmark.pedantic(solve, rounds=3 * ROUNDS, warmup_rounds=3))


@pytest.mark.measures(SOLVE, "SuperLU factor + solve, scipy", package="scipy")
def test_solve_by_superlu(benchmark: BenchmarkFixture, problem: Problem) -> None:
    def solve() -> FloatArray:
        factor = splu(problem.matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
        return np.asarray(factor.solve(problem.load))

    problem.assert_solved(benchmark.pedantic(solve, rounds=3 * ROUNDS, warmup_rounds=1))


@pytest.mark.measures(SOLVE, "PyAMG set-up + CG", package="pyamg")
def test_solve_by_pyamg(benchmark: BenchmarkFixture, problem: Problem) -> None:
    pyamg = pytest.importorskip("pyamg", reason="pyamg is not installed: `make peers`")
    matrix = problem.matrix.tocsr()

    def solve() -> FloatArray:
        levels = pyamg.ruge_stuben_solver(matrix)
        return np.asarray(levels.solve(problem.load, tol=AMG_TOLERANCE, accel="cg"))

    pressure = benchmark.pedantic(solve, rounds=ROUNDS, warmup_rounds=1)
    residual = np.linalg.norm(problem.matrix @ pressure - problem.load)
    assert residual <= 10 * AMG_TOLERANCE * np.linalg.norm(problem.load)


@pytest.mark.measures(REFACTOR, "castsim", at_least={"CHOLMOD factor + solve, scikit-sparse": 1})
def test_solve_again(benchmark: BenchmarkFixture, problem: Problem) -> None:
    mesh, viscosity = problem.mesh, problem.rest.viscosity
    solver = BloodSolver(mesh)
    state = benchmark.pedantic(solver.solve, (mesh, viscosity), rounds=5 * ROUNDS, warmup_rounds=3)
    problem.assert_solved(state.pressure[problem.free])


@pytest.mark.measures(REFACTOR, "CHOLMOD factor + solve, scikit-sparse", package="scikit-sparse")
def test_solve_again_by_cholmod(benchmark: BenchmarkFixture, problem: Problem) -> None:
    cholmod = pytest.importorskip("sksparse.cholmod", reason="not installed: `make peers`")
    factor = cholmod.analyze(problem.matrix)

    def solve() -> FloatArray:
        factor.cholesky_inplace(problem.matrix)
        return np.asarray(factor(problem.load))

    problem.assert_solved(benchmark.pedantic(solve, rounds=5 * ROUNDS, warmup_rounds=3))


def drawn() -> Iterator[np.random.Generator]:
    """Random patients, another one each time; the first warms up."""
    return iter(np.random.default_rng(seed) for seed in range(100, 200))


def mesh_and_flow(network: VesselNetwork) -> VenousFlow:
    return resting_flow(centreline_mesh(network).flow, REST)


@pytest.mark.measures(NEW, "castsim", bar="≤ 0.08 s", at_most_s=0.08)
def test_new_anatomy(benchmark: BenchmarkFixture) -> None:
    patients = drawn()
    benchmark.pedantic(
        lambda rng: mesh_and_flow(Anatomy.draw(rng).network),
        setup=lambda: ((next(patients),), {}),
        rounds=ROUNDS,
        warmup_rounds=1,
    )


@pytest.mark.measures(STAGES, "castsim", bar="≤ 0.03 s", at_most_s=0.03)
def test_mesh_and_flow(benchmark: BenchmarkFixture) -> None:
    patients = drawn()
    flow = benchmark.pedantic(
        mesh_and_flow,
        setup=lambda: ((Anatomy.draw(next(patients)).network,), {}),
        rounds=ROUNDS,
        warmup_rounds=1,
    )
    assert flow.azygos_outflow == pytest.approx(REST.azygos_outflow_uL_s, rel=0.05)


@pytest.mark.measures(WINDOW, "castsim", bar="≤ 0.01 s", at_most_s=0.01)
def test_window(
    benchmark: BenchmarkFixture, problem: Problem, record_value: Callable[..., None]
) -> None:
    levels = range(Level.T6, Level.T12 + 1)
    part = benchmark.pedantic(
        window, (problem.mesh, problem.rest, levels), rounds=3 * ROUNDS, warmup_rounds=2
    )
    record_value(WINDOW, "cells kept", part.mesh.n_cells)
    record_value(WINDOW, "ports", len(part.ports))
