"""Pictures of a cast: the one that every run writes, single views, and the interactive page."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from castsim import graphics
from castsim.light_scene import light_scene
from castsim.panels import Picture, Studio
from castsim.scene import Scene
from castsim.scene_page import write_page
from castsim.sheet import Plan, sheet
from castsim.shown import Shown
from castsim.still import Still
from castsim.themes import THEMES, Theme
from castsim.views import View, named_view, root_view

if TYPE_CHECKING:
    from castsim.drawn import DrawnCast

SIZE = (1600, 1000)
"""Width and height of a picture, pixels."""
OVERVIEW = "overview"


def render_png(
    cast: "DrawnCast",
    path: Path,
    *,
    view: str = "overview",
    volume_mL: float | None = None,
    shown: Shown | None = None,
    theme: str = "light",
    size: tuple[int, int] = SIZE,
) -> None:
    """Draw a cast and write the picture.

    Parameters
    ----------
    cast : a run
    path : of the PNG
    view : of `castsim.views.NAMES`, or overview: from the front, obliquely, along the root
    volume_mL : out of the tip; None: all
    shown : what is drawn besides root, tip and cast
    theme : of `castsim.themes.THEMES`
    size : width and height, pixels

    Raises
    ------
    MissingError
        No off-screen OpenGL on this machine; the message names what to install.
    ResultError
        If less than `volume_mL` was injected.
    """
    graphics.prepare()
    still = Still(cast, THEMES[theme], shown)
    image = picture(still.scene(volume_mL), view, THEMES[theme], size)
    Image.fromarray(image).save(path, format="PNG")


def export_html(cast: "DrawnCast", path: Path, *, summary: Mapping[str, Any]) -> None:
    """Write the scene of a cast as one interactive page; needs no OpenGL.

    Parameters
    ----------
    cast : a run
    path : of the page
    summary : its metrics, as in ``cast.json``
    """
    write_page(light_scene(cast, summary), path)


def panels_at(
    still: Still,
    views: Sequence[View],
    sizes: Sequence[tuple[int, int]],
    volumes_mL: Iterable[float],
) -> Iterator[tuple[Scene, list[Picture]]]:
    """Yield the scene at every volume and its views without words; veils are drawn once.

    Parameters
    ----------
    views, sizes : one size, width and height in pixels, for each view
    """
    with ExitStack() as stack:
        studios = [stack.enter_context(Studio(size, still.theme)) for size in sizes]
        veiled = still.scene()
        veils = [studio.veils(veiled, view) for studio, view in zip(studios, views, strict=True)]
        for volume_mL in volumes_mL:
            scene = still.scene(volume_mL)
            yield (
                scene,
                [
                    over.over(studio.solid(scene, view))
                    for studio, view, over in zip(studios, views, veils, strict=True)
                ],
            )


def picture(scene: Scene, view: str, theme: Theme, size: tuple[int, int]) -> Picture:
    """Image (height, width, 3) of a scene: one view, or as overview three of them."""
    plan = Plan.of(size, 3 if view == OVERVIEW else 1)
    views = views_of(scene, view, plan)
    panels = []
    for at, size_of in zip(views, plan.panel_sizes, strict=True):
        with Studio(size_of, theme) as studio:
            panels.append(studio.panel(scene, at))
    return sheet(scene, views, panels, plan, theme)


def views_of(scene: Scene, view: str, plan: Plan) -> Sequence[View]:
    """The views that go into the panels of a sheet."""
    if view != OVERVIEW:
        return (named_view(scene, view, plan.aspect(0)),)
    return (
        named_view(scene, "ap", plan.aspect(0)),
        named_view(scene, "oblique", plan.aspect(1)),
        root_view(scene),
    )
