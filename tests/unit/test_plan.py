"""A plan says what its draws are: recommendation, window, marks, table and words."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from castsim.ensembles.columns import CURVES
from castsim.ensembles.curves import EVENTS, mark, wilson
from castsim.ensembles.outcome import curves
from castsim.ensembles.planning import Plan, make_plan
from castsim.ensembles.recommending import recommend
from castsim.ensembles.study import load_arm
from castsim.ensembles.summary import VALIDATION, percent, summarise
from castsim.ensembles.targets import Targets
from castsim.errors import ResultError, ScenarioError
from castsim.simulate import run
from castsim.units import UL_PER_ML
from tests.ensembles import ARM, NEVER, plan_of, store_of, study

VOLUMES = 0.02 * np.arange(1, 51)
SHARE_WITH_INTERVAL = re.compile(r"[\d.]+ % \[[\d.]+–[\d.]+ %\]")
BARE_SHARE = re.compile(r"(?<![\d.–])(0|100) %(?! \[)(?!\])")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Of 40 draws 30 succeed from 0.30 to 0.50 mL, 5 never cover, 5 reflux at once."""
    covers = [0.3] * 30 + [NEVER] * 5 + [0.3] * 5
    refluxes = [0.5] * 30 + [NEVER] * 5 + [0.02] * 5
    return plan_of(tmp_path_factory.mktemp("good") / "plan", covers, refluxes)


def test_the_least_of_the_best_volumes_is_recommended(good: Plan) -> None:
    assert good.recommended_mL == pytest.approx(0.30)
    assert good.window_mL == pytest.approx((0.30, 0.48))
    assert good.recommended_interval_mL == pytest.approx((0.30, 0.30))
    assert good.at("covered_and_safe")[0] == 0.75
    assert good.at("covered")[0] == 35 / 40
    assert good.at("azygos_reflux", 0.5)[0] == 35 / 40
    assert good.recommendation is not None
    assert good.recommendation.other_stretches == ()
    assert good.recommendation.optimism == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("volume", [5.0, 1.02, 0.0, -0.3, np.nan, np.inf])
def test_what_was_not_simulated_cannot_be_read(volume: float, good: Plan) -> None:
    for read in (lambda: good.at("covered", volume), lambda: good.to_dataframe(volume)):
        with pytest.raises(
            ScenarioError, match=r"volume_mL = .*must lie above 0 and go up to 1 mL"
        ):
            read()
    assert good.at("covered", 1.0) == good.at("covered", 0.995)
    with pytest.raises(ScenarioError, match="unknown event 'coverd'; did you mean 'covered'"):
        good.at("coverd")


def test_rules_that_stop_are_said_to_be_left_out(tmp_path: Path) -> None:
    rules = (
        'injection.rules=[{when="azygos_reflux"}, {when="coverage"}, {when="azygos_reflux", '
        'volume_mL=0.5}, {when="catheter_reflux", action="pause"}]'
    )
    of = replace(study(), arms={ARM: load_arm(ARM, [rules])})
    told = summarise(plan_of(tmp_path / "x", [0.3] * 100, [0.5] * 100, of=of)).first
    assert told[0] == (
        "The scenario's rules that stop the injection (azygos_reflux, coverage) are not followed: "
        "every draw goes on to 1.00 mL, so that risks are those of going on."
    )
    pauses = 'injection.rules=[{when="catheter_reflux", action="pause"}]'
    of = replace(study(), arms={ARM: load_arm(ARM, [pauses])})
    assert summarise(plan_of(tmp_path / "y", [0.3] * 100, [0.5] * 100, of=of)).first == (
        VALIDATION,
    )


def test_events_exclude_each_other(good: Plan) -> None:
    frame = good.to_dataframe(0.3)
    assert frame["covered_and_safe"].sum() == 30
    assert not (frame["covered_and_safe"] & frame["azygos_reflux"]).any()


def test_marks_have_intervals(good: Plan) -> None:
    covered, reflux = good.mark("covered"), good.mark("azygos_reflux")
    assert covered.volume_mL == pytest.approx(0.30)
    assert covered.low_mL == covered.high_mL == covered.volume_mL
    assert not covered.first
    # 5 of 40 at once: estimate above a tenth, lower end of the interval below it
    assert reflux.first
    assert reflux.volume_mL == reflux.low_mL == pytest.approx(0.02)
    assert reflux.high_mL == pytest.approx(0.50)
    never = good.mark("hazard")
    assert never.volume_mL is None
    assert never.high_mL is None


def test_a_mark_is_the_quantile_of_the_volumes() -> None:
    first = np.random.default_rng(3).choice(VOLUMES, 200)
    one = mark("covered", wilson((first[:, None] <= VOLUMES).sum(0), 200), VOLUMES, 0.1)
    # the tenth part has covered with the 20th smallest volume
    assert one.volume_mL == np.sort(first)[19]
    assert one.low_mL is not None
    assert one.high_mL is not None
    assert one.low_mL < one.volume_mL < one.high_mL


