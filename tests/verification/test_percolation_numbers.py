"""Universal numbers of percolation, from many invasions of large lattices.

Invasion percolation without traps finds the critical point by itself (Wilkinson and Willemsen
1983, J. Phys. A 16:3365): the largest threshold broken until a lattice is crossed is that
lattice's critical one, and what agent fills on its way from the middle to the edge is a critical
cluster, M ~ L^D. Bounds come from the means' own standard errors; the slow tests hold the fixed
ones too.
"""

import numpy as np
import pytest

from castsim.quasistatic import percolate
from tests.verification.lattices import grid, joined

SUBJECT = "Invasion percolation: universal numbers"

SOURCE = "Wang, Zhou, Zhang, Garoni and Deng 2013, Phys. Rev. E 87:052107"
"""Of the numbers in 3-D: p_c, 1/nu and beta/nu."""
BOND_THRESHOLD = 0.24881182
CORRELATION_EXPONENT = 1 / 1.1410
"""nu: the mean threshold of crossing size L differs from p_c by about L^(-1/nu)."""
DIMENSION = {2: 91 / 48, 3: 3 - 0.47705}
"""D = d - beta/nu; in 2-D exact (Nienhuis 1982, Phys. Rev. Lett. 49:1062)."""
DIMENSION_SOURCE = {2: "91/48 (Nienhuis 1982)", 3: SOURCE}
BOUND = {2: 0.04, 3: 0.05}
ERRORS = 3.0
"""Standard errors that a mean may be off: one test in 370 of a right code would be."""
FREE = -1.0
"""Threshold of gates into and out of the lattice, below all others."""


def line(x, y, error):
    """Intercept and slope of the weighted straight line, with their standard errors."""
    columns = np.stack([np.ones_like(x), x], axis=1) / error[:, None]
    covariance = np.linalg.inv(columns.T @ columns)
    best = covariance @ columns.T @ (y / error)
    return best, np.sqrt(np.diag(covariance))


def mean_and_error(values):
    values = np.asarray(values, dtype=float)
    return values.mean(), values.std(ddof=1) / np.sqrt(len(values))


def crossing_thresholds(size, lattices, agent, rng):
    """Largest threshold broken when agent crosses size^3 cells from the first layer to the last.

    One more cell feeds the first layer, the terminals drain the last.
    """
    index, pairs = grid((size,) * 3)
    first = index[0].ravel()
    feeds = np.stack([np.full(len(first), index.size), first], axis=1)
    mesh = joined(index.size + 1, np.concatenate([pairs, feeds]), index[-1].ravel())
    found = []
    for _ in range(lattices):
        threshold = np.full(mesh.n_gates, FREE)
        threshold[: len(pairs)] = rng.random(len(pairs))
        run = percolate(mesh, agent, index.size, threshold=threshold, trapping=False)
        assert run.terminal >= 0
        found.append(threshold[run.gate[1:]].max())
    return found


def masses(size, dimension, lattices, agent, rng):
    """Cells filled when agent from the middle of size^d cells reaches the edge."""
    index, pairs = grid((size,) * dimension)
    edge = np.ones(index.shape, dtype=bool)
    edge[(slice(1, -1),) * dimension] = False
    mesh = joined(index.size, pairs, index[edge])
    found = []
    for _ in range(lattices):
        threshold = np.full(mesh.n_gates, FREE)
        threshold[: len(pairs)] = rng.random(len(pairs))
        run = percolate(mesh, agent, index.size // 2, threshold=threshold, trapping=False)
        assert run.terminal >= 0
        found.append(len(run.order))
    return found


def threshold_of(sizes, agent, rng):
    """p_c and its standard error, from {size: lattices}."""
    means = [mean_and_error(crossing_thresholds(s, k, agent, rng)) for s, k in sizes.items()]
    mean, error = np.array(means).T
    x = np.array(list(sizes), dtype=float) ** (-1 / CORRELATION_EXPONENT)
    best, errors = line(x, mean, error)
    return best[0], errors[0]


def dimension_of(dimension, sizes, agent, rng):
    """D and its standard error, from {size: lattices}."""
    means = [mean_and_error(masses(s, dimension, k, agent, rng)) for s, k in sizes.items()]
    mean, error = np.array(means).T
    best, errors = line(np.log(list(sizes)), np.log(mean), error / mean)
    return best[1], errors[1]


def test_bond_threshold_of_the_cubic_lattice(fluid, verdict):
    rng = np.random.default_rng(20)
    found, error = threshold_of({12: 200, 16: 200, 24: 100, 32: 60}, fluid(), rng)
    assert error < 0.002
    what = f"bond threshold, 3-D simple cubic (standard error {error:.4f})"
    verdict(SUBJECT, what, found, BOND_THRESHOLD, source=SOURCE, atol=ERRORS * error)


@pytest.mark.slow
def test_bond_threshold_of_large_cubic_lattices(fluid, verdict):
    rng = np.random.default_rng(21)
    found, error = threshold_of({16: 1000, 24: 600, 32: 400, 48: 200, 64: 100}, fluid(), rng)
    assert ERRORS * error < 0.002
    what = f"bond threshold, 3-D simple cubic to 64^3 (standard error {error:.5f})"
    verdict(SUBJECT, what, found, BOND_THRESHOLD, source=SOURCE, atol=ERRORS * error)


FEW = {2: {17: 150, 33: 150, 65: 150, 129: 150}, 3: {9: 300, 17: 300, 33: 200, 49: 60}}
MANY = {
    2: {33: 2000, 65: 2000, 129: 1500, 257: 600, 513: 150},
    3: {17: 2000, 33: 1200, 65: 400, 97: 120},
}


@pytest.mark.parametrize("dimension", [2, 3])
def test_dimension_of_the_cluster_at_breakthrough(fluid, dimension, verdict):
    rng = np.random.default_rng(22)
    found, error = dimension_of(dimension, FEW[dimension], fluid(), rng)
    assert error < 0.04
    what = f"fractal dimension at breakthrough, {dimension}-D (standard error {error:.3f})"
    source = DIMENSION_SOURCE[dimension]
    verdict(SUBJECT, what, found, DIMENSION[dimension], source=source, atol=ERRORS * error)


@pytest.mark.slow
@pytest.mark.parametrize("dimension", [2, 3])
def test_dimension_of_large_clusters(fluid, dimension, verdict):
    """Within the fixed bound, which is at least three standard errors."""
    rng = np.random.default_rng(23)
    found, error = dimension_of(dimension, MANY[dimension], fluid(), rng)
    assert ERRORS * error <= BOUND[dimension]
    what = f"fractal dimension at breakthrough, {dimension}-D, large (standard error {error:.3f})"
    source = DIMENSION_SOURCE[dimension]
    verdict(SUBJECT, what, found, DIMENSION[dimension], source=source, atol=BOUND[dimension])
