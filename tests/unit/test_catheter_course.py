"""The line in which a catheter lies: smooth, from the tip to the groin."""

import numpy as np
import pytest

from castsim.scenario_file import bundled_names, load_scenario
from castsim.simulate import build_anatomy, catheter_route
from castsim.xray import load_xray
from geometry.catheter_course import bend_radius, catheter_course, smooth_course
from geometry.structures import Structure

CORNER = np.array([[0.0, 0, 0], [20.0, 0, 0], [20.0, 20, 0]])


def test_the_radius_of_a_circle_is_its_own() -> None:
    angle = np.linspace(0.0, np.pi, 60)
    circle = 7.0 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    assert bend_radius(circle) == pytest.approx(7.0, rel=1e-9)
    assert bend_radius(CORNER[:2]) == np.inf
    assert bend_radius(np.array([[0.0, 0, 0], [1.0, 0, 0], [2.0, 0, 0]])) == np.inf


@pytest.mark.parametrize("least", [1.0, 3.0, 6.0])
def test_a_corner_is_rounded_as_far_as_need_be(least: float) -> None:
    smooth = smooth_course(CORNER, least)
    assert least <= bend_radius(smooth) < 1.6 * least
    np.testing.assert_allclose(smooth[[0, -1]], CORNER[[0, 2]], atol=1e-9)
    # the corner of a right angle is cut by about a third of the radius
    assert 0.1 * least < np.linalg.norm(smooth - CORNER[1], axis=1).min() < 0.8 * least


def test_what_is_smooth_stays_as_it_is() -> None:
    line = np.array([[0.0, 0, 0], [0.0, 0, 30]])
    smooth = smooth_course(line, 3.0)
    np.testing.assert_allclose(smooth[:, :2], 0.0, atol=1e-12)
    assert smooth[-1, 2] == pytest.approx(30.0)


def test_from_a_tip_in_the_vena_cava_it_goes_down() -> None:
    place = ["tip.structure='ivc'", "tip.level='L1'", "tip.side='midline'"]
    scenario = load_scenario("right-l1", place).resolved()
    anatomy = build_anatomy(scenario.patient.anatomy, scenario.patient.seed)
    course = catheter_course(anatomy.network, catheter_route(anatomy, scenario), 3.0)
    assert course[-1, 2] < course[0, 2] - 50.0
    assert course[:, 2].max() < course[0, 2] + 5.0
    assert bend_radius(course) >= 3.0


@pytest.mark.parametrize("name", bundled_names())
def test_every_catheter_comes_from_the_groin_without_a_kink(name: str) -> None:
    scenario = load_scenario(name).resolved()
    patient = scenario.patient
    anatomy = build_anatomy(patient.anatomy, patient.seed, patient.traits())
    network, route = anatomy.network, catheter_route(anatomy, scenario)
    course = catheter_course(network, route, load_xray().bend_radius_mm)
    # one way turns back on itself within a vein's width, at the ascending lumbar vein
    least = 1.0 if name == "right-l1" else load_xray().bend_radius_mm
    assert bend_radius(course) >= least
    branch, arc, _ = route.path[0]
    points = network.points(branch)
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    tip = [np.interp(arc, along, column) for column in points.T]
    np.testing.assert_allclose(course[0], tip, atol=1e-9)
    groin = network.terminal_node[network.terminal_name.index("iliac right")]
    np.testing.assert_allclose(course[-1], network.node_xyz[groin], atol=1e-9)
    # it goes up the inferior vena cava once: no way there and back
    caval = network.branches(Structure.IVC)
    lowest = min(network.points(int(b))[:, 2].min() for b in caval)
    crossed = np.flatnonzero(np.diff(np.sign(course[:, 2] - (lowest + 5.0))))
    assert len(crossed) == 1
