"""The radix sort of thresholds against NumPy's stable sort."""

import numpy as np
import pytest

from castsim.kernels.ranking import pack, radix_sort, split, split_point

RNG = np.random.default_rng(3)
THRESHOLDS = {
    "uniform": RNG.random(20_000),
    "lognormal": RNG.lognormal(3.0, 2.0, 20_000),
    "negative and positive": RNG.normal(size=20_000),
    "few values": RNG.integers(0, 5, 20_000).astype(float),
    "all equal": np.full(1000, 7.0),
    "both zeros": np.array([0.0, -0.0, 1.0, -0.0, 0.0, -1.0] * 50),
    "infinite too": np.array([np.inf, -np.inf, 1.0, np.inf, 0.0, -np.inf] * 50),
    "rising": np.arange(5000.0),
    "falling": -np.arange(5000.0),
    "far and near": np.append(RNG.random(300), [1e300, -1e300, 5e-324, 0.0]),
    "last bits differ": 1.0 + RNG.permutation(300) * 2.0**-52,
    "one": np.array([3.0]),
}


def packed(threshold):
    id_bits = len(threshold).bit_length()
    words = np.empty(len(threshold), dtype=np.uint64)
    used = pack(threshold.view(np.uint64), id_bits, words)
    return words, used, id_bits


@pytest.mark.parametrize("name", THRESHOLDS)
def test_sorts_as_numpy_does(name):
    threshold = THRESHOLDS[name]
    words, used, id_bits = packed(threshold)
    done = np.empty_like(words)
    assert radix_sort(words, done, used, id_bits, threshold)
    index = (done & np.uint64(2**id_bits - 1)).astype(np.int64)
    np.testing.assert_array_equal(index, np.argsort(threshold, kind="stable"))


def test_gives_up_on_tight_clusters():
    """Thousands of thresholds that differ by their last bits only, and one far away."""
    threshold = np.append(1.0 + RNG.permutation(5000) * 2.0**-52, 1e300)
    words, used, id_bits = packed(threshold)
    assert not radix_sort(words, np.empty_like(words), used, id_bits, threshold)


@pytest.mark.parametrize("name", THRESHOLDS)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 1.0])
def test_split_parts_the_weakest_from_the_others(name, share):
    threshold = THRESHOLDS[name]
    words, used, _ = packed(threshold)
    wanted = int(share * len(words))
    point, count = split_point(words, used, wanted)
    assert count >= wanted
    low = np.empty(count + 1, dtype=np.uint64)
    high = np.empty(len(words) - count + 1, dtype=np.uint64)
    split(words, np.uint64(point), low, high)
    np.testing.assert_array_equal(low[:-1], words[words < np.uint64(point)])
    np.testing.assert_array_equal(high[:-1], words[words >= np.uint64(point)])
