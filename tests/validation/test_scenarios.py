"""Every bundled scenario runs to its end with an exact balance, and again to the same bytes."""

import pytest

import castsim
from castsim.metrics import summarise
from castsim.scenario_file import bundled_names, load_scenario


@pytest.mark.parametrize("name", bundled_names())
def test_bundled_scenarios_run(name: str) -> None:
    report = summarise(castsim.run(name))
    planned = load_scenario(name).injection.protocol().volume / 1000.0
    assert report["volume_balance_error"] <= 1e-9
    assert 0 < report["injected_mL"] <= planned * (1 + 1e-6)
    assert report["coverage"]["coverable_deg"] >= 330.0
    assert not report["truncated"]


@pytest.mark.slow
@pytest.mark.parametrize("name", bundled_names())
def test_equal_seeds_give_equal_casts(name: str) -> None:
    first, again = (dict(summarise(castsim.run(name))) for _ in range(2))
    assert {**first, "timing_s": 0} == {**again, "timing_s": 0}


def test_quasistatic_mode_and_progress() -> None:
    told: list[tuple[str, float]] = []
    scenario = load_scenario("right-t9", ["injection.volume_mL=0.05", "injection.mode=quasistatic"])
    report = summarise(castsim.run(scenario, progress=lambda *news: told.append(news)))
    assert report["volume_balance_error"] <= 1e-9
    assert report["injected_mL"] == pytest.approx(0.05)
    assert list(dict.fromkeys(stage for stage, _ in told)) == [
        "geometry",
        "mesh",
        "flow",
        "injection",
    ]
    assert all(0.0 <= done <= 1.0 for _, done in told)
