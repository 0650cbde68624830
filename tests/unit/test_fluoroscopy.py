"""Simulated fluoroscopy: Beer-Lambert, noise, subtraction, polarity, files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from castsim.agents import AGENT_NAMES
from castsim.cast import Cast
from castsim.errors import ScenarioError
from castsim.fluoroscopy import (
    VIEWS,
    Fluorogram,
    Mode,
    Paths,
    Scene,
    Tube,
    _signal,
    _Tube,
    beam_at,
    cast_scene,
    expose,
    line_integrals,
    take,
    take_cast,
    vein_paths,
    zoom_for,
)
from castsim.fluoroscopy_files import Caption, grey, image_bytes, picture
from castsim.scenario_file import load_scenario
from castsim.schema import DISCLAIMER
from castsim.simulate import run
from castsim.views import View, direction
from castsim.xray import agent_attenuation, load_xray
from geometry.anatomy import Anatomy
from geometry.catheter_route import CatheterRoute
from geometry.centerline_mesh import CentrelineMesh, centreline_mesh
from geometry.levels import Level, Side
from geometry.lumen import capsules_of
from geometry.network import NetworkBuilder, TerminalKind
from geometry.projection import Beam
from geometry.structures import Structure

PIXELS = 192


@pytest.fixture(scope="module")
def patient() -> tuple[Anatomy, CentrelineMesh]:
    anatomy = Anatomy.typical()
    return anatomy, centreline_mesh(anatomy.network)


@pytest.fixture(scope="module")
def isocentre(patient: tuple[Anatomy, CentrelineMesh]) -> np.ndarray:
    return patient[0].skeleton.vertebra(Level.T9).origin * [0.0, 1.0, 1.0]


@pytest.fixture(scope="module")
def scene(patient: tuple[Anatomy, CentrelineMesh]) -> Scene:
    """Onyx in the right ninth intercostal vein."""
    anatomy, mesh = patient
    filled = (
        (mesh.flow.cell_structure == Structure.POSTERIOR_INTERCOSTAL)
        & (mesh.flow.cell_level == Level.T9)
        & (mesh.flow.cell_side == Side.RIGHT)
    )
    assert filled.any()
    return Scene(anatomy, mesh, agent_attenuation("Onyx 18") * filled)


# attenuation


def test_the_table_gives_what_handbooks_give() -> None:
    xray = load_xray()
    # half value layers at 60 keV: 32 mm of tissue, 11 mm of compact bone
    assert np.log(2) / xray.soft_tissue == pytest.approx(32.0, rel=0.01)
    assert np.log(2) / xray.cortical_bone == pytest.approx(11.5, rel=0.01)
    assert xray.soft_tissue < xray.trabecular_bone < xray.cortical_bone
    # 0.35 g/mL of tantalum, 300 mg/mL of iodine
    assert agent_attenuation("Onyx 18") == pytest.approx(0.35 * 3.569 / 10)
    assert xray.contrast_medium == pytest.approx(0.3 * 7.579 / 10)


def test_every_agent_is_opaque() -> None:
    added = {name: agent_attenuation(name) for name in AGENT_NAMES}
    assert all(0.04 < value <= agent_attenuation("Onyx 18") for value in added.values())
    assert added["Squid 12 LD"] < added["Squid 12"] < added["Onyx 34"] == added["Onyx 18"]


def test_an_unknown_agent_is_refused() -> None:
    with pytest.raises(ScenarioError, match="agent"):
        agent_attenuation("Onyx 19")


def test_3_mm_of_onyx_let_through_what_beer_and_lambert_say() -> None:
    """Transmission exp(-0.125 x 3) = 0.687, whatever lies before and behind."""
    xray = load_xray()
    beam = beam_at(np.zeros(3), "ap", pixels=128)
    background = np.full((128, 128), 4.0)
    onyx = np.zeros((128, 128))
    onyx[:, 60:] = 3.0 * agent_attenuation("Onyx 18")
    many, noise = 1e11, np.random.default_rng(0)
    counts = expose(background + onyx, many, beam, noise, xray)
    ratio = counts[:, 90:].mean() / counts[:, :40].mean()
    assert ratio == pytest.approx(np.exp(-0.125 * 3.0), rel=1e-3)


def test_the_image_holds_all_of_the_agent(scene: Scene, isocentre: np.ndarray) -> None:
    """Attenuation summed over the image is attenuation times volume, for a vein in the image."""
    beam = beam_at(isocentre, "lateral", pixels=512)
    paths = line_integrals(scene, beam, load_xray())
    flow = scene.mesh.flow
    depth = (flow.cell_centroid - beam.source) @ beam.towards_detector
    # every cell is magnified by its own depth; the whole is exact, single cells are not
    area = (beam.pitch_mm * depth / beam.source_detector_mm) ** 2
    inside = (
        (beam.project(flow.cell_centroid) > 0) & (beam.project(flow.cell_centroid) < 511)
    ).all(axis=1)
    assert inside[scene.added > 0].all()
    wanted = (scene.added * flow.cell_volume / area).sum()
    assert paths.added.sum() == pytest.approx(wanted, rel=0.01)


def test_the_shape_is_weighed_by_what_the_cells_hold(
    patient: tuple[Anatomy, CentrelineMesh], isocentre: np.ndarray
) -> None:
    """Whatever the pixels and the share of each cell: no agent is lost, none comes to it."""
    anatomy, mesh = patient
    flow = mesh.flow
    near = np.linalg.norm(flow.cell_centroid - isocentre, axis=1) < 25.0
    held = 0.1 * near * np.random.default_rng(0).random(flow.n_cells)
    capsules = capsules_of(anatomy.network)
    for pixels in (64, 512):
        # from so far that all is magnified alike
        beam = Beam(isocentre, 30.0, 1e6, 1.4e6, 205.0, pixels)
        area = (beam.pitch_mm / beam.magnification) ** 2
        image = vein_paths(mesh, capsules, held, beam)
        assert image.sum() * area == pytest.approx(held @ flow.cell_volume, rel=1e-3)


def test_a_front_within_a_vein_is_no_step(
    patient: tuple[Anatomy, CentrelineMesh], isocentre: np.ndarray
) -> None:
    """Along a vein that is half full the length in agent falls from all to nothing over a cell."""
    anatomy, mesh = patient
    branch = int(anatomy.network.branches(Structure.POSTERIOR_INTERCOSTAL, Level.T9, Side.RIGHT)[0])
    cells = mesh.cells_of(branch)
    half = len(cells) // 2
    content = np.zeros(mesh.flow.n_cells)
    content[cells[:half]] = 0.1
    place = mesh.flow.cell_centroid[cells[half - 1 : half + 1]]
    beam = replace(beam_at(place.mean(axis=0), "ap"), field_mm=28.0, pixels=256)
    image = vein_paths(mesh, capsules_of(anatomy.network), content, beam)
    way = np.linspace(-1.5, 1.5, 31)[:, None] * np.diff(place, axis=0) + place.mean(axis=0)
    rows, columns = np.rint(beam.project(way)).astype(int).T
    profile = image[rows, columns] / image[rows, columns].max()
    assert profile[0] == pytest.approx(1.0, abs=0.05)
    assert profile[-1] == pytest.approx(0.0, abs=0.02)
    assert np.abs(np.diff(profile)).max() < 0.25


def test_what_lies_about_a_catheter_is_a_part_of_the_lumen() -> None:
    """A vein with a catheter of half its width in it holds three quarters of it."""
    builder = NetworkBuilder()
    low, high = builder.node([0.0, 0.0, -10.0]), builder.node([0.0, 0.0, 10.0])
    builder.branch(low, high, Structure.AZYGOS, Level.T8, Side.RIGHT, radius=2.0)
    builder.terminal(low, TerminalKind.OUTLET, "out")
    network = builder.build()
    bare = centreline_mesh(network)
    mesh = centreline_mesh(network, catheter=CatheterRoute(((0, 10.0, 0.0),), 2.0))
    beam = replace(beam_at(np.zeros(3), "ap"), field_mm=60.0, pixels=128)
    one, two = (
        vein_paths(of, capsules_of(network), np.full(of.flow.n_cells, 0.1), beam)
        for of in (bare, mesh)
    )
    column = 64
    above, below = 40, 88  # the catheter comes from below
    assert two[above, column] == pytest.approx(one[above, column], rel=0.1)
    assert two[below, column] / two[above, column] == pytest.approx(0.75, rel=0.02)


# noise


def test_noise_is_that_of_the_photons_counted() -> None:
    xray, photons = load_xray(), 900.0
    beam = beam_at(np.zeros(3), "ap", pixels=256)
    blunt = type(xray)(**{**vars(xray), "detector_blur_mm": 1e-6})
    counts = expose(np.zeros((256, 256)), photons, beam, np.random.default_rng(1), blunt)
    assert counts.mean() == pytest.approx(900.0, rel=1e-3)
    assert counts.std() == pytest.approx(30.0, rel=0.02)


def test_the_screen_blurs_noise_too() -> None:
    xray = load_xray()
    beam = beam_at(np.zeros(3), "ap", pixels=1024)
    counts = expose(np.zeros((1024, 1024)), 900.0, beam, np.random.default_rng(1), xray)
    # a Gaussian of s pixels leaves 1 / (2 sqrt(pi) s) of white noise
    width = xray.detector_blur_mm / beam.pitch_mm
    kernel = np.exp(-0.5 * (np.arange(-9, 10) / width) ** 2)
    kernel /= kernel.sum()
    assert counts.std() == pytest.approx(30.0 * (kernel**2).sum(), rel=0.03)
    beside = counts - counts.mean()
    assert (beside[:, 1:] * beside[:, :-1]).mean() > 0.3 * counts.var()


def test_exposure_is_held_whatever_the_view(scene: Scene, isocentre: np.ndarray) -> None:
    for view in VIEWS:
        image = take(scene, isocentre, view, "unsubtracted", pixels=96)
        counts = image.photons_per_pixel * np.exp(-image.signal[24:72, 24:72])
        assert counts.mean() == pytest.approx(image.photons_per_pixel, rel=0.02)


def test_the_same_picture_has_the_same_bits(scene: Scene, isocentre: np.ndarray) -> None:
    one, two = (take(scene, isocentre, pixels=96).signal for _ in range(2))
    np.testing.assert_array_equal(one, two)
    other = take(scene, isocentre, pixels=96, seed=1).signal
    assert (one != other).mean() > 0.9


# subtraction


def signal_of(mode: Mode, photons: float = 500.0) -> tuple[np.ndarray, float]:
    """Signal of a plate of 0.4 in the lower half of the image, and how much it blurs noise."""
    xray, pixels = load_xray(), 256
    beam = beam_at(np.zeros(3), "ap", pixels=pixels)
    plate = np.zeros((pixels, pixels))
    plate[pixels // 2 :] = 0.4
    still = np.full_like(plate, 3.0)
    tube = _Tube(still, photons / beam.pitch_mm**2, beam, xray, seed=0)
    width = xray.detector_blur_mm / beam.pitch_mm
    kernel = np.exp(-0.5 * (np.arange(-9, 10) / width) ** 2)
    kernel /= kernel.sum()
    return _signal(Paths(still, plate, plate), mode, tube), float((kernel**2).sum())


@pytest.mark.parametrize(("mode", "shots"), [("subtracted", 2), ("unsubtracted", 1)])
def test_what_attenuates_more_has_more_signal_and_every_shot_its_noise(
    mode: Mode, shots: int
) -> None:
    signal, blur = signal_of(mode)
    above, below = signal[:120], signal[136:]
    assert above.mean() == pytest.approx(0.0, abs=0.002)
    assert below.mean() == pytest.approx(0.4, abs=0.003)
    # the variance of a logarithm is one over the count, of each exposure
    assert above.var() == pytest.approx(shots / 500.0 * blur**2, rel=0.05)


def test_subtraction_leaves_the_agent_and_takes_the_bones(
    scene: Scene, isocentre: np.ndarray
) -> None:
    beam = beam_at(isocentre, "ap", pixels=PIXELS)
    paths = line_integrals(scene, beam, load_xray())
    without = take(scene, isocentre, mode="subtracted", pixels=PIXELS).signal
    with_bone = take(scene, isocentre, mode="unsubtracted", pixels=PIXELS).signal
    free = paths.added == 0.0
    bone = paths.still - np.median(paths.still)
    assert np.corrcoef(with_bone[free], bone[free])[0, 1] > 0.97
    assert abs(np.corrcoef(without[free], bone[free])[0, 1]) < 0.02
    # what is left is noise about nothing
    assert abs(without[free].mean()) < 2e-4
    wide = paths.added > 0.25
    assert wide.sum() > 50
    assert without[wide].mean() == pytest.approx(paths.added[wide].mean(), rel=0.15)  # blurred


def test_agent_and_bone_are_dark(scene: Scene, isocentre: np.ndarray) -> None:
    paths = line_integrals(scene, beam_at(isocentre, "ap", pixels=PIXELS), load_xray())
    agent = paths.added > 0.3
    for mode in ("subtracted", "unsubtracted"):
        shown = grey(take(scene, isocentre, mode=mode, pixels=PIXELS))
        assert 0.0 <= shown.min() < shown.max() <= 1.0
        assert shown[agent].mean() < np.median(shown) - 0.2
        assert 0.5 < np.median(shown) < 0.9


# catheter


def test_a_catheter_is_in_the_mask_and_what_it_holds_is_not(
    patient: tuple[Anatomy, CentrelineMesh], isocentre: np.ndarray
) -> None:
    anatomy, mesh = patient
    line = isocentre + np.linspace(-40.0, 40.0, 9)[:, None] * np.array([0.0, 0.0, 1.0])
    nothing = np.zeros(mesh.flow.n_cells)
    wall, content = 0.3, 0.1
    scene = Scene(anatomy, mesh, nothing, tubes=(Tube(line, 2.0, 1.0, wall, content),))
    plain = Scene(anatomy, mesh, nothing)
    beam, xray = beam_at(isocentre, "ap", pixels=256), load_xray()
    with_tube, without = line_integrals(scene, beam, xray), line_integrals(plain, beam, xray)
    row, column = np.rint(beam.project(isocentre[None])[0]).astype(int)
    # through the axis: two walls of 1 mm, and 2 mm of what is in between
    difference = with_tube.still - without.still
    assert difference[row, column] == pytest.approx(2 * wall, rel=0.05)
    assert with_tube.added[row, column] == pytest.approx(2 * content, rel=0.05)
    assert without.added.max() == 0.0
    signal = take(scene, isocentre, pixels=256).signal
    band = slice(64, 192), slice(column - 4, column + 5)
    assert signal[band].mean() == pytest.approx(with_tube.added[band].mean(), rel=0.1)


@pytest.fixture(scope="module")
def cast() -> Cast:
    return run(load_scenario("right-t9", ["injection.volume_mL=0.02"]))


def test_the_marker_is_at_the_tip_and_the_lumen_fills_with_agent(cast: Cast) -> None:
    tip = cast.mesh.flow.cell_centroid[cast.mesh.tip_cell]
    beam, xray = beam_at(tip, "lateral", pixels=512), load_xray()
    before, after = cast_scene(cast, 0.0), cast_scene(cast)
    paths = line_integrals(before, beam, xray)
    bare = line_integrals(replace(before, tubes=()), beam, xray)
    catheter = paths.still - bare.still
    place = np.unravel_index(catheter.argmax(), catheter.shape)
    assert np.linalg.norm(np.array(place) - beam.project(tip[None])[0]) < 8
    assert catheter.max() > 0.3
    assert catheter.min() > -1e-9
    assert paths.added.max() == 0.0
    # then a thin line of agent leads to what is in the veins
    lumen = (
        line_integrals(after, beam, xray).added
        - line_integrals(replace(after, tubes=()), beam, xray).added
    )
    assert (lumen > 0.01).sum() > 50


# aim


@pytest.mark.parametrize("view", list(VIEWS))
def test_a_cast_is_seen_with_a_level_above_and_below(cast: Cast, view: str) -> None:
    beam = take_cast(cast, view, pixels=64).beam
    skeleton = cast.anatomy.skeleton
    # all of this cast lies at the height of T9 and of the disc below
    held = cast.mesh.flow.cell_centroid[cast.saturation > 0.5]
    ends = [
        skeleton.vertebra(level).world([0.0, 0.0, up * skeleton.vertebra(level).body_height / 2])
        for level, up in ((Level.T8, 1.0), (Level.T10, -1.0))
    ]
    for seen in (held, np.array(ends)):
        assert len(seen)
        assert beam.project(seen).min() > 0
        assert beam.project(seen).max() < 63
    # and no smaller zoom would do
    smaller = max((zoom for zoom in load_xray().zooms_mm if zoom < beam.field_mm), default=0.0)
    place = replace(beam, field_mm=smaller or 1.0).project(np.vstack([held, *ends]))
    assert not smaller or np.abs(place - 31.5).max() * 1.06 > 32.0


def test_what_no_zoom_shows_gets_the_largest() -> None:
    assert zoom_for(np.array([[0.0, 0.0, 400.0]]), np.zeros(3), "ap", Side.LEFT) == 300.0


@pytest.mark.parametrize("side", [Side.RIGHT, Side.LEFT])
def test_a_lateral_view_looks_as_pictures_do(side: Side) -> None:
    """From the target's side: of a right one with the front of the body on the right."""
    picture = View("lateral", np.zeros(3), direction(90.0 * side), 1.0)
    beam = beam_at(np.zeros(3), "lateral", side=side)
    np.testing.assert_allclose(beam.right, picture.right, atol=1e-12)
    assert beam.right[1] == pytest.approx(side)
    for view in ("ap", "lao30", "rao30"):
        assert beam_at(np.zeros(3), view, side=side).angle_deg == VIEWS[view]


