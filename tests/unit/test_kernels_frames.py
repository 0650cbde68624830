"""Curves along the spine: the blend of what two neighbouring vertebrae say."""

import numpy as np

from geometry.anatomy import Anatomy
from geometry.canal_curve import SpineAxis
from geometry.levels import VERTEBRAE


def test_a_curve_is_the_blend_of_two_frames() -> None:
    skeleton = Anatomy.typical().skeleton
    axis = SpineAxis.of(skeleton)
    rng = np.random.default_rng(0)
    last = len(VERTEBRAE) - 1
    s = np.concatenate([rng.uniform(-0.2, last + 0.2, 200), np.arange(last + 1.0)])
    x, y = rng.normal(0.0, 10.0, (2, last + 1))
    found = axis.world(s, lambda i: (x[i], y[i]))
    for here, point in zip(s, found, strict=True):
        upper = min(max(int(np.floor(here)), 0), last - 1)
        u = here - upper
        ways = []
        for index, below in ((upper, u), (upper + 1, u - 1.0)):
            vertebra = skeleton.vertebra(VERTEBRAE[index])
            ways.append(vertebra.world([x[index], y[index], -below * axis.pitch[upper]]))
        share = np.clip(u, 0.0, 1.0)
        share = 3 * share**2 - 2 * share**3
        np.testing.assert_allclose(point, (1 - share) * ways[0] + share * ways[1], atol=1e-10)
