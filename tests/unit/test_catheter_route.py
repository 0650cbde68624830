"""The catheter's way: cheapest, through what was asked, or one clear error."""

from dataclasses import replace

import numpy as np
import pytest

from geometry.catheter_route import TIP_MARGIN_MM, Via, find_route, move_tip
from geometry.errors import GeometryError
from geometry.levels import Level, Side
from geometry.network import NetworkBuilder, TerminalKind, VesselNetwork
from geometry.structures import Structure

S = Structure


def loop(bone_calibre: float = 0.5) -> tuple[VesselNetwork, dict[str, int]]:
    """A tip vein, from whose end a narrow short way and a wide long way lead to the heart.

    ::

        x --tip-- a --narrow (10 mm)-- heart
                  a --bone   ( 5 mm)-- heart
                  a --wide_1 (12 mm)-- b --wide_2 (9 mm, drawn backwards)-- heart
        a --dead-- d
    """
    builder = NetworkBuilder()
    x, a, b, heart, dead = (
        builder.node(p) for p in ([0, 0, -4], [0, 0, 0], [0, 12, 0], [0, 12, 9], [5, 0, 0])
    )
    wanted = {
        "tip": (x, a, S.FORAMINAL, 0.5),
        "narrow": (a, heart, S.INTERSEGMENTAL, 0.5),
        "bone": (a, heart, S.BASIVERTEBRAL, bone_calibre),
        "wide_1": (a, b, S.PARASPINAL, 1.5),
        "wide_2": (heart, b, S.AZYGOS, 3.0),
        "dead": (a, dead, S.MUSCULAR, 1.0),
    }
    branch = {
        name: builder.branch(start, end, structure, Level.T9, Side.RIGHT, radius=radius)
        for name, (start, end, structure, radius) in wanted.items()
    }
    builder.terminal(heart, TerminalKind.OUTLET, "right_atrium")
    builder.terminal(x, TerminalKind.TRIBUTARY, "end")
    return builder.build(), branch


def names(path: tuple[tuple[int, float, float], ...], branch: dict[str, int]) -> list[str]:
    back = {number: name for name, number in branch.items()}
    return [back[leg[0]] for leg in path]


def test_wide_way_is_preferred_to_the_short_one() -> None:
    network, branch = loop()
    route = find_route(network, (branch["tip"], 1.0), diameter_mm=0.5)
    assert names(route.path, branch) == ["tip", "wide_1", "wide_2"]
    assert route.path[0] == (branch["tip"], 1.0, pytest.approx(4.0))
    # wide_2 is drawn from the heart, so that the catheter lies against it
    assert route.path[2] == (branch["wide_2"], pytest.approx(9.0), 0.0)


def test_via_overrules_the_cost() -> None:
    network, branch = loop()
    via: list[Via] = [(S.INTERSEGMENTAL, Level.T9, Side.RIGHT)]
    route = find_route(network, (branch["tip"], 1.0), diameter_mm=0.5, via=via)
    assert names(route.path, branch) == ["tip", "narrow"]


def test_via_that_the_tip_meets_changes_nothing() -> None:
    network, branch = loop()
    via: list[Via] = [(S.FORAMINAL, Level.T9, None), (S.PARASPINAL, None, None)]
    route = find_route(network, (branch["tip"], 1.0), diameter_mm=0.5, via=via)
    assert names(route.path, branch) == ["tip", "wide_1", "wide_2"]


def test_no_route_through_bone_however_wide() -> None:
    network, branch = loop(bone_calibre=20.0)
    route = find_route(network, (branch["tip"], 1.0), diameter_mm=0.5)
    assert "bone" not in names(route.path, branch)


@pytest.mark.parametrize("arc", [0.0, 4.0])
def test_tip_on_either_end_of_its_branch(arc: float) -> None:
    network, branch = loop()
    route = find_route(network, (branch["tip"], arc), diameter_mm=0.5)
    assert route.path[0] == (branch["tip"], arc, pytest.approx(4.0))


def test_cost_is_the_integral_of_ds_over_r_squared() -> None:
    """Break even: narrow 10 mm at r against 12/r1^2 + 9/r2^2 of the way round."""
    round_trip = 12 / 1.5**2 + 9 / 3.0**2
    length = float(np.hypot(12, 9))
    network, branch = loop()
    for factor, expected in ((0.99, "wide_1"), (1.01, "narrow")):
        radius = np.sqrt(length / round_trip) * factor
        points = network.point_radius.copy()
        rows = slice(
            network.point_offset[branch["narrow"]], network.point_offset[branch["narrow"] + 1]
        )
        points[rows] = radius
        widened = replace(network, point_radius=points, point_radius_minor=points)
        route = find_route(widened, (branch["tip"], 1.0), diameter_mm=0.5)
        assert names(route.path, branch)[1] == expected


@pytest.mark.parametrize(
    ("tip", "changes", "message"),
    [
        ((99, 0.0), {}, "branch 99 does not exist"),
        ((0, 5.0), {}, r"5\.0 mm is outside branch 0"),
        ((0, float("nan")), {}, "outside branch"),
        ((0, 1.0), {"goal": "moon"}, "no outlet named 'moon'"),
        ((0, 1.0), {"via": [(S.LUMBAR, Level.L3, Side.LEFT)]}, "no vein lumbar l3 left"),
        ((0, 1.0), {"via": [(S.BASIVERTEBRAL, None, None)]}, "no way"),
        ((0, 1.0), {"via": [(S.MUSCULAR, None, None)]}, "one vein twice"),
        ((0, 1.0), {"diameter_mm": -1.0}, "diameter"),
    ],
)
def test_one_clear_error(tip: tuple[int, float], changes: dict[str, object], message: str) -> None:
    network, _ = loop()
    with pytest.raises(GeometryError, match=message):
        find_route(network, tip, **({"diameter_mm": 0.5} | changes))  # type: ignore[arg-type]


