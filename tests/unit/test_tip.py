"""Where the tip lies, the catheter's way, and the balloon beside it, in the typical anatomy."""

from dataclasses import replace

import numpy as np
import pytest

from castsim.errors import ScenarioError
from castsim.scenario import Scenario
from castsim.scenario_file import bundled_names, load_scenario
from castsim.simulate import build_anatomy, catheter_route, levels_near, route_arc, with_balloon
from castsim.tip import locate_tip
from geometry.anatomy import Anatomy
from geometry.centerline_mesh import CentrelineMesh, centreline_mesh
from geometry.flowmesh import NO_GATE
from geometry.levels import Level, Side
from geometry.structures import Compartment, Structure


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return build_anatomy("typical", 0)


def placed(anatomy: Anatomy, scenario: Scenario) -> tuple[int, float, np.ndarray]:
    """Branch, arc and world point of the tip."""
    branch, arc = locate_tip(anatomy, scenario.tip)
    points = anatomy.network.points(branch)
    at = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    assert 0.0 <= arc <= at[-1]
    return branch, arc, np.array([np.interp(arc, at, points[:, k]) for k in range(3)])


@pytest.mark.parametrize("name", bundled_names())
def test_every_bundled_tip_lies_in_its_vein_and_can_be_reached(anatomy: Anatomy, name: str) -> None:
    scenario = load_scenario(name)
    network = anatomy.network
    branch, _, _ = placed(anatomy, scenario)
    structure, level, side = scenario.tip.code
    assert network.branch_structure[branch] == structure
    assert network.branch_level[branch] == level
    assert network.branch_side[branch] == side

    passed = [leg[0] for leg in catheter_route(anatomy, scenario).path]
    assert passed[0] == branch
    last = Structure(network.branch_structure[passed[-1]])
    assert last.compartment is Compartment.GREAT
    first_met = [
        next(k for k, b in enumerate(passed) if b in network.branches(*waypoint.code))
        for waypoint in scenario.catheter.via
    ]
    assert first_met == sorted(first_met, reverse=True), "from the heart to the tip"


@pytest.mark.parametrize(
    ("name", "trunk", "side"),
    [
        ("right-t9", Structure.AZYGOS, None),
        ("right-t5", Structure.AZYGOS_ARCH, None),
        ("right-l1", Structure.ASCENDING_LUMBAR, Side.RIGHT),
        ("left-t10", Structure.HEMIAZYGOS, Side.LEFT),
        ("left-t7", Structure.ACCESSORY_HEMIAZYGOS, Side.LEFT),
        ("right-t3", Structure.SUPERIOR_INTERCOSTAL, Side.RIGHT),
        ("left-t3", Structure.SUPERIOR_INTERCOSTAL, Side.LEFT),
        ("c6", Structure.VERTEBRAL_VEIN, Side.RIGHT),
    ],
)
def test_routes_go_as_in_the_road_map(
    anatomy: Anatomy, name: str, trunk: Structure, side: Side | None
) -> None:
    """Borg 2022, Fig 10: roadmaps to each foramen by their common drainage."""
    route = catheter_route(anatomy, load_scenario(name))
    passed = {leg[0] for leg in route.path}
    assert passed & set(anatomy.network.branches(trunk, None, side).tolist())


def test_stations_are_thirds_of_the_foramen(anatomy: Anatomy) -> None:
    sleeve = anatomy.skeleton.root_sleeve(Level.T9, Side.RIGHT)
    for number, station in enumerate(("medial", "middle", "lateral")):
        scenario = load_scenario("right-t9", [f"tip.station={station}"])
        share = float(sleeve.project(placed(anatomy, scenario)[2])[0][0])
        assert number / 3 - 0.02 <= share <= (number + 1) / 3 + 0.02


