"""plan.json, plan.html and the pictures of a plan, from made-up draws."""

import json
import re
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from castsim.console import print_plan
from castsim.ensembles import plan_plots
from castsim.ensembles.curves import EVENTS
from castsim.ensembles.drivers import OUTCOMES
from castsim.ensembles.page_sections import range_of
from castsim.ensembles.plan_files import write_plan
from castsim.ensembles.plan_page import plan_page
from castsim.ensembles.plan_report import plan_report
from castsim.ensembles.plan_schema import PlanReport, checked, schema_text
from castsim.ensembles.planning import Plan, make_plan
from castsim.ensembles.store import Store
from castsim.ensembles.study import load_arm
from castsim.ensembles.summary import summarise
from castsim.ensembles.targets import Targets
from castsim.ensembles.wording import EVENT_NAMES
from castsim.errors import ResultError, SolverError
from castsim.pages.figures import DASHES, figure_of, spread
from castsim.schema import DISCLAIMER
from tests.ensembles import made_up_store

FILES = ("plan.json", "plan.html", "dose_response.png", "dose_response.svg")
NASTY = '<script>alert(1)</script> & $x_1 "quoted"'
VOID = {"meta", "link", "br", "wbr"}


def plan_of(store: Store, n_draws: int = 128) -> Plan:
    return make_plan(store, next(iter(store.study.arms)), n_draws, Targets.default())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("plans") / "right-t9"
    return made_up_store(folder, {"right-t9": load_arm("right-t9")})


@pytest.fixture(scope="module")
def report(store: Store) -> dict[str, Any]:
    return plan_report(plan_of(store))


