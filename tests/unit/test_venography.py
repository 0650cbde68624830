"""Venography: contrast medium in the resting veins, and what an operator sees of the epidural ones.

The places are those of the skeleton, looked up on the image: nothing here knows where the model
puts its veins.
"""

import numpy as np
import pytest

from castsim.fluoroscopy import Fluorogram, Scene, isocentre_at, take
from castsim.scenario_file import load_scenario
from castsim.scenario_sections import Tip
from castsim.simulate import build_anatomy
from castsim.tip import locate_tip
from castsim.venography import Venogram, inject_contrast
from castsim.venous_flow import VenousFlow, resting_flow
from castsim.xray import load_xray
from geometry.anatomy import Anatomy
from geometry.centerline_mesh import CentrelineMesh, centreline_mesh
from geometry.flowmesh import FlowMesh
from geometry.levels import Level, Side
from geometry.structures import Compartment, Structure

Patient = tuple[Anatomy, CentrelineMesh, VenousFlow]


@pytest.fixture(scope="module")
def patient() -> Patient:
    anatomy = build_anatomy("typical", 0)
    mesh = centreline_mesh(anatomy.network)
    return anatomy, mesh, resting_flow(mesh.flow, load_scenario("right-t9").resolved().physiology())


def injected(
    patient: Patient, structure: str, level: str, side: str, volume: float, rate: float = 1000.0
) -> Venogram:
    anatomy, mesh, rest = patient
    branch, arc = locate_tip(anatomy, Tip(structure=structure, level=level, side=side))
    return inject_contrast(rest, mesh.cell_at(branch, arc), rate, volume)


def tube(n: int = 40) -> VenousFlow:
    """A tube at rest with 1 mm3/s through it, in cells of pi/2 mm3."""
    mesh = FlowMesh.from_arrays(
        cell_volume=np.full(n, 0.5 * np.pi),
        cell_radius=1.0,
        face_owner=np.arange(n - 1),
        face_neighbour=np.arange(1, n),
        terminal_cell=[0, n - 1],
        terminal_pressure=[100.0, 0.0],
        terminal_resistance=[50.0, 50.0],
    )
    return resting_flow(mesh, load_scenario("right-t9").resolved().physiology())


# flow and balance


def test_contrast_medium_goes_with_the_blood() -> None:
    rest = tube()
    assert rest.face_flow.min() > 0.9
    share = inject_contrast(rest, 20, 0.1, 3.0).share
    assert share[:20].max() == 0.0
    assert 0.08 < share[25] < 0.12  # 0.1 of 1.1 mm3/s


def test_a_strong_injection_pushes_against_the_blood() -> None:
    """20 mm3/s go both ways, 9.5 against the 1 of blood: 12 cells in 2 s."""
    share = inject_contrast(tube(), 20, 20.0, 40.0).share
    assert share[14:27].min() > 0.9
    assert share[:2].max() < 0.1


def test_the_rate_is_that_of_the_syringe_and_nothing_is_lost(patient: Patient) -> None:
    for structure, side in (
        ("foraminal", "right"),
        ("basivertebral", "midline"),
        ("azygos", "right"),
    ):
        result = injected(patient, structure, "T9", side, 2000.0, 500.0)
        assert result.injected == pytest.approx(2000.0, rel=1e-4)
        assert result.share.min() >= 0.0
        assert result.share.max() <= 1.0 + 1e-9
        held = float(result.share @ patient[1].flow.cell_volume)
        assert result.left == pytest.approx(result.injected - held)
        assert -1e-6 * result.injected <= result.left < result.injected


def test_what_is_given_slowly_is_thinner(patient: Patient) -> None:
    fast = injected(patient, "posterior_intercostal", "T9", "right", 1000.0, 1000.0)
    slow = injected(patient, "posterior_intercostal", "T9", "right", 1000.0, 20.0)
    assert slow.share.max() < 0.5 * fast.share.max()
    assert 0.0 < slow.pressure_rise < fast.pressure_rise


@pytest.mark.parametrize(("valve", "reached"), [(0, True), (1, False)])
def test_a_valve_holds_contrast_medium_back(valve: int, reached: bool) -> None:
    mesh = FlowMesh.from_arrays(
        cell_volume=np.full(6, 1.0),
        cell_radius=1.0,
        face_owner=np.arange(5),
        face_neighbour=np.arange(1, 6),
        face_valve=[0, valve, 0, 0, 0],  # blood runs from cell 0 to cell 5
        terminal_cell=[0, 5],
        terminal_pressure=[100.0, 0.0],
        terminal_resistance=[50.0, 50.0],
    )
    rest = resting_flow(mesh, load_scenario("right-t9").resolved().physiology())
    share = inject_contrast(rest, 3, 50.0, 500.0).share
    assert (share[1] > 0.9) == reached
    assert share[4] > 0.9


