"""The multigrid solver against elimination, on lopsided networks; what it must not hang on."""

import numpy as np
import pytest

from castsim.errors import SolverError
from castsim.kernels import multigrid as kernels
from castsim.kernels.grouping import contract, link_cells, pair
from castsim.laplacian import Laplacian
from castsim.multigrid import FEW, Multigrid
from geometry.flowmesh import FloatArray, IntArray

Network = tuple[int, IntArray, IntArray, FloatArray, FloatArray]


@pytest.fixture(autouse=True)
def levels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks of a test's size have several levels, too."""
    monkeypatch.setattr(kernels, "DIRECT", 100)


def block(shape: tuple[int, int, int], spread: float = 1.0, seed: int = 0) -> Network:
    """Cells of a box, conductances lognormal, a chain of cells hanging off one corner.

    One end of the box holds; some faces are double, and some lead the other way round.
    """
    rng = np.random.default_rng(seed)
    index = np.arange(np.prod(shape)).reshape(shape)
    pairs = [
        np.stack([index[1:].ravel(), index[:-1].ravel()]),
        np.stack([index[:, :-1].ravel(), index[:, 1:].ravel()]),
        np.stack([index[:, :, 1:].ravel(), index[:, :, :-1].ravel()]),
    ]
    n = index.size + 10
    chain = np.arange(index.size - 1, n)
    pairs += [np.stack([chain[:-1], chain[1:]]), pairs[0][:, :5]]
    owner, neighbour = np.concatenate(pairs, axis=1)
    ground = np.zeros(n)
    ground[index[0].ravel()] = rng.random(index[0].size)
    return n, owner, neighbour, np.exp(spread * rng.normal(size=len(owner))), ground


def exact(network: Network, source: FloatArray) -> FloatArray:
    n, owner, neighbour, conductance, ground = network
    laplacian = Laplacian(n, owner, neighbour)
    laplacian.factorise(conductance, ground)
    return laplacian.solve(source)


@pytest.mark.parametrize("shape", [(1, 1, 1), (4, 5, 6), (3, 40, 2), (12, 11, 10)])
@pytest.mark.parametrize("spread", [0.0, 2.0])
def test_pressures_are_those_of_elimination(shape: tuple[int, int, int], spread: float) -> None:
    network = block(shape, spread)
    source = np.random.default_rng(1).normal(size=network[0])
    pressure = Multigrid(*network).solve(source, tolerance=1e-12)[0]
    due = exact(network, source)
    assert np.abs(pressure - due).max() <= 1e-8 * np.abs(due).max()


def test_changed_conductances_keep_the_groups() -> None:
    """After a hundredfold change here and there, still the answer of elimination."""
    n, owner, neighbour, conductance, ground = block((10, 9, 12))
    solver = Multigrid(n, owner, neighbour, conductance, ground)
    sizes = solver.sizes
    changed = conductance.copy()
    changed[::7] *= 100.0
    changed[::11] = 0.0
    held = ground + 0.01
    solver.set(changed, held)
    source = np.random.default_rng(2).normal(size=n)
    due = exact((n, owner, neighbour, changed, held), source)
    assert np.abs(solver.solve(source)[0] - due).max() <= 1e-7 * np.abs(due).max()
    assert solver.sizes == sizes


def test_few_cells_are_eliminated_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network = block((12, 11, 10), 2.0)
    monkeypatch.setattr(kernels, "DIRECT", network[0])
    source = np.random.default_rng(1).normal(size=network[0])
    solver = Multigrid(*network)
    assert solver.sizes == [network[0]]
    pressure, turns = solver.solve(source)
    assert turns == 1
    due = exact(network, source)
    assert np.abs(pressure - due).max() <= 1e-10 * np.abs(due).max()


def test_turns_do_not_grow_with_the_mesh() -> None:
    turns = []
    for side in (8, 16, 32):
        network = block((side, side, side))
        source = np.random.default_rng(3).normal(size=network[0])
        turns.append(Multigrid(*network).solve(source, tolerance=1e-8)[1])
    assert max(turns) <= 1.3 * min(turns[1:]) + 3


def test_a_good_start_saves_turns() -> None:
    network = block((12, 12, 12))
    source = np.random.default_rng(4).normal(size=network[0])
    solver = Multigrid(*network)
    pressure, turns = solver.solve(source)
    assert solver.solve(source, pressure, tolerance=1e-9)[1] == 0
    nearly = pressure * (1 + 1e-5 * np.sin(np.arange(len(source))))
    assert solver.solve(source, nearly)[1] < turns