def test_a_zoom_enlarges(scene: Scene, isocentre: np.ndarray) -> None:
    wide, near = (
        take(scene, isocentre, field_mm=field, pixels=PIXELS).signal > 0.2
        for field in (220.0, 110.0)
    )
    seen = wide[PIXELS // 4 : -PIXELS // 4, PIXELS // 4 : -PIXELS // 4].sum()
    assert seen > 20
    assert near.sum() == pytest.approx(4 * seen, rel=0.25)


# pictures


def test_words_are_in_the_picture(scene: Scene, isocentre: np.ndarray, tmp_path: Path) -> None:
    image = take(scene, isocentre, pixels=PIXELS)
    plain, written = np.rint(255 * grey(image)), picture(image, Caption("A title", "1.00 mL"))
    changed = plain != written
    side = PIXELS
    for rows, columns in (
        (slice(0, side // 8), slice(0, side // 2)),  # title and view
        (slice(0, side // 8), slice(side // 2, side)),  # volume
        (slice(side // 8, side // 4), slice(side // 3, 2 * side // 3)),  # S
        (slice(3 * side // 4, 15 * side // 16), slice(side // 3, 2 * side // 3)),  # I
        (slice(side // 3, 2 * side // 3), slice(0, side // 8)),  # R
        (slice(side // 3, 2 * side // 3), slice(7 * side // 8, side)),  # L
        (slice(7 * side // 8, side), slice(0, side // 2)),  # scale bar
        (slice(7 * side // 8, side), slice(side // 2, side)),  # disclaimer
    ):
        assert changed[rows, columns].any()
    assert not changed[side // 4 : 3 * side // 4, side // 4 : 3 * side // 4].any()
    image_bytes(image, Caption("A title", "1.00 mL"), tmp_path / "image.png")
    with Image.open(tmp_path / "image.png") as stored:
        assert stored.size == (PIXELS, PIXELS)
        assert DISCLAIMER in stored.text["Description"]


@pytest.mark.parametrize(("mode", "ink"), [("subtracted", 0), ("roadmap", 255)])
def test_words_are_dark_on_a_light_image_and_light_on_another(
    scene: Scene, isocentre: np.ndarray, mode: Mode, ink: int
) -> None:
    beam = take(scene, isocentre, pixels=1024).beam
    blank = Fluorogram("ap", mode, beam, np.zeros((1024, 1024)), 1.0)
    bar = picture(blank, Caption("", ""))[1024 - 23, 40:120]
    assert (bar == ink).all(), "the bar is as the words are"
    letter = picture(blank, Caption("I", ""))[20:36, 20:28]
    assert (letter == ink).sum() > 10
    assert abs(np.rint(255 * grey(blank))[0, 0] - ink) >= 127


def test_a_title_that_is_too_long_is_cut(scene: Scene, isocentre: np.ndarray) -> None:
    image = take(scene, isocentre, pixels=512)
    blank = Fluorogram(image.view, image.mode, image.beam, np.zeros((512, 512)), 1.0)
    written = picture(blank, Caption("A long title " * 20, "1.00 mL"))
    plain = np.rint(255 * grey(blank))
    head = (written != plain)[:24]
    gap = ~head.any(axis=0)[: 512 - 12]
    assert gap[350:430].any()  # between title and volume
    assert head[:, 300:].any()


def test_the_scale_bar_is_as_long_as_it_says(scene: Scene, isocentre: np.ndarray) -> None:
    image = take(scene, isocentre, pixels=512)
    blank = Fluorogram(image.view, image.mode, image.beam, np.zeros((512, 512)), 1.0)
    bar = picture(blank, Caption("", ""))[512 - 11]
    # 20 mm at the isocentre
    per_mm = image.beam.magnification / image.beam.pitch_mm
    assert (bar == 0).sum() == pytest.approx(20 * per_mm, abs=2)


def test_a_strange_view_is_no_view() -> None:
    assert set(VIEWS) == {"ap", "lateral", "lao30", "rao30"}
