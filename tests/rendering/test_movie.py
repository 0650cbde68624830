"""Movies: as many pictures as asked for, each the still of its volume; whole or not at all."""

import subprocess
from dataclasses import replace
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image, ImageColor

from castsim.errors import MissingError, ResultError
from castsim.movie import FRAMES_A_SECOND, HOLD_S, LEAST_S, Movie, check_movie, write_movie
from castsim.rendering import picture
from castsim.results import write_file
from castsim.sheet import Plan, legend_rows
from castsim.still import Still
from castsim.themes import THEMES

SIZE = (640, 400)
FRAMES = 5


@pytest.fixture(scope="module")
def movie(opengl, cast) -> Movie:
    return Movie(Still(cast, THEMES["light"]), "ap", SIZE, FRAMES)


@pytest.fixture(scope="module")
def told() -> list[float]:
    return []


@pytest.fixture(scope="module")
def pictures(movie, told) -> list[np.ndarray]:
    return list(movie.pictures(lambda stage, done: told.append(done)))


def test_a_frame_is_the_still_of_its_volume(movie, pictures):
    """Veils are drawn once for all frames, and nothing tells that from a still."""
    assert len(pictures) == FRAMES
    for step in (0, 1, FRAMES - 1):
        scene = movie.still.scene(movie.still.injected_mL * step / (FRAMES - 1))
        np.testing.assert_array_equal(pictures[step], picture(scene, "ap", THEMES["light"], SIZE))


def test_the_cast_grows(pictures):
    bare = pictures[0][60:380, :480].astype(int)
    grown = [(np.abs(one[60:380, :480] - bare).max(axis=2) > 60).sum() for one in pictures]
    assert grown == sorted(grown)
    assert grown[-1] > grown[1] + 100


def test_progress_is_told_up_to_the_last_frame(pictures, told):
    assert told == sorted(told)
    assert len(told) == len(pictures)
    assert 0.0 <= told[0] < told[-1] < 1.0


def test_an_mp4_holds_every_frame(movie, pictures, tmp_path):
    write_file(tmp_path / "m.mp4", lambda part: write_movie(movie, part, lambda stage, done: None))
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.mp4"]
    reader = imageio_ffmpeg.read_frames(str(tmp_path / "m.mp4"))
    facts = next(reader)
    assert facts["size"] == SIZE
    assert facts["fps"] == FRAMES_A_SECOND
    frames = [np.frombuffer(one, np.uint8).reshape(SIZE[1], SIZE[0], 3) for one in reader]
    assert len(frames) == movie.frames_a_picture * FRAMES + round(HOLD_S * FRAMES_A_SECOND)
    assert len(frames) / FRAMES_A_SECOND == pytest.approx(LEAST_S + HOLD_S, abs=0.2)
    # the same picture but for what compression takes
    assert np.abs(frames[-1].astype(int) - pictures[-1]).mean() < 4.0
    assert np.abs(frames[0].astype(int) - pictures[0]).mean() < 4.0


def test_a_gif_holds_every_frame_and_keeps_its_colours(movie, pictures, tmp_path):
    write_movie(movie, tmp_path / "m.gif", lambda stage, done: None)
    with Image.open(tmp_path / "m.gif") as gif:
        assert gif.n_frames == FRAMES
        assert gif.size == SIZE
        assert gif.info["duration"] == pytest.approx(1000 * LEAST_S / FRAMES, abs=50.0)
        gif.seek(FRAMES - 1)
        assert gif.info["duration"] == 1000 * HOLD_S >= 1500
        last = np.asarray(gif.convert("RGB"))
    away = np.abs(last.astype(int) - pictures[-1]).max(axis=2)
    assert away.mean() < 8.0
    assert (away > 60).mean() < 0.01
    left, top, right, _ = Plan.of(SIZE, 1).side
    scale = {ImageColor.getrgb(one) for one in THEMES["light"].scale}
    shown = {tuple(one) for one in last[top:, left:right].reshape(-1, 3).tolist()}
    assert len(scale & shown) >= 30, "the bar goes from colour to colour"
    legend = legend_rows(movie.still.scene().parts, THEMES["light"].paper)
    for name, colour in legend:
        away = np.abs(np.array([*shown]) - ImageColor.getrgb(colour)).max(axis=1)
        assert away.min() <= 3, name


def test_many_pictures_take_a_frame_each(movie):
    assert replace(movie, frames=61).frames_a_picture == 1
    assert replace(movie, frames=2).frames_a_picture / FRAMES_A_SECOND == LEAST_S / 2


def test_without_ffmpeg_one_line_names_the_remedy(monkeypatch):
    def missing() -> str:
        raise RuntimeError("No ffmpeg exe could be found. Install ffmpeg on your system")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", missing)
    with pytest.raises(MissingError, match=r"pip install imageio-ffmpeg.*\.gif"):
        check_movie(Path("m.mp4"))
    check_movie(Path("m.gif"))


def test_what_ffmpeg_could_not_finish_is_not_left_behind(movie, tmp_path, monkeypatch):
    """An ffmpeg that dies at once: an error, and no file."""
    broken = tmp_path / "ffmpeg"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    assert subprocess.run([broken], check=False).returncode == 1
    monkeypatch.setattr(imageio_ffmpeg._io, "get_ffmpeg_exe", lambda: str(broken))
    with pytest.raises(ResultError, match="ffmpeg could not write"):
        write_file(
            tmp_path / "m.mp4", lambda part: write_movie(movie, part, lambda stage, done: None)
        )
    assert [entry.name for entry in tmp_path.iterdir()] == ["ffmpeg"]
