"""The picture of a cast: from the front and obliquely from the target's side.

Drawn with PyVista, off screen. Translucency is put together from opaque images, one for
each veil, so that only the nearest wall of a veil shows and the pixels do not depend on
the order of triangles.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from PIL import Image

from castsim import graphics
from castsim.scene import DISCLAIMER, LEAST_FACING, Part, Scene, build_scene
from castsim.scene_page import write_page
from castsim.views import View, default_views, edge_letters

if TYPE_CHECKING:
    from castsim.cast import Cast

Picture = NDArray[np.uint8]
Frame = NDArray[np.float32]
FloatArray = NDArray[np.float64]

SIZE = (1600, 1000)
"""Width and height of the picture, pixels."""
SAMPLES = 2
"""Drawn pixels along either side of one in the picture."""
UNIT_HEIGHT = 1000.0
"""Height of a picture, pixels, for which letters and lines have the sizes given below."""

HEAD_LIGHT, FILL_LIGHT = 0.70, 0.30
INK = "#1b1f27"
RULE = "#d9dde5"
PAPER_OPACITY = 0.55
"""Of the white behind words, so that they can be read over veins."""
MOST_TRIANGLES = 300_000
"""A still picture can be finer than one that is turned."""
SCALE_BARS_MM = (20.0, 10.0, 5.0, 2.0, 1.0, 0.0)
SCALE_BAR_SHARE = 0.8
"""Most of a view's half width that its scale bar takes."""
HEADING_SHARE = 0.11
FOOT_SHARE = 0.05
LABEL_MARGIN = 0.05
EYE_DISTANCE_MM = 500.0
LEGEND_START = 0.32
LEGEND_PATCH = 0.017


def render_png(
    cast: "Cast", path: Path, *, summary: Mapping[str, Any], size: tuple[int, int] = SIZE
) -> None:
    """Draw a cast and write the picture.

    Parameters
    ----------
    cast : a run
    path : of the PNG
    summary : its metrics, as in ``cast.json``
    size : width and height, pixels

    Raises
    ------
    MissingError
        No off-screen OpenGL on this machine; the message names what to install.
    """
    graphics.prepare()
    scene = build_scene(cast, summary, most_triangles=MOST_TRIANGLES)
    Image.fromarray(picture(scene, default_views(scene), size)).save(path, format="PNG")


def export_html(cast: "Cast", path: Path, *, summary: Mapping[str, Any]) -> None:
    """Write the scene of a cast as one interactive page; needs no OpenGL.

    Parameters
    ----------
    cast : a run
    path : of the page
    summary : its metrics, as in ``cast.json``
    """
    write_page(build_scene(cast, summary), path)


def picture(scene: Scene, views: Sequence[View], size: tuple[int, int]) -> Picture:
    """Image (height, width, 3) of a scene, the views side by side below one heading."""
    plotter = _plotter(scene, views, size)
    actors: list[tuple[pv.Actor, Part]] = []
    image = before = np.zeros((1, 1, 1), dtype=np.float32)
    for opacity, parts in _layers(scene.parts):
        for part in parts:
            actors += [(actor, part) for actor in _draw(plotter, part, len(views))]
        density = np.ones((), dtype=np.float32)
        if opacity < 1.0:
            for actor, _ in actors:
                _show_facing(plotter, actor)
            cosine = np.maximum(_frame(plotter) / np.float32(255.0), LEAST_FACING)
            density = 1.0 - np.float32(1.0 - opacity) ** (1.0 / cosine)
        for actor, part in actors:
            _show_colour(plotter, actor, part)
        drawn = _frame(plotter)
        # where the new layer lies behind an earlier one nothing has changed
        changed = np.any(drawn != before, axis=2, keepdims=True)
        image = np.where(changed, image + density * (drawn - image), image)
        before = drawn
    plotter.close()
    return np.rint(image).astype(np.uint8)