@pytest.fixture(scope="module")
def hopeless(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """No draw is covered, one of 20 failed, and two cannot be reached."""
    folder = tmp_path_factory.mktemp("plans") / "hopeless"
    arms = {"hopeless": load_arm("right-t9", [f"title={json.dumps(NASTY)}"])}
    failing, lacking = {"hopeless": {3}}, {"hopeless": {5, 11}}
    store = made_up_store(folder, arms, 20, failing=failing, lacking=lacking, covers=False)
    return plan_report(plan_of(store, 20))


class Page(HTMLParser):
    """Checks that elements close in order; keeps texts, names and every address."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.names: set[str] = set()
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.handle_startendtag(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        for name, value in attrs:
            assert not name.startswith("on"), "a handler is a script"
            if name == "id":
                self.ids.append(value or "")
            if name in {"src", "href", "xlink:href", "srcset", "action", "data"}:
                self.addresses.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def test_the_published_schema_is_up_to_date() -> None:
    """Refresh: python -m castsim.ensembles.plan_schema > castsim/data/plan.schema.json."""
    assert (files("castsim") / "data" / "plan.schema.json").read_text("utf-8") == schema_text()


def test_reports_fit_the_published_schema(report: dict[str, Any], hopeless: dict[str, Any]) -> None:
    schema = json.loads((files("castsim") / "data" / "plan.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    for one in (report, hopeless):
        jsonschema.validate(one, schema)
        assert list(one) == [*schema["properties"]]
    for change in ({"extra": 1}, {"seed": -1}, {"disclaimer": None}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**report, **change}, schema)


def test_a_report_that_is_not_as_declared_is_refused(report: dict[str, Any]) -> None:
    with pytest.raises(SolverError, match=r"PlanReport: draws\.asked: .*greater than or equal"):
        checked(PlanReport, {**report, "draws": {**report["draws"], "asked": 0}})


def test_the_report_says_what_the_plan_says(store: Store, report: dict[str, Any]) -> None:
    plan = plan_of(store)
    best = plan.recommendation
    assert best is not None
    assert report["recommended"]["volume_mL"] == pytest.approx(best.volume, abs=1e-6)
    assert report["recommended"]["window_mL"] == pytest.approx(best.window, abs=1e-6)
    assert report["summary"]["headline"] == summarise(plan).headline
    assert set(report["chances"]) == set(EVENTS) == set(EVENT_NAMES)
    assert set(report["drivers"]) == set(OUTCOMES)
    for event, curve in report["chances"].items():
        assert curve["estimate"] == pytest.approx(plan.chances[event].estimate.tolist(), abs=1e-6)
        low, middle, high = (np.array(curve[key]) for key in ("low", "estimate", "high"))
        assert np.all((low <= middle) & (middle <= high))
    at = {one["what"]: one for one in report["at"]}
    assert at["recommended"]["chances"]["covered"]["estimate"] == pytest.approx(
        plan.at("covered")[0], abs=1e-6
    )


def test_bands_are_quantiles_of_the_draws(store: Store, report: dict[str, Any]) -> None:
    rows = store.read(["azygos_mL"], 128)["azygos_mL"].to_pylist()
    for key, share in {"p5": 0.05, "p50": 0.5, "p95": 0.95}.items():
        wanted = np.quantile(np.array(rows), share, axis=0)
        assert report["bands"]["azygos_mL"][key] == pytest.approx(wanted.tolist(), abs=2e-6)


def test_every_prior_is_an_assumption_with_its_source(store: Store, report: dict[str, Any]) -> None:
    told = {one["field"]: one for one in report["assumptions"]}
    assert list(told) == [prior.field for prior in store.study.priors]
    assert all(one["source"] and one["reason"] and one["meaning"] for one in told.values())
    assert told["injection.pause_s"]["drawn"] is False
    assert told["injection.pause_s"]["held"] == "the protocol has no pauses"
    assert told["model.viscosity_mPa_s"]["distribution"] == "lognormal"


def test_what_the_scenario_gives_is_told_as_held(tmp_path: Path) -> None:
    arms = {"warm": load_arm("right-t9", ["patient.right_atrium_mmHg=7.5"])}
    told = plan_report(plan_of(made_up_store(tmp_path, arms, 12), 12))["assumptions"]
    one = next(row for row in told if row["field"] == "patient.right_atrium_mmHg")
    assert one["held"] == "the scenario gives 7.5 mmHg"
    assert range_of(one) == "not drawn: the scenario gives 7.5 mmHg"


def test_other_targets_are_told_beside_their_defaults(store: Store) -> None:
    plan = make_plan(store, "right-t9", 32, replace(Targets.default(), coverage_deg=270.0))
    page = Page(plan_page(plan_report(plan)))
    assert "270 deg (default 330 deg)" in page.text


def test_the_page_asks_nothing_of_the_network(report: dict[str, Any]) -> None:
    text = plan_page(report)
    page = Page(text)
    assert not re.search(r"https?:|url\((?!#)", text)
    assert "@import" not in text
    assert page.addresses
    assert all(address.startswith(("#", "data:,")) for address in page.addresses)
    assert not page.names & {"script", "iframe", "img", "object", "embed", "a", "form"}
    assert "default-src 'none'" in text


def test_the_page_is_whole(report: dict[str, Any]) -> None:
    text = plan_page(report)
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    used = {address[1:] for address in page.addresses if address.startswith("#")}
    used |= set(re.findall(r"url\(#([^)]*)\)", text))
    assert used <= set(page.ids)
    assert not re.search(r"@\w+@", text)
    assert text.count("<svg") == 2 + len(report["bands"]) + len(OUTCOMES)
    assert page.text.count(DISCLAIMER) == 3
    order = [report["summary"]["headline"], "Chances by injected volume", "Dose and response"]
    order += ["What the outcome hangs on", "Assumptions", "What is not modelled"]
    places = [page.text.index(part) for part in order]
    assert places == sorted(places)
    for one in report["assumptions"]:
        assert " ".join(one["source"].split()) in page.text
    assert "nan" not in page.text.split()


def test_texts_are_escaped(hopeless: dict[str, Any]) -> None:
    text = plan_page(hopeless)
    assert "<script" not in text
    assert "<b>draw" not in text
    assert NASTY in Page(text).text
    assert "SolverError: <b>draw 3</b>" in Page(text).text


def test_failures_come_first_when_they_are_many(hopeless: dict[str, Any]) -> None:
    assert hopeless["draws"]["told_first"]
    text = Page(plan_page(hopeless)).text
    assert text.index("1 of 20 draws failed") < text.index("No volume up to 2.00 mL")
    assert text.index("Failed draws") < text.index("No volume up to 2.00 mL")
    assert hopeless["recommended"] is None
    assert [one["what"] for one in hopeless["at"]] == ["largest tried"]


def test_patients_who_cannot_be_reached_are_in_the_page_and_the_report(
    hopeless: dict[str, Any],
) -> None:
    draws = hopeless["draws"]
    assert (draws["asked"], draws["simulated"], len(draws["failed"])) == (20, 17, 1)
    assert draws["unreachable"] == [
        {"draw": 5, "reason": "<b>draw 5</b>"},
        {"draw": 11, "reason": "<b>draw 11</b>"},
    ]
    assert draws["unreachable_share"]["estimate"] == pytest.approx(2 / 19, abs=1e-6)
    text = Page(plan_page(hopeless)).text
    assert "from 17 patients reached of 20 drawn" in text
    told = text.index("In 11 % [3–31 %] of 19 random patients this cannot be carried out")
    assert told < text.index("No volume up to 2.00 mL")
    assert "Not reached" in text
    assert "<b>draw …</b>" in text  # numbers differ from patient to patient


def test_the_risk_curve_shows_what_the_report_says(report: dict[str, Any]) -> None:
    figure = figure_of(partial(plan_plots.dose_response, report=report), 11.0, 9.0)
    panels = [axes for part in figure.subfigs for axes in part.axes]
    assert len(panels) == 2 + len(report["bands"])
    lines = {line.get_label(): line for axes in panels[:2] for line in axes.get_lines()}
    events = (*plan_plots.WANTED, *plan_plots.FEARED)
    assert set(events) == set(EVENTS)
    for event in events:
        assert lines[event].get_xdata() == pytest.approx(report["volume_mL"])
        shown = 100.0 * np.array(report["chances"][event]["estimate"])
        assert lines[event].get_ydata() == pytest.approx(shown.tolist())
    for axes in panels[:2]:
        assert axes.get_ylim() == (0.0, 100.0)
        assert axes.get_ylabel().endswith("(%)")
    for axes in panels:
        assert axes.get_xlim() == (0.0, 2.0)
        assert axes.get_xlabel() == "injected volume (mL)"
        assert re.search(r"\((%|mL|degrees)\)$", axes.get_ylabel())
    best = report["recommended"]["volume_mL"]
    assert any(list(line.get_xdata()) == [best, best] for line in panels[0].get_lines())
    caption = figure._supxlabel.get_text()  # type: ignore[attr-defined]
    assert caption.endswith(DISCLAIMER)


def test_lines_of_one_panel_differ_without_colour() -> None:
    for events in (plan_plots.WANTED, plan_plots.FEARED):
        looks = [plan_plots.LOOKS[event] for event in events]
        assert len({colour for colour, _ in looks}) == len(looks)
        assert len({str(dashes) for _, dashes in looks}) >= min(len(looks), len(DASHES))


def test_labels_keep_apart() -> None:
    placed = spread([1.0, 1.5, 2.0, 99.0, 100.0], 7.0, 0.0, 100.0)
    assert np.diff(placed).min() >= 7.0 - 1e-9
    assert min(placed) >= 0.0
    assert max(placed) <= 100.0


def test_driver_bars_show_the_strongest(report: dict[str, Any]) -> None:
    rows = report["drivers"]["azygos_mL"]["rows"]
    figure = figure_of(
        lambda figure: plan_plots.drivers(figure.add_subplot(), report, "azygos_mL"), 4.8, 3.6
    )
    (axes,) = figure.axes
    widths = [patch.get_width() for patch in axes.patches]  # type: ignore[attr-defined]
    assert widths == pytest.approx([row["rho"] for row in rows[: plan_plots.DRIVERS_SHOWN]])
    assert axes.get_xlim() == (-1.0, 1.0)


def test_same_plan_same_bytes(tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        store = made_up_store(tmp_path / name, {"right-t9": load_arm("right-t9")})
        written = write_plan(plan_of(store))
        assert written.files == FILES
        contents.append([(store.folder / name).read_bytes() for name in FILES])
    assert contents[0] == contents[1]
    assert contents[0][2].startswith(b"\x89PNG")


def test_without_pictures_older_ones_go(tmp_path: Path) -> None:
    store = made_up_store(tmp_path / "plan", {"right-t9": load_arm("right-t9")})
    for name in FILES:
        (store.folder / name).write_text("of fewer draws")
    assert write_plan(plan_of(store), render=False).files == ("plan.json",)
    left = {path.name for path in store.folder.iterdir()}
    assert left == {"plan.json", "study.json", "draws"}


def test_a_file_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = made_up_store(tmp_path / "plan", {"right-t9": load_arm("right-t9")})
    write_plan(plan_of(store), render=False)
    before = (store.folder / "plan.json").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ResultError, match=r"plan\.html: cannot be written: No space left"):
        write_plan(plan_of(store))
    assert (store.folder / "plan.json").read_bytes() == before
    assert not list(store.folder.glob(".*.part"))


def test_the_terminal_shows_the_chances(
    report: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    print_plan(report, FILES, "plans/right-t9")
    out = capsys.readouterr().out
    first = [*report["summary"]["first"], report["summary"]["headline"]]
    assert out.splitlines()[: len(first)] == first
    rows = [line for line in out.splitlines() if line.startswith("│")]
    assert [row.split("│")[1].strip() for row in rows] == [*EVENT_NAMES.values()]
    assert all(len(row) <= 80 and row.count("%") == 6 for row in rows)
    assert all(len(line) <= 80 for line in out.splitlines() if line[0] in "┏┃┡│└")
    assert "Wrote plans/right-t9: plan.json, plan.html, dose_response.png" in out
    assert out.rstrip().endswith(DISCLAIMER)
