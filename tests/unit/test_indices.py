"""Indices: the runs of the design, what is read of them, and what is not given."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from castsim.ensembles.indices import index_stores, indices_of, read_indices, sobol_indices
from castsim.ensembles.planning import make_plan
from castsim.ensembles.sampling import GATES, PATIENT, A, B, draws, index_inputs
from castsim.ensembles.store import Store
from castsim.ensembles.study import Study, load_arm
from castsim.ensembles.summary import summarise
from castsim.ensembles.targets import Targets, plan_number
from castsim.errors import ScenarioError
from tests.ensembles import ARM, NEVER, store_of, study

ROWS = 512
FEW = study("tip.offset_mm", "model.viscosity_mPa_s", "patient.calibre_factor")


def test_inputs_are_what_varies() -> None:
    names = index_inputs(study())
    assert names[-2:] == (PATIENT, GATES)
    assert "model.viscosity_mPa_s" in names
    assert "injection.pause_s" not in names  # right-t9 does not pause
    given = Study({ARM: load_arm(ARM, ["model.viscosity_mPa_s=30.0"])}, study().priors)
    assert set(names) - set(index_inputs(given)) == {"model.viscosity_mPa_s"}
    arms = {**given.arms, "plain": load_arm(ARM)}
    assert index_inputs(replace(given, arms=arms)) == names


def test_second_draws_share_nothing_with_the_first() -> None:
    rows = int(plan_number("index_rows"))
    first, second = draws(study(), 0, rows), draws(study(), 0, rows, B)
    assert [one.number for one in second] == list(range(rows))
    assert not any((one.point == two.point).any() for one, two in zip(first, second, strict=True))
    seeds = {seed for one in (*first, *second) for seed in (one.patient_seed, one.gate_seed)}
    assert len(seeds) == 4 * rows
    points = np.array(
        [np.concatenate([a.point, b.point]) for a, b in zip(first, second, strict=True)]
    )
    correlation = np.corrcoef(points.T) - np.eye(points.shape[1])
    # no further from independence than independent points are: 1/sqrt(256) = 0.06
    assert np.sqrt((correlation**2).mean()) < 0.06
    assert np.abs(correlation).max() < 0.5


@pytest.mark.parametrize("name", index_inputs(study()))
def test_a_crossed_draw_differs_in_its_one_input(name: str) -> None:
    one = study()
    for first, second, crossed in zip(
        draws(one, 5, 8), draws(one, 5, 8, B), draws(one, 5, 8, name), strict=True
    ):
        fields = [prior.field for prior in one.priors]
        values = {
            draw: dict(zip(fields, draw_.point, strict=True))
            | {PATIENT: draw_.patient_seed, GATES: draw_.gate_seed}
            for draw, draw_ in (("a", first), ("b", second), ("ab", crossed))
        }
        for key, value in values["ab"].items():
            assert value == values["b" if key == name else "a"][key], key


def test_the_plan_draws_are_matrix_a() -> None:
    for one, same in zip(draws(study(), 0, 5), draws(study(), 0, 5, A), strict=True):
        assert np.array_equal(one.point, same.point)
        assert one.patient_seed == same.patient_seed


def test_stores_lie_beside_each_other(tmp_path: Path) -> None:
    store = store_of(tmp_path / "plan", [0.3] * 64, [NEVER] * 64)
    more = index_stores(store, 64)
    assert len(more) == 1 + len(index_inputs(store.study))
    assert set(more.values()) == {64}
    assert {one.matrix for one in more} == {B, *index_inputs(store.study)}
    assert len({one.chunk(0) for one in (store, *more)}) == 1 + len(more)
    assert all(one.missing(64) == [(0, 32), (32, 64)] for one in more)
    assert store.missing(64) == []
    assert index_stores(store, 0) == {}


@pytest.fixture(scope="module")
def designed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A design in which coverage hangs on one input alone, and one run has failed."""
    folder = tmp_path_factory.mktemp("indices") / "plan"
    one = FEW
    place = [prior.field for prior in one.priors].index("tip.offset_mm")
    for matrix in (A, B, *index_inputs(one)):
        covers = [0.3 if draw.point[place] < 0.5 else NEVER for draw in draws(one, 0, ROWS, matrix)]
        errors = {7: "SolverError: no"} if matrix == GATES else None
        store_of(folder, covers, [NEVER] * ROWS, errors=errors, matrix=matrix, of=one)
    return folder


