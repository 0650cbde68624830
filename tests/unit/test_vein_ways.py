"""Ways along the centrelines, where veins meet or short ones part them, beside a search."""

from itertools import pairwise

import numpy as np
import pytest

from geometry.flowmesh import BoolArray, FloatArray
from geometry.levels import Level, Side
from geometry.network import NetworkBuilder, VesselNetwork
from geometry.structures import Structure
from geometry.vein_ways import VeinWays

FAR = 1e6
"""mm, longer than any way here."""


def network(ends: list[tuple[int, int]]) -> VesselNetwork:
    """Branches from node to node; where each runs means nothing to a way."""
    builder = NetworkBuilder()
    for node in range(1 + max(max(pair) for pair in ends)):
        builder.node([3.0 * node, float(node**2 % 7), 0.0])
    for number, (start, stop) in enumerate(ends):
        label = Structure.AZYGOS, Level.T9, Side.RIGHT
        via = [[0.0, 0.0, 10.0 + number], [1.0, 0.0, 10.0 + number]]
        builder.branch(start, stop, *label, radius=[1.0] * 4, via=via)
    return builder.build()


def ways(ends: list[tuple[int, int]], length: list[float], short: tuple[int, ...] = ()) -> VeinWays:
    return VeinWays.of(network(ends), np.array(length), np.array(short, dtype=np.int64), FAR)


Place = tuple[int, float]


def way(veins: VeinWays, one: Place, two: Place) -> float:
    """mm, to 1e-6, by bisection of what is asked; inf if there is none. The same both ways."""

    def longer(start: Place, stop: Place, most: float) -> bool:
        branch, arc = (np.array(both)[:, None] for both in zip(start, stop, strict=True))
        return bool(veins.are_longer(branch, arc, np.array([most]))[0])

    for most in (0.0, FAR):
        assert longer(one, two, most) == longer(two, one, most)
    if longer(one, two, FAR):
        return np.inf
    low, high = -1e-6, FAR
    while high - low > 1e-7:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if longer(one, two, middle) else (low, middle)
    return high


def test_over_a_junction_it_is_both_ways_to_it() -> None:
    """Whichever ends of the branches are there."""
    for first in ((0, 1), (1, 0)):
        for second in ((1, 2), (2, 1)):
            veins = ways([first, second], [10.0, 20.0])
            one = 0, 7.0 if first == (0, 1) else 3.0
            two = 1, 4.0 if second == (1, 2) else 16.0
            assert way(veins, one, two) == pytest.approx(3.0 + 4.0, abs=1e-6)


def test_as_far_as_asked_is_no_farther() -> None:
    veins = ways([(0, 1), (1, 2)], [10.0, 20.0])
    branch, arc = np.array([[0, 0], [1, 1]]), np.array([[7.0, 7.0], [4.0, 4.0]])
    longer = veins.are_longer(branch, arc, np.array([7.0, np.nextafter(7.0, 0.0)]))
    assert longer.tolist() == [False, True]


def test_a_hairpin_comes_near_itself_and_is_as_far_as_it_is_long() -> None:
    veins = ways([(0, 1)], [40.0])
    assert way(veins, (0, 5.0), (0, 35.0)) == pytest.approx(30.0, abs=1e-6)
    assert way(veins, (0, 5.0), (0, 5.0)) == pytest.approx(0.0, abs=1e-6)


def test_a_short_branch_between_is_part_of_the_way() -> None:
    """As long as it is, and no way at all if it lies within others."""
    ends = [(0, 1), (1, 2), (2, 3)]
    apart = ways(ends, [10.0, 6.0, 20.0])
    joined, within = (ways(ends, [10.0, long, 20.0], short=(1,)) for long in (6.0, 0.0))
    for veins, exact in ((apart, np.inf), (joined, 9.0), (within, 3.0)):
        assert way(veins, (0, 9.0), (2, 2.0)) == pytest.approx(exact, abs=1e-6)
    for veins, exact in ((apart, 5.0), (joined, 5.0), (within, 1.0)):
        assert way(veins, (0, 9.0), (1, 4.0)) == pytest.approx(exact, abs=1e-6)
    assert way(within, (1, 1.0), (1, 5.0)) == pytest.approx(0.0, abs=1e-6)


