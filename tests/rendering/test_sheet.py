"""Words of a picture, about panels that are grey."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import ImageFont
from scipy.ndimage import binary_opening, find_objects
from scipy.ndimage import label as label_of

from castsim import sheet as sheets
from castsim.rendering import views_of
from castsim.scene import Label, Part, Scene
from castsim.sheet import HEADING, Plan, sheet
from castsim.themes import THEMES
from geometry.structures import Compartment
from tests.rendering.scenes import hand_made_scene, rod

LIGHT = THEMES["light"]


@pytest.mark.parametrize("size", [(640, 400), (2000, 600), (700, 1400)])
@pytest.mark.parametrize("theme", THEMES)
def test_words_stay_on_the_sheet_and_apart_whatever_its_size(size, theme):
    scene = replace(hand_made_scene(), title="A very long title " * 20, facts="fact " * 60)
    plan = Plan.of(size, 3)
    views = views_of(scene, "overview", plan)
    panels = [np.full((b - t, r - left, 3), 128, np.uint8) for left, t, r, b in plan.panels]
    image = sheet(scene, views, panels, plan, THEMES[theme])
    assert image.shape == (size[1], size[0], 3)
    # nothing runs into the right edge of the sheet
    card = [int(THEMES[theme].card[k : k + 2], 16) for k in (1, 3, 5)]
    assert (image[: plan.side[1] - 1, -1] == card).all()
    assert (image[plan.side[1] + 1 : plan.side[3] - 1, -2] == card).all()


@pytest.mark.parametrize("size", [(640, 400), (800, 600), (1280, 800), (700, 1400)])
def test_no_word_of_the_legend_is_cut(size, monkeypatch):
    cut = []
    fitted = sheets._fitted

    def watched(text: str, font: ImageFont.FreeTypeFont, room: float) -> str:
        shown = fitted(text, font, room)
        if shown != text and " mm · " not in text:  # a small view has little room below it
            cut.append(text)
        return shown

    monkeypatch.setattr(sheets, "_fitted", watched)
    names = [f"{one.value.replace('_', ' ')} veins" for one in Compartment]
    names += ["root T12 right", "other roots", "catheter", "tip", "dural sac", "bone"]
    thing = rod((0, 0, 0), (1, 0, 0), 1.0)
    parts = tuple(Part(name, "#cdb88f", 1.0, thing) for name in names)
    scene = replace(hand_made_scene(), parts=parts)
    plan = Plan.of(size, 3)
    views = views_of(scene, "overview", plan)
    panels = [np.full((b - t, r - left, 3), 128, np.uint8) for left, t, r, b in plan.panels]
    sheet(scene, views, panels, plan, LIGHT)
    assert cut == []


def written_on_grey(scene: Scene, size=(1200, 750), headings=()) -> np.ndarray:
    plan = Plan.of(size, 1)
    (left, top, right, bottom), views = plan.panels[0], views_of(scene, "ap", plan)
    panel = np.full((bottom - top, right - left, 3), 128, np.uint8)
    return sheet(scene, views, [panel], plan, LIGHT, headings)


def patches(image: np.ndarray, colour: str) -> np.ndarray:
    """Centres (k, 2) of what has this colour in a picture, column and row, from left to right."""
    rgb = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    # without lines, which lead to a mark's place
    labels, count = label_of(binary_opening((image == rgb).all(axis=2), np.ones((2, 2))))
    boxes = [where for where in find_objects(labels) if (where[0].stop - where[0].start) > 8]
    assert len(boxes) <= count
    middles = [[(one.start + one.stop) / 2 for one in where[::-1]] for where in boxes]
    return np.array(sorted(middles)).reshape(-1, 2)


def test_an_alarm_stands_in_the_upper_right_and_its_marks_in_their_places():
    scene = hand_made_scene()
    assert not len(patches(written_on_grey(scene), LIGHT.alarm))
    marks = [
        Label("to the cord", np.array([x, 0.0, z]), alarming=True) for x, z in ((8, 5), (-8, -8))
    ]
    alarming = replace(scene, alarm="0.002 mL towards the spinal cord", labels=tuple(marks))
    image = written_on_grey(alarming)
    front = Plan.of((1200, 750), 1)
    (view,) = views_of(scene, "ap", front)
    left, top, right, bottom = front.panels[0]
    per_mm = (bottom - top) / 2.0 / view.half_height
    one, two, banner = patches(image, LIGHT.alarm)
    for mark, found in zip(marks, (one, two), strict=True):
        away = mark.xyz - view.focus
        # the patient's right is on the left of the picture
        place = (left + right) / 2 - away[0] * per_mm, (top + bottom) / 2 - away[2] * per_mm
        assert found == pytest.approx(place, abs=2.0)
    assert banner[0] > right
    assert banner[1] < top / 2


def test_a_mark_moves_aside_and_out_of_nobodys_sight():
    """Under another word, and at the edge of the panel; beyond it there is none."""
    scene = replace(hand_made_scene(), labels=())
    mark = Label("to the cord", np.array([-8.0, 0.0, 10.0]), alarming=True)
    alone, two = (
        patches(written_on_grey(replace(scene, labels=labels)), LIGHT.alarm)
        for labels in ((mark,), (mark, replace(mark, xyz=mark.xyz + 0.1)))
    )
    assert (len(alone), len(two)) == (1, 2)
    assert np.abs(two[0] - two[1])[1] > 10.0, "one above the other"
    (view,) = views_of(scene, "ap", Plan.of((1200, 750), 1))
    half = view.half_height
    for away, count in ((0.995, 1), (1.005, 0)):
        edge = replace(mark, xyz=view.focus + away * half * view.up)
        found = patches(written_on_grey(replace(scene, labels=(edge,))), LIGHT.alarm)
        assert len(found) == count


def heights_of(image: np.ndarray) -> tuple[int, int]:
    """Height of the letters of title and facts, pixels, at their left ends."""
    rows = (image[:, :160].min(axis=2) < 160).any(axis=1)[: round(HEADING * 0.75) - 2]
    labels, _ = label_of(rows)
    return tuple(one[0].stop - one[0].start for one in find_objects(labels))


def test_letters_of_a_movie_keep_their_size():
    """Whichever picture has the longest words: "less than 0.001 mL" is longer than what follows."""
    first = replace(hand_made_scene(), title="Cast, " * 13, facts="Onyx 18 · 0.01 mL injected")
    facts = (
        "Onyx 18 · 1.00 mL injected: 0.43 cast, 0.00 to the lungs, {} beyond the dura · azygos "
        "reflux 0.00 mL · 758 s · cubes of 0.3 mm, supine · protocol complete"
    )
    longest, last = (
        replace(first, facts=facts.format(amount), alarm=f"{amount} towards the spinal cord")
        for amount in ("less than 0.001 mL", "0.56 mL")
    )
    scenes = first, longest, last
    alone = [heights_of(written_on_grey(one)) for one in scenes]
    assert len({title for title, _ in alone}) == 3
    assert len({facts for _, facts in alone}) > 1
    headings = [(one.facts, one.alarm) for one in scenes]
    images = [written_on_grey(one, headings=headings) for one in scenes]
    together = [heights_of(image) for image in images]
    assert together == [alone[1]] * 3
    assert not len(patches(images[0], LIGHT.alarm)), "nothing has happened yet"


def test_a_long_line_of_facts_is_written_smaller_and_not_cut(monkeypatch):
    facts = (
        "Onyx 18 · 1.00 mL injected · 0.562 mL into intradural veins · 758 s · azygos 0.00 mL · "
        "of all, 0.00 mL left towards the lungs · cubes of 0.3 mm, supine · protocol complete"
    )
    written = {}
    monkeypatch.setattr(
        sheets, "_fitted", lambda text, font, room: written.setdefault(text, (font, room)) and text
    )
    short = "Onyx 18 · 1.00 mL injected"
    for words in (facts, short):
        scene = replace(hand_made_scene(), facts=words)
        plan = Plan.of((1600, 1200), 3)
        views = views_of(scene, "overview", plan)
        panels = [np.full((b - t, r - left, 3), 128, np.uint8) for left, t, r, b in plan.panels]
        sheet(scene, views, panels, plan, LIGHT)
    (font, room), (largest, _) = written[facts], written[short]
    assert font.getlength(facts) <= room < largest.getlength(facts)
