"""A cast small enough to draw in a second: strands round one root, made by hand.

It has the fields of a Cast that pictures and VTK files read, and real bones.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from castsim import graphics
from castsim.cast import foramen_coverage
from castsim.drawn import Cells
from castsim.history import History
from castsim.holding import Holding
from castsim.polylines import arc_length, points_at
from geometry.centerline_mesh import CentrelineMesh
from geometry.levels import Level, Side
from geometry.network import NetworkBuilder, TerminalKind, VesselNetwork
from geometry.skeleton import Skeleton
from geometry.structures import Structure

CELL_MM = 0.5
ROOT, SIDE = Level.T9, Side.RIGHT


def _network(skeleton: Skeleton) -> VesselNetwork:
    """Five strands along the T9 root between an epidural column and a segmental vein."""
    build = NetworkBuilder()
    sleeve = skeleton.root_sleeve(ROOT, SIDE)
    axis = sleeve.points
    medial, lateral = axis[6], axis[-8]
    column = medial - np.array([2.0, 2.0, 0.0])
    height = np.array([0.0, 0.0, 25.0])
    side = lateral + np.array([3.0, 2.0, 4.0])
    nodes = [build.node(p) for p in (column, side, column + height, column - height)]
    for k in range(5):
        angle = 2.0 * np.pi * k / 5
        away = 3.4 * (np.sin(angle) * sleeve.anterior + np.cos(angle) * sleeve.cranial)
        build.branch(
            nodes[0], nodes[1], Structure.FORAMINAL, ROOT, SIDE, radius=0.7,
            via=axis[8:-8:3] + away,
        )  # fmt: skip
    for end in nodes[2:]:
        build.branch(
            nodes[0], end, Structure.ANTERIOR_EPIDURAL, ROOT, SIDE, radius=1.4, radius_minor=0.6
        )
    mouth = build.node([2.0, 24.0, axis[0][2]])
    build.branch(
        nodes[1], mouth, Structure.PARASPINAL, ROOT, SIDE, radius=1.5,
        via=[[20.0, 0.0, axis[0][2] + 3.0], [12.0, 16.0, axis[0][2] + 2.0]],
    )  # fmt: skip
    build.terminal(mouth, TerminalKind.OUTLET, "azygos")
    return build.build()


class HandMadeMesh(SimpleNamespace):
    """Cells along branches, found as on the true mesh."""

    rows_beside = CentrelineMesh.rows_beside
    stretches_with = CentrelineMesh.stretches_with

    @property
    def _row_key(self) -> tuple[np.ndarray, float]:
        return CentrelineMesh._row_key.func(self)


def _mesh(network: VesselNetwork) -> SimpleNamespace:
    """Cells along the branches; the first cells are the nodes."""
    xyz, radius, minor = list(network.node_xyz), [1.0] * network.n_nodes, [0.6] * network.n_nodes
    offset, polyline, at = [0], [], []
    for b in range(network.n_branches):
        own = slice(network.point_offset[b], network.point_offset[b + 1])
        length = arc_length(network.points(b))[-1]
        arc = np.linspace(0.0, length, int(length / CELL_MM) + 2)
        inner = range(len(xyz), len(xyz) + len(arc) - 2)
        polyline += [network.branch_start[b], *inner, network.branch_end[b]]
        at += list(arc)
        offset.append(len(polyline))
        xyz += list(points_at(network.points(b), arc[1:-1]))
        radius += [network.point_radius[own][0]] * len(inner)
        minor += [network.point_radius_minor[own][0]] * len(inner)
    codes = np.zeros((3, len(xyz)), dtype=int)
    for b in range(network.n_branches):
        own = polyline[offset[b] : offset[b + 1]]
        codes[0, own] = network.branch_structure[b]
        codes[1, own] = network.branch_level[b]
        codes[2, own] = network.branch_side[b]
    flow = SimpleNamespace(
        cell_radius=np.array(radius),
        cell_radius_minor=np.array(minor),
        cell_centroid=np.array(xyz),
        cell_volume=np.zeros(len(xyz)),
        cell_structure=codes[0],
        cell_level=codes[1],
        cell_side=codes[2],
        n_cells=len(xyz),
    )
    paraspinal = np.array(polyline[offset[-2] : offset[-1]])
    return HandMadeMesh(
        flow=flow,
        polyline_offset=np.array(offset),
        polyline_cell=np.array(polyline),
        polyline_arc=np.array(at),
        tip_cell=int(paraspinal[0]),
        route_cells=paraspinal,
    )


def make_cast(title: str = "Right T9, tip in the foramen") -> SimpleNamespace:
    """A cast of the hand-made strands, filled from the lateral end of the foramen."""
    skeleton = Skeleton.typical()
    network = _network(skeleton)
    mesh = _mesh(network)
    away = np.linalg.norm(mesh.flow.cell_centroid - mesh.flow.cell_centroid[mesh.tip_cell], axis=1)
    reached = away < 14.0
    first = np.where(reached, 10.0 * away, np.inf)
    target = SimpleNamespace(root=ROOT, side_code=SIDE)
    anatomy = SimpleNamespace(skeleton=skeleton, network=network)
    injected = float(first[reached].max())
    # a cell is full as soon as agent comes
    history = History(first, first, reached.astype(float), (), np.zeros(0, dtype=int), injected)
    cells = Cells(
        mesh.flow.cell_centroid, mesh.flow.cell_volume, mesh.flow.cell_structure, history,
        foramen_coverage(anatomy, mesh, ROOT, SIDE),
    )  # fmt: skip
    ends = np.array([0.0, injected])
    return SimpleNamespace(
        voxels=None,
        injected=injected,
        stop_reason="protocol complete",
        cells=cells,
        is_cubes=np.zeros(len(first), dtype=bool),
        holding_at=lambda volume: Holding(history.saturation_at(volume), 0.0),
        log={
            "volume": ends,
            "time": 6.0 * ends,
            **dict.fromkeys(("azygos", "embolised", "hazard"), 0.0 * ends),
        },
        scenario=SimpleNamespace(
            name="made-by-hand",
            agent="Onyx 18",
            title=title,
            target=target,
            catheter=SimpleNamespace(balloon=None),
            catheter_model=lambda: SimpleNamespace(outer_diameter=0.9),
        ),
        anatomy=anatomy,
        mesh=mesh,
        catheter=mesh.flow.cell_centroid[mesh.route_cells],
        first_volume=first,
        full_volume=first + 1.0,
        first_time=first * 6.0,
        full_time=first * 6.0 + 1.0,
        saturation=reached.astype(float),
        solid_fraction=0.5 * reached,
    )


SUMMARY = {
    "injected_mL": 0.6,
    "coverage": {"deg": 291.4, "coverable_deg": 352.0},
    "reflux": {"azygos_mL": 0.0},
    "embolised_mL": 0.12,
    "cast_mL": 0.48,
    "hazard_mL": 0.0,
    "structures": [],
    "stop_reason": "protocol complete",
}


@pytest.fixture(scope="session")
def opengl() -> None:
    """Skip, and say why, where nothing can be drawn."""
    found = graphics.probe()
    if not found.available:
        pytest.skip(found.message)
    graphics.prepare()


@pytest.fixture(scope="session")
def cast() -> SimpleNamespace:
    return make_cast()


@pytest.fixture(scope="session")
def summary() -> dict:
    return SUMMARY
