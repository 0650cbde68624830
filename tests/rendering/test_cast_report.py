"""The report of a cast: what it says, what it escapes, and that it asks nothing of the network."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import castsim
from castsim import cast_plots as plots
from castsim import graphics, metrics
from castsim.cast import Cast
from castsim.cast_page import Photograph, Photographs, cast_page, summary
from castsim.cast_reading import SavedCast, read_cast
from castsim.cast_report import growing_volumes, growing_words, write_report
from castsim.console import _cast_rows
from castsim.cord import reported_towards_cord_mL, towards_cord
from castsim.errors import ResultError
from castsim.fluoroscopy_orders import caption_of
from castsim.light_scene import light_scene
from castsim.scene import facts
from castsim.scene_page import page
from castsim.schema import DISCLAIMER
from castsim.still import Still
from castsim.themes import THEMES
from geometry.structures import Structure

NASTY = '</script><img src=x onerror="alert(1)"> & "T9" @body@'


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> SavedCast:
    scenario = castsim.load_scenario("right-t9", ["injection.volume_mL=0.1"])
    folder = tmp_path_factory.mktemp("casts") / "small"
    castsim.write_cast(castsim.run(scenario), folder, render=False)
    return read_cast(folder)


@pytest.fixture(scope="module")
def text(saved: SavedCast) -> str:
    return cast_page(saved, Photographs(missing="No pictures here."))


def test_the_page_says_first_what_matters_and_what_it_is_not(saved: SavedCast, text: str) -> None:
    cover = saved.report["coverage"]
    headline = f"0.10 mL wrap {cover['deg']:.0f}° of the right T9 root"
    assert headline in text
    places = [
        text.index(one)
        for one in (
            headline, "The cast", "No pictures here.", "Dose and response",
            "Pressure over time", "Veins that hold agent", "Assumptions", "What is not modelled",
        )
    ]  # fmt: skip
    assert places == sorted(places)
    assert text.count(DISCLAIMER) == 3, "above, below, and at the foot of every printed page"
    assert "a vein is filled here as a whole" in text
    assert not re.search(r"@\w+@", text)


def test_curves_take_the_ink_and_paper_of_the_page(text: str) -> None:
    """In the dark, light words on a white box were no words."""
    curves = "".join(re.findall(r"<svg.*?</svg>", text, flags=re.S))
    assert "solvent" in curves
    assert "var(--paper)" in curves
    assert "currentColor" in curves
    assert not re.search(r"#fffff[ef]|\bwhite\b", curves)


def test_paper_is_no_phone(text: str) -> None:
    """A printed page is narrow as well: rules for narrow screens must not reach it."""
    narrow = re.findall(r"@media ([^{]*max-width[^{]*)", text)
    assert narrow
    assert all(rule.startswith("screen and") for rule in narrow)


def test_the_page_asks_nothing_of_the_network(text: str) -> None:
    assert "default-src 'none'" in text
    assert "<script" not in text
    for source in re.findall(r'\b(?:src|href)\s*=\s*"([^"]*)"', text):
        assert source.startswith(("data:", "#")), source
    assert not re.search(r"url\((?!#)", text)


def test_every_vein_and_every_assumption_of_this_run_is_in_it(saved: SavedCast, text: str) -> None:
    rows = saved.report["structures"]
    veins = text[text.index("Veins that hold agent") : text.index("<h2>Assumptions")]
    assert veins.count("<tr>") == len(rows) + 1
    most = max(rows, key=lambda one: one["volume_mL"])
    assert f"{most['volume_mL']:.3f}" in veins
    text = text.replace("<wbr>", "")
    for value in ("<code>model.skin_yield_Pa</code>", "20000 Pa", "5000 to 100000 Pa", "EVOH gel"):
        assert value in text, value
    assert "patient.calibre_factor" not in text, "the typical patient has none"


def test_text_of_the_scenario_cannot_become_markup(saved: SavedCast) -> None:
    scenario = {**saved.report["scenario"], "title": NASTY}
    nasty = replace(saved, report={**saved.report, "scenario": scenario, "warnings": [NASTY]})
    picture = Photograph(b"jpeg", NASTY, NASTY)
    page = cast_page(nasty, Photographs([picture], [picture], NASTY, [picture]))
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page
    assert len(re.findall(r"<img ", page)) == 3
    assert page.count("@body@") == page.count("&lt;img src=x")


def test_a_cast_on_cubes_says_so_and_not_that_layering_is_not_resolved(saved: SavedCast) -> None:
    scenario = saved.report["scenario"]
    mesh = {**scenario["mesh"], "kind": "voxel", "spacing_mm": 0.4}
    cubes = {**saved.report, "scenario": {**scenario, "mesh": mesh}, "warnings": []}
    assert "layering not resolved" in dict(_cast_rows(saved.report))
    rows = dict(_cast_rows(cubes))
    assert rows["layering resolved"] == "in wide veins, cubes of 0.4 mm"
    assert "layering not resolved" not in rows
    text = cast_page(replace(saved, report=cubes), Photographs())
    assert "wide veins near the target as cubes of 0.4 mm" in text
    assert "agent runs along the floor of veins that are cubes" in text
    assert "a vein is filled here as a whole" not in text


def slow_to_sink(saved: SavedCast) -> Cast:
    """The same cast, lying in weightlessness."""
    scenario = SimpleNamespace(
        agent_model=saved.cast.scenario.agent_model,
        target=saved.cast.scenario.target,
        patient=SimpleNamespace(gravity=lambda: np.zeros(3)),
    )
    return replace(saved.cast, scenario=scenario)


def test_what_is_layered_for_the_most_part_is_warned_of(saved: SavedCast) -> None:
    share = saved.report["layered_fraction"]
    assert share > 0.5
    warned = [one for one in saved.report["warnings"] if "the floor of a vein" in one]
    assert warned == [warned[0]]
    assert warned[0].startswith(f"in {share:.0%} of the cast agent would sink")
    assert not [one for one in metrics.warnings(slow_to_sink(saved)) if "floor" in one]


def reaching_the_cord(cast: Cast) -> Cast:
    """The same cast; of the last half of what was injected all went on towards the cord.

    The last fifth of it has left by the end of a radiculomedullary vein, the rest lies there.
    """
    run = cast.injection
    volume = run.log["volume"]
    hazard = np.maximum(volume - 0.9 * volume[-1], 0.0)
    structure, room = cast.mesh.flow.cell_structure.copy(), cast.mesh.flow.cell_volume
    late = cast.first_volume > 0.5 * volume[-1]
    structure[late & np.isfinite(cast.first_volume)] = Structure.RADICULOMEDULLARY
    held = (cast.saturation * room)[structure == Structure.RADICULOMEDULLARY].sum()
    assert 10.0 < held < 60.0
    flow = replace(cast.mesh.flow, cell_structure=structure)
    return replace(
        cast,
        mesh=replace(cast.mesh, flow=flow),
        injection=replace(run, hazard=hazard[-1], log={**run.log, "hazard": hazard}),
    )


def test_agent_that_goes_towards_the_cord_is_told_wherever_a_cast_is(saved: SavedCast) -> None:
    assert not [one for one in saved.report["warnings"] if "cord" in one]
    cast = reaching_the_cord(saved.cast)
    towards = towards_cord(cast, cast.injected)
    assert towards.beyond_mL == pytest.approx(0.01, abs=1e-4)
    assert towards.held_mL > 0.01
    total, beyond = f"{towards.total_mL:.3f} mL", f"{towards.beyond_mL:.3f} mL"
    first, *others = metrics.warnings(cast)
    assert first.startswith(f"{total} went towards the spinal cord, from 0.05 mL injected")
    assert f"; {beyond} of it reached intradural veins" in first
    assert others == saved.report["warnings"]
    assert metrics.dose_curve(cast)["hazard_mL"][-1] == pytest.approx(towards.beyond_mL)
    held = plots.curves(cast).contents_mL["hazard"]
    assert held[-1] == pytest.approx(towards.total_mL)
    assert (held[: len(held) // 2] == 0.0).all()
    told = f"{total} towards the spinal cord"
    still = Still(cast, THEMES["light"])
    scene, before = still.scene(), still.scene(0.04)
    assert still.heading(still.injected_mL) == (scene.facts, scene.alarm)
    assert scene.alarm == told
    assert f"{beyond} beyond the dura" in scene.facts
    labels = [one for one in scene.labels if one.alarming]
    assert {one.text for one in labels} == {"to the cord"}
    came = cast.first_volume[cdist(cast.cells.centre, [one.xyz for one in labels]).argmin(axis=0)]
    assert came.min() == pytest.approx(0.5 * cast.injected, rel=0.05)
    assert before.alarm == ""
    assert "dura" not in before.facts
    assert not [one for one in before.labels if one.alarming]
    assert caption_of(cast, 0.1).facts == f"Onyx 18\n0.10 mL injected\n{told}"
    assert caption_of(cast, 0.04).facts == "Onyx 18\n0.04 mL injected"
    assert growing_words(cast, 0.1).endswith(f"° wrapped, {total} towards the cord")
    assert growing_words(cast, 0.04).endswith("° wrapped")
    rows = metrics.structures(cast)
    report = {**saved.report, "hazard_mL": towards.beyond_mL, "structures": rows}
    assert reported_towards_cord_mL(report) == pytest.approx((towards.total_mL, towards.beyond_mL))
    light = light_scene(cast, report)
    assert light.alarm == told
    assert len([one for one in light.labels if one.alarming]) == len(labels)
    assert told in page(light)
    assert page(light).count('"alarming": true') == len(labels)
    assert light_scene(saved.cast, saved.report).alarm == ""
    assert 'class="alarm"' not in page(light_scene(saved.cast, saved.report))
    assert f"{beyond} beyond the dura" in facts(report)
    words = f"{total}, {beyond} of it in intradural veins"
    assert dict(_cast_rows(report))["towards the spinal cord"] == words
    assert dict(_cast_rows(saved.report))["towards the spinal cord"] == "none"
    lost = towards.beyond_mL
    assert "out of the model" not in dict(_cast_rows({**report, "terminal_mL": lost}))
    left = dict(_cast_rows({**report, "terminal_mL": lost + 0.052}))
    assert left["out of the model"] == "0.052 mL, by other ends of veins"
    assert f"spinal cord: {words}" in " ".join(summary(report))
    told = " ".join(summary({**report, "terminal_mL": lost + 0.052}))
    assert " 0.052 mL left the model by other ends of veins." in told
    assert "left the model" not in " ".join(summary(report))


def test_the_reach_of_a_vein_counts_every_piece_from_where_agent_came_into_it() -> None:
    """Cells 0 to 5 in a row, 1 mm apart; agent comes into 0 first and into 5 later."""
    flow = SimpleNamespace(
        n_cells=6, face_owner=np.arange(5), face_neighbour=np.arange(1, 6), face_length=np.ones(5)
    )
    first = np.array([1.0, np.inf, 6.0, 5.0, 4.0, 3.0])
    cast = SimpleNamespace(mesh=SimpleNamespace(flow=flow), first_volume=first)
    assert metrics.reach(cast, np.isfinite(first)) == pytest.approx(3.0)
    assert metrics.reach(cast, first == 1.0) == 0.0
    assert metrics.reach(cast, np.ones(6, dtype=bool)) == pytest.approx(5.0)


def test_times_and_thirds_are_explained(saved: SavedCast, text: str) -> None:
    """Agent comes after the solvent in the catheter, and a third is less than the whole."""
    began = saved.cast.injection.log["time"][0]
    assert began > 100.0
    assert f"Until {began:.0f} s only solvent" in text
    assert ">solvent<" in text
    words = " ".join(summary(saved.report))
    assert "agent lies against it anywhere along the foramen" in words
    assert max(saved.report["coverage"]["stations"]) <= saved.report["coverage"]["deg"]


def test_what_blood_carried_off_and_what_stayed_is_told(saved: SavedCast) -> None:
    report = {
        **saved.report,
        "reflux": {**saved.report["reflux"], "first_azygos_mL": 0.04, "first_azygos_s": 162.0},
    }
    words = " ".join(summary(report))
    assert "seen from 0.04 mL on (162 s)" in words
    unseen = {**report, "reflux": {**report["reflux"], "first_azygos_mL": None}}
    assert "No agent is seen to enter the azygos system." in " ".join(summary(unseen))
    unseen["reflux"]["azygos_mL"] = 0.008
    assert "the azygos system; 0.008 mL do unseen." in " ".join(summary(unseen))
    assert "Towards the spinal cord: none." in " ".join(summary(unseen))
    gone = " ".join(summary({**unseen, "hazard_mL": 0.002}))
    assert "spinal cord: 0.002 mL, 0.002 mL of it in intradural veins." in gone


def test_curves_add_up_to_the_cast(saved: SavedCast) -> None:
    read = plots.curves(saved.cast)
    whole = sum(values[-1] for name, values in read.contents_mL.items() if name != plots.LEFT)
    # what makes no line of its own is left out
    assert whole == pytest.approx(saved.report["cast_mL"], abs=10 * plots.SHOWN_ML)
    assert read.coverage_deg[-1] == pytest.approx(saved.report["coverage"]["deg"])
    assert read.azygos_mL[-1] == pytest.approx(saved.report["reflux"]["azygos_mL"])
    assert set(read.contents_mL) <= set(plots.LOOKS)


def test_a_pause_and_a_breakthrough_are_found_and_nothing_else() -> None:
    mmHg = np.array([4.0, 4.0, 50.0, 6.0, 6.0, 3.0, 3.5, 3.0])
    volume = np.array([0.0, 1.0, 2.0, 3.0, 3.0, 3.0, 4.0, 5.0])
    time = np.array([0.0, 1.0, 2.0, 3.0, 10.0, 30.0, 31.0, 32.0])
    log = {"tip_pressure": 133.322387415 * mmHg, "volume": volume, "time": time}
    cast = SimpleNamespace(log=log)
    assert plots.pauses(cast) == [(3.0, 30.0)]
    # what is left to wait for when all is out of the tip is no pause
    log.update(
        {name: np.append(log[name], log[name][-1]) for name in log} | {"time": [*time, 50.0]}
    )
    log["time"] = np.array(log["time"])
    assert plots.pauses(cast) == [(3.0, 30.0)]
    # the fall within the pause is none, and that by 0.5 mmHg is too small
    assert plots.breakthroughs(cast).tolist() == [2]


@pytest.mark.parametrize("injected", [0.0, 0.003, 0.05, 0.13, 0.4, 1.0, 1.47, 5.0, 60.0])
def test_the_pictures_end_with_the_whole_and_are_few(injected: float) -> None:
    volumes = growing_volumes(injected)
    assert volumes[-1] == injected
    assert volumes == sorted(volumes)
    assert 1 <= len(volumes) <= 10
    assert len(set(volumes)) == len(volumes)


def test_without_opengl_the_page_is_made_and_says_what_is_missing(
    saved: SavedCast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphics, "probe", lambda: graphics.Graphics(None))
    page = tmp_path / "r.html"
    written = write_report(saved.folder, page, lambda stage, done: None)
    assert "libegl1" in written.notes[0]
    assert "made without pictures" in written.notes[0]
    text = page.read_text("utf-8")
    assert "No picture: this machine has no off-screen OpenGL" in text
    images = re.findall(r'<img [^>]*alt="([^"]*)"', text)
    assert len(images) == 2
    assert all("fluoroscopy" in image for image in images), "X-rays need no OpenGL"
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.html"]


def test_with_opengl_it_shows_the_cast_from_two_sides_and_how_it_grows(
    opengl: None, saved: SavedCast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("castsim.still.SPACING_MM", 0.8)
    monkeypatch.setattr("castsim.cast_report.LARGE_SIZE", (640, 400))
    monkeypatch.setattr("castsim.cast_report.SMALL_SIZE", (160, 160))
    monkeypatch.setattr("castsim.cast_report.FLUOROSCOPY_PIXELS", 512)
    written = write_report(saved.folder, tmp_path / "r.html", lambda stage, done: None)
    assert written.notes == ()
    text = (tmp_path / "r.html").read_text("utf-8")
    assert text.count("data:image/jpeg;base64,") == 4 + len(growing_volumes(0.1)) == 6
    assert text.index("from the right") < text.index("subtracted fluoroscopy")
    assert "from the right" in text
    assert "0.05 mL:" in text
    assert len(text) < 2_000_000


def test_a_page_that_cannot_be_written_is_told_before_anything_is_run(
    saved: SavedCast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("castsim.stored_cast.read_drawn", lambda *_, **__: pytest.fail("ran"))
    for name, line in (("r.pdf", "must end in .html"), ("no/r.html", "there is no folder")):
        with pytest.raises(ResultError, match=line):
            write_report(saved.folder, tmp_path / name, lambda stage, done: None)