def test_the_one_input_makes_all_of_the_variance(designed: Path) -> None:
    store = Store(designed, FEW)
    found = read_indices(store, ARM, ROWS, Targets.default(), 0.5)
    main = found["covered_and_safe"]
    assert main.rows == ROWS - 1
    assert main.inputs[0].name == "tip.offset_mm"
    for one in main.inputs:
        truth = 1.0 if one.name == "tip.offset_mm" else 0.0
        for share in (one.first, one.total):
            if share is not None:
                assert share.low - 1e-9 <= truth <= share.high + 1e-9
        assert one.total is not None
    assert found["azygos_mL"].inputs == ()  # it never varies
    plan = make_plan(store, ARM, ROWS, Targets.default(), index_rows=ROWS)
    assert plan.recommended_mL == pytest.approx(0.3)
    assert plan.indices["covered_and_safe"].inputs[0].name == "tip.offset_mm"
    assert any("tip offset" in line and "Sobol" in line for line in summarise(plan).drivers)


def test_no_index_is_given_that_its_rows_do_not_support(designed: Path) -> None:
    store = Store(designed, FEW)
    for rows in (2, 16, 200):
        found = read_indices(store, ARM, rows, Targets.default(), 0.5)["covered_and_safe"]
        assert all(one.first is one.total is None for one in found.inputs)
        assert found.rows_needed >= plan_number("index_rows") > rows
    plan = make_plan(store, ARM, ROWS, Targets.default(), index_rows=16)
    (line,) = [line for line in summarise(plan).drivers if "Sobol" in line]
    assert "not given: 15 rows do not support them" in line
    assert not any(character == "%" for character in line)


def test_rows_needed_shrink_the_interval_to_what_is_allowed() -> None:
    rng = np.random.default_rng(0)
    allowed = plan_number("index_half_width")

    def values(rows: int) -> np.ndarray:
        a, b = rng.normal(size=(2, 3, rows))
        crossed = [np.where(np.arange(3)[:, None] == i, b, a).sum(axis=0) for i in range(3)]
        return (np.stack([a.sum(axis=0), b.sum(axis=0), *crossed]) > 2.0).astype(float)

    few = indices_of("covered_and_safe", 0.5, ("x", "y", "z"), values(256), 0)
    assert any(one.first is None for one in few.inputs)
    enough = indices_of("x", 0.5, ("x", "y", "z"), values(2 * few.rows_needed), 0)
    for one in enough.inputs:
        assert one.first is not None
        assert one.total is not None
        assert max(one.first.half_width, one.total.half_width) <= allowed


def test_what_no_row_shows_is_allowed_for() -> None:
    rng = np.random.default_rng(1)
    f_a, f_b = (rng.random((2, 100)) < 0.2).astype(float)
    # the first input does it all, the second did nothing in any of 100 rows
    first, total = sobol_indices(f_a, f_b, np.stack([f_b, f_a]), 0)
    assert total[1].estimate == first[1].estimate == 0.0
    variance = np.concatenate([f_a, f_b]).var()
    assert total[1].high == pytest.approx(3 / 100 / (2 * variance))
    assert first[1].high == total[1].high


def test_rows_may_come_in_any_order() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(5, 80))
    mixed = values[:, rng.permutation(80)]
    assert sobol_indices(values[0], values[1], values[2:], 3) == sobol_indices(
        mixed[0], mixed[1], mixed[2:], 3
    )


def test_more_indices_than_draws_are_refused(tmp_path: Path) -> None:
    import castsim

    for wrong in (-1, 11):
        with pytest.raises(ScenarioError, match=rf"--indices {wrong}: must lie between 0 and"):
            castsim.plan(ARM, draws=10, indices=wrong, folder=tmp_path / "plan")
    assert not (tmp_path / "plan").exists()
