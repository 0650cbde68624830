"""What `castsim render` is asked for: checked as a whole before anything is computed."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from castsim.errors import ResultError
from castsim.naming import match_name
from castsim.results import check_file, write_file
from castsim.shown import Shown

if TYPE_CHECKING:
    from castsim.simulate import Progress

VIEWS = ("ap", "lateral", "oblique", "axial", "overview")
THEME_NAMES = ("light", "dark", "print")
STILL_SIZE, MOVIE_SIZE = (1600, 1000), (1280, 800)
"""Width and height, pixels, where none is asked for."""
LEAST_SIZE, MOST_SIZE = (640, 400), (7680, 4800)
"""Below the first no legend can be read; beyond the second memory ends."""
LEAST_FRAMES, USUAL_FRAMES, MOST_FRAMES = 2, 61, 1000


@dataclass(frozen=True)
class Order:
    """A picture, or a movie, of a saved cast.

    Attributes
    ----------
    folder : of the cast
    view : of `VIEWS`
    volume_mL : of the picture, or the last of the movie; None: all that was injected
    shown : besides root, tip and cast
    movie, output : file of the movie and of the picture, None: not asked for
    frames : pictures of the movie
    size : width and height, pixels
    theme : of `THEME_NAMES`
    """

    folder: Path
    view: str
    volume_mL: float | None
    shown: Shown
    movie: Path | None
    output: Path | None
    frames: int
    size: tuple[int, int]
    theme: str

    @classmethod
    def checked(
        cls,
        folder: Path,
        *,
        view: str = "ap",
        volume_mL: float | None = None,
        structures: str | None = None,
        movie: Path | None = None,
        frames: int | None = None,
        size: str | None = None,
        theme: str = "light",
        output: Path | None = None,
    ) -> "Order":
        """Check what was asked for.

        Raises
        ------
        ScenarioError, ResultError
            If a name is unknown, a number out of range, a file cannot be written, or there is no
            cast in `folder`.
        """
        view = match_name(view, VIEWS, "view")
        theme = match_name(theme, THEME_NAMES, "theme")
        shown = Shown.usual() if structures is None else Shown.named(structures.split(","))
        pixels = _size(size, MOVIE_SIZE if movie is not None else STILL_SIZE)
        if movie is None and frames is not None:
            raise ResultError(f"--frames {frames}: pictures of a movie; add --movie FILE.mp4|.gif")
        frames = USUAL_FRAMES if frames is None else frames
        if movie is not None:
            _check_movie(movie, frames, pixels)
        if output is None and movie is None:
            output = folder / f"view-{view}{'' if volume_mL is None else f'-{volume_mL:g}mL'}.png"
        _check_volume(folder, volume_mL)
        if output is not None:
            check_file(output, ".png")
        return cls(folder, view, volume_mL, shown, movie, output, frames, pixels, theme)


def carry_out(order: Order, progress: "Progress") -> tuple[Path, ...]:
    """Read the cast and draw what is asked for; the files written.

    Raises
    ------
    MissingError
        If this machine cannot draw.
    ResultError
        If the cast cannot be read.
    """
    from castsim import graphics
    from castsim.movie import Movie, check_movie, write_movie
    from castsim.rendering import render_png
    from castsim.still import Still
    from castsim.stored_cast import read_drawn
    from castsim.themes import THEMES

    # what is missing is told before anything is computed
    graphics.prepare()
    if order.movie is not None:
        check_movie(order.movie)
    cast = read_drawn(order.folder, progress=progress).cast
    written = []
    if order.output is not None:
        progress("drawing", 0.0)
        write_file(
            order.output,
            lambda part: render_png(
                cast, part, view=order.view, volume_mL=order.volume_mL, shown=order.shown,
                theme=order.theme, size=order.size,
            ),
        )  # fmt: skip
        written.append(order.output)
    if order.movie is not None:
        still = Still(cast, THEMES[order.theme], order.shown)
        movie = Movie(still, order.view, order.size, order.frames, order.volume_mL)
        write_file(order.movie, lambda part: write_movie(movie, part, progress))
        written.append(order.movie)
    return tuple(written)


def _size(text: str | None, usual: tuple[int, int]) -> tuple[int, int]:
    """Width and height of ``1600x1000``."""
    if text is None:
        return usual
    found = re.fullmatch(r"\s*(\d{1,6})\s*[x×X]\s*(\d{1,6})\s*", text)
    if not found:
        raise ResultError(f"--size {text}: write width x height in pixels, as 1600x1000")
    wide, high = int(found[1]), int(found[2])
    fits = all(
        low <= one <= most
        for low, one, most in zip(LEAST_SIZE, (wide, high), MOST_SIZE, strict=True)
    )
    if not fits:
        raise ResultError(
            f"--size {text}: {LEAST_SIZE[0]}x{LEAST_SIZE[1]} to {MOST_SIZE[0]}x{MOST_SIZE[1]} "
            "pixels are allowed"
        )
    return wide, high


def _check_volume(folder: Path, volume_mL: float | None) -> None:
    """See that there is a cast, and that so much was injected."""
    from castsim.cast_reading import read_report
    from castsim.units import ROUNDED_ML

    injected = read_report(folder)["injected_mL"]
    if volume_mL is not None and not 0.0 <= volume_mL <= injected + ROUNDED_ML:
        raise ResultError(
            f"--volume-mL {volume_mL:g}: {injected:.3f} mL were injected; name a volume from 0 "
            "to that"
        )


def _check_movie(path: Path, frames: int, size: tuple[int, int]) -> None:
    check_file(path, ".mp4", ".gif")
    if not LEAST_FRAMES <= frames <= MOST_FRAMES:
        raise ResultError(f"--frames {frames}: {LEAST_FRAMES} to {MOST_FRAMES} are allowed")
    if path.suffix.lower() == ".mp4" and (size[0] % 2 or size[1] % 2):
        raise ResultError(f"--size {size[0]}x{size[1]}: an .mp4 needs an even width and height")
