"""Eliminating part of a network: the Schur complement, and the pressures of what is gone."""

import numpy as np
import pytest

from castsim.blood_solver import BloodSolver, State, face_flow
from castsim.chains import Chained
from castsim.physiology import Physiology
from castsim.reduction import Reduction, Skeleton
from geometry.flowmesh import FloatArray, FlowMesh, IntArray

BLOOD = Physiology.default().blood_viscosity_Pa_s


def strands(seed: int, n: int = 200, cross: int = 12) -> tuple[IntArray, IntArray]:
    """Faces of one long chain with cross links, some of them parallel to others."""
    rng = np.random.default_rng(seed)
    first = np.concatenate([np.arange(n - 1), rng.integers(0, n, cross), [3, 90]])
    second = np.concatenate([np.arange(1, n), rng.integers(0, n, cross), [9, 91]])
    link = first != second
    return first[link], second[link]


def dense(n: int, owner: IntArray, neighbour: IntArray, conductance: FloatArray) -> FloatArray:
    matrix = np.zeros((n, n))
    np.add.at(matrix, (owner, owner), conductance)
    np.add.at(matrix, (neighbour, neighbour), conductance)
    np.add.at(matrix, (owner, neighbour), -conductance)
    np.add.at(matrix, (neighbour, owner), -conductance)
    return matrix


