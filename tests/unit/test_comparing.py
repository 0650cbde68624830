"""Differences between arms: exact small cases, coverage of the intervals, what is left out."""

import itertools
import json
import math
from dataclasses import replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from scipy import stats

from castsim.console import print_comparison
from castsim.ensembles.compare_page import compare_page
from castsim.ensembles.compare_plots import PANELS, look, side_by_side
from castsim.ensembles.compare_report import change_text, compare_report
from castsim.ensembles.compare_schema import SCHEMA, CompareReport
from castsim.ensembles.comparing import (
    COMMON,
    MEANS,
    OWN,
    Comparison,
    Interval,
    compare_plans,
    paired_means,
    paired_shares,
)
from castsim.ensembles.plan_files import write_comparison
from castsim.ensembles.plan_schema import schema_text
from castsim.ensembles.planning import Plan, make_plan
from castsim.ensembles.reading import rows_of
from castsim.ensembles.store import Store
from castsim.ensembles.study import load_arm, name_arms
from castsim.ensembles.targets import Targets
from castsim.errors import ResultError, ScenarioError
from castsim.pages.figures import figure_of
from castsim.schema import DISCLAIMER
from tests.ensembles import made_up_store

NAMES = ("right-t9", "right-t9-segmental", "right-t9-balloon")
FILES = ("compare.json", "compare.html", "comparison.png", "comparison.svg")
FAILING = {"right-t9": {5, 7}, "right-t9-balloon": {7, 9}}


def plans_of(store: Store, n_draws: int = 32) -> dict[str, Plan]:
    return {arm: make_plan(store, arm, n_draws, Targets.default()) for arm in store.study.arms}


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("plans") / "compare"
    return compare_plans(plans_of(made_up_store(folder, name_arms(NAMES, []), failing=FAILING)))


@pytest.fixture(scope="module")
def report(comparison: Comparison) -> dict[str, Any]:
    return compare_report(comparison)


def pairs(both: int, here: int, there: int, neither: int) -> tuple[Any, Any]:
    counts = (both, here, there, neither)
    return tuple(
        np.repeat(np.array(values, dtype=bool), counts) for values in ([1, 1, 0, 0], [1, 0, 1, 0])
    )


def test_shares_turn_with_their_arms() -> None:
    for counts in itertools.product(range(4), repeat=4):
        if not sum(counts):
            continue
        here, there = pairs(*counts)
        one, other = paired_shares(here, there), paired_shares(there, here)
        assert one.low is not None
        assert one.high is not None
        assert other.low is not None
        assert other.high is not None
        assert one.estimate == -other.estimate == (counts[1] - counts[2]) / sum(counts)
        assert one.low == pytest.approx(-other.high)
        assert -1.0 <= one.low <= one.estimate <= one.high <= 1.0
        assert one.high > one.low, "no difference is known for certain"


def test_pairs_that_hang_together_say_more() -> None:
    together, apart = pairs(45, 10, 2, 43), pairs(26, 29, 21, 24)
    first, second = paired_shares(*together), paired_shares(*apart)
    assert first.estimate == pytest.approx(second.estimate)
    assert first.low is not None
    assert first.high is not None
    assert second.low is not None
    assert second.high is not None
    assert first.high - first.low < 0.7 * (second.high - second.low)


@pytest.mark.parametrize(
    "chances", [(0.4, 0.2, 0.1, 0.3), (0.05, 0.05, 0.05, 0.85), (0.5, 0.3, 0.02, 0.18)]
)
def test_intervals_hold_the_truth_19_times_of_20(chances: tuple[float, ...]) -> None:
    """Every table of 20 pairs with its exact probability; nothing is drawn."""
    n, truth = 20, chances[1] - chances[2]
    held = 0.0
    for counts in itertools.product(range(n + 1), repeat=3):
        if sum(counts) > n:
            continue
        table = (*counts, n - sum(counts))
        one = paired_shares(*pairs(*table))
        assert one.low is not None
        assert one.high is not None
        if one.low <= truth <= one.high:
            log = math.lgamma(n + 1) - sum(math.lgamma(count + 1) for count in table)
            log += sum(count * math.log(p) for count, p in zip(table, chances, strict=True))
            held += math.exp(log)
    assert 0.935 <= held <= 1.0


def test_means_are_those_of_the_paired_t_test() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=30)
    y = x + rng.normal(0.3, 0.1, size=30)
    one, peer = paired_means(y, x), stats.ttest_rel(y, x).confidence_interval(0.95)
    assert (one.low, one.high) == pytest.approx((peer.low, peer.high))
    assert one.excludes_zero


def test_no_interval_is_made_up() -> None:
    for values in ([0.5], [0.0, 0.0, 0.0]):
        one = paired_means(np.array(values), np.zeros(len(values)))
        assert (one.low, one.high) == (None, None)
        assert not one.excludes_zero
    row = {"difference": {"estimate": 0.0, "low": None, "high": None}, "unit": "mL"}
    assert change_text(row) == "0.000 [not known]"


