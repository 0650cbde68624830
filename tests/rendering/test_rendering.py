"""The picture: numbers first, a stored image second."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from castsim import graphics
from castsim.errors import MissingError
from castsim.rendering import FOOT_SHARE, HEADING_SHARE, picture, render_png
from castsim.scene import Label, Part, Scene, build_scene
from castsim.surfaces import tube
from castsim.views import View, default_views, direction, edge_letters
from geometry.levels import Side

SIZE = (800, 500)
GOLDEN = Path(__file__).parent / "golden" / "scene.png"
HALF_MM = 20.0


def rod(start: tuple[float, ...], end: tuple[float, ...], radius: float, sides: int = 24):
    return tube(np.array([start, end], dtype=float), np.full(2, radius), sides)


ROOT = Part("root", "#f2b705", 1.0, rod((4, 4, -12), (14, 4, -12), 2.0))


def hand_made_scene() -> Scene:
    """A cast on the patient's right, a vein across, and a bone in front of both."""
    return Scene(
        parts=(
            ROOT,
            Part("cast", "#17181c", 0.93, rod((4, 0, 0), (14, 0, 0), 1.6)),
            Part("veins", "#3f7fd0", 0.42, rod((-14, 0, 0), (15, 0, 0), 1.5)),
            Part("bone", "#cdb88f", 0.28, rod((9, 12, -12), (9, 12, 10), 4.0)),
        ),
        labels=(Label("T9", np.array([-8.0, 0.0, 10.0])),),
        focus=np.zeros(3),
        target=np.array([9.0, 4.0, -12.0]),
        root_axis=np.array([1.0, 0.0, 0.0]),
        root_length=10.0,
        half_height=HALF_MM,
        side=Side.RIGHT,
        title="A scene made by hand",
        facts="0.60 mL injected",
    )


@pytest.fixture(scope="module")
def front(opengl) -> np.ndarray:
    scene = hand_made_scene()
    return picture(scene, [default_views(scene)[0]], SIZE)


def at(image: np.ndarray, x_mm: float, z_mm: float) -> np.ndarray:
    """Colour of the picture where (x, z) of the front view lies."""
    height, width, _ = image.shape
    body = height * (1.0 - HEADING_SHARE - FOOT_SHARE)
    px_per_mm = body / (2.0 * HALF_MM)
    # the patient's right is on the left of the picture
    column = round(width / 2.0 - x_mm * px_per_mm)
    row = round(height * HEADING_SHARE + body / 2.0 - z_mm * px_per_mm)
    return image[row, column].astype(float)


def test_cast_is_dark_in_its_place_and_the_background_white(front):
    assert at(front, 5.0 - 0.5, 0.0).max() < 110
    assert at(front, -10.0, -10.0).min() > 250


def test_vein_is_blue_and_the_right_of_the_patient_is_on_the_left(front):
    red, _, blue = at(front, -8.0, 0.0)
    assert blue > red + 40
    assert at(front, 8.0 - 3.9, 0.0).mean() < at(front, -8.0, 0.0).mean() - 60


def test_a_veil_of_bone_leaves_the_cast_to_be_seen(front):
    bone, cast_behind_bone = at(front, 9.0, 6.0), at(front, 9.0, 0.0)
    assert bone.mean() < 245
    assert cast_behind_bone.mean() < bone.mean() - 50


def test_veils_blend_in_all_channels_even_where_one_of_them_is_equal(opengl):
    far = Part("far", "#608060", 0.5, rod((0, -3, -10), (0, -3, 10), 5.0))
    near = Part("near", "#a08060", 0.5, rod((0, 9, -10), (0, 9, 10), 5.0))
    same_green, other_green = (
        replace(hand_made_scene(), parts=(ROOT, far, replace(near, colour=colour)))
        for colour in ("#a08060", "#a08160")
    )
    front = default_views(same_green)[:1]
    difference = picture(same_green, front, SIZE).astype(int) - picture(other_green, front, SIZE)
    assert np.abs(difference).max() <= 2


