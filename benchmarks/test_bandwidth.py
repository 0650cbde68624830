"""Memory bandwidth that one thread of this machine reaches: the roof over the times."""

from collections.abc import Callable

import numba as nb
import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import ROUNDS

N = 8_000_000
"""Doubles an array: 64 MB, beyond any cache."""
ARRAYS = 3
BYTES_PER_GB = 1e9
FACTOR = 3.0


@nb.njit(cache=True, nogil=True)
def triad(a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]) -> None:
    """Set a to b + s c, as in the STREAM benchmark (McCalpin 1995)."""
    for i in range(len(a)):
        a[i] = b[i] + FACTOR * c[i]


@pytest.mark.measures("STREAM triad, 8 M doubles", "numba", package="numba")
def test_triad(benchmark: BenchmarkFixture, record_value: Callable[..., None]) -> None:
    a, b, c = np.zeros(N), np.ones(N), np.full(N, 2.0)
    benchmark.pedantic(triad, (a, b, c), rounds=ROUNDS, warmup_rounds=1)
    assert (a == 1.0 + FACTOR * 2.0).all()
    # counted as STREAM does: two arrays read, one written
    rate = ARRAYS * a.nbytes / benchmark.stats.stats.median / BYTES_PER_GB
    record_value("memory bandwidth", "STREAM triad, one thread", rate, "GB/s")