def test_draws_that_failed_in_one_arm_are_left_out_of_its_pairs(comparison: Comparison) -> None:
    segmental, balloon = comparison.pairings
    assert (segmental.pairs, segmental.left_out) == (30, 2)
    assert (balloon.pairs, balloon.left_out) == (29, 3)
    assert {one.against for one in comparison.pairings} == {"right-t9"}


def test_differences_are_those_of_the_same_draws(comparison: Comparison) -> None:
    plans = comparison.plans
    first, other = plans["right-t9"], plans["right-t9-segmental"]
    k = int(np.abs(first.volumes_mL - comparison.common_mL).argmin())
    values = {}
    for plan in (first, other):
        rows = rows_of(plan.store, ("azygos_mL",), plan.draws, plan.arm).to_pylist()
        values[plan.arm] = {r["draw"]: r["azygos_mL"][k] for r in rows if not r["error"]}
    both = set(values["right-t9"]) & set(values["right-t9-segmental"])
    change = [values["right-t9-segmental"][d] - values["right-t9"][d] for d in sorted(both)]
    (mean,) = (one for one in comparison.pairings[0].common if one.quantity == "azygos_mL")
    assert mean.difference.estimate == pytest.approx(np.mean(change), abs=1e-6)
    (reflux,) = (one for one in comparison.pairings[0].common if one.quantity == "azygos_reflux")
    here, there = (
        np.mean([values[arm][d] >= 0.01 for d in sorted(both)])
        for arm in ("right-t9-segmental", "right-t9")
    )
    assert reflux.value.estimate == pytest.approx(here)
    assert reflux.difference.estimate == pytest.approx(here - there)
    assert reflux.difference.estimate < 0.0, "made up so that later arms reflux later"


def test_each_arm_is_read_at_its_own_volume_and_at_a_common_one(comparison: Comparison) -> None:
    for pairing in comparison.pairings:
        assert tuple(one.quantity for one in pairing.own) == OWN
        assert tuple(one.quantity for one in pairing.common) == (*COMMON, *MEANS)
        for one in pairing.own:
            assert one.volume_mL == comparison.plans[pairing.arm].recommended_mL
            assert one.against_volume_mL == comparison.plans["right-t9"].recommended_mL
        for one in pairing.common:
            assert one.volume_mL == one.against_volume_mL == comparison.common_mL


def test_the_common_volume_is_on_the_grid_and_in_it(comparison: Comparison) -> None:
    assert compare_plans(comparison.plans, common_mL=0.709).common_mL == pytest.approx(0.70)
    for volume in (0.0, 2.5, -1.0):
        with pytest.raises(ScenarioError, match=r"--at-ml .*must lie between 0 and 2 mL"):
            compare_plans(comparison.plans, common_mL=volume)


def test_one_arm_is_no_comparison(comparison: Comparison) -> None:
    with pytest.raises(ScenarioError, match="two arms or more"):
        compare_plans({"right-t9": comparison.plans["right-t9"]})


def test_patients_whom_one_arm_cannot_reach_are_left_out_and_told(tmp_path: Path) -> None:
    lacking = {"right-t9": {1}, "right-t9-segmental": {1, 2, 3}}
    store = made_up_store(
        tmp_path, name_arms(NAMES[:2], []), 32, failing={"right-t9": {2, 4}}, lacking=lacking
    )
    one = compare_plans(plans_of(store))
    (pairing,) = one.pairings
    # draw 2 failed in one and cannot be reached in the other: of it nothing is known
    assert (pairing.pairs, pairing.left_out, pairing.unreachable) == (28, 2, 2)
    told = compare_report(one)
    assert [line.partition(" %")[0] for line in told["first"]] == [
        "right-t9: 2 of 32 draws failed and count nowhere below: the others may not stand for all.",
        "right-t9: In 3",
        "right-t9-segmental: In 9",
    ]
    limits = " ".join(told["limits"])
    assert "2 of 32 patients cannot be reached in one or both and are left out" in limits
    page = compare_page(told)
    assert "Not reached: right-t9-segmental" in page
    assert "<b>draw 3</b>" not in page


def test_arms_without_a_common_draw_are_refused(tmp_path: Path) -> None:
    failing = {"right-t9": {0, 1}, "right-t9-segmental": {2, 3}}
    store = made_up_store(tmp_path, name_arms(NAMES[:2], []), 4, failing=failing)
    with pytest.raises(ResultError, match="no draw came to its end in both"):
        compare_plans(plans_of(store, 4))


def test_an_arm_that_is_never_safe_has_no_risks_at_a_volume_of_its_own(tmp_path: Path) -> None:
    store = made_up_store(tmp_path, name_arms(NAMES[:2], []), covers=False)
    (pairing,) = compare_plans(plans_of(store)).pairings
    assert [one.quantity for one in pairing.own] == ["covered_and_safe"]
    told = compare_report(compare_plans(plans_of(store)))["summary"][0]
    assert told.count("no volume to recommend: covered and safe in no draw up to 2.00 mL") == 2


