"""Drivers: what is looked at, in which order, and what is left out."""

import numpy as np
import pytest

from castsim.ensembles.drivers import correlate, find_drivers, holm, input_label
from castsim.ensembles.priors import bundled_priors


def inputs(draws: int = 400) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    columns = {f"in.{k}": rng.normal(size=draws) for k in range(5)}
    columns["in.same"] = np.ones(draws)
    columns["in.not_drawn"] = np.full(draws, np.nan)
    columns["found.gaps"] = np.where(np.arange(draws) % 2, np.nan, columns["in.0"])
    return columns


def test_strongest_first_and_nothing_that_does_not_vary() -> None:
    given = inputs()
    rows = correlate(given, given["in.3"] - 0.5 * given["in.1"])
    assert [row.name for row in rows[:2]] == ["in.3", "in.1"]
    assert rows[0].rho > 0.0 > rows[1].rho
    assert [abs(row.rho) for row in rows] == sorted((abs(row.rho) for row in rows), reverse=True)
    assert {row.name for row in rows} == {*(f"in.{k}" for k in range(5)), "found.gaps"}
    assert {row.name: row.draws for row in rows}["found.gaps"] == 200
    assert [row.clear for row in rows] == [True, True, False, False, False, False]
    assert all(row.low <= row.rho <= row.high for row in rows)
    assert all(row.low > 0.0 or row.high < 0.0 for row in rows if row.clear)


def test_an_outcome_with_one_value_has_no_drivers() -> None:
    found = find_drivers(inputs(), {"covered_and_safe": np.ones(400)}, 0.3)
    assert found["covered_and_safe"].rows == ()


@pytest.mark.parametrize("draws", [1, 2, 3, 127])
def test_few_draws_have_no_drivers(draws: int) -> None:
    given = inputs(draws)
    assert correlate(given, given["in.0"]) == ()


def test_a_perfect_order_is_certain_and_finite() -> None:
    given = {"in.up": np.arange(150.0)}
    (row,) = correlate(given, np.exp(given["in.up"] / 30.0))
    assert row.rho == pytest.approx(1.0)
    assert 0.99 < row.low <= row.high <= 1.0
    assert row.clear


def test_a_binary_outcome_is_ranked() -> None:
    given = inputs()
    rows = correlate(given, (given["in.2"] > 1.0).astype(float))
    assert rows[0].name == "in.2"
    assert rows[0].clear


def test_holm_keeps_order_and_is_never_below_what_it_corrects() -> None:
    p = np.random.default_rng(1).uniform(size=30) ** 3
    corrected = holm(p)
    assert (corrected >= p).all()
    assert corrected.max() <= 1.0
    assert corrected.min() == pytest.approx(min(1.0, 30 * p.min()))
    assert (np.diff(corrected[np.argsort(p)]) >= 0.0).all()


def test_labels_are_words_without_units() -> None:
    assert input_label("in.model.viscosity_mPa_s") == "agent viscosity"
    assert input_label("in.patient.calibre_factor") == "calibre factor"
    assert input_label("in.tip.offset_mm") == "tip offset"
    assert input_label("in.catheter.hub_compliance_uL_kPa") == "catheter hub compliance"
    assert "paraspinal" in input_label("found.paraspinal_calibre_mm")
    for prior in bundled_priors():
        label = input_label(f"in.{prior.field}")
        assert "_" not in label
        assert not label.endswith((" Pa", " mm", " s", " mL min", " mmHg", " kPa"))