def test_of_volumes_that_cannot_be_told_apart_the_least_is_recommended() -> None:
    """One more success at a larger volume is no reason to inject twice as much."""
    success = np.zeros((128, 50), dtype=bool)
    success[:14, 6:15] = True
    success[14, 13] = True
    one = recommend(success, VOLUMES, 0)
    assert one is not None
    assert one.volume == pytest.approx(0.14)
    assert one.best == pytest.approx(0.28)
    assert one.window == pytest.approx((0.14, 0.30))
    # six more are one
    success[14:20, 13] = True
    one = recommend(success, VOLUMES, 0)
    assert one is not None
    assert one.volume == one.best == pytest.approx(0.28)


def test_the_first_words_say_what_validation_shows() -> None:
    """If these rows no longer fail, read `summary.VALIDATION` again."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "validation.md").read_text("utf-8")
    for criterion in ("share of what can be covered that is, 1 mL", "agent in the azygos system"):
        rows = [line for line in page.splitlines() if f"| {criterion}" in line]
        assert rows
        assert all("**fails**" in row for row in rows)


def test_without_success_no_volume_is_recommended(tmp_path: Path) -> None:
    plan = plan_of(tmp_path / "none", [NEVER] * 40, [0.5] * 40)
    assert plan.recommendation is plan.recommended_mL is plan.window_mL is None
    assert plan.recommended_interval_mL is None
    assert plan.decided_mL == pytest.approx(1.0)
    words = summarise(plan)
    assert words.headline.startswith("No volume up to 1.00 mL can be recommended")
    assert "0 % [0–9 %]" in words.headline
    assert "Inject" not in " ".join(words.lines)
    assert plan.drivers["covered_and_safe"].rows == ()


@pytest.mark.parametrize("draws", [1, 2, 9])
def test_few_draws_are_not_sure_of_their_volume(tmp_path: Path, draws: int) -> None:
    plan = plan_of(tmp_path / "few", [0.3] * draws, [0.5] * draws)
    assert plan.recommended_mL == pytest.approx(0.30)
    assert plan.recommended_interval_mL is None
    words = summarise(plan)
    assert words.headline.startswith(
        "Best of the volumes tried, on few successes: 0.30 mL out of the tip (window"
    )
    assert "100 % [" in words.headline
    assert any("too few to say how sure" in line for line in words.limits)
    assert words.drivers == ("What drives the outcome cannot be told from so few draws.",)


def test_noise_does_not_cut_a_window_but_a_clear_dip_does() -> None:
    success = np.zeros((100, 50), dtype=bool)
    success[:50, 10:20] = True
    success[:44, 13] = False  # clear: 6 of 100 remain
    one = recommend(success, VOLUMES, 0)
    assert one is not None
    assert one.window == pytest.approx((0.22, 0.26))
    assert one.other_stretches == (pytest.approx((0.30, 0.40)),)
    success[:44, 13] = True
    success[:6, 13] = False  # 44 against 45 of 100: a dip like this is noise
    one = recommend(success, VOLUMES, 0)
    assert one is not None
    assert one.window == pytest.approx((0.22, 0.40))
    assert one.other_stretches == ()


def test_failed_draws_count_nowhere_and_are_told_first(tmp_path: Path) -> None:
    errors = {3: "SolverError: no", 50: "GeometryError: none"}
    plan = plan_of(tmp_path / "failed", [0.3] * 100, [0.5] * 100, errors=errors)
    assert plan.errors == errors
    assert plan.simulated == 98
    assert plan.at("covered") == pytest.approx((1.0, 0.9623, 1.0), abs=1e-4)
    assert plan.failures_told_first
    assert summarise(plan).lines[0].startswith("2 of 100 draws failed")
    frame = plan.to_dataframe()
    assert frame.loc[[3, 50], "covered"].isna().all()
    assert frame.loc[[3, 50], "coverage_deg"].isna().all()
    assert frame["covered"].sum() == 98
    one = plan_of(tmp_path / "one", [0.3] * 100, [0.5] * 100, errors={3: "SolverError: no"})
    assert not one.failures_told_first
    assert summarise(one).first == (VALIDATION,)
    assert any("1 of 100 draws failed" in line for line in summarise(one).limits)


def test_patients_who_cannot_be_reached_are_a_result(tmp_path: Path) -> None:
    lacking = {
        3: "UnreachableError: right-t9: tip: no foraminal T9 right in this anatomy; it is at: T8",
        7: "UnreachableError: right-t9: tip: no foraminal T9 right in this anatomy; it is at: T7",
        9: "UnreachableError: right-t9: catheter: no way to the tip",
    }
    errors = {50: "SolverError: no"}
    plan = plan_of(tmp_path / "x", [0.3] * 101, [0.5] * 101, errors=errors, unreachable=lacking)
    assert plan.errors == errors
    assert plan.unreachable == lacking
    assert (plan.computed, plan.simulated) == (100, 97)
    assert plan.unreachable_share == pytest.approx((0.03, 0.0103, 0.0845), abs=1e-4)
    # of 97, and not of 100 or 101
    assert plan.at("covered")[1] == pytest.approx(wilson(np.array([97]), 97).low[0])
    words = summarise(plan)
    assert words.first == (
        "In 3 % [1–8 %] of 100 random patients this cannot be carried out (2 of 3: "
        "tip: no foraminal T9 right in this anatomy). All chances are those of the 97 patients "
        "reached.",
        VALIDATION,
    )
    assert "of patients reached; azygos" in words.headline
    assert any("1 of 101 draws failed" in line for line in words.limits)
    frame = plan.to_dataframe()
    assert frame["unreachable"].sum() == 3
    assert frame.loc[[3, 7, 9, 50], "covered"].isna().all()
    assert frame["covered"].sum() == 97


def test_the_edge_of_what_is_simulated_is_told_first_where_many_reach_it(tmp_path: Path) -> None:
    def plan(name: str, count: int) -> Plan:
        edge = [True] * count + [False] * (200 - count)
        return plan_of(tmp_path / name, [0.3] * 200, [0.5] * 200, truncated=edge)

    few, many = summarise(plan("few", 2)), summarise(plan("many", 3))
    assert few.first == (VALIDATION,)
    told = "Agent came to the edge of what is simulated in 1 % [0.3–4 %] of 200 simulated patients"
    assert any(told in line for line in few.limits)
    assert many.first[0].startswith(told.replace("1 % [0.3", "2 % [0.5"))
    assert not any("edge" in line for line in many.limits)


def test_if_nobody_can_be_reached_there_is_no_plan(tmp_path: Path) -> None:
    lacking = {0: "UnreachableError: no vein", 1: "UnreachableError: no vein"}
    store = store_of(
        tmp_path / "x", [0.3] * 3, [0.5] * 3, errors={2: "SolverError: b"}, unreachable=lacking
    )
    told = "1 failed, the first with: SolverError: b; 2 cannot be reached, the first with: Unr"
    with pytest.raises(ResultError, match=f"none of 3 draws came to its end: {told}"):
        make_plan(store, ARM, 3, Targets.default())


def test_if_all_draws_fail_there_is_no_plan(tmp_path: Path) -> None:
    store = store_of(tmp_path / "all", [0.3] * 3, [0.5] * 3, errors=dict.fromkeys(range(3), "no"))
    with pytest.raises(
        ResultError, match="none of 3 draws came to its end: 3 failed, the first with: no"
    ):
        make_plan(store, ARM, 3, Targets.default())


def test_a_run_that_ends_early_is_stopped(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path / "stopped",
        [NEVER] * 4,
        [NEVER] * 4,
        # stalled; ended by something else; held back by slack; whole
        injected_mL=[0.31, 0.5, 0.999, 1.0],
        stalled=[True, False, False, False],
    )
    frame = plan.to_dataframe(0.3)
    assert not frame["stopped"].any()
    assert plan.to_dataframe(0.32)["stopped"].tolist() == [True, False, False, False]
    assert plan.to_dataframe(1.0)["stopped"].tolist() == [True, True, False, False]


def test_curves_are_level_after_the_run_has_ended() -> None:
    cast = run("right-t9", seed=1)
    after = cast.injected * np.array([1.0, 1.0 + 1e-9, 1.5, 10.0])
    for name, values in curves(cast, after).items():
        assert (values == values[0]).all(), name
    held = cast.saturation_at(10.0 * cast.injected)
    assert held == pytest.approx(cast.saturation, abs=1e-12)
    end = curves(cast, after)["azygos_mL"][-1]
    assert end == pytest.approx(cast.injection.log["azygos"][-1] / UL_PER_ML)


def test_the_frame_has_one_tidy_row_a_draw(good: Plan) -> None:
    frame = good.to_dataframe()
    assert frame["draw"].tolist() == list(range(40))
    assert (frame["volume_mL"] == good.recommended_mL).all()
    assert {*CURVES, *EVENTS} <= set(frame.columns)
    assert all(np.ndim(value) == 0 for value in frame.iloc[0])
    documented = Plan.to_dataframe.__doc__ or ""
    for name in ("draw", "patient_seed", "gate_seed", "error", "stalled", "truncated", "volume_mL"):
        assert name in frame.columns
        assert name in documented
    named = ("in.", "found.")
    assert sum(column.startswith(named) for column in frame.columns) > 20
    assert frame["coverage_deg"].tolist() == [360.0] * 30 + [100.0] * 5 + [360.0] * 5


# -- words ---------------------------------------------------------------------------------------


def test_the_first_sentence_has_volume_window_and_intervals(good: Plan) -> None:
    words = summarise(good)
    assert words.sentence == f"{VALIDATION} {words.headline}"
    assert words.headline.startswith(
        "Inject 0.30 mL [0.30–0.30 mL] out of the tip (window 0.30–0.48 mL): covered and "
        "safe in 75 % [60–86 %] of simulated patients; azygos reflux 12 % [5–26 %]; left towards "
        "the lungs 0 % [0–9 %]. Window: "
    )


def test_failure_is_told_where_it_is_likelier(tmp_path: Path) -> None:
    rare = plan_of(tmp_path / "rare", [0.3] * 20 + [NEVER] * 80, [0.5] * 100)
    assert summarise(rare).sentence.startswith(
        f"{VALIDATION} Failure is likelier than success at any volume. "
        "The least bad volume is 0.30 mL [0.30–0.30 mL] out of the tip"
    )
    # 49 % by the volume that is given, 51 % by the best: not unlikelier at *any* volume
    covers = [0.30] * 46 + [0.30] * 3 + [0.36] * 5 + [NEVER] * 46
    refluxes = [NEVER] * 46 + [0.34] * 3 + [NEVER] * 51
    mixed = plan_of(tmp_path / "mixed", covers, refluxes)
    assert (mixed.at("covered_and_safe")[0], mixed.recommended_mL) == (0.49, pytest.approx(0.3))
    assert mixed.at("covered_and_safe", 0.36)[0] == 0.51
    assert "Failure" not in summarise(mixed).sentence
    assert "Inject 0.30 mL" in summarise(mixed).headline
    even = plan_of(tmp_path / "even", [0.3] * 48 + [NEVER] * 52, [0.5] * 100)
    assert "reaches a half" in summarise(even).sentence
    sure = plan_of(tmp_path / "sure", [0.3] * 60 + [NEVER] * 40, [0.5] * 100)
    assert "Failure" not in summarise(sure).sentence


def test_marks_are_told_at_both_ends(tmp_path: Path) -> None:
    late = plan_of(tmp_path / "late", [NEVER] * 100, [NEVER] * 100)
    coverage, reflux = summarise(late).marks
    assert coverage == "Coverage is unlikely (less than 10 %) at every volume up to 1.00 mL."
    assert reflux == "Azygos reflux stays unlikely (less than 10 %) up to 1.00 mL."
    early = plan_of(tmp_path / "early", [0.02] * 100, [0.02] * 100)
    coverage, reflux = summarise(early).marks
    assert coverage.startswith("Coverage is at no volume unlikely")
    assert reflux.startswith("Azygos reflux is at no volume unlikely")
    usual = plan_of(tmp_path / "usual", [0.3] * 100, [0.5] * 100)
    assert summarise(usual).marks == (
        "Below 0.30 mL [0.30–0.30 mL] coverage is unlikely (less than 10 %).",
        "From 0.50 mL [0.50–0.50 mL] on, azygos reflux climbs to 10 % and more.",
    )


@pytest.mark.parametrize("covers", [0.02, 0.3, 0.9, NEVER])
@pytest.mark.parametrize("refluxes", [0.02, 0.5, NEVER])
@pytest.mark.parametrize("draws", [1, 3, 60])
def test_no_bare_certainty(tmp_path: Path, covers: float, refluxes: float, draws: int) -> None:
    plan = plan_of(tmp_path / "plan", [covers] * draws, [refluxes] * draws)
    words = summarise(plan)
    for line in words.lines:
        assert not BARE_SHARE.search(line), line
    assert SHARE_WITH_INTERVAL.search(words.headline)
    assert "simulated patient" in words.headline
    if plan.recommended_mL is not None:
        between = "" if plan.recommended_interval_mL is None else r" \[[0-9.–]+ mL\]"
        volume = rf"{plan.recommended_mL:.2f} mL{between} out of the tip \(window "
        assert re.search(volume, words.headline)


@pytest.mark.parametrize(
    ("count", "total", "text"),
    [
        (0, 1000, "0 % [0–0.4 %]"),
        (1000, 1000, "100 % [99.6–100 %]"),
        (1, 100_000, "0.001 % [0.0002–0.006 %]"),
        (99_999, 100_000, "99.999 % [99.994–99.9998 %]"),
        (500, 1000, "50 % [47–53 %]"),
    ],
)
def test_percents_do_not_round_to_certainty(count: int, total: int, text: str) -> None:
    one = wilson(np.array([count]), total)
    assert percent((one.estimate[0], one.low[0], one.high[0])) == text
