"""How far branches reach into wider ones at a junction, against the rule written out in numpy."""

import numpy as np

from geometry.kernels.junctions import trims


def test_each_branch_starts_at_the_wall_of_the_widest_reach() -> None:
    rng = np.random.default_rng(8)
    degree = [1, 2, 3, 5, 4]
    node = np.repeat(np.arange(len(degree)), degree)
    order = rng.permutation(len(node))
    radius, direction = np.empty(len(node)), rng.normal(size=(len(node), 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    wanted = np.zeros(len(node))
    for at, ends in enumerate(np.split(order, np.cumsum(degree)[:-1])):
        radius[ends] = -np.sort(-rng.uniform(0.3, 2.0, len(ends)))
        for place, side in enumerate(ends):
            for wide in ends[:place] if degree[at] > 2 else []:
                cosine = direction[wide] @ direction[side]
                sine = np.sqrt(1 - cosine**2)
                to_wall = radius[wide] - radius[side] ** 2 / (8 * radius[wide])
                reach = to_wall / max(sine, 0.5) if cosine >= 0 else to_wall * (1 + cosine)
                wanted[side] = max(wanted[side], reach)
    found = trims(node, order, radius, direction)
    np.testing.assert_allclose(found, wanted, rtol=1e-14)
    assert np.count_nonzero(found) == sum(n - 1 for n in degree if n > 2)