def _frame(plotter: pv.Plotter) -> Frame:
    """Draw, and average the samples of every pixel; VTK's own supersampling is slower."""
    plotter.render()  # without it a screenshot returns the frame before
    fine = np.asarray(plotter.screenshot(return_img=True))
    coarse = np.zeros((len(fine) // SAMPLES, fine.shape[1] // SAMPLES, 3), dtype=np.float32)
    for row in range(SAMPLES):
        for column in range(SAMPLES):
            coarse += fine[row::SAMPLES, column::SAMPLES]
    coarse /= SAMPLES**2
    return coarse


def _layers(parts: Sequence[Part]) -> Iterator[tuple[float, list[Part]]]:
    """Opacity and parts of every image: opaque parts at once, a veil by itself."""
    solid = [part for part in parts if part.opacity == 1.0]
    yield 1.0, solid
    for part in parts:
        if part.opacity < 1.0:
            yield part.opacity, [part]


def _plotter(scene: Scene, views: Sequence[View], size: tuple[int, int]) -> pv.Plotter:
    """Empty plotter with heading, foot, cameras, letters and scale bars."""
    shape = (3, len(views))
    body = 1.0 - HEADING_SHARE - FOOT_SHARE
    plotter = pv.Plotter(
        off_screen=True,
        window_size=[SAMPLES * pixels for pixels in size],
        shape=shape,
        row_weights=[HEADING_SHARE, body, FOOT_SHARE],  # type: ignore[list-item]  # floats are meant
        groups=[(0, slice(None)), (2, slice(None))],  # type: ignore[list-item]  # and slices
        border=True,
        border_color=RULE,
        border_width=float(SAMPLES),
        lighting="none",
        theme=pv.themes.DocumentTheme(),  # white, whatever the user's own theme
    )
    plotter.disable_anti_aliasing()
    # every view gets these
    plotter.add_light(pv.Light(light_type="headlight", intensity=HEAD_LIGHT))
    plotter.add_light(
        pv.Light(position=(-0.6, 0.9, 0.8), light_type="camera light", intensity=FILL_LIGHT)
    )
    unit = SAMPLES * size[1] / UNIT_HEIGHT
    plotter.subplot(0, 0)
    _write(plotter, scene.title, (0.012, 0.52), 17.0 * unit)
    _write(plotter, scene.facts, (0.012, 0.12), 13.0 * unit)
    plotter.subplot(2, 0)
    _write(plotter, DISCLAIMER, (0.012, 0.25), 10.0 * unit)
    panel = (size[0] / len(views), size[1] * body)
    for column, at in enumerate(views):
        plotter.subplot(1, column)
        _aim(plotter, at)
        _annotate(plotter, scene, at, panel, unit)
    plotter.subplot(2, 0)
    _legend(plotter, scene.parts, unit)
    return plotter


def _aim(plotter: pv.Plotter, at: View) -> None:
    camera = plotter.camera
    camera.parallel_projection = True
    camera.focal_point = tuple(at.focus)
    camera.position = tuple(at.focus + EYE_DISTANCE_MM * at.towards_eye)
    camera.up = tuple(at.up)
    camera.parallel_scale = at.half_height
    camera.clipping_range = (EYE_DISTANCE_MM - at.cut, 2.0 * EYE_DISTANCE_MM)


def _annotate(
    plotter: pv.Plotter, scene: Scene, at: View, panel: tuple[float, float], unit: float
) -> None:
    """Write letters of the body's sides, names of vertebrae and the scale bar of one view."""
    half = at.half_height * np.array([panel[0] / panel[1], 1.0])
    across = np.stack([at.right, at.up])
    for direction, place in (
        (-at.right, (0.015, 0.5)),
        (at.right, (0.985, 0.5)),
        (at.up, (0.5, 0.985)),
        (-at.up, (0.5, 0.015)),
    ):
        _write(plotter, edge_letters(direction), place, 14.0 * unit, anchor=place, bold=True)
    for label in scene.labels:
        x, y = 0.5 + across @ (label.xyz - at.focus) / (2.0 * half)
        if max(abs(x - 0.5), abs(y - 0.5)) < 0.5 - LABEL_MARGIN:
            _write(plotter, label.text, (x, y), 11.0 * unit, anchor=(0.5, 0.5))
    length = next(mm for mm in SCALE_BARS_MM if mm < SCALE_BAR_SHARE * half[0])
    start = np.array([-0.94, -0.90]) * half
    ends = np.stack([start, start + np.array([length, 0.0])]) @ across + at.focus
    ends += (at.cut - 1.0) * at.towards_eye  # nearer to the eye than anything shown
    plotter.add_mesh(pv.Line(*ends), color=INK, line_width=max(2.0, 4.0 * unit), lighting=False)
    _write(plotter, f"{length:g} mm, {at.name}", (0.03, 0.06), 11.0 * unit)


def _legend(plotter: pv.Plotter, parts: Sequence[Part], unit: float) -> None:
    """Name the parts in one row, each after a patch of its colour."""
    places = np.linspace(LEGEND_START, 1.0, len(parts), endpoint=False)
    for place, part in zip(places, parts, strict=True):
        patch = _write(plotter, "nn", (place, 0.3), 8.0 * unit)
        patch.prop.color = patch.prop.background_color = part.colour
        patch.prop.background_opacity = 1.0
        _write(plotter, part.name, (place + LEGEND_PATCH, 0.3), 10.0 * unit)


def _write(
    plotter: pv.Plotter,
    text: str,
    place: tuple[float, float],
    size: float,
    *,
    anchor: tuple[float, float] = (0.0, 0.0),
    bold: bool = False,
) -> pv.Text:
    """Write at a place given in shares of the panel; `anchor` 0 to 1: that point of the text."""
    actor = pv.Text(text)
    actor.prop.font_size = round(1.6 * size)
    actor.prop.color = INK
    actor.prop.bold = bold
    actor.prop.background_color, actor.prop.background_opacity = "white", PAPER_OPACITY
    actor.prop.justification_horizontal = ("left", "center", "right")[round(2 * anchor[0])]
    actor.prop.justification_vertical = ("bottom", "center", "top")[round(2 * anchor[1])]
    actor.GetPositionCoordinate().SetCoordinateSystemToNormalizedViewport()
    actor.position = place
    plotter.add_actor(actor, reset_camera=False, render=False)
    return actor


def _draw(plotter: pv.Plotter, part: Part, columns: int) -> Iterator[pv.Actor]:
    """Add one part to every view."""
    mesh = part.surface.polydata()
    for column in range(columns):
        plotter.subplot(1, column)
        actor = plotter.add_mesh(mesh, color="white", reset_camera=False, render=False)
        # smooth_shading would compute normals anew and round the edges of bones
        actor.prop.interpolation = "phong"
        yield actor


def _show_colour(plotter: pv.Plotter, actor: pv.Actor, part: Part) -> None:
    """Light a part in its own colour."""
    plotter.renderer.lights[0].intensity, plotter.renderer.lights[1].intensity = (
        HEAD_LIGHT,
        FILL_LIGHT,
    )
    actor.prop.color = part.colour
    actor.prop.ambient, actor.prop.diffuse = 0.30, 0.76
    actor.prop.specular, actor.prop.specular_power = 0.12, 30.0


def _show_facing(plotter: pv.Plotter, actor: pv.Actor) -> None:
    """Make a part as bright as it faces the eye: white face on, black edge on."""
    plotter.renderer.lights[0].intensity, plotter.renderer.lights[1].intensity = 1.0, 0.0
    actor.prop.color = "white"
    actor.prop.ambient, actor.prop.diffuse, actor.prop.specular = 0.0, 1.0, 0.0