def test_groups_are_joined_and_links_add_up() -> None:
    n, owner, neighbour, conductance, ground = block((5, 4, 3))
    first, _, beside, place = link_cells(n, owner, neighbour)
    strength = np.zeros(len(beside))
    strength[place[:, 0]] = strength[place[:, 1]] = conductance
    assert (beside[place[:, 0]] == neighbour).all()
    assert (beside[place[:, 1]] == owner).all()
    each = np.arange(n, dtype=np.uint32)
    into, groups = pair(first, beside, strength, ground, each, n)
    into, new_first, middle, new_beside, new_strength, goes = contract(
        first, beside, strength, into, groups
    )
    matrix = np.zeros((groups, groups))
    np.add.at(matrix, (into[owner], into[neighbour]), conductance)
    matrix += matrix.T
    np.fill_diagonal(matrix, 0.0)
    found = np.zeros_like(matrix)
    for group in range(groups):
        row = slice(new_first[group], new_first[group + 1])
        assert len(np.unique(new_beside[row])) == len(new_beside[row])
        assert (new_beside[new_first[group] : middle[group]] < group).all()
        assert (new_beside[middle[group] : new_first[group + 1]] > group).all()
        found[group, new_beside[row]] = new_strength[row]
    assert np.allclose(found, matrix, rtol=1e-14)
    assert (np.diff(np.diff(new_first.astype(int))) >= 0).all()
    near = np.repeat(np.arange(n), np.diff(first))
    within = into[near] == into[beside]
    assert (goes[within] == -1).all()
    assert (new_beside[goes[~within]] == into[beside][~within]).all()
    assert groups <= 0.6 * n


def test_finest_cells_have_room_for_three_links_on_either_side() -> None:
    """All others just for those that they have; room without a link leads to the cell itself."""
    n, owner, neighbour, *_ = block((5, 4, 3))
    first, middle, beside, place = link_cells(n, owner, neighbour)
    near = np.repeat(np.arange(n), np.diff(first))
    linked = np.zeros(len(beside), dtype=bool)
    linked[place] = True
    assert linked.sum() == 2 * len(owner)
    assert (beside[~linked] == near[~linked]).all()
    below = np.arange(len(beside)) < middle[near]
    assert ((beside < near) == (linked & below)).all()
    assert ((beside > near) == (linked & ~below)).all()
    lower, higher = (np.bincount(near[linked & side], minlength=n) for side in (below, ~below))
    roomy = (lower <= 3) & (higher <= 3)
    assert 0 < roomy.sum() < n
    assert (middle - first[:-1] == np.where(roomy, 3, lower)).all()
    assert (first[1:] - middle == np.where(roomy, 3, higher)).all()


def grouped(n: int, links: list[tuple[int, int, float]], hold: list[float]) -> IntArray:
    """The groups of one pairing."""
    owner, neighbour, conductance = (np.array(column) for column in zip(*links, strict=True))
    first, _, beside, place = link_cells(n, owner, neighbour)
    strength = np.zeros(len(beside))
    strength[place[:, 0]] = strength[place[:, 1]] = conductance
    each = np.arange(n, dtype=np.uint32)
    return pair(first, beside, strength, np.array(hold), each, n)[0].astype(np.int64)


def test_cells_are_not_paired_along_a_link_that_is_weak_to_both() -> None:
    """0 has but one link: if nothing else holds it, it goes with 1 all the same."""
    chain = [(1, 2, 1.0), (2, 3, 1.0), (3, 4, 1.0)]
    for weak, hold, together in ((0.5, 0.0, True), (0.01, 0.0, True), (0.01, 10.0, False)):
        groups = grouped(5, [(0, 1, weak), *chain], [hold, 0.0, 0.0, 0.0, 0.0])
        assert (groups[0] == groups[1]) == together, (weak, hold)
        assert groups[1] == groups[0] or groups[1] == groups[2]


def test_cells_that_nothing_links_or_holds_are_one_group() -> None:
    links = [(0, 1, 1.0), (1, 2, 0.0), (3, 4, 0.0), (4, 5, 0.0), (5, 6, 1.0)]
    groups = grouped(8, links, [0.0] * 7 + [1.0])
    assert groups[2] == groups[3] == groups[4]
    assert len({int(groups[k]) for k in (0, 2, 5, 7)}) == 4


