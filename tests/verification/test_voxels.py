"""Cubes against Poiseuille: tubes, bends, forks and flat veins, whichever way they run.

Lengths are in spacings. Each lumen is cut from an infinite one by where a coordinate along it
ends; beyond the cuts it goes on, so that no wall closes it. The pressure of a uniform gradient is
imposed near both ends, and what flows through the part between is compared.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import ArrayLike
from scipy.sparse import coo_array, diags_array
from scipy.sparse.linalg import cg

from castsim.multigrid import Multigrid
from geometry.centerline_mesh import centreline_mesh
from geometry.cubes import Cubes, cubes_of
from geometry.flowmesh import BoolArray, FloatArray, FlowMesh, IntArray
from geometry.levels import Level, Side
from geometry.lumen import capsules_of
from geometry.network import NetworkBuilder, TerminalKind
from geometry.structures import Structure
from geometry.voxel_mesh import voxel_mesh
from tests.verification.verdicts import Table, Verdict

SUBJECT = "Voxels"
POISEUILLE = "Poiseuille; worst of 5 directions x 3 offsets"
DIRECTIONS = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1], [3, 2, 1], [8, 3, 1]], dtype=float)
DIRECTIONS /= np.linalg.norm(DIRECTIONS, axis=1)[:, None]
OFFSETS = ((0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.3, 0.1, 0.7))
BOUNDS = {2: 0.15, 3: 0.07, 5: 0.04, 8: 0.02}
"""Largest error by cubes a radius."""

STIFF = 1e5
"""Hold of an end, over the largest conductance in the mesh."""


def frames() -> Iterator[tuple[FloatArray, FloatArray]]:
    """Rows of right-handed frames, the first along the lumen, and offsets of the grid."""
    for along in DIRECTIONS:
        across = np.cross(along, [0.2, -0.4, 0.9])
        across /= np.linalg.norm(across)
        frame = np.array([along, across, np.cross(along, across)])
        for offset in OFFSETS:
            yield frame, np.array(offset)


def grid(low: ArrayLike, high: ArrayLike, frame: FloatArray, offset: FloatArray) -> FloatArray:
    """Points of a grid, in the frame, that hold the box from `low` to `high` of the frame."""
    corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T @ frame
    axes = [
        np.arange(np.floor(least) - 2, np.ceil(most) + 3) + shift
        for least, most, shift in zip(corners.min(0), corners.max(0), offset, strict=True)
    ]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1) @ frame.T


def lumen(distance: FloatArray, kept: BoolArray) -> tuple[Cubes, FloatArray]:
    """Cubes of the lumen where it is `kept`, and the flat places of those in the grid."""
    cubes = cubes_of(distance, 1.0, kept)
    return cubes, np.ravel_multi_index(tuple(cubes.place.T), distance.shape)


def net_outflow(
    i: IntArray, j: IntArray, g: FloatArray, pressure: FloatArray, held: BoolArray
) -> FloatArray:
    """Net outflow (n,) of each cell, with `pressure` where it is `held` and balance elsewhere."""
    n = len(held)
    matrix = coo_array(
        (np.concatenate([g, g, -g, -g]), (np.r_[i, j, i, j], np.r_[i, j, j, i])), shape=(n, n)
    ).tocsr()
    free = np.flatnonzero(~held)
    rest = matrix[free][:, free]
    jacobi = diags_array(1 / rest.diagonal())
    change, failed = cg(rest, -(matrix @ pressure)[free], rtol=1e-8, maxiter=20000, M=jacobi)
    assert not failed
    solved = pressure.copy()
    solved[free] += change
    return np.asarray(matrix @ solved)


def ratio(distance: FloatArray, along: FloatArray, ends: tuple[float, float]) -> float:
    """Flow through a lumen under unit gradient; `ends`: half lengths of all, and of the free."""
    cubes, place = lumen(distance, np.abs(along) < ends[0])
    s = along.ravel()[place]
    conductance = 0.5 / cubes.resistance
    out = net_outflow(cubes.owner, cubes.neighbour, conductance, -s, np.abs(s) >= ends[1])
    return float(out[s <= -ends[1]].sum())


def tube(radius: float, points: FloatArray) -> FloatArray:
    return np.asarray(np.hypot(points[..., 1], points[..., 2]) - radius)


def ellipse(a: float, b: float, points: FloatArray) -> FloatArray:
    u, v = points[..., 1], points[..., 2]
    f = np.hypot(u / a, v / b)
    slope = np.hypot(u / a**2, v / b**2)
    return np.where(slope > 0, f * (f - 1) / np.where(slope > 0, slope, 1), -b)


def straight(shape: Callable[[FloatArray], FloatArray], wide: float, free: float) -> list[float]:
    """Flows through a straight lumen, over all directions and offsets."""
    found = []
    whole = free + 2 * wide
    for frame, offset in frames():
        points = grid([-whole, -wide, -wide], [whole, wide, wide], frame, offset)
        found.append(ratio(shape(points), points[..., 0], (whole, free)))
    return found


@pytest.mark.parametrize("cubes", BOUNDS)
def test_tube(cubes: int, verdict: Verdict) -> None:
    """Q = pi R^4 / 8."""
    found = straight(lambda points: tube(cubes, points), cubes, 6.0)
    exact = np.pi * cubes**4 / 8
    what = f"tube, {cubes} cubes a radius: conductance, spacings^4"
    verdict(SUBJECT, what, found, exact, source=POISEUILLE, rtol=BOUNDS[cubes])


def test_tube_order(verdict: Verdict) -> None:
    """Worst error over the cubes a radius."""
    sizes = [1 / cubes for cubes in BOUNDS]
    spread = [
        np.array(straight(lambda points, r=cubes: tube(r, points), cubes, 6.0))
        / (np.pi * cubes**4 / 8)
        for cubes in BOUNDS
    ]
    error = [np.abs(found - 1).max() for found in spread]
    lines = tuple(
        (str(cubes), f"{found.min():.4f}", f"{found.max():.4f}", f"{found.mean():.4f}")
        for cubes, found in zip(BOUNDS, spread, strict=True)
    )
    table = Table(
        "Conductance of a tube over Poiseuille's",
        ("cubes a radius", "least", "most", "mean"),
        lines,
    )
    verdict.order(
        SUBJECT, "the worst error of a tube", sizes, error,
        at_least=1.8, overall=True, source=POISEUILLE, table=table,
    )  # fmt: skip


@pytest.mark.parametrize("cubes", [2, 5, 8])
def test_flat_vein(cubes: int, verdict: Verdict) -> None:
    """Q = pi a^3 b^3 / (4 (a^2 + b^2)), axes 2:1, cubes counted on the minor one."""
    a, b = 2.0 * cubes, float(cubes)
    found = straight(lambda points: ellipse(a, b, points), a, 6.0)
    exact = np.pi * (a * b) ** 3 / (4 * (a**2 + b**2))
    what = f"ellipse 2:1, {cubes} cubes a minor axis: conductance, spacings^4"
    verdict(SUBJECT, what, found, exact, source=POISEUILLE, rtol=BOUNDS[cubes])


@pytest.mark.parametrize("cubes", [2, 5, 8])
def test_bend(cubes: int, verdict: Verdict) -> None:
    """A bend with a radius of six of the tube's: Poiseuille along its centreline."""
    bent, found = 6.0 * cubes, []
    for frame, offset in frames():
        low = [0.5 * bent, -0.9 * bent, -cubes]
        points = grid(low, [bent + cubes, 0.9 * bent, cubes], frame, offset)
        x, y, z = np.moveaxis(points, -1, 0)
        distance = np.hypot(np.hypot(x, y) - bent, z) - cubes
        along = bent * np.arctan2(y, x)
        found.append(ratio(distance, along, (0.75 * bent, 0.35 * bent)))
    exact = np.pi * cubes**4 / 8
    what = f"bend, {cubes} cubes a radius: conductance, spacings^4"
    verdict(SUBJECT, what, found, exact, source=POISEUILLE, rtol=BOUNDS[cubes])