def test_other_veins_are_cut_from_the_midline_outwards_or_upwards(anatomy: Anatomy) -> None:
    def point(*overrides: str) -> np.ndarray:
        return placed(anatomy, load_scenario("right-t9", list(overrides)))[2]

    paraspinal = "tip.structure=paraspinal"
    lateral = [point(paraspinal, f"tip.station={s}")[0] for s in ("medial", "middle", "lateral")]
    assert lateral == sorted(lateral)
    assert lateral[2] - lateral[0] > 3.0
    azygos = "tip.structure=azygos"
    height = [point(azygos, f"tip.station={s}")[2] for s in ("lower", "middle", "upper")]
    assert height == sorted(height)


def test_the_tip_takes_the_widest_strand(anatomy: Anatomy) -> None:
    scenario = load_scenario("right-t9")
    branch, _, _ = placed(anatomy, scenario)
    network = anatomy.network
    widened = network.point_radius.copy()
    other = next(b for b in network.branches(*scenario.tip.code) if b != branch)
    station = load_scenario("right-t9").tip
    rows = slice(network.point_offset[other], network.point_offset[other + 1])
    widened[rows] = 5.0
    minor = network.point_radius_minor.copy()
    minor[rows] = 5.0
    wide = replace(
        anatomy, network=replace(network, point_radius=widened, point_radius_minor=minor)
    )
    sleeve = anatomy.skeleton.root_sleeve(Level.T9, Side.RIGHT)
    share = sleeve.project(network.points(other))[0]
    in_station = bool(((share >= 1 / 3) & (share <= 2 / 3)).any())
    assert (locate_tip(wide, station)[0] == other) == in_station


@pytest.mark.parametrize(
    ("override", "line"),
    [
        (
            "tip.structure=hemiazygos",
            "tip: no hemiazygos T9 right in this anatomy; hemiazygos is at: left",
        ),
        ("tip.level=S1", "tip: no foraminal S1 right in this anatomy; foraminal is at: right C2"),
    ],
)
def test_a_tip_that_is_nowhere(anatomy: Anatomy, override: str, line: str) -> None:
    with pytest.raises(ScenarioError, match=line):
        locate_tip(anatomy, load_scenario("right-t9", [override]).tip)


def tip_of(anatomy: Anatomy, scenario: Scenario) -> tuple[int, float, np.ndarray]:
    """Branch, arc and world point of the tip where the catheter really ends."""
    branch, arc, _ = catheter_route(anatomy, scenario).path[0]
    points = anatomy.network.points(branch)
    at = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    return branch, arc, np.array([np.interp(arc, at, points[:, k]) for k in range(3)])


def catheter_mm(anatomy: Anatomy, scenario: Scenario) -> float:
    """Length of catheter in the veins."""
    return sum(abs(end - begin) for _, begin, end in catheter_route(anatomy, scenario).path)


@pytest.mark.parametrize("name", ["right-t9-segmental", "left-t7"])
def test_an_offset_moves_the_tip_along_its_vein(anatomy: Anatomy, name: str) -> None:
    paraspinal = ["tip.structure=paraspinal", "tip.station=lateral"]
    planned = load_scenario(name, paraspinal)
    branch, arc, here = tip_of(anatomy, planned)
    assert (branch, arc) == locate_tip(anatomy, planned.tip)
    for offset in (1.5, -1.5):
        scenario = load_scenario(name, [*paraspinal, f"tip.offset_mm={offset}"])
        moved = tip_of(anatomy, scenario)
        assert moved[0] == branch
        assert np.linalg.norm(moved[2] - here) == pytest.approx(1.5, rel=0.01)
        longer = catheter_mm(anatomy, scenario) - catheter_mm(anatomy, planned)
        assert longer == pytest.approx(offset)


def test_left_mirrors_right(anatomy: Anatomy) -> None:
    network = anatomy.network
    flip = np.array([-1.0, 1.0, 1.0])
    mirrored = replace(
        anatomy,
        network=replace(
            network,
            node_xyz=network.node_xyz * flip,
            point_xyz=network.point_xyz * flip,
            branch_side=-network.branch_side,
        ),
    )
    segmental = "tip.structure=paraspinal"
    for offset in (-20.0, -2.0, 2.0):
        moved = f"tip.offset_mm={offset}"
        right = tip_of(anatomy, load_scenario("right-t9", [segmental, moved]))
        left = tip_of(mirrored, load_scenario("right-t9", [segmental, moved, "tip.side=left"]))
        assert left[:2] == right[:2]
        assert np.allclose(left[2], right[2] * flip)


