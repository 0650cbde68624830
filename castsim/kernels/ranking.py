"""Gates in the order of their thresholds: a radix sort of packed words, most of it in cache.

A word holds the leading bits of a threshold above the gate's index, so that words sort as the
thresholds do and ties go to the lower index. Three passes of ten bits bring words close to their
places (least significant digit first, Knuth, TAOCP vol. 3, 5.2.5), an insertion brings them home.
"""

import numpy as np
from numpy.typing import NDArray

from castsim.kernels.arrays import FloatArray
from geometry.kernels.compiling import kernel, law

WordArray = NDArray[np.uint64]

DIGIT_BITS = 10
"""1024 heaps: more of them would no longer fit the first cache and the pages kept at hand."""
PASSES = 3
COARSE_BITS = 12
"""Bits of a word that :func:`split_point` tells apart."""
MOST_SHIFTS = 32
"""Shifts a word, on average, beyond which the insertion gives up (thresholds in tight clusters)."""

_ONE = np.uint64(1)
_SIGN = np.uint64(1 << 63)
_DIGIT = np.uint64((1 << DIGIT_BITS) - 1)


@law
def sortable(bits: np.uint64) -> np.uint64:
    """Bits of a float to an integer that sorts as the floats do; both zeros give the same."""
    if bits == _SIGN:
        return _SIGN
    if bits & _SIGN:
        return ~bits
    return bits | _SIGN


@kernel
def pack(bits: WordArray, id_bits: int, words: WordArray) -> int:
    """Words of the thresholds whose `bits` are given; returns how many bits a word uses.

    Parameters
    ----------
    bits : (g,) thresholds, seen as integers; none is NaN
    id_bits : bits of a word kept for the index
    words : (g,) receives leading bits of the threshold above the least one, then the index
    """
    least, most = sortable(bits[0]), sortable(bits[0])
    for g in range(len(bits)):
        key = sortable(bits[g])
        least, most = min(least, key), max(most, key)
    room = np.uint64(64 - id_bits)
    span = most - least
    drop = np.uint64(0)
    while (span >> drop) >> room != 0:
        drop += _ONE
    up = np.uint64(id_bits)
    for g in range(len(bits)):
        words[g] = (((sortable(bits[g]) - least) >> drop) << up) | np.uint64(g)
    used = id_bits
    span >>= drop
    while span != 0:
        span >>= _ONE
        used += 1
    return used


@kernel
def split_point(words: WordArray, used: int, wanted: int) -> tuple[np.uint64, int]:
    """Word below which at least `wanted` words lie (or all), and how many do."""
    count = np.zeros(1 << COARSE_BITS, dtype=np.int64)
    down = np.uint64(max(0, used - COARSE_BITS))
    for k in range(len(words)):
        count[words[k] >> down] += 1
    below = 0
    for digit in range(len(count)):
        below += count[digit]
        if below >= wanted and digit + 1 < len(count):
            return np.uint64(digit + 1) << down, below
    return ~np.uint64(0), below


@kernel
def split(words: WordArray, point: np.uint64, low: WordArray, high: WordArray) -> None:
    """Words below `point` into `low`, the others into `high`, each with room for one more."""
    p, q = 0, 0
    for k in range(len(words)):
        word = words[k]
        # without a branch, which no processor could foresee
        low[p] = word
        high[q] = word
        p += int(word < point)
        q += int(word >= point)


@kernel
def deal(source: WordArray, target: WordArray, shift: int, start: NDArray[np.int64]) -> None:
    """One stable pass of the radix sort; `start` is scratch of 2^DIGIT_BITS."""
    down = np.uint64(shift)
    start[:] = 0
    for k in range(len(source)):
        start[(source[k] >> down) & _DIGIT] += 1
    total = 0
    for digit in range(len(start)):
        count = start[digit]
        start[digit] = total
        total += count
    for k in range(len(source)):
        word = source[k]
        heap = (word >> down) & _DIGIT
        target[start[heap]] = word
        start[heap] += 1


@kernel
def insert(words: WordArray, id_bits: int, threshold: FloatArray) -> bool:
    """Bring nearly sorted words home; False: given up.

    Words that agree in all their bits of the threshold are compared by the threshold itself.
    """
    up = np.uint64(id_bits)
    index = (_ONE << up) - _ONE
    left = MOST_SHIFTS * len(words)
    for k in range(1, len(words)):
        word = words[k]
        place = k
        while place > 0:
            other = words[place - 1]
            if other >> up < word >> up:
                break
            if other >> up == word >> up and threshold[other & index] <= threshold[word & index]:
                break
            words[place] = other
            place -= 1
        words[place] = word
        left -= k - place
        if left < 0:
            return False
    return True


@kernel
def radix_sort(
    words: WordArray, spare: WordArray, used: int, id_bits: int, threshold: FloatArray
) -> bool:
    """Sort the words of :func:`pack`, in the order of their indices, into `spare`.

    Parameters
    ----------
    words : (k,) is overwritten
    spare : (k,) receives the sorted words
    used : bits that a word uses

    Returns
    -------
    False when the thresholds are so clustered that this would take long: nothing is sorted then.
    """
    lowest = max(id_bits, used - DIGIT_BITS * PASSES)
    start = np.empty(1 << DIGIT_BITS, dtype=np.int64)
    deal(words, spare, lowest, start)
    deal(spare, words, lowest + DIGIT_BITS, start)
    deal(words, spare, lowest + 2 * DIGIT_BITS, start)
    return insert(spare, id_bits, threshold)
