"""The scene as one interactive page that asks nothing of the network.

The page holds its own small viewer (WebGL 2, in ``data/scene.html``) and the surfaces as
base64: places as 16-bit and normals as 8-bit fractions, and the number of a colour, 12 bytes a
vertex. It needs neither
OpenGL nor VTK where it is made.
"""

import base64
import html
import json
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np

from castsim.body_letters import LETTER_THRESHOLD
from castsim.scene import (
    BEFORE_MARK,
    DISCLAIMER,
    LEAST_FACING,
    MARKED,
    OBLIQUE_RISE_DEG,
    OBLIQUE_TURN_DEG,
    Part,
    Scene,
)
from castsim.views import (
    ABOVE_MM,
    BELOW_MM,
    FORWARDS,
    MARGIN,
    ROOT_OPACITY,
    UPWARDS,
    View,
    direction,
    extent,
)
from geometry.network import FloatArray

_VERTEX = np.dtype([("place", "<i2", 4), ("normal", "i1", 4)])
_PLACE_STEPS, _NORMAL_STEPS = 32767, 127
_DECIMALS = 3
"""Of the millimetres in the page's text."""


def page(scene: Scene) -> str:
    """Text of the page."""
    low = np.min([part.surface.points.min(axis=0) for part in scene.parts], axis=0)
    high = np.max([part.surface.points.max(axis=0) for part in scene.parts], axis=0)
    mesh = bytearray()
    parts = [_append(mesh, part, low, high) for part in scene.parts]
    facts = {
        "low": _numbers(low),
        "span": _numbers(high - low),
        # every direction of looking, from every focus in the box, fits into this depth
        "depth": round(2.0 * float(np.linalg.norm(high - low)), _DECIMALS),
        "views": list(_views(scene)),
        "margin": MARGIN,
        "root": scene.root,
        "least_facing": LEAST_FACING,
        "marked": MARKED,
        "before_mark": BEFORE_MARK,
        "letter_threshold": LETTER_THRESHOLD,
        "last_mL": None if scene.reading is None else round(scene.reading.last_mL, _DECIMALS),
        "labels": [
            {"text": at.text, "xyz": _numbers(at.xyz), "alarming": at.alarming}
            for at in scene.labels
        ],
        "parts": parts,
    }
    fill = {
        "title": html.escape(scene.title),
        "facts": re.sub(r"(?<=\d) (?=mm|mL)", "&nbsp;", html.escape(scene.facts)),
        "alarm": f'<p class="alarm">{html.escape(scene.alarm)}</p>' if scene.alarm else "",
        "disclaimer": html.escape(DISCLAIMER),
        # "<" could end the script element that holds the text
        "scene": json.dumps(facts, ensure_ascii=True).replace("<", "\\u003c"),
        "mesh": base64.b64encode(mesh).decode("ascii"),
    }
    text = (resources.files("castsim") / "data" / "scene.html").read_text(encoding="utf-8")
    return re.sub(r"@(\w+)@", lambda name: fill[name[1]], text)


def write_page(scene: Scene, path: Path) -> None:
    """Write the page."""
    path.write_text(page(scene), encoding="utf-8")


def _views(scene: Scene) -> Iterator[dict[str, object]]:
    """Yield the directions that a button leads to, each framed by what it has to show."""
    sides = (
        ("Oblique", OBLIQUE_TURN_DEG * scene.side, OBLIQUE_RISE_DEG),
        ("Front", 0.0, 0.0),
        ("Right", 90.0, 0.0),
        ("Left", -90.0, 0.0),
        ("Back", 180.0, 0.0),
    )
    for name, turn, rise in sides:
        view = View(name, scene.target, direction(turn, rise), 1.0)
        yield _view(view, scene.frame, turn, rise)
    below = View("Axial", scene.target, -UPWARDS, 1.0, BELOW_MM, ABOVE_MM, FORWARDS, ROOT_OPACITY)
    yield _view(below, scene.foramen, 0.0, -90.0)


def _view(view: View, points: FloatArray, turn_deg: float, rise_deg: float) -> dict[str, object]:
    focus, half = extent(view, points)
    return {
        "name": view.name,
        "turn": round(float(np.deg2rad(turn_deg)), 4),
        "rise": round(float(np.deg2rad(rise_deg)), 4),
        "focus": _numbers(focus),
        "half": _numbers(half),
        "cut": view.cut,
        "far": view.far,
        "root_opacity": view.root_opacity,
    }


def _append(mesh: bytearray, part: Part, low: FloatArray, high: FloatArray) -> dict[str, object]:
    """Add one part to the binary mesh, and say where it lies."""
    surface = part.surface
    vertices = np.zeros(len(surface.points), dtype=_VERTEX)
    share = 2.0 * (surface.points - low) / (high - low) - 1.0
    vertices["place"][:, :3] = np.rint(_PLACE_STEPS * share)
    if part.paint is not None:
        vertices["place"][:, 3] = part.paint.index
    vertices["normal"][:, :3] = np.rint(_NORMAL_STEPS * surface.normals)
    start = len(mesh)
    mesh += vertices.tobytes()
    middle = len(mesh)
    mesh += surface.triangles.astype("<u4").tobytes()
    colours = () if part.paint is None else part.paint.colours
    return {
        "name": part.name,
        "colour": part.colour,
        "rgb": _rgb(part.colour),
        "colours": list(colours),
        "palette": [share for colour in colours for share in _rgb(colour)],
        "names": [] if part.paint is None else list(part.paint.names),
        "opacity": part.opacity,
        "vertices": [start, middle],
        "triangles": [middle, len(mesh)],
        "count": 3 * surface.n_triangles,
    }


def _rgb(colour: str) -> list[float]:
    """Red, green and blue of ``#rrggbb``, 0 to 1."""
    return [round(int(colour[k : k + 2], 16) / 255.0, 4) for k in (1, 3, 5)]


def _numbers(values: FloatArray) -> list[float]:
    return [round(float(value), _DECIMALS) for value in values]
