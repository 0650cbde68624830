"""The disorder xi of the gates: a random field keyed to branch and arc length.

The key is hashed, not drawn in sequence, so a gate keeps its xi when the mesh is refined, cut
or renumbered, or other branches are missing, and the same seed gives the same field.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def _mix(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64 finaliser (Steele, Lea, Flood 2014, OOPSLA, fig. 16)."""
    word = word + _GOLDEN
    word = (word ^ (word >> np.uint64(30))) * _MIX_1
    word = (word ^ (word >> np.uint64(27))) * _MIX_2
    return word ^ (word >> np.uint64(31))


def gate_disorder(branch: IntArray, stretch: IntArray, *, seed: int, spread: float) -> FloatArray:
    """Lognormal xi of mean 1 for each gate.

    Parameters
    ----------
    branch, stretch : (g,) key of each gate
    seed : the same seed gives the same field
    spread : standard deviation of ln xi

    Returns
    -------
    (g,) xi
    """
    with np.errstate(over="ignore"):
        word = _mix(np.full(len(branch), seed, dtype=np.int64).astype(np.uint64))
        word = _mix(word ^ np.asarray(branch, dtype=np.int64).astype(np.uint64))
        word = _mix(word ^ np.asarray(stretch, dtype=np.int64).astype(np.uint64))
    # 53 bits, shifted off 0 and 1
    uniform = ((word >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53
    return np.asarray(np.exp(spread * ndtri(uniform) - 0.5 * spread**2))