def test_pieces_that_hang_on_little_take_no_more_turns() -> None:
    """Blocks with links 1 to 10^4 times as strong as what joins and holds them, in a ring."""
    turns = []
    for weakest in (1.0, 1e-2, 1e-4):
        n, owner, neighbour, conductance, _ = block((8, 7, 6))
        ground, pieces = np.zeros(6 * n), np.arange(6)
        owner, neighbour = (np.add.outer(n * pieces, end).ravel() for end in (owner, neighbour))
        weak = weakest * np.geomspace(1.0, 30.0, 6)
        ring = n * pieces, n * ((pieces + 1) % 6) + n - 1
        network = (
            6 * n,
            np.append(owner, ring[0]),
            np.append(neighbour, ring[1]),
            np.append(np.tile(conductance, 6), weak),
            ground,
        )
        ground[::n] = weak[::-1]
        source = np.random.default_rng(5).normal(size=6 * n)
        solver = Multigrid(*network)
        pressure, taken = solver.solve(source, tolerance=1e-8)
        due = exact(network, source)
        assert np.abs(pressure - due).max() <= 1e-5 * np.abs(due).max()
        turns.append(taken)
    assert max(turns) <= 1.5 * turns[0] + 3


def test_a_level_that_hardly_suits_is_paired_all_the_same() -> None:
    """Held so much that hardly a link suits; eliminated they would be too many."""
    n, owner, neighbour, conductance, ground = block((8, 8, 8))
    solver = Multigrid(n, owner, neighbour, conductance, ground + 20.0 * np.arange(n) / n)
    assert solver.sizes[-1] <= kernels.DIRECT
    source = np.random.default_rng(7).normal(size=n)
    due = exact((n, owner, neighbour, conductance, ground + 20.0 * np.arange(n) / n), source)
    assert np.abs(solver.solve(source)[0] - due).max() <= 1e-7 * np.abs(due).max()


def test_a_body_that_hangs_on_little_is_levelled() -> None:
    """A cast whose fronts have shut since its cells were grouped with blood."""
    n, owner, neighbour, open_, ground = block((12, 9, 8))
    in_body = np.arange(n) < 3 * 9 * 8
    ground[in_body] = 0.0
    ground[-1] = 1.0
    shut = open_.copy()
    shut[in_body[owner] != in_body[neighbour]] *= 1e-10
    source = np.random.default_rng(6).normal(size=n)
    due = exact((n, owner, neighbour, shut, ground), source)
    solver = Multigrid(n, owner, neighbour, open_, ground)
    solver.set(shut, ground)
    with pytest.raises(SolverError, match="is left after"):
        solver.solve(source, tolerance=1e-9)
    levels = solver.levels
    levels.body[:] = in_body
    levels.body_hold[0] = kernels.times(levels, 0, levels.body, levels.body_image, levels.body)[0]
    pressure, turns = solver.solve(source, tolerance=1e-9)
    assert turns <= 40
    assert np.abs(pressure - due).max() <= 1e-5 * np.abs(due).max()


def test_what_cannot_be_solved_is_said() -> None:
    n, owner, neighbour, conductance, _ = block((6, 6, 6))
    nowhere = Multigrid(n, owner, neighbour, conductance, np.zeros(n))
    with pytest.raises(SolverError, match="is left after"):
        nowhere.solve(np.ones(n))


@pytest.mark.parametrize("strength", [0.0, 1e-9, 3.0, 1e4])
def test_few_conductances_changed_are_all_levels_changed(strength: float) -> None:
    """Of cells far apart and of cells of one group, as if all had been set anew."""
    n, owner, neighbour, conductance, ground = block((10, 9, 12), 2.0)
    solver = Multigrid(n, owner, neighbour, conductance, ground)
    changed = conductance.copy()
    box = 9 * 9 * 12 + 10 * 8 * 12 + 10 * 9 * 11  # none of the chain's: nothing comes to float
    changed[: box : int(1.5 / FEW)] = strength
    solver.set(changed, ground)
    names = "strength", "inverse", "pivot", "entries"
    got = {name: getattr(solver.levels, name).copy() for name in names}
    solver.set(conductance, 2.0 * ground)
    solver.set(changed, ground)
    for name in names:
        due = getattr(solver.levels, name)
        assert np.abs(got[name] - due).max() <= 1e-12 * np.abs(due).max(), name
    solver.set(conductance, ground)
    solver.set(changed, ground)
    source = np.random.default_rng(2).normal(size=n)
    due = exact((n, owner, neighbour, changed, ground), source)
    assert np.abs(solver.solve(source)[0] - due).max() <= 1e-7 * np.abs(due).max()