def test_short_branches_in_a_row_add_up() -> None:
    """And of two between the same ends the shorter counts."""
    ends = [(0, 1), *pairwise(range(1, 5)), (4, 5), (1, 2)]
    veins = ways(ends, [10.0, 3.0, 1.0, 2.0, 10.0, 0.5], short=(1, 2, 3, 5))
    assert way(veins, (0, 8.0), (4, 1.5)) == pytest.approx(2.0 + 3.5 + 1.5, abs=1e-6)


def test_in_a_loop_the_shorter_way_counts() -> None:
    """Two branches that meet twice, and one that ends where it begins."""
    pair = ways([(0, 1), (0, 1)], [10.0, 20.0])
    assert way(pair, (0, 2.0), (1, 3.0)) == pytest.approx(5.0, abs=1e-6)
    assert way(pair, (0, 9.0), (1, 18.0)) == pytest.approx(3.0, abs=1e-6)
    alone = ways([(0, 0), (0, 1)], [10.0, 10.0])
    assert way(alone, (0, 1.0), (0, 8.0)) == pytest.approx(3.0, abs=1e-6)
    assert way(alone, (0, 9.0), (1, 4.0)) == pytest.approx(5.0, abs=1e-6)


def test_veins_that_do_not_meet_have_no_way() -> None:
    """A vein between them that is not said to be short is none that could be gone."""
    veins = ways([(0, 1), (1, 2), (2, 3), (4, 5)], [10.0, 0.1, 10.0, 10.0])
    assert way(veins, (0, 10.0), (2, 0.0)) == np.inf
    assert way(veins, (0, 5.0), (3, 5.0)) == np.inf


def searched(
    veins: VesselNetwork, length: FloatArray, short: BoolArray, one: Place, two: Place
) -> float:
    """Least way from place to place on their own branches and on short ones.

    Distances from the first place to all ends and to the second place, brought down until none
    gives way any more.
    """
    edges: list[tuple[object, object, float]] = []
    for branch in range(veins.n_branches):
        start, stop = int(veins.branch_start[branch]), int(veins.branch_end[branch])
        whole = float(length[branch])
        here = [(0.0, start), (whole, stop)]
        for name, (own, arc) in (("one", one), ("two", two)):
            if own == branch:
                here.append((min(arc, whole), name))
        if len(here) > 2 or short[branch]:
            stops = sorted(here, key=lambda place: place[0])
            edges += [(a, b, far - near) for (near, a), (far, b) in pairwise(stops)]
    away: dict[object, float] = {"one": 0.0}
    changed = True
    while changed:
        changed = False
        for a, b, step in edges + [(b, a, step) for a, b, step in edges]:
            if away.get(a, np.inf) + step < away.get(b, np.inf):
                away[b] = away[a] + step
                changed = True
    return away.get("two", np.inf)


@pytest.mark.parametrize("seed", range(12))
def test_ways_in_random_networks_are_those_of_a_search(seed: int) -> None:
    """Few nodes and many branches: loops, several between the same ends, rows of short ones."""
    random = np.random.default_rng(seed)
    count = 12
    ends = [(int(a), int(b)) for a, b in random.integers(0, 7, (count, 2))]
    veins = network(ends)
    length = random.uniform(1.0, 20.0, count)
    short = random.random(count) < random.uniform(0.0, 0.6)
    length[short & (random.random(count) < 0.5)] = 0.0
    found = VeinWays.of(veins, length, np.flatnonzero(short), FAR)

    k = 300
    branch = random.integers(0, count, (2, k))
    arc = length[branch] * random.random((2, k))
    pairs = (zip(*rows, strict=True) for rows in zip(branch.tolist(), arc.tolist(), strict=True))
    exact = np.array([searched(veins, length, short, a, b) for a, b in zip(*pairs, strict=True)])
    assert np.isfinite(exact).any()
    asked = np.where(np.isfinite(exact), exact, FAR)
    assert np.array_equal(found.are_longer(branch, arc, asked + 1e-6), np.isinf(exact))
    assert found.are_longer(branch, arc, asked - 1e-6).all()