def test_an_epidural_injection_fills_epidural_veins(patient: Patient) -> None:
    flow = patient[1].flow
    held = flow.cell_volume * injected(patient, "anterior_epidural", "T9", "left", 4000.0).share
    epidural = np.isin(
        flow.cell_structure, [s.value for s in Structure if s.compartment is Compartment.EPIDURAL]
    )
    near = epidural & (flow.cell_level >= Level.T8) & (flow.cell_level <= Level.T10)
    far = epidural & ((flow.cell_level <= Level.T2) | (flow.cell_level >= Level.L2))
    assert held[near].sum() > 0.6 * flow.cell_volume[near].sum()
    assert held[far].sum() == pytest.approx(0.0, abs=1e-6)


# what an operator sees: Borg 2022, and docs/theory.md section 12


@pytest.fixture(scope="module")
def epidural(patient: Patient) -> Fluorogram:
    """Frontal venogram of 4 mL into the left anterior epidural vein at T9, noise and all."""
    anatomy, mesh, _ = patient
    share = injected(patient, "anterior_epidural", "T9", "left", 4000.0).share
    scene = Scene(anatomy, mesh, load_xray().contrast_medium * share)
    height = float(anatomy.skeleton.vertebra(Level.T9).origin[2])
    return take(scene, isocentre_at(anatomy, height))


def seen(image: Fluorogram, xyz: np.ndarray, across: float, up: float) -> float:
    """Mean signal within `across` and `up` mm of where a point falls."""
    row, column = image.beam.project(xyz[None])[0]
    per_mm = image.beam.magnification / image.beam.pitch_mm
    rows = slice(int(row - up * per_mm), int(row + up * per_mm) + 1)
    columns = slice(int(column - across * per_mm), int(column + across * per_mm) + 1)
    return float(image.signal[rows, columns].mean())


def wall(patient: Patient, level: Level, x: float, z: float) -> np.ndarray:
    """A place just behind the posterior wall of a body, in whose frame x and z are."""
    vertebra = patient[0].skeleton.vertebra(level)
    return vertebra.world([x, vertebra.posterior_wall_y - 1.0, z])


def disc_z(patient: Patient, level: Level) -> float:
    vertebra = patient[0].skeleton.vertebra(level)
    return -(vertebra.body_height + vertebra.disc_height_below) / 2.0


def column(
    patient: Patient, image: Fluorogram, level: Level, side: Side, z: float
) -> tuple[float, float]:
    """Distance from the midline, mm, at which the image is darkest at a height, and its signal."""
    x = np.arange(3.0, 13.0, 0.25)
    profile = [seen(image, wall(patient, level, side * at, z), 0.15, 1.0) for at in x]
    return float(x[np.argmax(profile)]), float(np.max(profile))


def ring(patient: Patient, image: Fluorogram, level: Level) -> float:
    """Darkest signal on the midline within 4 mm of mid-body."""
    return max(
        seen(image, wall(patient, level, 0.0, z), 1.5, 0.3) for z in np.arange(-4.0, 4.1, 0.5)
    )


@pytest.mark.parametrize("level", [Level.T8, Level.T9])
@pytest.mark.parametrize("side", [Side.RIGHT, Side.LEFT])
def test_columns_draw_a_hexagon(
    patient: Patient, epidural: Fluorogram, level: Level, side: Side
) -> None:
    """Out at the disc, in at the pedicle: from 10 mm to 7 mm from the midline at T8 and T9."""
    at_disc, disc_signal = column(patient, epidural, level, side, disc_z(patient, level))
    at_body, body_signal = column(patient, epidural, level, side, 0.0)
    assert min(disc_signal, body_signal) > 0.3
    assert at_disc - at_body > 2.0
    canal = patient[0].skeleton.vertebra(level).canal_width
    assert canal / 2 - 3.5 < at_body < canal / 2
    assert canal / 2 < at_disc < canal / 2 + 3.0


@pytest.mark.parametrize("level", [Level.T8, Level.T9, Level.T10])
def test_rings_close_it_at_mid_body(patient: Patient, epidural: Fluorogram, level: Level) -> None:
    assert ring(patient, epidural, level) > 0.25


@pytest.mark.parametrize("level", [Level.T9, Level.T10])
def test_its_centre_is_empty_at_the_disc(
    patient: Patient, epidural: Fluorogram, level: Level
) -> None:
    """Below T8, where the azygos vein lies before the midline and would hide it."""
    centre = seen(epidural, wall(patient, level, 0.0, disc_z(patient, level)), 2.5, 1.0)
    assert centre < 0.05
    assert ring(patient, epidural, level) > 8.0 * centre


@pytest.mark.parametrize("level", [Level.T8, Level.T10])
@pytest.mark.parametrize("side", [Side.RIGHT, Side.LEFT])
def test_pedicles_are_defects(
    patient: Patient, epidural: Fluorogram, level: Level, side: Side
) -> None:
    """Not at T9: there the intercostal vein, which fills first, crosses before the pedicle."""
    vertebra = patient[0].skeleton.vertebra(level)
    place = wall(patient, level, side * vertebra.pedicle_x, vertebra.pedicle_z)
    assert seen(epidural, place, 1.2, 2.0) < 0.06
    _, beside = column(patient, epidural, level, side, vertebra.pedicle_z)
    assert beside > 0.25
