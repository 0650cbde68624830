"""What the drawn anatomies themselves say: the hexagon, the foramen's strands, flow at rest."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, laplacian
from scipy.sparse.linalg import spsolve
from scipy.spatial import KDTree

from castsim.blood_solver import face_conductance
from castsim.cast import foramen_coverage
from castsim.physiology import Physiology
from castsim.units import UL_PER_ML, Pa_from_mmHg, mL_min_from_uL_s, mmHg_from_Pa
from castsim.venous_flow import VenousFlow, resting_flow
from geometry.anatomy import Anatomy
from geometry.centerline_mesh import centreline_mesh
from geometry.flowmesh import FlowMesh
from geometry.levels import SIDES, Level, Side
from geometry.structures import Compartment, Structure

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

PHANTOM = (Level.T8, Level.T9, Level.T10)
"""The three levels about the commonest target."""
COLUMNS = (Structure.ANTERIOR_EPIDURAL, Structure.POSTERIOR_EPIDURAL)
CROSSING = (Structure.VENOUS_RING, Structure.RETROCORPOREAL)
VOID_MM = 2.5
"""Half the width, and of the height 1 mm, in which nothing may lie at the disc's middle; the canal
of T9 is 17 mm wide."""
SLICE_MM = 1.0


@dataclass(frozen=True)
class Hexagon:
    """What of the hexagon a patient has at all three levels."""

    columns: bool
    rings: bool
    voids: bool
    posterior: bool

    @property
    def whole(self) -> bool:
        """Columns on both sides, a ring at each mid-body, nothing across at discs."""
        return self.columns and self.rings and self.voids


def hexagon(number: int) -> Hexagon:
    """The epidural plexus of a random patient at three levels, seen from the front."""
    anatomy = Anatomy.draw(np.random.default_rng(number))
    flow = centreline_mesh(anatomy.network).flow
    found = []
    for level in PHANTOM:
        vertebra = anatomy.skeleton.vertebra(level)
        x, _, z = vertebra.local(flow.cell_centroid).T
        disc = np.abs(z + (vertebra.body_height + vertebra.disc_height_below) / 2) < SLICE_MM
        middle = np.abs(z) < vertebra.body_height / 6  # the middle third
        central = np.isin(flow.cell_structure, (*COLUMNS, *CROSSING)) & (np.abs(x) < VOID_MM)
        anterior, posterior = (_both_sides(flow, x, middle, column) for column in COLUMNS)
        ring = bool((central & middle & np.isin(flow.cell_structure, CROSSING)).any())
        found.append((anterior, ring, not (central & disc).any(), posterior))
    return Hexagon(*(all(column) for column in zip(*found, strict=True)))


def _both_sides(flow: FlowMesh, x: FloatArray, inside: BoolArray, column: Structure) -> bool:
    here = inside & (flow.cell_structure == column)
    return all(bool((here & (np.sign(x) == side)).any()) for side in SIDES)


def widest_strand(number: int) -> float:
    """The most degrees of the right T9 root that any one foraminal vein could cover."""
    anatomy = Anatomy.draw(np.random.default_rng(number))
    mesh = centreline_mesh(anatomy.network)
    cover = foramen_coverage(anatomy, mesh, Level.T9, Side.RIGHT)
    branch = mesh.flow.cell_branch
    return max(cover.degrees(branch == one) for one in np.unique(branch[cover.cell]))


ROOMS = {
    "foraminal veins": (Structure.FORAMINAL,),
    "paraspinal part of the segmental vein": (Structure.PARASPINAL,),
    "epidural columns of that side": COLUMNS,
}


def rooms(number: int) -> dict[str, float]:
    """What the veins of right T9 hold in a random patient, mL."""
    flow = centreline_mesh(Anatomy.draw(np.random.default_rng(number)).network).flow
    here = (flow.cell_level == Level.T9) & (flow.cell_side == Side.RIGHT)
    return {
        name: float(flow.cell_volume[here & np.isin(flow.cell_structure, parts)].sum()) / UL_PER_ML
        for name, parts in ROOMS.items()
    }


SEGMENTAL_LEVELS = range(Level.T5, Level.T11 + 1)
STRAINED_MMHG = 20.0


@dataclass(frozen=True)
class Rest:
    """Resting flow of one patient.

    Attributes
    ----------
    azygos : mL/min into the superior vena cava
    segmental : mL/min in the middle of each paraspinal part, T5 to T11, both sides
    epidural : mmHg, least and largest in epidural veins
    upward, strained : mL/min up the epidural columns at mid-L2, at rest and when straining
    """

    azygos: float
    segmental: FloatArray
    epidural: tuple[float, float]
    upward: float
    strained: float


def rest(number: int | None) -> Rest:
    """Flow at rest of a random patient, or of the typical one."""
    anatomy = Anatomy.typical() if number is None else Anatomy.draw(np.random.default_rng(number))
    mesh, physiology = centreline_mesh(anatomy.network).flow, Physiology.default()
    flow = resting_flow(mesh, physiology)
    strain = replace(physiology, abdominal_pressure_Pa=Pa_from_mmHg(STRAINED_MMHG))
    segmental = []
    for level in SEGMENTAL_LEVELS:
        for side in SIDES:
            vein = mesh.cell_structure == Structure.PARASPINAL
            vein &= (mesh.cell_level == level) & (mesh.cell_side == side)
            segmental.append(mL_min_from_uL_s(float(np.median(flow.cell_flow[vein]))))
    epidural = flow.pressure[
        np.isin(
            mesh.cell_structure, [s for s in Structure if s.compartment is Compartment.EPIDURAL]
        )
    ]
    return Rest(
        mL_min_from_uL_s(flow.azygos_outflow),
        np.array(segmental),
        (mmHg_from_Pa(float(epidural.min())), mmHg_from_Pa(float(epidural.max()))),
        upward_flow(flow, Level.L2),
        upward_flow(resting_flow(mesh, strain), Level.L2),
    )


def upward_flow(flow: VenousFlow, level: Level) -> float:
    """Net flow up the epidural columns through the plane at mid-height of a vertebra, mL/min."""
    mesh = flow.mesh
    column = np.isin(mesh.cell_structure, COLUMNS)
    height = mesh.cell_centroid[:, 2]
    above = height > np.median(height[column & (mesh.cell_level == level)])
    inside = column[mesh.face_owner] & column[mesh.face_neighbour]
    rises = above[mesh.face_neighbour].astype(int) - above[mesh.face_owner].astype(int)
    return mL_min_from_uL_s(float((flow.face_flow * rises)[inside].sum()))


WAYS = {
    "foramina and epidural columns": (Compartment.FORAMINAL, Compartment.EPIDURAL),
    "intersegmental vein": (Compartment.INTERSEGMENTAL,),
    "external plexuses": (Compartment.EXTERNAL,),
}
"""From one segmental vein to the next."""


def ways_between(upper: Level, lower: Level, side: Side) -> dict[str, float]:
    """Resistance between two segmental veins by each of `WAYS` alone, typical anatomy, Pa s/mm3."""
    mesh = centreline_mesh(Anatomy.typical().network).flow
    conductance = face_conductance(
        mesh, np.full(mesh.n_cells, Physiology.default().blood_viscosity_Pa_s)
    )
    compartment = np.array([Structure(code).compartment for code in mesh.cell_structure])
    own = np.isin(mesh.cell_level, (upper, lower)) & (mesh.cell_side == side)
    own &= compartment == Compartment.SEGMENTAL
    ends = [
        _by_the_foramen(mesh, own & (mesh.cell_level == level), level, side)
        for level in (upper, lower)
    ]
    return {
        name: _resistance(mesh, conductance, own | np.isin(compartment, parts), *ends)
        for name, parts in WAYS.items()
    }


def _by_the_foramen(mesh: FlowMesh, segmental: BoolArray, level: Level, side: Side) -> int:
    """Cell of a segmental vein that is nearest to the foraminal veins."""
    foramen = (mesh.cell_structure == Structure.FORAMINAL) & (mesh.cell_level == level)
    tree = KDTree(mesh.cell_centroid[foramen & (mesh.cell_side == side)])
    cells = np.flatnonzero(segmental)
    return int(cells[tree.query(mesh.cell_centroid[cells])[0].argmin()])


def _resistance(
    mesh: FlowMesh, conductance: FloatArray, inside: BoolArray, start: int, stop: int
) -> float:
    """Resistance between two cells by the faces whose cells are both `inside`."""
    kept = inside[mesh.face_owner] & inside[mesh.face_neighbour]
    ends = mesh.face_owner[kept], mesh.face_neighbour[kept]
    n = mesh.n_cells
    graph = coo_array((conductance[kept], ends), shape=(n, n)).tocsr()
    graph = graph + graph.T
    joined = connected_components(graph, directed=False)[1]
    cells = np.flatnonzero(joined == joined[start])
    if joined[stop] != joined[start]:
        return np.inf
    matrix = laplacian(graph[cells][:, cells]).tocsc()
    drive = (cells == start).astype(float) - (cells == stop)
    pressure = spsolve(matrix[1:, 1:], drive[1:])  # the first cell is held at 0
    return float(drive[1:] @ pressure)