def test_where_success_does_not_decide_the_risks_are_told(tmp_path: Path) -> None:
    """The later arm refluxes later: which is all that can tell them apart if neither covers."""
    names = NAMES[:2]

    def told(folder: str, covers: bool | dict[str, bool], draws: int) -> str:
        store = made_up_store(tmp_path / folder, name_arms(names, []), draws, covers=covers)
        one = compare_plans(plans_of(store, draws), common_mL=0.8)
        return str(compare_report(one)["summary"][0])

    neither = told("neither", False, 96)
    assert neither.count("no volume to recommend: covered and safe in no draw up to 2.00 mL") == 2
    start = " cannot tell which is the better, but risks differ by 0.80 mL in both: azygos reflux −"
    assert start in neither
    one = told("one", {names[0]: False, names[1]: True}, 96)
    assert one.count("no volume to recommend") == 1
    assert "cannot tell" not in one
    few = told("few", True, 4)
    assert few.endswith("cannot tell which is the better, nor by the risks.")


def test_risks_that_differ_at_each_arms_own_volume_are_named(comparison: Comparison) -> None:
    pairing = comparison.pairings[0]
    unsure, sure = Interval(0.0, -0.1, 0.1), Interval(-0.2, -0.3, -0.1)
    changed = replace(
        pairing,
        own=tuple(
            replace(one, difference=sure if one.quantity == "azygos_reflux" else unsure)
            for one in pairing.own
        ),
    )
    told = compare_report(replace(comparison, pairings=(changed,)))["summary"][0]
    assert told.endswith(
        "By this these draws cannot tell which is the better, but risks differ: azygos reflux "
        "−20.0 [−30.0 to −10.0] percentage points."
    )


def test_the_published_schema_is_up_to_date() -> None:
    """Refresh: python -m castsim.ensembles.compare_schema > castsim/data/compare.schema.json."""
    published = (files("castsim") / "data" / "compare.schema.json").read_text("utf-8")
    assert published == schema_text(CompareReport, SCHEMA)


def test_the_report_fits_the_schema(report: dict[str, Any]) -> None:
    schema = json.loads((files("castsim") / "data" / "compare.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(report, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**report, "pairings": None}, schema)
    assert [arm["name"] for arm in report["arms"]] == [*NAMES]


def test_every_sentence_has_its_intervals(report: dict[str, Any]) -> None:
    for line, pairing in zip(report["summary"], report["pairings"], strict=True):
        assert line.startswith(f"{pairing['arm']} (")
        assert ") against right-t9 (" in line
        assert line.count("[") == 3
        cannot_tell = "cannot tell" in line
        assert cannot_tell != pairing["own"][0]["excludes_zero"]
    assert "3 of 32 draws failed" in report["limits"][-1]


def test_the_page_shows_every_arm_and_no_script(tmp_path: Path) -> None:
    nasty = "a<script>b"
    arms = {nasty: load_arm("right-t9"), "other": load_arm("right-t9-segmental")}
    report = compare_report(compare_plans(plans_of(made_up_store(tmp_path, arms))))
    page = compare_page(report)
    assert "<script" not in page
    assert "a&lt;script&gt;b" in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("<svg") == len(PANELS) + 2
    assert page.count(DISCLAIMER) == 3


def test_the_picture_has_a_line_for_every_arm(report: dict[str, Any]) -> None:
    figure = figure_of(partial(side_by_side, report=report), 12.0, 7.6)
    assert len(figure.axes) == len(PANELS) + 2
    for axes, event in zip(figure.axes, PANELS, strict=False):
        lines = {str(line.get_label()): line for line in axes.get_lines()}
        for arm in report["arms"]:
            shown = 100.0 * np.array(arm["chances"][event]["estimate"])
            assert lines[arm["name"]].get_ydata() == pytest.approx(shown.tolist())
        assert axes.get_ylim() == (0.0, 100.0)
    low, high = figure.axes[-1].get_xlim()
    assert low == -high
    assert len({str(look(place)) for place in range(12)}) == 12


def test_same_comparison_same_bytes(tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        store = made_up_store(tmp_path / name, name_arms(NAMES[:2], []))
        written = write_comparison(compare_plans(plans_of(store)))
        assert written.files == FILES
        contents.append([(store.folder / file).read_bytes() for file in FILES])
    assert contents[0] == contents[1]


def test_the_terminal_shows_all_pairs(
    report: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    print_comparison(report, FILES, "plans/x")
    out = capsys.readouterr().out
    assert all(line in out for line in (*report["summary"], *report["limits"]))
    rows = [line for line in out.splitlines() if line.startswith("│")]
    assert len(rows) == 2 * (2 + len(OWN) + len(COMMON) + len(MEANS))
    assert all(len(row) <= 110 for row in rows)
    assert "right-t9-segmental against right-t9, 30 pairs" in out
    assert "Wrote plans/x: compare.json, compare.html" in out
    assert out.rstrip().endswith(DISCLAIMER)
