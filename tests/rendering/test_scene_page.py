"""The page: one file, no request, text escaped, the same surfaces as the picture."""

import base64
import html
import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from castsim.light_scene import light_scene as build_scene
from castsim.rendering import export_html
from castsim.scene import DISCLAIMER
from castsim.scene_page import page
from castsim.still import Still
from castsim.themes import THEMES
from castsim.views import named_view

HIDDEN = ("libEGL.so.1", "libEGL.so", "libOSMesa.so.8", "libOSMesa.so", "libX11.so.6", "libX11.so")
NASTY = '</script><img src=x onerror="alert(1)"> & "T9" \'@mesh@\''


@pytest.fixture(scope="module")
def scene(cast, summary):
    return build_scene(cast, summary)


@pytest.fixture(scope="module")
def text(scene) -> str:
    return page(scene)


def script(text: str, name: str) -> str:
    return re.search(rf'<script type="[^"]+" id="{name}">(.*?)</script>', text, re.DOTALL)[1]


def test_the_page_asks_nothing_of_the_network(text):
    assert not re.search(r"(https?|wss?|ftp):", text)
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|import)\s*\(", text)
    for source in re.findall(r'\b(?:src|href)\s*=\s*"([^"]*)"', text):
        assert source.startswith("data:"), source
    assert "default-src 'none'" in text


def test_the_page_says_what_it_is_and_is_not(text, scene):
    assert DISCLAIMER in text
    assert scene.title in text
    assert scene.facts in html.unescape(text).replace("\xa0", " ")
    assert "0.60&nbsp;mL" in text, "a number stays with its unit"


def test_no_placeholder_is_left(text):
    assert not re.search(r"@\w+@", text)


def test_text_of_the_scenario_cannot_become_markup(cast, summary, scene):
    from dataclasses import replace

    from castsim.scene import Label

    labels = (Label(NASTY, np.zeros(3)),)
    nasty = page(replace(scene, title=NASTY, facts=NASTY, labels=labels))
    assert "<img" not in nasty
    assert nasty.count("</script>") == 3
    assert "&lt;img src=x" in nasty
    assert json.loads(script(nasty, "scene"))["labels"][0]["text"] == NASTY


def test_surfaces_survive_the_packing(text, scene):
    facts = json.loads(script(text, "scene"))
    data = base64.b64decode(script(text, "mesh"))
    low, span = np.array(facts["low"]), np.array(facts["span"])
    assert [part["name"] for part in facts["parts"]] == [part.name for part in scene.parts]
    for packed, part in zip(facts["parts"], scene.parts, strict=True):
        raw = np.frombuffer(data[slice(*packed["vertices"])], dtype="<i2").reshape(-1, 6)
        points = low + span * (raw[:, :3] / 32767.0 + 1.0) / 2.0
        np.testing.assert_allclose(points, part.surface.points, atol=0.005)
        normals = np.frombuffer(data[slice(*packed["vertices"])], dtype="i1").reshape(-1, 12)
        np.testing.assert_allclose(normals[:, 8:11] / 127.0, part.surface.normals, atol=0.005)
        triangles = np.frombuffer(data[slice(*packed["triangles"])], dtype="<u4").reshape(-1, 3)
        np.testing.assert_array_equal(triangles, part.surface.triangles)
        assert packed["count"] == triangles.size
        if part.paint is None:
            assert packed["palette"] == []
            assert not raw[:, 3].any()
        else:
            np.testing.assert_array_equal(raw[:, 3], part.paint.index)
            assert len(packed["palette"]) == 3 * len(part.paint.colours) <= 3 * 64
    assert packed["triangles"][1] == len(data)


def test_every_button_leads_to_all_that_it_must_show(text, scene):
    facts = json.loads(script(text, "scene"))
    views = {view["name"]: view for view in facts["views"]}
    assert list(views) == ["Oblique", "Front", "Right", "Left", "Back", "Axial"]
    for name, view in views.items():
        wanted = scene.foramen if name == "Axial" else scene.frame
        turn, rise = view["turn"], view["rise"]
        right = np.array([-np.cos(turn), np.sin(turn), 0.0])
        up = np.array([-np.sin(rise) * np.sin(turn), -np.sin(rise) * np.cos(turn), np.cos(rise)])
        place = (wanted - np.array(view["focus"])) @ np.stack([right, up]).T
        np.testing.assert_allclose(np.abs(place).max(axis=0), view["half"], atol=0.02)
    # the same slab as in pictures, with the root seen through
    same = named_view(scene, "axial", 1.0)
    axial = views["Axial"]
    assert (axial["cut"], axial["far"], axial["root_opacity"]) == (
        same.cut, same.far, same.root_opacity,
    )  # fmt: skip
    np.testing.assert_allclose(axial["focus"], same.focus, atol=0.001)
    assert facts["margin"] * max(axial["half"]) == pytest.approx(same.half_height, abs=0.01)
    assert facts["root"] in [part["name"] for part in facts["parts"]]


def test_the_page_is_light_enough_to_be_dragged(scene, text):
    assert scene.n_triangles < 50_000
    assert len(text) < 3_000_000


def test_the_same_cast_gives_the_same_page(text, cast, summary):
    assert page(build_scene(cast, summary)) == text


def test_the_page_is_made_where_every_graphics_library_is_missing(tmp_path):
    """VTK would crash at the first window: the page must not open one."""
    for name in HIDDEN:
        (tmp_path / name).write_bytes(b"not a library")
    here = os.path.dirname(__file__)
    code = (
        f"import sys; sys.path.insert(0, {here!r})\n"
        "from pathlib import Path\n"
        "from conftest import SUMMARY, make_cast\n"
        "from castsim.rendering import export_html\n"
        f"export_html(make_cast(), Path({str(tmp_path / 'scene.html')!r}), summary=SUMMARY)\n"
    )
    hidden = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path), "DISPLAY": ""}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=hidden,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "scene.html").stat().st_size > 100_000


