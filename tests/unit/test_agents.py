"""Agents: the tables read as physics expects them, glues refused."""

import csv
import math
from importlib.resources import files

import pytest

from castsim.agents import AGENT_NAMES, agent_name, load_agent
from castsim.errors import ScenarioError
from castsim.tables import read_priors

EXPECTED = (
    *("Onyx 18", "Onyx 34", "Onyx HD-500", "Squid 12", "Squid 18", "Squid 34"),
    *("PHIL 25", "PHIL 30", "PHIL 35"),
)


def rows(table: str) -> list[dict[str, str]]:
    text = (files("castsim") / "data" / f"{table}.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def test_every_agent_of_the_makers_is_there() -> None:
    assert set(EXPECTED) <= set(AGENT_NAMES)


def test_onyx_18_in_inner_units() -> None:
    """mm, s, g: 25 mPa.s, 1.43 g/mL, 0.3 mL/min, 50 kPa, as in the tables."""
    onyx = load_agent("Onyx 18")
    assert onyx.viscosity == pytest.approx(0.025)
    assert onyx.density == pytest.approx(1.43e-3)
    assert onyx.max_rate == pytest.approx(5.0)
    assert onyx.max_pause == 120.0
    assert onyx.diffusivity == pytest.approx(0.3e-3)
    assert onyx.wall_strength == pytest.approx(50e3)
    assert onyx.dmso_max_dose == pytest.approx(800.0)


@pytest.mark.parametrize("name", AGENT_NAMES)
def test_agents_are_physical(name: str) -> None:
    agent = load_agent(name)
    blood_density, water_viscosity = 1.06e-3, 0.7e-3
    assert agent.name == name
    assert agent.density > blood_density
    assert agent.viscosity > water_viscosity
    assert 0 < agent.diffusivity_enclosed_factor < 1 < agent.diffusivity_swept_factor
    assert all(
        math.isfinite(value) and value > 0
        for value in vars(agent).values()
        if not isinstance(value, str)
    )


def test_gel_time_of_a_1_mm_vein_is_the_makers() -> None:
    """0.113 R2/D = 95 s for Onyx in a 1 mm vein; PHIL sets three times as fast."""
    gel_s = {name: 0.113 * 0.5**2 / load_agent(name).diffusivity for name in ("Onyx 18", "PHIL 25")}
    assert gel_s["Onyx 18"] == pytest.approx(95.0, rel=0.02)
    assert gel_s["PHIL 25"] == pytest.approx(gel_s["Onyx 18"] / 3)


def test_viscosity_rises_with_the_polymer() -> None:
    order = ["Onyx 18", "Onyx 34", "Onyx HD-500"]
    viscosity = [load_agent(name).viscosity for name in order]
    assert viscosity == sorted(viscosity)
    assert len(set(viscosity)) == len(order)


def test_letter_case_and_spaces_do_not_matter() -> None:
    assert agent_name("  onyx   18 ") == "Onyx 18"


@pytest.mark.parametrize("glue", ["nBCA", "nBCA:oil 1:3", "Glubran 2", "n-butyl cyanoacrylate"])
def test_glue_is_refused_with_the_reason(glue: str) -> None:
    with pytest.raises(ScenarioError, match="polymerises and is not modelled"):
        agent_name(glue)


def test_unknown_agent_is_told_the_nearest() -> None:
    with pytest.raises(ScenarioError, match=r"unknown agent 'Onix 18'; did you mean 'Onyx 18'\?"):
        agent_name("Onix 18")


def test_own_rows_go_before_those_for_all() -> None:
    assert read_priors("PHIL")["diffusivity"].median != read_priors("EVOH")["diffusivity"].median
    assert read_priors("PHIL")["tension"] == read_priors("EVOH")["tension"]


@pytest.mark.parametrize(
    "row", rows("skin_parameters"), ids=lambda r: f"{r['family']}-{r['parameter']}"
)
def test_priors_hold_their_medians(row: dict[str, str]) -> None:
    assert 0 < float(row["low"]) <= float(row["median"]) <= float(row["high"])
    assert row["source"]
    assert row["status"]
