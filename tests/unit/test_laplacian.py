"""The shared linear system against dense algebra."""

import numpy as np
import pytest

from castsim.errors import SolverError
from castsim.laplacian import Laplacian


@pytest.mark.parametrize("seed", range(4))
def test_against_dense(seed: int) -> None:
    """Parallel and reversed faces, factorised twice."""
    rng = np.random.default_rng(seed)
    n, m = 40, 150
    owner, neighbour = np.arange(m) % n, rng.integers(0, n, m)
    neighbour = np.where(owner == neighbour, (neighbour + 1) % n, neighbour)
    system = Laplacian(n, owner, neighbour)
    for _ in range(2):
        conductance, ground = rng.uniform(0, 10, m), rng.uniform(0.1, 1, n)
        system.factorise(conductance, ground)
        matrix = np.diag(ground)
        for i, j, g in zip(owner, neighbour, conductance, strict=True):
            matrix[[i, j], [i, j]] += g
            matrix[[i, j], [j, i]] -= g
        source = rng.normal(size=n)
        exact = np.linalg.solve(matrix, source)
        pressure = system.solve(source)
        np.testing.assert_allclose(pressure, exact, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(system.apply(pressure), source, atol=1e-12)
        refined = system.refine(pressure + 0.01, source)
        np.testing.assert_allclose(refined, exact, rtol=1e-10, atol=1e-13)


def test_single_cell() -> None:
    none = np.zeros(0, dtype=np.int64)
    system = Laplacian(1, none, none)
    system.factorise(np.zeros(0), np.array([4.0]))
    assert system.solve(np.array([2.0])) == pytest.approx([0.5])


def test_solve_before_factorise() -> None:
    none = np.zeros(0, dtype=np.int64)
    with pytest.raises(SolverError, match="before factorise"):
        Laplacian(1, none, none).solve(np.ones(1))


def test_region_without_ground_is_an_error() -> None:
    system = Laplacian(2, np.array([0]), np.array([1]))
    with pytest.raises(SolverError, match="closed off"):
        system.factorise(np.array([0.0]), np.array([0.0, 0.0]))