@pytest.mark.parametrize("cubes", [2, 5, 8])
def test_fork(cubes: int, verdict: Verdict) -> None:
    """One vein parts into two of 0.8 of its radius, at 40 degrees to either side.

    The whole voxel mesh, from end to end, beside the centreline mesh; ends stay lines.
    """
    turn, found, exact = np.radians([180.0, 40.0, -40.0]), [], []
    for frame, offset in frames():
        builder = NetworkBuilder()
        middle = builder.node(np.zeros(3))
        for angle, radius in zip(turn, (1.0, 0.8, 0.8), strict=True):
            end = builder.node(8.0 * np.array([np.cos(angle), np.sin(angle), 0.0]) @ frame)
            vein = Structure.AZYGOS, Level.T9, Side.RIGHT
            builder.branch(middle, end, *vein, radius=[radius, radius])
            builder.terminal(end, TerminalKind.OUTLET, f"end {angle:.0f}")
        network = builder.build()
        lines = centreline_mesh(network)
        pieces = capsules_of(network)
        # a grid begins at the corner of its box: the veins are moved instead of it
        moved = pieces._replace(start=pieces.start + np.array(offset) / cubes)
        mesh = voxel_mesh(network, lines, moved, 1 / cubes, [Level.T9], least_cubes=1.5).flow
        found.append(inflow(mesh))
        exact.append(inflow(lines.flow))
    what = f"fork, {cubes} cubes a radius: conductance, mm3"
    source = "centreline mesh; worst of 5 directions x 3 offsets"
    verdict(SUBJECT, what, found, exact, source=source, rtol=BOUNDS[cubes])


def inflow(mesh: FlowMesh) -> float:
    """What unit viscosity lets through from the first terminal, at 1 Pa, to the others."""
    ends, n = mesh.terminal_cell, mesh.n_cells
    conductance = 1 / mesh.half_resistance.sum(axis=1)
    # ends are held by so much that their own pressure does not count
    hold = STIFF * conductance.max()
    ground, source = np.zeros(n), np.zeros(n)
    ground[ends], source[ends[0]] = hold, hold
    solver = Multigrid(n, mesh.face_owner, mesh.face_neighbour, conductance, ground)
    pressure = solver.solve(source, tolerance=1e-12)[0]
    return float(hold * pressure[ends[1:]].sum())


def test_volume_is_kept(verdict: Verdict) -> None:
    """Balls: 4 pi R^3 / 3, whatever the offset."""
    for cubes, bound in ((2, 0.08), (5, 0.02), (8, 0.01)):
        found = []
        for offset in OFFSETS:
            ends = (np.full(3, -cubes), np.full(3, cubes))
            points = grid(*ends, np.eye(3), np.array(offset))
            distance = np.linalg.norm(points, axis=-1) - cubes
            found.append(lumen(distance, distance < 0)[0].volume.sum())
        what = f"ball, {cubes} cubes a radius: volume, spacings^3"
        exact = 4 / 3 * np.pi * cubes**3
        verdict(SUBJECT, what, found, exact, source="4/3 pi R^3", rtol=bound)