def test_a_withdrawn_tip_lies_in_the_trunk(anatomy: Anatomy) -> None:
    scenario = load_scenario("right-t9-segmental", ["tip.offset_mm=-50"])
    planned = catheter_route(anatomy, load_scenario("right-t9-segmental"))
    route = catheter_route(anatomy, scenario)
    structure = anatomy.network.branch_structure[route.path[0][0]]
    assert Structure(structure).compartment is Compartment.AZYGOS
    assert route.path[1:] == planned.path[len(planned.path) - len(route.path) + 1 :]
    withdrawn = catheter_mm(anatomy, load_scenario("right-t9-segmental")) - catheter_mm(
        anatomy, scenario
    )
    assert withdrawn == pytest.approx(50.0)


def test_a_tip_withdrawn_out_of_the_body(anatomy: Anatomy) -> None:
    network = anatomy.network
    lowest = int(network.branch_level[network.branches(Structure.SVC)].max())
    svc = ["tip.structure=svc", f"tip.level={Level(lowest).name}", "tip.side=midline"]
    with pytest.raises(ScenarioError, match=r"tip\.offset_mm = -50\.0: withdrawn out of the veins"):
        catheter_route(anatomy, load_scenario("right-t9", [*svc, "tip.offset_mm=-50"]))


def meshed(anatomy: Anatomy, scenario: Scenario) -> CentrelineMesh:
    return centreline_mesh(anatomy.network, 1.0, catheter_route(anatomy, scenario))


def test_a_balloon_shuts_the_vein_behind_the_tip_only(anatomy: Anatomy) -> None:
    scenario = load_scenario("right-t9-balloon").resolved()
    mesh = meshed(anatomy, scenario)
    flow = with_balloon(mesh, scenario)
    raised = flow.half_resistance[:, 0] > mesh.flow.half_resistance[:, 0]
    assert raised.any()
    assert (flow.face_gate[raised] == NO_GATE).all()
    assert (flow.face_gate[~raised] == mesh.flow.face_gate[~raised]).all()
    shut = set(flow.face_owner[raised]) | set(flow.face_neighbour[raised])
    assert mesh.tip_cell not in shut
    inside = mesh.route_cells[(route_arc(mesh) >= 3.0) & (route_arc(mesh) <= 13.0)]
    calibre = 2 * np.sqrt(flow.cell_radius * flow.cell_radius_minor)[inside]
    assert set(inside[calibre <= 4.0].tolist()) <= shut


def test_without_a_balloon_nothing_is_shut(anatomy: Anatomy) -> None:
    scenario = load_scenario("right-t9").resolved()
    mesh = meshed(anatomy, scenario)
    assert with_balloon(mesh, scenario) is mesh.flow


@pytest.mark.parametrize(
    ("balloon", "line"),
    [
        ("{length_mm=2, diameter_mm=0.2}", "too small for a vein of"),
        ("{distance_mm=100, length_mm=0.001, diameter_mm=9}", "no vein is left there"),
    ],
)
def test_a_balloon_that_cannot_work(anatomy: Anatomy, balloon: str, line: str) -> None:
    scenario = load_scenario("right-t9", [f"catheter.balloon={balloon}"]).resolved()
    with pytest.raises(ScenarioError, match=line):
        with_balloon(meshed(anatomy, scenario), scenario)


def test_the_window_is_about_target_and_tip() -> None:
    scenario = load_scenario("right-t1-via-t2", ["mesh.window_levels=2"])
    assert levels_near(scenario)[0] is Level.C7
    assert levels_near(scenario)[-1] is Level.T3
    assert levels_near(scenario, Level.T5)[-1] is Level.T7
    assert levels_near(load_scenario("c6", ["mesh.window_levels=26"])) == tuple(Level)
