"""Microcatheters and the syringe behind them."""

import math

import pytest

from castsim.catheters import CATHETER_NAMES, load_catheter, poiseuille_resistance
from castsim.errors import ScenarioError
from castsim.units import PA_PER_PSI, uL_s_from_mL_min

ONYX_18 = 0.025


def test_55_psi_through_a_uniform_marathon() -> None:
    """25 mPa.s at 0.16 mL/min through 0.33 mm x 165 cm takes 55 psi (pi d^4 / 128 mu L)."""
    pressure = poiseuille_resistance(ONYX_18, 0.33, 1650.0) * uL_s_from_mL_min(0.16)
    assert pressure / PA_PER_PSI == pytest.approx(55.0, rel=0.01)


def test_resistance_goes_with_viscosity_length_and_the_fourth_power() -> None:
    one = poiseuille_resistance(ONYX_18, 0.4, 1500.0)
    assert poiseuille_resistance(2 * ONYX_18, 0.4, 1500.0) == pytest.approx(2 * one)
    assert poiseuille_resistance(ONYX_18, 0.4, 3000.0) == pytest.approx(2 * one)
    assert poiseuille_resistance(ONYX_18, 0.8, 1500.0) == pytest.approx(one / 16)


@pytest.mark.parametrize("name", CATHETER_NAMES)
def test_catheters_are_physical(name: str) -> None:
    catheter = load_catheter(name)
    lumen = math.pi / 4 * catheter.lumen_diameter**2 * catheter.length
    # the lumen tapers: its mean may exceed the outer diameter of the tip, not that of the shaft
    assert 0.2 < catheter.lumen_diameter < catheter.proximal_diameter < 1.1
    assert catheter.outer_diameter <= catheter.proximal_diameter
    assert lumen < catheter.dead_space
    assert 300e3 < catheter.hub_pressure_limit <= catheter.thumb_pressure
    assert catheter.resistance(ONYX_18) > 0


def test_the_thumb_is_the_limit_where_the_rating_is_higher_or_unknown() -> None:
    assert load_catheter("Marathon").hub_pressure_limit == pytest.approx(100 * PA_PER_PSI)
    for name in ("Scepter C", "Sonic 1.2F"):
        catheter = load_catheter(name)
        assert catheter.hub_pressure_limit == catheter.thumb_pressure == pytest.approx(1.15e6)
    assert load_catheter("Sonic 1.2F").pressure_limit == math.inf


def test_hub_stores_what_a_pause_lets_out() -> None:
    """8-38 uL at the pressures of 0.16-0.3 mL/min, time constant 3-14 s, in the table's range."""
    catheter = load_catheter("Marathon")
    pressure = catheter.resistance(ONYX_18) * uL_s_from_mL_min(0.16)
    assert 8.0 < catheter.hub_compliance * pressure < 38.0
    assert 3.0 < catheter.hub_compliance * catheter.resistance(ONYX_18) < 14.0


def test_only_balloon_catheters_have_balloons() -> None:
    assert {n for n in CATHETER_NAMES if load_catheter(n).balloon_length} == {
        "Scepter C",
        "Scepter XC",
        "Scepter Mini",
    }


def test_unknown_catheter_is_told_the_nearest() -> None:
    with pytest.raises(ScenarioError, match=r"did you mean 'Marathon'\?"):
        load_catheter("Maraton")