def test_export_html_writes_the_page(cast: SimpleNamespace, summary, text, tmp_path):
    export_html(cast, tmp_path / "scene.html", summary=summary)
    assert (tmp_path / "scene.html").read_text("utf-8") == text


def test_the_scene_names_root_volume_and_coverage(cast, summary):
    scene = build_scene(cast, summary)
    assert scene.title == cast.scenario.title
    assert "0.60 mL" in scene.facts
    assert "291° of 352°" in scene.facts
    assert scene.facts.startswith(f"{cast.scenario.agent} · ")
    assert "0.60 mL injected: 0.48 cast, 0.12 to the lungs" in scene.facts
    names = [part.name for part in scene.parts]
    assert names[0] == "root T9 right"
    assert {"cast", "veins", "bone", "dural sac", "catheter", "tip"} <= set(names)
    assert "T9" in [label.text for label in scene.labels]


def test_the_cast_in_the_scene_is_where_the_cells_are_full(cast, summary):
    scene = build_scene(cast, summary)
    (part,) = (part for part in scene.parts if part.name == "cast")
    full = cast.mesh.flow.cell_centroid[cast.saturation > 0.5]
    for point in part.surface.points[::7]:
        assert np.linalg.norm(full - point, axis=1).min() < 2.5
    _, nearest = part.surface.polydata().find_closest_cell(full, return_closest_point=True)
    assert np.linalg.norm(nearest - full, axis=1).max() < 1.7  # within the widest vein's radius


def test_page_and_picture_have_the_same_colours(cast, summary):
    page_parts = {part.name: part for part in build_scene(cast, summary).parts}
    still_parts = {part.name: part for part in Still(cast, THEMES["light"]).scene().parts}
    for name in ("veins", "cast"):
        one, other = page_parts[name].paint, still_parts[name].paint
        assert (one.colours, one.names) == (other.colours, other.names)
    # the farther from the tip, the later, as in the cast made by hand
    agent = page_parts["cast"]
    tip = cast.mesh.flow.cell_centroid[cast.mesh.tip_cell]
    away = np.linalg.norm(agent.surface.points - tip, axis=1)
    assert np.corrcoef(away, agent.paint.index)[0, 1] > 0.95


def test_a_cast_without_agent_has_no_cast_to_show(cast, summary):
    empty = SimpleNamespace(**{**vars(cast), "saturation": np.zeros_like(cast.saturation)})
    assert "cast" not in [part.name for part in build_scene(empty, summary).parts]
