"""The cast: what one injection left on the whole spine, and every curve read from it.

First and full volumes of the cells and the log of the run are enough for any volume: a cell fills
linearly between the two, so a cast at volume V is a threshold.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from castsim.drawn import Cells, log_at
from castsim.filled import Filled
from castsim.holding import Holding
from castsim.xray import load_xray
from geometry.anatomy import Anatomy
from geometry.catheter_course import catheter_course
from geometry.catheter_route import CatheterRoute
from geometry.centerline_mesh import CentrelineMesh
from geometry.coverage import RootCoverage, root_coverage
from geometry.levels import Level, Side
from geometry.structures import Compartment, Structure

if TYPE_CHECKING:
    from castsim.scenario import Scenario
    from castsim.venous_flow import VenousFlow
    from castsim.voxel_cast import VoxelCast

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Cast(Filled):
    """One simulated injection. Research and education, not a medical device.

    Arrays run over the cells of the whole spine; volumes in mm3 (= uL), inf: never.

    Attributes
    ----------
    scenario : resolved; running it again gives this cast again
    seed : of the gates' disorder
    version : of castsim
    anatomy, mesh, rest : the patient, the flow mesh with catheter, the resting flow
    route : of the catheter
    timing : s of wall clock for geometry, mesh, flow and injection
    voxels : the same of every cube, where the injection ran on some; a cell of which they are part
        then has their volume in `mesh`, is reached when the first of them is, and full when all are
    """

    scenario: "Scenario"
    seed: int
    version: str
    anatomy: Anatomy
    mesh: CentrelineMesh
    rest: "VenousFlow"
    route: CatheterRoute
    timing: Mapping[str, float]
    voxels: "VoxelCast | None" = None

    @cached_property
    def cells(self) -> Cells:
        """Cells that filled one by one: cubes where there are some."""
        if self.voxels is not None:
            return self.voxels.cells
        flow, target = self.mesh.flow, self.scenario.target
        cover = foramen_coverage(self.anatomy, self.mesh, target.root, target.side_code)
        return Cells(flow.cell_centroid, flow.cell_volume, flow.cell_structure, self.history, cover)

    @property
    def coverage(self) -> RootCoverage:
        """Arcs of the foraminal cells (or cubes) about the target root."""
        return self.cells.coverage

    @cached_property
    def catheter(self) -> FloatArray:
        """Points (m, 3) mm of the catheter as it is drawn, from its tip to the groin."""
        return catheter_course(self.anatomy.network, self.route, load_xray().bend_radius_mm)

    @property
    def log(self) -> Mapping[str, FloatArray]:
        """Columns of the log, one row a step."""
        return self.injection.log

    @property
    def stop_reason(self) -> str:
        """Why the injection ended."""
        return self.injection.stop_reason

    @property
    def is_cubes(self) -> NDArray[np.bool_]:
        """Cells that are cubes, (n,)."""
        if self.voxels is not None:
            return self.voxels.is_cubes
        return np.zeros(self.mesh.flow.n_cells, dtype=bool)

    def saturation_at(self, volume: float) -> FloatArray:
        """Share of every cell that is agent when `volume` (mm3) has left the tip, (n,)."""
        if self.voxels is not None:
            return self.voxels.on_lines(self.voxels.saturation_at(volume))
        return self.history.saturation_at(volume)

    def holding_at(self, volume: float) -> Holding:
        """What the veins held when `volume` (mm3) had left the tip."""
        share = self.saturation_at(volume)
        total = float(share @ self.mesh.flow.cell_volume)
        cubes = None if self.voxels is None else self.voxels.holding_at(volume)
        return Holding(share, total, cubes)

    def full_at(self, volume: float) -> NDArray[np.bool_]:
        """Cells that agent fills when `volume` (mm3) has left the tip, (n,)."""
        return self.saturation_at(volume) >= 1.0

    def coverage_at(self, volume: float, station: int | None = None) -> float:
        """Degrees of the target root wrapped by `volume` (mm3), in one third or in all."""
        return self.cells.coverage_at(volume, station)

    @property
    def coverable(self) -> float:
        """Degrees of the target root that are wrapped when every foraminal vein is full."""
        return self.cells.coverable

    def log_at(self, column: str, volume: FloatArray) -> FloatArray:
        """A cumulative column of the log at injected volumes, mm3."""
        return log_at(self, column, volume)

    def in_compartment(self, *compartments: Compartment) -> NDArray[np.bool_]:
        """Cells of these compartments, (n,)."""
        return in_compartment(self.mesh, *compartments)


def in_compartment(mesh: CentrelineMesh, *compartments: Compartment) -> NDArray[np.bool_]:
    """Cells of a mesh that belong to these compartments, (n,)."""
    codes = [s.value for s in Structure if s.compartment in compartments]
    return np.isin(mesh.flow.cell_structure, codes)


def foramen_coverage(
    anatomy: Anatomy, mesh: CentrelineMesh, root: Level, side: Side
) -> RootCoverage:
    """Arcs of the foraminal cells of one root about its sleeve."""
    flow = mesh.flow
    cell = np.flatnonzero(
        (flow.cell_structure == Structure.FORAMINAL)
        & (flow.cell_level == root)
        & (flow.cell_side == side)
    )
    return root_coverage(
        anatomy.skeleton.root_sleeve(root, side),
        cell,
        flow.cell_centroid[cell],
        flow.cell_radius[cell],
        flow.cell_radius_minor[cell],
    )
