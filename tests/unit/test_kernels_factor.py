"""Sparse LDL' against a dense solve, on graphs of every kind."""

import numpy as np
import pytest

from castsim.kernels.factor import Pattern, factorise, substitute, symbolic


def random_faces(rng, n, m, n_terminals):
    """Faces of a random graph, disconnected and with parallel faces as chance has it."""
    owner = rng.integers(n, size=m)
    neighbour = (owner + 1 + rng.integers(max(n - 1, 1), size=m)) % n
    keep = owner != neighbour
    ends = rng.integers(n, size=n_terminals)
    return (
        np.concatenate([owner[keep], ends]),
        np.concatenate([neighbour[keep], n + np.arange(n_terminals)]),
    )


GRAPHS = {
    "single cell": (1, 0, 1),
    "no faces": (6, 0, 3),
    "pair": (2, 1, 1),
    "tree-like": (30, 25, 3),
    "disconnected": (40, 20, 40),
    "dense": (12, 120, 2),
    "star of parallel faces": (3, 30, 1),
}


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("order", ["natural", "reversed", "random"])
@pytest.mark.parametrize("seed", [0, 1])
def test_solves_like_dense(graph, order, seed):
    rng = np.random.default_rng(seed)
    n, m, t = GRAPHS[graph]
    owner, neighbour = random_faces(rng, n, m, t)
    rank = {
        "natural": np.arange(n),
        "reversed": np.arange(n)[::-1].copy(),
        "random": rng.permutation(n),
    }[order]
    column, row, target, face_entry = symbolic(n, rank, owner, neighbour)
    pattern = Pattern(np.argsort(rank), rank, column, row, target, face_entry)
    ground = rng.uniform(0.01, 1.0, n)  # every cell leaks, so that nothing floats
    dense = np.diag(ground)
    diagonal, entries = np.zeros(n), np.zeros(len(row))
    diagonal[rank] = ground
    for f, (i, j) in enumerate(zip(owner, neighbour, strict=True)):
        g = 10.0 ** rng.uniform(-4, 4)
        dense[i, i] += g
        diagonal[rank[i]] += g
        if j >= n:
            assert face_entry[f] == -1
            continue
        dense[j, j] += g
        diagonal[rank[j]] += g
        dense[i, j] -= g
        dense[j, i] -= g
        entries[face_entry[f]] -= g
    right = rng.normal(size=(2, n))
    x = np.empty((2, n))
    x[:, rank] = right
    factorise(pattern, diagonal, entries, diagonal.copy())
    substitute(pattern, diagonal, entries, x[0], x[1])
    for b, got in zip(right, x[:, rank], strict=True):
        solution = np.linalg.solve(dense, b)
        scale = np.abs(solution).max()
        np.testing.assert_allclose(got, solution, rtol=1e-8, atol=1e-10 * scale)


def test_columns_are_sorted_and_strictly_below():
    rng = np.random.default_rng(3)
    owner, neighbour = random_faces(rng, 50, 120, 5)
    column, row, _, _ = symbolic(50, rng.permutation(50), owner, neighbour)
    for k in range(50):
        below = row[column[k] : column[k + 1]]
        assert (below > k).all()
        assert (np.diff(below) > 0).all()


@pytest.mark.parametrize("n", [1, 2, 5])
def test_what_nothing_holds_is_grounded(n):
    """A ring that floats has no solution of its own: finite pressures, and its neighbour's stay."""
    owner = np.array([*range(n), n])
    neighbour = np.array([*[(k + 1) % n for k in range(n)], n + 1])
    keep = owner != neighbour
    owner, neighbour = owner[keep], neighbour[keep]
    rank = np.arange(n + 1)
    column, row, target, face_entry = symbolic(n + 1, rank, owner, neighbour)
    pattern = Pattern(np.argsort(rank), rank, column, row, target, face_entry)
    diagonal, entries = np.full(n + 1, 1e-300), np.zeros(len(row))
    for f, (i, j) in enumerate(zip(owner, neighbour, strict=True)):
        diagonal[i] += 300.0
        if j <= n:
            diagonal[j] += 300.0
            entries[face_entry[f]] -= 300.0
    x, y = np.ones(n + 1), np.ones(n + 1)
    factorise(pattern, diagonal, entries, diagonal.copy())
    substitute(pattern, diagonal, entries, x, y)
    assert np.isfinite(x).all()
    assert x[n] == pytest.approx(1 / 300.0)
