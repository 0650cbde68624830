"""Contrast medium in a network against a dense solve of the same equations, and exact answers."""

import numpy as np
import pytest

from castsim.kernels.contrast import carry, downstream_order


def random_network(rng: np.random.Generator, n: int, m: int) -> tuple[np.ndarray, ...]:
    """Faces between cells whose pressures are random: blood runs down them."""
    owner = rng.integers(0, n, m)
    neighbour = (owner + rng.integers(1, n, m)) % n
    pressure = rng.random(n)
    flow = (pressure[owner] - pressure[neighbour]) * rng.random(m)
    flow[rng.random(m) < 0.1] = 0.0
    return owner, neighbour, flow


def dense_step(
    owner: np.ndarray,
    neighbour: np.ndarray,
    flow: np.ndarray,
    volume: np.ndarray,
    leaving: np.ndarray,
    source: np.ndarray,
    step: float,
    share: np.ndarray,
) -> np.ndarray:
    """One step by a linear solve, as the equation is written."""
    matrix = np.diag(volume / step + leaving)
    for i, j, q in zip(owner, neighbour, flow, strict=True):
        if q > 0:
            matrix[j, i] -= q
        elif q < 0:
            matrix[i, j] -= -q
    return np.linalg.solve(matrix, source + volume / step * share)


def out_of(n: int, owner: np.ndarray, neighbour: np.ndarray, flow: np.ndarray) -> np.ndarray:
    leaving = np.zeros(n)
    np.add.at(leaving, owner, np.maximum(flow, 0.0))
    np.add.at(leaving, neighbour, np.maximum(-flow, 0.0))
    return leaving


@pytest.mark.parametrize(("n", "m", "seed"), [(2, 1, 0), (9, 30, 1), (40, 90, 2), (25, 10, 3)])
def test_every_step_is_that_of_a_dense_solve(n: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    owner, neighbour, flow = random_network(rng, n, m)
    volume, share = rng.random(n) + 0.1, rng.random(n)
    leaving = out_of(n, owner, neighbour, flow) + rng.random(n)
    source = np.where(rng.random(n) < 0.3, rng.random(n), 0.0)
    wanted = share.copy()
    for _ in range(4):
        wanted = dense_step(owner, neighbour, flow, volume, leaving, source, 0.3, wanted)
    order, first, faces = downstream_order(n, owner, neighbour, flow)
    assert sorted(order) == list(range(n))
    carry(order, first, faces, owner, neighbour, flow, volume, leaving, source, 0.3, 4, share)
    np.testing.assert_allclose(share, wanted, rtol=1e-12)


def test_blood_comes_from_earlier_cells_only() -> None:
    owner, neighbour, flow = random_network(np.random.default_rng(5), 60, 200)
    order, first, faces = downstream_order(60, owner, neighbour, flow)
    rank = np.argsort(order)
    assert len(faces) == np.count_nonzero(flow)
    for cell in range(60):
        for face in faces[first[cell] : first[cell + 1]]:
            up = owner[face] if flow[face] > 0 else neighbour[face]
            assert {int(owner[face]), int(neighbour[face])} == {int(up), cell}
            assert rank[up] < rank[cell]


def test_a_loop_is_seen() -> None:
    owner, neighbour = np.array([0, 1, 2]), np.array([1, 2, 0])
    order, _, _ = downstream_order(4, owner, neighbour, np.ones(3))
    assert (order == -1).sum() == 3


def chain(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.arange(n - 1), np.arange(1, n), np.full(n - 1, 2.0)


def test_in_a_tube_the_front_moves_with_the_blood() -> None:
    """2 mm3/s for 20 s through cells of 1 mm3: half of 80 cells is full, and nothing is lost."""
    owner, neighbour, flow = chain(80)
    order, first, faces = downstream_order(80, owner, neighbour, flow)
    source, share = np.zeros(80), np.zeros(80)
    source[0] = 2.0
    leaving = np.full(80, 2.0)
    carry(
        order, first, faces, owner, neighbour, flow, np.ones(80), leaving, source, 0.02, 1000, share
    )
    assert share.sum() == pytest.approx(40.0, rel=1e-6)
    assert share[:25].min() > 0.98
    assert share[55:].max() < 0.02
    assert share[39:41].mean() == pytest.approx(0.5, abs=0.05)


def test_streams_that_meet_are_mixed() -> None:
    """1 part of contrast medium and 3 of blood make a quarter, for ever after."""
    owner, neighbour = np.array([0, 1, 2]), np.array([2, 2, 3])
    flow = np.array([1.0, 3.0, 4.0])
    order, first, faces = downstream_order(4, owner, neighbour, flow)
    source, share = np.array([1.0, 0.0, 0.0, 0.0]), np.zeros(4)
    leaving = np.array([1.0, 3.0, 4.0, 4.0])
    carry(order, first, faces, owner, neighbour, flow, np.ones(4), leaving, source, 1.0, 400, share)
    np.testing.assert_allclose(share, [1.0, 0.0, 0.25, 0.25], atol=1e-12)