@pytest.mark.parametrize("seed", range(5))
def test_against_a_dense_schur_complement(seed: int) -> None:
    n = 200
    owner, neighbour = strands(seed)
    rng = np.random.default_rng(seed + 100)
    conductance = rng.uniform(0.1, 10, len(owner))
    ground = np.where(rng.uniform(size=n) < 0.1, rng.uniform(size=n), 0.0)
    source = ground * rng.uniform(size=n)
    stays = np.zeros(n, dtype=bool)
    stays[rng.choice(n, 8, replace=False)] = True
    reduction = Reduction(n, owner, neighbour, stays)
    strength, hold, drive = reduction.reduce(conductance, ground, source)
    kept = reduction.cells
    assert kept.tolist() == np.flatnonzero(stays).tolist()

    gone = np.setdiff1d(np.arange(n), kept)
    matrix = dense(n, owner, neighbour, conductance) + np.diag(ground)
    to_gone = matrix[np.ix_(kept, gone)] @ np.linalg.inv(matrix[np.ix_(gone, gone)])
    schur = matrix[np.ix_(kept, kept)] - to_gone @ matrix[np.ix_(gone, kept)]
    reduced = dense(len(kept), reduction.first, reduction.second, strength) + np.diag(hold)
    np.testing.assert_allclose(reduced, schur, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(drive, source[kept] - to_gone @ source[gone], rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_chains_against_a_dense_solve(seed: int) -> None:
    """Links, twigs, parallel chains and two rings, one of them with nothing on it."""
    n = 210
    owner, neighbour = strands(seed)
    ring = np.arange(200, 209)
    owner = np.concatenate([owner, ring, [0, 50]])
    neighbour = np.concatenate([neighbour, np.roll(ring, -1), [209, 209]])
    rng = np.random.default_rng(seed + 100)
    resistance = rng.uniform(0.1, 10, len(owner))
    ground = np.zeros(n)
    held = rng.choice(200, 8, replace=False)
    ground[held] = rng.uniform(size=8)
    ground[204] = 0.3 if seed % 2 else 0.0
    small = Chained(n, owner, neighbour, ground > 0)
    kept = small.cells
    assert set(np.flatnonzero(ground)) <= set(kept)
    assert len(kept) < 60
    source = ground * rng.uniform(size=n)
    matrix = dense(len(kept), small.owner, small.neighbour, 1 / small.resistance(resistance))
    lone = kept[kept >= 200][:1]
    ground[lone] += ground[lone] == 0  # a ring that nothing holds: at rest at 0 Pa
    pressure = np.linalg.solve(matrix + np.diag(ground[kept]), source[kept])
    whole = np.linalg.solve(dense(n, owner, neighbour, 1 / resistance) + np.diag(ground), source)
    np.testing.assert_allclose(small.expand(pressure), whole, rtol=1e-10, atol=1e-14)


def test_drops_along_a_wide_chain_keep_their_digits() -> None:
    """A thousandth of a pascal over a hundred cells at 10 kPa."""
    n = 100
    small = Chained(n, np.arange(n - 1), np.arange(1, n), np.zeros(n, dtype=bool))
    np.testing.assert_array_equal(small.cells, [0, n - 1])
    np.testing.assert_allclose(small.resistance(np.ones(n - 1)), n - 1)
    pressure = small.expand(np.array([1e4, 1e4 - 1e-3]))
    np.testing.assert_allclose(np.diff(pressure), -1e-3 / (n - 1), rtol=0, atol=4e-12)


def test_a_link_keeps_its_digits_whatever_it_leads_past() -> None:
    """Two ports by a chain of 10^-9; the middle is held by 10^9, which leaves 10^-27 to the link.

    As the difference of two sums of 10^-9 that would be noise.
    """
    ends = np.array([True, False, True])
    reduction = Reduction(3, np.array([0, 1]), np.array([1, 2]), ends)
    weak, strong = 1e-9, 1e9
    strength, hold, drive = reduction.reduce(
        np.array([weak, weak]), np.array([0.0, strong, 0.0]), np.array([0.0, 3.0 * strong, 0.0])
    )
    np.testing.assert_allclose(strength, weak**2 / (2 * weak + strong), rtol=1e-15)
    np.testing.assert_allclose(hold, weak * strong / (2 * weak + strong), rtol=1e-15)
    np.testing.assert_allclose(drive, 3.0 * hold, rtol=1e-15)


def test_nothing_to_eliminate_and_nothing_to_keep() -> None:
    pair = np.array([0]), np.array([1])
    everything = Reduction(2, *pair, np.ones(2, dtype=bool))
    strength, hold, drive = everything.reduce(np.array([2.0]), np.ones(2), np.array([5.0, 6.0]))
    assert (hold.tolist(), drive.tolist()) == ([1.0, 1.0], [5.0, 6.0])
    assert strength.tolist() == [2.0]
    nothing = Reduction(2, *pair, np.zeros(2, dtype=bool))
    rest = nothing.reduce(np.array([2.0]), np.array([0.5, 0.0]), np.array([1.0, 0.0]))
    assert [len(values) for values in rest] == [0, 0, 0]


@pytest.mark.parametrize("seed", range(5))
def test_skeleton_and_whole_mesh_flow_alike(seed: int) -> None:
    """With valves, a busy face whose resistance changes, and a held cell between two chains."""
    rng = np.random.default_rng(seed)
    n = 200
    owner, neighbour = strands(seed)
    ends = rng.choice(n, 6, replace=False)
    mesh = FlowMesh.from_arrays(
        cell_volume=rng.uniform(0.1, 2, n),
        cell_radius=rng.uniform(0.3, 2, n),
        face_owner=owner,
        face_neighbour=neighbour,
        face_valve=rng.choice([-1, 1] + [0] * 30, len(owner)),
        terminal_cell=ends,
        terminal_pressure=rng.uniform(0, 1000, 6),
        terminal_resistance=[0.0, 0.0, 1.0, 10.0, 0.0, 3.0],
    )
    viscosity = BLOOD * rng.uniform(1, 2, n)
    busy = np.zeros(n, dtype=bool)
    busy[[50, 51]] = True
    skeleton = Skeleton(mesh, busy)
    small = skeleton.reduce(mesh, viscosity)
    assert small.n_cells < n / 2
    assert 50 in skeleton.cells
    solver = BloodSolver(small)
    for factor in (1.0, 100.0):
        half = np.array(mesh.half_resistance)
        half[50] *= factor
        small_half = np.array(small.half_resistance)
        small_half[np.searchsorted(skeleton.faces, 50)] *= factor
        changed, small_changed = with_half(mesh, half), with_half(small, small_half)
        inner = solver.solve(small_changed, viscosity[skeleton.cells])
        state = skeleton.expand(changed, viscosity, inner)
        whole = BloodSolver(changed).solve(changed, viscosity)
        assert_same(changed, state, whole)


def with_half(mesh: FlowMesh, half: FloatArray) -> FlowMesh:
    return FlowMesh(**{**vars(mesh), "half_resistance": half})


def assert_same(mesh: FlowMesh, state: State, other: State) -> None:
    scale = np.ptp(other.pressure)
    np.testing.assert_allclose(state.pressure, other.pressure, rtol=0, atol=1e-11 * scale)
    flow = face_flow(mesh, other)
    scale = np.abs(flow).max()
    np.testing.assert_allclose(face_flow(mesh, state), flow, rtol=0, atol=1e-10 * scale)