def test_a_tip_that_does_not_move_keeps_its_route() -> None:
    network, branch = loop()
    route = find_route(network, (branch["tip"], 1.0), diameter_mm=0.5)
    assert move_tip(network, route, 0.0) is route


@pytest.mark.parametrize(
    ("offset", "arc"),
    [(0.4, 0.6), (1.0 - TIP_MARGIN_MM, TIP_MARGIN_MM), (30.0, TIP_MARGIN_MM), (-2.5, 3.5)],
)
def test_a_tip_moves_in_its_own_vein(offset: float, arc: float) -> None:
    """The catheter comes from the vein's end, so that the start is ahead of it."""
    network, branch = loop()
    route = find_route(network, (branch["tip"], 1.0), diameter_mm=0.5)
    moved = move_tip(network, route, offset)
    assert moved.path[0] == (branch["tip"], pytest.approx(arc), 4.0)
    assert moved.path[1:] == route.path[1:]


def test_a_tip_at_the_end_of_its_vein_does_not_go_back() -> None:
    network, branch = loop()
    route = find_route(network, (branch["tip"], TIP_MARGIN_MM / 2), diameter_mm=0.5)
    assert move_tip(network, route, 1.0) == route


def forked() -> tuple[VesselNetwork, dict[str, int]]:
    """A foraminal vein that forks beyond the tip; its wider strand is drawn backwards.

    ::

        heart --trunk (10 mm)-- a --near (4 mm)-- b --narrow (5 mm)-- c
                                                  b --wide   (3 mm)-- d --other vein-- e
    """
    builder = NetworkBuilder()
    places = {"heart": -10, "a": 0, "b": 4}
    heart, a, b = (builder.node((0.0, 0.0, float(z))) for z in places.values())
    c, d, e = (builder.node(p) for p in ([5.0, 0, 4], [0, 3.0, 4], [0, 3.0, 9]))
    wanted = {
        "trunk": (heart, a, S.AZYGOS, 2.0),
        "near": (a, b, S.FORAMINAL, 0.5),
        "narrow": (b, c, S.FORAMINAL, 0.3),
        "wide": (d, b, S.FORAMINAL, 0.6),
        "other": (d, e, S.ANTERIOR_EPIDURAL, 1.0),
    }
    branch = {
        name: builder.branch(start, end, structure, Level.T9, Side.RIGHT, radius=radius)
        for name, (start, end, structure, radius) in wanted.items()
    }
    builder.terminal(heart, TerminalKind.OUTLET, "right_atrium")
    return builder.build(), branch


@pytest.mark.parametrize(
    ("offset", "vein", "arc"),
    [
        (2.0, "near", 3.0),
        (3.0 - TIP_MARGIN_MM / 2, "wide", 3.0 - TIP_MARGIN_MM),  # never on the node itself
        (4.0, "wide", 2.0),
        (30.0, "wide", TIP_MARGIN_MM),
    ],
)
def test_an_advanced_tip_takes_the_widest_strand_of_its_vein(
    offset: float, vein: str, arc: float
) -> None:
    network, branch = forked()
    route = find_route(network, (branch["near"], 1.0), diameter_mm=0.5)
    moved = move_tip(network, route, offset)
    assert moved.path[0][:2] == (branch[vein], pytest.approx(arc))
    assert moved.path[-1] == route.path[-1]
    back = move_tip(network, moved, -1.5)
    total = [sum(abs(end - begin) for _, begin, end in one.path) for one in (moved, back)]
    assert total[0] - total[1] == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("withdrawn", "vein", "arc"),
    [
        (3.0, "wide_1", 0.0),
        (3.5, "wide_1", 0.5),
        (15.0, "wide_2", 9.0),
        (17.0, "wide_2", 7.0),  # drawn backwards
    ],
)
def test_a_withdrawn_tip_crosses_junctions(withdrawn: float, vein: str, arc: float) -> None:
    network, branch = loop()
    route = find_route(network, (branch["tip"], 1.0), diameter_mm=0.5)
    moved = move_tip(network, route, -withdrawn)
    assert moved.path[0][:2] == (branch[vein], pytest.approx(arc))
    assert moved.path[1:] == route.path[len(route.path) - len(moved.path) + 1 :]


def test_withdrawing_undoes_advancing() -> None:
    network, branch = loop()
    route = find_route(network, (branch["wide_2"], 4.0), diameter_mm=0.5)
    there = move_tip(network, route, 2.0)
    # towards the heart, which is its start, is out
    assert there.path == ((branch["wide_2"], pytest.approx(6.0), 0.0),)
    assert move_tip(network, there, -2.0).path == ((branch["wide_2"], pytest.approx(4.0), 0.0),)


def test_a_tip_withdrawn_out_of_the_veins() -> None:
    network, branch = loop()
    route = find_route(network, (branch["tip"], 1.0), diameter_mm=0.5)
    with pytest.raises(GeometryError, match=r"the catheter lies in 24\.0 mm"):
        move_tip(network, route, -24.5)
