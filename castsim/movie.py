"""An injection as a movie: the cast in equal steps of injected volume, as MP4 or GIF."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from castsim.errors import MissingError, ResultError
from castsim.panels import Picture
from castsim.rendering import OVERVIEW, panels_at, views_of
from castsim.sheet import Plan, legend_rows, sheet
from castsim.still import Still

if TYPE_CHECKING:
    from PIL.Image import Image

    from castsim.simulate import Progress

FRAMES_A_SECOND = 12
HOLD_S = 2.0
"""How long the last picture stays."""
LEAST_S = 3.0
"""How long the others take, so that few of them do not flash by."""
MP4_QUALITY = 8
"""Of 10; letters stay sharp."""
GIF_COLOURS, GIF_EXACT = 256, 24
"""Colours of a GIF, and how many of them are those of large areas: paper, card, legend."""
GIF_SCALE_STEP = 2
"""Every second colour of the scale is in a GIF: bar and cast go evenly from one to the next."""
GIF_BIN = 8
"""Steps of a channel, of 256, that count as one colour when the palette is chosen."""
GIF_ROUNDS = 10
"""Of refining the palette (k-means)."""


@dataclass(frozen=True)
class Movie:
    """What is shown, from which side, and how finely.

    Attributes
    ----------
    still : the cast
    view : of `castsim.views.NAMES`, or overview
    size : width and height, pixels
    frames : pictures, in equal steps of volume from none to all, two at least
    volume_mL : of the last picture; None: all
    """

    still: Still
    view: str
    size: tuple[int, int]
    frames: int
    volume_mL: float | None = None

    @property
    def frames_a_picture(self) -> int:
        """For how many frames of the file every picture but the last stays."""
        return max(1, round(LEAST_S * FRAMES_A_SECOND / self.frames))

    def pictures(self, progress: "Progress") -> Iterator[Picture]:
        """Yield the pictures; what veils the cast is drawn once."""
        last = self.still.injected_mL if self.volume_mL is None else self.volume_mL
        plan = Plan.of(self.size, 3 if self.view == OVERVIEW else 1)
        views = views_of(self.still.scene(last), self.view, plan)
        volumes = [last * step / (self.frames - 1) for step in range(self.frames)]
        headings = [self.still.heading(volume) for volume in volumes]
        frames = panels_at(self.still, views, plan.panel_sizes, volumes)
        for step, (scene, panels) in enumerate(frames):
            progress("movie", step / self.frames)
            yield sheet(scene, views, panels, plan, self.still.theme, headings)


def check_movie(path: Path) -> None:
    """Make sure, before anything is drawn, that this machine can write the movie.

    Raises
    ------
    MissingError
        If there is no ffmpeg for an MP4.
    """
    if path.suffix.lower() != ".mp4":
        return
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        get_ffmpeg_exe()
    except (ImportError, RuntimeError, OSError) as error:
        raise MissingError(
            f"{path}: no ffmpeg on this machine; `pip install imageio-ffmpeg` brings one, or name "
            "a .gif, which needs none"
        ) from error


def write_movie(movie: Movie, path: Path, progress: "Progress") -> None:
    """Write an MP4 or a GIF, as the name says.

    Raises
    ------
    ResultError
        If ffmpeg fails.
    """
    pictures = movie.pictures(progress)
    if path.suffix.lower() == ".mp4":
        _write_mp4(pictures, path, movie.size, movie.frames_a_picture)
    else:
        theme = movie.still.theme
        legend = (colour for _, colour in legend_rows(movie.still.scene().parts, theme.paper))
        marks = (*theme.scale[::GIF_SCALE_STEP], *legend)
        _write_gif(pictures, path, movie.frames_a_picture, marks)


def _write_mp4(
    pictures: Iterator[Picture], path: Path, size: tuple[int, int], repeats: int
) -> None:
    from imageio_ffmpeg import write_frames

    sink = write_frames(
        str(path), size, fps=FRAMES_A_SECOND, quality=MP4_QUALITY, codec="libx264",
        macro_block_size=2, ffmpeg_log_level="error",
    )  # fmt: skip
    try:
        sink.send(None)
        for picture in pictures:
            for _ in range(repeats):
                sink.send(picture.tobytes())
        for _ in range(round(HOLD_S * FRAMES_A_SECOND)):
            sink.send(picture.tobytes())
    except OSError as error:
        reason = " ".join(str(error).split())
        raise ResultError(f"ffmpeg could not write the movie: {reason}") from error
    finally:
        sink.close()


def _write_gif(pictures: Iterator[Picture], path: Path, repeats: int, marks: Sequence[str]) -> None:
    """One palette for all pictures, that of the last, in which every colour has appeared."""
    from PIL import Image

    frames = [Image.fromarray(picture) for picture in pictures]
    palette = _palette(np.asarray(frames[-1]), marks)
    shown = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in frames]
    step = round(1000 * repeats / FRAMES_A_SECOND)
    shown[0].save(
        path, format="GIF", save_all=True, append_images=shown[1:], loop=0, optimize=False,
        duration=[*(step for _ in shown[1:]), round(1000 * HOLD_S)],
    )  # fmt: skip


def _palette(picture: Picture, marks: Sequence[str]) -> "Image":
    """Colours of a picture: marks and large areas as they are, the others by how much they fill.

    Shares count by their square roots: a mark of few pixels keeps a colour of its own.
    """
    from PIL import Image as Images
    from PIL.ImageColor import getrgb

    colours, count = np.unique(picture.reshape(-1, 3), axis=0, return_counts=True)
    exact = np.vstack([colours[np.argsort(-count)[:GIF_EXACT]], [getrgb(one) for one in marks]])
    near = (colours // GIF_BIN) @ np.array([256 * 256, 256, 1])
    _, kind = np.unique(near, return_inverse=True)
    filled = np.bincount(kind, count)
    means = [np.bincount(kind, count * colours[:, k]) / filled for k in range(3)]
    spread = np.repeat(np.rint(np.stack(means, axis=1)), np.ceil(np.sqrt(filled)).astype(int), 0)
    rest = Images.fromarray(spread.astype(np.uint8)[None]).quantize(
        GIF_COLOURS - len(exact), Images.Quantize.MEDIANCUT, kmeans=GIF_ROUNDS
    )
    found = Images.new("P", (1, 1))
    found.putpalette([*exact.ravel().tolist(), *(rest.getpalette() or ())])
    return found
