"""Makes ``report.html`` of a saved cast: pictures where this machine can draw, then the page."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from castsim.cast_surface import SLACK_ML
from castsim.cord import amount, towards_cord
from castsim.errors import MissingError
from castsim.results import check_file, write_file
from castsim.units import mL_from_uL, uL_from_mL

if TYPE_CHECKING:
    from castsim.cast_page import Photograph, Photographs
    from castsim.cast_reading import SavedCast
    from castsim.drawn import DrawnCast
    from castsim.panels import Picture
    from castsim.simulate import Progress
    from castsim.still import Still

REPORT_FILE = "report.html"
LARGE_SIZE, SMALL_SIZE = (1200, 750), (480, 480)
"""Pixels of the pictures of the whole cast, and of those that show it grow."""
FLUOROSCOPY_PIXELS = 768
JPEG_QUALITY = 86
STEPS_ML = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
USUAL_STEP_ML = 0.2
MOST_GROWING = 8
"""Pictures that show the cast grow."""
LEAST_LAST_STEP = 0.25
"""Of a step, that lies between the last two of these pictures."""
NOT_WANTED = "No pictures were asked for (--no-render)."


@dataclass(frozen=True)
class Reported:
    """What was written.

    Attributes
    ----------
    path : of the page
    notes : one line for what could not be made on this machine
    """

    path: Path
    notes: tuple[str, ...]


def write_report(
    folder: Path, output: Path | None, progress: "Progress", *, render: bool = True
) -> Reported:
    """Read a saved cast and write its report.

    Without OpenGL the page holds no pictures, and says so.

    Parameters
    ----------
    folder : that `castsim run` has written
    output : page to write; None: ``report.html`` in `folder`
    render : whether to draw pictures

    Raises
    ------
    ResultError
        If the cast cannot be read or the page not be written.
    """
    from castsim.cast_reading import read_report
    from castsim.stored_cast import read_drawn

    read_report(folder)  # what is wrong with it is told before anything is computed
    path = folder / REPORT_FILE if output is None else output
    check_file(path, ".html")
    saved = read_drawn(folder, progress=progress)
    from castsim.cast_page import Photographs, cast_page

    notes: tuple[str, ...] = ()
    if not render:
        pictures = Photographs(missing=NOT_WANTED)
    else:
        try:
            pictures = photographs(saved, progress)
        except MissingError as error:
            pictures = Photographs(missing=f"{str(error)[:1].upper()}{str(error)[1:]}.")
            notes = (f"{error} (the report was made without pictures of the veins)",)
        pictures = replace(pictures, shadows=shadows(saved.cast))
    progress("writing", 0.0)
    text = cast_page(saved, pictures)
    write_file(path, lambda part: _write_text(part, text))
    return Reported(path, notes)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def growing_volumes(injected_mL: float) -> list[float]:
    """Volumes, mL, at which the cast is shown: even steps, and the last one.

    >>> growing_volumes(1.0)
    [0.2, 0.4, 0.6, 0.8, 1.0]
    >>> growing_volumes(0.05)
    [0.02, 0.04, 0.05]
    """
    step = USUAL_STEP_ML
    if injected_mL < 2.0 * step - SLACK_ML:
        step = max(
            (one for one in STEPS_ML if one <= injected_mL / 2.0 + SLACK_ML), default=STEPS_ML[0]
        )
    while injected_mL / step > MOST_GROWING:
        step = next((one for one in STEPS_ML if one > step), injected_mL / MOST_GROWING)
    count = int(injected_mL / step + 1.0 - LEAST_LAST_STEP)
    return [*(round(step * k, 6) for k in range(1, count + 1) if step * k < injected_mL - SLACK_ML),
            injected_mL]  # fmt: skip


def photographs(saved: "SavedCast[DrawnCast]", progress: "Progress") -> "Photographs":
    """Draw the pictures of a report.

    Raises
    ------
    MissingError
        If this machine cannot draw.
    """
    from castsim import graphics
    from castsim.cast_page import Photograph, Photographs
    from castsim.rendering import picture
    from castsim.still import Still
    from castsim.themes import THEMES

    graphics.prepare()
    progress("drawing", 0.0)
    still = Still(saved.cast, THEMES["light"])
    scene, large = still.scene(), []
    for view, words in (("ap", "from the front"), ("lateral", f"from the {_side(saved.cast)}")):
        image = picture(scene, view, still.theme, LARGE_SIZE)
        below = _below(still.injected_mL, words, scene.alarm)
        large.append(Photograph(_jpeg(image), f"The cast. {below}", below))
    return Photographs(large, list(_growing(still, progress)))


def shadows(cast: "DrawnCast") -> list["Photograph"]:
    """The cast as a C-arm would show it, subtracted, in both views; needs no OpenGL."""
    from castsim.cast_page import Photograph
    from castsim.fluoroscopy import take_cast
    from castsim.fluoroscopy_files import picture as fluorogram
    from castsim.fluoroscopy_orders import caption_of

    injected, alarm = mL_from_uL(cast.injected), towards_cord(cast, cast.injected).alarm
    caption = caption_of(cast, injected)
    taken = []
    for view, words in (("ap", "from the front"), ("lateral", f"from the {_side(cast)}")):
        image = fluorogram(take_cast(cast, view, pixels=FLUOROSCOPY_PIXELS), caption)
        below = _below(injected, words, alarm)
        alt = f"Simulated subtracted fluoroscopy of the cast. {below}"
        taken.append(Photograph(_jpeg(image), alt, below))
    return taken


def _below(injected_mL: float, words: str, alarm: str) -> str:
    """Caption of a picture after all that was injected."""
    return f"After {injected_mL:.2f} mL, {words}{f'; {alarm}' if alarm else ''}."


def _side(cast: "DrawnCast") -> str:
    """Side of the body from which lateral pictures are taken."""
    return cast.scenario.target.side_code.name.lower()


def _growing(still: "Still", progress: "Progress") -> Iterator["Photograph"]:
    from castsim.cast_page import Photograph
    from castsim.rendering import panels_at
    from castsim.views import named_view

    volumes = growing_volumes(still.injected_mL)
    view = named_view(still.scene(), "ap", SMALL_SIZE[0] / SMALL_SIZE[1])
    frames = panels_at(still, [view], [SMALL_SIZE], volumes)
    for count, (volume, (_, [image])) in enumerate(zip(volumes, frames, strict=True)):
        progress("drawing", (count + 1) / (len(volumes) + 1))
        words = growing_words(still.cast, volume)
        yield Photograph(_jpeg(image), f"Cast after {words}", words)


def growing_words(cast: "DrawnCast", volume_mL: float) -> str:
    """Caption of a picture of the cast as it grows."""
    degrees = cast.cells.coverage_at(uL_from_mL(volume_mL))
    towards = towards_cord(cast, uL_from_mL(volume_mL))
    cord = f", {amount(towards.total_mL)} towards the cord" if towards.alarms else ""
    return f"{volume_mL:.2f} mL: {degrees:.0f}° wrapped{cord}"


def _jpeg(image: "Picture") -> bytes:
    from PIL import Image

    sink = io.BytesIO()
    Image.fromarray(image).save(sink, format="JPEG", quality=JPEG_QUALITY, subsampling=0)
    return sink.getvalue()