def test_the_scale_bar_is_twenty_millimetres_long(front):
    dark = front[-70:-30, :250].astype(int).sum(axis=2) < 400
    run = int(dark.sum(axis=1).max())
    height = front.shape[0] * (1.0 - HEADING_SHARE - FOOT_SHARE)
    assert run == pytest.approx(20.0 * height / (2.0 * HALF_MM), abs=2.0)


def test_two_renders_are_identical(front):
    scene = hand_made_scene()
    again = picture(scene, [default_views(scene)[0]], SIZE)
    np.testing.assert_array_equal(front, again)


def test_the_picture_is_the_stored_one(opengl, tmp_path):
    """Mesa versions differ in single pixels; a moved or recoloured part is far beyond that."""
    scene = hand_made_scene()
    drawn = picture(scene, default_views(scene), SIZE)
    Image.fromarray(drawn).save(tmp_path / "drawn.png")
    message = f"look at {tmp_path / 'drawn.png'}; if it is right, it becomes {GOLDEN}"
    stored = np.asarray(Image.open(GOLDEN), dtype=float)
    assert stored.shape == drawn.shape, message
    away = np.abs(stored - drawn).max(axis=2)
    assert away.mean() < 2.0, message
    assert (away > 48).mean() < 0.01, message


def test_render_png_writes_a_picture_of_the_size_asked_for(opengl, cast, summary, tmp_path):
    render_png(cast, tmp_path / "cast.png", summary=summary, size=(640, 400))
    image = np.asarray(Image.open(tmp_path / "cast.png"))
    assert image.shape == (400, 640, 3)
    assert (image.max(axis=2) < 90).mean() > 0.002  # the cast
    assert image.std() > 10


def test_without_opengl_a_clear_error_and_no_file(cast, summary, tmp_path, monkeypatch):
    monkeypatch.setattr(graphics, "probe", lambda: graphics.Graphics(None))
    with pytest.raises(MissingError, match="libegl1"):
        render_png(cast, tmp_path / "cast.png", summary=summary)
    assert not list(tmp_path.iterdir())


def test_along_the_root_what_lies_beyond_its_exit_is_cut_off(opengl):
    scene = hand_made_scene()
    lid = Part("veins", "#3f7fd0", 1.0, rod((16, -20, -12), (16, 20, -12), 1.5))
    along = default_views(scene)[2]
    middle = (SIZE[1] // 2 + 15, SIZE[0] // 2)
    plain, lidded = (
        picture(replace(scene, parts=parts), [along], SIZE)[middle]
        for parts in (scene.parts, (*scene.parts, lid))
    )
    np.testing.assert_array_equal(plain, lidded)
    assert plain[0] > plain[2] + 60  # the yellow of the root


@pytest.mark.parametrize(
    ("turn", "rise", "right", "up"),
    [
        (0, 0, "L", "S"),
        (90, 0, "A", "S"),
        (-90, 0, "P", "S"),
        (180, 0, "R", "S"),
        (45, 0, None, "S"),
    ],
)
def test_letters_of_the_edges(turn, rise, right, up):
    looking = View("", np.zeros(3), direction(turn, rise), HALF_MM)
    if right is not None:
        assert edge_letters(looking.right) == right
    assert edge_letters(looking.up) == up


def test_a_view_is_an_orthonormal_right_handed_frame():
    looking = View("", np.zeros(3), direction(37.0, 21.0), HALF_MM)
    frame = np.stack([looking.right, looking.up, looking.towards_eye])
    np.testing.assert_allclose(frame @ frame.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(frame) == pytest.approx(1.0)


def test_the_scene_names_root_volume_and_coverage(cast, summary):
    scene = build_scene(cast, summary)
    assert scene.title == cast.scenario.title
    assert "0.60 mL" in scene.facts
    assert "291° of 352°" in scene.facts
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


def test_a_cast_without_agent_has_no_cast_to_show(cast, summary):
    empty = SimpleNamespace(**{**vars(cast), "saturation": np.zeros_like(cast.saturation)})
    assert "cast" not in [part.name for part in build_scene(empty, summary).parts]
