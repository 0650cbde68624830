"""What must hold of any ensemble, whatever its draws."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from castsim.ensembles.columns import CURVES
from castsim.ensembles.curves import COLUMNS, chance, events, mark, wilson
from castsim.ensembles.recommending import recommend
from castsim.ensembles.targets import Targets

POINTS = 20
VOLUMES = 0.05 * np.arange(1, POINTS + 1)
SEEDS = st.integers(0, 2**32 - 1)
RISKS = ("azygos_reflux", "embolised", "hazard", "over_pressure")


def random_success(seed: int, draws: int) -> np.ndarray:
    """Success from a volume on, up to another, in some of the draws."""
    rng = np.random.default_rng(seed)
    low, high = rng.uniform(0.0, 1.3, (2, draws, 1))
    return (low <= VOLUMES) & (high > VOLUMES)


def random_table(seed: int, draws: int) -> pa.Table:
    """Rows as a store has them: volumes that only grow, and a coverage that may fall back."""
    rng = np.random.default_rng(seed)
    columns: dict[str, pa.Array] = {
        "arm": pa.array(["arm"] * draws),
        "error": pa.array([""] * draws),
        "unreachable": pa.array([False] * draws),
        "stalled": pa.array(rng.random(draws) < 0.3),
        "truncated": pa.array(rng.random(draws) < 0.1),
        "injected_mL": pa.array(rng.uniform(0.0, VOLUMES[-1], draws)),
        "coverable_deg": pa.array(rng.uniform(0.0, 360.0, draws)),
        "over_pressure_mL": pa.array(np.where(rng.random(draws) < 0.5, np.inf, rng.random(draws))),
    }
    for name in CURVES:
        grown = np.cumsum(rng.exponential(0.004, (draws, POINTS)), axis=1)
        if name == "coverage_deg":
            grown = rng.uniform(200.0, 360.0, (draws, POINTS))
        flat = pa.array(grown.ravel().astype(np.float32))
        columns[name] = pa.FixedSizeListArray.from_arrays(flat, POINTS)
    return pa.table({name: columns[name] for name in COLUMNS})


@given(SEEDS, st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_what_cannot_be_undone_only_grows(seed: int, draws: int) -> None:
    happened = events(random_table(seed, draws), VOLUMES, Targets.default())
    for name in (*RISKS, "stopped"):
        assert (happened[name][:, 1:] >= happened[name][:, :-1]).all(), name
    success = happened["covered_and_safe"]
    assert not (success & ~happened["covered"]).any()
    for name in RISKS:
        assert not (success & happened[name]).any(), name


@given(SEEDS, st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_the_order_of_draws_changes_nothing(seed: int, draws: int) -> None:
    mixed = np.random.default_rng(seed).permutation(draws)
    table = random_table(seed, draws)
    one = events(table, VOLUMES, Targets.default())
    same = events(table.take(mixed), VOLUMES, Targets.default())
    for name in one:
        assert np.array_equal(one[name][mixed], same[name])
        assert np.array_equal(chance(one[name]).high, chance(same[name]).high)
    success = random_success(seed, draws)
    assert recommend(success, VOLUMES, 0) == recommend(success[mixed], VOLUMES, 0)


@given(SEEDS, st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_a_draw_of_pure_failure_never_raises_a_chance(seed: int, draws: int) -> None:
    success = random_success(seed, draws)
    more = np.vstack([success, np.zeros((1, POINTS), dtype=bool)])
    before, after = chance(success), chance(more)
    assert (after.estimate <= before.estimate).all()
    assert (after.low <= before.low).all()
    assert (after.high <= before.high).all()
    one, other = recommend(success, VOLUMES, 0), recommend(more, VOLUMES, 0)
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert one.volume == other.volume


@given(SEEDS, st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_a_recommendation_holds_together(seed: int, draws: int) -> None:
    success = random_success(seed, draws)
    one = recommend(success, VOLUMES, 0)
    share = success.mean(axis=0)
    if one is None:
        assert not success.any()
        return
    assert one.best == VOLUMES[np.flatnonzero(share == share.max())[0]]
    assert one.window[0] <= one.volume <= one.best <= one.window[1]
    ends = sorted([one.window, *one.other_stretches])
    assert all(before[1] < after[0] for before, after in pairwise(ends))
    high = VOLUMES[10 * success.sum(axis=0) >= 9 * success.sum(axis=0).max()]
    assert all(any(low <= v <= up for low, up in ends) for v in high)
    assert {v for pair in ends for v in pair} <= set(high)
    assert one.optimism >= -0.5 / np.sqrt(draws)
    if one.interval is not None:
        assert one.interval[0] <= one.interval[1]


@given(st.integers(1, 500), SEEDS)
@settings(max_examples=60, deadline=None)
def test_a_mark_lies_in_its_interval(total: int, seed: int) -> None:
    count = np.sort(np.random.default_rng(seed).integers(0, total + 1, POINTS))
    one = mark("covered", wilson(count, total), VOLUMES, 0.1)
    never = VOLUMES[-1] + 1.0
    low, volume, high = (
        never if end is None else end for end in (one.low_mL, one.volume_mL, one.high_mL)
    )
    assert low <= volume <= high
    assert one.first == (volume == VOLUMES[0])


@pytest.mark.parametrize("chunks", [1, 3])
def test_rows_are_read_alike_in_one_part_or_many(chunks: int) -> None:
    table = random_table(1, 30)
    size = 30 // chunks
    parts = pa.concat_tables([table.slice(k, size) for k in range(0, 30, size)])
    whole = events(table, VOLUMES, Targets.default())
    for name, rows in events(parts, VOLUMES, Targets.default()).items():
        assert np.array_equal(rows, whole[name])
