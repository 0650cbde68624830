"""The epidural plexus of random patients, cut out, with a pressure across it either way.

In the whole spine no pressure of the patient turns the flow of the plexus round and leaves all
else as it is; cut at both ends, the plexus alone decides.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from castsim.agents import load_agent
from castsim.catheters import load_catheter
from castsim.injection import inject
from castsim.physiology import Physiology
from castsim.protocol import Protocol, Step
from castsim.units import Pa_from_mmHg, uL_s_from_mL_min
from geometry.anatomy import Anatomy
from geometry.centerline_mesh import centreline_mesh
from geometry.flowmesh import FlowMesh
from geometry.levels import Level
from geometry.structures import Compartment, Structure
from tests.validation.pipes import resting_flow, source

FloatArray = NDArray[np.float64]

LEVELS = range(Level.T7, Level.T11 + 1)
TIP_LEVEL = Level.T9
ACROSS_MMHG = 1.0
"""Estimate: what lies between neighbouring outlets of the plexus at rest."""
VOLUME_UL, RATE_ML_MIN = 200.0, 0.1
AGENT, CATHETER = "Onyx 18", "Marathon"
EPIDURAL = [code for code in Structure if code.compartment is Compartment.EPIDURAL]


def heights(number: int) -> tuple[float, float]:
    """Mean height of the agent over the tip, mm, with blood driven down and driven up."""
    whole = centreline_mesh(Anatomy.draw(np.random.default_rng(number)).network).flow
    inside = np.isin(whole.cell_structure, EPIDURAL) & np.isin(whole.cell_level, LEVELS)
    column = inside & (whole.cell_structure == Structure.ANTERIOR_EPIDURAL)
    tip = _middle(whole.cell_centroid[:, 2], column & (whole.cell_level == TIP_LEVEL))
    inside = _joined_to(tip, whole, inside)
    cells = np.flatnonzero(inside)
    place = np.full(whole.n_cells, -1)
    place[cells] = np.arange(len(cells))
    height = whole.cell_centroid[cells, 2] - whole.cell_centroid[tip, 2]
    found = []
    for lower, upper in ((0.0, ACROSS_MMHG), (ACROSS_MMHG, 0.0)):
        mesh = _cut(whole, inside, place, Pa_from_mmHg(lower), Pa_from_mmHg(upper))
        blood, agent, catheter = Physiology.default(), load_agent(AGENT), load_catheter(CATHETER)
        run = inject(
            mesh,
            agent,
            source(catheter, agent, int(place[tip])),
            Protocol((Step(VOLUME_UL, uL_s_from_mL_min(RATE_ML_MIN)),)),
            blood_viscosity=blood.blood_viscosity_Pa_s,
            blood_density=blood.blood_density,
            rest_flow=resting_flow(mesh, blood.blood_viscosity_Pa_s),
            seed=number,
        )
        held = run.state.agent_volume
        found.append(float(held @ height / held.sum()))
    return found[0], found[1]


def _cut(
    whole: FlowMesh, inside: NDArray[np.bool_], place: NDArray[np.int64], lower: float, upper: float
) -> FlowMesh:
    """The flagged cells; where veins to other epidural cells were cut, a terminal of that side."""
    owner, neighbour = whole.face_owner, whole.face_neighbour
    kept = inside[owner] & inside[neighbour]
    cut = inside[owner] != inside[neighbour]
    near = np.where(inside[owner], owner, neighbour)[cut]
    far = np.where(inside[owner], neighbour, owner)[cut]
    plexus = np.isin(whole.cell_structure[far], EPIDURAL)
    ends, beyond = np.unique(near[plexus], return_index=True)
    below = whole.cell_level[far[plexus][beyond]] > TIP_LEVEL
    names = ("cell_volume", "cell_radius", "cell_radius_minor", "cell_centroid", "cell_structure")
    return FlowMesh.from_arrays(
        **{name: getattr(whole, name)[inside] for name in names},
        face_owner=place[owner[kept]],
        face_neighbour=place[neighbour[kept]],
        half_resistance=whole.half_resistance[kept],
        face_valve=whole.face_valve[kept],
        terminal_cell=place[ends],
        terminal_pressure=np.where(below, lower, upper),
    )


def _joined_to(tip: int, whole: FlowMesh, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Of the flagged cells those that flagged ones join to the tip."""
    kept = inside[whole.face_owner] & inside[whole.face_neighbour]
    ends = whole.face_owner[kept], whole.face_neighbour[kept]
    graph = coo_array((np.ones(kept.sum()), ends), shape=(whole.n_cells,) * 2)
    part = connected_components(graph, directed=False)[1]
    return inside & (part == part[tip])


def _middle(height: FloatArray, flagged: NDArray[np.bool_]) -> int:
    """Of the flagged cells the one at their middle height."""
    cells = np.flatnonzero(flagged)
    return int(cells[np.abs(height[cells] - np.median(height[cells])).argmin()])
