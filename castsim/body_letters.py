"""Letters of the sides of the body, as radiologists write them at the edges of a picture."""

import numpy as np

from geometry.network import FloatArray

LETTER_THRESHOLD = 0.35
"""Least share of a body axis in a picture's edge for its letter to be written there."""


def edge_letters(towards: FloatArray) -> str:
    """Letters of the sides of the body that lie in a direction, the strongest first.

    Examples
    --------
    >>> edge_letters(np.array([-1.0, 0.0, 0.0])), edge_letters(np.array([0.6, 0.8, 0.0]))
    ('L', 'AR')
    """
    order = np.argsort(-np.abs(towards))
    return "".join(
        ("LR", "PA", "IS")[axis][int(towards[axis] > 0)]
        for axis in order
        if abs(towards[axis]) >= LETTER_THRESHOLD
    )
