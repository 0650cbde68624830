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
        assert system.factorise(conductance, ground) == 0
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


def test_region_without_ground_is_counted_and_keeps_the_level_it_is_given() -> None:
    """Two cells joined, two more joined; the second pair is held by nothing."""
    system = Laplacian(4, np.array([0, 2]), np.array([1, 3]))
    assert system.factorise(np.array([1.0, 1e-9]), np.array([2.0, 0.0, 0.0, 0.0])) == 1
    pressure = system.solve(np.array([0.0, 2.0, 0.0, 0.0]), np.full(4, 7.0))
    np.testing.assert_allclose(pressure, [1, 3, 7, 7], rtol=1e-15)


def test_small_holds_are_not_lost_beside_large_conductances() -> None:
    """A chain of 10^12 held by 10^-12: every pressure is source over hold, to the last digits."""
    n = 50
    system = Laplacian(n, np.arange(n - 1), np.arange(1, n))
    ground = np.zeros(n)
    ground[n // 2] = 1e-12
    assert system.factorise(np.full(n - 1, 1e12), ground) == 0
    source = np.zeros(n)
    source[0] = 3e-12
    np.testing.assert_allclose(system.solve(source), 3.0, rtol=1e-14)
